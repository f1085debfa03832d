"""What a run of the generation makes and where, and the settings that it may not change half way."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mwlmc_data import schema
from mwlmc_data.priors import Prior

if TYPE_CHECKING:
    from generation.shards import Run

STALE = 3600.0
"""Age [s] from which a half-written file is nobody's any more: writing one takes seconds."""


class RunMismatchError(ValueError):
    """The output folder belongs to a run with other settings."""


@dataclass(frozen=True)
class Plan:
    """What a run makes and where.

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
        Version that the simulator must have.

    Raises
    ------
    ValueError
        If a number is out of its range or the configuration is unknown.
    """

    out: Path
    config: str
    simulations: int
    seed: int
    shard_size: int
    simulator_version: str

    def __post_init__(self) -> None:
        Prior(self.config)
        for name, value, least in (("simulations", self.simulations, 1), ("shard_size", self.shard_size, 1)):
            if value < least:
                raise ValueError(f"{name} {value!r} is not allowed: at least {least}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed {self.seed!r} is not allowed: from 0 to {2**63 - 1}")

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.simulations // self.shard_size)

    def rows(self, shard: int) -> range:
        """Values of sim_id in a shard."""
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, self.simulations))

    def shard_path(self, shard: int) -> Path:
        """Where a shard is written."""
        return self.out / "shards" / f"{shard:05d}.parquet"

    def hash_path(self, shard: int) -> Path:
        """Where the hash of a shard is written once it is whole."""
        return self.out / "shards" / f"{shard:05d}.parquet.sha256"

    @property
    def pins_path(self) -> Path:
        """Where the settings are written down that the run may not change."""
        return self.out / "run.json"

    @property
    def catalogue_path(self) -> Path:
        """Where the final file is written."""
        return self.out / f"{self.config}.parquet"

    @property
    def metadata(self) -> dict[str, str]:
        """Facts about the run that the files carry."""
        return {"config": self.config, "seed": str(self.seed), "simulator_version": self.simulator_version}

    @property
    def pins(self) -> dict[str, object]:
        """What must stay the same when a run continues; the number of simulations may grow."""
        return {
            **self.metadata,
            "shard_size": self.shard_size,
            "schema": {c.name: f"{c.dtype} {c.unit}".strip() for c in schema.COLUMNS},
        }


def pin_run(plan: Run) -> None:
    """Write down the settings of a new run, or compare with those of the run that the folder holds.

    Parameters
    ----------
    plan : Run
        The run; its folder exists.

    Raises
    ------
    RunMismatchError
        If the folder belongs to a run with other settings.
    """
    path = plan.pins_path
    if not path.exists():
        replace_file(
            path,
            lambda temporary: temporary.write_text(json.dumps(plan.pins, indent=2) + "\n", encoding="utf-8"),
        )
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    differences = [
        f"{name} is {_told(found.get(name), value)} there and {_told(value, found.get(name))} now"
        for name, value in plan.pins.items()
        if found.get(name) != value
    ]
    if differences:
        raise RunMismatchError(
            f"{plan.out} holds a run with other settings: {'; '.join(differences)}. "
            "Continue it with its own settings, or choose another folder."
        )


def _told(value: object, other: object) -> str:
    """Name a setting in an error; of two schemas only what the other lacks."""
    if isinstance(value, dict) and isinstance(other, dict):
        return repr({name: what for name, what in value.items() if other.get(name) != what})
    return repr(value)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside a file and rename over it, so that it is never seen half written.

    Several processes, also of several machines, may do this for one file at once: the last one's stays.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    write : callable
        Writes the file at the path that it is given.
    """
    # A name of its own: a worker that was given up for dead may be writing the same file.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that killed processes left in a folder, once they are old.

    Parameters
    ----------
    folder : Path
        Where `replace_file` was used.
    """
    for temporary in folder.glob("*.tmp"):
        try:
            if time.time() - temporary.stat().st_mtime > STALE:
                temporary.unlink()
        except FileNotFoundError:
            continue  # it was renamed meanwhile, or another run removed it
