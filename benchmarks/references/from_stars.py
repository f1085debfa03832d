"""What the references given stars share, exact ones and those of surveys: rows, files of posteriors, and limits."""

from __future__ import annotations

import dataclasses
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.references import simulations
from benchmarks.references.rounding import round_draws
from mwlmc_data import Selection, infer_stars
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.inference.stars import ALGORITHM
from mwlmc_data.scoring.observations import CONFIG, test_columns
from mwlmc_data.scoring.reference_columns import N_STAR_DRAWS, name_samples
from mwlmc_data.simulator.constants import SIMULATOR_VERSION

#: Draws of a posterior.
N_DRAWS = 2_000
#: What separates the seed of a second run from those of all rows.
SECOND = 100_000
#: Effective draws; p-value of the stars at the posterior's mean, below which none of 1,000 simulated sets was as
#: unusual; part of the posterior near the edge of the region in which ln P was computed.
MIN_EFFECTIVE, MIN_P, MAX_EDGE = 1_000.0, 1e-3, 0.05
#: Error of the sum of ln P over the stars, over the posterior [nats]: it moves a mean by up to as many standard
#: deviations, and two runs apart by root two times that.
MAX_SELECTION = 0.1
#: Results beside a posterior: what its file says of it, and arrays.
Beside = Callable[[StarPosterior], tuple[Mapping[str, Any], Mapping[str, NDArray]]]


@dataclasses.dataclass(frozen=True)
class ObservedHalo:
    """An observation of a task of stars.

    Attributes
    ----------
    name : str
        ``"test-"`` and the sim_id.
    sim_id : int
        Of the test row.
    number : int
        Place among the task's observations; key of the random numbers.
    lmc : mapping
        The LMC's present day, as `mwlmc_data.infer_stars` takes it.
    truth : mapping
        The six parameters by name.
    """

    #: That which makes the posterior.
    algorithm: ClassVar[int] = ALGORITHM
    name: str
    sim_id: int
    number: int
    lmc: Mapping[str, float]
    truth: Mapping[str, float]


def read_haloes(
    sim_ids: NDArray[np.integer], places: NDArray[np.integer], lmc: Sequence[str], also: Sequence[str] = ()
) -> Iterator[tuple[dict[str, Any], dict[str, float]]]:
    """Yield the fields of an `ObservedHalo` for test rows, and further columns.

    Parameters
    ----------
    sim_ids : ndarray, shape (n,)
        Of the test rows.
    places : ndarray, shape (n,)
        Among a task's observations.
    lmc, also : sequence of str
        Names of the columns of the LMC's present day, and of the further ones.

    Yields
    ------
    fields : dict
        Arguments of `ObservedHalo`.
    values : dict of str to float
        The further columns.
    """
    groups = (tuple(lmc), FREE, tuple(also))
    table = test_columns(sim_ids, list(dict.fromkeys(name for names in groups for name in names)))
    for i, (sim_id, place) in enumerate(zip(sim_ids.tolist(), places.tolist(), strict=True)):
        present, truth, values = ({name: float(table[name][i]) for name in names} for names in groups)
        fields = {"name": f"test-{sim_id:06d}", "sim_id": sim_id, "number": place, "lmc": present, "truth": truth}
        yield fields, values


def infer(
    row: ObservedHalo,
    stars: Any,
    selection: Selection,
    seed: int,
    n: int = N_DRAWS,
    free: tuple[str, ...] = FREE,
    resume: Path | None = None,
    n_total: int | None = None,
    selection_error: float = MAX_SELECTION,
) -> StarPosterior:
    """Draw the posterior of a row's free parameters; those that are not free are held at the truth.

    Parameters
    ----------
    row : ObservedHalo
    stars : array_like or mapping
        Its stars, as `mwlmc_data.infer_stars` takes them.
    selection : Selection
        How they were selected.
    seed : int
        Seed of all draws.
    n : int
        Draws.
    free : tuple of str
        Free parameters.
    resume : Path, optional
        File that keeps what was computed.
    n_total : int, optional
        Number of all stars of the halo, if it counts.
    selection_error : float
        Above which ln P is computed once more [nats].
    """
    held = {name: row.truth[name] for name in FREE if name not in free}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate states what they say
        return infer_stars(
            stars, selection=selection, config=CONFIG, free=free, lmc=row.lmc, held=held, n_total=n_total, n=n,
            selection_error=selection_error, seed=seed, workers=1, resume=resume, progress=False,
        )  # fmt: skip


