"""The leaderboard: makes `leaderboard.json` and LEADERBOARD.md from stored results."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import find_baselines
from benchmarks.leaderboard_text import COLUMNS, RANKINGS, format_markdown
from benchmarks.suite.jobs import FORMAT, RESULT_VERSION, references_hash, score_submission, write_json
from benchmarks.suite.models import find_live_hash
from benchmarks.suite.report.values import error_over_seeds
from mwlmc_data import get_task, list_tasks
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import release
from mwlmc_data.scoring import paired_difference
from mwlmc_data.scoring.submission import SAMPLES, read_submission
from mwlmc_data.scoring.yardstick import find_impossible
from mwlmc_data.storage.hashing import sha256_of

#: Names and contents of the result files of one method in one task.
Results = Sequence[tuple[Path, dict[str, Any]]]
HERE = Path(__file__).resolve().parent
#: Folder of stored results, with a folder for each task.
RESULTS = HERE / "results"
DATA, TEXT = HERE / "leaderboard.json", HERE.parent / "LEADERBOARD.md"
#: Decimals of a difference: the last bits of a sum vary between processors.
_DECIMALS = 9
def rebuild(results: Path = RESULTS) -> dict[str, Any]:
    """Combine the stored results.

    Parameters
    ----------
    results : Path
        Their folder.

    Returns
    -------
    dict
        data, the version; references_sha256; tasks: by identifier a list of entries, best score first and those that
        are not possible last, each with title, seeds, metrics (value and error by `COLUMNS`), less_first (its score
        minus that of the first: value, error, is_paired), not_possible, cost, code and its files.

    Raises
    ------
    ValueError
        If a file is not a result, or of an unknown task, or of other data or references than the package's.
    """
    by_task: dict[str, dict[str, list[tuple[Path, dict[str, Any]]]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(results.glob("*/*.json")):
        result = read_result(path)
        method = result["baseline"] or path.stem
        by_task[result["task"]][method].append((path.relative_to(results), result))
    tasks = {task: _ranked(list(by_task[task].values())) for task in list_tasks() if task in by_task}
    return {"data": release.DATA_VERSION, "references_sha256": references_hash(), "tasks": tasks}


def read_result(path: Path) -> dict[str, Any]:
    """Read a stored result.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not comparable with the others.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    known, task = tuple(list_tasks()), result.get("task")
    expected: dict[str, tuple[Any, ...]] = {
        "format": (FORMAT,),
        "task": known,
        "data_sha256": (release.get_entry("gaussian")["sha256"],),
        "references_sha256": (references_hash(task),) if task in known else (),
        "fast": (False,),
        "live_sha256": (find_live_hash(get_task(task)).get("live_sha256") if task in known else None,),
    }
    of_baseline = find_baselines().get(str(result.get("baseline")))
    if of_baseline is not None:
        expected |= {"version": (of_baseline.version,), "result_version": (RESULT_VERSION,)}
    for key, allowed in expected.items():
        if result.get(key) not in allowed:
            raise ValueError(f"{path}: {key} = {result.get(key)!r}: allowed is {', '.join(map(repr, allowed))}")
    return result


