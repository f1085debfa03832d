"""The contract of every baseline: a new file in `benchmarks/baselines` is discovered and tested here."""

import re

import numpy as np
import pytest

from benchmarks.baselines.base import Baseline, Effort, create, find_baselines
from benchmarks.baselines.classifier import Classifier
from benchmarks.baselines.training import use_one_thread
from benchmarks.suite import jobs, models
from mwlmc_data import Prior, get_task
from mwlmc_data.scoring.star_sets import StarSets
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.star_tasks import StarTask

pytest.importorskip("sbi", reason="sbi is not installed: the networks cannot be built")

#: Those that draw parameters; others have tests of their own.
BASELINES = [name for name, kind in find_baselines().items() if not issubclass(kind, Classifier)]
N = 40


def calibrated(name):
    """A task with a calibration split, of whose rows every third has no friction."""
    task = get_task(name)
    rows = task.load_split("validation", 24)
    theta = rows.theta.copy()
    theta[::3, 2] = np.nan
    task.calibration = type(rows)(theta, rows.x, rows.sim_id)
    return task


def key_of(name):
    """Key of the task for a baseline."""
    kind = find_baselines()[name]
    return "calibrated" if kind.uses_calibration else kind.form or "table"


@pytest.fixture(scope="module")
def tasks():
    """A task for each form of data."""
    return {"table": get_task("budget-1000"), "sets": StarTask(n=300), "calibrated": calibrated("budget-1000")}


@pytest.fixture
def task(name, tasks):
    return tasks[key_of(name)]


@pytest.fixture(scope="module")
def kept(tasks, tmp_path_factory):
    """Trained baselines by name, each trained once and kept, as the suite keeps them."""
    use_one_thread()
    store = models.Models(tmp_path_factory.mktemp("models"), Effort(fast=True))
    trained = {}

    def get(name):
        if name not in trained:
            trained[name] = store.get(name, tasks[key_of(name)], 0)
        return trained[name]

    get.store = store
    return get


def test_the_baselines_are_found():
    assert set(BASELINES) >= {"prior", "rejection-abc", "linear-gaussian", "mdn", "maf", "nsf"}
    assert set(BASELINES) >= {"bins-mdn", "deepsets", "set-transformer"}
    assert set(BASELINES) >= {"nsf-ensemble", "fmpe", "npse", "nle", "nsf-corrected"}


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"baseline = 'maff': allowed is one of .*maf"):
        create("maff")


@pytest.mark.parametrize("name", BASELINES)
class TestEveryBaseline:
    def test_it_is_described(self, name):
        kind = find_baselines()[name]
        assert issubclass(kind, Baseline) and kind.name == name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert kind.title and re.search(r"\b(19|20)\d\d\b", kind.source), "a source has a year"
        assert kind.version >= 1 and all(part in BASELINES for part, _ in kind.list_parts(0))

    def test_untrained_it_says_so(self, name, task):
        with pytest.raises(RuntimeError, match="call fit first"):
            create(name).sample(task.observations.x[:1], 2)

    def test_draws_have_their_shape_and_stay_inside_the_prior(self, name, kept, task):
        x = task.observations.x[:3]
        drawn = kept(name)[0].sample(x, N, seed=1)
        assert drawn.theta.shape == (3, N, 3) and drawn.acceptance.shape == drawn.complete.shape == (3,)
        assert drawn.complete.all() and ((drawn.acceptance > 0) & (drawn.acceptance <= 1)).all()
        low, high = np.array(list(task.prior.support.values())).T
        assert ((drawn.theta >= low) & (drawn.theta <= high)).all()
        assert drawn.statistic is None or (drawn.statistic.shape == (3,) and np.isfinite(drawn.statistic).all())
        assert len(np.unique(drawn.theta[:, 0, 0])) == 3, "observations share no draws"

    def test_a_seed_gives_its_draws_and_another_gives_others(self, name, kept, task):
        x, baseline = task.observations.x[:2], kept(name)[0]
        first, again, other = (baseline.sample(x, N, seed=seed).theta for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_a_density_is_normalised_inside_the_support(self, name, kept, task):
        baseline, x = kept(name)[0], task.observations.x[:1]
        if not baseline.has_density:
            with pytest.raises(NotImplementedError, match=re.escape(baseline.title)):
                baseline.log_prob(task.observations.theta[:1], x)
            return
        # Half from the prior, half from the posterior itself: the mean of density over that mixture's is one.
        n = 500 if baseline.list_parts(0) else 2000  # a density made of parts costs orbits, or five flows
        own = baseline.sample(x, n, seed=5).theta[0]
        prior = Prior("gaussian", task.theta_names)
        both = np.concatenate([own, prior.sample(n, seed=9)[list(task.theta_names)].to_numpy(float)])
        rows, acceptance = x[np.zeros(len(both), dtype=int)], baseline.sample(x, n, seed=6).acceptance
        log_own = baseline.log_prob(both, rows, np.repeat(acceptance, len(both)))
        log_mixture = np.logaddexp(log_own, prior.log_prob(both)) - np.log(2.0)
        ratio = np.exp(log_own - log_mixture)
        assert ratio.mean() == pytest.approx(1.0, abs=0.02 + 4.0 * ratio.std() / np.sqrt(len(ratio)))
        outside = own[:1] * [1.0, 1.0, 0.0] + [0.0, 0.0, 1.5]
        assert baseline.log_prob(outside, x, acceptance)[0] == -np.inf

    def test_it_survives_being_saved_and_loaded(self, name, kept, task):
        baseline, about = kept(name)
        path = kept.store.path(name, task, 0)
        assert sha256_of(path) == about["sha256"] and about["n_parameters"] == baseline.n_parameters
        again, found = kept.store.get(name, task, 0)
        assert again is not baseline and found == about
        x = task.observations.x[:2]
        np.testing.assert_array_equal(again.sample(x, N, seed=2).theta, baseline.sample(x, N, seed=2).theta)

    def test_it_draws_for_the_null_control_and_for_the_cases(self, name, kept, task, tmp_path):
        """Observations far outside the training set do not hang, and give draws that can be submitted."""
        far = task.cases.x if task.form == "table" else _move(task.observations.x[:3])
        drawn, _ = jobs.draw_for(kept(name)[0], task, far, N, seed=0)
        assert drawn.dtype == np.float32 and np.isfinite(drawn).all()
        assert np.isfinite(task.prior.log_prob(drawn.reshape(-1, 3).astype(float))).all()
        table = calibrated if key_of(name) == "calibrated" else get_task
        control = table("summary-6") if task.form == "table" else StarTask(n=400, signal=0.0)
        control.__dict__["train"], control.__dict__["validation"] = (
            _first(s, 400) for s in (control.train, control.validation)
        )
        store = models.Models(tmp_path, Effort(fast=True))
        null = store.get(name, control, 0)[0]
        assert null.sample(control.observations.x[:2], N, seed=0).theta.shape == (2, N, 3)


def _first(split, n):
    return type(split)(split.theta[:n], split.x[:n], split.sim_id[:n])


def _move(x):
    """Sets far outside the training set: stars four times as fast."""
    return StarSets(x.stars * np.float32([1, 1, 1, 4, 4, 4]), x.mask, x.lmc)
