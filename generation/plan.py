"""What a generation run makes and where, and the settings that must not change before it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.dataset import schema
from mwlmc_data.priors import Prior
from mwlmc_data.storage.writing import create_file

if TYPE_CHECKING:
    import pyarrow as pa

#: Largest number of simulations in a run: the final table is assembled in memory, 3 GB at this size.
MAX_SIMULATIONS = 10_000_000


class RunMismatchError(ValueError):
    """The output folder belongs to a run with other settings."""


class DamagedRunError(RuntimeError):
    """The file with the settings of a run is damaged; the message names it and the remedy."""


class Run(Protocol):
    """What a run makes, and where: the protocol of the plans of the catalogue, the haloes and the live set."""

    @property
    def out(self) -> Path:
        """Folder of the run."""
    @property
    def pins_path(self) -> Path:
        """Where the settings that must not change are written."""
    @property
    def pins(self) -> dict[str, object]:
        """Those settings."""
    @property
    def metadata(self) -> Mapping[str, str]:
        """Facts about the run, for the metadata of every shard: set, seed and version."""
    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard."""
    @property
    def n_shards(self) -> int:
        """Number of shards."""
    def rows(self, shard: int) -> range | list[int]:
        """Values of sim_id in a shard."""
    def drawn(self, shard: int) -> Mapping[str, Any]:
        """Parameters of the simulations of a shard, arrays by name."""
    def shard_path(self, shard: int) -> Path:
        """Where a shard is written."""
    def hash_path(self, shard: int) -> Path:
        """Where the hash of a complete shard is written."""


class ShardFolder:
    """Where a run whose shards are numbered writes: the paths of `Plan` and `generation.live_set.LivePlan`."""

    out: Path

    def shard_path(self, shard: int) -> Path:
        """Where a shard is written."""
        return self.out / "shards" / f"{shard:05d}.parquet"

    def hash_path(self, shard: int) -> Path:
        """Where the hash of a complete shard is written."""
        return self.out / "shards" / f"{shard:05d}.parquet.sha256"

    @property
    def pins_path(self) -> Path:
        """Where the settings that must not change are written."""
        return self.out / "run.json"


@dataclass(frozen=True)
class Plan(ShardFolder):
    """What a run makes, and where.

    Parameters
    ----------
    out : Path
        Folder of the run.
    config : str
        Configuration of the prior.
    simulations : int
        Number of simulations, with sim_id from 0.
    seed : int
        Seed of the draws and of the simulations.
    shard_size : int
        Simulations in a shard.
    simulator_version : str
        Required version of the simulator.

    Raises
    ------
    ValueError
        If a number is out of range or the configuration is unknown.
    """

    out: Path
    config: str
    simulations: int
    seed: int
    shard_size: int
    simulator_version: str

    def __post_init__(self) -> None:
        Prior(self.config)
        as_whole("simulations", self.simulations, 1, MAX_SIMULATIONS)
        as_whole("shard_size", self.shard_size, 1)
        as_whole("seed", self.seed)

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.simulations // self.shard_size)

    def rows(self, shard: int) -> range:
        """Values of sim_id in a shard."""
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, self.simulations))

    @property
    def catalogue_path(self) -> Path:
        """Where the final file is written."""
        return self.out / f"{self.config}.parquet"

    @property
    def metadata(self) -> dict[str, str]:
        """Facts about the run, for the metadata of the files."""
        return {"config": self.config, "seed": str(self.seed), "simulator_version": self.simulator_version}

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard, with the metadata of the run."""
        return schema.arrow_schema(self.metadata)

    def drawn(self, shard: int) -> Mapping[str, Any]:
        """Parameters of the simulations of a shard, as they are drawn: arrays by name."""
        rows = self.rows(shard)
        draws = Prior(self.config).sample(len(rows), seed=self.seed, start=rows.start)
        return {name: draws[name].to_numpy() for name in schema.DRAWN}

    @property
    def pins(self) -> dict[str, object]:
        """Settings that must not change when a run continues; the number of simulations may grow."""
        return {
            **self.metadata,
            "shard_size": self.shard_size,
            "schema": {c.name: f"{c.dtype} {c.unit}".strip() for c in schema.COLUMNS},
        }


def is_pinned(run: Run) -> bool:
    """Compare a run with the settings in its folder.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    bool
        Whether the folder has settings, which are then those of the run.

    Raises
    ------
    RunMismatchError
        If the settings are those of another run.
    DamagedRunError
        If the settings cannot be read.
    """
    found = _read_pins(run.pins_path)
    if found is None:
        return False
    refuse_differences(run, run.pins, found, str(run.out))
    return True


def pin_run(run: Run) -> None:
    """Write the settings of a new run; of several runs that start at once in one folder, one succeeds.

    Parameters
    ----------
    run : Run
        The run; its folder exists.

    Raises
    ------
    RunMismatchError
        If the folder belongs to a run with other settings.
    DamagedRunError
        If its settings cannot be read.
    WriteError
        If the disk is full or read-only.
    """
    if not create_file(run.pins_path, (json.dumps(run.pins, indent=2) + "\n").encode()):
        is_pinned(run)


def _read_pins(path: Path) -> dict[str, Any] | None:
    """Read the settings of a run; None if there are none."""
    try:
        found = json.loads(path.read_bytes().decode())
        if not isinstance(found, dict):
            raise ValueError(f"{type(found).__name__} instead of names and values")
    except FileNotFoundError:
        return None
    except (ValueError, IsADirectoryError, RecursionError) as error:
        raise DamagedRunError(
            f"{path} does not hold the settings of a run ({error}). Remove it and run the same command again: "
            "finished shards are recognised and kept."
        ) from error
    return found


def refuse_differences(run: Run, wanted: Mapping[str, Any], found: Mapping[str, Any], what: str) -> None:
    """Raise RunMismatchError if settings differ from those of the run.

    Parameters
    ----------
    run : Run
        The run.
    wanted, found : mapping
        Its settings, and those found, of which only the wanted ones count.
    what : str
        What holds the settings, for the message.
    """
    differences = [
        f"{name} is {_show_setting(found.get(name), value)} there and {_show_setting(value, found.get(name))} now"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if differences:
        raise RunMismatchError(
            f"{what} belongs to a run with other settings: {'; '.join(differences)}. "
            "Continue that run with its own settings, or choose another folder."
        )


def refuse_other_draws(run: Run, shard: int, table: pa.Table, path: Path) -> None:
    """Raise RunMismatchError unless the rows of a shard have the parameters that the run draws."""
    drawn = run.drawn(shard)
    other = [name for name, values in drawn.items() if not np.array_equal(table[name].to_numpy(), values)]
    if other:
        raise RunMismatchError(
            f"{path} holds other parameters than {run.metadata} draws: {', '.join(other)} differ. Remove it and run "
            "the same command again, or choose another folder."
        )


def _show_setting(value: object, other: object) -> str:
    """Write a setting for an error; of two schemas only what the other lacks."""
    if isinstance(value, dict) and isinstance(other, dict):
        return repr({name: what for name, what in value.items() if other.get(name) != what})
    return repr(value)
