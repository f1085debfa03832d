"""Every task whose data the package embeds: its data, its inputs, and that its score points the right way."""

import copy
import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import release, schema
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.observations import test_columns as columns_of_rows
from mwlmc_data.scoring.tasks import summary
from mwlmc_data.storage import embedded
from tests.helpers.example_entries import SHORT, arrays_of, list_own_tasks, prior_samples

TASKS = [name for name in list_own_tasks() if not mw.get_task(name).on_demand]
CONTROL = "summary-6@1.0"
#: SHA-256 of the observations of each task: if one changes, so do all scores, and the version has to.
PRINTS = {
    "summary-9@1.0": "552412986bb6bb488199d81ee665ab78a0699a3d79f3f2e650d46b5a25879be5",
    "summary-6@1.0": "2e1cd1b5165e8c58c9cd5f1c322a63b34e84b46327061094e84cb3a8c2d055a8",
    "summary-9-50-100@1.0": "4854cb52c5e9e7c8fb37f1cb41f875a64fbac2e16173d323531aa158d0dbc25c",
    "summary-24@1.0": "15ef08b7acd94a95726ab5bf978ad9e3ae1ccdfecdbb587674e1a7ec578c0e12",
    "summary-24-budget-1000@1.0": "15ef08b7acd94a95726ab5bf978ad9e3ae1ccdfecdbb587674e1a7ec578c0e12",
    "summary-24-budget-10000@1.0": "15ef08b7acd94a95726ab5bf978ad9e3ae1ccdfecdbb587674e1a7ec578c0e12",
    "summary-24-budget-100000@1.0": "15ef08b7acd94a95726ab5bf978ad9e3ae1ccdfecdbb587674e1a7ec578c0e12",
    "budget-1000@1.0": "552412986bb6bb488199d81ee665ab78a0699a3d79f3f2e650d46b5a25879be5",
    "budget-10000@1.0": "552412986bb6bb488199d81ee665ab78a0699a3d79f3f2e650d46b5a25879be5",
    "budget-100000@1.0": "552412986bb6bb488199d81ee665ab78a0699a3d79f3f2e650d46b5a25879be5",
    "shift@1.0": "743d11a32e2a7e5af4ee65b6f2eb72a00e23248e8a6afe2cd38599ba0777e8bf",
}


@pytest.fixture(params=TASKS)
def task(request, loaded):
    return loaded[request.param]


@pytest.fixture
def gaussian(task, gaussians):
    return gaussians[task.id]


def print_of(observations):
    digest = hashlib.sha256()
    for array in (observations.x, observations.theta, observations.sim_id):
        digest.update(np.ascontiguousarray(array).tobytes())
    return hashlib.sha256(digest.digest() + ",".join(observations.group.tolist()).encode()).hexdigest()


