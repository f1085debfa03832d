"""The leaderboard follows from the stored results and refuses entries that are not allowed."""

import json
import re
import shutil

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import leaderboard, leaderboard_text
from benchmarks.suite import jobs, plan
from mwlmc_data import get_task, list_tasks
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.energy import energy_score
from mwlmc_data.scoring.report import Entry, Report, Section
from mwlmc_data.scoring.submission import Submission, write_submission
from mwlmc_data.scoring.tasks.summary import FIXED
from mwlmc_data.storage.hashing import sha256_of

COST = {"cpu_seconds": 12.0, "simulations": 0, "parameters": 0}


def stored_results():
    return sorted(leaderboard.RESULTS.glob("*/*.json"))


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """A submission of prior draws, a quarter of them moved slightly: valid and poor."""
    task = get_task("budget-1000")
    n = len(task.observations)
    draws = metrics.prior_draws(task.prior, n * task.n_draws, seed=4).reshape(n, task.n_draws, 3).astype(np.float32)
    home = tmp_path_factory.mktemp("entry") / "prior"
    return write_submission(home, task, draws, method="The prior, again", seeds=[4], cost=COST, code="a test")


@pytest.fixture(scope="module")
def scored(entry, tmp_path_factory):
    """A folder of stored results that holds the score of the entry."""
    results = tmp_path_factory.mktemp("scored")
    assert leaderboard.add_submission(entry, results).name == "entry-the-prior-again-s4.json"
    return results


def test_the_files_are_what_the_results_give():
    board = leaderboard.rebuild()
    assert json.loads(leaderboard.DATA.read_text(encoding="utf-8")) == board
    assert leaderboard.TEXT.read_text(encoding="utf-8") == leaderboard_text.format_markdown(board)
    of_entries = [name for entries in board["tasks"].values() for e in entries for name in e["results"]]
    assert len(of_entries) == len(set(of_entries)) == len(stored_results())


def test_every_task_has_entries_in_order_and_the_prior_among_them():
    board = leaderboard.rebuild()
    assert list(board["tasks"]) == [name for name in list_tasks() if name in board["tasks"]]
    assert set(plan.TASKS) <= {name.partition("@")[0] for name in board["tasks"]}, "of stars there may be more"
    for task, entries in board["tasks"].items():
        ranking = leaderboard.find_ranking(entries[0]["metrics"])
        scores = [e["metrics"][ranking]["value"] for e in entries]
        assert scores == sorted(scores) and not any(e["not_possible"] for e in entries)
        assert entries[0]["less_first"] is None and all(e["less_first"]["error"] >= 0 for e in entries[1:])
        idle = "Prior" if ranking == "energy_score" else "Equal probabilities"
        assert idle in {e["title"] for e in entries}, task
        if task != "summary-6@1.0":
            prior = next(e for e in entries if e["title"] == idle)
            assert prior["metrics"][ranking]["value"] > 1.1 * scores[0]


def test_seeds_are_averaged_and_their_spread_adds_to_the_error(tmp_path):
    for path in stored_results():
        if path.parent.name == "budget-1000" and path.name.startswith("maf-"):
            (tmp_path / "budget-1000").mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / "budget-1000")
    (entry,) = leaderboard.rebuild(tmp_path)["tasks"]["budget-1000@1.0"]
    scores = [json.loads(p.read_text())["scores"] for p in tmp_path.glob("*/*.json")]
    energy = [score["headline"]["energy_score"] for score in scores]
    values, errors = [e["value"] for e in energy], [e["error"] for e in energy]
    found = entry["metrics"]
    assert entry["seeds"] == [0, 1, 2] and len(values) == 3
    assert found["energy_score"]["value"] == pytest.approx(np.mean(values))
    expected = np.hypot(np.mean(errors), np.std(values, ddof=1) / np.sqrt(3))
    assert found["energy_score"]["error"] == pytest.approx(expected)
    p_values = [score["scores"]["calibration"]["tarp_ks_pvalue"]["value"] for score in scores]
    assert found["tarp_ks_pvalue"] == {"value": np.median(p_values), "error": None}
    hits = [score["scores"]["calibration"]["hits_68"] for score in scores]
    assert found["hits_68"]["value"]["m_lmc"] == pytest.approx(np.mean([h["value"]["m_lmc"] for h in hits]))
    assert found["hits_68"]["error"]["m_lmc"] >= np.mean([h["error"]["m_lmc"] for h in hits])


