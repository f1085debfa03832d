"""The LMC's mass inferred from the four stored live runs, with the prior of Table 1 and with a flat one.

As in Fig. 3 of Brooks et al. 2025 (arXiv:2507.10667), for deforming galaxies with LMCs of 8, 10, 18 and 25 x 10^10
Msun (the models of Garavito-Camargo et al. 2019). A halo of stars is drawn in each live field, its reflex motion is
fitted in a shell, and the network for that shell infers from it at the run's own LMC. The density of the motion given
the mass, averaged over the priors of the Milky Way's mass and the friction, gives the posterior under either prior of
the mass: that of Table 1, and a flat one as far as the network is trained. Given the published orbits of the same
runs, the same is done for rigid galaxies whose LMC follows them (`benchmarks.paper.along_orbits`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.paper.along_orbits import draw_halo
from benchmarks.paper.published import read_smoothed
from benchmarks.paper.text import align_columns
from mwlmc_data import Halo, Parameters, fit_reflex, infer, load_live
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.networks import load_network
from mwlmc_data.inference.shells import TRAINED_SHELLS
from mwlmc_data.plotting.style import BLUE, GREY, ORANGE, new_figure, tidy
from mwlmc_data.priors import MARGINALS
from mwlmc_data.simulator.reflex import Shell, describe_shell
from mwlmc_data.storage.writing import make_folder, replace_file

#: Set of the networks: the LMCs of the runs lie outside the prior of the other one.
CONFIG: Literal["wide"] = "wide"
RUNS = ("gc19-lmc1", "gc19-lmc2", "gc19-lmc3", "gc19-lmc4")
#: Masses at which a density is computed, and nodes of each average.
N_MASSES, _N_NODES = 160, 16
PERCENTS = (16.0, 50.0, 84.0)
#: Stars' anisotropy and scale radius [kpc] at the start.
BETA0, R_DEHNEN = 0.5, 12.0
#: Kinds of galaxies: those of the live runs, and rigid ones on their orbits.
LIVE, RIGID = "live", "rigid, on its orbit"
_HEADER = ("run", "galaxies", "stars", "true [1e10]", "prior of Table 1", "flat prior", "p", "sigma")
_WIDTHS = (9, 20, 18, 11, 20, 20, 7, 5)


@dataclass(frozen=True)
class LiveMass:
    """What a run's stars in one shell say of its LMC.

    Attributes
    ----------
    name : str
        Of the run.
    galaxies : str
        `LIVE` or `RIGID`.
    shell : (float, float)
        r_min, r_max of the stars [kpc].
    m_lmc : float
        Mass of the LMC at the start [Msun].
    weighted, flat : ndarray, shape (3,)
        16, 50 and 84% of the posterior of m_lmc [Msun], under the prior of Table 1 and under a flat one.
    p_value, distance : float
        Of the motion in the model (`mwlmc_data.infer`).
    """

    name: str
    galaxies: str
    shell: Shell
    m_lmc: float
    weighted: Float64Array
    flat: Float64Array
    p_value: float
    distance: float


def draw_haloes(name: str, n_stars: int, seed: int, reference: Path | None) -> dict[str, Halo]:
    """Draw a halo in a run's field, and one of rigid galaxies on its published orbit if that is at hand."""
    live = load_live(name)
    haloes = {LIVE: live.halo(beta0=BETA0, r_dehnen=R_DEHNEN, n_stars=n_stars, seed=seed)}
    if reference is not None:
        parameters = live.parameters.replace(beta0=BETA0, r_dehnen=R_DEHNEN)
        haloes[RIGID] = draw_halo(read_smoothed(reference, int(name[-1])), parameters, n_stars, seed)
    return haloes


