"""Each validation case in each shell of stars: what the model makes there, and what its network infers.

The paper gives one motion for each case and says that its stars are beyond 50 kpc. The motion depends on the shell, so
the quoted vector is compared with haloes that are simulated at the case's quoted parameters, in every shell of the
catalogue: by its Mahalanobis distance from their mean, in their own scatter, and by its Gaussian density.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.common.features import SCALE, THETA
from benchmarks.paper.evaluate import CaseResult
from benchmarks.paper.predictive import simulate_together, tabulate_quoted
from benchmarks.paper.text import align_columns
from mwlmc_data import infer, scoring
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.inference.encoding import travel_vectors
from mwlmc_data.inference.shells import TRAINED_SHELLS, WHOLE
from mwlmc_data.scoring import references
from mwlmc_data.scoring.single import PosteriorSummary
from mwlmc_data.simulator.frames import spherical_angles
from mwlmc_data.simulator.reflex import Shell, describe_shell, name_shell

if TYPE_CHECKING:
    import pandas as pd

    from mwlmc_data.validation import Case

#: Set whose networks contain every case.
CONFIG: Literal["wide"] = "wide"
#: Fewest haloes whose scatter is measured.
MIN_HALOES = 10
#: Titles of the columns of `shell_rows`, and their widths in the terminal.
HEADER = ("stars", "model v, l, b", "scatter", "sigma", "ln odds", "m_lmc [1e10]", "m200 [1e11]", "log λ", "p")
WIDTHS = (19, 19, 9, 6, 8, 20, 20, 19, 7)
#: Columns of the first of two tables in the terminal.
_N_FIRST = 5
#: Reference posteriors of cases, by shell.
_REFERENCES = {WHOLE: references.NAME, (50.0, 100.0): references.OF_50_100}


@dataclass(frozen=True)
class ShellResult:
    """One case, taken as a measurement of the stars in one shell.

    Attributes
    ----------
    shell : (float, float)
        r_min, r_max [kpc].
    n : int
        Number of haloes simulated at the quoted parameters.
    mean : ndarray, shape (3,)
        Mean of their travel velocities [km/s].
    covariance : ndarray, shape (3, 3)
        Their covariance [km^2/s^2]: the scatter of one halo, and that of the parameters that the case does not quote.
    distance : float
        Mahalanobis distance of the quoted vector from `mean` [sigma].
    log_density : float
        Gaussian log density of the quoted vector [per (km/s)^3].
    result : CaseResult
        The posterior from the shell's network.
    p_value : float
        Of the quoted vector at the case's LMC, whatever the masses.
    reference : dict of str to PosteriorSummary
        The certified reference posterior by parameter, which no network made; empty without one.
    """

    shell: Shell
    n: int
    mean: Float64Array
    covariance: Float64Array
    distance: float
    log_density: float
    result: CaseResult
    p_value: float
    reference: dict[str, PosteriorSummary]

    @property
    def reflex(self) -> tuple[float, float, float]:
        """Speed [km/s] and apex l, b [deg] of the mean vector."""
        longitude, latitude = spherical_angles(self.mean)
        return float(np.linalg.norm(self.mean)), float(longitude), float(latitude)

    @property
    def name(self) -> str:
        """The shell in words."""
        return describe_shell(*self.shell).strip()

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for a JSON file; no outer radius is None."""
        return {
            "r_min": self.shell[0],
            "r_max": self.shell[1] if math.isfinite(self.shell[1]) else None,
            "haloes": self.n,
            "model": dict(zip(REFLEX, self.reflex, strict=True)),
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
            "distance": self.distance,
            "log_density": self.log_density,
            "p_value": self.p_value,
            **{key: value for key, value in self.result.as_dict().items() if key in ("posterior", "misses")},
        }


def list_columns() -> list[str]:
    """Columns of a simulated table that `check_shells` takes: the travel velocity in every shell."""
    return [f"{name}{name_shell(*shell)}" for shell in TRAINED_SHELLS for name in TRAVEL]


def check_shells(case: Case, simulated: Mapping[str, Any], draws: int = 4000, seed: int = 0) -> list[ShellResult]:
    """Compare a case with simulations at its quoted parameters, and infer from it, in every shell.

    Parameters
    ----------
    case : Case
    simulated : table
        Haloes at the quoted parameters, `MIN_HALOES` or more, with `list_columns`.
    draws : int
        Posterior draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of ShellResult
        In the order of `TRAINED_SHELLS`; empty if there are fewer haloes.
    """
    quoted = travel_vectors(np.array([[case.observation[name] for name in REFLEX]]))[0]
    found = []
    for shell in TRAINED_SHELLS:
        columns = [np.asarray(simulated[f"{name}{name_shell(*shell)}"], np.float64) for name in TRAVEL]
        vectors = np.stack(columns, axis=1)
        if len(vectors) < MIN_HALOES:
            return []
        mean, covariance = vectors.mean(axis=0), np.cov(vectors.T)
        square = float((quoted - mean) @ np.linalg.solve(covariance, quoted - mean))
        constant = float(np.linalg.slogdet(2.0 * np.pi * covariance)[1])
        result, p_value = infer_in_shell(case, shell, draws, seed)
        found.append(
            ShellResult(
                shell=shell,
                n=len(vectors),
                mean=mean,
                covariance=covariance,
                distance=math.sqrt(square),
                log_density=-0.5 * (square + constant),
                result=result,
                p_value=p_value,
                reference=summarise_reference(case, shell),
            )
        )
    return found


