"""Submissions: a directory with `manifest.json` and `samples.npz`, checked strictly, and never unpickled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.display import Displayed
from mwlmc_data.scoring.inputs import Array, take_arrays
from mwlmc_data.scoring.manifest import find_manifest_problems, make_manifest, read_manifest
from mwlmc_data.scoring.report import Report
from mwlmc_data.scoring.task import Task, get_task
from mwlmc_data.storage.homes import expand_home
from mwlmc_data.storage.npz import Member, NpzError, load_members, read_members, replace_npz
from mwlmc_data.storage.writing import make_folder, write_bytes

MANIFEST, SAMPLES = "manifest.json", "samples.npz"
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX")
#: Largest size of a file that is opened, over the expected size, and bytes for the header of an array.
_SLACK, _HEADER = 4, 1 << 14


class SubmissionError(ValueError):
    """A submission is not valid.

    Parameters
    ----------
    place : str
        Which submission.
    problems : sequence of str
        Everything that is wrong, each with the value and what is allowed.
    """

    def __init__(self, place: str, problems: Sequence[str]) -> None:
        super().__init__(f"{place} is not a valid submission: {'; '.join(problems)}")
        self.place, self.problems = place, tuple(problems)

    def __reduce__(self) -> tuple[type[SubmissionError], tuple[str, tuple[str, ...]]]:
        # for a pool of processes, which pickles exceptions
        return type(self), (self.place, self.problems)


@dataclass(frozen=True, repr=False)
class Submission(Displayed):
    """A valid submission.

    Attributes
    ----------
    task : Task
        Its task.
    manifest : dict
        Its manifest.
    arrays : dict of str to ndarray
        Draws and optional arrays.
    """

    task: Task
    manifest: Mapping[str, Any]
    arrays: Mapping[str, NDArray]

    def score(self) -> Report:
        """Score it.

        Returns
        -------
        Report
            With the manifest under `submission`.
        """
        return self.task.score(**self.arrays).with_submission(self.manifest)


def write_submission(
    directory: str | Path,
    task: Task | str,
    samples: ArrayLike | None = None,
    log_prob_truth: ArrayLike | None = None,
    *,
    method: str,
    seeds: Sequence[int],
    cost: Mapping[str, float],
    code: str,
    date: str | None = None,
    **optional: ArrayLike | None,
) -> Path:
    """Write a submission, if it is valid.

    Parameters
    ----------
    directory : str or Path
        New, empty, or with an earlier submission, which is replaced.
    task : Task or str
        Task of the draws, or its name.
    samples : array_like, shape (observations, draws, parameters)
        Posterior draws, as for `Task.score`; stored as float32. The task `models` takes none.
    log_prob_truth : array_like, optional
        As for `Task.score`.
    method : str
        Name of the method.
    seeds : sequence of int
        Seeds of the training.
    cost : mapping
        cpu_seconds (processor time of training and drawing, over all cores), simulations (used, including those for
        validation), parameters (trained); 0 if there are none.
    code : str
        Where the code is: free text or a URL.
    date : str, optional
        YYYY-MM-DD; today by default.
    **optional : array_like
        Further arrays that the task accepts (`Task.arrays`).

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    SubmissionError
        If anything is wrong; a ValueError that lists all of it. Nothing is written.
    WriteError
        If the disk is full or read-only, or permission is denied.
    """
    task = get_task(task) if isinstance(task, str) else task
    home = expand_home("directory", directory)
    given = {"samples": samples, "log_prob_truth": log_prob_truth, **optional}
    numbers, found = take_arrays({name: value for name, value in given.items() if value is not None})
    arrays = {name: _convert(task, name, array) for name, array in numbers.items()}
    found = found or _find_lost(numbers, arrays) or task.find_problems(arrays)
    costs = {name: _plain(value) for name, value in cost.items()} if isinstance(cost, Mapping) else cost
    listed = [_plain(seed) for seed in seeds] if isinstance(seeds, Iterable) else seeds
    manifest = make_manifest(task, method, listed, costs, code, date)
    problems = [*_folder_problems(home), *find_manifest_problems(manifest), *found]
    if problems:
        raise SubmissionError(str(home), problems)
    make_folder(home)
    # without its old manifest a folder is no submission, and so none whose draws and manifest are of two
    (home / MANIFEST).unlink(missing_ok=True)
    replace_npz(home / SAMPLES, arrays)
    write_bytes(home / MANIFEST, (json.dumps(manifest, indent=2, allow_nan=False) + "\n").encode())
    return home


def read_submission(directory: str | Path, task: Task | None = None) -> Submission:
    """Read a submission, and refuse it unless everything is right.

    Parameters
    ----------
    directory : str or Path
        Holds `manifest.json` and `samples.npz` and nothing else.
    task : Task, optional
        Required task; by default the one that its manifest names.

    Returns
    -------
    Submission

    Raises
    ------
    FileNotFoundError
        If there is no such directory.
    SubmissionError
        If anything is wrong; a ValueError whose `problems` list all of it. Arrays are loaded only if their names, types
        and sizes are right, and never unpickled.
    """
    home = expand_home("directory", directory)
    if not home.is_dir():
        raise FileNotFoundError(f"directory = {str(home)!r}: allowed is one that exists, with {MANIFEST} and {SAMPLES}")
    problems = _folder_problems(home)
    if any((home / name).is_symlink() for name in (MANIFEST, SAMPLES)):
        raise SubmissionError(str(home), problems)  # never open the target of a link
    manifest, found = read_manifest(home / MANIFEST)
    problems += found
    named = _task_of(manifest)
    if named is not None and task is not None and named.id != task.id:
        raise SubmissionError(str(home), [*problems, f"task of the manifest = {named.id!r}: allowed is {task.id!r}"])
    if named is None:
        problems += [] if (home / SAMPLES).is_file() else [f"{SAMPLES} is missing"]
        raise SubmissionError(str(home), problems)
    task = task or named
    arrays, found = _read_arrays(home / SAMPLES, task.arrays)
    problems += found or task.find_problems(arrays)
    if problems:
        raise SubmissionError(str(home), problems)
    return Submission(task, manifest, arrays)


def _read_arrays(path: Path, wanted: Mapping[str, Array]) -> tuple[dict[str, NDArray], list[str]]:
    """Load the arrays of a file, or list all that is wrong; nothing is loaded unless its declarations are right."""
    if not path.is_file():
        return {}, [f"{path.name} is missing: allowed is a file of numpy.savez"]
    limit = _SLACK * sum(array.max_bytes + _HEADER for array in wanted.values())
    size = path.stat().st_size
    if size > limit:
        return {}, [f"bytes of {path.name} = {size}: allowed is {limit} at most"]
    try:
        members = read_members(path)
        found = _declared_problems(members, wanted)
        return ({}, found) if found else (load_members(path, members.values()), [])
    except NpzError as error:
        return {}, list(error.problems)


def _declared_problems(members: Mapping[str, Member], wanted: Mapping[str, Array]) -> list[str]:
    """Find what is wrong with the names, types and shapes that a file declares."""
    found = []
    for name, member in members.items():
        if name not in wanted:
            stated = f"there is an entry {name[:80] + '.npy'!r} in the file"
            found.append(f"{stated}: allowed are the arrays {', '.join(wanted)}")
        elif member.dtype.hasobject:
            types = " or ".join(wanted[name].dtypes)
            found.append(f"{name} holds Python objects, which are never loaded: allowed is {types}")
        else:
            found += _member_problems(member, wanted[name])
    missing = [name for name, array in wanted.items() if array.is_required and name not in members]
    return sorted(found) + [f"{name} is missing: {wanted[name].what}" for name in missing]


def _member_problems(member: Member, wanted: Array) -> list[str]:
    found = []
    if member.dtype.newbyteorder("=") not in [np.dtype(allowed) for allowed in wanted.dtypes]:
        found.append(f"type of {member.name} = {member.dtype}: allowed is {' or '.join(wanted.dtypes)}")
    if member.shape != wanted.shape:
        found.append(f"shape of {member.name} = {member.shape}: allowed is {wanted.shape}, {wanted.what}")
    return found


def _task_of(manifest: Mapping[str, Any]) -> Task | None:
    """Return the task, if the manifest names one."""
    try:
        return get_task(manifest["task"])
    except (KeyError, ValueError):
        return None


def _folder_problems(home: Path) -> list[str]:
    if not home.exists():
        return []
    if not home.is_dir():
        return [f"{str(home)!r} is not a directory"]
    paths = sorted(path for path in home.iterdir() if not _is_litter(path.name))
    extra = [path.name for path in paths if path.name not in (MANIFEST, SAMPLES)]
    found = [f"the directory holds {extra}: allowed are {MANIFEST} and {SAMPLES}"] if extra else []
    links = [path.name for path in paths if path.name in (MANIFEST, SAMPLES) and path.is_symlink()]
    return found + [f"{name} is a symbolic link: allowed is a file in the directory itself" for name in links]


def _is_litter(name: str) -> bool:
    """Whether a file is one that macOS and Windows leave in every folder, or a writer that was killed."""
    return name in _LITTER or name.startswith("._") or (name.startswith((MANIFEST, SAMPLES)) and name.endswith(".tmp"))


def _convert(task: Task, name: str, array: NDArray) -> NDArray:
    """Convert an array to the widest type in which the task stores it."""
    wanted = task.arrays.get(name)
    with np.errstate(over="ignore"):  # reported by `_find_lost`
        return array if wanted is None else array.astype(wanted.dtypes[-1], copy=False)


def _find_lost(numbers: Mapping[str, NDArray], stored: Mapping[str, NDArray]) -> list[str]:
    """Find what is finite and would be stored as infinite."""
    found = []
    for name, array in numbers.items():
        bad = np.isfinite(array) & ~np.isfinite(stored[name])
        if bad.any():
            place = tuple(map(int, np.argwhere(bad)[0]))
            stated = f"{name} at {place} = {array[place]:g}, {int(bad.sum())} such in total"
            found.append(f"{stated}: allowed are numbers that {stored[name].dtype} holds")
    return found


def _plain(value: Any) -> Any:
    """Convert a number of NumPy to one of Python, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value
