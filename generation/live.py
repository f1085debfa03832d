"""The stored live runs: the four of Garavito-Camargo et al. 2019, a file each, two at a time on two cores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mwlmc_data.arguments.arrays import as_whole, check_names
from mwlmc_data.live.garavito import RUNS, prepare
from mwlmc_data.live.settings import LIVE_VERSION
from mwlmc_data.live.simulating import run_live
from mwlmc_data.live.simulation import FOLDER, load_live
from mwlmc_data.storage import embedded
from mwlmc_data.storage.homes import DATA_DIR
from mwlmc_data.storage.writing import make_folder, write_bytes
from mwlmc_data.workers import count_processes, start_pool

#: Particles of a stored run.
PARTICLES = 2_000_000


def make_runs(
    out: Path, names: Sequence[str] = tuple(RUNS), particles: int = PARTICLES, seed: int = 0, workers: int | None = None
) -> list[Path]:
    """Make stored runs, or go on with them.

    Runs are chaotic, so that a file that exists is kept: it cannot be made again.

    Parameters
    ----------
    out : Path
        Folder of the files; unfinished runs leave their state there too.
    names : sequence of str
        Some of the published runs.
    particles, seed : int
        Of each run.
    workers : int, optional
        Number of processes; by default all cores. A run takes one.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If a name is unknown, or a file is there that holds a run with other particles or another seed.
    """
    check_names("runs", names, tuple(RUNS))
    make_folder(out)
    jobs = [(out, name, particles, seed) for name in names]
    count = count_processes(None if workers is None else as_whole("workers", workers, minimum=1), len(jobs))
    if count <= 1:
        return [make_run(job) for job in jobs]
    with start_pool(count) as pool:
        try:
            return list(pool.map(make_run, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def make_run(job: tuple[Path, str, int, int]) -> Path:
    """Make one run unless its file is there."""
    out, name, particles, seed = job
    path, unfinished = out / f"{name}.npz", out / f"{name}.unfinished.npz"
    parameters, galaxies, settings, start = prepare(name, particles, seed)
    if path.exists():
        found = load_live(path).settings
        if found != settings:
            raise ValueError(
                f"out = {str(out)!r}, whose {name} has {found.particles} particles and seed {found.seed}: allowed are "
                f"{particles} and {seed}, or another folder"
            )
        return path
    run_live(parameters, galaxies, start, settings, unfinished, progress=True).save(path)
    unfinished.unlink(missing_ok=True)
    return path


def embed_runs(paths: Sequence[Path], directory: Path = DATA_DIR) -> list[Path]:
    """Copy stored runs into the package, and enter their hashes into its registry.

    Parameters
    ----------
    paths : sequence of Path
        Files that :func:`make_runs` made; a run is called as its file.
    directory : Path
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    list of Path
        The embedded files.

    Raises
    ------
    ValueError
        If a file holds no finished live run of this version.
    """
    make_folder(directory / FOLDER)
    targets = []
    for path in paths:
        rows = len(load_live(path).field.time)
        target = directory / FOLDER / path.name
        write_bytes(target, path.read_bytes())
        embedded.register(target, path.stem, rows, LIVE_VERSION, directory)
        targets.append(target)
    return targets
