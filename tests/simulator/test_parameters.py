"""Parameters: what they derive and what they refuse."""

import dataclasses

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.simulator import Parameters
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, SKY_NAMES
from mwlmc_data.simulator.many import stored_precision

MASSES = {"m200_mw": 9.1e11, "m_lmc": 2.3e11, "log10_lambda_df": 0.7}


def test_the_papers_rigid_case():
    p = Parameters(**MASSES, m_lmc_8p7=2.29e10)
    assert p.c200 == pytest.approx(14.5, abs=0.05)
    assert p.a_lmc == pytest.approx(18.9, abs=0.05)
    assert p.lambda_df == pytest.approx(10**0.7)


def test_given_scales_are_kept():
    p = Parameters(**MASSES, c200=11.0, a_lmc=20.0)
    assert (p.c200, p.a_lmc) == (11.0, 20.0)


def test_sky_and_cartesian_agree():
    sky = dict(zip(SKY_NAMES, (75.0, -65.0, 50.0, 250.0, 1.8, 0.3), strict=True))
    first = Parameters(**MASSES, **sky)
    second = Parameters(**MASSES, **dict(zip(CARTESIAN_NAMES, first.lmc_phase_space, strict=True)))
    assert second.to_dict() == pytest.approx(first.to_dict())


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Parameters(**MASSES).m_lmc = 1e11


@pytest.mark.parametrize("name", sorted(LIMITS))
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e15, 1e15, "heavy"])
def test_bad_values_are_named(name, bad):
    names = next((group for group in (SKY_NAMES, CARTESIAN_NAMES) if name in group), ())
    present = {n: 0.5 * sum(LIMITS[n][:2]) + 1 for n in names}
    with pytest.raises(ValueError, match=rf"{name} = .*allowed is a finite number from"):
        Parameters(**(MASSES | present | {name: bad}))


def test_present_day_twice_or_in_part():
    with pytest.raises(ValueError, match="given twice"):
        Parameters(**MASSES, ra_lmc=70.0, x_lmc=1.0)
    with pytest.raises(ValueError, match="lacks \\['dec_lmc'"):
        Parameters(**MASSES, ra_lmc=70.0)


def test_enclosed_mass_must_be_less_than_the_mass():
    with pytest.raises(ValueError, match=r"m_lmc_8p7 = 3e.10 Msun: allowed is less than m_lmc"):
        Parameters(m200_mw=1e12, m_lmc=2.9e10, log10_lambda_df=0, m_lmc_8p7=3e10)


def test_quantities_are_converted():
    bare = Parameters(**MASSES, r_dehnen=11.0, m_lmc_8p7=2e10)
    dressed = Parameters(
        m200_mw=(9.1e11 * u.Msun).to(u.kg),
        m_lmc=23e10 * u.solMass,
        log10_lambda_df=0.7 * u.dex,
        r_dehnen=11000 * u.pc,
        m_lmc_8p7=np.array(2e10) * u.Msun,
    )
    assert dressed.to_dict() == pytest.approx(bare.to_dict(), rel=1e-12)
    assert all(type(value) is float for value in dressed.to_dict().values())


@pytest.mark.parametrize(
    "bad",
    ["2.3e11", True, None, np.ma.masked, 2e11j, [2e11], 2e11 * u.kpc, 2e11 * u.one, np.array(["2e11"]), pd.NA, 10**400],
)
def test_what_is_not_a_number_is_refused(bad):
    with pytest.raises(ValueError, match=r"^m_lmc = .*: allowed "):
        Parameters(**(MASSES | {"m_lmc": bad}))


def test_the_mass_within_8p7_kpc_is_that_of_a_given_scale_radius():
    p = Parameters(**MASSES, a_lmc=20.0)
    assert p.m_lmc_8p7 == pytest.approx(MASSES["m_lmc"] * 8.7**2 / 28.7**2)
    assert Parameters(**MASSES, m_lmc_8p7=p.m_lmc_8p7).a_lmc == pytest.approx(20.0)


@given(st.floats(1e11, 1e13), st.floats(2.5e10, 1e12), st.floats(-3, 1), st.floats(0, 0.9))
def test_stored_precision_is_idempotent(m200, m_lmc, friction, beta0):
    once = stored_precision(Parameters(m200_mw=m200, m_lmc=m_lmc, log10_lambda_df=friction, beta0=np.float32(beta0)))
    assert stored_precision(once) == once
    assert once.m200_mw == np.float32(once.m200_mw)


VECTOR = dict(zip(CARTESIAN_NAMES, (-1.1, -41.3, -27.2, -57.0, -225.0, 221.0), strict=True))


class TestReplace:
    """Changed parameters: what followed from a changed one follows again, and the rest keeps its bits."""

    @pytest.mark.parametrize("given", [{}, VECTOR, {"c200": 11.0, "a_lmc": 20.0}, {"physics": "no-friction"}])
    def test_nothing_else_moves(self, given):
        p = Parameters(**MASSES, **given)
        assert p.replace() == p
        changed = p.replace(beta0=0.3)
        assert (changed.beta0, changed.replace(beta0=p.beta0)) == (0.3, p)
        assert p.replace(physics="nfw-lmc").to_numbers() == p.to_numbers()

    def test_what_follows_from_the_masses_follows_again(self):
        p = Parameters(**MASSES)
        assert p.replace(m200_mw=1.3e12) == Parameters(**(MASSES | {"m200_mw": 1.3e12}))
        assert p.replace(m_lmc=1e11) == Parameters(**(MASSES | {"m_lmc": 1e11}))
        assert p.replace(m_lmc_8p7=2e10) == Parameters(**MASSES, m_lmc_8p7=2e10)
        small = Parameters(**(MASSES | {"m_lmc": 1e10}))  # 0.8 of it within 8.7 kpc
        assert p.replace(m_lmc=1e10) == small and small.replace(m_lmc=p.m_lmc) == p
        assert p.replace(a_lmc=20.0) == Parameters(**MASSES, a_lmc=20.0)

    def test_a_given_concentration_is_kept(self):
        assert Parameters(**MASSES, c200=11.0).replace(m200_mw=1.3e12).c200 == 11.0

    def test_the_lmc_moves_on_the_sky_or_as_a_vector(self):
        p = Parameters(**MASSES, **VECTOR)
        assert p.replace(x_lmc=3.0) == Parameters(**MASSES, **(VECTOR | {"x_lmc": 3.0}))
        moved = p.replace(distance_lmc=55.0)
        assert moved.distance_lmc == 55.0 and moved.ra_lmc == p.ra_lmc and moved.x_lmc != p.x_lmc
        with pytest.raises(ValueError, match="given twice"):
            p.replace(distance_lmc=55.0, x_lmc=3.0)

    def test_an_unknown_name_is_refused_with_the_nearest(self):
        with pytest.raises(ValueError, match=r"changes holds 'm200': allowed is .*m200_mw"):
            Parameters(**MASSES).replace(m200=1e12)
