"""The posterior of stars by their exact likelihood: few stars and few free parameters, so that it takes seconds."""

import json
import sys

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given as given_any
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.inference import star_search
from mwlmc_data.inference import stars as module
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.measurement import read_lmc
from mwlmc_data.inference.proposals import Proposal, ProposalMixture
from mwlmc_data.inference.star_likelihood import StarLikelihood
from mwlmc_data.inference.star_search import StarSearch
from mwlmc_data.inference.star_windows import Window, fit_window
from mwlmc_data.rewinding.probability import compute_coordinates, invert_coordinates
from mwlmc_data.rewinding.probability_fit import count_points
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.limits import SKY_NAMES

TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.4e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}
FREE = ("m200_mw", "beta0")
HELD = {name: value for name, value in TRUTH.items() if name not in FREE}
QUICK = {"free": FREE, "held": HELD, "n": 100, "workers": 1, "progress": False}


@pytest.fixture(scope="module")
def halo():
    return mw.simulate(mw.Parameters(**TRUTH), n_stars=700, seed=4).halo


@pytest.fixture(scope="module")
def posterior(halo):
    return mw.infer_stars(halo, **QUICK)


def test_the_truth_is_inside_and_the_answer_is_narrow(posterior, halo):
    assert isinstance(posterior, mw.Posterior) and list(posterior.samples) == list(FREE)
    means, sigmas = posterior.samples.mean(), posterior.samples.std()
    for name in FREE:
        assert abs(means[name] - TRUTH[name]) < 4.0 * sigmas[name]
    assert sigmas["m200_mw"] < 0.1 * TRUTH["m200_mw"] and sigmas["beta0"] < 0.1
    beyond = int((np.linalg.norm(halo.positions.astype(float), axis=1) > FIT_R_MIN).sum())
    assert (posterior.n_stars, posterior.n_left_out) == (beyond, 700 - beyond)
    assert posterior.n_effective >= 100 and len(posterior.samples) == 100
    assert posterior.warnings == () and 0.01 < posterior.p_value <= 1.0


def test_the_evidence_is_that_of_a_grid(posterior, halo):
    """Sums over the prior's quantiles with the same ln P."""
    scores = mw.Prior("gaussian", ["m200_mw"]).marginals["m200_mw"]
    low, high = posterior.samples.min(), posterior.samples.max()
    m = np.linspace(0.96 * low["m200_mw"], 1.04 * high["m200_mw"], 25)
    b = np.linspace(max(low["beta0"] - 0.05, 0.0), min(high["beta0"] + 0.05, 0.9), 25)
    points = [mw.Parameters(**{**TRUTH, "m200_mw": mass, "beta0": beta}) for mass in m for beta in b]
    values = mw.log_likelihood(halo, points, log_probability=posterior.probability, workers=1).reshape(25, 25)
    prior = np.exp(scores.log_pdf(m))[:, None] / 0.9
    top = values.max()
    total = top + np.log((np.exp(values - top) * prior).sum() * (m[1] - m[0]) * (b[1] - b[0]))
    assert posterior.log_evidence == pytest.approx(total, abs=0.02 + 4.0 * posterior.error_parts["sampling"])
    weights = np.exp(values - top) * prior
    weights /= weights.sum()
    mean = weights.sum(axis=1) @ m
    sigma = np.sqrt(weights.sum(axis=1) @ (m - mean) ** 2)
    assert posterior.samples["m200_mw"].mean() == pytest.approx(mean, abs=0.5 * sigma)
    assert posterior.samples["m200_mw"].std() == pytest.approx(sigma, rel=0.35)


