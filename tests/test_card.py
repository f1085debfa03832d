"""The dataset card tells what the package does."""

import re

import mwlmc_data as mw
from mwlmc_data import release, schema


def test_columns_are_the_schemas(repository):
    card = (repository / "DATASET_CARD.md").read_text()
    table = re.search(r"<!-- columns: .*? -->\n(.*?)\n<!-- end of columns -->", card, re.DOTALL).group(1)
    assert table.strip() == schema.markdown_table().strip()


def test_version_and_size_are_the_embedded_files(repository):
    card = (repository / "DATASET_CARD.md").read_text()
    assert f"| Version | {release.DATA_VERSION} |" in card
    assert f"`gaussian`: {len(mw.load_catalogue()):,} simulations" in card
