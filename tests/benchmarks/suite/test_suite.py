"""The suite: what it plans, that it resumes, and that what it writes can be scored by anyone."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.baselines.base import Effort, find_baselines
from benchmarks.suite import jobs, models, plan
from benchmarks.suite.curves import LEVELS
from benchmarks.suite.jobs import Job
from benchmarks.suite.models import source_of
from mwlmc_data import get_task, list_tasks
from mwlmc_data.scoring.submission import SubmissionError, read_submission
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.example_entries import list_own_tasks

JOB = Job("budget-1000", "linear-gaussian", 1)
EFFORT = Effort()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder in which one job was run."""
    out = tmp_path_factory.mktemp("suite")
    jobs.run(out, JOB, EFFORT)
    return out


def result(out):
    return json.loads(JOB.result_path(out).read_text(encoding="utf-8"))


def entries_of(waves, function):
    return [arguments[0] for wave in waves for called, arguments in wave if called is function]


class TestPlan:
    def test_groups_are_tasks_that_exist(self, tmp_path, monkeypatch):
        known = {name.partition("@")[0] for name in list_tasks()}
        assert all(set(names) <= known for names in plan.GROUPS.values()) and plan.GROUPS["board"] == plan.TASKS
        asked = []
        monkeypatch.setattr(plan, "plan_waves", lambda tasks, *_: asked.append(tasks) or [])
        plan.main(tmp_path, tasks=["stars", "summary-24", "shift"])
        assert asked == [[*plan.GROUPS["stars"], "shift"]]

    @pytest.mark.parametrize("tasks", [plan.TASKS, [name.partition("@")[0] for name in list_own_tasks()]])
    def test_every_baseline_enters_every_task_whose_data_it_accepts(self, tasks):
        entries = entries_of(plan.plan_waves(tasks), jobs.run)
        assert len(entries) == len(set(entries)) and {job.task for job in entries} == set(tasks)
        for task in map(get_task, tasks):
            for name, baseline in find_baselines().items():
                seeds = [job.seed for job in entries if (job.task, job.baseline) == (task.name, name)]
                n_seeds = plan.BUDGET_SEEDS if task.budget else 1
                assert seeds == list(range(n_seeds if baseline.accepts(task) else 0))

    def test_methods_made_for_the_nine_numbers_do_not_accept_more(self):
        for name, baseline in find_baselines().items():
            of_nine = name in ("nle", "nsf-corrected")
            if baseline.form in ("sets", "classes") or baseline.uses_calibration:
                continue
            assert baseline.accepts(get_task("summary-9")) and baseline.accepts(get_task("summary-6"))
            assert baseline.accepts(get_task("summary-24")) != of_nine
            if of_nine:
                with pytest.raises(ValueError, match=r"x_names.* = x_lmc.*allowed"):
                    baseline().fit(get_task("summary-24-budget-1000"))

    def test_sets_of_stars_are_for_methods_that_take_them(self):
        known, task = find_baselines(), get_task("stars-budget-1000")
        accepted = {name for name, baseline in known.items() if baseline.accepts(task)}
        assert accepted == {name for name, baseline in known.items() if baseline.form in (None, "sets")}
        assert "prior" in accepted and "mdn" not in accepted

    def test_parts_of_other_baselines_are_trained_first_and_only_once(self):
        waves, done = plan.plan_waves(), set()
        for wave in waves:
            trained = [arguments[0] for function, arguments in wave if function in (jobs.run, jobs.train)]
            for job in trained:
                parts = {Job(job.task, *part) for part in find_baselines()[job.baseline].list_parts(job.seed)}
                if source_of(get_task(job.task), job.baseline).id == get_task(job.task).id:
                    assert parts <= done, job
            done |= set(trained)
            assert len(trained) == len(set(trained))

    def test_shift_shares_what_summary_9_trained(self):
        assert source_of(get_task("shift"), "nsf").id == "summary-9@1.0"
        assert source_of(get_task("budget-1000"), "nsf").id == "budget-1000@1.0"
        assert source_of(get_task("summary-6"), "nsf").id == "summary-6@1.0"

    def test_a_part_of_the_plan_can_be_requested(self):
        waves = plan.plan_waves(("summary-6", "budget-1000"), ("prior",), seeds=2)
        assert entries_of(waves, jobs.run) == [
            Job("summary-6", "prior", 0), Job("budget-1000", "prior", 0), Job("budget-1000", "prior", 1)
        ]  # fmt: skip

    def test_what_would_do_nothing_or_something_else_is_refused(self, monkeypatch):
        with pytest.raises(ValueError, match="baselines = deepsets: allowed are those that take the data of summary-6"):
            plan.plan_waves(("summary-6",), ("prior", "deepsets"))
        newest = get_task("shift")
        older = dataclasses.make_dataclass("Older", ["id", "name"])("shift@0.9", "shift")
        monkeypatch.setattr(plan, "get_task", lambda name: older if name == "shift@0.9" else newest)
        with pytest.raises(ValueError, match=r"tasks = shift@0\.9: allowed are the newest versions"):
            plan.plan_waves(("shift@0.9",))

    def test_a_new_version_of_a_part_makes_another_baseline(self, monkeypatch):
        task, made_of_parts = get_task("budget-1000"), jobs.create("nsf-ensemble")
        before = models.identity(made_of_parts, task, 0)
        assert before["parts"] == {"nsf": find_baselines()["nsf"].version}
        monkeypatch.setattr(find_baselines()["nsf"], "version", 99)
        assert models.identity(made_of_parts, task, 0) != before
        assert "parts" not in models.identity(jobs.create("maf"), task, 0)

    def test_only_the_task_with_the_validation_cases_trains_other_sets_for_them(self):
        cases = {arguments for wave in plan.plan_waves() for called, arguments in wave if called is jobs.run_cases}
        assert cases == {("wide", name, 0) for name in ("maf", "mdn", "nle", "nsf")}
        others = [*plan.GROUPS["stars"], "shift", "budget-1000"]
        assert all(called is not jobs.run_cases for wave in plan.plan_waves(others) for called, _ in wave)

    @pytest.mark.parametrize(
        "options, words",
        [
            (["--baselines", "mafia"], "baselines = mafia: allowed are "),
            (["--tasks", "summary-8"], "task = 'summary-8': allowed is one of "),
            (["--device", "abacus"], "device = 'abacus': allowed is cpu"),
        ],
    )
    def test_bad_input_is_one_line_and_writes_nothing(self, options, words, tmp_path, capsys):
        assert command.main(["suite", "--out", str(tmp_path / "new"), *options]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "new" / "results").exists()


