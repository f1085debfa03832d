"""Baselines that give probabilities of models."""

import numpy as np
import pytest

from benchmarks.baselines.base import Effort, create, find_baselines
from benchmarks.baselines.classifier import Classifier
from benchmarks.baselines.training import use_one_thread
from benchmarks.suite import jobs, models
from mwlmc_data import get_task
from mwlmc_data.scoring import classification
from mwlmc_data.scoring.star_sets import StarSets
from tests.helpers.star_tasks import ClassTask

pytest.importorskip("torch")
CLASSIFIERS = [name for name, kind in find_baselines().items() if issubclass(kind, Classifier)]


@pytest.fixture(scope="module")
def task():
    return ClassTask(n=600)


@pytest.fixture(scope="module")
def kept(task, tmp_path_factory):
    use_one_thread()
    store = models.Models(tmp_path_factory.mktemp("models"), Effort(fast=True))
    trained = {name: store.get(name, task, 0)[0] for name in CLASSIFIERS}
    return store, trained


def test_they_are_found_and_enter_the_task_of_models_alone():
    assert set(CLASSIFIERS) == {"uniform", "bins-classifier", "deepsets-classifier"}
    accepted = {name for name, kind in find_baselines().items() if kind.accepts(get_task("models"))}
    assert accepted == set(CLASSIFIERS)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_sum_to_one_and_survive_being_stored(name, task, kept):
    store, trained = kept
    x = task.observations.x
    given = trained[name].classify(x)
    assert given.shape == (60, 3) and (given >= 0).all()
    np.testing.assert_allclose(given.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(store.get(name, task, 0)[0].classify(x), given)
    arrays, _ = jobs.draw(trained[name], task, 0)
    np.testing.assert_array_equal(arrays["probabilities"], given)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_networks_learn_which_model_it_was(name, task, kept):
    score = classification.log_scores(kept[1][name].classify(task.observations.x), task.observations.theta).mean()
    if name == "uniform":
        assert score == pytest.approx(np.log(3))
    else:
        assert score < 0.75


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_order_of_the_stars_and_the_padding_do_not_matter(name, task, kept):
    x = task.observations.x
    order = np.random.default_rng(0).permutation(x.stars.shape[1])
    other = StarSets(np.where(x.mask[..., None], x.stars, 7.0).astype(np.float32)[:, order], x.mask[:, order], x.lmc)
    np.testing.assert_allclose(kept[1][name].classify(other), kept[1][name].classify(x), atol=2e-4)
    np.testing.assert_allclose(kept[1][name].classify(x[3:5]), kept[1][name].classify(x)[3:5], atol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_they_draw_no_parameters_and_say_if_untrained(name, task, kept):
    with pytest.raises(TypeError, match="gives probabilities of models: allowed is classify"):
        kept[1][name].sample(task.observations.x, 2)
    with pytest.raises(RuntimeError, match="call fit first"):
        create(name).classify(task.observations.x)