def metrics_of(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return value and error of each of `COLUMNS` that a result has."""
    scores = result["scores"]
    places = [scores["headline"], *scores["scores"].values()]
    found = {}
    for name in COLUMNS:
        entry = next((place[name] for place in places if name in place), None)
        if entry is not None:
            found[name] = {"value": entry["value"], "error": entry["error"]}
    return found


def take_results(run: Path, results: Path = RESULTS) -> int:
    """Copy the results of a run of the suite to the stored ones.

    Parameters
    ----------
    run : Path
        Its folder.
    results : Path
        Folder of the stored ones.

    Returns
    -------
    int
        Number of results.

    Raises
    ------
    ValueError
        If there are none, or one is not comparable; then nothing is copied.
    """
    paths = sorted((run / "results").glob("*/*.json"))
    if not paths:
        raise ValueError(f"run = {str(run)!r}: allowed is a folder with results of python -m benchmarks suite")
    for path in paths:
        read_result(path)
    for path in paths:
        target = results / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return len(paths)


def add_submission(directory: Path, results: Path = RESULTS) -> Path:
    """Score a submission and store its result.

    Parameters
    ----------
    directory : Path
        A submission, as for `mwlmc score`.
    results : Path
        Folder of the stored results.

    Returns
    -------
    Path
        The file, named after method and seeds; it replaces one of the same name and code.

    Raises
    ------
    SubmissionError
        If it is not a valid submission; a ValueError.
    ValueError
        If a baseline, or a method with other code, already has the name.
    """
    submission = read_submission(directory)
    manifest = dict(submission.manifest)
    path = results / submission.task.name / f"entry-{_file_name(manifest['method'], manifest['seeds'])}.json"
    refuse_taken_name(manifest, path)
    report = score_submission(submission).to_dict()
    result = {
        "format": FORMAT,
        "task": submission.task.id,
        "data_sha256": manifest["data"]["sha256"],
        "references_sha256": references_hash(submission.task.id),
        **find_live_hash(submission.task),
        "fast": False,
        "baseline": None,
        "title": manifest["method"],
        "manifest": manifest,
        "samples_sha256": sha256_of(Path(directory) / SAMPLES),
        "scores": {key: value for key, value in report.items() if key not in ("submission", "task")},
    }
    write_json(path, result)
    return path


def refuse_taken_name(manifest: Mapping[str, Any], path: Path) -> None:
    """Refuse a method with the name of another.

    Parameters
    ----------
    manifest : mapping
        Manifest of the submission.
    path : Path
        Where its result is to be stored, beside the others of its task.

    Raises
    ------
    ValueError
        If a baseline, or an entry with other code, has the same name up to capitals, spaces and accents.
    """
    method = manifest["method"]
    baselines = {_plain_name(text) for name, cls in find_baselines().items() for text in (name, cls.title)}
    if _plain_name(method) in baselines:
        raise ValueError(f"method = {method!r}: allowed is a name that no baseline has")
    for other in sorted(path.parent.glob("entry-*.json")):
        content = read_result(other)["manifest"]
        if _plain_name(content["method"]) == _plain_name(method):
            if content["code"] != manifest["code"]:
                raise ValueError(
                    f"code = {manifest['code']!r} of the method {method!r}: allowed is {content['code']!r}, as in "
                    f"{other.name}, or another name"
                )
            if content["method"] != method:
                raise ValueError(f"method = {method!r}: allowed is {content['method']!r}, as {other.name} writes it")


def _plain_name(text: str) -> str:
    """Reduce a name to what readers distinguish: no capitals, spaces, signs or accents."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def _file_name(method: str, seeds: Sequence[int]) -> str:
    """Make a file name of the method and its seeds, with a hash where the words are ambiguous."""
    words = re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-")
    stated = "-".join(map(str, seeds))
    if not words or not method.isascii() or len(stated) > 40:
        digest = hashlib.sha256(f"{_plain_name(method)} {stated}".encode()).hexdigest()[:8]
        return f"{words or 'entry'}-{digest}"
    return f"{words}-s{stated}"


def main(run: Path | None = None, submissions: Sequence[Path] = ()) -> dict[str, Any]:
    """Add new results, rewrite both files, and return their contents."""
    if run is not None:
        print(f"{take_results(run)} results taken from {run}")
    for directory in submissions:
        print(f"{directory} scored: {add_submission(directory)}")
    board = rebuild()
    DATA.write_text(json.dumps(board, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    TEXT.write_text(format_markdown(board), encoding="utf-8")
    print(f"{TEXT.name}: {sum(map(len, board['tasks'].values()))} entries in {len(board['tasks'])} tasks")
    return board


def _ranked(found: Sequence[Results]) -> list[dict[str, Any]]:
    """Rank the lines of a task, each with its difference from the first."""
    lines = sorted(((_entry(results), results) for results in found), key=lambda line: _order(line[0]))
    scores = [scores_of([result for _, result in results]) for _, results in lines]
    entries = [entry for entry, _ in lines]
    for entry, own in zip(entries, scores, strict=True):
        is_first = entry is entries[0]
        entry["less_first"] = None if is_first else subtract_first(entry, entries[0], own, scores[0])
    return entries


def _entry(found: Results) -> dict[str, Any]:
    """Combine the results of one method in one task, over all seeds, into a line."""
    results = [result for _, result in found]
    costs = [result["manifest"]["cost"] for result in results]
    stated = [find_impossible([r["scores"]["headline"], *r["scores"]["scores"].values()]) for r in results]
    return {
        "title": results[0]["title"],
        "code": results[0]["manifest"]["code"],
        "date": max(result["manifest"]["date"] for result in results),
        "seeds": [seed for result in results for seed in result["manifest"]["seeds"]],
        "not_possible": list(dict.fromkeys(sentence for sentences in stated for sentence in sentences)),
        "metrics": _averaged([metrics_of(result) for result in results]),
        "cost": {name: float(np.mean([cost[name] for cost in costs])) for name in costs[0]},
        "results": [path.as_posix() for path, _ in found],
    }


def _averaged(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average over seeds, with errors, and take medians of p-values; a single seed stays as it is."""
    if len(found) == 1:
        return dict(found[0])
    return {name: _over_seeds(name, [metrics[name] for metrics in found]) for name in found[0]}


def _over_seeds(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = entries[0]["value"]
    if isinstance(first, Mapping):
        parts = {key: _over_seeds(name, [_part(entry, key) for entry in entries]) for key in first}
        return {what: {key: part[what] for key, part in parts.items()} for what in ("value", "error")}
    values = np.array([entry["value"] for entry in entries], dtype=float)
    if name.endswith("pvalue"):
        return {"value": float(np.median(values)), "error": None}
    errors = np.array([entry["error"] for entry in entries], dtype=float)
    return {"value": float(values.mean()), "error": error_over_seeds(values, errors)}


def _part(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a metric of one parameter."""
    return {"value": entry["value"][key], "error": None if entry["error"] is None else entry["error"][key]}


def scores_of(results: Sequence[Mapping[str, Any]]) -> Float64Array | None:
    """Return the scores of each row by which entries are ranked, (seeds, n); None if a result lacks them."""
    name = find_ranking(metrics_of(results[0]))
    found = [result["scores"].get("observations", {}).get(name) for result in results]
    if any(scores is None for scores in found) or len({len(scores) for scores in found}) > 1:
        return None
    return np.array(found, dtype=float)


def subtract_first(
    entry: Mapping[str, Any], first: Mapping[str, Any], scores: NDArray | None, of_first: NDArray | None
) -> dict[str, Any]:
    """Subtract the score of the first entry from that of another, with its error.

    Parameters
    ----------
    entry, first : mapping
        Lines of the leaderboard.
    scores, of_first : ndarray, shape (seeds, n), or None
        Their scores, row by row.

    Returns
    -------
    dict
        value; error, over the rows and over the seeds of both in quadrature; is_paired, whether by row.
    """
    if scores is None or of_first is None or scores.shape[1] != of_first.shape[1]:
        own, other = (line["metrics"][find_ranking(line["metrics"])] for line in (entry, first))
        error = float(np.hypot(own["error"], other["error"]))
        value = round(own["value"] - other["value"], _DECIMALS)
        return {"value": value, "error": round(error, _DECIMALS), "is_paired": False}
    found = paired_difference(scores.mean(axis=0), of_first.mean(axis=0))
    over_seeds = [s.mean(axis=1).std(ddof=1) / np.sqrt(len(s)) for s in (scores, of_first) if len(s) > 1]
    error = float(np.sqrt(found.error**2 + np.square(over_seeds).sum()))
    return {"value": round(found.mean, _DECIMALS), "error": round(error, _DECIMALS), "is_paired": True}


def _order(entry: Mapping[str, Any]) -> tuple[bool, float, str]:
    metrics = entry["metrics"]
    return bool(entry["not_possible"]), metrics[find_ranking(metrics)]["value"], entry["title"]


def find_ranking(metrics: Mapping[str, Any]) -> str:
    """Find the metric by which the entries of a task are ranked: the energy score, or else the log score."""
    return next(name for name in RANKINGS if name in metrics)