def test_a_submission_is_scored_and_listed_beside_the_others(entry, scored):
    (found,) = leaderboard.rebuild(scored)["tasks"]["budget-1000@1.0"]
    task = get_task("budget-1000")
    rows = task.observations.rows(FIXED)
    score = energy_score(np.load(entry / "samples.npz")["samples"][rows], task.observations.theta[rows], task.scale)
    assert found["metrics"]["energy_score"]["value"] == pytest.approx(score.mean(), rel=1e-12)
    assert found["cost"] == COST and found["code"] == "a test"
    text = leaderboard_text.format_markdown(leaderboard.rebuild(scored))
    assert "| 1 | The prior, again | 1 |" in text and list_tasks()["budget-1000@1.0"] in text
    (path,) = scored.rglob("*.json")
    assert json.loads(path.read_text())["samples_sha256"] == sha256_of(entry / "samples.npz")


def stored(folder, name, observations=None, **headline):
    """A result of budget-1000 with other numbers in its headline and other scores of the rows."""
    content = json.loads((leaderboard.RESULTS / "budget-1000" / "mdn-s0.json").read_text())
    content["title"] = content["baseline"] = name
    for metric, (value, error) in headline.items():
        content["scores"]["headline"][metric] = {"value": value, "error": error, "right": ""}
    content["scores"]["observations"] = {} if observations is None else {"energy_score": list(observations)}
    (folder / "budget-1000").mkdir(exist_ok=True)
    (folder / "budget-1000" / f"{name}.json").write_text(json.dumps(content))


def test_impossible_scores_stand_below_the_others_and_are_marked(tmp_path):
    stored(tmp_path, "good", energy_score=(0.86, 0.01))
    stored(tmp_path, "poor", energy_score=(1.1, 0.01))
    stored(tmp_path, "peeked", energy_score=(0.552, 0.01), gap_to_reference=(-0.267, 0.032))
    board = leaderboard.rebuild(tmp_path)
    entries = board["tasks"]["budget-1000@1.0"]
    assert [e["title"] for e in entries] == ["good", "poor", "peeked"]
    assert [len(e["not_possible"]) for e in entries] == [0, 0, 1]
    assert "8.3 times its error" in entries[2]["not_possible"][0]
    lines = [line for line in leaderboard_text.format_markdown(board).splitlines() if line.startswith("| ")][2:]
    assert lines[0].startswith("| 1 | good |") and lines[1].startswith("| 2 | poor |")
    assert lines[2].startswith("| – | peeked: **not possible from task.train.x alone** |")


def test_the_difference_to_the_first_is_paired_where_rows_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    first = rng.normal(0.86, 0.4, 1000)
    near = first + rng.normal(0.0024, 0.022, 1000)
    stored(tmp_path, "first", first, energy_score=(first.mean(), 0.0126))
    stored(tmp_path, "near", near, energy_score=(near.mean(), 0.0126))
    stored(tmp_path, "old", energy_score=(0.9, 0.0126))
    text = leaderboard_text.format_markdown(leaderboard.rebuild(tmp_path))
    _, less_near, less_old = (e["less_first"] for e in leaderboard.rebuild(tmp_path)["tasks"]["budget-1000@1.0"])
    assert less_near["is_paired"] and less_near["value"] == pytest.approx((near - first).mean())
    assert less_near["error"] == pytest.approx(0.022 / np.sqrt(1000), rel=0.1)
    assert not less_old["is_paired"] and less_old["error"] == pytest.approx(np.hypot(0.0126, 0.0126))
    assert f"| {less_near['value']:+.4f} ± {less_near['error']:.4f} |" in text
    assert f"| {less_old['value']:+.4f} ± {less_old['error']:.4f} (unpaired) |" in text


def test_seeds_of_both_widen_the_paired_difference():
    scores, first = np.array([[1.0, 2.0, 3.0], [1.2, 2.2, 3.2]]), np.array([[1.0, 2.0, 3.0]])
    found = leaderboard.subtract_first({}, {}, scores, first)
    assert found["value"] == pytest.approx(0.1) and found["error"] == pytest.approx(0.1)


def test_a_submission_gets_the_classifier_test_that_baselines_get(entry, tmp_path, monkeypatch):
    report = Report("budget-1000@1.0", Section("headline", {"energy_score": Entry(1.0, 0.1)}))
    monkeypatch.setattr(Submission, "score", lambda _: report)
    monkeypatch.setattr(jobs, "C2ST_TASKS", ("budget-1000",))
    monkeypatch.setattr(jobs, "add_c2st", lambda report, task, samples: report.with_section(Section("classifier", {
        "c2st": Entry(float(samples.shape[1]))
    })))  # fmt: skip
    found = json.loads(leaderboard.add_submission(entry, tmp_path).read_text())
    assert found["scores"]["scores"]["classifier"]["c2st"]["value"] == 1000


