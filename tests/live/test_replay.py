"""Stars in a stored field: where the live run's own tracers go, and steps that are short enough."""

import numpy as np
import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.replay import STAR_STEP, move_stars
from mwlmc_data.live.running import run
from mwlmc_data.live.settings import find_body, make_settings
from mwlmc_data.live.start import make_galaxies
from mwlmc_data.live.track import stack_rows
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.streams import halo_stream

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)


@pytest.fixture(scope="module")
def carried():
    """Stars at the start, the same stars as a live run of 1 Gyr carried them, and its field."""
    stars = draw_stars(equilibrium(PARAMETERS.m200_mw, PARAMETERS.c200, 0.0, 12.0), 3000, halo_stream(0, 0))
    settings = make_settings(24_000, 1, rows=50, span=1.0)
    start = integrate_orbit(PARAMETERS).relative[-201]
    state, rows = run(make_galaxies(PARAMETERS), start, settings, tracers=stars)
    phase = np.concatenate([state.positions, state.velocities], axis=1) - state.body
    table = stack_rows(rows)
    coefficients = (np.moveaxis(table[name], 1, 0) for name in ("potential", "slope"))
    field = LiveField(table["time"], table["body"], table["lmc"], *coefficients, find_body(settings))
    return stars, state.restore_order(phase)[-3000:], field


def median_gap(found, expected, low, high, part=slice(0, 3)):
    r = np.linalg.norm(expected[:, :3], axis=1)
    gap = np.linalg.norm(found[:, part] - expected[:, part], axis=1)
    return np.median(gap[(r > low) & (r < high)])


def test_stars_go_where_the_live_run_carried_them(carried):
    stars, expected, field = carried
    moved = move_stars(field, stars)
    # noise of 24,000 particles between rows of 20 Myr; stars within 10 kpc are chaotic
    assert median_gap(moved, expected, 50, 100) < 0.2
    assert median_gap(moved, expected, 100, 300) < 0.1
    assert median_gap(moved, expected, 50, 300, slice(3, 6)) < 0.4
    far = np.linalg.norm(expected[:, :3], axis=1) > 50
    np.testing.assert_allclose(moved[far, 3:].mean(0), expected[far, 3:].mean(0), atol=0.3)


def test_the_steps_are_short_enough(carried):
    stars, _, field = carried
    usual, short = move_stars(field, stars[:400]), move_stars(field, stars[:400], STAR_STEP / 4)
    assert median_gap(usual, short, 50, 300) < 0.01
    assert median_gap(usual, short, 10, 50) < 0.05
    assert not np.array_equal(usual, short)


def test_a_star_does_not_depend_on_the_others(carried):
    stars, _, field = carried
    alone = move_stars(field, stars[100:110])
    np.testing.assert_allclose(alone, move_stars(field, stars[:200])[100:110], rtol=1e-4, atol=1e-2)


def test_no_stars_are_no_error(carried):
    assert move_stars(carried[2], np.empty((0, 6))).shape == (0, 6)
