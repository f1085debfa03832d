"""Execute the notebooks of this folder in place: ``python -m examples [NOTEBOOK ...]``.

Each runs in a fresh kernel of this Python, in an empty folder, on this checkout, with only the haloes of the package.
The result holds no times, versions or machine names, so that a change shows as a small difference.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent
#: Time limit of a cell [s]: several times that of the slowest.
CELL_LIMIT = 300
#: Compiles kernels and builds matplotlib's font cache, which would otherwise print messages in a notebook.
WARM_UP = """
import mwlmc_data as mw

mw.load_halo(0, source="simulation").plot()._repr_png_()
live = mw.load_live("gc19-lmc3")
live.halo(n_stars=10), live.field.evaluate([[50.0, 0.0, 0.0]], 1.0)
"""


class ThisPython(KernelSpecManager):
    """Offers only a kernel of the running interpreter."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the only kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


def list_notebooks() -> list[Path]:
    """List the notebooks of this folder."""
    return sorted(FOLDER.glob("*.ipynb"))


def make_environment(folder: Path) -> dict[str, str]:
    """Make the environment of a kernel: this checkout, inline figures, no settings or haloes of the user."""
    paths = [str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MWLMC_DATA_DIR": str(folder / "none"),
        "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def warm_up() -> None:
    """Trigger the messages of a first use of the package outside the notebooks."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", WARM_UP], env=make_environment(Path(folder)), cwd=folder, check=True)


def execute(path: Path) -> NotebookNode:
    """Execute a notebook.

    Parameters
    ----------
    path : Path
        The notebook, which is not changed.

    Returns
    -------
    NotebookNode
        The notebook with its new outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        manager = AsyncKernelManager(
            kernel_spec_manager=ThisPython(),
            connection_file=str(folder / "kernel.json"),
            # sockets in the folder, where the system has them: others could listen to a port
            transport="tcp" if os.name == "nt" else "ipc",
        )
        client = NotebookClient(notebook, km=manager, timeout=CELL_LIMIT, record_timing=False, coalesce_streams=True)
        client.execute(cwd=str(work), env=make_environment(folder), cleanup_kc=True)
    return tidy(notebook)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Remove traces of the run from a notebook, and name its cells by their position."""
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = NotebookNode(tags=tags) if tags else NotebookNode()
    return notebook


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute notebooks in place.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line; by default those of the process.

    Returns
    -------
    int
        Exit status, 0.
    """
    parser = argparse.ArgumentParser(prog="python -m examples", description="Execute the notebooks in place.")
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="default: all of this folder")
    paths = parser.parse_args(arguments).notebooks or list_notebooks()
    warm_up()
    for path in paths:
        notebook = execute(path)
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
