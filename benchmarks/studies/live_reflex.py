"""The reflex by radius of the four stored runs: live galaxies against rigid ones with the same parameters.

Every halo is moved three times from the same start: in the live field, in the live field whose galaxies are spheres
(all harmonics above l = 0 taken out, which shows what the shape adds), and by the rigid simulator with the same masses
and present day and the friction that reproduces the live orbit best (what then differs is the orbit, what the LMC
loses, and how the disc moves). Errors are those of the mean over the haloes; the disc's random motion, about 0.3 km/s
with two million particles, is in none of them. What is measured of a run is kept in the folder ``--out``.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common.stored import hash_facts
from mwlmc_data import Parameters, load_live, simulate
from mwlmc_data.arguments.arrays import check_names
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.friction import STRENGTHS, Friction, fit_friction
from mwlmc_data.live.settings import LIVE_VERSION
from mwlmc_data.live.simulation import LiveSimulation, list_live
from mwlmc_data.plotting.style import BLUE, GREEN, MEDIUM, ORANGE, SMALL, new_figure, tidy
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.frames import spherical_angles
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.simulator.stars import Halo
from mwlmc_data.storage import embedded
from mwlmc_data.storage.npz import load_members, read_members, replace_npz
from mwlmc_data.storage.writing import make_folder
from mwlmc_data.validation import validation_cases

#: Shells [kpc] of the table, and of the figure.
SHELLS = ((50.0, math.inf), (50.0, 100.0), (100.0, 300.0))
EDGES = (50.0, 65.0, 85.0, 110.0, 150.0, 200.0, 300.0)
#: Ways in which a halo is moved.
WAYS = ("live", "spheres", "rigid")
#: The run that the paper's case gc19-fiducial is.
FIDUCIAL = "gc19-lmc3"


class Reflexes(NamedTuple):
    """Reflex vectors of one run [km/s], a row for each halo, by way and shell."""

    name: str
    friction: Friction | None
    vectors: dict[str, dict[tuple[float, float], Float64Array]]  # (haloes, 3)


def find_rigid(live: LiveSimulation, beta0: float = 0.0, r_dehnen: float = 12.0) -> tuple[Parameters, Friction | None]:
    """The rigid pair of a live run: its galaxies and present day, and the friction that fits its past, if one does."""
    friction = fit_friction(live.parameters, live.orbit)
    strength = float(STRENGTHS[0]) if friction is None else friction.log10_lambda_df
    return live.parameters.replace(log10_lambda_df=strength, beta0=beta0, r_dehnen=r_dehnen), friction


def measure(name: str, haloes: int, stars: int, beta0: float, r_dehnen: float) -> Reflexes:
    """Measure one stored run.

    Parameters
    ----------
    name : str
        Of the run.
    haloes, stars : int
        Number of haloes, and of the stars of each.
    beta0, r_dehnen : float
        Of the haloes.
    """
    live = load_live(name)
    spheres = dataclasses.replace(live, field=live.field.truncate(0))
    rigid, friction = find_rigid(live, beta0, r_dehnen)
    shells = [*SHELLS, *itertools.pairwise(EDGES)]
    found: dict[str, dict[tuple[float, float], list[Float64Array]]] = {way: {s: [] for s in shells} for way in WAYS}
    for seed in range(haloes):
        moved: dict[str, Halo] = {
            "live": live.halo(beta0, r_dehnen, seed, stars),
            "spheres": spheres.halo(beta0, r_dehnen, seed, stars),
            "rigid": simulate(rigid, seed=seed, n_stars=stars).halo,
        }
        for way, halo in moved.items():
            for low, high in shells:
                fit = fit_reflex(halo.positions, halo.velocities, r_min=low, r_max=high)
                found[way][low, high].append(fit.vector)
    return Reflexes(name, friction, {way: {s: np.array(v) for s, v in rows.items()} for way, rows in found.items()})


def keep(out: Path, name: str, haloes: int, stars: int, beta0: float, r_dehnen: float) -> Reflexes:
    """Measure one stored run, or read what was measured before from a file in a folder."""
    versions = embedded.load_registry()[name]["sha256"], LIVE_VERSION, SIMULATOR_VERSION
    path = out / f"{name}-{hash_facts(*versions, haloes, stars, beta0, r_dehnen)}.npz"
    if not path.exists():
        found = measure(name, haloes, stars, beta0, r_dehnen)
        arrays = {f"{way} {low:g} {high:g}": v for way in WAYS for (low, high), v in found.vectors[way].items()}
        make_folder(out)
        replace_npz(path, {**arrays, "friction": np.array(found.friction or (), float)})
    arrays = load_members(path, read_members(path).values())
    friction = arrays.pop("friction")
    vectors: dict[str, dict[tuple[float, float], Float64Array]] = {way: {} for way in WAYS}
    for key, values in arrays.items():
        way, low, high = key.split()
        vectors[way][float(low), float(high)] = values
    return Reflexes(name, Friction(*friction.tolist()) if len(friction) else None, vectors)


def describe(found: Reflexes) -> Iterator[str]:
    """Lines of the table of one run."""
    fitted = found.friction
    told = "none"
    if fitted is not None:
        told = f"{fitted.log10_lambda_df:.2f} (rms {fitted.place:.1f} kpc, {fitted.motion:.1f} km/s)"
    yield f"{found.name}: log10 of the friction that fits its orbit: {told}"
    for shell in SHELLS:
        ways = {way: found.vectors[way][shell] for way in WAYS}
        for way, vectors in ways.items():
            yield f"  {_name_shell(shell):<15} {way:<16} {_describe_vectors(vectors)}"
        for one, other in (("live", "spheres"), ("spheres", "rigid"), ("live", "rigid")):
            gap = ways[one] - ways[other]  # of the same stars: their own scatter drops out
            yield f"  {_name_shell(shell):<15} {f'{one} - {other}':<16} {_describe_mean(gap)}"


def describe_case(found: Reflexes, draws: Float64Array) -> Iterator[str]:
    """Lines about the paper's case: its quoted vector beside the run by shell, and single haloes of 4,500 stars."""
    quoted = validation_cases()["gc19-fiducial"].observation
    v, l, b = (float(quoted[name]) for name in ("v_travel", "l_apex", "b_apex"))
    yield f"gc19-fiducial, quoted: v {v:.1f} km/s, l {l:.1f}, b {b:.1f} deg"
    speed = np.linalg.norm(draws, axis=1)
    l_apex, b_apex = spherical_angles(draws)
    l_apex = (l_apex - l + 180.0) % 360.0 - 180.0 + l
    for what, value, angle in (("v", speed, v), ("l", l_apex, l), ("b", b_apex, b)):
        low, mid, high = np.percentile(value, [16, 50, 84])
        yield (
            f"  {len(draws)} single haloes of 4,500 stars, 50 to 100 kpc: {what} {mid:.1f} ({low:.1f} to {high:.1f}); "
            f"{np.mean(value < angle):.0%} below the quoted"
        )


