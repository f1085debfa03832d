"""The parameters beside those of a task: their prior, and the networks of their own that the suite trains."""

import json

import numpy as np
import pytest
from scipy import stats

from benchmarks.baselines.base import Effort
from benchmarks.common.others import Measured, OthersOf, PopulationPrior
from benchmarks.suite import jobs, models
from benchmarks.suite.jobs import Job
from mwlmc_data import get_task
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.submission import read_submission
from mwlmc_data.scoring.tasks import velocity
from mwlmc_data.scoring.velocity_bins import SETTINGS

POPULATION = np.random.default_rng(2).gamma(4.0, 2.0, size=50_000)


class TestMeasured:
    law = Measured.of(POPULATION)

    def test_quantiles_and_probabilities_are_inverse(self):
        u = np.linspace(0.001, 0.999, 77)
        assert self.law.cdf(self.law.quantile(u)) == pytest.approx(u, abs=1e-12)
        assert stats.kstest(POPULATION[:5000], self.law.cdf).pvalue > 1e-3
        assert (self.law.low, self.law.high) == (POPULATION.min(), POPULATION.max())

    def test_the_density_is_the_slope_of_the_probabilities_and_ends_outside(self):
        x = np.linspace(self.law.low, self.law.high, 200_001)
        density = np.exp(self.law.log_pdf(x))
        assert np.sum(0.5 * (density[1:] + density[:-1]) * np.diff(x)) == pytest.approx(1.0, abs=1e-3)
        law, part = stats.gamma(4.0, scale=2.0), (x > 6.0) & (x < 9.0)
        assert density[part].mean() == pytest.approx((law.cdf(9.0) - law.cdf(6.0)) / 3.0, rel=0.03)
        assert (self.law.log_pdf([self.law.low - 1e-6, self.law.high + 1e-6]) == -np.inf).all()


def test_a_prior_of_populations_has_what_estimators_ask_for():
    prior = PopulationPrior({"m_mw_50": POPULATION * 1e10, "beta0": np.linspace(0, 0.9, 1001)})
    drawn = prior.sample(20_000, seed=3)
    assert list(drawn) == ["m_mw_50", "beta0"] == list(prior.parameters) == list(prior.support)
    assert drawn["m_mw_50"].std() == pytest.approx(prior.marginals["m_mw_50"].std, rel=0.03)
    scores = prior.to_normal_scores(drawn.to_numpy())
    assert abs(scores.mean()) < 0.03 and scores.std() == pytest.approx(1.0, abs=0.03)
    log_prob = prior.log_prob(drawn.to_numpy())
    assert np.isfinite(log_prob).all() and log_prob[7] == pytest.approx(prior.log_prob(drawn.to_numpy()[7]))
    assert prior.log_prob([1e9, 1.0]) == -np.inf
    assert not np.array_equal(prior.sample(5, seed=3), prior.sample(5, seed=4))


def test_the_mass_within_8p7_kpc_has_scores_where_a_population_gives_its_distribution():
    """The drawn prior has none without m_lmc, and refuses; the other parameters of the tasks of stars have it."""
    prior = PopulationPrior({"m_lmc_8p7": POPULATION * 1e9, "beta0": np.linspace(0, 0.9, 1001)})
    drawn = prior.sample(2_000, seed=1).to_numpy()
    scores = Scores(prior).forward(drawn)
    assert scores.shape == (2_000, 2) and stats.kstest(scores[:, 0], "norm").pvalue > 1e-3
    np.testing.assert_allclose(Scores(prior).inverse(scores), drawn, rtol=1e-6)
    with pytest.raises(ValueError, match="allowed are those without 'm_lmc_8p7'"):
        Prior("gaussian", ["m_lmc_8p7", "beta0"]).to_normal_scores(drawn)


@pytest.fixture
def cheap(monkeypatch):
    """Cells that are made in no time: the mass within 50 kpc in the first number, noise in the others."""
    mass = load_catalogue(columns=["m_mw_50"], format="numpy")["m_mw_50"]

    def make(recipe, sim_ids):
        bins = np.random.default_rng(int(sim_ids[0])).normal(size=(len(sim_ids), len(SETTINGS["sun"].names)))
        bins[:, 0] = mass[sim_ids] / 1e11 + 0.01 * bins[:, 0]
        return {"bins": bins.astype(np.float32)}

    monkeypatch.setattr(velocity, "load_made", make)


def test_the_suite_hands_in_the_other_parameters_too(cheap, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "FAST_DRAWS", 40)
    job = Job("velocity-bins-budget-1000", "linear-gaussian", 0)
    jobs.run(tmp_path, job, Effort(fast=True))
    result = json.loads(job.result_path(tmp_path).read_text(encoding="utf-8"))
    others = result["scores"]["scores"]["others"]
    assert others["contraction"]["value"]["m_mw_50"] > 0.9 > 0.2 > others["contraction"]["value"]["beta0"]
    assert others["gain_over_population"]["value"] > 5 * others["gain_over_population"]["error"]
    # 202 coefficients from 1,000 rows are a little too sure of themselves
    assert 0.5 < others["hits_68"]["value"]["m_lmc_50"] < 0.74
    task = get_task(job.task)
    task.n_draws = jobs.FAST_DRAWS
    drawn = read_submission(job.entry_path(tmp_path), task).arrays["other_samples"]
    assert drawn.shape == (1100, jobs.FAST_DRAWS, 3) and drawn.dtype == np.float32
    names = {path.parent.name for path in (tmp_path / "models").rglob("*.safetensors")}
    assert names == {task.id, f"{task.id}-others"}


def test_they_are_learnt_from_the_tasks_own_rows(cheap):
    task = get_task("velocity-bins-budget-1000")
    others = OthersOf(task)
    assert others.theta_names == ("m_mw_50", "m_lmc_50", "beta0") and len(others.train) == 1000
    assert np.array_equal(others.train.theta, task.train.others) and others.train.x is task.train.x
    assert len(others.validation) == 100 and np.isfinite(others.prior.log_prob(others.train.theta)).all()
    assert models.identity(jobs.create("linear-gaussian"), others, 0)["task"] == "velocity-bins-budget-1000@1.0-others"
