"""The table of simulations, embedded in the package.

The file is Parquet, checked against its hash before it is read; only the requested columns and split are decoded.
Licence of the data: CC-BY-4.0; source: simulations after Brooks et al. 2025 (arXiv:2507.10667).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from mwlmc_data.arguments.arrays import as_choice, as_names, as_whole
from mwlmc_data.dataset import live_tables, schema
from mwlmc_data.dataset.release import DATA_VERSION, get_entry, verify_embedded
from mwlmc_data.dataset.store import describe_store, open_local_store
from mwlmc_data.storage import parquet
from mwlmc_data.storage.homes import allow_no_home

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import pandas as pd
    import polars
    import pyarrow as pa
    import torch
    from astropy.table import QTable


@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    format: Literal["pandas"] = "pandas",
    budget: int | None = None,
) -> pd.DataFrame: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["arrow"],
    budget: int | None = None,
) -> pa.Table: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["datasets"],
    budget: int | None = None,
) -> datasets.Dataset: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["torch"],
    budget: int | None = None,
) -> dict[str, torch.Tensor]: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["numpy"],
    budget: int | None = None,
) -> dict[str, np.ndarray]: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["astropy"],
    budget: int | None = None,
) -> QTable: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    *,
    format: Literal["polars"],
    budget: int | None = None,
) -> polars.DataFrame: ...
@overload
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    format: str = "pandas",
    budget: int | None = None,
) -> Any: ...
def load_catalogue(
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] | None = None,
    version: str | None = None,
    format: str = "pandas",
    budget: int | None = None,
) -> Any:
    """Load the table of simulations, one row per simulation.

    Parameters
    ----------
    split : str, optional
        "train", "validation" or "test", by `schema.split_of` of sim_id; all three by default. Of the set "live",
        "calibration" or "test".
    config : str
        Set of simulations: "gaussian" (Table 1 of the paper), "flat" (its section 6.2) or "wide" (ours); "live" has
        eight haloes of each of some hundred deforming galaxies (`load_live_truths`), where the package embeds it. Its
        `log10_lambda_df` was the first guess of a start, and is no truth.
    columns : sequence of str, optional
        Names of columns, in the wanted order; all by default. `schema.COLUMNS` gives their units and meaning. An older
        version of the data may have fewer columns.
    version : str, optional
        Version of the data; the package's own by default, or one that was fetched.
    format : str
        "pandas", "arrow", "datasets", "torch", "numpy", "astropy" or "polars".
    budget : int, optional
        Number of simulations to take from the start of the training split: 1,000, 10,000 or 100,000
        (`schema.BUDGETS`). Each budget includes the smaller ones.

    Returns
    -------
    pandas.DataFrame, pyarrow.Table, datasets.Dataset, astropy.table.QTable, polars.DataFrame, or dict of str to \
