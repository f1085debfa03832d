"""Tasks whose data are made from the stars: their rows, their data, and the scores of their other parameters."""

import copy
import hashlib

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import made, schema
from mwlmc_data.rewinding import MAX_BETA0
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.star_sets import StarSets, pad_stars
from mwlmc_data.scoring.tasks import stars, velocity
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask
from mwlmc_data.scoring.velocity_bins import SETTINGS, reduce_stars
from tests.helpers.example_entries import SHORT, list_own_tasks, prior_samples

TASKS = [name for name in list_own_tasks() if isinstance(mw.get_task(name), OnDemandTask)]
#: SHA-256 of the rows of the observations: if they change, so do all scores, and the version has to.
_OF_STARS = "a0a5424ec4b237400f9905c22fe468554b643a78f6ae54ef931eec7c6c41239d"
_OF_BINS = "347ec58392e38ae91b3115b2c33d7b3fff10d145166cfd5bb95d55f230a8b884"
PRINTS = {
    "stars-budget-1000@1.0": _OF_STARS,
    "stars-budget-10000@1.0": _OF_STARS,
    "stars-budget-100000@1.0": _OF_STARS,
    "stars-survey@1.0": _OF_STARS,
    "velocity-bins@1.0": _OF_BINS,
    "velocity-bins-budget-1000@1.0": _OF_BINS,
    "velocity-bins-budget-10000@1.0": _OF_BINS,
}


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path))


@pytest.fixture
def forbidden(monkeypatch):
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated"))


@pytest.fixture(params=TASKS)
def task(request):
    task = mw.get_task(request.param)
    task.n_draws = SHORT
    return task


def test_the_tasks_are_those_with_known_observations():
    assert set(TASKS) == set(PRINTS)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(task_module, "_KNOWN", copy.deepcopy(task_module._KNOWN))


def test_observations_are_those_of_the_version_and_need_no_simulation(task, forbidden):
    seen = task.observations
    digest = hashlib.sha256(seen.theta.tobytes() + seen.others.tobytes() + seen.sim_id.tobytes())
    assert hashlib.sha256(digest.digest() + ",".join(seen.group).encode()).hexdigest() == PRINTS[task.id]
    assert len(seen) == 1100 and [len(seen.rows(group)) for group in seen.groups] == [1000, 100]
    assert len(np.unique(seen.sim_id)) == 1100 and set(schema.split_of(seen.sim_id)) == {"test"}
    for values in (seen.theta, seen.others):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0
    with pytest.raises(AttributeError):
        seen.theta = None


def test_observations_are_those_of_summary_9(task, forbidden):
    seen, plain = task.observations, mw.get_task("summary-9").observations
    assert np.array_equal(seen.sim_id, plain.sim_id) and np.array_equal(seen.group, plain.group)
    assert np.array_equal(seen.theta, plain.theta)


def test_the_exact_likelihood_reaches_as_far_as_the_anisotropy(forbidden):
    beta0 = mw.load_catalogue(columns=["beta0"], format="numpy")["beta0"]
    assert beta0.max() <= np.float32(MAX_BETA0)


def test_scales_are_those_of_the_training_split(task, forbidden):
    assert task.scale == pytest.approx(np.sqrt(metrics.prior_variance(task.prior)), rel=1e-3)
    assert task.other_scale == pytest.approx(task.load_population().std(axis=0), rel=1e-3)


def test_a_score_needs_no_simulation_and_scores_the_other_parameters(task, forbidden):
    rng, seen = np.random.default_rng(4), task.observations
    samples = prior_samples(task)
    plain = task.score(samples)
    assert abs(plain["headline"]["gain_over_prior"]["value"]) < 5 * plain["headline"]["gain_over_prior"]["error"]
    assert any("other_samples are missing" in note for note in plain["notes"])
    assert not any("case_samples" in note for note in plain["notes"]) and "case_samples" not in task.arrays
    width = np.array(task.other_scale)
    centre = seen.others + 0.3 * width * rng.standard_normal(seen.others.shape)
    draws = centre[:, None] + 0.3 * width * rng.standard_normal((len(seen), SHORT, len(width)))
    found = task.score(samples, other_samples=draws)["scores"]["others"]
    assert found["gain_over_population"]["value"] > 20 * found["gain_over_population"]["error"]
    for name in task.other_names:
        assert found["contraction"]["value"][name] == pytest.approx(1 - 0.3**2, abs=0.02)
        assert abs(found["hits_68"]["value"][name] - 0.68) < 4 * found["hits_68"]["error"][name]
    narrow = centre[:, None] + 0.1 * (draws - centre[:, None])
    worse = task.score(samples, other_samples=narrow)["scores"]["others"]
    assert worse["energy_score"]["value"] > found["energy_score"]["value"]
    population = task.load_population()
    nothing = population[rng.integers(len(population), size=(len(seen), SHORT))]
    blind = task.score(samples, other_samples=nothing)["scores"]["others"]["gain_over_population"]
    assert abs(blind["value"]) < 5 * blind["error"]


