"""What the dataset card derives from the schema: its YAML front matter and its tables of columns.

The front matter is what the Hugging Face Hub and `datasets.load_dataset` read. In the repository it is short; the card
of the published folder (`add_configs`) also lists the configs with their files, and the features, without which the
stars would load as nested lists, much more slowly. `refresh` rewrites these parts and leaves the text between them
unchanged.
"""

from __future__ import annotations

import re
from pathlib import Path

from generation.tables import CONFIG_COLUMNS, files_of, splits_of
from mwlmc_data.dataset import schema
from mwlmc_data.storage.writing import write_bytes
from mwlmc_data.validation import VALIDATION_COLUMNS

#: The card of the repository.
CARD = Path(__file__).resolve().parents[1] / "DATASET_CARD.md"

#: Config that is loaded if the user names none.
DEFAULT = "gaussian"

_HEAD = f"""\
license: {schema.LICENCE.lower()}
pretty_name: {schema.TITLE}
language:
- en
tags:
- arxiv:2507.10667
- astronomy
- astrophysics
- benchmark
- galactic-dynamics
- milky-way
- large-magellanic-cloud
- simulation
- simulation-based-inference
size_categories:
- 100K<n<1M
task_categories:
- tabular-regression
"""

#: Tables of columns in the card, by the words in their marker.
TABLES: dict[str, tuple[schema.Column, ...]] = {
    "the catalogues": schema.COLUMNS,
    "the haloes": schema.HALO_COLUMNS,
    "the validation cases": VALIDATION_COLUMNS,
}

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def write_front_matter() -> str:
    """Write the YAML front matter of the published card, with every config, its files and its features.

    Returns
    -------
    str
        Between two lines of three hyphens, with a newline at the end.
    """
    configs, infos = ["configs:\n"], ["dataset_info:\n"]
    first_with: dict[tuple[schema.Column, ...], str] = {}
    for config, columns in CONFIG_COLUMNS.items():
        configs.append(f"- config_name: {config}\n")
        if config == DEFAULT:
            configs.append("  default: true\n")
        configs.append("  data_files:\n")
        configs += [f"  - {{split: {split}, path: {files_of(config, split)}}}\n" for split in splits_of(config)]
        infos.append(f"- config_name: {config}\n")
        # A YAML anchor, so that the columns that the three catalogues share are written once.
        if columns in first_with:
            infos.append(f"  features: *{first_with[columns]}\n")
            continue
        first_with[columns] = config
        infos.append(f"  features: &{config}\n")
        infos += [f"  - {_describe_feature(column)}\n" for column in columns]
    return "".join(["---\n", _HEAD, *configs, *infos, "---\n"])


def _describe_feature(column: schema.Column) -> str:
    """Describe a column in the notation of `datasets`."""
    shape = list(column.shape)
    if len(shape) == 2:
        return f"{{name: {column.name}, dtype: {{array2_d: {{shape: {shape}, dtype: {column.base}}}}}}}"
    if shape:
        return f"{{name: {column.name}, list: {column.base}, length: {shape[0]}}}"
    return f"{{name: {column.name}, dtype: {column.base}}}"


def add_configs(card: str) -> str:
    """Give a card the front matter of the published folder in place of its own.

    Parameters
    ----------
    card : str
        A card, with or without front matter.

    Returns
    -------
    str
    """
    return write_front_matter() + _FRONT_MATTER.sub("", card)


def refresh(text: str) -> str:
    """Rewrite the derived parts of a card.

    Parameters
    ----------
    text : str
        A card, with or without front matter, with the markers of every table in `TABLES`.

    Returns
    -------
    str
        The card as it should be.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    text = f"---\n{_HEAD}---\n" + _FRONT_MATTER.sub("", text)
    for what, columns in TABLES.items():
        start, end = f"<!-- columns of {what} -->\n", "<!-- end of columns -->\n"
        if start not in text or end not in text.split(start, 1)[1]:
            raise ValueError(f"card = text without {start.strip()!r} and {end.strip()!r} after it: allowed is both")
        before, rest = text.split(start, 1)
        after = rest.split(end, 1)[1]
        text = f"{before}{start}{schema.markdown_table(columns)}{end}{after}"
    return text


def refresh_card(path: Path = CARD) -> bool:
    """Rewrite the derived parts of the card's file, where they have changed.

    Parameters
    ----------
    path : Path
        The card.

    Returns
    -------
    bool
        Whether the file has changed.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    before = path.read_text(encoding="utf-8")
    after = refresh(before)
    if after == before:
        return False
    write_bytes(path, after.encode())
    return True


def add_notice(card: str, notice: str) -> str:
    """Insert a notice at the top of a card, directly after its front matter.

    Parameters
    ----------
    card : str
        The text of the card.
    notice : str
        One line.

    Returns
    -------
    str
        The card with the notice.

    Raises
    ------
    ValueError
        If the card has no front matter.
    """
    match = _FRONT_MATTER.match(card)
    if match is None:
        raise ValueError("the card has no YAML front matter between two lines of three hyphens")
    return f"{match[0]}\n> **Notice**: {notice}\n\n{card[match.end() :]}"
