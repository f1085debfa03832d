"""Numbers that the design fixes, written a second time, so that a typing error fails."""

import math

import numpy as np
import pytest
from astropy import constants as cds
from astropy import units as u

from mwlmc_data.simulator import Parameters, compiling, distribution, potentials
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.limits import LIMITS, OBSERVED_LMC, SKY_NAMES, in_range

SETTLED = {
    "H0": 69.32,
    "SUN_POSITION": (-8.3, 0.0, 0.02),
    "SUN_VELOCITY": (11.1, 244.24, 7.24),
    "CIRCULAR_SPEED": 235.0,
    "CIRCULAR_SPEED_RADIUS": 8.3,
    "BULGE_MASS": 1.2e10,
    "BULGE_SCALE": 0.2,
    "BULGE_SLOPE": 1.8,
    "BULGE_CUT": 1.8,
    "DISC_MASS": 5e10,
    "DISC_SCALE_LENGTH": 3.0,
    "DISC_SCALE_HEIGHT": 0.4,
    "LMC_ENCLOSED_RADIUS": 8.7,
    "LMC_ENCLOSED_MASS": 1.7e10,
    "FRICTION_DISPERSION": 120.0,
    "FRICTION_B_MAX": 100.0,
    "FRICTION_B_MIN_SCALE": 1.6,
    "REWIND_GYR": 2.2,
    "FIT_R_MIN": 50.0,
    "N_STARS": 4500,
}
RANGES = {
    "m200_mw": (1e11, 1e13, "Msun"),
    "m_lmc": (1e8, 1e12, "Msun"),
    "log10_lambda_df": (-10, 2, "dex"),
    "beta0": (0, 0.9, ""),
    "r_dehnen": (5, 30, "kpc"),
    "m_lmc_8p7": (1e7, 1e12, "Msun"),
    "c200": (1, 300, ""),
    "a_lmc": (0.1, 200, "kpc"),
    "ra_lmc": (0, 360, "deg"),
    "dec_lmc": (-90, 90, "deg"),
    "distance_lmc": (5, 500, "kpc"),
    "v_los_lmc": (-1000, 1000, "km/s"),
    "pm_ra_lmc": (-20, 20, "mas/yr"),
    "pm_dec_lmc": (-20, 20, "mas/yr"),
    "x_lmc": (-500, 500, "kpc"),
    "y_lmc": (-500, 500, "kpc"),
    "z_lmc": (-500, 500, "kpc"),
    "vx_lmc": (-1500, 1500, "km/s"),
    "vy_lmc": (-1500, 1500, "km/s"),
    "vz_lmc": (-1500, 1500, "km/s"),
}


@pytest.mark.parametrize("name", SETTLED)
def test_constants_of_the_model(name):
    assert getattr(const, name) == SETTLED[name]


def test_constants_of_nature_are_astropys():
    unit = u.kpc * (u.km / u.s) ** 2 / u.Msun
    assert pytest.approx(cds.G.to_value(unit), rel=1e-4) == const.G
    assert pytest.approx((u.kpc / (u.km / u.s)).to(u.Gyr), rel=1e-9) == const.GYR_PER_TIME_UNIT
    per_mas = (u.mas / u.yr * u.kpc).to(u.km / u.s, equivalencies=u.dimensionless_angles())
    assert pytest.approx(per_mas, rel=1e-9) == const.KMS_PER_MASYR_KPC
    hubble = const.H0 * u.km / u.s / u.Mpc
    density = (3 * hubble**2 / (8 * np.pi * const.G * unit)).to_value(u.Msun / u.kpc**3)
    assert pytest.approx(density, rel=1e-9) == const.RHO_CRITICAL


def test_the_lmc_as_observed():
    assert dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True)) == {
        "ra_lmc": 78.76,
        "dec_lmc": -69.19,
        "distance_lmc": 49.59,
        "v_los_lmc": 262.2,
        "pm_ra_lmc": 1.910,
        "pm_dec_lmc": 0.229,
    }


def test_every_parameter_has_its_range():
    assert LIMITS == RANGES


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(name):
    low, high, unit = RANGES[name]
    for value in (low, high):
        assert in_range(name, value) == value
    width = (high - low) * 1e-5
    for value in (low - width, high + width):
        with pytest.raises(ValueError, match=rf"{name} = .*allowed.*{unit.removesuffix('dex')}"):
            in_range(name, value)


def test_defaults():
    p = Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0)
    assert (p.beta0, p.r_dehnen, p.m_lmc_8p7) == (0.45, 12.5, 1.7e10)
    assert p.a_lmc == pytest.approx(8.7 * (math.sqrt(1e11 / 1.7e10) - 1))
    assert Parameters(m200_mw=1e12, m_lmc=2e10, log10_lambda_df=0.0).m_lmc_8p7 == pytest.approx(1.6e10)
    assert p.coulomb_log == pytest.approx(math.log(100 / (1.6 * p.a_lmc)))
    assert potentials.coulomb_logarithm(62.5) == 0.0 and potentials.coulomb_logarithm(62.4) > 0.0
    r200 = (1e12 / (4 / 3 * math.pi * 200 * const.RHO_CRITICAL)) ** (1 / 3)
    assert potentials.virial_radius(1e12) == pytest.approx(r200)
    assert potentials.nfw_scales(1e12, 10.0)[0] == pytest.approx(r200 / 10)
    assert potentials.nfw_scales(1e12, 10.0)[1] == pytest.approx(1e12 / (math.log(11) - 10 / 11))


def test_the_grid_of_the_halo_is_even_in_the_logit_of_the_potential():
    """Psi = ln(1 + x) / x, 1 - Psi by its series where it cancels: ln(Psi / (1 - Psi)) falls by 1/8 from 14.5."""
    x = distribution.make_tables().x
    series = sum((-1) ** k * x ** (k - 1) / k for k in range(2, 12))
    psi = np.log1p(x) / x
    logit = np.log(psi / np.where(x < 0.1, series, 1 - psi))
    assert len(x) == 260 and np.all(np.diff(x) > 0)
    assert logit == pytest.approx(14.5 - np.arange(260) / 8, abs=1e-10)


def test_compiling_is_announced_once(capsys):
    announcer = compiling._Announcer()
    for _ in range(3):
        announcer.on_start(None)
        announcer.on_end(None)
    reported = "mwlmc-data: compiling kernels, about ten seconds, once per machine ...\n"
    assert capsys.readouterr() == ("", reported)
