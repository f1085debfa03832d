"""The tables of the set `live`: haloes, simulations with what a rigid row does not have, frictions, and misses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from generation.live_set import HALOES, LivePlan, split_of_live
from generation.shards import read_shard
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import Column
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.friction import fit_friction
from mwlmc_data.live.profile import find_m200
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import make_folder, write_bytes

_SIMULATION = Column("live_id", "int32", "", f"Number of the live simulation; its haloes have sim_id // {HALOES} = it")
_SPLIT = Column("split", "string", "", "calibration for one simulation in five, with all its haloes, else test")

#: Columns of the table of simulations: the truths that a rigid row does not have.
TRUTHS = (
    _SIMULATION,
    _SPLIT,
    Column("m_lmc_infall", "float32", "Msun", "Mass of the LMC at the start: its Hernquist sphere as it was cut"),
    Column("m_lmc_bound_infall", "float32", "Msun", "Of it, the mass that was bound to the LMC at the start"),
    Column("m_lmc_bound", "float32", "Msun", "Mass that is bound to the LMC today"),
    Column("m_lmc_8p7_today", "float32", "Msun", "Mass within 8.7 kpc of the LMC's centre today, of what was the LMC"),
    Column("m_lmc_50_today", "float32", "Msun", "Mass within 50 kpc of the LMC's centre today, of what was the LMC"),
    Column("m200_mw_today", "float32", "Msun", "M200 of the Milky Way's halo today, from the monopole of its field"),
    Column("m_mw_50_today", "float32", "Msun", "Mass of the Milky Way's halo, bulge and disc within 50 kpc today"),
    *(
        Column(f"v{a}_disc", "float32", "km/s", f"Velocity of the disc today along {a}, in the frame in which the "
               "Milky Way was at rest at the start") for a in "xyz"
    ),
    Column("miss_position", "float32", "kpc", "Distance of the LMC from the present day that was aimed at"),
    Column("miss_velocity", "float32", "km/s", "Difference of its velocity from the one that was aimed at"),
)  # fmt: skip
#: Columns of the table of frictions, which holds only the simulations whose orbit a friction reproduces.
FRICTIONS = (
    _SIMULATION,
    Column("log10_lambda_df", "float32", "", "log10 of the factor on Chandrasekhar's friction with which the rigid "
           "pair, rewound from today, comes nearest to the live orbit"),
    Column("rms_position", "float32", "kpc", "Distance between the two pasts of the LMC, rms over 2.2 Gyr"),
    Column("rms_velocity", "float32", "km/s", "Difference of its velocity in the two, rms over 2.2 Gyr"),
)  # fmt: skip
#: Columns of the table of simulations whose LMC missed.
MISSES = (
    _SIMULATION,
    *(schema.get_column(name) for name in schema.DRAWN),
    Column("missed", "string", "", "Why there is no simulation: where its LMC ended, or why it could not start"),
)


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
    truths, frictions, misses, runs = [], [], [], []
    for shard in range(plan.n_shards):
        (made,) = read_shard(plan, shard).to_pylist()
        if made["missed"]:
            misses.append({"live_id": shard, **{name: made[name] for name in (*schema.DRAWN, "missed")}})
            continue
        path = folder / f"live-{shard:05d}.npz"
        if not path.is_file() or path.read_bytes() != made["run"]:
            write_bytes(path, made["run"])
        runs.append(path)
        split, live = split_of_live(shard), load_live(path)
        rows += [{**row, "split": split} for row in made["rows"]]
        truths.append({"live_id": shard, "split": split, **describe_truth(live)})
        frictions += [{"live_id": shard, **found} for found in _describe_friction(live)]
    tables = ((schema.COLUMNS, rows, ""), (TRUTHS, truths, "-simulations"), (FRICTIONS, frictions, "-frictions"))
    haloes, simulations, fitted = (_write(plan, *table) for table in tables)
    return LiveFiles(haloes, simulations, fitted, _write(plan, MISSES, misses, "-misses"), runs)


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


def _write(plan: LivePlan, columns: Sequence[Column], rows: list[dict[str, Any]], suffix: str) -> Path:
    path = plan.out / f"live{suffix}.parquet"
    table_schema = schema.table_schema(columns, plan.metadata)
    table = pa.Table.from_pylist(rows, schema=table_schema)
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream)
    write_bytes(path, stream.getvalue().to_pybytes())
    return path