@pytest.mark.parametrize("config", ["flat", "wide"])
def test_other_priors_weigh_the_same_likelihood(posterior, halo, config):
    """The posterior is narrow: means agree, and the evidence changes by the ratio of the priors' densities there."""
    found = mw.infer_stars(halo, config=config, **QUICK)
    assert found.config == config and found.warnings == ()
    draws = posterior.samples["m200_mw"].to_numpy()[:, None]
    ratio = [mw.Prior(each, ["m200_mw"]).log_prob(draws) for each in (config, "gaussian")]
    expected = np.log(np.mean(np.exp(ratio[0] - ratio[1])))
    sigma = posterior.samples.std()
    assert ((found.samples.mean() - posterior.samples.mean()).abs() < 0.6 * sigma).all()
    assert (found.samples.std() / sigma).between(0.65, 1.5).all()
    error = np.hypot(found.log_evidence_error, posterior.log_evidence_error)
    assert found.log_evidence - posterior.log_evidence == pytest.approx(expected, abs=3.0 * error)
    assert (config == "wide") == (abs(expected) < 1e-6), "the wide set has the masses of the gaussian one"


def test_the_error_of_the_evidence_adds_its_parts(posterior):
    parts = posterior.error_parts
    assert set(parts) == {"sampling", "selection", "probability"} and min(parts.values()) > 0.0
    assert posterior.log_evidence_error == pytest.approx(np.sqrt(sum(part**2 for part in parts.values())))
    assert parts["probability"] == pytest.approx(posterior.n_stars * posterior.probability.log_p_error)
    assert parts["selection"] < 0.2 and parts["probability"] < 1.0


def test_the_window_of_ln_p_holds_a_tail_of_weak_friction():
    """Where there is hardly any friction, its logarithm may change by standard deviations before ln P notices."""
    free = ("m200_mw", "log10_lambda_df")
    lmc = {name: getattr(mw.Parameters(**TRUTH), name) for name in SKY_NAMES}
    held = {name: value for name, value in TRUTH.items() if name not in free}
    parameters = FreeParameters("gaussian", free, {**lmc, **held})
    mean, sigma = np.array([0.0, -1.3]), np.array([0.05, 0.27])

    def place(scores):
        return compute_coordinates(parameters.convert(np.atleast_2d(scores)), free)

    draws = place(mean + sigma * np.random.default_rng(1).standard_normal((4000, 2)))
    window = fit_window(draws, np.full(4000, 1 / 4000), 6.5)
    weaker, stronger = (mean + np.array([0.0, side * 6.9]) * sigma for side in (-1.0, 1.0))
    assert window.measure(place(weaker)) < 0.5, "friction that is weaker still hardly differs"
    assert window.measure(place(stronger)) > 1.0
    design = window.make_design(parameters, (0, 2, 1))
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in free}, free)
    assert len(design) == count_points(2) and np.allclose(x[0], draws.mean(axis=0), atol=1e-9)
    assert 0.5 < window.measure(x).max() <= 1.0
    weakest = place([0.0, -8.0])[0, 1]
    assert x[:, 1].min() > weakest > np.log(0.1), "no point is outside the prior's support"


@pytest.mark.parametrize(
    ("config", "free"),
    [
        ("gaussian", ("r_dehnen",)), ("gaussian", ("log10_lambda_df",)), ("gaussian", ("beta0", "log10_lambda_df")),
        ("flat", tuple(module.FREE)),
    ],
)  # fmt: skip
def test_a_design_is_whole_where_the_posterior_is_the_prior(config, free):
    """Much of the window is outside the prior's support then."""
    lmc = {name: getattr(mw.Parameters(**TRUTH), name) for name in SKY_NAMES}
    held = {name: value for name, value in {**TRUTH, "m_lmc_8p7": 1.7e10}.items() if name not in free}
    parameters = FreeParameters(config, free, {**lmc, **held})
    x = compute_coordinates(parameters.convert(np.random.default_rng(0).standard_normal((4000, len(free)))), free)
    window = fit_window(x, np.full(4000, 1 / 4000), 8.0)
    for seed in range(4):
        assert len(window.make_design(parameters, (seed,))) == count_points(len(free))


def test_a_window_outside_the_prior_is_refused():
    parameters = FreeParameters("flat", ("beta0",), {**HELD, "m200_mw": 1e12, **read_lmc(None)})
    with pytest.raises(RuntimeError, match="the mean of the posterior that was found is impossible"):
        Window(np.array([1.5]), np.eye(1), 1.0).make_design(parameters, (0,))
    with pytest.raises(RuntimeError, match=r"the prior allows \d+ of \d\d,\d{3} points around the posterior: allowed"):
        Window(np.array([0.4]), np.array([[1e8]]), 1.0).make_design(parameters, (0,))