def summarise_reference(case: Case, shell: Shell) -> dict[str, PosteriorSummary]:
    """Summarise the certified reference posterior of a case as a measurement in a shell; empty without one."""
    found = references.load_references(name=_REFERENCES[shell]) if shell in _REFERENCES else None
    if found is None or case.name not in found.names:
        return {}
    place = found.names.index(case.name)
    if not found.certified[place]:
        return {}
    scaled = found.samples[place].astype(np.float64) / SCALE
    return {name: scoring.summarise_posterior(scaled[:, j]) for j, name in enumerate(THETA)}


def infer_in_shell(case: Case, shell: Shell, draws: int, seed: int) -> tuple[CaseResult, float]:
    """Infer from the quoted numbers of a case as those of stars in a shell, and return the p-value too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the p-value is reported
        posterior = infer(case.observation, shell=shell, n=draws, seed=seed, config=CONFIG)
    scaled = posterior.samples[list(THETA)].to_numpy() / SCALE
    summaries = {}
    for j, name in enumerate(THETA):
        truth = case.truth.get(name)
        summaries[name] = scoring.summarise_posterior(scaled[:, j], None if truth is None else truth / SCALE[j])
    return CaseResult(case, scaled, 1.0, summaries), posterior.p_value


def choose_supported(results: list[ShellResult]) -> ShellResult:
    """Choose the shell in which the quoted vector is densest."""
    return max(results, key=lambda result: result.log_density)


def shell_rows(results: list[ShellResult]) -> list[tuple[str, ...]]:
    """Make a row for each shell: the model's motion and scatter, the distance of the quoted one, and the posterior.

    Below it stands the reference posterior, if there is one.
    """
    best = choose_supported(results)
    rows = []
    for r in results:
        speed, l, b = r.reflex
        posterior = _list_intervals(r.result.summaries)
        rows.append(
            (
                r.name + (" *" if (r.result.case.r_min, r.result.case.r_max) == r.shell else ""),
                f"{speed:.1f}, {l:.1f}, {b:.1f}",
                " ".join(f"{v:.0f}" for v in np.sqrt(np.diag(r.covariance))),
                f"{r.distance:.1f}",
                f"{r.log_density - best.log_density:+.1f}",
                *posterior,
                f"{r.p_value:.3f}" if r.p_value else "<0.001",
            )
        )
        if r.reference:
            rows.append(("reference posterior", "", "", "", "", *_list_intervals(r.reference), ""))
    return rows


def _list_intervals(summaries: Mapping[str, PosteriorSummary]) -> list[str]:
    return [f"{s.p50:.1f} ({s.p16:.1f} to {s.p84:.1f})" for s in summaries.values()]


def format_rows(results: list[ShellResult]) -> list[str]:
    """Format `shell_rows` as two tables for the terminal: the model, and the posteriors."""
    rows = [HEADER, *shell_rows(results)]
    lines = align_columns([row[:_N_FIRST] for row in rows if any(row[1:_N_FIRST])], WIDTHS[:_N_FIRST])
    return lines + align_columns([(row[0], *row[_N_FIRST:]) for row in rows], (WIDTHS[0], *WIDTHS[_N_FIRST:]))


def describe(case: Case, results: list[ShellResult]) -> str:
    """State in a sentence which shell the quoted motion supports."""
    if not results:
        return f"{case.name}: fewer than {MIN_HALOES} haloes at the quoted parameters, too few for their scatter."
    best = choose_supported(results)
    v, l, b = (case.observation[name] for name in REFLEX)
    near = ", ".join(f"{r.distance:.1f} sigma {r.name}" for r in results)
    verdict = f"supports stars {best.name}" if best.distance < 3.0 else "is in no shell what the model makes"
    return f"{case.name}: the quoted motion ({v:g} km/s, l {l:g}, b {b:g} deg) {verdict}: it lies {near}."


def list_misses(results: list[ShellResult]) -> list[str]:
    """List in sentences the truths outside the intervals that the network of the case's own shell gives."""
    own = [r for r in results if (r.result.case.r_min, r.result.case.r_max) == r.shell]
    return [f"as stars {r.name}: {text}" for r in own for text in r.result.list_misses()]


def tabulate_cases(cases: Mapping[str, Case], n: int, config: str, seed: int) -> dict[str, pd.DataFrame]:
    """Make the tables of parameters of n haloes at the quoted parameters of each case."""
    return {name: tabulate_quoted(case, n, config, seed) for name, case in cases.items()}


def main(n: int, seed: int, workers: int | None) -> None:
    """Simulate the cases at their quoted parameters and print each of them in each shell."""
    from mwlmc_data import validation_cases

    cases = validation_cases()
    tables = tabulate_cases(cases, n, "gaussian", seed)
    simulated = simulate_together(tables, list_columns(), seed, workers=workers, progress=False)
    for name, case in cases.items():
        results = check_shells(case, simulated[name], seed=seed)
        print(describe(case, results))
        print("\n".join(format_rows(results)), end="\n\n")
    print(
        "* the shell that the package gives the case. sigma: distance of the quoted vector from that of haloes at the "
        "quoted\nparameters, in their scatter (km/s along x, y, z); ln odds: log density against the densest shell; "
        f"posteriors:\n50 (16 to 84)% from the networks of the set {CONFIG}, with the scatter of one halo as the "
        "error, and by\nsimulations at the case's own LMC (reference posterior)."
    )
