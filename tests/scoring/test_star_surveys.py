"""The task of observed stars: what a survey holds, that it follows from the halo's number, and its scores."""

import copy

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import made
from mwlmc_data.dataset.made import NumberedHalo
from mwlmc_data.rewinding.observed import observe_stars, take_observed
from mwlmc_data.scoring import star_surveys as module
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.star_surveys import PATTERNS, choose_patterns, observe_halo
from mwlmc_data.scoring.tasks.survey import StarsSurvey
from tests.helpers.example_entries import SHORT, prior_samples
from tests.helpers.observed_stars import make_errors


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    mw.list_tasks()  # all are known before the list is replaced
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MWLMC_DATA_DIR", str(tmp_path_factory.mktemp("store")))
        patch.setattr(task_module, "_KNOWN", copy.deepcopy(task_module._KNOWN))
        yield


@pytest.fixture(scope="module")
def small(store):
    task = type("Small", (StarsSurvey,), {"name": "stars-survey-small", "budget": 20, "__doc__": "Twenty haloes."})()
    task.train, task.validation  # noqa: B018  (made while the store is there)
    return task


def test_a_survey_holds_some_hundred_stars_of_the_selection(small):
    x = small.train.x
    assert x.stars.shape == (20, 500, 6) and x.errors.shape == (20, 500, 5) and x.measured.shape == (20, 500, 3)
    assert x.stars.dtype == x.errors.dtype == x.lmc.dtype == np.float32
    assert x.n_stars.min() >= 100 and x.n_stars.max() <= 500 and len(set(x.n_stars)) > 10
    assert not x.stars[~x.mask].any() and not x.errors[~x.mask].any() and not x.measured[~x.mask].any()
    assert not x.stars[..., 3:][~x.measured].any()
    for i in range(20):
        seen = take_observed(x.to_table(i))
        assert len(seen) == x.n_stars[i] and (small.selection.compute_completeness(seen.positions) > 0.0).all()
        assert 0.029 < seen.e_distance.min() and seen.e_distance.max() < 0.151
        for name, low, high in (("e_v_los", 2.0, 20.0), ("e_pm_l", 0.02, 0.2), ("e_pm_b", 0.02, 0.2)):
            error = getattr(seen, name)[seen.measured[:, ("e_v_los", "e_pm_l", "e_pm_b").index(name)]]
            assert not len(error) or (0.999 * low < error.min() and error.max() < 1.001 * high)
    assert np.array_equal(x[3:5].measured, x.measured[3:5]) and len(x[np.array([1, 0])]) == 2
    with pytest.raises(TypeError, match=r"rows = 2: allowed is a slice, a mask or an array"):
        x[2]


def test_what_is_measured_is_the_pattern_of_the_halos_number(small):
    pattern = choose_patterns(small.train.sim_id)
    assert set(pattern) == {0, 1, 2, 3}
    for i, name in enumerate(PATTERNS):
        for row in np.flatnonzero(pattern == i):
            seen = small.train.x.measured[row][small.train.x.mask[row]].mean(axis=0)
            assert seen[1] == seen[2], "a proper motion has both components"
            expected = {"complete": (1, 1), "v_los": (1, 0), "proper-motions": (0, 1), "mixed": (0.5, 0.7)}[name]
            assert seen[:2] == pytest.approx(expected, abs=0.2 if name == "mixed" else 0)
    assert np.bincount(choose_patterns(np.arange(2000))).min() > 420


def test_the_data_are_the_true_ones_with_the_errors_that_are_stated():
    halo = mw.load_halo(5, source="simulation")
    stars = np.concatenate([halo.positions, halo.velocities], axis=1)
    z = {name: [] for name in ("distance", "v_los", "pm_l", "pm_b")}
    for sim_id in np.flatnonzero(choose_patterns(np.arange(60)) == 0)[:8]:
        seen = take_observed(module.SurveySets(**add_axis(observe_halo(NumberedHalo(int(sim_id), stars)))).to_table(0))
        exact = observe_stars(stars, make_errors(len(stars), 0.0, 0.0, 0.0), np.random.default_rng(0))
        cosines = seen.basis[:, 0] @ exact.basis[:, 0].T
        true = exact[np.argmax(cosines, axis=1)]
        z["distance"].append(np.log(seen.distance / true.distance) / seen.e_distance)
        for name in ("v_los", "pm_l", "pm_b"):
            z[name].append((getattr(seen, name) - getattr(true, name)) / getattr(seen, f"e_{name}"))
    z = {name: np.concatenate(values) for name, values in z.items()}
    assert len(z["v_los"]) > 1000
    for name, values in z.items():
        assert np.std(values) == pytest.approx(1.0, abs=0.1)
        assert abs(values.mean()) < (0.3 if name == "distance" else 0.12), "the selection prefers errors outwards"


def add_axis(arrays):
    return {name: values[None] for name, values in arrays.items()} | {"lmc": np.zeros((1, 6), np.float32)}


def test_a_survey_follows_from_the_stars_and_the_number():
    stars = np.random.default_rng(0).normal(0.0, 80.0, (1500, 6)).astype(np.float32)
    first, again, other = (observe_halo(NumberedHalo(i, stars)) for i in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["stars"], other["stars"])


def test_scores_are_given_for_each_pattern(small, monkeypatch):
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated"))
    task = mw.get_task("stars-survey")
    task.n_draws = SHORT
    found = task.score(prior_samples(task))["scores"]
    parts = [found[f"measured: {name}"] for name in PATTERNS]
    for part in parts:
        assert abs(part["gain_over_prior"]["value"]) < 5 * part["gain_over_prior"]["error"]
    # the whole is the mean of the parts
    fixed = task.observations.rows("fixed")
    counts = np.bincount(choose_patterns(task.observations.sim_id[fixed]), minlength=4)
    assert counts.min() > 200
    whole = sum(n * part["energy_score"]["value"] for n, part in zip(counts, parts, strict=True)) / counts.sum()
    assert whole == pytest.approx(task.score(prior_samples(task))["headline"]["energy_score"]["value"])


def test_it_is_described_without_its_data(store, monkeypatch):
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated"))
    task = mw.get_task("stars-survey")
    assert "from 100 to 500 observed stars" in repr(task) and "what is measured (m, 3)" in task._repr_html_()
    assert task.max_simulations == 11_000
