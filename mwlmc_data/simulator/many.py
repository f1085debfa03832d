"""Many simulations: from a table of parameters to a table of catalogue rows, in one process or several."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_flag, as_seed, as_whole
from mwlmc_data.arguments.tabular import get_index
from mwlmc_data.dataset import schema
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.engines.lanes import check_arrival
from mwlmc_data.simulator.engines.start import start_stars
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, rounded_limits
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.rows import read_table
from mwlmc_data.simulator.simulation import build_simulation, compile_kernels, run_simulation
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.workers import count_processes, start_pool

if TYPE_CHECKING:
    import pandas as pd

#: A simulation to run: its parameters with its sim_id, seed, n_stars, engine.
Job = tuple[dict[str, Any], int, int, str]

#: Stars that a process handles at a time, in complete simulations: 64 of a catalogue, enough to fill a GPU.
_BATCH = 64 * const.N_STARS


def simulate_many(
    parameters_table: Any,
    seed: int = 0,
    n_stars: int = const.N_STARS,
    engine: str = "auto",
    workers: int | None = None,
    progress: bool = True,
    derived: str = "checked",
) -> pd.DataFrame:
    """Simulate every row of a table of parameters.

    Parameters
    ----------
    parameters_table : table
        One simulation per row, with the fields of :class:`Parameters` as columns (draws of ``Prior``, a catalogue, or
        the LMC as x_lmc ... vz_lmc); missing columns take their default. A pandas.DataFrame, a table of arrow, polars,
        astropy or datasets, a structured array, a mapping of names to columns, or a list of rows; units are converted.
        A column `sim_id`, or a level of a pandas index, keys each row's random stream; the default is 0, 1, 2 ...
        The other columns of a catalogue, which are results, are ignored. Parameters are rounded to float32, as stored
        in a catalogue.
    seed : int
        The catalogue's seed.
    n_stars, engine
        As for :func:`simulate`.
    workers : int, optional
        Number of processes; by default all cores for more than a few rows, but none inside another library's worker (a
        pool, Dask, a torch loader). 1 stays in this process.
    progress : bool
        Show a progress bar on standard error.
    derived : {"checked", "given"}
        What counts if `c200` or `a_lmc` does not follow from the masses in its row. ``"checked"``: in a table with
        results of a simulation, such as a catalogue, a mass must have been changed, so they are computed again, with a
        warning; in a table without results, `c200` counts as given, as in :class:`Parameters`, and an `a_lmc` that
        contradicts m_lmc_8p7 is an error. ``"given"``: both count as given, and m_lmc_8p7 is computed from a_lmc.

    Returns
    -------
    pandas.DataFrame
        One row per simulation, in the order of the table and with the index of a pandas table; every column of the
        schema except `split`. Real numbers are float32; `sim_id` is int64 if one does not fit into int32.

    Raises
    ------
    ValueError
        If a column is unknown or missing; a cell is empty, masked or not a number; the LMC's present day is given twice
        and it is unclear which was changed; the parameters of a row are not allowed; `sim_id` repeats; or a shell holds
        too few stars. The message names the column and the row, or the row's sim_id. All but the last are found before
        the first simulation.
    RuntimeError
        If a simulation cannot be computed; the message names its sim_id and parameters.

    Warns
    -----
    UserWarning
        If a derived value, or one of the two forms of the LMC's present day, does not follow from the changed columns.

    Examples
    --------
    >>> table = {"m200_mw": [9.1e11, 1.2e12], "m_lmc": [2.3e11, 1.5e11], "log10_lambda_df": [0.7, 0.0]}
    >>> made = simulate_many(table, n_stars=1000, workers=1, progress=False)
    >>> made["sim_id"].tolist(), round(float(made["a_lmc"][0]), 1)
    ([0, 1], 23.3)
    """
    from tqdm import tqdm

    if workers is not None:
        workers = as_whole("workers", workers, minimum=1)
    n_stars, seed = as_whole("n_stars", n_stars, minimum=1), as_seed("seed", seed)
    progress = bool(as_flag("progress", progress))
    registry.get(engine)
    rows, ids = read_table("parameters_table", parameters_table, derived)
    ids = np.arange(len(rows)) if ids is None else ids
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"sim_id = {values[counts > 1][0]} repeats: allowed is each once")
    jobs: list[Job] = [
        ({"sim_id": sim_id, **row}, seed, n_stars, engine) for sim_id, row in zip(ids.tolist(), rows, strict=True)
    ]
    _refuse_beyond_limits(jobs)
    count = count_processes(workers, len(rows) // 8 if workers is None else len(rows))
    results = tqdm(_map(jobs, count, n_stars), total=len(jobs), disable=not progress, unit="sim", desc="simulate")
    table = _as_table(list(results))
    index = get_index(parameters_table)
    return table if index is None else table.set_index(index)


def _refuse_beyond_limits(jobs: list[Job]) -> None:
    """Raise the error of the first simulation that is not allowed, before any starts."""
    for row, *_ in jobs:
        allowed = all(low <= row[name] <= high for name in row.keys() & LIMITS for low, high in [rounded_limits(name)])
        if not allowed or row.get("m_lmc_8p7", 0.0) >= row["m_lmc"]:
            with name_errors(row):
                job_parameters(row)


def _map(jobs: list[Job], workers: int, n_stars: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the jobs in order, computed by this many processes."""
    size = max(1, min(_BATCH // n_stars, len(jobs) // (4 * max(workers, 1))))
    batches = [jobs[i : i + size] for i in range(0, len(jobs), size)]
    if workers <= 1:
        yield from itertools.chain.from_iterable(map(simulate_rows, batches))
        return
    compile_kernels()
    with start_pool(workers) as pool:
        try:
            yield from itertools.chain.from_iterable(pool.map(simulate_rows, batches))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def simulate_rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Compute catalogue rows of jobs that share an engine and a number of stars; errors name the sim_id."""
    move = registry.get_together(jobs[0][3])
    if move is None:
        return [simulate_row(job) for job in jobs]
    started = []
    for row, seed, n_stars, _ in jobs:
        with name_errors(row):
            parameters = job_parameters(row)
            started.append((parameters, *start_stars(parameters, n_stars, halo_stream(seed, row["sim_id"]))))
    moved = move([stars for *_, stars in started], [field for _, _, field, _ in started])
    rows = []
    for (row, seed, n_stars, _), (parameters, orbit, *_), stars in zip(jobs, started, moved, strict=True):
        with name_errors(row):
            check_arrival(stars)
            rows.append(build_simulation(parameters, seed, row["sim_id"], orbit, stars).row(n_stars))
    return rows


def simulate_row(job: Job) -> dict[str, Any]:
    """Catalogue row of one job; errors name the sim_id."""
    row, seed, n_stars, engine = job
    with name_errors(row):
        return run_simulation(job_parameters(row), seed, n_stars, engine, row["sim_id"], outskirts=True).row(n_stars)


@contextlib.contextmanager
def name_errors(row: Mapping[str, Any]) -> Iterator[None]:
    """Within this context errors name the sim_id of the row, and its parameters."""
    try:
        yield
    except (ValueError, RuntimeError, FloatingPointError) as error:
        drawn = {name: value for name, value in row.items() if name != "sim_id"}
        raise type(error)(f"sim_id = {row['sim_id']} cannot be simulated: {error}; its row is {drawn}") from error


def job_parameters(row: Mapping[str, Any]) -> Parameters:
    """Parameters of a job, as a catalogue stores them."""
    return stored_precision(Parameters(**{name: value for name, value in row.items() if name != "sim_id"}))


def stored_precision(parameters: Parameters) -> Parameters:
    """The same parameters as a catalogue stores them, in float32 (what is simulated is what is stored)."""
    values = {k: float(np.float32(v)) for k, v in parameters.to_numbers().items() if k not in CARTESIAN_NAMES}
    return Parameters(**values, physics=parameters.physics)  # type: ignore[arg-type]


def _as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns in the schema's order and types."""
    import pandas as pd

    columns = [c for c in schema.COLUMNS if c.name != "split"]
    table = pd.DataFrame(rows, columns=[c.name for c in columns])
    types = {c.name: c.dtype for c in columns if c.dtype != "string"}
    if len(table) and table["sim_id"].max() > np.iinfo(types["sim_id"]).max:
        types["sim_id"] = "int64"
    return table.astype(types)