def make(
    out: Path,
    path: Path,
    wanted: Mapping[str, Any],
    row: ObservedHalo,
    compute: Callable[[Path], StarPosterior],
    beside: Beside | None = None,
) -> None:
    """Compute a posterior and write its file, unless it exists; an interrupted one goes on.

    Parameters
    ----------
    out : Path
        Folder of the run.
    path : Path
        File to write.
    wanted : mapping
        What the posterior depends on.
    row : ObservedHalo
    compute : callable
        Draws the posterior; its argument is the file that keeps what was computed.
    beside : callable, optional
        Computes further results.
    """
    if path.exists():
        simulations.check(path, dict(wanted))
        return
    unfinished = out / "unfinished" / f"{path.parent.name}-{path.name}"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    found = compute(unfinished)
    about, arrays = beside(found) if beside else ({}, {})
    free = [name for name in FREE if name in found.samples]
    samples = found.samples[free].to_numpy()
    below = (samples < np.array([row.truth[name] for name in free])).mean(axis=0)
    numbers = {
        "n_stars": found.n_stars,
        **({} if found.n_draws is None else {"n_draws": found.n_draws}),
        "n_effective": found.n_effective,
        "n_evaluations": found.n_evaluations,
        "cpu_seconds": time.process_time() - started,
        "log_evidence": found.log_evidence,
        **{f"error_{part}": value for part, value in found.error_parts.items()},
        "edge": found.edge,
        "p_value": found.p_value,
        **{f"rank_{name}": rank for name, rank in zip(free, below.tolist(), strict=True)},
    }
    extra = dict(about.get("numbers", {}))
    simulations.save(path, {**wanted, **about, "numbers": {**numbers, **extra}}, samples=samples, **arrays)
    unfinished.unlink()


def read(path: Path, wanted: Mapping[str, Any]) -> tuple[Float64Array, dict[str, Any], dict[str, NDArray]] | None:
    """Read a posterior: its draws, what the file says of it, and further arrays; None if there is no file.

    Raises
    ------
    ValueError
        If the file has other settings.
    """
    if not path.exists():
        return None
    simulations.check(path, dict(wanted))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name not in ("samples", "settings")}
        return file["samples"], json.loads(str(file["settings"])), arrays


def settings(row: ObservedHalo, seed: int, n: int, version: int) -> dict[str, Any]:
    """Return what a file's posterior depends on."""
    return {
        "name": row.name,
        "lmc": dict(row.lmc),
        "seed": seed,
        "draws": n,
        "version": version,
        "algorithm": row.algorithm,
        "simulator": SIMULATOR_VERSION,
    }


def build_record(
    row: ObservedHalo, samples: Float64Array, failures: Sequence[str], n_kept: int = N_STAR_DRAWS
) -> dict[str, Any]:
    """Build what the rows of all tables of references given stars have: names, truths, draws, and what failed.

    Parameters
    ----------
    row : ObservedHalo
    samples : ndarray, shape (n, 6)
        Draws, of which the first are kept, rounded.
    failures : sequence of str
        As `find_failures` yields them.
    n_kept : int
        How many.
    """
    kept = round_draws(samples[:n_kept])
    return {
        "name": row.name,
        "kind": "test",
        "sim_id": row.sim_id,
        "config": CONFIG,
        "simulator_version": SIMULATOR_VERSION,
        **{f"truth_{name}": row.truth[name] for name in FREE},
        **{name_samples(name): kept[:, i].tolist() for i, name in enumerate(FREE)},
        "certified": not failures,
        "reasons": "; ".join(failures),
        "algorithm": row.algorithm,
    }


def find_failures(
    numbers: Mapping[str, float], most: Mapping[str, float], min_effective: float = MIN_EFFECTIVE
) -> Iterator[str]:
    """Yield the failed tests of a posterior's numbers, each with its number and the limit.

    Parameters
    ----------
    numbers : mapping
        Of the posterior.
    most : mapping
        Largest allowed values of some of them; those that hold for all references given stars are added.
    min_effective : float
        Fewest effective draws.
    """
    for name, allowed in {"n_effective": min_effective, "p_value": MIN_P}.items():
        if numbers[name] < allowed:
            yield f"{name} {numbers[name]:.4g}, at least {allowed:g}"
    for name, allowed in {**most, "edge": MAX_EDGE}.items():
        if numbers[name] > allowed:
            yield f"{name} {numbers[name]:.4g}, at most {allowed:g}"
