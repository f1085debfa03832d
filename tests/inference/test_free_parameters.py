"""Free parameters as normal scores under the prior."""

import numpy as np
import pytest
from scipy.stats import kstest, norm

import mwlmc_data as mw
from mwlmc_data.dataset.schema import DRAWN
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.simulator.limits import OBSERVED_LMC, SKY_NAMES

LMC = dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True))


@pytest.mark.parametrize("config", ["gaussian", "flat", "wide"])
def test_normal_scores_are_draws_of_the_prior(config):
    """Those of the prior itself; the mass within 8.7 kpc depends on the whole."""
    drawn = mw.Prior(config).sample(4_000, seed=3)
    scores = np.random.default_rng(1).standard_normal((4_000, 12))
    found = FreeParameters(config, DRAWN, {}).convert(scores)
    for name in DRAWN:
        assert kstest(found[name], drawn[name]).pvalue > 1e-3, name
    ratio = found["m_lmc_8p7"] / found["m_lmc"]
    assert kstest(ratio, drawn["m_lmc_8p7"] / drawn["m_lmc"]).pvalue > 1e-3
    assert ratio.max() <= 0.8


def test_a_score_is_the_quantile_of_the_prior():
    held = {**LMC, "m_lmc": 1e11, "log10_lambda_df": 0, "r_dehnen": 12}
    parameters = FreeParameters("gaussian", ("m200_mw", "beta0"), held)
    prior = mw.Prior("gaussian", ["m200_mw"])
    scores = np.linspace(-3, 3, 13)
    found = parameters.convert(np.stack([scores, scores], axis=1))
    assert prior.to_normal_scores(found["m200_mw"][:, None])[:, 0] == pytest.approx(scores, abs=1e-6)
    assert found["beta0"] == pytest.approx(0.9 * norm.cdf(scores))


def test_what_is_held_stays():
    held = {**LMC, "m_lmc": 1e11, "beta0": 0.2, "r_dehnen": 11.0, "m_lmc_8p7": 2e10}
    built = FreeParameters("gaussian", ("m200_mw", "log10_lambda_df"), held).build(np.zeros(2))
    assert {name: getattr(built, name) for name in held} == held
    assert built.log10_lambda_df == -1.0 and built.m200_mw == pytest.approx(1.5e12, rel=2e-3)
    without = {name: value for name, value in held.items() if name != "m_lmc_8p7"}
    assert FreeParameters("gaussian", ("m200_mw", "log10_lambda_df"), without).build(np.zeros(2)).m_lmc_8p7 == 1.7e10


def test_the_mass_within_is_drawn_below_a_held_mass():
    held = {**LMC, "m_lmc": 3e10, "m200_mw": 1e12, "log10_lambda_df": 0.0, "beta0": 0.2, "r_dehnen": 11.0}
    found = FreeParameters("gaussian", ("m_lmc_8p7",), held).convert(np.linspace(-8, 8, 50)[:, None])["m_lmc_8p7"]
    assert (np.diff(found) >= 0).all() and found[0] >= 3e9 and found[-1] <= 0.8 * 3e10


def test_the_lmc_may_be_cartesian():
    p = mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0)
    held = {n: getattr(p, n) for n in ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")}
    built = FreeParameters("gaussian", FREE, held).build(np.zeros(6))
    assert built.lmc_phase_space == pytest.approx(p.lmc_phase_space)


@pytest.mark.parametrize(
    ("free", "held", "words"),
    [
        (FREE, {}, "held lacks ra_lmc"),
        (FREE, {**LMC, "beta0": 0.3}, "held = beta0: allowed are parameters that are not free"),
        (FREE[:5], LMC, "held lacks r_dehnen"),
        (FREE, {**LMC, "x_lmc": 1.0}, "held (holds|lacks)"),
        (FREE, {**LMC, "c200": 10.0}, "held holds 'c200'"),
        (FREE, {**LMC, "ra_lmc": 400.0}, "ra_lmc = 400.0: allowed is"),
        (("m_lmc", "m_lmc"), LMC, "free holds 'm_lmc' more than once"),
        (("m_lcm",), LMC, "free holds 'm_lcm': .*do you mean 'm_lmc'"),
        ((), LMC, "free = no names"),
        ("m_lmc", LMC, "free = 'm_lmc': allowed is a sequence of names"),
        (FREE[:4], {**LMC, "beta0": 0.95, "r_dehnen": 12.0}, "beta0 = 0.95: allowed is"),
    ],
)
def test_bad_choices_are_refused(free, held, words):
    with pytest.raises(ValueError, match=words):
        FreeParameters("gaussian", free, held)


def test_another_physics_is_held():
    parameters = FreeParameters("gaussian", FREE, {**LMC, "physics": "nfw-lmc"})
    assert parameters.build(np.zeros(6)).physics == "nfw-lmc"
    with pytest.raises(ValueError, match=r"physics = 'nfw': allowed is 'standard'"):
        FreeParameters("gaussian", FREE, {**LMC, "physics": "nfw"})
