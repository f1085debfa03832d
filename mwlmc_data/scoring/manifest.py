"""The manifest of a submission: its task, its author, its cost."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mwlmc_data.dataset import release
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.task import Task, get_task

FORMAT = "mwlmc-submission-1"
COST = ("cpu_seconds", "simulations", "parameters")
_MAX_BYTES = 1 << 16
_MAX_TEXT, _MAX_NAME, _MAX_SEEDS = 2000, 80, 100
#: Date of the paper behind the tasks (arXiv:2507.10667).
_EARLIEST = datetime.date(2025, 7, 14)


def make_manifest(
    task: Task,
    method: str,
    seeds: list[int],
    cost: Mapping[str, float],
    code: str,
    date: str | None = None,
) -> dict[str, Any]:
    """Make a manifest for the data of this package.

    Parameters
    ----------
    task : Task
        Task of the draws.
    method : str
        Name of the method.
    seeds : list of int
        Seeds of the training.
    cost : mapping
        `COST`: processor seconds, simulations used, trained parameters.
    code : str
        Where the code is: free text or a URL.
    date : str, optional
        YYYY-MM-DD; today by default.

    Returns
    -------
    dict
        Unchecked: `find_manifest_problems` checks it.
    """
    return {
        "format": FORMAT,
        "task": task.id,
        "data": {"version": release.DATA_VERSION, "sha256": release.get_entry(CONFIG)["sha256"]},
        "method": method,
        "seeds": seeds,
        "cost": dict(cost) if isinstance(cost, Mapping) else cost,
        "code": code,
        "date": datetime.date.today().isoformat() if date is None else date,
    }


def read_manifest(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read a manifest and find what is wrong with it.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    content : dict
        Its content; empty if it is not a JSON object.
    problems : list of str
        Sentences, each with the value and what is allowed.
    """
    if not path.is_file():
        return {}, [f"{path.name} is missing: allowed is a JSON object with {', '.join(_FIELDS)}"]
    size = path.stat().st_size
    if size > _MAX_BYTES:
        return {}, [f"bytes of {path.name} = {size}: allowed is {_MAX_BYTES} at most"]
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        return {}, [f"{path.name} is not JSON: {error}"]
    if not isinstance(content, dict):
        return {}, [f"{path.name} = {_shown(content)}: allowed is a JSON object with {', '.join(_FIELDS)}"]
    return content, find_manifest_problems(content)


def find_manifest_problems(content: Mapping[str, Any]) -> list[str]:
    """Find what is wrong with a manifest.

    Parameters
    ----------
    content : mapping
        Its content.

    Returns
    -------
    list of str
        Sentences, each with the value and what is allowed; empty if all is well.
    """
    found = _key_problems("manifest", content, tuple(_FIELDS))
    for name, check in _FIELDS.items():
        if name in content:
            found += check(content[name])
    if not found:
        task = get_task(content["task"])
        found += _version_problems(task, content["data"]["version"])
        found += _budget_problems(task, content["cost"]["simulations"])
    return found


def _version_problems(task: Task, version: str) -> list[str]:
    major = task.version.split(".")[0]
    return [] if version.split(".")[0] == major else [f"data.version = {version}: allowed in {task.id} is {major}.x"]


def _budget_problems(task: Task, simulations: int) -> list[str]:
    limit = task.max_simulations
    if limit is None or simulations <= limit:
        return []
    return [f"cost.simulations = {simulations}: allowed in {task.id} is {limit} at most, {task.budget} to train on and "
            f"{limit - (task.budget or 0)} to validate"]  # fmt: skip


def _format(value: Any) -> list[str]:
    return [] if value == FORMAT else [f"format = {_shown(value)}: allowed is {FORMAT!r}"]


def _task(value: Any) -> list[str]:
    if not isinstance(value, str) or "@" not in value:
        return [f"task = {_shown(value)}: allowed is a name with its version, such as 'summary-9@1.0'"]
    try:
        get_task(value)
    except ValueError as error:
        return [str(error)]
    return []


def _data(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"data = {_shown(value)}: allowed is an object with version and sha256"]
    if found := _key_problems("data", value, ("version", "sha256")):
        return found
    registry = release.load_registry()
    if not isinstance(value["version"], str) or value["version"] not in registry:
        return [f"data.version = {_shown(value['version'])}: allowed is {', '.join(registry)}"]
    if erratum := registry[value["version"]]["retracted"]:
        return [f"data.version is {value['version']}, which was retracted: {erratum}"]
    known = registry[value["version"]]["files"][CONFIG]["sha256"]
    if value["sha256"] != known:
        wrong = f"data.sha256 = {_shown(value['sha256'])}"
        return [f"{wrong}: allowed for version {value['version']} is {known!r}, that of {CONFIG}.parquet"]
    return []


def _text(name: str, limit: int = _MAX_TEXT) -> Callable[[Any], list[str]]:
    def check(value: Any) -> list[str]:
        if isinstance(value, str) and value.strip() and len(value) <= limit and value.isprintable():
            return []
        return [f"{name} = {_shown(value)}: allowed is a line of text of 1 to {limit} characters"]

    return check


def _seeds(value: Any) -> list[str]:
    if isinstance(value, list) and 0 < len(value) <= _MAX_SEEDS and all(_is_count(seed) for seed in value):
        return []
    return [f"seeds = {_shown(value)}: allowed is a list of 1 to {_MAX_SEEDS} integers from 0"]


def _cost(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"cost = {_shown(value)}: allowed is an object with {', '.join(COST)}"]
    found = _key_problems("cost", value, COST)
    seconds = value.get("cpu_seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        found.append(f"cost.cpu_seconds = {_shown(seconds)}: allowed is a number from 0")
    for name in COST[1:]:
        if not _is_count(value.get(name, 0)):
            found.append(f"cost.{name} = {_shown(value[name])}: allowed is an integer from 0")
    return found


def _date(value: Any) -> list[str]:
    # up to tomorrow, which may have begun where the entry was made
    last = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    try:
        day = datetime.date.fromisoformat(value)
        if day.isoformat() == value and _EARLIEST <= day <= last:
            return []
    except (TypeError, ValueError):
        pass
    return [f"date = {_shown(value)}: allowed is YYYY-MM-DD from {_EARLIEST} to {last}"]


_FIELDS: dict[str, Callable[[Any], list[str]]] = {
    "format": _format,
    "task": _task,
    "data": _data,
    "method": _text("method", _MAX_NAME),
    "seeds": _seeds,
    "cost": _cost,
    "code": _text("code"),
    "date": _date,
}


def _key_problems(name: str, content: Mapping[str, Any], allowed: tuple[str, ...]) -> list[str]:
    found = [f"{name} lacks {key!r}: allowed is all of {', '.join(allowed)}" for key in allowed if key not in content]
    extra = [key for key in content if key not in allowed]
    return found + [f"{name} has {_shown(key)}: allowed are {', '.join(allowed)}" for key in extra]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} occurs more than once")
    return content


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not a number in JSON")
