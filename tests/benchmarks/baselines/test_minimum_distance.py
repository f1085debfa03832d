"""Minimum-distance summaries: what they give up without a shift, and what they save with one."""

import numpy as np
import pytest

from benchmarks.baselines.base import Effort, create
from benchmarks.baselines.training import use_one_thread
from mwlmc_data.scoring import detection_auroc, energy_score
from mwlmc_data.scoring.star_sets import StarSets
from tests.helpers.star_tasks import StarTask

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def trained():
    use_one_thread()
    task = StarTask(n=1500, fewest=48)
    baseline, plain = create("minimum-distance", Effort()), create("bins-mdn", Effort(fast=True))
    plain.fit(task, 0)
    baseline.get_trained = lambda *_: plain
    baseline.fit(task, 0)
    return task, baseline, plain


def contaminate(x):
    """A tenth of the stars move at 1,500 km/s along x."""
    stars = x.stars.copy()
    stars[:, ::10, 3:] = np.float32([1500.0, 0.0, 0.0])
    return StarSets(stars, x.mask, x.lmc)


def test_a_few_stars_of_another_kind_do_less_harm(trained):
    task, baseline, plain = trained
    truth, scale = task.observations.theta, [m.std for m in task.prior.marginals.values()]
    usual, strange = task.observations.x, contaminate(task.observations.x)
    score = {
        (who, what): energy_score(method.sample(x, 200).theta, truth, scale).mean()
        for who, method in (("robust", baseline), ("plain", plain))
        for what, x in (("usual", usual), ("strange", strange))
    }
    assert score["robust", "strange"] < 0.3 * score["plain", "strange"]
    assert score["robust", "strange"] < 1.3 * score["robust", "usual"]
    assert score["robust", "usual"] < 1.15 * score["plain", "usual"]
    drawn = [baseline.sample(x, 10).statistic for x in (strange, usual)]
    assert detection_auroc(*drawn).value > 0.9


def test_the_lmc_is_taken_as_measured(trained):
    task, baseline, _ = trained
    summaries, distance = baseline.find_summaries(task.observations.x)
    np.testing.assert_allclose(summaries[:, :6], task.observations.x.lmc, rtol=1e-4, atol=1e-3)
    assert (distance > 0).all()
