"""Kernels are compiled once, announced, cached, and work where nothing can be written beside them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mwlmc_data

PROGRAM = """
import hashlib
import mwlmc_data as mw
p = mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0, beta0=0.8)
print(mw.__file__, hashlib.sha256(mw.simulate(p, n_stars=2000).halo.positions.tobytes()).hexdigest())
"""
ANNOUNCEMENT = "compiling kernels"


def run(root, **environment):
    """Output of the program and the hash of its stars, with the package of `root` and without this one's cache."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_", "PYTHON"))}
    paths = os.pathsep.join([str(root), *(p for p in sys.path if p.endswith("site-packages"))])
    result = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        cwd=root,
        env=clean | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    place, stars = result.stdout.split()
    assert str(root) in place
    return result.stderr, stars


@pytest.fixture
def installation(tmp_path):
    """A copy of the package without compiled code."""
    source = Path(mwlmc_data.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "mwlmc_data", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_compilation_is_announced_once_and_cached(installation):
    """The cached code gives the same stars as the fresh one, to the bit."""
    said, stars = run(installation)
    said_again, stars_again = run(installation)
    assert said.count(ANNOUNCEMENT) == 1
    assert ANNOUNCEMENT not in said_again
    assert stars == stars_again
    assert list((installation / "mwlmc_data" / "simulator" / "__pycache__").glob("*.nbi"))


def forbid_writing(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("home", ["writable", "read-only"])
def test_read_only_installation(installation, tmp_path, home):
    """As an ordinary user: root may write anywhere, so the package is made unwritable by a file in the way."""
    simulator = installation / "mwlmc_data" / "simulator"
    (simulator / "__pycache__").write_text("in the way: no folder can be made here")
    cache, temporary = tmp_path / "home", tmp_path / "tmp"
    cache.mkdir()
    temporary.mkdir()
    if home == "read-only":
        (cache / ".cache").write_text("in the way")
    forbid_writing(installation)
    environment = {"HOME": str(cache), "TMPDIR": str(temporary)}
    assert ANNOUNCEMENT in run(installation, **environment)[0]
    assert ANNOUNCEMENT not in run(installation, **environment)[0]
    kept = cache if home == "writable" else temporary
    assert list(kept.rglob("*.nbi"))