@pytest.fixture
def scored(run, monkeypatch):
    """Submissions that were scored; their scores are those that are stored, as they were computed once."""
    found, asked = result(run), []

    def score(submission):
        asked.append(submission)
        return SimpleNamespace(to_dict=lambda: found["scores"])

    monkeypatch.setattr(jobs, "score_submission", score)
    monkeypatch.setattr(jobs, "compute_curves", lambda *_: found["curves"])
    return asked


class TestJob:
    def test_its_entry_is_a_submission_with_the_scores_of_the_result(self, run):
        submission = read_submission(JOB.entry_path(run))
        assert submission.task.name == "budget-1000" and submission.manifest["seeds"] == [1]
        report = submission.score().to_dict()
        found = result(run)
        kept = ("headline", "scores", "notes", "not_possible", "observations")
        assert found["scores"] == json.loads(json.dumps({k: report[k] for k in kept}))
        rows = found["scores"]["observations"]
        assert {name: len(values) for name, values in rows.items()} == {"energy_score": 1000, "neg_log_posterior": 1000}
        for name, values in rows.items():
            assert np.mean(values) == pytest.approx(report["headline"][name]["value"], rel=1e-4)
        assert found["manifest"] == submission.manifest
        cost = found["manifest"]["cost"]
        assert cost["simulations"] == 1100 and cost["parameters"] == found["model"]["n_parameters"] > 0
        assert cost["cpu_seconds"] > 0 and found["versions"]["data"] == "1.0.0"

    def test_its_curves_are_distributions_at_the_levels(self, run):
        found = result(run)["curves"]
        assert found["n"] == 1000 and set(found["ranks"]) == set(get_task("summary-9").theta_names)
        for curve in (*found["ranks"].values(), found["tarp"], found["region"]):
            assert len(curve) == len(LEVELS) and curve == sorted(curve) and curve[-1] == 1.0
            assert np.abs(np.array(curve) - LEVELS).max() < 0.15

    def test_its_weights_are_kept_with_their_hash(self, run):
        path = run / "models" / "budget-1000@1.0" / "linear-gaussian-s1.safetensors"
        assert sha256_of(path) == result(run)["model"]["sha256"]
        assert models.read_about(path)["seed"] == 1 and path.read_bytes()[:1] != b"\x80", "no pickle"

    def test_finished_jobs_are_not_repeated(self, run):
        before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
        jobs.run(run, JOB, EFFORT)
        assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before

    def test_other_references_are_scored_with_the_same_draws(self, run, scored, monkeypatch):
        drawn = (JOB.entry_path(run) / "samples.npz").stat().st_mtime_ns
        monkeypatch.setattr(jobs, "references_hash", lambda *_: "another")
        monkeypatch.setattr(models.Models, "get", None)
        jobs.run(run, JOB, EFFORT)
        assert result(run)["references_sha256"] == "another" and len(scored) == 1
        assert (JOB.entry_path(run) / "samples.npz").stat().st_mtime_ns == drawn

    def test_another_version_of_the_baseline_is_trained_and_drawn_again(self, run, scored, monkeypatch):
        trained = models.read_about(run / "models" / "budget-1000@1.0" / "linear-gaussian-s1.safetensors")
        monkeypatch.setattr(find_baselines()["linear-gaussian"], "version", 99)
        jobs.run(run, JOB, EFFORT)
        assert result(run)["version"] == 99 and trained["version"] == 1 and len(scored) == 1

    def test_observations_without_draws_get_the_prior_and_are_counted(self, run):
        task = get_task("budget-1000")
        baseline = models.Models(run / "models", EFFORT).get("linear-gaussian", task, 1)[0]
        whole = baseline.sample

        def starved(x, n, seed=0):
            drawn = whole(x, n, seed)
            drawn.theta[0], drawn.complete[0], drawn.acceptance[0] = np.nan, False, 0.0
            return drawn

        baseline.sample = starved
        arrays, about = jobs.draw(baseline, task, 0)
        assert about["incomplete"] == 1 and about["acceptance_least"] == 0.0
        assert not task.find_problems(arrays)
        prior = task.prior.log_prob(task.observations.theta[:1].astype(float))
        assert arrays["log_prob_truth"][0] == pytest.approx(prior[0])
        spread = arrays["samples"][0].std(axis=0) / np.sqrt([m.std**2 for m in task.prior.marginals.values()])
        np.testing.assert_allclose(spread, 1.0, atol=0.15)


