"""Frames against astropy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ICRS, Galactic, SkyCoord
from hypothesis import given
from hypothesis import strategies as st

import mwlmc_data
from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import frames
from mwlmc_data.simulator.parameters import OBSERVED_LMC
from mwlmc_data.simulator.stars import Halo

PROPER_MOTION = st.floats(-5, 5)
UNITS = (u.deg, u.deg, u.kpc, u.km / u.s, u.mas / u.yr, u.mas / u.yr)
OTHER_UNITS = (u.rad, u.arcmin, u.pc, u.m / u.s, u.arcsec / u.yr, u.rad / u.s)
SKY = (78.76, -69.19, 49.6, 262.2, 1.9, 0.33)


def test_rotation_is_astropys():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), np.degrees(np.arcsin(rng.uniform(-1, 1, 50)))
    galactic = ICRS(ra * u.deg, dec * u.deg).transform_to(Galactic())
    found = frames.sky_basis(ra, dec)[:, 0] @ frames.ICRS_TO_GALACTIC.T
    assert found == pytest.approx(galactic.cartesian.xyz.value.T, abs=2e-7)


def test_phase_space_is_astropys():
    """Through astropy's Galactic frame, which has no tilt, and the position and velocity of the Sun."""
    ra, dec, d, v, mu_a, mu_d = SKY
    star = ICRS(
        ra * u.deg,
        dec * u.deg,
        d * u.kpc,
        pm_ra_cosdec=mu_a * u.mas / u.yr,
        pm_dec=mu_d * u.mas / u.yr,
        radial_velocity=v * u.km / u.s,
    ).transform_to(Galactic())
    expected = np.r_[
        star.cartesian.xyz.to_value(u.kpc) + const.SUN_POSITION,
        star.velocity.d_xyz.to_value(u.km / u.s) + const.SUN_VELOCITY,
    ]
    assert frames.sky_to_galactocentric(*SKY) == pytest.approx(expected, abs=2e-4)


def test_the_lmc_has_its_published_phase_space_position():
    """Kallivayalil et al. 2013: (-1, -41, -28) kpc, (-57 +- 13, -226 +- 15, 221 +- 19) km/s."""
    found = frames.sky_to_galactocentric(*OBSERVED_LMC)
    assert np.all(np.abs(found - [-1, -41, -28, -57, -226, 221]) < [1, 1, 1, 13, 15, 19])


def test_a_published_star():
    """The first K giant of Yaaqib et al. (2024), whose table has both its observables and its phase-space."""
    l, b, d, v_los, pm_l, pm_b = -79.21, 64.61, 55.75, 74.4, -0.1926, -0.711
    e_d, e_l, e_b = frames.sky_basis(l, b)
    k = 4.74057 * d  # as in the table; ours is 4.74047
    position = np.array([-8.3, 0.0, 0.03]) + d * e_d
    velocity = np.array([11.1, 244.24, 7.25]) + v_los * e_d + k * (pm_l * e_l + pm_b * e_b)
    assert position == pytest.approx([-3.82487092, -23.48171345, 50.39511544], abs=1e-7)
    assert velocity == pytest.approx([-1.149144, 36.617109, -6.106958], abs=1e-6)


@given(st.floats(0, 359.99), st.floats(-89, 89), st.floats(10, 200), st.floats(-500, 500), PROPER_MOTION, PROPER_MOTION)
def test_round_trip(ra, dec, d, v, mu_a, mu_d):
    back = frames.galactocentric_to_sky(frames.sky_to_galactocentric(ra, dec, d, v, mu_a, mu_d))
    difference = back - [ra, dec, d, v, mu_a, mu_d]
    difference[0] = (difference[0] + 180) % 360 - 180
    assert np.abs(difference) == pytest.approx(np.zeros(6), abs=1e-7)


