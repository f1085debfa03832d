"""Frames against astropy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ICRS, Galactic, SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import frames
from mwlmc_data.simulator.parameters import OBSERVED_LMC
from mwlmc_data.simulator.simulation import Halo

PROPER_MOTION = st.floats(-5, 5)
SKY = (78.76, -69.19, 49.6, 262.2, 1.9, 0.33)


def test_rotation_is_astropys():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), np.degrees(np.arcsin(rng.uniform(-1, 1, 50)))
    galactic = ICRS(ra * u.deg, dec * u.deg).transform_to(Galactic())
    found = frames.sky_basis(ra, dec)[:, 0] @ frames.ICRS_TO_GALACTIC.T
    assert found == pytest.approx(galactic.cartesian.xyz.value.T, abs=2e-7)


def test_phase_space_is_astropys():
    """Through astropy's Galactic frame, which has no tilt, and the Sun's place and motion."""
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


def test_the_lmc_is_where_the_field_puts_it():
    """Kallivayalil et al. 2013: (-1, -41, -28) kpc, (-57 +- 13, -226 +- 15, 221 +- 19) km/s."""
    found = frames.sky_to_galactocentric(*OBSERVED_LMC)
    assert np.all(np.abs(found - [-1, -41, -28, -57, -226, 221]) < [1, 1, 1, 13, 15, 19])


@given(
    st.floats(0, 359.99), st.floats(-89, 89), st.floats(10, 200), st.floats(-500, 500), PROPER_MOTION, PROPER_MOTION
)
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


def test_halo_to_astropy_keeps_galactic_coordinates():
    rng = np.random.default_rng(2)
    positions, velocities = rng.normal(size=(40, 3)) * 50, rng.normal(size=(40, 3)) * 100
    coordinates = Halo(positions.astype("f4"), velocities.astype("f4")).to_astropy()
    assert isinstance(coordinates, SkyCoord)
    sky = coordinates.icrs
    back = frames.sky_to_galactocentric(
        sky.ra.deg,
        sky.dec.deg,
        sky.distance.to_value(u.kpc),
        sky.radial_velocity.to_value(u.km / u.s),
        sky.pm_ra_cosdec.to_value(u.mas / u.yr),
        sky.pm_dec.to_value(u.mas / u.yr),
    )
    assert back == pytest.approx(np.hstack([positions, velocities]), abs=1e-3)
    assert coordinates.l.deg == pytest.approx(
        frames.spherical_angles(positions - np.array(const.SUN_POSITION))[0] % 360, abs=1e-4
    )
