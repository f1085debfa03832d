"""Stars moved back to 2.2 Gyr ago, and what the door refuses."""

import math

import astropy.units as u
import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data.simulator.engines.start import start_stars
from mwlmc_data.simulator.streams import halo_stream

P = mw.Parameters(m200_mw=1.2e12, m_lmc=1.5e11, log10_lambda_df=0.0, beta0=0.3, r_dehnen=12.0)
X, V = [[60.0, 0.0, 10.0], [-80.0, 20.0, 5.0]], [[0.0, 90.0, 40.0], [50.0, -30.0, 20.0]]


def test_rewinding_reverses_the_simulation():
    """The yardstick's stars are taken back to where they were drawn."""
    halo = mw.simulate(P, seed=3, n_stars=500, engine="numba-float64").halo
    start = start_stars(P, 500, halo_stream(3, 0))[2]
    outer = np.linalg.norm(halo.positions, axis=1) > 50
    positions, velocities = mw.rewind(halo.positions[outer], halo.velocities[outer], P)
    assert positions.shape == velocities.shape == (outer.sum(), 3) and positions.dtype == velocities.dtype == float
    gap = np.linalg.norm(positions - start[outer, :3], axis=1)
    speed = np.linalg.norm(velocities - start[outer, 3:], axis=1)
    assert np.median(gap) < 2e-3 and np.percentile(gap, 98) < 0.05
    assert np.median(speed) < 5e-3 and np.percentile(speed, 98) < 0.2


def test_units_and_tables_are_read():
    expected = mw.log_density(X, V, P)
    positions = pd.DataFrame(X, columns=["x", "y", "z"])[["z", "x", "y"]]
    velocities = pd.DataFrame(V, columns=["vx", "vy", "vz"])
    assert np.array_equal(mw.log_density(positions, velocities, P), expected)
    found = mw.log_density((X * u.kpc).to(u.Mpc), V * u.km / u.s, P)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("function", [mw.rewind, mw.log_density])
@pytest.mark.parametrize(
    ("positions", "velocities", "parameters", "message"),
    [
        ([[60.0, 0.0, math.nan]], V[:1], P, r"positions\[0, 2\] = nan: allowed is a finite number in kpc"),
        (X, V[:1], P, r"velocities = an array of shape \(1, 3\): allowed is the shape \(2, 3\)"),
        (X[0], V[0], P, r"positions = an array of shape \(3,\): allowed is the shape \(n, 3\)"),
        (X * u.km / u.s, V, P, "positions"),
        (np.ma.masked_array(X, np.eye(2, 3)), V, P, "positions.*masked"),
        (X, V, {"m200_mw": 1e12}, "parameters = .*: allowed is a mwlmc_data.Parameters"),
    ],
)
def test_what_is_not_stars_is_refused(function, positions, velocities, parameters, message):
    with pytest.raises(ValueError, match=message):
        function(positions, velocities, parameters)


def test_no_stars_give_no_densities():
    assert mw.log_density(np.empty((0, 3)), np.empty((0, 3)), P).shape == (0,)
    assert [a.shape for a in mw.rewind(np.empty((0, 3)), np.empty((0, 3)), P)] == [(0, 3), (0, 3)]


def test_an_unbound_star_has_no_density():
    found = mw.log_density([*X, [60.0, 0.0, 10.0]], [*V, [0.0, 900.0, 0.0]], P)
    assert np.isfinite(found[:2]).all() and found[2] == -math.inf
