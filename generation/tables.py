"""The configs of a release, their columns and files."""

from __future__ import annotations

import pyarrow as pa

from mwlmc_data.dataset import live_tables, release, schema
from mwlmc_data.scoring import ladders, references
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.validation import VALIDATION_COLUMNS, validation_table

#: Columns of every config of the published folder.
CONFIG_COLUMNS: dict[str, tuple[schema.Column, ...]] = {
    **dict.fromkeys(release.CATALOGUE_SEEDS, schema.COLUMNS),
    "haloes": schema.HALO_COLUMNS,
    "validation": VALIDATION_COLUMNS,
    **references.list_embedded(),
    "shift": ladders.COLUMNS,
    **live_tables.list_embedded(),
}
#: Configs of reference posteriors.
REFERENCES = tuple(references.list_embedded())
#: Configs of live galaxies: none before the set `live` is embedded.
LIVE = tuple(live_tables.list_embedded())
#: Configs that have only a test split, in one file each.
TEST_ALONE = ("validation", *REFERENCES, "shift", *LIVE)


def splits_of(config: str) -> tuple[str, ...]:
    """List the splits of a config: the validation cases and the benchmark's files have only a test split.

    So have the tables of live galaxies, which nothing is trained on; their own column `split` tells the calibration
    rows.
    """
    return ("test",) if config in TEST_ALONE else schema.SPLITS


def files_of(config: str, split: str) -> str:
    """Return the path of a split's file in the published folder; for haloes, a glob pattern of paths."""
    return f"{config}/{config}-{split}{'-*' if config == 'haloes' else ''}.parquet"


def read_split(config: str, split: str) -> pa.Table:
    """Read one split of a config other than the haloes, with the metadata of the whole config.

    Parameters
    ----------
    config, split : str
        Such as "gaussian" and "test".

    Returns
    -------
    pyarrow.Table
        In the order of sim_id.

    Raises
    ------
    DamagedFileError
        If the embedded file is not the one of the release.
    RuntimeError
        If its columns are not those of the schema, or no such file is embedded.
    """
    if config == "validation":
        return validation_table()
    if config in TEST_ALONE:
        path = embedded.verify_file(config)
        if path is None:
            raise RuntimeError(f"config = {config!r}: allowed is one whose file is embedded in the package")
        return parquet.read_table(path)
    table = parquet.read_table(release.verify_embedded(config), filters=[("split", "=", split)])
    if not table.schema.equals(schema.arrow_schema(), check_metadata=False):
        raise RuntimeError(f"the embedded {config} set has other columns than the schema: {table.schema.names}")
    return table