def measure(name: str, galaxies: str, halo: Halo, shell: Shell, seed: int = 0) -> LiveMass:
    """Fit the motion of a run's halo in a shell, and infer."""
    parameters = halo.parameters
    assert isinstance(parameters, Parameters)
    fit = fit_reflex(halo.positions, halo.velocities, *shell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table has the p-value and the distance
        found = infer(fit, lmc=parameters, config=CONFIG, n=100, seed=seed)
    masses = np.linspace(MARGINALS[CONFIG]["m_lmc"].low, find_heaviest(), N_MASSES)
    likelihood = load_network(CONFIG, shell).likelihood
    lmc = np.array([found.observation[each] for each in LMC_VECTOR])
    density = average_density(likelihood, masses, fit.vector, fit.covariance[:3, :3], lmc)
    prior = np.exp(MARGINALS[CONFIG]["m_lmc"].log_pdf(masses))
    return LiveMass(
        name=name,
        galaxies=galaxies,
        shell=shell,
        m_lmc=parameters.m_lmc,
        weighted=find_percentiles(masses, density * prior),
        flat=find_percentiles(masses, density),
        p_value=found.p_value,
        distance=found.distance,
    )


def find_heaviest() -> float:
    """The heaviest LMC [Msun] that the network knows: all but 1e-5 of its training set is lighter."""
    return float(MARGINALS[CONFIG]["m_lmc"].quantile(1.0 - 1e-5))


def average_density(
    likelihood: DeconvolvedLikelihood, masses: NDArray, vector: NDArray, covariance: NDArray, lmc: NDArray
) -> Float64Array:
    """Density (n,) of a motion given m_lmc [Msun], averaged over the priors of the other two; up to a factor."""
    x, w = np.polynomial.legendre.leggauss(_N_NODES)
    nodes, marginals = 0.5 * (x + 1.0), MARGINALS[CONFIG]
    m200, friction = (marginals[name].quantile(nodes) for name in ("m200_mw", "log10_lambda_df"))
    theta = np.stack([each.ravel() for each in np.meshgrid(masses, m200, friction, indexing="ij")], axis=1)
    logs = likelihood.log_likelihood(likelihood.scores.forward(theta), vector, covariance, lmc)
    density = np.exp(logs - logs.max()).reshape(len(masses), _N_NODES, _N_NODES)
    return np.einsum("njk,j,k->n", density, w, w)


def find_percentiles(values: NDArray, density: NDArray, percents: Sequence[float] = PERCENTS) -> Float64Array:
    """Percentiles of a density that is tabulated at equally spaced values."""
    below = np.r_[0.0, np.cumsum(0.5 * (density[1:] + density[:-1]))]
    return np.interp(np.asarray(percents) / 100.0, below / below[-1], values)


def describe(found: Sequence[LiveMass]) -> str:
    """Format a line for each run and shell."""
    rows: list[tuple[str, ...]] = [_HEADER]
    for each in found:
        rows.append((
            each.name, each.galaxies, describe_shell(*each.shell).strip(), f"{each.m_lmc / 1e10:.1f}",
            _interval(each.weighted), _interval(each.flat),
            f"{each.p_value:.3f}" if each.p_value else "< 0.001", f"{each.distance:.1f}",
        ))  # fmt: skip
    return "\n".join(align_columns(rows, _WIDTHS))


def _interval(percentiles: NDArray) -> str:
    low, middle, high = percentiles / 1e10
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def draw_figure(found: Sequence[LiveMass]) -> Figure:
    """Inferred against true mass, a panel for each kind of galaxies and each shell.

    Filled with the prior of Table 1, open under a flat one.
    """
    shells, kinds = (list(dict.fromkeys(getattr(each, name) for each in found)) for name in ("shell", "galaxies"))
    figure = new_figure(4.4 * len(shells), 3.6 * len(kinds) + 0.4)
    panels = figure.subplots(len(kinds), len(shells), sharex=True, sharey=True, squeeze=False)
    top = 1.08 * max(float(each.flat[2]) for each in found) / 1e10
    for row, kind in zip(panels, kinds, strict=True):
        for ax, shell in zip(row, shells, strict=True):
            _draw_panel(ax, [each for each in found if (each.galaxies, each.shell) == (kind, shell)], top)
            ax.set_title(f"{kind}: stars{describe_shell(*shell)}", fontsize=10)
        row[0].set_ylabel("inferred m_lmc [1e10 Msun]")
    for ax in panels[-1]:
        ax.set_xlabel("LMC of the live run [1e10 Msun]")
    panels[0][0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _draw_panel(ax: Axes, found: Sequence[LiveMass], top: float) -> None:
    tidy(ax)
    low, middle, high = MARGINALS[CONFIG]["m_lmc"].quantile(np.array(PERCENTS) / 100.0) / 1e10
    ax.axhspan(low, high, color=GREY, alpha=0.15, lw=0)
    ax.axhline(middle, color=GREY, lw=0.8, label="prior of Table 1, 16 to 84%")
    ax.plot([0.0, top], [0.0, top], color="black", lw=0.8, ls="--", label="truth")
    true = np.array([each.m_lmc for each in found]) / 1e10
    for kind, color, offset, face, label in (
        ("weighted", BLUE, -0.25, BLUE, "with that prior"),
        ("flat", ORANGE, 0.25, "white", "with a flat prior"),
    ):
        below, centre, above = np.array([getattr(each, kind) for each in found]).T / 1e10
        ax.errorbar(
            true + offset, centre, (centre - below, above - centre),
            fmt="o", color=color, mfc=face, ms=5, lw=1.4, capsize=2, label=label,
        )  # fmt: skip
    ax.set(xlim=(5.0, 28.0), ylim=(0.0, top))


def main(out: Path, n_stars: int, seed: int, reference: Path | None = None) -> None:
    """Print the table, and write the figure into a folder."""
    make_folder(out)
    shells = [shell for shell in TRAINED_SHELLS if shell[1] in (math.inf, 100.0)]
    haloes = {name: draw_haloes(name, n_stars, seed, reference) for name in RUNS}
    kinds = list(haloes[RUNS[0]])
    found = [
        measure(name, kind, haloes[name][kind], shell, seed) for kind in kinds for shell in shells for name in RUNS
    ]
    print(describe(found))
    figure = draw_figure(found)
    path = out / "live-masses.png"
    replace_file(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))
    print(f"written: {path}")