def draw_singles(haloes: int) -> Float64Array:
    """Reflex at 50 to 100 kpc of single haloes of 4,500 stars in the fiducial run, (haloes, 3)."""
    live = load_live(FIDUCIAL)
    drawn = (live.halo(0.0, 12.0, seed=1000 + seed) for seed in range(haloes))
    return np.array([fit_reflex(h.positions, h.velocities, r_min=50.0, r_max=100.0).vector for h in drawn])


def _name_shell(shell: tuple[float, float]) -> str:
    low, high = shell
    return f"r > {low:g}" if math.isinf(high) else f"{low:g} to {high:g} kpc"


def _describe_vectors(vectors: Float64Array) -> str:
    """Mean vector with its error, and its speed and apex."""
    mean = vectors.mean(0)
    l, b = spherical_angles(mean)
    return f"{_describe_mean(vectors)}   v {np.linalg.norm(mean):5.1f}, l {float(l):6.1f}, b {float(b):6.1f}"


def _describe_mean(vectors: Float64Array) -> str:
    mean, error = vectors.mean(0), _find_error(vectors)
    return "  ".join(f"{m:6.1f} +- {e:.1f}" for m, e in zip(mean, error, strict=True))


def _find_error(values: Float64Array) -> Float64Array:
    """Standard error of the mean over haloes."""
    return values.std(0, ddof=1) / math.sqrt(len(values))


def draw(runs: Sequence[Reflexes]) -> Figure:
    """Draw the vector by radius, a column for each run and a row for each axis; near the pole l says little."""
    figure = new_figure(3.0 * len(runs) + 0.4, 6.6)
    axes = figure.subplots(3, len(runs), sharex=True, sharey="row", squeeze=False)
    shells = list(itertools.pairwise(EDGES))
    centre = np.array([math.sqrt(low * high) for low, high in shells])
    styles = {"live": (BLUE, "o", "live"), "spheres": (GREEN, "s", "live, as spheres"), "rigid": (ORANGE, "^", "rigid")}
    for column, found in enumerate(runs):
        for place, (way, (color, marker, label)) in enumerate(styles.items()):
            vectors = [found.vectors[way][shell] for shell in shells]
            mean, error = (np.array([function(v) for v in vectors]).T for function in (_find_mean, _find_error))
            at = centre * (1.0 + 0.025 * (place - 1))
            for ax, values, errors in zip(axes[:, column], mean, error, strict=True):
                tidy(ax).errorbar(at, values, errors, color=color, marker=marker, ms=4, lw=1.2, label=label)
        mass = load_live(found.name).parameters.m_lmc
        axes[0, column].set_title(f"{found.name}, {mass / 1e11:.1f}e11 Msun", fontsize=MEDIUM)
        radii = [50, 100, 200, 300]
        axes[2, column].set(xscale="log", xlabel="r [kpc]", xticks=radii, xticklabels=radii)
        axes[2, column].minorticks_off()
    for axis, ax in zip("xyz", axes[:, 0], strict=True):
        ax.set_ylabel(f"v{axis} travel [km/s]")
    axes[0, 0].legend(fontsize=SMALL, frameon=False)
    return figure


def _find_mean(values: Float64Array) -> Float64Array:
    return values.mean(0)


def main(
    out: Path,
    runs: Sequence[str] | None,
    haloes: int,
    stars: int,
    beta0: float,
    r_dehnen: float,
    singles: int,
    figure: Path | None,
) -> None:
    """Measure runs, print a table of each and of the paper's case, and draw the figure."""
    names = list(list_live()) if runs is None else list(runs)
    check_names("--runs", names, list_live())
    measured = []
    for name in names:
        measured.append(keep(out, name, haloes, stars, beta0, r_dehnen))
        print("\n".join(describe(measured[-1])), flush=True)
        if name == FIDUCIAL and singles:
            print("\n".join(describe_case(measured[-1], draw_singles(singles))), flush=True)
    if figure is not None:
        draw(measured).savefig(figure, dpi=110)
        print(figure)
