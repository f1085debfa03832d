"""Live runs from the starts of two N-body suites that others made, beside how those ended.

Lilleengen et al. 2023 (MNRAS 518, 774; github.com/sophialilleengen/mwlmc, MIT licence): a Milky Way with a live disc
and an LMC, by basis functions (EXP), which ends where the LMC is. Its haloes are read from its own tables, its disc and
bulge have the masses that the XMC-Atlas lists for it; the velocities of its tracks scatter by 5 to 10 km/s. HaloDance
(Sheng, Ting & Xue 2025, arXiv:2507.03663): tree-code runs over 2 Gyr, of which the start and the end of the LMC are
published; what its table does not say is assumed: the LMC is a Hernquist sphere with the catalogue's mass within
8.7 kpc, bulge and disc are this package's.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.studies.live.figure import LiveFigure
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.body import make_body, make_hernquist_body
from mwlmc_data.live.running import run
from mwlmc_data.live.settings import LiveSettings, make_settings
from mwlmc_data.live.spheres import LMC_CUT, MW_CUT, Sphere, cut_sphere, hernquist_sphere, make_grid, nfw_sphere
from mwlmc_data.live.start import Galaxies
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import lmc_scale_radius

#: Units of Lilleengen et al.'s files: length [kpc], velocity [km/s], mass [Msun]; time follows.
LENGTH, VELOCITY = 282.0, 190.0 / 1.4
MASS = VELOCITY**2 * LENGTH / const.G
#: Its present day, in those units.
TODAY = 1.19925
#: Disc and bulge [Msun, kpc]. The XMC-Atlas lists 6.8e10 Msun, 3 kpc and 5e9 Msun, 0.5 kpc with a halo of 7.92e11 Msun
#: and 12.8 kpc, which in the files' units is the unit of mass and 18.4 kpc: the run is scaled to the LMC's present day.
_HEAVIER, _LONGER = MASS / 7.92e11, LENGTH / 15.3 / 12.8
DISC, BULGE = (6.8e10 * _HEAVIER, 3.0 * _LONGER), (5e9 * _HEAVIER, 0.5 * _LONGER)
#: Duration of a HaloDance run [Gyr], and the LMC's mass within 8.7 kpc [Msun] that is assumed for it.
HALODANCE_SPAN, HALODANCE_8P7 = 2.0, 1.7e10
#: The HaloDance model: isotropic, and the one whose halo is nearest to a sphere among those near the prior's mean.
_MASSES = ((0.9, 1.3), (14.0, 20.0))


_HEAD = re.compile(r"powerhalo,.*1\.?/(?P<inverse>[\d.]+?),alpha=1\.,beta=(?P<beta>\d)\.,rc=0\.0*,")


class Comparison(NamedTuple):
    """Orbit of a live run beside another's, LMC minus Milky Way: (rows, 6) each."""

    time: Float64Array  # since the start [kpc / (km/s)]
    ours: Float64Array
    theirs: Float64Array


def read_model(path: Path) -> Sphere:
    """Read a spherical model of EXP, ``rho ~ 1 / (x (1 + x)^beta)``, cut as a live halo is.

    Scale and beta are in its first line, and its mass within 50 kpc gives the normalisation: the densities of the table
    have seven decimals, too few far out for an equilibrium.
    """
    with gzip.open(path, "rt") as file:
        head, _, count, *lines = file.read().splitlines()
    found = _HEAD.search(head)
    if found is None:
        raise ValueError(f"{path} begins with {head[:80]!r}: allowed is a powerhalo with alpha=1 and rc=0")
    table = np.array([line.split() for line in lines[: int(count)]], float)
    cut = MW_CUT if "MW" in path.name else LMC_CUT
    grid = make_grid(cut)
    x = grid / (LENGTH / float(found["inverse"]))
    sphere = cut_sphere(grid, 1.0 / (x * (1.0 + x) ** float(found["beta"])), cut)
    within = MASS * np.interp(const.ENCLOSED_RADIUS, LENGTH * table[:, 0], table[:, 2])
    scale = float(within / np.interp(const.ENCLOSED_RADIUS, sphere.radius, sphere.mass))
    return Sphere(grid, scale * sphere.density, scale * sphere.mass)


def read_centres(path: Path) -> Float64Array:
    """Read the track of a centre, (rows, 7): time [kpc / (km/s)] since its first row, kpc, km/s; the last is today."""
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, skiprows=1)
    table = table[table[:, 0] <= TODAY + 1e-9]
    return table * np.r_[LENGTH / VELOCITY, [LENGTH] * 3, [VELOCITY] * 3]


