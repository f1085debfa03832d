"""Texts of manifests with one fault each, by the name of the fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

#: Place of the first file of training haloes among those of the good one.
TRAIN = 2


def good() -> dict[str, Any]:
    """Content of a manifest that is right: two catalogues, and haloes of simulations 0 to 255 in three files."""
    return {
        "title": "Simulations",
        "licence": "CC-BY-4.0",
        "data_version": "1.0.0",
        "simulator_version": "1.0.0",
        "seeds": {"gaussian": 20250710},
        "files": [
            _entry("gaussian", "train", "", 226, "a"),
            _entry("haloes", "test", "-00000-of-00001", 10, "b", 0, 9),
            _entry("haloes", "train", "-00000-of-00002", 108, "c", 20, 127),
            _entry("haloes", "train", "-00001-of-00002", 108, "d", 148, 255),
            _entry("validation", "test", "", 10, "e"),
        ],
    }


def _entry(config: str, split: str, number: str, rows: int, digit: str, *ids: int) -> dict[str, Any]:
    numbers = dict(zip(("first_sim_id", "last_sim_id"), ids, strict=False))
    path = f"{config}/{config}-{split}{number}.parquet"
    facts = {"path": path, "config": config, "split": split, "rows": rows, "bytes": 2000 * rows, "sha256": digit * 64}
    return facts | numbers


def _with(change: Callable[[dict[str, Any]], object]) -> str:
    content = copy.deepcopy(good())
    change(content)
    return json.dumps(content)


def _entry_with(**facts: Any) -> str:
    """Change what the entry of one file of haloes says."""
    return _with(lambda content: content["files"][TRAIN].update(facts))


def _without(name: str, in_entry: bool) -> str:
    return _with(lambda content: (content["files"][TRAIN] if in_entry else content).pop(name))


def _moved(path: str, config: str = "haloes", split: str = "train") -> str:
    return _entry_with(path=path, config=config, split=split)


def _whole_numbers() -> dict[str, str]:
    values = {
        "text": "108",
        "a float": 108.0,
        "true": True,
        "none": None,
        "a list": [108],
        "an object": {"n": 108},
        "negative": -108,
        "infinite": float("inf"),
        "NaN": float("nan"),
        "huge": 10**30,
    }
    return {
        f"{name}: {kind}": _entry_with(**{name: value})
        for name in ("rows", "bytes", "first_sim_id", "last_sim_id")
        for kind, value in values.items()
    }


_TEXT = json.dumps(good())
_RECORD = json.dumps(good()["files"][TRAIN])
_NAME = "haloes-train-00000-of-00002.parquet"

BAD: dict[str, str] = {
    "empty": "",
    "white space": " \n",
    "cut": _TEXT[: len(_TEXT) // 2],
    "more behind it": _TEXT + "}",
    "twice": _TEXT + _TEXT,
    "a page": "<html>503</html>",
    "a byte order mark": "\ufeff" + _TEXT,
    "a list": f"[{_TEXT}]",
    "a text": json.dumps(_TEXT),
    "null": "null",
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep within": _TEXT.replace('"CC-BY-4.0"', "[" * 50_000 + "]" * 50_000),
    "a number of 10,000 digits": _TEXT.replace("20250710", "9" * 10_000),
    "single quotes": _TEXT.replace('"', "'"),
    "a name twice": _TEXT.replace('"licence"', '"title"'),
    "files twice": _TEXT[:-1] + ', "files": []}',
    "a name twice in an entry": _TEXT.replace(_RECORD, _RECORD[:-1] + ', "rows": 108}'),
    "an unknown name": _with(lambda content: content.update(mirror="https://example.org")),
    "an unknown name in an entry": _entry_with(url="https://example.org"),
    "a private name in an entry": _entry_with(__class__="x"),
    **{f"without {name}": _without(name, False) for name in good()},
    **{
        f"an entry without {name}": _without(name, True)
        for name in ("path", "config", "split", "rows", "bytes", "sha256", "first_sim_id", "last_sim_id")
    },
    "title: a number": _with(lambda content: content.update(title=3)),
    "title: as long as a book": _with(lambda content: content.update(title="x" * 100_000)),
    "licence: none": _with(lambda content: content.update(licence=None)),
    "data_version: a number": _with(lambda content: content.update(data_version=1.0)),
    "data_version: two parts": _with(lambda content: content.update(data_version="1.0")),
    "data_version: a path": _with(lambda content: content.update(data_version="../1.0.0")),
    "data_version: other digits": _with(lambda content: content.update(data_version="١.0.0")),
    "data_version: with a newline": _with(lambda content: content.update(data_version="1.0.0\n")),
    "simulator_version: empty": _with(lambda content: content.update(simulator_version="")),
    "simulator_version: a control character": _with(lambda content: content.update(simulator_version="1.0.0\x1b[2J")),
    "seeds: a list": _with(lambda content: content.update(seeds=[20250710])),
    "seeds: text": _with(lambda content: content.update(seeds={"gaussian": "20250710"})),
    "seeds: true": _with(lambda content: content.update(seeds={"gaussian": True})),
    "seeds: negative": _with(lambda content: content.update(seeds={"gaussian": -1})),
    "seeds: a float": _with(lambda content: content.update(seeds={"gaussian": 1e3})),
    "seeds: of a set that cannot be": _with(lambda content: content.update(seeds={"../gaussian": 1})),
    "files: none": _with(lambda content: content.update(files=[])),
    "files: an object": _with(lambda content: content.update(files={"0": content["files"][0]})),
    "files: a text": _with(lambda content: content.update(files="haloes")),
    "files: null": _with(lambda content: content.update(files=None)),
    "files: too many": _with(lambda content: content.update(files=content["files"] * 3000)),
    "an entry that is a list": _with(lambda content: content["files"].append(list(content["files"][0].values()))),
    "an entry that is null": _with(lambda content: content["files"].append(None)),
    "an entry twice": _with(lambda content: content["files"].append(content["files"][0])),
    "path: absolute": _moved("/etc/" + _NAME),
    "path: above": _moved("../" + _NAME),
    "path: above and back": _moved("haloes/../haloes/" + _NAME),
    "path: the folder itself": _moved("haloes/./" + _NAME),
    "path: two slashes": _moved("haloes//" + _NAME),
    "path: backslashes": _moved("haloes\\" + _NAME),
    "path: a drive": _moved("C:haloes/" + _NAME),
    "path: a stream of another file": _moved(f"haloes/{_NAME}:x"),
    "path: without a folder": _moved(_NAME),
    "path: empty": _moved(""),
    "path: a number": _entry_with(path=5),
    "path: a list": _entry_with(path=["haloes", _NAME]),
    "path: a zero byte": _moved(f"haloes/{_NAME}\0"),
    "path: a newline": _moved(f"haloes/{_NAME}\n"),
    "path: half a character": _moved(f"haloes/\ud800{_NAME}"),
    "path: another script": _moved("haloes/haloes-train-0000٠-of-00002.parquet"),
    "path: too long for a file system": _moved(f"haloes/{'x' * 300}.parquet"),
    "path: a million characters": _moved("haloes/" * 150_000 + _NAME),
    "path: upper case": _moved("Haloes/" + _NAME),
    "path: the manifest": _moved("manifest.json"),
    "path: below the manifest": _moved("manifest.json/" + _NAME),
    "path: a stamp": _moved(".stamps/fetched.json"),
    "path: a lock": _moved(".locks/manifest.json.lock"),
    "path: hidden": _moved("haloes/." + _NAME),
    "path: a half-written file": _moved(f"haloes/.{_NAME}.partial"),
    "path: another suffix": _moved("haloes/haloes-train-00000-of-00002.pickle"),
    "path: a trailing dot": _moved(f"haloes/{_NAME}."),
    "path: a trailing space": _moved(f"haloes/{_NAME} "),
    "path: a deeper folder": _moved("haloes/train/" + _NAME),
    "path: the folder of another config": _moved("gaussian/" + _NAME),
    "path: of another file of the list": _moved("haloes/haloes-train-00001-of-00002.parquet"),
    "path: another number of files": _moved("haloes/haloes-train-00000-of-00003.parquet"),
    "path: a number beyond the last": _moved("haloes/haloes-train-00002-of-00002.parquet"),
    "path: none of 0 files": _moved("haloes/haloes-train-00000-of-00000.parquet"),
    "path: no number beside numbers": _moved("haloes/haloes-train.parquet"),
    "path: the order of the files is not that of the haloes": _with(
        lambda content: [
            content["files"][TRAIN + i].update(path=f"haloes/haloes-train-0000{1 - i}-of-00002.parquet") for i in (0, 1)
        ]
    ),
    "config: another than the path's": _entry_with(config="gaussian"),
    "config: none": _entry_with(config=None),
    "config: an object": _entry_with(config={}),
    "config: a device": _moved("aux/aux-train-00000-of-00002.parquet", "aux"),
    "config: another device": _moved("com1/com1-train-00000-of-00002.parquet", "com1"),
    "config: very long": _moved(f"{'x' * 90}/{'x' * 90}-train.parquet", "x" * 90),
    "split: another than the path's": _entry_with(split="test"),
    "split: unknown": _moved("haloes/haloes-dev-00000-of-00002.parquet", split="dev"),
    "split: none": _entry_with(split=None),
    **_whole_numbers(),
    "rows: none at all": _entry_with(rows=0),
    "rows: one more than its sim_id": _entry_with(rows=109),
    "rows: one less than its sim_id": _entry_with(rows=107),
    "rows: more than there can be": _entry_with(rows=2**40, first_sim_id=20, last_sim_id=2**41),
    "bytes: less than any file has": _entry_with(bytes=11),
    "bytes: more than such rows have": _entry_with(bytes=10**12),
    "first_sim_id: of another split": _entry_with(first_sim_id=19, rows=109),
    "last_sim_id: of another split": _entry_with(last_sim_id=128, rows=109),
    "last_sim_id: before the first": _entry_with(first_sim_id=127, last_sim_id=20, rows=1),
    "last_sim_id: beyond what a number holds": _entry_with(last_sim_id=2**31 + 20),
    "sim_id of another file": _with(lambda content: content["files"][TRAIN + 1].update(first_sim_id=127, rows=109)),
    "sim_id of a catalogue": _with(lambda content: content["files"][0].update(first_sim_id=20, last_sim_id=275)),
    "sha256: upper case": _entry_with(sha256="C" * 64),
    "sha256: short": _entry_with(sha256="c" * 63),
    "sha256: long": _entry_with(sha256="c" * 65),
    "sha256: with a prefix": _entry_with(sha256="sha256:" + "c" * 57),
    "sha256: no hexadecimal": _entry_with(sha256="g" * 64),
    "sha256: other digits": _entry_with(sha256="٣" * 64),
    "sha256: a number": _entry_with(sha256=10**63),
    "sha256: none": _entry_with(sha256=None),
    "sha256: with a newline": _entry_with(sha256="c" * 63 + "\n"),
    "sha256: of another file": _entry_with(sha256="d" * 64),
}
