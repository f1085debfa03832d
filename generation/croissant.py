"""The Croissant description of a published folder: its files, their hashes, and the columns that they hold.

Croissant 1.1 (http://mlcommons.org/croissant/1.1). Addresses are relative to the description, so that the folder can be
moved. A record set with several files reads one after the other, so that `mlcroissant` streams the haloes. It checks
hashes only where a record set reads a single file; SHA256SUMS lists the hashes of all files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from generation import card
from generation.responsible import CONFORMS_TO, describe_use
from generation.tables import CONFIG_COLUMNS, LIVE, REFERENCES, splits_of
from mwlmc_data import citation
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.store import ListedFile, Manifest

NAME = "croissant.json"
PARQUET = "application/x-parquet"
LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
PAPER_URL = "https://arxiv.org/abs/2507.10667"
_TYPES = {"int32": "cr:Int32", "float32": "cr:Float32", "string": "sc:Text", "bool": "sc:Boolean"}
_SPLITS = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
#: Columns that identify a row, where sim_id alone does not.
_KEYS = {
    "validation": ("name",), **dict.fromkeys(REFERENCES, ("name",)), "shift": ("group", "sim_id"),
    **dict.fromkeys(LIVE[1:], ("live_id",)),
}  # fmt: skip
_CONTENT = {
    "gaussian": "simulations drawn from the paper's prior (Table 1), a row each",
    "flat": "simulations with both masses uniform (the paper's section 6.2), a row each",
    "wide": "simulations whose LMC today is drawn widely enough to hold every validation case, a row each",
    "haloes": f"stellar haloes of the set `gaussian`, {schema.N_STARS} stars each, with their drawn parameters",
    "validation": "cases of other fidelity with known truth, a row each",
    "references": "reference posteriors of test rows of `gaussian` and of the validation cases, each with its tests",
    "references-50-100": "the same given the reflex motion of the stars at 50 to 100 kpc",
    "references-stars": "reference posteriors of test rows of `gaussian` given 1,024 stars of each, with their tests",
    "references-24": "reference posteriors of test rows of `gaussian` given 24 numbers of each, with their tests",
    "references-survey": "the same given 100 to 500 observed stars with errors, of which some velocities are missing",
    "shift": "haloes of the test split of `gaussian`, changed and fitted again, a row each",
    "live": "stellar haloes in simulations of galaxies that deform each other, a row each",
    "live-simulations": "masses of these galaxies in time and the disc's motion, a row for each simulation",
    "live-frictions": "the friction with which a rigid pair has the live orbit, a row for each that one reproduces",
    "live-misses": "drawn parameters of the simulations whose LMC missed its present day, a row each",
}

_TERMS = """
annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileProperty fileObject
fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex readLines
repeated replace samplingRate sdVersion separator source subField transform unArchive value
"""
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "prov": "http://www.w3.org/ns/prov#",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def describe(manifest: Manifest, facts: Mapping[str, Any], date: str, url: str, notice: str | None = None) -> str:
    """Write the description of a folder.

    Parameters
    ----------
    manifest : Manifest
        Its data files.
    facts : mapping
        Content of CITATION.cff: title, abstract, authors and keywords.
    date : str
        Date of publication, as 2026-01-31.
    url : str
        The web page of the dataset.
    notice : str, optional
        What the folder lacks, in a sentence.

    Returns
    -------
    str
        JSON, the same for the same arguments.
    """
    abstract = " ".join(facts["abstract"].split())
    files = sorted(manifest.files, key=lambda entry: entry.path)
    configs = [config for config in CONFIG_COLUMNS if any(entry.config == config for entry in files)]
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", CONFORMS_TO],
        "name": facts["title"],
        "description": abstract if notice is None else f"{abstract} {notice}",
        "license": LICENCE_URL,
        "url": url,
        "creator": [_creator(author) for author in facts["authors"]],
        "datePublished": date,
        "version": manifest.data_version,
        "keywords": facts["keywords"],
        "inLanguage": "en",
        "isBasedOn": PAPER_URL,
        **describe_use(card.CARD.read_text(encoding="utf-8"), PAPER_URL),
        "citeAs": f"{citation.dataset().to_bibtex()}\n\n{citation.PAPER.to_bibtex()}",
        "distribution": [
            *(_file_object(entry) for entry in files),
            *(_file_set(config) for config in configs if len(splits_of(config)) > 1),
        ],
        "recordSet": [_splits(), *(_record_set(config, manifest) for config in configs)],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _creator(author: Mapping[str, str]) -> dict[str, str]:
    if "name" in author:
        return {"@type": "sc:Organization", "name": author["name"]}
    return {"@type": "sc:Person", "name": f"{author['given-names']} {author['family-names']}"}


def _file_object(entry: ListedFile) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.name,
        "name": entry.name,
        "description": f"{entry.rows:,} rows of {entry.config}, {entry.split}",
        "contentUrl": entry.path,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": entry.sha256,
    }


def _file_set(config: str) -> dict[str, str]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "description": f"All files of {config}",
        "encodingFormat": PARQUET,
        "includes": f"{config}/{config}-*.parquet",
    }


def _splits() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Parts of every set, by sim_id alone; records(..., filters={'haloes/split': 'test'}) reads one",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
        ],
        "data": [{"splits/name": name, "splits/url": url} for name, url in _SPLITS.items()],
    }


def _record_set(config: str, manifest: Manifest) -> dict[str, Any]:
    entries = manifest.select(config)
    key = _KEYS.get(config, ("sim_id",))
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"{sum(entry.rows for entry in entries):,} {_CONTENT[config]}",
        "key": [{"@id": f"{config}/{name}"} for name in key] if len(key) > 1 else {"@id": f"{config}/{key[0]}"},
        "field": [_field(config, column, entries) for column in CONFIG_COLUMNS[config]],
    }


def _field(config: str, column: schema.Column, entries: list[ListedFile]) -> dict[str, Any]:
    unit = f" [{column.unit}]" if column.unit else ""
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{config}/{column.name}",
        "name": column.name,
        "description": column.description + unit,
    }
    field["dataType"] = _TYPES[column.base]
    if column.shape:
        field |= {"isArray": True, "arrayShape": ",".join(map(str, column.shape))}
    if len(splits_of(config)) == 1:
        return field | {"source": {"fileObject": {"@id": entries[0].name}, "extract": {"column": column.name}}}
    source: dict[str, Any] = {"fileSet": {"@id": f"{config}-files"}}
    if column.name == "split":
        # From the file's name, so that a reader who wants one split opens only its files.
        field["dataType"] = ["sc:Text", "cr:Split"]
        source["extract"] = {"fileProperty": "fullpath"}
        source["transform"] = {"regex": f"^{config}/{config}-({'|'.join(_SPLITS)}).*\\.parquet$"}
    else:
        source["extract"] = {"column": column.name}
    return field | {"source": source}
