"""What the simulations of the set `live` truly are: their masses in time, frictions and misses, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mwlmc_data.dataset import live_tables
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import DATA_DIR

if TYPE_CHECKING:
    import pandas as pd

#: Folder of the files of the runs, in the repository and in the local store; they are too large for the package.
FOLDER = "live_runs"
REPOSITORY_RUNS = DATA_DIR.parents[1] / "generation" / FOLDER


def name_run(live_id: int) -> str:
    """Name of the file of a simulation."""
    return f"live-{live_id:05d}.npz"


def verify_run(path: Path, sha256: str) -> Path:
    """Check the file of a run against its hash, which is `run_sha256` of the table of simulations.

    Raises
    ------
    DamagedFileError
        If the file is missing or has another hash.
    """
    found = sha256_of(path) if path.is_file() else "no such file"
    if found != sha256:
        way = f"Take it from the repository, `git checkout -- generation/{FOLDER}`: a chaotic run cannot be made again"
        raise DamagedFileError(path, f"SHA-256 {sha256}", found, way)
    return path


def load_run_hashes() -> dict[int, str]:
    """Load the hash of the file of each run, by the number of its simulation; errors as for `load_live_truths`."""
    table = _read(f"{live_tables.NAME}-simulations")
    return dict(zip(table["live_id"].tolist(), table["run_sha256"].tolist(), strict=True))


def load_live_truths() -> pd.DataFrame:
    """Load what a row of a rigid simulation does not have, a row for each live simulation.

    The haloes themselves are ``load_catalogue(config="live")``; the simulation of a halo is ``sim_id // 8``.

    Returns
    -------
    pandas.DataFrame
        Columns of :data:`mwlmc_data.dataset.live_tables.TRUTHS` [Msun, km/s, kpc]: `live_id`, `split`, masses of the
        LMC at the start and today, of the Milky Way today, the disc's velocity, the miss and the hash of the run's
        file; and those of the friction that fits the orbit, `log10_lambda_df`, `rms_position` and `rms_velocity`, NaN
        where none does.

    Raises
    ------
    ValueError
        If this package does not embed the set.
    DamagedFileError
        If a file is missing or is not the embedded one.
    """
    truths, frictions = (_read(f"{live_tables.NAME}-{name}") for name in ("simulations", "frictions"))
    return truths.merge(frictions, how="left", on="live_id")


def load_live_misses() -> pd.DataFrame:
    """Load the drawn parameters of the simulations whose LMC missed, and why; errors as for `load_live_truths`."""
    return _read(f"{live_tables.NAME}-misses")


def _read(name: str) -> pd.DataFrame:
    return parquet.read_table(live_tables.verify_table(name)).to_pandas()
