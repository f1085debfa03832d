"""Responsible use of the data, for their Croissant description: what the card says, under the names of Croissant RAI.

The properties are those of Croissant RAI 1.0 (http://mlcommons.org/croissant/RAI/1.0), with the statement on synthetic
data and the provenance (PROV-O) that NeurIPS asks of a data set.
"""

from __future__ import annotations

import re
from typing import Any

CONFORMS_TO = "http://mlcommons.org/croissant/RAI/1.0"
#: What NeurIPS asks for.
REQUIRED = (
    "rai:dataLimitations",
    "rai:dataBiases",
    "rai:personalSensitiveInformation",
    "rai:dataUseCases",
    "rai:dataSocialImpact",
    "rai:hasSyntheticData",
    "prov:wasDerivedFrom",
    "prov:wasGeneratedBy",
)

_BULLET = re.compile(r"^- ", re.MULTILINE)
_SAID = {
    "Biases": "rai:dataBiases",
    "Personal and sensitive information": "rai:personalSensitiveInformation",
    "Social impact": "rai:dataSocialImpact",
}


def describe_use(card: str, derived_from: str) -> dict[str, Any]:
    """Take the statements on responsible use from the dataset card.

    Parameters
    ----------
    card : str
        Text of the card, with the sections "How a row was made", "Uses and limits", "People and society" and
        "Versions and errata".
    derived_from : str
        Address of the work that the data follow.

    Returns
    -------
    dict
        Properties of Croissant; text without line breaks.

    Raises
    ------
    ValueError
        If the card lacks a section or a statement.
    """
    making, limits = _get_section(card, "How a row was made"), _get_section(card, "Uses and limits")
    uses, *limitations = _BULLET.split(limits)
    method = _join(making.strip().split("\n\n")[0])
    statements = dict(_split_statement(text) for text in _BULLET.split(_get_section(card, "People and society"))[1:])
    if missing := [name for name in _SAID if name not in statements]:
        raise ValueError(f"People and society = {', '.join(statements)}: allowed is also {', '.join(missing)}")
    return {
        "rai:dataCollection": method,
        "rai:dataCollectionType": "Software Collection",
        "rai:dataUseCases": _join(uses),
        "rai:dataLimitations": [_join(text) for text in limitations],
        **{_SAID[name]: statements[name] for name in _SAID},
        "rai:dataReleaseMaintenancePlan": _join(_get_section(card, "Versions and errata")),
        "rai:hasSyntheticData": True,
        "prov:wasDerivedFrom": derived_from,
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "prov:label": "Simulation", "sc:description": method},
    }


def _get_section(card: str, title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    if match is None:
        raise ValueError(f"sections of the card = without {title!r}: allowed is a card that has it")
    return match[1]


def _split_statement(text: str) -> tuple[str, str]:
    name, _, rest = _join(text).removeprefix("**").partition(".** ")
    return name, rest


def _join(text: str) -> str:
    return " ".join(text.split())
