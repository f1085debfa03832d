"""One small live run, which the tests of this folder share."""

import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.live.simulating import simulate_live

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    """A run of 24,000 particles from the rigid pair's start."""
    start = integrate_orbit(PARAMETERS, 2).relative[0]
    checkpoint = tmp_path_factory.mktemp("live") / "run.npz"
    return simulate_live(PARAMETERS, 24_000, seed=3, start=start, checkpoint=checkpoint, progress=False)
