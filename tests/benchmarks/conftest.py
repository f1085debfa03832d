"""A small problem and a small trained estimator that the benchmark's tests share."""

import pytest

from benchmarks.baselines.maf import Maf
from benchmarks.baselines.training import Training
from benchmarks.common.sets import SimulationSet
from tests.helpers.synthetic_catalogue import synthetic_catalogue


@pytest.fixture(scope="session")
def problem():
    """1,024 rows of the synthetic catalogue."""
    return SimulationSet("gaussian", synthetic_catalogue(1024))


@pytest.fixture(scope="session")
def trained(problem):
    """The paper's estimator after a few epochs."""
    pytest.importorskip("sbi", reason="sbi is not installed: the estimator cannot be trained")
    estimator = Maf(training=Training(max_epochs=25, batch=50))
    estimator.fit(problem, seed=1)
    return estimator