@given_any(st.floats(1e11, 3e12), st.floats(-3.0, 2.0), st.floats(0.0, 0.9))
def test_coordinates_of_ln_p_lead_back_to_the_parameters(mass, friction, beta0):
    values = {"m200_mw": [mass], "log10_lambda_df": [friction], "beta0": [beta0]}
    found = invert_coordinates(compute_coordinates(values, tuple(values)), tuple(values))
    for name, value in values.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9)
    beyond = invert_coordinates(np.array([[np.log(mass), np.log(0.09), beta0]]), tuple(values))
    assert np.isfinite([beyond["m200_mw"], beyond["beta0"]]).all() and not np.isfinite(beyond["log10_lambda_df"])


def test_it_does_not_depend_on_the_workers(posterior, halo):
    two = mw.infer_stars(halo, **{**QUICK, "workers": 2})
    pd.testing.assert_frame_equal(two.samples, posterior.samples)
    assert (two.log_evidence, two.p_value) == (posterior.log_evidence, posterior.p_value)


def test_an_interrupted_run_continues_to_the_same_answer(posterior, halo, tmp_path, monkeypatch):
    path, right = tmp_path / "run.npz", StarLikelihood.evaluate
    evaluated = []

    def stop(self, points):
        if len(evaluated) == 3:
            raise KeyboardInterrupt
        evaluated.append(len(points))
        return right(self, points)

    monkeypatch.setattr(StarLikelihood, "evaluate", stop)
    with pytest.raises(KeyboardInterrupt):
        mw.infer_stars(halo, resume=path, **QUICK)
    done = sum(evaluated)
    evaluated.clear()
    monkeypatch.setattr(StarLikelihood, "evaluate", lambda self, x: evaluated.append(len(x)) or right(self, x))
    resumed = mw.infer_stars(halo, resume=path, **QUICK)
    pd.testing.assert_frame_equal(resumed.samples, posterior.samples)
    assert sum(evaluated) == posterior.n_evaluations - done
    evaluated.clear()
    again = mw.infer_stars(halo, resume=str(path), **QUICK)
    assert evaluated == [] and again.log_evidence == posterior.log_evidence and again.p_value == posterior.p_value
    others = ({"seed": 1}, {"config": "flat"}, {"selection": mw.Selection(r_min=51.0)}, {"n_total": 700}, {"n": 101})
    for changes in others:
        with pytest.raises(ValueError, match=r"resume = .*allowed is a file of the same stars"):
            mw.infer_stars(halo, resume=path, **{**QUICK, **changes})


def test_ln_p_is_computed_once_more_where_its_error_is_larger_than_wanted(posterior, halo, monkeypatch):
    """From too few stars at first: the error falls, and the answer is that of enough stars."""
    monkeypatch.setattr(star_search, "_USUAL", star_search._Care(15, 4_000, 0.06, 300, 20_000))
    few, better = (mw.infer_stars(halo, **QUICK, selection_error=wanted) for wanted in (np.inf, 0.08))
    assert few.error_parts["selection"] > 0.08 > better.error_parts["selection"]
    assert better.probability.n_stars > 4 * few.probability.n_stars
    for name in FREE:
        apart = abs(better.samples[name].mean() - posterior.samples[name].mean()) / posterior.samples[name].std()
        assert apart < 0.5, "two sets of a hundred draws"
    error = np.hypot(better.log_evidence_error, posterior.log_evidence_error)
    assert better.log_evidence == pytest.approx(posterior.log_evidence, abs=4.0 * error)


def test_a_larger_error_of_ln_p_takes_fewer_stars(posterior, halo):
    careful, easy = (mw.infer_stars(halo, **QUICK, selection_error=wanted) for wanted in (0.1, 0.4))
    numbers = [found.probability.n_stars for found in (careful, posterior, easy)]
    assert numbers[0] > 1.5 * numbers[1] > 2.25 * numbers[2]
    assert easy.error_parts["selection"] < 0.4 and careful.error_parts["selection"] < 0.1
    apart = (easy.samples.mean() - careful.samples.mean()).abs() / careful.samples.std()
    assert (apart < 0.4 + 3.0 * np.sqrt(2.0 / 100)).all()


