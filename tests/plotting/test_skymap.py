"""The map of the sky: signs, places, smoothing."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest

from mwlmc_data.plotting.skymap import galactic_angles, gsr_velocity, smooth_map
from mwlmc_data.simulator import Halo
from mwlmc_data.simulator.constants import SUN_POSITION


def shell(n=40_000, radius=100.0, seed=0):
    """Stars evenly on a sphere."""
    v = np.random.default_rng(seed).standard_normal((n, 3))
    return radius * v / np.linalg.norm(v, axis=1, keepdims=True)


def cell(sky, l, b):
    """Value of the map at a place."""
    return sky.velocity[int((b + 90) // 3), int((l + 180) // 3)]


def test_angles_are_those_of_astropy():
    stars = Halo(shell(200, 60.0).astype("f4"), np.ones((200, 3), "f4"))
    sky = stars.to_astropy().galactic
    l, b = galactic_angles(stars.positions).T
    np.testing.assert_allclose(l % 360, sky.l.deg, atol=1e-10)
    np.testing.assert_allclose(b, sky.b.deg, atol=1e-10)


def test_angles_and_velocities_are_seen_from_the_sun():
    ahead = np.array(SUN_POSITION) + np.diag([10.0, 10.0, -10.0])
    np.testing.assert_allclose(galactic_angles(ahead), [[0, 0], [90, 0], [0, -90]], atol=1e-9)
    np.testing.assert_allclose(gsr_velocity(ahead, np.full((3, 3), 7.0)), [7, 7, -7])


def test_a_disc_that_moves_sees_a_dipole_about_the_apex():
    """Stars approach a disc that travels to l = 0: negative there, positive behind."""
    positions = shell()
    sky = smooth_map(positions, np.tile([-50.0, 0.0, 0.0], (len(positions), 1)))
    assert cell(sky, 0, 0) == pytest.approx(-50, abs=5) and cell(sky, -179, 0) == pytest.approx(50, abs=5)
    assert abs(cell(sky, 90, 0)) < 8 and sky.n_stars == len(positions)


def test_the_net_signal_is_subtracted():
    positions = shell()
    outwards = 30.0 * positions / 100.0
    sky = smooth_map(positions, outwards)
    assert sky.monopole == pytest.approx(30, abs=0.5) and np.abs(sky.velocity).max() < 1.5


def test_the_map_has_no_seam_and_leaves_near_stars_out():
    positions = np.concatenate([shell(), shell(radius=20.0)])
    velocities = np.concatenate([np.tile([0.0, 40.0, 0.0], (40_000, 1)), np.full((40_000, 3), 900.0)])
    sky = smooth_map(positions, velocities)
    assert sky.n_stars == 40_000
    assert np.abs(sky.velocity[:, 0] - sky.velocity[:, -1]).max() < 5
    with pytest.raises(ValueError, match="stars = 0 of 5 beyond"):
        smooth_map(positions[-5:], velocities[-5:])


def test_cells_cover_the_sky_at_any_allowed_step():
    positions = shell(2000)
    sky = smooth_map(positions, np.tile([0.0, 0.0, 10.0], (2000, 1)), step=2.5)
    assert sky.velocity.shape == (72, 144)
    assert sky.longitude_edges[[0, -1]].tolist() == [-180, 180] and sky.latitude_edges[[0, -1]].tolist() == [-90, 90]


def test_a_narrow_kernel_takes_the_nearest_stars():
    """Two stars: each cell shows the one that is nearer, and none is empty."""
    positions = np.array([[100.0, 0.0, 0.0], [-100.0, 0.0, 0.0]])
    sky = smooth_map(positions, np.array([[20.0, 0, 0], [30.0, 0, 0]]), kernel=0.5)
    assert sky.monopole == pytest.approx(-5)
    assert cell(sky, 10, 10) == pytest.approx(25) and cell(sky, 170, -10) == pytest.approx(-25)


@pytest.mark.parametrize("option", [{"kernel": 0.0}, {"kernel": np.nan}, {"step": 7.0}, {"step": -3.0}])
def test_settings_that_do_not_make_a_map_are_refused(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"{name} = .*allowed"):
        smooth_map(shell(50), shell(50), **option)


def test_units_are_converted_and_masks_refused():
    x, v = shell(400), shell(400)
    expected = smooth_map(x, v, r_min=50.0, kernel=12.0)
    places, motions = (x * u.kpc).to(u.lyr), (v * u.km / u.s).to(u.m / u.s)
    got = smooth_map(places, motions, 5e4 * u.pc, np.radians(12.0) * u.rad, 180 * u.arcmin)
    np.testing.assert_allclose(got.velocity, expected.velocity, rtol=1e-9, atol=1e-9)
    hidden = np.ma.masked_array(x, np.arange(1200).reshape(400, 3) == 7)
    for function in (smooth_map, gsr_velocity):
        with pytest.raises(ValueError, match=r"positions = 1 masked or missing value of 1200.*positions\[2, 1\]"):
            function(hidden, v)
        with pytest.raises(ValueError, match=r"velocities\[0, 0\] = nan \(and 1199 more"):
            function(x, np.full_like(v, np.nan))
        with pytest.raises(ValueError, match="velocities = numbers in kpc"):
            function(x, v * u.kpc)
        with pytest.raises(ValueError, match=r"velocities = an array of shape \(400,\): allowed"):
            function(x, v[:, 0])
    with pytest.raises(ValueError, match="positions = 1 masked"):
        galactic_angles(hidden)


def test_tables_are_taken_by_name():
    table = pd.DataFrame({"z": [0.0, 80.0], "y": [10.0, 0.0], "x": [80.0, 0.0]})
    speeds = pd.DataFrame({"vz": [5.0, 1.0], "vx": [3.0, 2.0], "vy": [4.0, 0.0]})
    arrays = table[["x", "y", "z"]].to_numpy(), speeds[["vx", "vy", "vz"]].to_numpy()
    np.testing.assert_array_equal(galactic_angles(table), galactic_angles(arrays[0]))
    np.testing.assert_array_equal(gsr_velocity(table, speeds), gsr_velocity(*arrays))