def run_lilleengen(folder: Path, particles: int, seed: int = 0) -> Comparison:
    """Run the pair of Lilleengen et al. 2023 from its start."""
    tracks = {name: read_centres(folder / f"{name}.orient.run9mlde.smth.gz") for name in ("lmc", "disc")}
    # in the first rows, some 10 Myr, the LMC's centre stands still at what must be their last place
    first = int(np.flatnonzero((tracks["lmc"][:, 1:4] != tracks["lmc"][0, 1:4]).any(1))[0])
    tracks = {name: track[first:] for name, track in tracks.items()}
    theirs = tracks["lmc"][:, 1:] - tracks["disc"][:, 1:]
    clock = tracks["lmc"][:, 0] - tracks["lmc"][0, 0]
    settings = make_settings(particles, seed, rows=110, span=float(clock[-1]) * const.GYR_PER_TIME_UNIT)
    settings = settings._replace(bulge=BULGE[0], bulge_scale=BULGE[1], disc=DISC[0], disc_length=DISC[1])
    body = make_hernquist_body(BULGE[0], BULGE[1], DISC[0], DISC[1])
    galaxies = Galaxies(read_model(folder / "ErkalMW.model.gz"), body, read_model(folder / "ErkalLMC.model.gz"))
    time, ours = _follow(galaxies, theirs[0], settings)
    return Comparison(time, ours, np.array([np.interp(time, clock, column) for column in theirs.T]).T)


def run_halodance(path: Path, particles: int, seed: int = 0) -> tuple[str, Comparison]:
    """Run one isotropic model of HaloDance from its start; a line that says which, and its start and end."""
    with path.open(newline="") as file:
        models = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    near = [m for m in models if all(low <= m[key] <= high for key, (low, high) in zip(_KEYS, _MASSES, strict=True))]
    model = min(near, key=lambda m: abs(m["flattening(q)"] - 1.0))
    m200, m_lmc, c = model[_KEYS[0]] * 1e12, model[_KEYS[1]] * 1e10, model["concentration(c)"]
    lmc = hernquist_sphere(m_lmc, lmc_scale_radius(m_lmc, HALODANCE_8P7))
    start, end = (np.array([model[name + moment] for name in ("X", "Y", "Z", "Vx", "Vy", "Vz")]) for moment in "0t")
    settings = make_settings(particles, seed, rows=100, span=HALODANCE_SPAN)
    time, ours = _follow(Galaxies(nfw_sphere(m200, c), make_body(), lmc), start, settings)
    told = f"HaloDance {model['index']:.0f}: {m200:.3g} Msun, c {c:.1f}, q {model['flattening(q)']:.2f}"
    return f"{told}, LMC {m_lmc:.3g} Msun", Comparison(time[[0, -1]], ours[[0, -1]], np.array([start, end]))


_KEYS = ("M_mw(1e12 M_sun)", "M_lmc(1e10 M_sun)")


def _follow(galaxies: Galaxies, start: Float64Array, settings: LiveSettings) -> tuple[Float64Array, Float64Array]:
    """Times and relative orbit of a live run."""
    _, rows = run(galaxies, start, settings)
    return np.array([float(row.time) for row in rows]), np.array([row.lmc - row.body for row in rows])


def measure_others(reference: Path, particles: int) -> Iterator[LiveFigure]:
    """Figures of both comparisons."""
    folder = reference / "lilleengen23"
    if folder.is_dir():
        yield from _describe("Lilleengen+2023", run_lilleengen(folder, particles))
        for name in ("MW", "LMC"):
            mass = np.interp(const.ENCLOSED_RADIUS, *read_model(folder / f"Erkal{name}.model.gz")[::2])
            yield LiveFigure(f"Lilleengen+2023: {name} within 50 kpc", float(mass) / 1e10, math.nan, "1e10 Msun")
    path = reference / "halodance" / "isotropic_sim_info.csv"
    if path.is_file():
        told, found = run_halodance(path, particles)
        print(told)
        yield from _describe("HaloDance", found)


def _describe(who: str, found: Comparison) -> Iterator[LiveFigure]:
    gap = found.ours - found.theirs
    place, motion = np.linalg.norm(gap[:, :3], axis=1), np.linalg.norm(gap[:, 3:], axis=1)
    if len(gap) > 2:
        yield LiveFigure(f"{who}, {len(gap)} rows: place, rms", float(np.sqrt(np.mean(place**2))), math.nan, "kpc")
        yield LiveFigure(f"{who}, {len(gap)} rows: motion, rms", float(np.sqrt(np.mean(motion**2))), math.nan, "km/s")
        ours, theirs = (float(np.linalg.norm(orbit[:, :3], axis=1).min()) for orbit in (found.ours, found.theirs))
        yield LiveFigure(f"{who}: pericentre less theirs", ours - theirs, math.nan, "kpc")
    yield LiveFigure(f"{who}: place, today", float(place[-1]), math.nan, "kpc")
    yield LiveFigure(f"{who}: motion, today", float(motion[-1]), math.nan, "km/s")
    for name, orbit in (("ours", found.ours), ("theirs", found.theirs)):
        print(f"{who}, {name} today: {' '.join(f'{x:.1f}' for x in orbit[-1])} kpc, km/s")