def test_a_bad_proposal_is_given_up(posterior, halo, monkeypatch):
    """One that is a fiftieth as wide as the posterior: another, of several parts, takes its place."""
    right, tried = StarSearch._draw_from, []

    def draw_from(self, proposal, *others):
        if not tried:
            proposal = Proposal(proposal.mean, 4e-4 * proposal.covariance)
        tried.append((type(proposal), right(self, proposal, *others)))
        return tried[-1][1]

    monkeypatch.setattr(StarSearch, "_draw_from", draw_from)
    found = mw.infer_stars(halo, **{**QUICK, "n": 1_000})
    assert [kind for kind, _ in tried] == [Proposal, ProposalMixture] and tried[0][1] is None
    assert found.n_effective >= 1_000
    assert found.log_evidence == pytest.approx(posterior.log_evidence, abs=5.0 * posterior.error_parts["sampling"])


def test_the_number_of_stars_counts_where_the_whole_is_known(posterior, halo):
    """Its evidence is that of the stars times that of their number."""
    known = mw.infer_stars(halo, n_total=700, **QUICK)
    assert known.n_total == 700 and "of 700" in str(known)
    # C(N, n) P^n (1 - P)^(N - n) at the truth
    from scipy.stats import binom

    expected = binom.logpmf(known.n_stars, 700, np.exp(known.probability.log_p))
    assert known.log_evidence - posterior.log_evidence == pytest.approx(expected, abs=1.5)


def test_stars_may_come_in_any_table(halo):
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    names = ("x", "y", "z", "vx", "vy", "vz")
    frame = pd.DataFrame(stars, columns=list(names)).assign(id=1)
    table = Table({n: stars[:, i] * (u.pc * 1e3 if i < 3 else u.m / u.s * 1e3) for i, n in enumerate(names)})
    for given in (stars, frame, frame[["vz", *names[:5]]], table):
        assert take_table("table", given) == pytest.approx(stars)
    assert np.array_equal(take_table("table", halo), stars)


def test_stars_that_the_model_does_not_make_are_said_to_be_so(halo):
    """All moving by 60 km/s more towards the north: bound, but no such halo exists."""
    moved = halo.velocities.astype(float) + np.array([0.0, 0.0, 60.0])
    near = mw.Selection(r_max=150.0)
    with pytest.warns(UserWarning, match=r"The model does not make such stars: p-value < 0\.001"):
        found = mw.infer_stars(np.hstack([halo.positions, moved]), selection=near, **QUICK)
    assert found.p_value == 0.0 and "Warning: The model" in str(found)


def test_a_star_that_cannot_be_is_refused(halo):
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    stars[np.argmax(np.linalg.norm(stars[:, :3], axis=1)), 3:] = [900.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="of which 1 or more could not have been bound to the Milky Way"):
        mw.infer_stars(stars, **QUICK)


