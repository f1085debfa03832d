"""Sets of live simulations for tests: a quick one, and rigid rows, eight of each, in place of the embedded one."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa

import generation.live_set as made
import mwlmc_data as mw
from mwlmc_data.dataset import live_tables, schema
from mwlmc_data.dataset.live_tables import HALOES, TABLES, split_of_live
from mwlmc_data.live.aiming import Aim, MissedError
from mwlmc_data.live.settings import LIVE_VERSION
from mwlmc_data.simulator import SIMULATOR_VERSION, integrate_orbit
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.homes import DATA_DIR

FACTS = {"config": "live", "live_version": LIVE_VERSION, "simulator_version": SIMULATOR_VERSION}


def make_tables(numbers, content=b"run"):
    """Tables of simulations of these numbers: a rigid row each, whose eight haloes differ in their reflex motion.

    The LMC has half its mass today; every third simulation has no friction that fits. All have one run's content.
    """
    rows = mw.load_catalogue("test").iloc[: len(numbers)]
    rng = np.random.default_rng(0)
    haloes = rows.loc[rows.index.repeat(HALOES)].reset_index(drop=True)
    haloes["sim_id"] = (np.repeat(numbers, HALOES) * HALOES + np.tile(np.arange(HALOES), len(numbers))).astype(np.int32)
    haloes["split"] = np.repeat([split_of_live(number) for number in numbers], HALOES)
    friction = rows["log10_lambda_df"].to_numpy()
    haloes["log10_lambda_df"] = np.float32(-0.3)
    for name in ("vx_travel", "vy_travel", "vz_travel"):
        haloes[name] += rng.normal(0.0, 1.0, len(haloes)).astype(np.float32)
    vector = haloes[["vx_travel", "vy_travel", "vz_travel"]].to_numpy()
    haloes["v_travel"] = np.linalg.norm(vector, axis=1)
    m_lmc, m200 = rows["m_lmc"].to_numpy(), rows["m200_mw"].to_numpy()
    truths = {c.name: np.ones(len(numbers), np.float32) for c in live_tables.TRUTHS}
    truths |= {"live_id": np.array(numbers, np.int32), "split": [split_of_live(number) for number in numbers]}
    truths |= {"m_lmc_infall": m_lmc, "m_lmc_bound": m_lmc / 2, "m200_mw_today": m200}
    truths["run_sha256"] = [hashlib.sha256(content).hexdigest()] * len(numbers)
    # masses within a radius know nothing of the total mass here
    for name in ("m_lmc_50_today", "m_lmc_8p7_today", "m_mw_50_today"):
        truths[name] = rng.uniform(1e10, 2e10, len(numbers)).astype(np.float32)
    known = np.arange(len(numbers)) % 3 > 0
    frictions = {"live_id": np.array(numbers, np.int32)[known], "log10_lambda_df": friction[known]}
    frictions |= {name: np.ones(known.sum(), np.float32) for name in ("rms_position", "rms_velocity")}
    missed = max(numbers) + 1
    misses = {name: [float(rows[name].iloc[0])] for name in schema.DRAWN} | {"live_id": [missed], "missed": ["by far"]}
    contents = (haloes.to_dict("list"), truths, frictions, misses)
    return {
        name: pa.table({c.name: content[c.name] for c in columns}, schema=schema.table_schema(columns, FACTS))
        for (name, columns), content in zip(TABLES.items(), contents, strict=True)
    }


def embed_live_set(folder, monkeypatch, numbers=range(15)):
    """Put such a set beside the package's own files into a folder, from which the package then reads."""
    for path in DATA_DIR.iterdir():
        if path.name != embedded.REGISTRY and path.stem not in TABLES:
            (folder / path.name).symlink_to(path)
    own = {name: entry for name, entry in embedded.load_registry().items() if name not in TABLES}
    (folder / embedded.REGISTRY).write_text(json.dumps(own))
    for name, table in make_tables(list(numbers)).items():
        parquet.write_table(table, folder / f"{name}.parquet")
        embedded.register(folder / f"{name}.parquet", name, len(table), LIVE_VERSION)
    monkeypatch.setattr(embedded, "DATA_DIR", folder)


def make_quick(monkeypatch):
    """Let a set be made quickly: the rigid start in place of the search, of which the second misses; two haloes.

    Returns the list of what was aimed at.
    """
    aimed = []

    def aim(parameters, particles, seed, good, worst):
        assert (good, worst) == (made.GOOD_MISS, made.WORST_MISS)
        aimed.append((seed, particles, parameters))
        if seed == 1:
            raise MissedError("start = an LMC 1200 kpc from the Milky Way")
        return Aim(integrate_orbit(parameters, 2).relative[0], np.zeros((1, 6)), 0.1 * np.eye(6))

    monkeypatch.setattr(made, "aim", aim)
    monkeypatch.setattr(made, "HALOES", 2)
    monkeypatch.setattr(made, "MAX_PASSAGES", 9)
    # a rigid start misses by some kpc, which may leave the prior's box
    monkeypatch.setattr(made, "is_within_prior", lambda sky: True)
    return aimed
