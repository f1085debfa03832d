"""Dynamical friction at a point, against an independent evaluation of eq. 7."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import maxwell

from mwlmc_data.simulator import Parameters, integrate_orbit, potentials
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.orbit import build_pair, rewind_pair
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES
from mwlmc_data.simulator.tables import milky_way

M200, C200, M_LMC, A_LMC = 1e12, 12.0, 1.5e11, 15.0
#: Positions [kpc] where the bulge, the disc or the halo dominates the density, in and off the plane.
PLACES = {
    "bulge": (0.2, -0.1, 0.3),
    "disc": (4.0, 3.0, -0.3),
    "above the disc": (4.0, 3.0, 1.5),
    "halo": (-20.0, 10.0, 35.0),
}
#: Velocities [km/s]: as the LMC's, near the dispersion, and so slow that the bracket cancels.
VELOCITIES = {"fast": (-60.0, -220.0, 230.0), "warm": (90.0, -50.0, 60.0), "slow": (0.02, 0.03, -0.06)}


def accelerations(place, velocity, **changes):
    """Accelerations today of the Milky Way and of the LMC, from the beginning of a rewind by a moment."""
    present = dict(zip(CARTESIAN_NAMES, (*place, *velocity), strict=True))
    p = Parameters(**({"m200_mw": M200, "c200": C200, "m_lmc": M_LMC, "a_lmc": A_LMC} | present | changes))
    today = np.r_[np.zeros(6), p.lmc_phase_space]
    derivatives = rewind_pair(today, 1e-9, 2, build_pair(p, milky_way(p.m200_mw, p.c200)), 1e-8, 1e-10)[1]
    return derivatives[0].reshape(2, 6)[:, 3:]


def drag(place, velocity, log10_lambda_df=0.0, **changes):
    """The part of the LMC's acceleration that is due to friction."""
    with_it, without = (
        accelerations(place, velocity, log10_lambda_df=value, **changes)[1] for value in (log10_lambda_df, -10.0)
    )
    return with_it - without


def density(place):
    """Bulge, disc and halo, each normalised by quadrature of its shape [Msun / kpc^3]."""
    x, y, z = place
    r, big_r = np.sqrt(x * x + y * y + z * z), np.hypot(x, y)

    def bulge(s):
        return (1 + s / 0.2) ** -1.8 * np.exp(-((s / 1.8) ** 2))

    def disc(s):
        return np.cosh(s / 0.8) ** -2

    def halo(s):
        return 1 / (s / r_s * (1 + s / r_s) ** 2)

    r200 = (M200 / (4 / 3 * np.pi * 200 * const.RHO_CRITICAL)) ** (1 / 3)
    r_s = r200 / C200
    bulge_mass = quad(lambda s: 4 * np.pi * s * s * bulge(s), 0, 15, limit=200)[0]
    halo_mass = quad(lambda s: 4 * np.pi * s * s * halo(s), 0, r200, limit=200)[0]
    column = 2 * quad(disc, 0, 20)[0] * 2 * np.pi * 3.0**2
    return 1.2e10 * bulge(r) / bulge_mass + 5e10 * np.exp(-big_r / 3.0) * disc(z) / column + M200 * halo(r) / halo_mass


@pytest.mark.parametrize("velocity", VELOCITIES.values(), ids=VELOCITIES)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_friction_follows_chandrasekhar(place, velocity):
    """-4 pi G^2 M rho ln(Lambda) (fraction of stars slower than v) v / |v|^3, the fraction that of a Maxwellian."""
    v = np.array(velocity)
    speed = np.linalg.norm(v)
    if speed > 1:
        slower = maxwell.cdf(speed, scale=120.0)
    else:  # the density at zero speed times the volume of slower velocities
        slower = 4 / 3 * np.pi * speed**3 / (2 * np.pi * 120.0**2) ** 1.5
    coulomb = np.log(100.0 / (1.6 * A_LMC))
    expected = -4 * np.pi * const.G**2 * M_LMC * density(place) * coulomb * slower * v / speed**3
    assert drag(place, velocity) == pytest.approx(expected, rel=2e-5, abs=1e-9 * np.linalg.norm(expected))


def test_friction_is_proportional_to_lambda_and_the_coulomb_logarithm():
    place, velocity = PLACES["halo"], VELOCITIES["fast"]
    one = drag(place, velocity)
    assert drag(place, velocity, 0.7) == pytest.approx(10**0.7 * one, rel=1e-6)
    assert drag(place, velocity, a_lmc=5.0) == pytest.approx(one * np.log(100 / 8.0) / np.log(100 / 24.0), rel=1e-6)
    assert np.all(drag(place, velocity, a_lmc=70.0) == 0.0), "100 kpc / 1.6 a is below 1: neither friction nor thrust"


def test_the_bracket_does_not_jump_where_its_form_changes():
    """At |v| / (sqrt 2 sigma) = 1e-3: the drag over the speed is the same on both sides."""
    place, direction = PLACES["halo"], np.array([1.0, 2.0, -2.0]) / 3
    below, above = (drag(place, s * direction, 2.0) / s for s in np.sqrt(2) * 120.0 * np.array([0.9e-3, 1.1e-3]))
    assert below == pytest.approx(above, rel=1e-5)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_without_friction_both_fall_as_the_potentials_say(place):
    """The Milky Way towards a Hernquist sphere, the LMC in bulge, disc and halo; of the disc's terms within 5e-4."""
    mw, lmc = accelerations(place, VELOCITIES["fast"], log10_lambda_df=-10.0)
    x = np.array([place])
    expected = -potentials.hernquist_acceleration(x, M_LMC, A_LMC)[0]
    assert mw == pytest.approx(expected, rel=1e-9)
    exact = potentials.milky_way_acceleration(x, M200, C200)[0]
    assert np.linalg.norm(lmc - exact) < 2e-3 * np.linalg.norm(exact)


def test_the_orbit_has_the_right_speed_and_direction_of_time():
    """Over 5 Myr the LMC moves by its velocity and half its acceleration, backwards."""
    place, velocity = PLACES["halo"], VELOCITIES["fast"]
    present = dict(zip(CARTESIAN_NAMES, (*place, *velocity), strict=True))
    p = Parameters(m200_mw=M200, c200=C200, m_lmc=M_LMC, a_lmc=A_LMC, log10_lambda_df=0.0, **present)
    orbit = integrate_orbit(p)
    dt = (orbit.time[-2] - orbit.time[-1]) / const.GYR_PER_TIME_UNIT
    assert orbit.time[-2] == pytest.approx(-2.2 / 440)
    of_mw, of_lmc = accelerations(place, velocity, log10_lambda_df=0.0)
    for path, start, a in ((orbit.lmc, (*place, *velocity), of_lmc), (orbit.mw, np.zeros(6), of_mw)):
        x, v = np.array(start[:3]), np.array(start[3:])
        assert path[-2, :3] == pytest.approx(x + v * dt + 0.5 * a * dt**2, abs=2e-3)
        assert path[-2, 3:] == pytest.approx(v + a * dt, abs=0.3)
