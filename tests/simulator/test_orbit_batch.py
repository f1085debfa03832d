"""Many pasts of the Milky Way at once."""

import numpy as np
import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.priors import Prior
from mwlmc_data.simulator.orbit_batch import rewind_milky_ways


def rewind(rows, n_output=45):
    columns = [np.array([getattr(p, name) for p in rows]) for name in ("m_lmc", "m200_mw", "c200", "log10_lambda_df")]
    enclosed = np.array([p.m_lmc_8p7 for p in rows])
    return rewind_milky_ways(*columns, enclosed, np.array([p.lmc_phase_space for p in rows]), n_output)


def test_the_velocities_are_those_of_single_orbits():
    drawn = Prior("gaussian").sample(12, seed=4)
    rows = [Parameters(**row) for row in drawn.to_dict("records")]
    found = rewind(rows)
    for row, velocities in zip(rows, found, strict=True):
        np.testing.assert_allclose(velocities, integrate_orbit(row, 45).mw[:, 3:], atol=2e-5)


@pytest.mark.parametrize("today", [(0.0, 0.0, 5e-4, 0.0, 0.0, 100.0), (np.nan, 1.0, 1.0, 0.0, 0.0, 0.0)])
def test_an_orbit_that_cannot_be_integrated_is_nan_and_leaves_the_others(today):
    usual = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0)
    one = rewind([usual])
    given = [np.full(2, getattr(usual, name)) for name in ("m_lmc", "m200_mw", "c200", "log10_lambda_df", "m_lmc_8p7")]
    lmc = np.array([today, usual.lmc_phase_space])
    found = rewind_milky_ways(*given, lmc, 45)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], one[0])