def test_wrong_other_samples_are_refused(task, forbidden):
    samples, shape = prior_samples(task), (1100, SHORT, len(task.other_names))
    with pytest.raises(ValueError, match=r"shape of other_samples = \(1100, 2, 3\): allowed is"):
        task.score(samples, other_samples=np.zeros((1100, 2, 3)))
    still = np.random.default_rng(0).normal(size=shape)
    still[7, :, 1] = 3.0
    with pytest.raises(ValueError, match=rf"other_samples: {task.other_names[1]} of row 7 = 3\.0 in every draw"):
        task.score(samples, other_samples=still)


class TestStars:
    @pytest.fixture
    def small(self, registry):
        return type("Small", (stars.StarsTask,), {"name": "stars-small", "budget": 20, "__doc__": "Twenty haloes."})()

    def test_data_are_the_first_stars_beyond_50_kpc_of_the_first_rows(self, small):
        table = mw.load_catalogue("train", format="numpy")
        rows = slice(20)
        train, validation = small.train, small.validation
        assert np.array_equal(train.sim_id, table["sim_id"][rows]) and len(validation) == 2
        for names, values in ((small.theta_names, train.theta), (small.other_names, train.others),
                              (schema.LMC_VECTOR, train.x.lmc)):  # fmt: skip
            assert np.array_equal(values, np.stack([table[name][rows] for name in names], axis=1))
        assert train.x.stars.shape == (20, 1024, 6) and train.x.stars.dtype == np.float32
        assert train.x.mask.shape == (20, 1024) and train.x.mask.all()
        halo = mw.load_halo(int(train.sim_id[3]), source="simulation")
        far = np.linalg.norm(halo.positions.astype(float), axis=1) > 50
        assert np.array_equal(train.x.stars[3, :, :3], halo.positions[far][:1024])
        assert np.array_equal(train.x.stars[3, :, 3:], halo.velocities[far][:1024])

    def test_budgets_nest_and_share_their_files(self):
        small, large = (mw.get_task(f"stars-budget-{n}") for n in (1000, 100000))
        assert small.max_simulations == 1100 and large.max_simulations == 110_000
        assert np.array_equal(small.observations.sim_id, large.observations.sim_id)
        made_of = []
        for task in (small, large):
            task.make_data = lambda ids, table: made_of.append(ids)
            task.load_split("train", task.budget)
        assert len(made_of[0]) == 1000 and np.array_equal(made_of[0], made_of[1][:1000])

    def test_it_is_described_without_its_data(self, forbidden):
        task = mw.get_task("stars-budget-1000")
        assert repr(task) == "<Task stars-budget-1000@1.0: m_lmc, m200_mw, log10_lambda_df from 1,024 stars>"
        assert "stars (1,024, 6)" in task._repr_html_() and isinstance(task, OnDemandTask)


class TestVelocityBins:
    @pytest.fixture
    def small(self, registry):
        return type("Small", (velocity.VelocityBins,), {"name": "velocity-small", "budget": 20, "__doc__": "Few."})()

    def test_data_are_the_lmc_and_the_cells_of_each_halo(self, small):
        train = small.train
        assert train.x.shape == (20, 202) and train.x.dtype == np.float32 and np.isfinite(train.x).all()
        table = mw.load_catalogue("train", columns=[*schema.LMC_VECTOR, *small.other_names], format="numpy")
        assert np.array_equal(train.x[:, 2], table["z_lmc"][:20])
        assert np.array_equal(train.others[:, 0], table["m_mw_50"][:20])
        halo = mw.load_halo(int(train.sim_id[3]), source="simulation")
        stars = np.concatenate([halo.positions, halo.velocities], axis=1)
        bins = reduce_stars(stars, **SETTINGS["sun"].to_options())["bins"]
        assert np.array_equal(train.x[3, 6:], bins), "stars within 50 kpc are in no cell"

    def test_a_baseline_of_tables_learns_from_them_unchanged(self, small):
        pytest.importorskip("torch")
        from benchmarks.baselines.base import Effort, create

        baseline = create("mdn", Effort(fast=True))
        assert type(baseline).accepts(small)
        baseline.fit(small, 0)
        drawn = baseline.sample(small.train.x[:3], 50).theta
        assert np.isfinite(small.prior.log_prob(drawn.reshape(-1, 3))).all()

    def test_it_is_described_without_its_data(self, forbidden):
        task = mw.get_task("velocity-bins")
        assert repr(task).endswith("from 202 data>") and "in 28 cells" in task._repr_html_()
        assert len(task.x_names) == 202 == len(set(task.x_names))


def test_few_stars_are_padded_with_zeros_and_masked():
    few = np.arange(18, dtype=np.float32).reshape(3, 6) + 1
    found = pad_stars(few, 5)
    assert found["mask"].tolist() == [True, True, True, False, False]
    assert np.array_equal(found["stars"][:3], few) and not found["stars"][3:].any()
    assert np.array_equal(pad_stars(few, 2)["stars"], few[:2])


def test_sets_are_selected_by_rows():
    mask = np.arange(5) < np.arange(1, 5)[:, None]
    sets = StarSets(np.ones((4, 5, 6), np.float32), mask, np.eye(4, 6, dtype=np.float32))
    assert len(sets) == 4 and sets.n_stars.tolist() == [1, 2, 3, 4]
    assert sets[1:3].n_stars.tolist() == [2, 3] and sets[np.array([3, 0])].lmc[0, 3] == 1
    with pytest.raises(TypeError, match=r"rows = 2: allowed is a slice, a mask or an array"):
        sets[2]
