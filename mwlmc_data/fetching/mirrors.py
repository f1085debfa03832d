"""Mirrors: the places that the files of a release are fetched from.

A mirror is written in one of these forms::

    doi:10.5281/zenodo.N          a record of Zenodo, also https://doi.org/10.5281/zenodo.N; its files lie side by side
                                  under their base names
    hf:OWNER/NAME[@REVISION]      a dataset on Hugging Face; the revision is "main" by default
    https://HOST/FOLDER           a folder on any web server, also http://
    /folder, ./folder, ~/folder   a folder on this machine, also a relative path that exists; its files are copied

The mirrors are those of the call, else those in the environment variable `MWLMC_MIRRORS`, else those registered for the
version. In the variable they are separated by white space, commas or semicolons; a mirror that contains any of these,
such as a folder with a space in its name, is quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from mwlmc_data.storage.homes import expand_home

#: Environment variable: mirrors, separated by white space, commas or semicolons; quoted if they contain any of these.
VARIABLE = "MWLMC_MIRRORS"
FORMS = (
    "doi:10.5281/zenodo.N, hf:OWNER/NAME[@REVISION], http(s)://HOST/FOLDER, "
    "or a folder on this machine (/folder, ./folder, ~/folder)"
)
ZENODO = "https://zenodo.org"
HUGGING_FACE = "https://huggingface.co"

_DOI = re.compile(r"(?:doi:|https://doi\.org/)10\.5281/zenodo\.(\d+)")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_DATASET = re.compile(rf"hf:({_NAME}/{_NAME})(?:@([^\s@]+))?")
_WORD = re.compile(r"""[\s,;]*(?:"([^"]*)"|'([^']*)'|([^\s,;"']+))(?=[\s,;]|$)[\s,;]*""")
#: At least two letters: a single letter is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class Mirror:
    """One place that holds the files of a release.

    Attributes
    ----------
    name : str
        Name in messages; without the password of a URL.
    base : str
        URL, or absolute path of a folder on this machine.
    is_local : bool
        Whether it is a folder on this machine.
    is_flat : bool
        Whether files lie side by side under their base names.
    query : str
        What follows the URL of a file.
    """

    name: str
    base: str
    is_local: bool = False
    is_flat: bool = False
    query: str = ""

    def __str__(self) -> str:
        return self.name

    def location(self, path: str) -> str:
        """Return where a file of the release lies.

        Parameters
        ----------
        path : str
            Path in the release, with slashes.

        Returns
        -------
        str
            URL, or path on this machine. A folder may also hold the files side by side, as downloaded from Zenodo.
        """
        name = PurePosixPath(path).name
        if self.is_local:
            place = Path(self.base, path)
            return str(place if place.exists() or not Path(self.base, name).exists() else Path(self.base, name))
        return f"{self.base}/{quote(name if self.is_flat else path)}{self.query}"


def parse(text: str | os.PathLike[str]) -> Mirror:
    """Parse a mirror.

    Parameters
    ----------
    text : str or path
        One of the forms above.

    Returns
    -------
    Mirror

    Raises
    ------
    ValueError
        If it has none of the forms; the message lists them.
    """
    text = os.fspath(text).strip()
    if match := _DOI.fullmatch(text):
        return Mirror(text, f"{ZENODO}/records/{match[1]}/files", is_flat=True, query="?download=1")
    if match := _DATASET.fullmatch(text):
        return Mirror(text, f"{HUGGING_FACE}/datasets/{match[1]}/resolve/{quote(match[2] or 'main', safe='')}")
    if text.startswith(("http://", "https://")) and _is_base(text):
        base = text.rstrip("/")
        return Mirror(re.sub("//[^/]*@", "//", base), base)
    if text and not _SCHEME.match(text):
        folder = expand_home("mirror", text).absolute()
        if Path(text).is_absolute() or text.startswith((".", "~")) or folder.is_dir():
            return Mirror(str(folder), str(folder), is_local=True)
    raise ValueError(f"mirror = {text!r}: allowed is {FORMS}")


def _is_base(url: str) -> bool:
    """Whether a URL is one that a path can be appended to."""
    try:
        parts = urlsplit(url)
        is_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_host and not parts.query and not parts.fragment and not re.search(r"\s", url)


def _read_variable() -> list[Mirror]:
    """Read the mirrors from the environment variable."""
    text, mirrors, at = os.environ.get(VARIABLE, ""), [], 0
    if re.fullmatch(r"[\s,;]*", text):
        return []
    if os.path.isdir(text.strip()):  # a folder alone, whatever its name
        return [parse(text if os.path.isabs(text.strip()) else os.path.join(".", text.strip()))]
    while at < len(text):
        word = _WORD.match(text, at)
        try:
            if word is None:
                raise ValueError(f"{text[at:]!r} has a quote that is not closed or stands within a word")
            mirrors.append(parse(next(part for part in word.groups() if part is not None)))
        except ValueError as error:
            raise ValueError(
                f"{VARIABLE} = {text!r}: allowed are mirrors separated by white space, commas or semicolons, in quotes "
                f"if they contain any of these ({error})"
            ) from error
        at = word.end()
    return mirrors


def list_mirrors(
    given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None, registered: Iterable[str] = ()
) -> list[Mirror]:
    """List the mirrors to try, in order.

    Parameters
    ----------
    given : str, path or iterable of them, optional
        The mirrors of the call. None takes those of `MWLMC_MIRRORS`, or else the registered ones.
    registered : iterable of str
        Mirrors in the registry.

    Returns
    -------
    list of Mirror
        Each once.

    Raises
    ------
    ValueError
        If one of them has none of the allowed forms.
    """
    if given is None:
        mirrors = _read_variable() or [parse(text) for text in registered]
    elif isinstance(given, str | os.PathLike):
        mirrors = [parse(given)]
    else:
        mirrors = [parse(text) for text in given]
    return list(dict.fromkeys(mirrors))
