"""The metadata of a Zenodo deposit, as `.zenodo.json` holds them and the deposit API takes them.

Fields and their legal values: https://developers.zenodo.org/#representation. There is no DOI before the deposit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.store import Manifest

NAME = ".zenodo.json"


def describe(manifest: Manifest, facts: Mapping[str, Any], notice: str | None = None) -> str:
    """Write the metadata.

    Parameters
    ----------
    manifest : Manifest
        The data files.
    facts : mapping
        Content of CITATION.cff: title, abstract, authors and keywords.
    notice : str, optional
        What the folder lacks, in a sentence.

    Returns
    -------
    str
        JSON, the same for the same arguments.
    """
    content = {
        "upload_type": "dataset",
        "title": facts["title"],
        "description": _write_description(facts, notice),
        "creators": [_creator(author) for author in facts["authors"]],
        "access_right": "open",
        "license": schema.LICENCE.lower(),
        "version": manifest.data_version,
        "language": "eng",
        "keywords": facts["keywords"],
        "related_identifiers": [
            {"identifier": "arXiv:2507.10667", "relation": "references", "resource_type": "publication-preprint"}
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _write_description(facts: Mapping[str, Any], notice: str | None) -> str:
    """Write the description in HTML, as the service expects it."""
    paragraphs = [
        " ".join(facts["abstract"].split()),
        "README.md is the dataset card: what the files hold, how they were made, their columns, uses and limits. "
        "SHA256SUMS and manifest.json list every file with its hash. A Parquet file's name begins with that of its "
        "folder: gaussian-test.parquet belongs in gaussian.",
    ]
    if notice is not None:
        paragraphs.append(notice)
    return "".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)


def _creator(author: Mapping[str, str]) -> dict[str, str]:
    if "name" in author:
        return {"name": author["name"]}
    creator = {"name": f"{author['family-names']}, {author['given-names']}"}
    if "orcid" in author:
        creator["orcid"] = author["orcid"].rsplit("/", 1)[-1]
    return creator