def test_one_name_is_one_method(entry, scored, tmp_path):
    shutil.copytree(scored, tmp_path / "results")
    shutil.copytree(entry, tmp_path / "other")
    manifest = tmp_path / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"a test"', '"another test"'))
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}
    with pytest.raises(ValueError, match=r"allowed is 'a test', as in .*, or another name"):
        leaderboard.add_submission(tmp_path / "other", tmp_path / "results")
    assert {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")} == before


def manifest_of(method, code="a test"):
    return {"method": method, "code": code, "seeds": [0]}


@pytest.mark.parametrize(
    "method", ["Prior", "prior", " PRIOR", "NLE, posterior on a grid", "nle posterior on a Grid", "nsf-corrected"]
)
def test_a_baselines_name_is_taken(tmp_path, method):
    with pytest.raises(ValueError, match="allowed is a name that no baseline has"):
        leaderboard.refuse_taken_name(manifest_of(method), tmp_path / "entry-x.json")


def test_twins_of_a_name_are_refused(scored):
    (path,) = scored.rglob("*.json")
    leaderboard.refuse_taken_name(manifest_of("The prior, again"), path)
    leaderboard.refuse_taken_name(manifest_of("The prior, again 2"), path)
    with pytest.raises(ValueError, match=r"allowed is 'The prior, again', as entry-the-prior-again-s4\.json writes it"):
        leaderboard.refuse_taken_name(manifest_of("the PRIOR again"), path)
    with pytest.raises(ValueError, match=r"allowed is 'a test', as in .*, or another name"):
        leaderboard.refuse_taken_name(manifest_of("The Prior - again", "other code"), path)


def test_files_of_other_names_and_seeds_are_other_files():
    names = [("Ωmega", [0]), ("Ψ", [0]), ("Ψ", [1]), ("A b", [0]), ("A b", [0, 1]), ("A b", list(range(100))),
             ("A b", list(range(1, 100))), ("a" * 80, [2**64])]  # fmt: skip
    files = [leaderboard._file_name(*name) for name in names]
    assert len(set(files)) == len(files) and max(map(len, files)) < 140
    assert files[3] == "a-b-s0" and all(re.fullmatch(r"[a-z0-9-]+", file) for file in files)


@pytest.mark.parametrize(
    "key, value", [("fast", True), ("task", "summary-8@1.0"), ("data_sha256", "0"), ("references_sha256", "0")]
)
def test_an_entry_that_is_not_allowed_is_refused_and_nothing_is_stored(scored, tmp_path, key, value):
    shutil.copytree(scored, tmp_path / "run" / "results")
    (good,) = (tmp_path / "run").rglob("*.json")
    bad = good.with_name("another.json")
    bad.write_text(json.dumps({**json.loads(good.read_text()), key: value}))
    with pytest.raises(ValueError, match=f"another.json: {key} = {value!r}: allowed is "):
        leaderboard.take_results(tmp_path / "run", tmp_path / "stored")
    assert not (tmp_path / "stored").exists()
    bad.unlink()
    assert leaderboard.take_results(tmp_path / "run", tmp_path / "stored") == 1


def test_a_folder_without_results_and_a_bad_submission_are_refused(tmp_path, capsys):
    assert command.main(["leaderboard", "--run", str(tmp_path)]) == 2
    assert "allowed is a folder with results" in capsys.readouterr().err
    (tmp_path / "bad").mkdir()
    assert command.main(["leaderboard", "--add", str(tmp_path / "bad")]) == 2
    assert "manifest.json is missing" in capsys.readouterr().err


def test_probabilities_of_models_are_ranked_by_their_log_score(tmp_path):
    task = get_task("models")
    uniform = np.full((len(task.observations), 5), 0.2)
    better = 0.5 * uniform + 0.5 * task.observations.theta
    for name, given in (("Equal ones", uniform), ("Better ones", better)):
        home = tmp_path / name
        write_submission(home, task, probabilities=given, method=name, seeds=[0], cost=COST, code="a test")
        leaderboard.add_submission(home, tmp_path / "results")
    board = leaderboard.rebuild(tmp_path / "results")
    first, second = board["tasks"][task.id]
    assert (first["title"], second["title"]) == ("Better ones", "Equal ones")
    assert second["metrics"]["log_score"]["value"] == pytest.approx(np.log(5.0), abs=1e-3)
    assert second["less_first"]["value"] == pytest.approx(np.log(3.0), abs=1e-3) and second["less_first"]["is_paired"]
    text = leaderboard_text.format_markdown(board)
    assert "| log score [nats] | minus row 1 |" in text and "1.6094" in text


@pytest.mark.parametrize("key", ["result_version", "version"])
def test_a_result_of_another_version_is_refused(tmp_path, key):
    stored = json.loads((leaderboard.RESULTS / "budget-1000" / "prior-s0.json").read_text())
    (tmp_path / "old.json").write_text(json.dumps({**stored, key: stored[key] - 1}))
    with pytest.raises(ValueError, match=f"{key} = {stored[key] - 1}: allowed is {stored[key]}"):
        leaderboard.read_result(tmp_path / "old.json")
