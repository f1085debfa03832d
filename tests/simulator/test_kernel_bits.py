"""The stars' bits: the same freshly compiled and from the cache, in every process, whatever the other stars.

And their errors, within the same bounds on every set of instructions.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mwlmc_data.simulator.engines.vectors import list_features
from tests.simulator.test_vectors import AVX2, SSE

BITS = """
import hashlib
import numpy as np
from mwlmc_data.simulator import Parameters
from mwlmc_data.simulator.engines import lanes
from mwlmc_data.simulator.engines.start import TOLERANCE
from mwlmc_data.simulator.orbit import build_field

rng = np.random.default_rng(4)
stars = np.hstack([rng.normal(size=(300, 3)) * 30, rng.normal(size=(300, 3)) * 80])
_, field = build_field(Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0))
moved, _ = lanes.integrate_lanes(stars, field, TOLERANCE)
print(len(lanes._run.stats.cache_hits), hashlib.sha256(moved.tobytes()).hexdigest())
"""


def run(arguments, repository, cache, environment=None):
    result = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(repository)} | (environment or {}),
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    return result.stdout.split()


@pytest.mark.slow
def test_bits_cold_and_from_the_cache(repository, tmp_path):
    """A process that compiles, two at once that load what it compiled, and this one, whose cache is another."""
    cold = run(["-c", BITS], repository, tmp_path)
    with ThreadPoolExecutor() as pool:
        warm = list(pool.map(lambda _: run(["-c", BITS], repository, tmp_path), range(2)))
    here = run(["-c", BITS], repository, os.environ.get("NUMBA_CACHE_DIR", ""))
    assert cold[0] == "0"
    assert [hits for hits, _ in warm] == ["1", "1"]
    assert {here[1], *(bits for _, bits in warm)} == {cold[1]}


@pytest.mark.slow
@pytest.mark.parametrize("environment", [AVX2, SSE], ids=["AVX2", "SSE4.2"])
def test_errors_with_other_instructions(repository, tmp_path, environment):
    """The kernel's own tests hold with AVX2's estimate of an inverse root and with that from a float's bits."""
    if "avx2" not in list_features():
        pytest.skip("this processor has no AVX2")
    chosen = "lanes_against_the_yardstick or close_passage or elementary or centre or farthest"
    program = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/simulator/test_integrate.py", "-k", chosen]
    assert "passed," in run(program, repository, tmp_path, environment)