def test_bases_are_right_handed_and_orthonormal():
    x = np.random.default_rng(1).normal(size=(30, 3)) * 60
    for basis, sign in ((frames.heliocentric_basis(x), 1), (frames.galactocentric_basis(x), -1)):
        assert basis @ np.swapaxes(basis, 1, 2) == pytest.approx(np.broadcast_to(np.eye(3), (30, 3, 3)), abs=1e-12)
        # (los, l, b) is right-handed; (r, phi, theta) is not, as theta grows to the south
        assert np.linalg.det(basis) == pytest.approx(np.full(30, sign), abs=1e-12)


@pytest.fixture(scope="module")
def halo():
    rng = np.random.default_rng(2)
    return Halo(rng.normal(size=(40, 3)).astype("f4") * 50, rng.normal(size=(40, 3)).astype("f4") * 100)


def test_halo_to_astropy_has_its_own_components_with_units(halo):
    stars = halo.to_astropy()
    assert isinstance(stars, SkyCoord) and stars.frame.name == "galactocentric"
    assert stars.x.unit == u.kpc and stars.v_x.unit == u.km / u.s
    assert np.array_equal(stars.cartesian.xyz.to_value(u.kpc).T, halo.positions)
    assert np.array_equal(stars.velocity.d_xyz.to_value(u.km / u.s).T, halo.velocities)


def test_halo_to_astropy_sees_the_galactic_sky_without_a_tilt(halo):
    """Through astropy's Galactic frame the same l, b, distances and velocities as here, to rounding."""
    sky = halo.to_astropy().galactic
    offset = halo.positions.astype(float) - const.SUN_POSITION
    l, b = frames.spherical_angles(offset)
    assert sky.l.deg == pytest.approx(l % 360, abs=1e-11)
    assert sky.b.deg == pytest.approx(b, abs=1e-11)
    assert sky.distance.to_value(u.kpc) == pytest.approx(np.linalg.norm(offset, axis=1), abs=1e-11)
    velocity = halo.velocities.astype(float) - const.SUN_VELOCITY
    speeds = np.einsum("nki,ni->nk", frames.sky_basis(l, b), velocity)
    assert sky.radial_velocity.to_value(u.km / u.s) == pytest.approx(speeds[:, 0], abs=1e-10)
    for motion, speed in ((sky.pm_l_cosb, speeds[:, 1]), (sky.pm_b, speeds[:, 2])):
        tangential = (motion * sky.distance).to_value(u.km / u.s, equivalencies=u.dimensionless_angles())
        assert tangential == pytest.approx(speed, abs=1e-9)


def test_halo_to_astropy_round_trip(halo):
    """Back from the sky with astropy and with the frames of this package."""
    sky = halo.to_astropy().icrs
    back = sky.transform_to(mwlmc_data.galactocentric_frame())
    assert back.cartesian.xyz.to_value(u.kpc).T == pytest.approx(halo.positions.astype(float), abs=1e-11)
    assert back.velocity.d_xyz.to_value(u.km / u.s).T == pytest.approx(halo.velocities.astype(float), abs=1e-10)
    ours = frames.sky_to_galactocentric(
        sky.ra.deg,
        sky.dec.deg,
        sky.distance.to_value(u.kpc),
        sky.radial_velocity.to_value(u.km / u.s),
        sky.pm_ra_cosdec.to_value(u.mas / u.yr),
        sky.pm_dec.to_value(u.mas / u.yr),
    )
    # our rotation is 0.03 arcsec from astropy's
    assert ours == pytest.approx(np.hstack([halo.positions, halo.velocities]), abs=1e-4)


