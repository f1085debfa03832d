"""The manifest of a folder of released files: its contents, and the checks that a text is a manifest.

A manifest may come from an untrusted mirror, and its paths and numbers decide what is written where. So all of it is
checked before any of it is used: types, characters, lengths, names, numbers, and that they agree.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from mwlmc_data.arguments.messages import shorten
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed
from mwlmc_data.storage.errors import DamagedFileError

#: Name of the manifest in the folder.
MANIFEST = "manifest.json"
#: Longest manifest [bytes]: room for some 30,000 files.
MAX_LENGTH = 1 << 23

_MAX_FILES = 10_000
_MAX_ROWS = 10_000_000
#: Ten times the bytes of a halo.
_MAX_BYTES_PER_ROW = 1 << 20
#: Smallest Parquet file: PAR1 twice and the length of its footer.
_MIN_BYTES = 12
_MAX_TEXT = 1000
_LAST_ID = 2**31 - 1
_LAST_SEED = 2**63 - 1

_CONFIG = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_PATH = re.compile(rf"({_CONFIG})/\1-({'|'.join(schema.SPLITS)})(?:-([0-9]{{5}})-of-([0-9]{{5}}))?\.parquet")
_NAME = re.compile(rf"(?=.{{1,40}}$){_CONFIG}")
_DATA_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){2}")
_SIMULATOR_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,39}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Device names of Windows, which no folder may have.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))}


@dataclass(frozen=True)
class ListedFile:
    """One data file of a folder.

    Attributes
    ----------
    path : str
        Path in the folder, with slashes.
    config, split : str
        What the file holds, such as "haloes" and "train".
    rows, bytes : int
        Number of rows and size.
    sha256 : str
        Hash of the file.
    first_sim_id, last_sim_id : int, optional
        For haloes: the file holds every simulation of the split from the first to the last.
    """

    path: str
    config: str
    split: str
    rows: int
    bytes: int
    sha256: str
    first_sim_id: int | None = None
    last_sim_id: int | None = None

    @property
    def name(self) -> str:
        """Base name of the file."""
        return PurePosixPath(self.path).name

    @cached_property
    def sim_ids(self) -> Any:
        """Numbers of the haloes in the file, ascending integer array of shape (rows,)."""
        if self.first_sim_id is None or self.last_sim_id is None:
            raise ValueError(f"{self.path} holds {self.config!r}, not haloes")
        return schema.ids_of(self.split, self.first_sim_id, self.last_sim_id + 1)


@dataclass(frozen=True, repr=False)
class Manifest(Displayed):
    """The contents of a folder.

    Attributes
    ----------
    data_version, simulator_version : str
        Versions of the data and of the simulator that made them.
    seeds : mapping of str to int
        Seed of each set of simulations, by name, such as "gaussian".
    files : tuple of ListedFile
        The data files.
    """

    data_version: str
    simulator_version: str
    seeds: Mapping[str, int]
    files: tuple[ListedFile, ...]

    def select(self, config: str | None = None, split: str | None = None) -> list[ListedFile]:
        """Select the files of one config and split.

        Parameters
        ----------
        config, split : str, optional
            All by default.

        Returns
        -------
        list of ListedFile

        Raises
        ------
        ValueError
            If the folder has no such config, or the config has no such split.
        """
        selected = self.files
        for name, wanted in (("config", config), ("split", split)):
            allowed = dict.fromkeys(getattr(entry, name) for entry in selected)
            if wanted is not None and wanted not in allowed:
                known = ", ".join(map(repr, allowed)) or "none"
                raise ValueError(f"{name} = {wanted!r}: allowed is {known} (in data version {self.data_version})")
            selected = tuple(entry for entry in selected if wanted in (None, getattr(entry, name)))
        return list(selected)

    def to_json(self) -> str:
        """Write the manifest as text; equal manifests give equal texts."""
        files = [
            {name: value for name, value in asdict(entry).items() if value is not None}
            for entry in sorted(self.files, key=lambda entry: entry.path)
        ]
        content = {
            "title": schema.TITLE,
            "licence": schema.LICENCE,
            "data_version": self.data_version,
            "simulator_version": self.simulator_version,
            "seeds": dict(sorted(self.seeds.items())),
            "files": files,
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path | str) -> Manifest:
        """Read the text of a manifest and check everything in it.

        Parameters
        ----------
        text : str
            The text.
        path : Path or str
            Where the text comes from, for the error.

        Returns
        -------
        Manifest

        Raises
        ------
        DamagedFileError
            If it is not a manifest: other text, other names, types or characters, a path outside the folder, numbers
            that are impossible or disagree, repeated files. The message says which.
        """
        try:
            content = json.loads(text, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant)
            return _check(content)
        except (ValueError, RecursionError) as error:
            raise DamagedFileError(Path(path), "a manifest", f"other text ({error})") from error


def _refuse_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{shorten(max(names, key=names.count))} occurs twice")
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _check(content: Any) -> Manifest:
    """Make a manifest of the parsed text, or raise a ValueError that says what is wrong."""
    _check_names("the manifest", content, {*_TEXTS, "seeds", "files"})
    for name, pattern in _TEXTS.items():
        _check_text(name, content[name], pattern)
    seeds, listed = content["seeds"], content["files"]
    if not isinstance(seeds, dict):
        raise ValueError(f"seeds = {shorten(seeds)}: allowed is a number for each set")
    for name, seed in seeds.items():
        _check_config("seeds", name)
        _check_whole(f"seeds of {name}", seed, 0, _LAST_SEED)
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_FILES:
        raise ValueError(f"files = {shorten(listed)}: allowed is a list of 1 to {_MAX_FILES} files")
    files = tuple(_check_entry(entry) for entry in listed)
    _check_repeats(files)
    _check_series(files)
    return Manifest(content["data_version"], content["simulator_version"], dict(seeds), files)


#: Text fields of a manifest, and their patterns.
_TEXTS: dict[str, re.Pattern[str] | None] = {
    "title": None,
    "licence": None,
    "data_version": _DATA_VERSION,
    "simulator_version": _SIMULATOR_VERSION,
}


def _check_entry(content: Any) -> ListedFile:
    _check_names("an entry", content, {field.name for field in fields(ListedFile)}, {"first_sim_id", "last_sim_id"})
    path, config, split = (content[name] for name in ("path", "config", "split"))
    match = _PATH.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        raise ValueError(
            f"path = {shorten(path)}: allowed is a path in the folder of the config, "
            "CONFIG/CONFIG-SPLIT.parquet or CONFIG/CONFIG-SPLIT-00000-of-00027.parquet"
        )
    _check_config("config", config)
    if (config, split) != (match[1], match[2]):
        raise ValueError(f"config = {shorten(config)}, split = {shorten(split)}: allowed are those of the path {path}")
    if match[3] is not None and int(match[3]) >= int(match[4]):
        raise ValueError(f"path = {path!r}: allowed are numbers below {match[4]}")
    _check_whole(f"rows of {path}", content["rows"], 1, _MAX_ROWS)
    max_bytes = (content["rows"] + 1) * _MAX_BYTES_PER_ROW
    _check_whole(f"bytes of {path}", content["bytes"], _MIN_BYTES, max_bytes)
    _check_text(f"sha256 of {path}", content["sha256"], _SHA256)
    entry = ListedFile(**content)
    _check_ids(entry)
    return entry


def _check_ids(entry: ListedFile) -> None:
    """Check the first and last sim_id: files of haloes have them, other files do not."""
    numbers = entry.first_sim_id, entry.last_sim_id
    if entry.config != "haloes" and not entry.config.startswith("haloes-"):
        if numbers != (None, None):
            raise ValueError(f"first and last sim_id = {shorten(numbers)} of {entry.path}: allowed only for haloes")
        return
    for name, number in zip(("first_sim_id", "last_sim_id"), numbers, strict=True):
        _check_whole(f"{name} of {entry.path}", number, 0, _LAST_ID)
        if schema.split_of(number) != entry.split:  # type: ignore[arg-type]
            raise ValueError(f"{name} = {number} of {entry.path}: allowed are those of the {entry.split} split")
    first, last = int(entry.first_sim_id or 0), int(entry.last_sim_id or 0)
    count = schema.count_ids(entry.split, first, last + 1)
    if count != entry.rows:
        raise ValueError(f"rows = {entry.rows} of {entry.path}: allowed is {count}, from sim_id {first} to {last}")


def _check_repeats(files: Sequence[ListedFile]) -> None:
    """Check that no path and no hash occurs twice."""
    for name in ("path", "sha256"):
        values = [getattr(entry, name) for entry in files]
        if len(set(values)) < len(values):
            raise ValueError(f"{name} {max(values, key=values.count)} occurs twice")


def _check_series(files: Sequence[ListedFile]) -> None:
    """Check that the files of one config and split count to the same number, with ascending haloes."""
    series: dict[tuple[str, str], list[ListedFile]] = defaultdict(list)
    for entry in sorted(files, key=lambda entry: entry.path):
        series[entry.config, entry.split].append(entry)
    for (config, split), entries in series.items():
        totals = {match[4] for entry in entries if (match := _PATH.fullmatch(entry.path))}
        if len(totals) > 1:
            raise ValueError(f"files of {config}, {split} are numbered in different ways: {entries[0].path}, ...")
        for before, after in pairwise(entries):
            if before.last_sim_id is not None and (after.first_sim_id or 0) <= before.last_sim_id:
                raise ValueError(f"{after.path} begins with sim_id {after.first_sim_id}, which {before.path} holds")


def _check_names(what: str, content: Any, names: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    if not isinstance(content, dict):
        raise ValueError(f"{what} = {shorten(content)}: allowed are names with values")
    lacking, unknown = sorted(names - optional - set(content)), sorted(set(content) - names)
    if lacking or unknown:
        faults = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {shorten(unknown)}"] * bool(unknown)
        raise ValueError(f"{what} {' and '.join(faults)}: allowed is {', '.join(sorted(names))}")


def _check_text(name: str, value: Any, pattern: re.Pattern[str] | None) -> None:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not (pattern is None or pattern.fullmatch(value)):
        form = f"text that matches {pattern.pattern}" if pattern else f"text of at most {_MAX_TEXT} characters"
        raise ValueError(f"{name} = {shorten(value)}: allowed is {form}")


def _check_config(name: str, value: Any) -> None:
    _check_text(name, value, _NAME)
    if value in _DEVICES:
        raise ValueError(f"{name} = {value!r}: allowed are names that are not devices on Windows")


def _check_whole(name: str, value: Any, minimum: int, maximum: int) -> None:
    # True is an int in Python; 4.0 and "4" are not.
    if type(value) is not int or not minimum <= value <= maximum:
        raise ValueError(f"{name} = {shorten(value)}: allowed is a whole number from {minimum} to {maximum}")