class TestEveryTask:
    def test_the_tasks_of_the_benchmark_are_found(self):
        assert set(TASKS) == set(PRINTS)
        assert all(len(line) > 30 and line.endswith(".") for line in mw.list_tasks().values())

    def test_its_name_finds_it(self, task):
        assert type(mw.get_task(task.id)) is type(task) and mw.get_task(task.id).id == task.id
        assert isinstance(mw.get_task(task.name), type(task))

    @pytest.mark.parametrize("split", schema.SPLITS)
    def test_splits_are_arrays_inside_the_prior(self, task, split):
        part = getattr(task, split)
        n = len(part)
        assert (part.theta.dtype, part.x.dtype, part.sim_id.dtype) == (np.float32, np.float32, np.int32)
        assert (part.theta.shape, part.x.shape) == ((n, len(task.theta_names)), (n, len(task.x_names)))
        assert np.isfinite(part.theta).all() and np.isfinite(part.x).all()
        assert np.isfinite(task.prior.log_prob(part.theta)).all()
        assert set(schema.split_of(part.sim_id)) == {split}
        assert (np.diff(part.sim_id) > 0).all()
        budgets = {"train": task.budget, "validation": task.budget and task.budget // 10, "test": None}
        assert n == (budgets[split] or {"train": 108_000, "validation": 10_000, "test": 10_000}[split])

    def test_splits_are_columns_of_the_catalogue(self, task):
        table = mw.load_catalogue("train", format="numpy")
        rows = slice(3, 900, 100)
        for j, name in enumerate(task.theta_names):
            assert np.array_equal(task.train.theta[rows, j], table[name][rows])
        for j, name in enumerate(task.x_names):
            assert np.array_equal(task.train.x[rows, j], table[name][rows])

    def test_its_data_do_not_give_the_parameters_away(self, task):
        truths = {*task.theta_names, *schema.DERIVED, "beta0", "r_dehnen", "m_lmc_8p7"}
        assert {"c200", "a_lmc", "coulomb_log", "m_mw_50", "m_lmc_50"} <= truths
        assert not truths & set(task.x_names)

    def test_observations_are_those_of_the_version(self, task):
        first, again = task.observations, type(task)().observations
        assert first.x.dtype == first.theta.dtype == np.float32
        assert first.x.shape == (len(first), len(task.x_names)) and np.isfinite(first.x).all()
        assert first.theta.shape == (len(first), len(task.theta_names))
        assert print_of(first) == print_of(again) == PRINTS[task.id]

    def test_observations_are_rows_outside_the_training_split(self, task):
        seen = task.observations
        rows = seen.sim_id >= 0
        assert np.isfinite(seen.theta[rows]).all()
        assert set(schema.split_of(seen.sim_id[rows])) == {"test"}
        truth = columns_of_rows(seen.sim_id[rows], task.theta_names)
        for j, name in enumerate(task.theta_names):
            assert np.array_equal(seen.theta[rows, j], truth[name])
        assert not set(seen.sim_id[rows]) & (set(task.train.sim_id) | set(task.validation.sim_id))

    def test_the_truth_cannot_be_changed_by_accident(self, task):
        with pytest.raises(ValueError, match="read-only"):
            task.observations.theta[0] = 0

    def test_the_scale_is_the_priors_standard_deviation(self, task):
        assert task.scale == pytest.approx(np.sqrt(metrics.prior_variance(task.prior)), rel=1e-3)

    def test_cases_are_rows_with_quoted_truths(self, task):
        cases = task.cases
        known = {
            name: {**case.observation, **case.travel}
            for name, case in mw.validation_cases().items()
            if set(task.x_names) <= {*case.observation, *case.travel}
        }
        numbers = {"summary-24": 0, "summary-9-50-100": 1}
        assert len(known) == next((n for name, n in numbers.items() if task.id.startswith(name)), 3)
        assert cases.names == tuple(known)
        assert ("case_samples" in task.arrays) == (task.id != "shift@1.0" and len(known) > 0)
        assert cases.x.shape == (len(known), len(task.x_names)) and cases.theta.shape == (len(known), 3)
        for i, (case_name, data) in enumerate(known.items()):
            case = mw.validation_cases()[case_name]
            assert cases.x[i] == pytest.approx([data[name] for name in task.x_names])
            for j, name in enumerate(task.theta_names):
                assert cases.theta[i, j] == pytest.approx(case.truth.get(name, np.nan), nan_ok=True)
            assert cases.outside[i] == case.outside
        noted = [name for name in cases.names if any(name in note for note in cases.list_notes())]
        assert noted == [name for name in cases.names if name != "rigid"]
        told = " ".join(task.score(prior_samples(task))["notes"])
        assert ("case_samples are missing" in told) == ("case_samples" in task.arrays)

    def test_the_right_entry_wins(self, task, gaussian, without_references):
        """A Gaussian that uses the data beats the prior, also by its contraction; in the control nothing can."""
        nothing = task.score(**arrays_of(task, prior_samples(task)))["headline"]
        looked = task.score(**arrays_of(task, gaussian.sample(task.observations.x)))["headline"]
        assert abs(nothing["gain_over_prior"]["value"]) < 5 * nothing["gain_over_prior"]["error"]
        assert max(map(abs, nothing["contraction"]["value"].values())) < 0.05
        gain = looked["gain_over_prior"]
        if task.id == CONTROL:
            assert gain["value"] < 5 * gain["error"]
        else:
            # the stars of a shell are fewer, the errors of their motion twice as large, and a Gaussian learns less
            errors, contraction = (5, 0.2) if task.name == "summary-9-50-100" else (8, 0.3)
            assert gain["value"] > errors * gain["error"]
            assert looked["energy_score"]["value"] < nothing["energy_score"]["value"]
            assert looked["contraction"]["value"]["m_lmc"] > contraction

    def test_a_posterior_that_is_too_narrow_loses(self, task, gaussian, without_references):
        x = task.observations.x
        right, narrow = (task.score(**arrays_of(task, gaussian.sample(x, width=w))) for w in (1.0, 0.3))
        assert narrow["headline"]["energy_score"]["value"] > right["headline"]["energy_score"]["value"]
        assert narrow["headline"]["contraction"]["value"]["m_lmc"] > right["headline"]["contraction"]["value"]["m_lmc"]

    def test_scores_are_the_same_every_time_and_fit_in_json(self, task, without_references):
        samples = prior_samples(task)
        arrays = arrays_of(task, samples, case_samples=samples[: len(task.cases)])
        first, again = (task.score(**arrays) for _ in range(2))
        assert json.dumps(first.to_dict(), allow_nan=False) == json.dumps(again.to_dict(), allow_nan=False)
        assert first["task"] == task.id
        assert str(first) == str(again)
        assert all(len(line) <= 180 for line in str(first).splitlines())

    def test_draws_of_a_wrong_shape_are_refused(self, task):
        samples = prior_samples(task)
        n, d = len(task.observations), len(task.theta_names)
        for wrong in (samples[:, :-1], samples[:-1], samples[..., :2], samples[0]):
            with pytest.raises(ValueError, match=rf"shape of samples = .*allowed is \({n}, {SHORT}, {d}\)"):
                task.score(wrong)
        for value in (np.nan, np.inf):
            spoilt = samples.copy()
            spoilt[3, 2, 1] = value
            with pytest.raises(ValueError, match=rf"samples at \(3, 2, 1\) = {value}, 1 such in total"):
                task.score(spoilt)
        with pytest.raises(ValueError, match=r"samples = .*: allowed is an array of real numbers"):
            task.score(np.full(samples.shape, "a"))
        with pytest.raises(ValueError, match=r"m200_mw of row 7 = .*1 such in total"):
            spoilt = samples.copy()
            spoilt[7, :, 1] = 1e12
            task.score(spoilt)
        with pytest.raises(ValueError, match=r"0\.0% of the draws inside the prior.*m_lmc 2\.5e\+10 to 1e\+12"):
            task.score(samples / np.float32(1e10))

    def test_all_faults_are_reported_together(self, task):
        wrong = {name: np.zeros((2, 2)) for name in task.arrays} | {"predictions": np.zeros(3)}
        with pytest.raises(ValueError) as caught:
            task.score(**wrong)
        for name in wrong:
            assert name in str(caught.value)
        assert all(name in str(caught.value) for name in task.arrays)


class TestFinding:
    @pytest.mark.parametrize("name", ["summary-7", "summary-9@0.9", "", "shift@"])
    def test_unknown_names(self, name):
        with pytest.raises(ValueError, match=r"task = .*allowed is one of .*summary-9@1\.0"):
            mw.get_task(name)

    @pytest.fixture
    def registry(self, monkeypatch):
        monkeypatch.setattr(task_module, "_KNOWN", copy.deepcopy(task_module._KNOWN))

    def test_a_new_task_needs_only_one_class(self, registry, loaded):
        class Masses(summary.Summary9):
            """A task of two masses only, which shows how little a task needs."""

            name = "masses"
            theta_names = ("m_lmc", "m200_mw")
            scale = summary.SummaryTask.scale[:2]
            unit = (1e10, 1e11)
            n_draws = SHORT

        task = mw.get_task("masses")
        assert type(task) is Masses and "masses@1.0" in mw.list_tasks()
        report = task.score(prior_samples(task), task.prior.log_prob(task.observations.theta))
        assert set(report["headline"]["contraction"]["value"]) == {"m_lmc", "m200_mw"}
        assert "limit" not in report["scores"], "the limit is that of three parameters"

    def test_the_newest_version_is_given(self, registry):
        for number in ("1.2", "1.10"):
            type("Later", (summary.Summary9,), {"name": "summary-9", "version": number, "__qualname__": f"L{number}"})
        assert mw.get_task("summary-9").version == "1.10"
        assert mw.get_task("summary-9@1.0").version == "1.0"

    def test_two_tasks_of_one_name_are_refused(self, registry):
        with pytest.raises(ValueError, match=r"two tasks are summary-9@1\.0: Summary9 and Other"):
            type("Other", (summary.Summary9,), {"name": "summary-9", "__qualname__": "Other"})

    @pytest.mark.parametrize("told", ["m_mw_50", "c200", "m_lmc"])
    def test_data_that_give_the_parameters_away_are_refused(self, registry, told):
        with pytest.raises(ValueError, match=rf"x_names of leak = {told}: allowed are data"):
            type("Leak", (summary.Summary9,), {"name": "leak", "x_names": ("v_travel", told)})

    def test_data_of_another_major_version_are_refused(self, monkeypatch):
        monkeypatch.setattr(release, "DATA_VERSION", "2.0.0")
        with pytest.raises(ValueError, match=r"summary-9@1\.0 needs data version 1\.x, and this package embeds 2"):
            mw.get_task("summary-9")


def test_a_report_of_a_task_can_be_extended(summary9, without_references):
    from mwlmc_data.scoring.report import Entry, Section

    report = summary9.score(prior_samples(summary9)).with_section(Section("classifier", {"c2st": Entry(0.51, 0.01)}))
    assert report["scores"]["classifier"]["c2st"]["value"] == 0.51
    assert dataclasses.is_dataclass(report)


@pytest.mark.parametrize("name", [name for name in list_own_tasks() if name != CONTROL])
def test_every_task_says_whether_it_has_references(name):
    """The control draws its own; the others load a registered file, or none."""
    task = mw.get_task(name)
    assert (task.references() is not None) == (task.reference_name in embedded.load_registry())


def test_tasks_are_listed_in_one_order_whichever_module_comes_first():
    script = "import mwlmc_data.scoring.tasks.shift, mwlmc_data as mw; print(*mw.list_tasks())"
    listed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert listed == list(mw.list_tasks())
    assert [name.partition("@")[0] for name in listed[:2]] == ["summary-9", "summary-6"]
    families = [name.partition("-")[0].partition("@")[0] for name in listed]
    assert list(dict.fromkeys(families)) == [*task_module._FAMILIES][: len(set(families))]
