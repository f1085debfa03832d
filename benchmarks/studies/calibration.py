"""Whether `mw.infer` is calibrated for measurements whose errors differ from the catalogue's, tested by simulation.

Four kinds of errors are tested on measurements of known truth: rows of the test split with the covariance of their own
fits (C_row); the same with noise added up to four times that covariance (4 C_row); with noise added up to one
covariance for all rows, which carries no information on the parameters (fixed); and fresh simulations of ten times as
many stars (about C_row / 10). Each shell that has a network is tested by itself, and so are both kinds of targets. The
rank of the truth in its marginal posteriors and the p-values must be uniform (simulation-based calibration: Talts et
al. 2018, arXiv:1804.06788).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from benchmarks.embedded.deconvolution import Rows
from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.networks import load_network
from mwlmc_data.inference.predictive import p_value
from mwlmc_data.inference.shells import WHOLE, require_trained_shell
from mwlmc_data.inference.targets import TARGETS, TOTAL
from mwlmc_data.priors import Prior
from mwlmc_data.simulator import Parameters, fit_reflex, simulate
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.masses import enclosed_masses
from mwlmc_data.simulator.reflex import Shell, describe_shell

LEVELS = (0.5, 0.68, 0.95)
#: Stars of a fresh simulation, ten times as many as in the catalogue.
MANY_STARS = 45_000
#: Seed of fresh simulations and of added noise, which no set uses.
SEED = 20_000


@dataclass(frozen=True)
class KindCalibration:
    """Calibration of one kind of measurements.

    Attributes
    ----------
    kind : str
        Kind of the errors.
    ranks : ndarray, shape (n, 3)
        Marginal posterior probability below the truth of each parameter.
    p_values : ndarray, shape (n,)
        From `mwlmc_data.inference.predictive.p_value`.
    gain : ndarray, shape (n,)
        Log posterior over prior density at the truth [nats].
    errors : ndarray, shape (3,)
        Median standard errors of the vector [km/s].
    """

    kind: str
    ranks: Float64Array
    p_values: Float64Array
    gain: Float64Array
    errors: Float64Array

    @property
    def ks(self) -> Float64Array:
        """Kolmogorov-Smirnov p-values for uniform ranks and, last, uniform p-values, (4,)."""
        return np.array([kstest(values, "uniform").pvalue for values in (*self.ranks.T, self.p_values)])

    def coverage(self, level: float) -> Float64Array:
        """Return the fraction of truths inside the central intervals of that probability, (3,)."""
        return (np.abs(self.ranks - 0.5) < 0.5 * level).mean(axis=0)


def calibrate(
    config: str, kind: str, rows: Rows, shell: Shell = WHOLE, targets: str = TOTAL
) -> KindCalibration:
    """Infer from each row with its covariance, and compare with its truth."""
    likelihood = load_network(config, shell, targets).likelihood
    u = likelihood.scores.forward(rows.theta)
    ranks, p_values, gain = np.empty((len(rows), 3)), np.empty(len(rows)), np.empty(len(rows))
    for i in range(len(rows)):
        measured = rows.vector[i], rows.covariance[i], rows.lmc[i]
        grid = likelihood.grid(*measured)
        ranks[i] = [grid.cumulative(k, u[i, k]) for k in range(3)]
        gain[i] = likelihood.log_likelihood(u[i : i + 1], *measured)[0] - grid.log_evidence
        p_values[i] = p_value(likelihood, *measured, seed=(SEED, i))
    errors = np.sqrt(np.median(np.diagonal(rows.covariance, axis1=1, axis2=2), axis=0))
    return KindCalibration(kind, ranks, p_values, gain, errors)


def add_noise(rows: Rows, added: NDArray) -> Rows:
    """Add Gaussian noise of covariance (n, 3, 3) to the vectors of rows."""
    noise = np.random.default_rng(SEED).normal(size=rows.vector.shape)
    vector = rows.vector + np.einsum("nij,nj->ni", np.linalg.cholesky(added), noise)
    return Rows(rows.theta, rows.lmc, vector, rows.covariance + added)


def simulate_fresh(
    config: str, n: int, n_stars: int = MANY_STARS, shell: Shell = WHOLE, targets: str = TOTAL
) -> Rows:
    """Simulate n draws of the prior, with `n_stars` stars each, and fit those in the shell."""
    found: dict[str, list[NDArray]] = {"theta": [], "lmc": [], "vector": [], "covariance": []}
    drawn = Prior(config).sample(n, seed=SEED)
    truths = drawn.join(enclosed_masses(drawn))[list(TARGETS[targets])].to_numpy(np.float64)
    for i, draw in enumerate(drawn.to_dict("records")):
        parameters = Parameters(**draw)
        halo = simulate(parameters, seed=SEED + i, n_stars=n_stars).halo
        fit = fit_reflex(halo.positions, halo.velocities, *shell)
        found["theta"].append(truths[i])
        found["lmc"].append(np.array([getattr(parameters, name) for name in LMC_VECTOR]))
        found["vector"].append(fit.vector)
        found["covariance"].append(fit.covariance[:3, :3])
    return Rows(**{name: np.stack(values) for name, values in found.items()})


def load_kinds(
    config: str, n: int, n_fresh: int, shell: Shell = WHOLE, targets: str = TOTAL
) -> Iterator[tuple[str, Rows]]:
    """Yield measurements with each kind of errors."""
    rows = Rows.load("test", config, shell, targets).first(n)
    yield "C_row", rows
    yield "4 C_row", add_noise(rows, 3.0 * rows.covariance)
    fixed = 4.0 * load_network(config, shell, targets).likelihood.halo_covariance
    inside = np.linalg.eigvalsh(fixed - rows.covariance)[:, 0] > 0.0
    some = rows.where(inside)
    yield "fixed", add_noise(some, fixed - some.covariance)
    if n_fresh:
        yield f"{MANY_STARS:,} stars", simulate_fresh(config, n_fresh, shell=shell, targets=targets)


def describe(found: KindCalibration, targets: str = TOTAL) -> str:
    """Format a line for each parameter, and one for the p-values."""
    n = len(found.ranks)
    lines = [f"{found.kind}: {n} measurements, median errors {np.array2string(found.errors, precision=2)} km/s, "
             f"{found.gain.mean():.3f} +- {found.gain.std() / np.sqrt(n):.3f} nats over the prior"]  # fmt: skip
    for k, name in enumerate(TARGETS[targets]):
        inside = ", ".join(
            f"{level:.0%}: {found.coverage(level)[k]:.3f} +- {np.sqrt(level * (1 - level) / n):.3f}" for level in LEVELS
        )
        lines.append(f"  {name:<16} coverage {inside}; KS p of the ranks {found.ks[k]:.3f}")
    rare = found.p_values < 0.01
    lines.append(f"  p-value          below 0.01: {rare.mean():.4f} +- {np.sqrt(0.01 * 0.99 / n):.4f}; "
                 f"KS p of uniformity {found.ks[3]:.3f}")  # fmt: skip
    return "\n".join(lines)


def describe_likelihood(config: str, shell: Shell = WHOLE, targets: str = TOTAL) -> str:
    """Format the mean log density of the fitted vectors of the test split, each with its own covariance."""
    likelihood = load_network(config, shell, targets).likelihood
    rows = Rows.load("test", config, shell, targets)
    each = likelihood.log_likelihood(likelihood.scores.forward(rows.theta), rows.vector, rows.covariance, rows.lmc)
    return (f"{config}, stars{describe_shell(*shell)}: mean log p(fitted vector | {', '.join(TARGETS[targets])}, "
            f"LMC) of the {len(rows):,} "
            f"test rows {each.mean():.4f} +- "
            f"{each.std() / np.sqrt(len(rows)):.4f}")  # fmt: skip


def main(config: str, n: int, n_fresh: int, r_max: float = math.inf, targets: str = TOTAL) -> None:
    """Print the likelihood and the calibration of each kind of errors, for one shell and kind of targets."""
    shell = require_trained_shell("--r-max", "stars", FIT_R_MIN, r_max)
    as_choice("--targets", targets, tuple(TARGETS))
    print(describe_likelihood(config, shell, targets), flush=True)
    for kind, rows in load_kinds(config, n, n_fresh, shell, targets):
        print(describe(calibrate(config, kind, rows, shell, targets), targets), flush=True)
