"""What samplers of other libraries, and our own, make of the likelihood of a halo's stars.

One halo of the catalogue, its stars beyond 50 kpc, six free parameters, from the prior. The selection's probability is
the first guess of :mod:`mwlmc_data.inference.star_search`, so that each sampler (:mod:`benchmarks.common.samplers`)
meets the same function: deterministic, rough at the level of a unit, and -inf where a star is impossible. Reported are
evaluations and seconds of a core, effective draws, and ln Z where there is one.
"""

from __future__ import annotations

import math
import time

import numpy as np

from benchmarks.common.samplers import SAMPLERS, Target
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.dataset.haloes import load_halo
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.star_likelihood import evaluate_points
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.rewinding.selection import Selection, estimate_fraction, find_selected
from mwlmc_data.simulator.limits import SKY_NAMES


def build_target(sim_id: int) -> Target:
    """The likelihood of a simulation's stars beyond 50 kpc."""
    row = load_catalogue(config="gaussian").set_index("sim_id").loc[sim_id]
    parameters = FreeParameters("gaussian", FREE, {name: float(row[name]) for name in SKY_NAMES})
    stars = take_table("table", load_halo(sim_id))
    stars = stars[find_selected(stars[:, :3], Selection()) > 0.0]

    def evaluate(points: Float64Array) -> Float64Array:
        sums, impossible = evaluate_points(stars, parameters, points)
        log_p = np.log([estimate_fraction(Selection(), float(r)) for r in parameters.convert(points)["r_dehnen"]])
        return np.where(impossible > 0, -np.inf, sums - len(stars) * log_p)

    return Target(evaluate, parameters)


def describe(name: str, sim_id: int) -> str:
    """Run a sampler, and say in a line what it found; a line that says so if its library is not installed."""
    target = build_target(sim_id)
    target(np.zeros(target.d))  # compiles
    target.evaluations, target.seconds = 0, 0.0
    started = time.process_time()
    try:
        run = SAMPLERS[name](target)
    except ImportError as error:
        return f"{name:<10} not installed ({error})"
    seconds = time.process_time() - started
    values = target.parameters.convert(run.draws)
    means = {key: float(run.weights @ column) for key, column in values.items()}
    sigmas = {key: math.sqrt(float(run.weights @ (column - means[key]) ** 2)) for key, column in values.items()}
    evidence = "" if math.isnan(run.log_evidence) else f"ln Z {run.log_evidence:.2f} +- {run.error:.2f}, "
    return (
        f"{name:<10} {target.evaluations:>6} evaluations, {seconds:6.1f} s ({target.seconds:.1f} of them evaluations), "
        f"{run.effective:6.0f} effective draws, {run.effective / seconds:6.2f} a second; {evidence}"
        f"m_lmc {means['m_lmc'] / 1e10:.2f} +- {sigmas['m_lmc'] / 1e10:.2f}, "
        f"m200_mw {means['m200_mw'] / 1e11:.2f} +- {sigmas['m200_mw'] / 1e11:.2f}, "
        f"beta0 {means['beta0']:.3f} +- {sigmas['beta0']:.3f}"
    )


def main(sim_id: int, names: list[str]) -> None:
    """Run samplers one after another, and print a line of each."""
    unknown = [name for name in names if name not in SAMPLERS]
    if unknown:
        raise ValueError(f"--samplers = {','.join(unknown)}: allowed are {', '.join(SAMPLERS)}")
    for name in names:
        print(describe(name, sim_id), flush=True)
