"""A cheap stand-in for the simulator, which worker processes can import, and runs of `generation` with it."""

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from generation.catalogue import make_catalogue
from generation.plan import Plan
from mwlmc_data.dataset import schema

VERSION = "stand-in-1"


@dataclasses.dataclass(frozen=True)
class StandInSimulator:
    """Makes up results from the row and the seed, and records which rows it made.

    It waits `delay` seconds per call, fails at `fails_at`, returns NaN at `nan_at`, kills its process at `dies_at`,
    and cannot write at `full_at`.
    """

    calls: Path
    delay: float = 0.0
    fails_at: int | None = None
    nan_at: int | None = None
    dies_at: int | None = None
    full_at: int | None = None

    def __call__(self, draws, seed):
        time.sleep(self.delay)
        with open(self.calls, "a") as calls:
            calls.write("".join(f"{i}\n" for i in draws["sim_id"]))
        frame = pd.DataFrame([self._row(row, seed) for row in draws.to_dict("records")])
        return frame.astype({c.name: c.dtype for c in schema.COLUMNS if c.name in frame and c.dtype != "string"})

    def _row(self, row, seed):
        sim_id = row["sim_id"]
        if sim_id == self.fails_at:
            raise ValueError(f"sim_id = {sim_id} cannot be simulated; its row is {row}")
        if sim_id == self.dies_at:
            os._exit(1)
        if sim_id == self.full_at:
            raise OSError("no space left on device")
        numbers = np.random.default_rng([seed, sim_id]).normal(size=len(schema.COLUMNS))
        made = dict(zip(schema.CATALOGUE_NAMES, numbers * 100, strict=True)) | row
        if sim_id == self.nan_at:
            made["v_travel"] = np.nan
        made["simulator_version"] = VERSION
        del made["split"]
        return made

    def but(self, **changes):
        """A copy with other settings."""
        return dataclasses.replace(self, **changes)

    def made(self):
        """Return the simulations made since the last call, in order."""
        made = [int(line) for line in self.calls.read_text().split()] if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return sorted(made)


def plan_for(out, **changes):
    settings = {"config": "gaussian", "simulations": 50, "seed": 20250710, "shard_size": 16}
    return Plan(out=out, **({"simulator_version": VERSION} | settings | changes))


def make(plan, stand_in, workers=1, **options):
    return make_catalogue(plan, stand_in, workers=workers, progress=False, **options)


def finished_shards(out):
    return sorted(int(path.name[:5]) for path in (out / "shards").glob("*.sha256"))


def rows_of(shards, shard_size=4, simulations=50):
    return {i for s in shards for i in range(shard_size * s, min(shard_size * (s + 1), simulations))}


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"in {seconds} s there was no sign of this: {what}")
        time.sleep(0.02)


def wait_for_shards(out, process, at_least=2):
    """Wait until a running process has finished that number of shards."""

    def are_there():
        assert process.poll() is None, process.communicate()
        return len(finished_shards(out)) >= at_least

    wait_for(are_there, f"{at_least} shards in {out}")
