"""Shared parts of the command lines: negative numbers as options, terminals of any encoding, output files."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: Signs without a plain form in Unicode's tables.
_PLAIN = {"−": "-", "–": "-", "—": "-", "±": "+-", "×": "x", "°": " deg", "’": "'", "…": "...", "→": "->"}


class Parser(argparse.ArgumentParser):
    """A parser that accepts any form of a negative number as the value of an option, also -6e1 and -inf.

    `argparse` recognises -60 and -60.0, but takes other words that begin with a dash for options.
    """

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the words, like the base class; parsers of subcommands use this method too."""
        return super().parse_known_args(_join_numbers(sys.argv[1:] if args is None else args), namespace)


def _join_numbers(words: Sequence[str]) -> list[str]:
    """Write ``--option -6e1`` as ``--option=-6e1``."""
    joined: list[str] = []
    for i, word in enumerate(words):
        follows = i > 0 and words[i - 1].startswith("--") and "=" not in words[i - 1] and "--" not in words[:i]
        if follows and _is_negative_number(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _is_negative_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    # argparse handles digits and points: after an option without a value they are the next argument
    return word.startswith("-") and not word[1:].replace(".", "").isdigit()


@contextlib.contextmanager
def tolerate_encodings() -> Iterator[None]:
    """Replace characters that the encoding of standard output and error lacks by plain ones, in this context."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors=_HANDLER)
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            with contextlib.suppress(ValueError):  # it was closed
                stream.reconfigure(errors=errors)


def _as_plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    """A letter without accents, or its code point."""
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return _PLAIN.get(letter) or bare or letter.encode("ascii", "backslashreplace").decode()


_HANDLER = "mwlmc_data.plain"
codecs.register_error(_HANDLER, _as_plain)


def add_out(
    parser: argparse.ArgumentParser, suffixes: Sequence[str], text: str, required: bool = False, folder: str = ""
) -> None:
    """Add ``--out FILE``, which :func:`check_out` checks, and ``--overwrite``.

    `folder` says what a name without a suffix is for, if that is allowed: a new folder.
    """
    text = f"{text} as {_listed(suffixes)}" + (f"; {folder}" if folder else "")
    metavar = "FILE or DIR" if folder else "FILE"
    parser.add_argument("--out", type=Path, metavar=metavar, required=required, help=text)
    parser.add_argument("--overwrite", action="store_true", help="let --out replace a file that exists")
    parser.set_defaults(suffixes=tuple(suffixes), takes_folder=bool(folder))


def check_out(options: argparse.Namespace) -> None:
    """Refuse a file that cannot or must not be written, before any work starts.

    Parameters
    ----------
    options : argparse.Namespace
        With the options of :func:`add_out`.

    Raises
    ------
    ValueError
        If the suffix is not allowed, the folder does not exist, a file would be replaced without --overwrite (or a
        folder for several files is not empty), or the path is not writable.
    """
    path: Path | None = options.out
    if path is None:
        if options.overwrite:
            raise ValueError("--overwrite is given without --out: allowed is both, or --out alone")
        return
    name = f"--out = {str(path)!r}"
    if options.takes_folder and not path.suffix:
        _check_folder(name, path, options.overwrite)
        return
    if path.suffix not in options.suffixes:
        raise ValueError(f"{name}: allowed is a name that ends in {_listed(options.suffixes)}")
    if not path.parent.is_dir():
        raise ValueError(f"{name}: allowed is a file in a folder that exists; there is no {str(path.parent)!r}")
    if path.is_dir():
        raise ValueError(f"{name}: allowed is the name of a file; there is a folder of this name")
    if os.path.lexists(path) and not options.overwrite:
        raise ValueError(f"{name}: allowed is a new file, and this one exists; --overwrite replaces it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{name}: allowed is a path that is writable")


def _check_folder(name: str, path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"{name}: allowed is a folder in one that exists; there is no {str(path.parent)!r}")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name}: allowed is a folder; there is a file of this name")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ValueError(f"{name}: allowed is a new or empty folder; --overwrite replaces files in this one")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{name}: allowed is a path that is writable")


def _listed(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
