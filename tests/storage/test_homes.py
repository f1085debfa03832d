"""Users without a home folder and folders that cannot be written, as in containers."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

from mwlmc_data.dataset import store
from mwlmc_data.storage import homes

#: A user id without an account, as in containers.
NOBODY = """
import pwd
def unknown(*_):
    raise KeyError("uid not found: 12345")
pwd.getpwuid = pwd.getpwnam = unknown
"""
#: What needs no home folder.
PROGRAM = """
import mwlmc_data as mw
from mwlmc_data import cli
assert len(mw.load_catalogue()) == 128_000 and mw.load_halo(7).source == "store"
assert mw.load_halo(1000).to_astropy().shape == (4500,)
assert len(mw.simulate_many(mw.Prior("gaussian").sample(4, seed=1), progress=False, workers=2)) == 4
assert next(iter(mw.load_haloes([3, 4], format="datasets")))["sim_id"] == 3
assert mw.load_catalogue("test", format="datasets").num_rows == 10_000
assert cli.main(["info"]) == cli.main(["infer", "--case", "rigid", "--n", "50"]) == 0
"""


def run(program, folder, *interpreter, expect=0, **environment):
    strange = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_", "HF_", "ASTROPY_", "NUMBA_", "MWLMC_", "TMPDIR")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    done = subprocess.run(
        [*(interpreter or [sys.executable]), "-B", "-c", program],
        cwd=folder,
        env=clean | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == expect, done.stderr[-3000:]
    return done


def test_without_a_home_folder_everything_works_that_needs_none(tmp_path):
    pytest.importorskip("datasets")
    done = run(NOBODY + PROGRAM, tmp_path)
    assert "the local store is nowhere" in done.stdout
    assert list(tmp_path.iterdir()) == []  # no folder called ~


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user")
def test_as_a_user_without_an_account():
    """Kernels are compiled in the folder for temporary files: nothing else can be written by that user."""
    change = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    names = (sys.executable, shutil.which(f"python{sysconfig.get_python_version()}", path="/usr/bin"))
    able = [name for name in names if name and _can_use(change, name)]
    if not able:
        pytest.skip("another user may not read this Python or this package")
    # not below the folder of pytest, which only root can read
    with tempfile.TemporaryDirectory() as parent:
        folder, temporary = Path(parent, "work"), Path(parent, "tmp")
        for place, mode in ((Path(parent), 0o755), (folder, 0o755), (temporary, 0o777)):
            place.mkdir(exist_ok=True)
            place.chmod(mode)
        program = """
            import os
            import mwlmc_data as mw
            from mwlmc_data import cli
            assert os.getuid() == 12345 and os.path.expanduser("~") == "~"
            assert mw.load_halo(1000).source == "simulation" and mw.load_halo(7).to_astropy().shape == (4500,)
            assert cli.main(["info"]) == 0
        """
        run(textwrap.dedent(program), folder, *change, able[0], TMPDIR=str(temporary))
        assert list(folder.iterdir()) == [] and list(temporary.rglob("*.nbi"))


def _can_use(change, python):
    if shutil.which(change[0]) is None:
        return False
    reads = f"import encodings, ctypes; open({homes.__file__!r}).close(); open({np.__file__!r}).close()"
    return subprocess.run([*change, python, "-c", reads], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["fetch", "--mirror", "/nowhere"], ["MWLMC_DATA_DIR", "home folder"]),
        (["fetch", "--mirror", "/nowhere", "--directory", "~/data"], ["directory = '~/data'"]),
        (["fetch", "--mirror", "~/mirror", "--directory", "data"], ["mirror = '~/mirror'"]),
    ],
    ids=["the store", "directory", "mirror"],
)
def test_what_needs_a_home_folder_says_so(tmp_path, words, named):
    program = NOBODY + f"import sys\nfrom mwlmc_data import cli\nsys.exit(cli.main({words!r}))"
    said = run(program, tmp_path, expect=2).stderr
    assert len(said.splitlines()) == 1 and all(part in said for part in named)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_can_be_named_without_a_home_folder(tmp_path, monkeypatch):
    program = NOBODY + "from mwlmc_data.dataset.store import get_data_dir\nprint(get_data_dir('1.0.0'))"
    for variable, place in (("XDG_CACHE_HOME", "mwlmc-data/1.0.0"), ("MWLMC_DATA_DIR", "1.0.0")):
        if variable == "XDG_CACHE_HOME" and not sys.platform.startswith("linux"):
            continue
        assert Path(run(program, tmp_path, **{variable: str(tmp_path)}).stdout.strip()) == tmp_path / place
    monkeypatch.setenv("MWLMC_DATA_DIR", "~/mine")
    assert store.get_data_dir("2") == Path.home() / "mine" / "2"


def test_kernels_where_no_folder_can_be_written(tmp_path):
    """They are compiled and not cached; a cache folder that the user named and that cannot be written is ignored."""
    program = (
        NOBODY
        + """
import tempfile
def nowhere(*_, **__):
    raise FileNotFoundError("No usable temporary directory found")
tempfile.gettempdir = tempfile.TemporaryFile = nowhere
import numba
from mwlmc_data.simulator.compiling import kernel

@kernel
def double(x):
    return 2 * x

assert double(4.0) == 8.0
"""
    )
    run(program, tmp_path, NUMBA_CACHE_DIR="/proc/nowhere")


@pytest.mark.parametrize("path", [None, 3, b"run.npz"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match=r"out = .*: allowed is a path"):
        homes.expand_home("out", path)