def test_stars_on_radial_orbits_are_no_exception():
    radial = mw.simulate(mw.Parameters(**{**TRUTH, "beta0": 0.8}), n_stars=700, seed=4).halo
    found = mw.infer_stars(radial, **QUICK)
    assert abs(found.samples["beta0"].mean() - 0.8) < 4.0 * found.samples["beta0"].std()
    assert found.samples["beta0"].std() < 0.05 and found.warnings == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "moment"}, "method = 'moment': allowed is 'likelihood', 'moments'; do you mean 'moments'"),
        ({"method": "moments"}, "table = stars without l, b, distance, with method = 'moments': allowed is a table of"),
        ({"method": "moments", "n_total": 4500}, "n_total = 4500 with method = 'moments': allowed is None"),
        ({"selection": 50.0}, "selection = 50.0: allowed is a mwlmc_data.Selection"),
        ({"selection": mw.Selection(r_min=19.0)}, "selection = .*r 19 to inf.*: allowed is r_min = 20 kpc or more"),
        ({"selection": mw.Selection(r_min=5e4)}, "table = 700 stars, none of them in the selection"),
        ({"config": "gauss"}, "config = 'gauss': allowed is"),
        ({"n_total": 3}, "n_total = 3: allowed is a whole number from"),
        ({"n": 0}, "n = 0: allowed is a whole number from 10"),
        ({"selection_error": 0.01}, "selection_error = 0.01: allowed is a number from 0.05 nats up"),
        ({"seed": -1}, "seed = -1: allowed is"),
        ({"workers": 0}, "workers = 0: allowed is"),
        ({"progress": "yes"}, "progress = 'yes': allowed is True or False"),
        ({"resume": 3}, "resume = 3: allowed is a path"),
        ({"held": {**HELD, "ra_lmc": 80.0}}, "held = ra_lmc: allowed is the LMC's present day as lmc"),
        ({"held": 3}, "held = 3: allowed is a row"),
        ({"lmc": {"ra_lmc": 80.0}}, "lmc lacks dec_lmc"),
        ({"free": (*FREE, "ra_lmc"), "lmc": {"ra_lmc": 80.0}}, "lmc = given, but its coordinates are free"),
    ],
)
def test_bad_input_is_named(halo, changes, words):
    with pytest.raises(ValueError, match=words):
        mw.infer_stars(halo, **{**QUICK, **changes})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.ones((4, 5)), r"table = an array of shape \(4, 5\): allowed is the shape \(n, 6\)"),
        (np.full((4, 6), np.nan), r"table\[0, 0\] = nan"),
        (pd.DataFrame({"x": [1.0]}), "table lacks y, z, vx, vy, vz"),
        (3, "table = a number"),
        (pd.DataFrame(np.ones((2, 7)), columns=["x", "y", "z", "vx", "vy", "vz", "e_vx"]), "table holds 'e_vx'"),
        (pd.DataFrame({"x": [60.0], "x_error": [1.0]}), "table holds 'x_error': allowed are exact positions"),
    ],
)
def test_tables_that_are_not_stars_are_refused(table, words):
    with pytest.raises(ValueError, match=words):
        mw.infer_stars(table, **QUICK)


def test_draws_go_to_arviz(posterior):
    arviz = pytest.importorskip("arviz")
    found = posterior.to_arviz()["posterior"]
    assert found["m200_mw"].to_numpy() == pytest.approx(posterior.samples["m200_mw"].to_numpy()[None])
    assert set(found.data_vars) == set(FREE) and arviz.summary(posterior.to_arviz()).shape[0] == 2


def test_arviz_is_asked_for_by_name(posterior, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(ImportError, match=r"to_arviz needs arviz .*pip install arviz"):
        posterior.to_arviz()


def test_a_corner_plot_shows_all_parameters(posterior):
    pytest.importorskip("corner")
    assert len(posterior.plot(truths=TRUTH).axes) == 4


def test_it_prints(posterior):
    assert repr(posterior).startswith("<StarPosterior: m200_mw ") and len(repr(posterior)) < 300
    lines = str(posterior).splitlines()
    assert lines[0].startswith(f"{posterior.n_stars} stars (r 50 to inf kpc; whole sky; fraction 1), ")
    assert "ln evidence" in lines[1] and lines[3].split()[0] == "m200_mw" and lines[3].endswith("1e11 Msun")
    assert "<caption" in posterior._repr_html_()


def test_the_key_of_a_checkpoint_holds_all_settings(halo):
    """json: numbers of a held mapping count by value, in any order."""
    stars = take_table("table", halo)
    parameters = module.FreeParameters("gaussian", FREE, {**HELD, **read_lmc(None)})
    turned = module.FreeParameters("gaussian", FREE, dict(reversed(list(parameters.held.items()))))
    settings = (None, 10, 0, 0.2)
    keys = [module._compute_key(stars, mw.Selection(), p, *settings) for p in (parameters, turned)]
    assert keys[0] == keys[1] and json.dumps(keys[0])
    assert module._compute_key(stars[:-1], mw.Selection(), parameters, *settings) != keys[0]
    assert module._compute_key(stars, mw.Selection(), parameters, None, 10, 0, 0.1) != keys[0]