def test_the_frame_of_astropy_has_our_sun_and_the_disc_turns_backwards():
    """The Sun is at rest in the heliocentric frame, and moves towards l = 90 deg, which is negative v_phi."""
    frame = mwlmc_data.galactocentric_frame()
    zero = 0 * u.km / u.s
    at_rest = ICRS(0 * u.deg, 0 * u.deg, 1e-9 * u.kpc, 0 * u.mas / u.yr, 0 * u.mas / u.yr, zero)
    sun = SkyCoord(at_rest).transform_to(frame)
    assert sun.cartesian.xyz.to_value(u.kpc) == pytest.approx(const.SUN_POSITION, abs=1e-8)
    assert sun.velocity.d_xyz.to_value(u.km / u.s) == pytest.approx(const.SUN_VELOCITY, abs=1e-8)
    assert frame.galcen_coord.transform_to(Galactic()).b.deg == pytest.approx(
        -np.degrees(np.arctan2(const.SUN_POSITION[2], -const.SUN_POSITION[0])), abs=1e-10
    )
    momentum = sun.x * sun.v_y - sun.y * sun.v_x
    assert momentum.value < 0
    assert np.cross(const.SUN_POSITION, const.SUN_VELOCITY)[2] == pytest.approx(momentum.value, abs=1e-5)


def test_units_are_converted():
    there = frames.sky_to_galactocentric(*SKY)
    others = [(value * unit).to(other) for value, unit, other in zip(SKY, UNITS, OTHER_UNITS, strict=True)]
    assert frames.sky_to_galactocentric(*others) == pytest.approx(there, rel=1e-12)
    assert frames.sky_basis(1.0 * u.rad, 0.5 * u.rad) == pytest.approx(frames.sky_basis(*np.degrees([1.0, 0.5])))
    x = np.array([[10.0, 20.0, 30.0]])
    for basis in (frames.galactocentric_basis, frames.heliocentric_basis):
        assert basis((x * u.kpc).to(u.pc)) == pytest.approx(basis(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frames.sky_to_galactocentric(*SKY[:2], np.ma.masked_array([50.0], [True]), *SKY[3:]), "distance = 1"),
        (lambda: frames.sky_to_galactocentric(*SKY[:3], np.nan, *SKY[4:]), "v_los = nan"),
        (lambda: frames.sky_to_galactocentric(*SKY[:2], 50 * u.deg, *SKY[3:]), "distance = numbers in deg"),
        (lambda: frames.galactocentric_to_sky(np.zeros((5, 3))), r"phase_space = an array of shape \(5, 3\)"),
        (lambda: frames.galactocentric_to_sky([np.nan] * 6), "phase_space"),
        (lambda: frames.spherical_angles(5.0), r"vectors = an array of shape \(\)"),
        (lambda: frames.sky_basis([10.0, np.inf], 0.0), r"longitude\[1\] = inf"),
        (lambda: frames.heliocentric_basis(np.ones((4, 3)), sun_position=-8.3), "sun_position = a number"),
        (lambda: frames.galactocentric_basis(np.ma.masked_less(np.eye(3), 0.5)), "positions = 6 masked"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_longitudes_lie_above_minus_180_and_up_to_180():
    """Zeros may be negative and small angles may round: the half circle is +180, and right ascensions lie below 360."""
    for y in (0.0, -0.0, -1e-300):
        assert frames.spherical_angles([-1.0, y, 0.0])[0] == 180.0
    assert frames.spherical_angles([0.0, 0.0, 1.0]) == (0.0, 90.0)
    east = frames.ICRS_TO_GALACTIC @ [1.0, -1e-18, 0.0]
    ra = frames.galactocentric_to_sky(np.r_[50 * east + const.SUN_POSITION, const.SUN_VELOCITY])[0]
    assert 0.0 <= ra < 360.0


@given(st.floats(-1e4, 1e4))
def test_angles_are_wrapped_once(angle):
    wrapped = float(wrap_degrees(angle))
    assert -180.0 < wrapped <= 180.0
    assert np.cos(np.radians(wrapped - angle)) == pytest.approx(1.0)
    assert np.cos(np.radians(float(wrap_degrees(wrapped + 360.0)) - wrapped)) == pytest.approx(1.0)
