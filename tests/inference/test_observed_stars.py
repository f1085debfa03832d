"""The posterior given stars with errors of measurement: few stars and one free parameter, so that it takes seconds."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data.inference import reweighting
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.observed_search import MAX_ERROR, SET_DRAWS, choose_around
from mwlmc_data.inference.star_likelihood import StarLikelihood
from mwlmc_data.inference.star_predictive import compute_observed_p_value
from mwlmc_data.inference.star_search import ImpossibleStarsError, StarSearch
from mwlmc_data.rewinding import marginal
from mwlmc_data.rewinding.observed import observe_stars
from mwlmc_data.simulator.limits import SKY_NAMES
from mwlmc_data.storage.npz import replace_npz
from tests.helpers.observed_stars import make_errors, to_table

TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.4e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}
FREE = ("m200_mw",)
HELD = {name: value for name, value in TRUTH.items() if name not in FREE}
QUICK = {"free": FREE, "held": HELD, "n": 50, "workers": 1, "progress": False}


@pytest.fixture(scope="module")
def stars():
    halo = mw.simulate(mw.Parameters(**TRUTH), n_stars=160, seed=5).halo
    return np.hstack([halo.positions, halo.velocities]).astype(float)


@pytest.fixture(scope="module")
def table(stars):
    errors = make_errors(len(stars), 0.1, 8.0, 0.05)
    errors.v_los[::3] = np.nan
    errors.pm_b[1::3] = np.nan
    return to_table(observe_stars(stars, errors, np.random.default_rng(1)))


def test_a_search_that_approaches_makes_draws_for_every_anisotropy():
    names, truth = ("m_lmc", "log10_lambda_df", "r_dehnen", *SKY_NAMES), mw.Parameters(**TRUTH)
    parameters = FreeParameters("gaussian", ("m200_mw", "beta0"), {name: getattr(truth, name) for name in names})
    given = parameters, np.array([0.5, 1.5]), np.diag([0.01, 0.01]), (1,)
    found, spread = (choose_around(*given, is_approaching=flag) for flag in (False, True))
    assert [p.m200_mw for p in found] == [p.m200_mw for p in spread]
    assert min(p.beta0 for p in found) > 0.7
    beta0 = np.array([p.beta0 for p in spread])
    prior = mw.Prior("gaussian", ["beta0"]).sample(10_000, seed=1)["beta0"].to_numpy()
    np.testing.assert_allclose(beta0, np.quantile(prior, (np.arange(len(beta0)) + 0.5) / len(beta0)), atol=0.03)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.npz"
    return mw.infer_stars(table, resume=path, **QUICK), path


def test_the_truth_is_inside(run, table):
    found, _ = run
    mean, sigma = found.samples["m200_mw"].mean(), found.samples["m200_mw"].std()
    assert abs(mean - TRUTH["m200_mw"]) < 4.0 * sigma and 0.02 < sigma / mean < 0.4
    assert 0.01 < found.p_value <= 1.0 and found.n_stars + found.n_left_out == len(table)
    assert "stars with errors of measurement (r 50 to inf kpc" in str(found)


def test_the_error_of_the_draws_is_measured_and_small(run):
    found, _ = run
    assert set(found.error_parts) == {"sampling", "selection", "probability", "draws", "integrals"}
    assert 0.0 < found.error_parts["draws"] < MAX_ERROR
    assert found.n_draws in {SET_DRAWS * n for n in range(reweighting.FEWEST, reweighting.MOST + 1)}
    assert found.log_evidence_error == pytest.approx(np.sqrt(sum(part**2 for part in found.error_parts.values())))


def test_the_answer_does_not_depend_on_the_order_and_a_run_is_continued(run, table, monkeypatch):
    found, path = run
    monkeypatch.setattr(StarLikelihood, "evaluate", lambda *a: pytest.fail("stars were evaluated"))
    turned = table.sample(frac=1.0, random_state=3).reset_index(drop=True)
    again = mw.infer_stars(turned, resume=path, **QUICK)
    pd.testing.assert_frame_equal(again.samples, found.samples)
    assert again.error_parts == found.error_parts and again.log_evidence == found.log_evidence
    with pytest.raises(ValueError, match=r"resume = .*allowed is a file of the same stars"):
        mw.infer_stars(table.assign(err_v_los=9.0), resume=path, **QUICK)


def test_a_run_that_ended_in_its_last_stage_goes_on_with_more_processes_to_the_same_answer(run, table, tmp_path):
    found, path = run
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    numbers = sorted({int(name.split("/")[0]) for name in arrays if "/" in name})
    sets = [i for i in numbers if f"{i}/log_weight" in arrays][-reweighting.FEWEST :]
    assert any(f"{i}/log_p" in arrays for i in numbers)
    kept = {name: values for name, values in arrays.items() if "/" not in name or int(name.split("/")[0]) <= sets[1]}
    replace_npz(tmp_path / "cut.npz", kept)
    again = mw.infer_stars(table, resume=tmp_path / "cut.npz", **{**QUICK, "workers": 2})
    pd.testing.assert_frame_equal(again.samples, found.samples)
    assert again.error_parts == found.error_parts and again.n_evaluations == found.n_evaluations


def test_with_vanishing_errors_the_answer_is_that_of_exact_stars(stars, monkeypatch):
    monkeypatch.setattr(marginal, "_FIRST", 1)  # all points are alike
    seen = observe_stars(stars, make_errors(len(stars), 0.0, 0.0, 0.0), np.random.default_rng(0))
    exact = mw.infer_stars(stars, **QUICK)
    found = mw.infer_stars(to_table(seen), **QUICK)
    sigma = exact.samples["m200_mw"].std()
    assert found.samples["m200_mw"].mean() == pytest.approx(exact.samples["m200_mw"].mean(), abs=0.6 * sigma)
    assert found.samples["m200_mw"].std() == pytest.approx(sigma, rel=0.4)
    assert found.n_stars == exact.n_stars and exact.n_draws is None and "errors of measurement" not in str(exact)


def test_observed_stars_of_another_kind_are_unusual(stars, table):
    """The same stars, 150 km/s faster towards the north."""
    parameters, near = mw.Parameters(**TRUTH), mw.Selection(r_max=150.0)
    p = []
    for added in (0.0, 150.0):
        moved = stars + np.array([0.0, 0.0, 0.0, 0.0, 0.0, added])
        seen = observe_stars(moved, make_errors(len(stars), 0.1, 8.0, 0.05), np.random.default_rng(1))
        inside = near.compute_completeness(seen.positions) > 0.0
        p.append(compute_observed_p_value(seen[inside], parameters, near, (1,)))
    assert p[0] > 0.01 > p[1]


def test_stars_that_no_parameters_bind_are_refused(table):
    with pytest.raises(ImpossibleStarsError, match="could not have been bound to the Milky Way"):
        mw.infer_stars(table.assign(v_los=2_000.0), **QUICK)


@pytest.mark.parametrize(("power", "impossible", "refused"), [(1.0, 2, True), (0.3, 2, False), (1.0, 0, False)])
def test_stars_are_refused_by_the_likelihood_itself(power, impossible, refused):
    """Not by weights of a power of it, nor where a point that counts has no impossible star."""
    search = SimpleNamespace(_impossible=np.array([impossible, 3, 3]), _n=9)
    exploration = SimpleNamespace(power=power, weights=np.array([0.2, 0.4, 0.4]))
    if refused:
        with pytest.raises(ImpossibleStarsError, match="of which 2 or more"):
            StarSearch._refuse_impossible(search, exploration)
    else:
        StarSearch._refuse_impossible(search, exploration)


def test_stars_that_may_be_too_near_are_refused(table):
    wide = table.assign(err_distance=0.6 * table["distance"])
    with pytest.raises(ValueError, match="errors of up to 60 per cent: allowed is r_min = 56 kpc or more"):
        mw.infer_stars(wide, **QUICK)


def test_tables_are_named_in_what_is_refused(table):
    with pytest.raises(ValueError, match="table lacks err_pm_l"):
        mw.infer_stars(table.drop(columns="err_pm_l"), **QUICK)
    with pytest.raises(ValueError, match="none of them in the selection"):
        mw.infer_stars(table, selection=mw.Selection(r_min=5e4), **QUICK)
