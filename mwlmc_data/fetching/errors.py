"""Error messages for files that cannot be fetched: what is missing, why, and how else to get it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mwlmc_data.dataset.store import DATA_DIR_VARIABLE, MANIFEST
from mwlmc_data.fetching.mirrors import VARIABLE, Mirror
from mwlmc_data.storage.errors import DamagedFileError

#: No space, quota exceeded, file too large.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LISTED = 3
_ELSEWHERE = f"Choose another folder (`directory`, or {DATA_DIR_VARIABLE})"


class FetchError(OSError):
    """Files of the release could not be fetched; the message says which, why, and how else to get them.

    Parameters
    ----------
    text : str
        The message.
    may_be_the_manifest : bool
        Whether a wrong manifest can be the cause: it lists files that no mirror has or that do not fit on the disk.
    """

    def __init__(self, text: str, may_be_the_manifest: bool = False) -> None:
        super().__init__(text)
        self.may_be_the_manifest = may_be_the_manifest


@dataclass(frozen=True)
class Request:
    """What the user requests.

    Attributes
    ----------
    version : str
        Version of the data.
    config, split : str, optional
        Files to fetch; None means all.
    root : Path
        Folder to put them in.
    mirrors : sequence of Mirror
        Where to fetch them from.
    record : mapping
        The registry's record of the version.
    distrusted : frozenset of str
        Mirrors whose manifest led to no file.
    """

    version: str
    config: str | None
    split: str | None
    root: Path
    mirrors: Sequence[Mirror]
    record: Mapping[str, Any]
    distrusted: frozenset[str] = frozenset()

    def __str__(self) -> str:
        config = "every config" if self.config is None else f"config {self.config!r}"
        split = "" if self.split is None else f", split {self.split!r},"
        return f"{config}{split} of data version {self.version}"

    def no_mirror(self, missing: str) -> FetchError:
        """Make the error for no mirror at all."""
        why = "no mirror was given" if self.record["mirrors"] else "no deposit of this version is registered yet"
        return FetchError(
            f"{missing} of {self} are not in {str(self.root)!r}, and there is no mirror to fetch them from: {why}. "
            f"{self._advise()}"
        )

    def unreachable(self, missing: str, reasons: str) -> FetchError:
        """Make the error for mirrors that cannot be reached."""
        return FetchError(
            f"{missing} of {self} cannot be fetched: this machine is offline, or no mirror can be reached ({reasons}). "
            f"{self._advise()}"
        )

    def no_manifest(self, reasons: str) -> FetchError:
        """Make the error for mirrors without a manifest."""
        return FetchError(
            f"the files of {self} cannot be fetched: no mirror provides a {MANIFEST} ({reasons}). {self._advise()}"
        )

    def failed(self, total: int, reasons: Mapping[str, str]) -> FetchError:
        """Make the error for files that no mirror provides."""
        listed = [f"{name}: {reason}" for name, reason in list(reasons.items())[:_LISTED]]
        more = f"; and {len(reasons) - _LISTED} more" if len(reasons) > _LISTED else ""
        kept = total - len(reasons)
        return FetchError(
            f"{len(reasons)} of {total} files of {self} cannot be fetched ({'; '.join(listed)}{more}). "
            f"{kept} are in {str(self.root)!r}; the same call fetches what is missing. {self._advise()}",
            may_be_the_manifest=True,
        )

    def mixture(self, names: Sequence[str], version: str) -> FetchError:
        """Make the error for a folder that holds other files than those of the release."""
        return FetchError(
            f"{str(self.root)!r} holds files of data version {version} that are not those of the release "
            f"({', '.join(names[:_LISTED])}{', ...' if len(names) > _LISTED else ''}), but made here or fetched from "
            f"elsewhere. They are never mixed, and nothing was changed. {_ELSEWHERE}, or remove this one."
        )

    def no_space(self, needed: int) -> FetchError:
        """Make the error for files that do not fit on the disk."""
        return FetchError(
            f"the disk is full or too small: what is missing of {self} needs {format_size(needed)} in "
            f"{str(self.root)!r}, and {format_size(get_free_space(self.root))} are free. Complete files are kept. "
            f"{_ELSEWHERE}, or make space.",
            may_be_the_manifest=True,
        )

    @contextmanager
    def explain_disk_errors(self, needed: int = 0) -> Iterator[None]:
        """Turn a disk error into a FetchError with a clear message; `needed` bytes are still to be written."""
        try:
            yield
        except (FetchError, DamagedFileError):
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise self.no_space(needed) from error
            why = error.strerror or error if error.errno is None else os.strerror(error.errno)
            raise FetchError(f"cannot write to {str(self.root)!r}: {why}. {_ELSEWHERE}.") from error

    def _advise(self) -> str:
        config = self.config or "all"
        ways = []
        if not config.startswith("haloes-"):  # the published folder holds the haloes of the Gaussian set alone
            ways.append(f"name a mirror that has them (`mwlmc fetch {config} --mirror MIRROR`, or {VARIABLE})")
        if config.startswith("haloes") or self.config is None:
            name = config.removeprefix("haloes").removeprefix("-") if self.config else ""
            options = f" --config {name}" if name else ""
            ways.append(f"make them in a checkout of the repository (`python -m generation haloes --out DIR{options}`)")
            ways.append("or let `load_halo` simulate those that you need")
        elif config in self.record["files"]:
            ways.append(f"or read what the package embeds (`load_catalogue(config={config!r})`)")
        text = ", ".join(ways)
        return text[0].upper() + text[1:] + "."


def get_free_space(folder: Path) -> int:
    """Return the free space where a folder is, or will be [bytes]."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def format_size(size: int) -> str:
    """Write a size with its unit.

    Parameters
    ----------
    size : int
        In bytes.

    Returns
    -------
    str
        Such as "13.8 GB"; a GB has 1e9 bytes.
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
