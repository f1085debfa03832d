"""Haloes as files: what it costs to make, check and store them, and how fast they load.

A real set is made by ``python -m generation haloes``, verified, and loaded in every way that the package offers: from
Parquet, from a memory map, and by simulation. Finally a small network over sets of stars is trained from the files, to
measure how long it waits for data.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mwlmc_data import load_halo, load_haloes
from mwlmc_data.dataset import release, schema, store
from mwlmc_data.dataset.verification import verify
from mwlmc_data.simulator import compile_kernels
from mwlmc_data.workers import available_cores

#: Haloes to simulate when timing simulation.
SIMULATED = 512
#: Passes of the training.
PASSES = 2
#: Haloes to load one by one.
SINGLE = 20


def measure(folder: Path, haloes: int, rounds: int) -> dict[str, Any]:
    """Make a set of haloes unless it exists, and time its use.

    Parameters
    ----------
    folder : Path
        Where to keep the set, in a subfolder named after the version of the data.
    haloes : int
        Number of haloes, with sim_id from 0.
    rounds : int
        Passes over the files; medians are reported.

    Returns
    -------
    dict
        Figures by name, for `describe`.

    Raises
    ------
    ValueError
        If the folder holds other haloes.
    """
    root = folder.absolute() / release.DATA_VERSION
    os.environ[store.DATA_DIR_VARIABLE] = str(root.parent)
    compile_kernels()
    found: dict[str, Any] = {"haloes": haloes, "cores": available_cores(), "made": _make(root, haloes)}
    start = time.perf_counter()
    checked = verify(root, progress=False)
    if checked.problems or checked.rows != haloes:
        stated = "; ".join(checked.problems) or f"not {haloes}"
        raise ValueError(f"out = {str(folder)!r}: allowed is another folder; it holds {checked.rows} haloes: {stated}")
    found |= {"verify_s": time.perf_counter() - start, "simulated_again": checked.simulated}
    found |= {"identical": checked.identical, "bytes": checked.bytes, "files": checked.files}
    ids = np.concatenate([schema.ids_of(split, 0, haloes) for split in schema.SPLITS])
    found["rates"] = _rates(ids, folder, rounds)
    found["one_halo_ms"] = {source: _one(ids, source) for source in ("store", "simulation")}
    found["training"] = _training(ids)
    return found


def _make(root: Path, haloes: int) -> dict[str, float] | None:
    """Make the set, and return time and memory; None if it exists."""
    if (root / store.MANIFEST).is_file():
        return None
    command = [sys.executable, "-m", "generation", "haloes", "--sims", f"0:{haloes}", "--out", str(root)]
    start = time.perf_counter()
    subprocess.run([*command, "--shard-size", "512"], check=True)
    seconds = time.perf_counter() - start
    # the largest of all processes, in kB on Linux
    return {"seconds": seconds, "largest_process_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def _rates(ids: np.ndarray, folder: Path, rounds: int) -> dict[str, float]:
    """Measure haloes a second, in every way."""
    import datasets

    datasets.disable_progress_bars()
    mapped = folder / "arrow"
    if not mapped.exists():
        load_haloes(ids, streaming=False, format="datasets").save_to_disk(mapped)
    some = ids[:SIMULATED]
    ways: dict[str, tuple[Callable[[], Iterable[dict[str, Any]]], int]] = {
        "Parquet, arrays": (lambda: load_haloes(ids), rounds),
        "Parquet, arrays, shuffled": (lambda: load_haloes(ids, shuffle=0), rounds),
        "Parquet, torch": (lambda: load_haloes(ids, format="torch"), rounds),
        "Parquet, datasets": (lambda: _stream(ids), rounds),
        "memory map (datasets, saved to disk)": (lambda: _mapped(mapped), rounds),
        "simulation, one process": (lambda: load_haloes(some, source="simulation", workers=0), 1),
        "simulation, all cores": (lambda: load_haloes(some, source="simulation"), 1),
    }
    return {name: statistics.median(_rate(way) for _ in range(n)) for name, (way, n) in ways.items()}


def _rate(way: Callable[[], Iterable[dict[str, Any]]]) -> float:
    start, count = time.perf_counter(), 0
    for batch in way():
        count += np.asarray(batch["sim_id"]).size
        # a memory map is read only where it is accessed
        for c in schema.STARS:
            np.asarray(batch[c.name]).max()
    return count / (time.perf_counter() - start)


def _stream(ids: np.ndarray) -> Iterable[dict[str, Any]]:
    return load_haloes(ids, format="datasets").with_format("numpy")


def _mapped(path: Path) -> Iterable[dict[str, Any]]:
    import datasets

    return datasets.load_from_disk(str(path)).with_format("numpy").iter(batch_size=128)


def _one(ids: np.ndarray, source: str) -> float:
    """Return the median time to load one halo [ms], over many spread over the set."""
    times = []
    for sim_id in ids[np.linspace(0, len(ids) - 1, SINGLE).astype(int)]:
        start = time.perf_counter()
        load_halo(int(sim_id), source)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _training(ids: np.ndarray) -> dict[str, float]:
    """Train a network over sets of stars, and return the share of time spent waiting for batches."""
    import torch

    torch.manual_seed(0)
    encode = torch.nn.Sequential(torch.nn.Linear(6, 32), torch.nn.GELU(), torch.nn.Linear(32, 32), torch.nn.GELU())
    decode = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.GELU(), torch.nn.Linear(32, 3))
    optimiser = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=1e-3)
    loader = load_haloes(ids, format="torch", columns=["vx_travel", "vy_travel", "vz_travel"], shuffle=0, batch_size=64)
    begun, later, start = 0.0, 0.0, time.perf_counter()
    for _ in range(PASSES):
        asked = time.perf_counter()
        batches = iter(loader)
        batch = next(batches, None)
        begun += time.perf_counter() - asked
        while batch is not None:
            stars = torch.cat([batch["positions"] / 50.0, batch["velocities"] / 100.0], dim=2)
            truth = torch.stack([batch["vx_travel"], batch["vy_travel"], batch["vz_travel"]], dim=1) / 30.0
            loss = torch.nn.functional.mse_loss(decode(encode(stars).mean(dim=1)), truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            asked = time.perf_counter()
            batch = next(batches, None)
            later += time.perf_counter() - asked
    total = time.perf_counter() - start
    rate = PASSES * len(ids) / total
    return {"haloes_per_s": rate, "first_batch_s": begun / PASSES, "waiting_share": later / total}


def describe(found: dict[str, Any]) -> str:
    """Format the figures.

    Parameters
    ----------
    found : dict
        The result of `measure`.

    Returns
    -------
    str
    """
    size = found["bytes"] / found["haloes"]
    lines = [
        f"{found['haloes']} haloes, {found['bytes'] / 1e6:.1f} MB in {found['files']} files, {size:.0f} bytes each "
        f"(128,000 at that size: {128_000 * size / 1e9:.1f} GB); {found['cores']} cores"
    ]
    if found["made"] is not None:
        rate = found["haloes"] / found["made"]["seconds"]
        lines.append(
            f"made in {found['made']['seconds']:.0f} s, {rate:.1f} a second (128,000 at that rate: "
            f"{128_000 / rate / 60:.0f} minutes); largest process {found['made']['largest_process_mb']:.0f} MB"
        )
    lines.append(
        f"verified in {found['verify_s']:.1f} s, {found['simulated_again']} haloes simulated again, "
        f"{found['identical']} bit-identical"
    )
    for name, rate in found["rates"].items():
        lines.append(f"{name:<38} {rate:8.0f} haloes/s {rate * schema.N_STARS / 1e6:8.2f} million stars/s")
    for source, milliseconds in found["one_halo_ms"].items():
        lines.append(f"one halo from {source:<24} {milliseconds:8.1f} ms")
    training = found["training"]
    lines.append(
        f"training on the stars from Parquet: {training['haloes_per_s']:.0f} haloes/s, "
        f"the first batch of a pass after {training['first_batch_s']:.2f} s, "
        f"then {100 * training['waiting_share']:.1f}% of the time spent waiting"
    )
    return "\n".join(lines)


def main(out: Path, haloes: int, rounds: int) -> None:
    """Measure, write the figures to results.json, and print them."""
    out.mkdir(parents=True, exist_ok=True)
    found = measure(out, haloes, rounds)
    (out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(describe(found))
