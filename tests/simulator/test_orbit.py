"""The orbit of the pair."""

import dataclasses

import numpy as np
import pytest

from mwlmc_data.simulator import Parameters, integrate_orbit
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.equations import integrate_stars
from mwlmc_data.simulator.orbit import Orbit, build_field, build_pair, build_reversed_field, rewind_pair
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES, SKY_NAMES
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.simulator.tables import milky_way
from tests.helpers.agama_reference import NAMES, arrays, parameters, summary

BASE = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-10)


@pytest.mark.parametrize("name", NAMES)
def test_against_agama(reference, name):
    """At -2.2 Gyr within 0.01 kpc and 0.01 km/s, both galaxies; all along within 0.02."""
    orbit = integrate_orbit(parameters(reference, name))
    start = np.array(summary(reference)["cases"][name]["mw_lmc_at_minus_2.2_gyr"])
    path, data = np.hstack([orbit.mw, orbit.lmc]), arrays(reference, name)
    assert orbit.time == pytest.approx(data["time"] * const.GYR_PER_TIME_UNIT, abs=1e-9)
    assert np.abs(path[0] - start).max() < 0.01
    assert np.abs(path - data["trajectory"]).max() < 0.02


def test_the_present_day_is_as_given():
    orbit = integrate_orbit(BASE)
    assert orbit.time[-1] == 0
    assert np.all(orbit.mw[-1] == 0)
    assert orbit.lmc[-1] == pytest.approx(BASE.lmc_phase_space)


def test_friction_sinks_the_orbit():
    """Rewound with friction, the LMC comes from farther out."""
    far = [integrate_orbit(dataclasses.replace(BASE, log10_lambda_df=x, **_none())).distance[0] for x in (-10, 0, 0.7)]
    assert far[0] < far[1] < far[2]


def _none():
    """No Cartesian coordinates, so that those of the sky are used."""
    return {name: None for name in ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")}


def test_only_a_heavy_lmc_moves_the_milky_way():
    light = integrate_orbit(Parameters(m200_mw=1e12, m_lmc=1e8, log10_lambda_df=-10))
    assert np.linalg.norm(light.mw[0, :3]) < 0.3
    heavy = integrate_orbit(BASE)
    assert np.linalg.norm(heavy.mw[0, :3]) > 20


def test_orbit_table_between_its_points():
    """The quintics of the field against the orbit at twice as many times."""
    _, field = build_field(BASE)
    fine = integrate_orbit(BASE, n_output=881).relative[1::2, :3]
    middle = sum(field.orbit[:, k] * 0.5**k for k in range(6))
    assert np.abs(middle - fine).max() < 1e-5


def test_steps_are_short_enough_through_the_centre():
    """An LMC that falls through the bulge: a rewind a thousand times more exact ends within 1e-3 kpc."""
    through = dataclasses.replace(
        BASE, **dict(zip(CARTESIAN_NAMES, (0.0, -25.0, -20.0, 1.0, -200.0, -160.0), strict=True)), **_no_sky()
    )
    orbit, pair = integrate_orbit(through), build_pair(through, milky_way(through.m200_mw, through.c200))
    today, span = np.r_[np.zeros(6), through.lmc_phase_space], const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    exact = rewind_pair(today, span, 441, pair, 1e-11, 1e-13)[0][::-1]
    assert orbit.distance.min() < 3
    assert np.abs(orbit.lmc - exact[:, 6:])[:, :3].max() < 1e-3
    assert np.abs(orbit.mw - exact[:, :6])[:, :3].max() < 1e-3


def _no_sky():
    return dict.fromkeys(SKY_NAMES)


def test_pericentre_is_refined():
    """A straight flyby sampled coarsely: closest at 30 kpc between two points."""
    time = np.linspace(-2.2, 0, 12)
    along = (time + 1.03) / const.GYR_PER_TIME_UNIT * 200.0
    lmc = np.zeros((12, 6))
    lmc[:, 0], lmc[:, 1], lmc[:, 3] = along, 30.0, 200.0
    orbit = Orbit(time, np.zeros((12, 6)), lmc)
    assert orbit.pericentre == pytest.approx(30.0, abs=1e-3)
    assert orbit.t_pericentre == pytest.approx(-1.03, abs=2e-3)
    assert orbit.distance.min() > 30.5


def test_number_of_points():
    assert integrate_orbit(BASE, n_output=5).lmc.shape == (5, 6)
    with pytest.raises(ValueError, match="n_output = 1"):
        integrate_orbit(BASE, n_output=1)


@pytest.mark.parametrize("place", [0.0, 1e-30, 5e-4])
def test_an_lmc_at_the_centre_is_an_error(place):
    centre = dict.fromkeys(("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc"), 0.0) | {"y_lmc": place}
    parameters = Parameters(m200_mw=9e11, m_lmc=2e11, log10_lambda_df=0.0, **centre)
    with pytest.raises(RuntimeError, match="cannot be integrated: today the LMC is at the Milky Way's centre"):
        integrate_orbit(parameters)


def test_stars_moved_to_today_and_rewound_return_to_where_they_were():
    """In float64 to 2e-6 kpc, in float32 to the kernel's errors (the median of stars beyond 50 kpc is 2e-4 kpc)."""
    signs = np.array([1, 1, 1, -1, -1, -1.0])
    for p in (BASE, dataclasses.replace(BASE, log10_lambda_df=0.7, **_none())):
        _, field, start = start_stars(p, 1500, halo_stream(4, 4))
        moved = start.copy()
        assert integrate_stars(moved, field.t_start, 0.0, field, 1e-9) > 0
        far = np.linalg.norm(moved[:, :3], axis=1) > 50
        assert far.sum() > 300
        back = build_reversed_field(p)
        assert (back.t_start, back.dt) == pytest.approx((field.t_start, 4 * field.dt))
        exact = moved[far] * signs
        assert integrate_stars(exact, back.t_start, 0.0, back, 1e-9) > 0
        gap = np.linalg.norm(exact[:, :3] - start[far, :3], axis=1)
        assert np.median(gap) < 2e-6 and np.percentile(gap, 99) < 1e-4
        fast = integrate_lanes(moved[far] * signs, back, TOLERANCE)[0] * signs
        gap = np.linalg.norm(fast[:, :3] - start[far, :3], axis=1)
        assert np.median(gap) < 4e-4 and np.percentile(gap, 99) < 4e-2
        assert np.median(np.linalg.norm(fast[:, 3:] - start[far, 3:], axis=1)) < 2e-2


def test_the_reversed_path_is_the_orbit_backwards():
    _, field = build_field(BASE)
    back = build_reversed_field(BASE)
    assert back.orbit.shape == (110, 6, 3)
    for u in (0.0, 0.3, 0.77):
        found = sum(back.orbit[:, k] * u**k for k in range(6))
        cell, w = np.divmod(440 - 4 * (np.arange(110) + u), 1)
        cell = np.minimum(cell.astype(int), 439)
        w = 440 - 4 * (np.arange(110) + u) - cell
        assert found == pytest.approx(sum(field.orbit[cell, k] * w[:, None] ** k for k in range(6)), abs=3e-5)
    with pytest.raises(ValueError, match="n_points = 1: allowed is"):
        build_reversed_field(BASE, 1)