def test_the_program_runs_in_processes_and_leaves_nothing_half_written(tmp_path):
    options = ["--tasks", "summary-6", "--baselines", "prior,linear-gaussian", "--fast", "--workers", "2"]
    assert command.main(["suite", "--out", str(tmp_path), *options]) == 0
    names = sorted(path.name for path in (tmp_path / "results" / "summary-6").iterdir())
    assert names == ["linear-gaussian-s0.json", "prior-s0.json"]
    assert not [path for path in tmp_path.rglob(".*")]
    entry = Job("summary-6", "linear-gaussian", 0).entry_path(tmp_path)
    with np.load(entry / "samples.npz") as file:
        assert file["samples"].shape == (1100, jobs.FAST_DRAWS, 3)
    with pytest.raises(SubmissionError, match="1000"):  # no entry to hand in
        read_submission(entry)


def test_cases_are_drawn_with_another_set(tmp_path):
    jobs.run_cases(tmp_path, "wide", "linear-gaussian", 0, EFFORT)
    with np.load(jobs.cases_path(tmp_path, "wide", "linear-gaussian", 0)) as file:
        assert file["samples"].shape == (3, 1000, 3) and file["names"].tolist() == list(
            get_task("summary-9").cases.names
        )
        first = file["samples"]
    jobs.run_cases(tmp_path, "wide", "linear-gaussian", 0, EFFORT)
    with np.load(jobs.cases_path(tmp_path, "wide", "linear-gaussian", 0)) as file:
        np.testing.assert_array_equal(file["samples"], first)


def test_draws_that_are_all_at_the_edge_of_the_support_are_none():
    """As of a network far from its training set: the prior is handed in, and the row counts as incomplete."""
    task = get_task("budget-1000")

    class AtTheEdge(find_baselines()["prior"]):
        name = "prior"

        def sample(self, x, n, seed=0):
            drawn = super().sample(x, n, seed)
            drawn.theta[1, :, 0] = task.prior.support["m_lmc"][1]
            return drawn

    baseline = AtTheEdge()
    baseline.fit(task)
    theta, drawn = jobs.draw_for(baseline, task, task.observations.x[:3], 50, 0)
    assert drawn.complete.tolist() == [True, False, True] and (np.ptp(theta, axis=1) > 0).all()
    assert np.isfinite(task.prior.log_prob(theta.reshape(-1, 3).astype(float))).all()
