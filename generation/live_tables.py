"""The tables of the set `live`: haloes, simulations with what a rigid row does not have, frictions, and misses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from generation.live_set import LivePlan
from generation.shards import read_shard
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.live_tables import TABLES, split_of_live
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.friction import fit_friction
from mwlmc_data.live.profile import find_m200
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.live.truths import name_run
from mwlmc_data.storage import parquet
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.writing import make_folder, write_bytes


class LiveFiles(NamedTuple):
    """Files of the set."""

    haloes: Path
    simulations: Path
    frictions: Path
    misses: Path
    runs: list[Path]

    def __repr__(self) -> str:
        return describe_tuple(self)


def assemble(plan: LivePlan) -> LiveFiles:
    """Assemble the tables of finished simulations, and write the file of each.

    The bytes depend on the shards alone. (Made again, shards differ: runs are chaotic.)

    Parameters
    ----------
    plan : LivePlan
        A plan whose shards are all made.

    Returns
    -------
    LiveFiles
        ``live.parquet``, ``live-simulations.parquet``, ``live-frictions.parquet``, ``live-misses.parquet`` and
        ``runs/live-*.npz``, which :func:`~mwlmc_data.load_live` reads.
    """
    folder = plan.out / "runs"
    make_folder(folder)
    rows: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    frictions: list[dict[str, Any]] = []
    misses: list[dict[str, Any]] = []
    runs: list[Path] = []
    for shard in range(plan.n_shards):
        (made,) = read_shard(plan, shard).to_pylist()
        if made["missed"]:
            misses.append({"live_id": shard, **{name: made[name] for name in (*schema.DRAWN, "missed")}})
            continue
        path = folder / name_run(shard)
        if not path.is_file() or path.read_bytes() != made["run"]:
            write_bytes(path, made["run"])
        runs.append(path)
        split, live = split_of_live(shard), load_live(path)
        rows += [{**row, "split": split} for row in made["rows"]]
        truths.append({"live_id": shard, "split": split, **describe_truth(live), "run_sha256": sha256_of(path)})
        frictions += [{"live_id": shard, **found} for found in _describe_friction(live)]
    tables = zip(TABLES, (rows, truths, frictions, misses), strict=True)
    haloes, simulations, fitted, missed = (_write(plan, name, content) for name, content in tables)
    return LiveFiles(haloes, simulations, fitted, missed, runs)


def describe_truth(live: LiveSimulation) -> dict[str, float]:
    """What a rigid row does not have: masses in time, the disc's velocity, and the miss."""
    p, masses, field = live.parameters, live.masses, live.field
    first, last = masses.iloc[0], masses.iloc[-1]
    miss = live.parameters.lmc_phase_space - live.wanted
    return {
        "m_lmc_infall": float(hernquist_sphere(p.m_lmc, p.a_lmc).mass[-1]),
        "m_lmc_bound_infall": float(first["m_lmc_bound"]),
        "m_lmc_bound": float(last["m_lmc_bound"]),
        "m_lmc_8p7_today": float(last["m_lmc_8p7"]),
        "m_lmc_50_today": float(last["m_lmc_50"]),
        "m200_mw_today": find_m200(field),
        "m_mw_50_today": float(last["m_mw_50"]),
        **{f"v{a}_disc": float(v) for a, v in zip("xyz", field.body_path[-1, 3:], strict=True)},
        "miss_position": float(np.linalg.norm(miss[:3])),
        "miss_velocity": float(np.linalg.norm(miss[3:])),
    }


def _describe_friction(live: LiveSimulation) -> Iterator[dict[str, float]]:
    found = fit_friction(live.parameters, live.orbit)
    if found is not None:
        yield {
            "log10_lambda_df": found.log10_lambda_df, "rms_position": found.place, "rms_velocity": found.motion
        }  # fmt: skip


def _write(plan: LivePlan, name: str, rows: list[dict[str, Any]]) -> Path:
    path = plan.out / f"{name}.parquet"
    table = pa.Table.from_pylist(rows, schema=schema.table_schema(TABLES[name], plan.metadata))
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream)
    write_bytes(path, stream.getvalue().to_pybytes())
    return path
