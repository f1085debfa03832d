"""The manifest of a submission: what it is of, who made it, what it cost."""

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
#: Day of the paper that the tasks are of (arXiv:2507.10667).
_EARLIEST = datetime.date(2025, 7, 14)


def make_manifest(
    task: Task,
    method: str,
    seeds: list[int],
    cost: Mapping[str, float],
    code: str,
    date: str | None = None,
) -> dict[str, Any]:
    """Put a manifest together; the data are those of this package.

    Parameters
    ----------
    task : Task
        What the draws are for.
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
        Not checked: `manifest_problems` does that.
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
    """Read a manifest and say what is wrong with it.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    content : dict
        What it says; empty if it is no JSON object.
    problems : list of str
        Sentences, each with the value and what is allowed.
    """
    if not path.is_file():
        return {}, [f"there is no {path.name}; allowed: a JSON object with {', '.join(_FIELDS)}"]
    size = path.stat().st_size
    if size > _MAX_BYTES:
        return {}, [f"{path.name} has {size} bytes; allowed: {_MAX_BYTES} at most"]
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        return {}, [f"{path.name} is no JSON: {error}"]
    if not isinstance(content, dict):
        return {}, [f"{path.name} holds {_shown(content)}; allowed: a JSON object with {', '.join(_FIELDS)}"]
    return content, manifest_problems(content)


def manifest_problems(content: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a manifest.

    Parameters
    ----------
    content : mapping
        What it says.

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
    return [] if version.split(".")[0] == major else [f"data.version is {version}; allowed in {task.id}: {major}.x"]


def _budget_problems(task: Task, simulations: int) -> list[str]:
    most = task.max_simulations
    if most is None or simulations <= most:
        return []
    return [f"cost.simulations is {simulations}; allowed in {task.id}: {most} at most, {task.budget} to train on and "
            f"{most - (task.budget or 0)} to validate"]  # fmt: skip


def _format(value: Any) -> list[str]:
    return [] if value == FORMAT else [f"format is {_shown(value)}; allowed: {FORMAT!r}"]


def _task(value: Any) -> list[str]:
    if not isinstance(value, str) or "@" not in value:
        return [f"task is {_shown(value)}; allowed: a name with its version, such as 'summary-9@1.0'"]
    try:
        get_task(value)
    except ValueError as error:
        return [str(error)]
    return []


def _data(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"data is {_shown(value)}; allowed: an object with version and sha256"]
    if found := _key_problems("data", value, ("version", "sha256")):
        return found
    registry = release.load_registry()
    if not isinstance(value["version"], str) or value["version"] not in registry:
        return [f"data.version is {_shown(value['version'])}; allowed: {', '.join(registry)}"]
    if erratum := registry[value["version"]]["retracted"]:
        return [f"data.version is {value['version']}, which was retracted: {erratum}"]
    known = registry[value["version"]]["files"][CONFIG]["sha256"]
    if value["sha256"] != known:
        wrong = f"data.sha256 is {_shown(value['sha256'])}"
        return [f"{wrong}; allowed for version {value['version']}: {known!r}, that of {CONFIG}.parquet"]
    return []


def _text(name: str, most: int = _MAX_TEXT) -> Callable[[Any], list[str]]:
    def check(value: Any) -> list[str]:
        if isinstance(value, str) and value.strip() and len(value) <= most and value.isprintable():
            return []
        return [f"{name} is {_shown(value)}; allowed: a line of text of 1 to {most} characters"]

    return check


def _seeds(value: Any) -> list[str]:
    if isinstance(value, list) and 0 < len(value) <= _MAX_SEEDS and all(_is_count(seed) for seed in value):
        return []
    return [f"seeds is {_shown(value)}; allowed: a list of 1 to {_MAX_SEEDS} integers from 0"]


def _cost(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"cost is {_shown(value)}; allowed: an object with {', '.join(COST)}"]
    found = _key_problems("cost", value, COST)
    seconds = value.get("cpu_seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        found.append(f"cost.cpu_seconds is {_shown(seconds)}; allowed: a number from 0")
    for name in COST[1:]:
        if not _is_count(value.get(name, 0)):
            found.append(f"cost.{name} is {_shown(value[name])}; allowed: an integer from 0")
    return found


def _date(value: Any) -> list[str]:
    # a day more than today: it may be tomorrow already where the entry was made
    last = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    try:
        day = datetime.date.fromisoformat(value)
        if day.isoformat() == value and _EARLIEST <= day <= last:
            return []
    except (TypeError, ValueError):
        pass
    return [f"date is {_shown(value)}; allowed: a day as YYYY-MM-DD, from {_EARLIEST} to {last}"]


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
    found = [f"{name} lacks {key!r}; needed: {', '.join(allowed)}" for key in allowed if key not in content]
    return found + [f"{name} has {_shown(key)}; allowed: {', '.join(allowed)}" for key in content if key not in allowed]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} comes more than once")
    return content


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")