torch.Tensor or numpy.ndarray
        Rows in the order of sim_id; real columns float32, counts int32. Text columns are left out of "torch". In the
        table of astropy the real columns are quantities, and each column has its description and UCD.

    Raises
    ------
    ValueError
        If a split, configuration, column, version, format or budget is unknown, the version of the data lacks a column,
        a text column is requested as a tensor, or a budget is given for another split or exceeds the set.
    DamagedFileError
        If a file is missing or is not that of the release.
    FileNotFoundError
        If the files of another version were not fetched.
    ModuleNotFoundError
        If the format needs a library that is not installed.

    Examples
    --------
    >>> table = load_catalogue("test", columns=["m_lmc", "v_travel"])    # doctest: +SKIP
    """
    as_choice("format", format, tuple(_CONVERTERS))
    if split is not None:
        as_choice("split", split, live_tables.SPLITS if config == live_tables.NAME else schema.SPLITS)
    budget = None if budget is None else as_whole("budget", budget)
    if budget is not None and (split != "train" or budget not in schema.BUDGETS):
        allowed = ", ".join(map(str, schema.BUDGETS))
        raise ValueError(f"budget = {budget} of the split {split!r}: allowed is one of {allowed}, of the split 'train'")
    names = _check_columns(columns, format)
    table = _read(config, version, split, names, is_whole=columns is None)
    if budget is not None and budget > table.num_rows:
        raise ValueError(f"budget = {budget}: allowed are at most {table.num_rows} for the {config} set")
    return _CONVERTERS[format](table if budget is None else table.slice(0, budget))


def _read(config: str, version: str | None, split: str | None, names: list[str], is_whole: bool) -> pa.Table:
    import pyarrow as pa

    if version in (None, DATA_VERSION):
        filters = None if split is None else [("split", "=", split)]
        is_live = config == live_tables.NAME
        path = live_tables.verify_table() if is_live else verify_embedded(config, version)
        return parquet.read_table(path, columns=names, filters=filters)
    paths = _find_fetched(config, version, split)
    with parquet.open_file(paths[0]) as file:
        present = file.schema_arrow.names
    missing = [name for name in names if name not in present]
    if missing and not is_whole:
        raise ValueError(
            f"columns = {', '.join(missing)}: allowed in data version {version} are {', '.join(present)}"
        )
    names = [name for name in names if name in present]
    if len(paths) == 1:
        return parquet.read_table(paths[0], columns=names)
    # the files of the published folder are by split: their rows go back into the order of sim_id
    tables = [parquet.read_table(path, columns=list(dict.fromkeys(["sim_id", *names]))) for path in paths]
    return pa.concat_tables(tables).sort_by("sim_id").select(names)


def _find_fetched(config: str, version: str, split: str | None) -> list[Path]:
    """Files of another version than the embedded one, in the local store."""
    get_entry(config, version)
    home = open_local_store(version)
    present = [] if home is None else home.list_present(config, split)
    if home is None or len(present) < len(home.manifest.select(config, split)):
        raise FileNotFoundError(
            f"the {config} set of data version {version} is not in this package, which embeds {DATA_VERSION}, and not "
            f"whole in {describe_store(version)}: get it with `mwlmc fetch {config} --version {version}`"
        )
    return [home.verify(entry) for entry in present]


def _check_columns(columns: Sequence[str] | None, format: str) -> list[str]:
    if columns is None:
        return [c.name for c in schema.COLUMNS if format != "torch" or c.dtype != "string"]
    names = [schema.get_column(name).name for name in as_names("columns", columns)]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"columns = {names!r}: allowed is at least one name, each once")
    text = [name for name in names if name in schema.TEXT]
    if format == "torch" and text:
        raise ValueError(
            f"columns = {text!r}: allowed are numeric columns for the format 'torch', as a tensor cannot hold text"
        )
    return names


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas()


def _to_arrow(table: pa.Table) -> pa.Table:
    return table


def _to_datasets(table: pa.Table) -> datasets.Dataset:
    allow_no_home("HF_HOME")
    import datasets

    return datasets.Dataset(datasets.table.InMemoryTable(table))


def _to_numpy(table: pa.Table) -> dict[str, np.ndarray]:
    arrays = {name: table[name].to_numpy() for name in table.column_names}
    return {name: array.astype(str) if name in schema.TEXT else array for name, array in arrays.items()}


def _to_torch(table: pa.Table) -> dict[str, torch.Tensor]:
    import torch

    # Arrow's memory is read-only and tensors are not: each column is copied once.
    return {name: torch.from_numpy(table[name].to_numpy().copy()) for name in table.column_names}


def _to_astropy(table: pa.Table) -> QTable:
    from astropy.table import Column, QTable
    from astropy.units import Quantity

    found = QTable(meta=parquet.decode_facts(table.schema))
    for name, values in _to_numpy(table).items():
        said = schema.get_column(name)
        is_real = said.dtype == "float32"
        found[name] = Quantity(values, said.unit, dtype=values.dtype) if is_real else Column(values)
        found[name].info.description, found[name].info.meta = said.description, {"ucd": said.ucd}
    return found


def _to_polars(table: pa.Table) -> polars.DataFrame:
    try:
        import polars
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("format = 'polars' needs the package polars: pip install polars") from error
    return polars.from_arrow(table)


_CONVERTERS: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": _to_pandas,
    "arrow": _to_arrow,
    "datasets": _to_datasets,
    "torch": _to_torch,
    "numpy": _to_numpy,
    "astropy": _to_astropy,
    "polars": _to_polars,
}
