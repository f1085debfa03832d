"""The validation cases."""

import astropy.units as u
import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.simulator.frames import galactocentric_to_sky
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES, SKY_NAMES
from mwlmc_data.validation import rank_sigma, support


@pytest.fixture(scope="module")
def cases():
    return mw.validation_cases()


def test_the_three_cases_in_order_of_fidelity(cases):
    assert list(cases) == ["rigid", "gc19-fiducial", "fire-m12b"]
    assert [case.kind for case in cases.values()] == ["rigid", "deforming", "cosmological"]
    for name, case in cases.items():
        assert case.name == name
        assert set(case.truth) >= {"m_lmc", "m200_mw"}
        assert "2507.10667" in case.source


def test_only_the_rigid_case_lies_in_the_prior(cases):
    assert cases["rigid"].outside == ()
    assert not cases["rigid"].extrapolates
    assert {"ra_lmc", "v_los_lmc"} <= set(cases["gc19-fiducial"].outside)
    assert {"ra_lmc", "v_los_lmc"} <= set(cases["fire-m12b"].outside)
    assert cases["fire-m12b"].extrapolates


def test_the_wide_set_holds_every_case(cases):
    """Well inside: no datum of the LMC in the outer 5% of its range."""
    marginals = mw.Prior("wide", SKY_NAMES).marginals
    for case in cases.values():
        sky = galactocentric_to_sky([case.observation[name] for name in CARTESIAN_NAMES])
        for name, value in zip(SKY_NAMES, sky, strict=True):
            share = (value - marginals[name].low) / (marginals[name].high - marginals[name].low)
            assert 0.05 < share < 0.95, (case.name, name, value)


def test_sigmas_agree_with_the_design(cases):
    """RA 102 and 15 against 60 to 90; v_los 8 sigma above and 17 below."""
    assert cases["gc19-fiducial"].in_support["v_los_lmc"] == pytest.approx(8, abs=1)
    assert cases["fire-m12b"].in_support["v_los_lmc"] == pytest.approx(-17, abs=1)
    spread = 30 / np.sqrt(12)
    assert cases["gc19-fiducial"].in_support["ra_lmc"] == pytest.approx((102 - 75) / spread, abs=0.1)
    assert cases["fire-m12b"].in_support["ra_lmc"] == pytest.approx((15 - 75) / spread, abs=0.1)


def test_every_datum_has_its_sigmas(cases):
    for case in cases.values():
        assert set(case.in_support) == {
            "ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc", "v_travel", "l_apex", "b_apex"
        }  # fmt: skip
        assert np.isfinite(list(case.in_support.values())).all()
        assert max(abs(case.in_support[n]) for n in ("v_travel", "l_apex", "b_apex")) < 4


def test_the_rigid_case_can_be_simulated(cases):
    """Its truth reproduces its reflex motion: v_travel within 3 times the 3.9 km/s that one halo scatters."""
    case = cases["rigid"]
    present = {n: v for n, v in case.observation.items() if n.endswith("_lmc")}
    reflex = mw.simulate(mw.Parameters(**case.truth, **present), seed=1).reflex
    assert reflex.v_travel == pytest.approx(case.observation["v_travel"], abs=12)
    assert reflex.l_apex == pytest.approx(case.observation["l_apex"], abs=14)
    assert reflex.b_apex == pytest.approx(case.observation["b_apex"], abs=7)


def test_cases_cannot_be_changed(cases):
    with pytest.raises(TypeError):
        cases["rigid"].truth["m_lmc"] = 1.0


def test_rank_sigma():
    values = np.random.default_rng(0).normal(size=20_001)
    assert rank_sigma(values, 0.0) == pytest.approx(0, abs=0.03)
    assert rank_sigma(values, 1.5) == pytest.approx(1.5, abs=0.05)
    assert 3.5 < rank_sigma(values, 1e9) < 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"v_travel": np.nan}, r"observation\['v_travel'\] = nan: allowed is a finite number in km/s"),
        ({"x_lmc": np.ma.masked}, r"observation\['x_lmc'\] = 1 masked"),
        ({"l_apex": "64"}, r"observation\['l_apex'\] = '64'"),
        ({"v_travel": 3.0 * u.kpc}, "numbers in kpc"),
    ],
)
def test_what_is_not_an_observation_is_refused(change, says):
    observation = dict(mw.validation_cases()["rigid"].observation)
    with pytest.raises(ValueError, match=says):
        support(observation | change)
    del observation["z_lmc"]
    with pytest.raises(ValueError, match="observation lacks z_lmc"):
        support(observation)


def test_an_observation_with_units_is_the_same():
    observation = dict(mw.validation_cases()["rigid"].observation)
    x, l = observation["x_lmc"] * 1e3 * u.pc, np.radians(observation["l_apex"]) * u.rad
    units = observation | {"x_lmc": x, "l_apex": l}
    assert support(units)[0] == pytest.approx(support(observation)[0])
