"""Fit the kernels' terms of the disc to the exact disc, and write ``mwlmc_data/simulator/disc.npz``.

A term is ``-G m / sqrt(R^2 + q^2)`` with ``q = a + s(z) + b sech^2(z / 2h)`` (:mod:`mwlmc_data.simulator.equations`).
An error of the spherical mean costs nothing, as the radial table absorbs it: the fit is to the rest of the force.
Errors are relative to the smallest total force of any halo of the priors, and the largest error is minimised, by least
squares of rising powers from perturbed starts, for as long as requested.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares
from tqdm import tqdm

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import potentials
from mwlmc_data.simulator.tables import make_nodes
from mwlmc_data.storage.npz import replace_npz

#: Target error, relative to the total force, within 1 kpc, from 1 to 9.5 kpc, and beyond.
TARGETS = (8e-4, 4e-4, 8e-5)
_SHELLS = np.geomspace(0.45, 300.0, 64)
_HEIGHTS = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.5, 3])
_HALO_MASSES = (1e11, 1e12, 1e13)
_MASS_UNIT = 1e10


class Terms(NamedTuple):
    """The kernels' form of the disc, without the radial part."""

    mass: Float64Array  # [Msun]
    a: Float64Array  # [kpc]
    b: Float64Array  # [kpc]
    height: float  # h [kpc]

    def force(self, R: Float64Array, z: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Radial and vertical acceleration at cylindrical R, z >= 0 (n,)."""
        u = z / (2 * self.height)
        tanh = np.tanh(u)
        sech2 = 1 - tanh**2
        s = 2 * self.height * (u + np.log1p(np.exp(-2 * u)))
        q = self.a[:, None] + s + self.b[:, None] * sech2
        slope = tanh - self.b[:, None] * sech2 * tanh / self.height
        f = const.G * self.mass[:, None] / (R**2 + q**2) ** 1.5
        return -(f * R).sum(axis=0), -(f * q * slope).sum(axis=0)


class DiscSample(NamedTuple):
    """Points of the fit, the exact disc's force there, and the weights of errors."""

    R: Float64Array
    z: Float64Array
    force: Float64Array  # (n, 2), radial and vertical
    weight: Float64Array  # 1 / (total force x error aimed at)
    total: Float64Array
    shell: NDArray[np.int64]
    mean: Float64Array  # (shells, n): averages over each sphere


@functools.lru_cache(maxsize=1)
def make_sample() -> DiscSample:
    """Make points on spheres, dense near the plane, with the exact forces there (takes seconds)."""
    z = [np.unique(np.minimum(np.r_[np.linspace(0, 1, 18) * r, _HEIGHTS], r)) for r in _SHELLS]
    shell = np.repeat(np.arange(len(_SHELLS)), [len(heights) for heights in z])
    mean = np.zeros((len(_SHELLS), len(shell)))
    for i, (r, heights) in enumerate(zip(_SHELLS, z, strict=True)):
        middle = 0.5 * (heights[1:] + heights[:-1]) / r
        mean[i, shell == i] = np.diff(np.r_[0.0, middle, 1.0])
    heights, radius = np.concatenate(z), _SHELLS[shell]
    R = np.sqrt(np.maximum(radius**2 - heights**2, 0.0))
    points = np.column_stack([R, np.zeros_like(R), heights])
    disc = potentials.disc_acceleration(points)
    baryons = disc + potentials.bulge_acceleration(points)
    halos = [potentials.nfw_acceleration(points, m, potentials.concentration(m)) for m in _HALO_MASSES]
    total = np.min([np.linalg.norm(baryons + halo, axis=1) for halo in halos], axis=0)
    target = np.select([radius < 1, radius < 9.5], TARGETS[:2], TARGETS[2])
    return DiscSample(R, heights, disc[:, [0, 2]], 1 / (total * target), total, shell, mean)


def compute_errors(terms: Terms, sample: DiscSample) -> Float64Array:
    """Force of the terms minus the disc's without its spherical mean [km^2 s^-2 kpc^-1], (n, 2)."""
    radius = _SHELLS[sample.shell]
    difference = np.column_stack(terms.force(sample.R, sample.z)) - sample.force
    direction = np.column_stack([sample.R, sample.z]) / radius[:, None]
    spherical = sample.mean @ (difference * direction).sum(axis=1)
    return difference - spherical[sample.shell, None] * direction


def fit(n_terms: int, seconds: float, seed: int, start: Terms | None = None) -> tuple[Terms, float]:
    """Search for the terms with the smallest maximum error.

    Parameters
    ----------
    n_terms : int
        Number of terms.
    seconds : float
        Time to search; the last try is finished.
    seed : int
        Seed of the starts.
    start : Terms, optional
        Terms to start from, at most `n_terms`.

    Returns
    -------
    terms : Terms
    score : float
        Largest error in units of the target.
    """
    sample, rng = make_sample(), np.random.default_rng(seed)
    best, best_score, best_cost = (None if start is None else _pack(start, n_terms, rng)), np.inf, np.inf
    begun = time.monotonic()
    bar = tqdm(total=round(seconds), unit="s", desc="fit the disc")
    while True:
        # the first try polishes the start itself
        trial = _draw_start(n_terms, rng) if best is None else best
        if np.isfinite(best_score):
            trial = trial + rng.normal(0, 0.3, 3 * n_terms + 1) * _get_spread(trial, n_terms)
        found, cost = _descend(trial, sample, n_terms, best_cost)
        score = _score(found, sample, n_terms)
        if score < best_score:
            best, best_score, best_cost = found, score, min(cost, best_cost)
            bar.set_postfix_str(f"largest error {score:.3f} of the target")
        bar.update(min(round(time.monotonic() - begun), bar.total) - bar.n)
        if time.monotonic() - begun > seconds:
            bar.close()
            return _unpack(best, n_terms), best_score  # type: ignore[arg-type]


def _descend(p: Float64Array, sample: DiscSample, n_terms: int, best_cost: float) -> tuple[Float64Array, float]:
    """Least squares of the errors, then of their squares and fourth powers, which emphasise the largest."""

    def residuals(q: Float64Array, power: float = 1.0) -> Float64Array:
        scaled = (compute_errors(_unpack(q, n_terms), sample) * sample.weight[:, None]).ravel()
        return np.sign(scaled) * np.abs(scaled) ** power

    with np.errstate(all="ignore"):
        try:
            first = least_squares(residuals, p, x_scale="jac", max_nfev=150)
            if first.cost > 2.5 * best_cost:
                return p, np.inf
            q = first.x
            for power in (2.0, 4.0):
                q = least_squares(residuals, q, x_scale="jac", max_nfev=200, kwargs={"power": power}).x
        except ValueError:  # a start whose forces overflow
            return p, np.inf
    return q, float(first.cost)


def _score(p: Float64Array, sample: DiscSample, n_terms: int) -> float:
    return float(np.max(np.linalg.norm(compute_errors(_unpack(p, n_terms), sample), axis=1) * sample.weight))


def _draw_start(n: int, rng: np.random.Generator) -> Float64Array:
    log_a = np.log(rng.uniform(0.3, 12, n))
    return np.r_[rng.normal(0, 3, n) + 5 / n, log_a, rng.normal(0, 0.3, n), np.log(const.DISC_SCALE_HEIGHT)]


def _get_spread(p: Float64Array, n: int) -> Float64Array:
    return np.r_[0.3 * np.abs(p[:n]), np.full(n, 0.3), np.full(n, 0.5), 0.05]


def _unpack(p: Float64Array, n: int) -> Terms:
    return Terms(p[:n] * _MASS_UNIT, np.exp(p[n : 2 * n]), p[2 * n : 3 * n], float(np.exp(p[-1])))


def _pack(terms: Terms, n: int, rng: np.random.Generator) -> Float64Array:
    """Pack terms into the parameters of the search; missing terms start small."""
    missing = n - len(terms.mass)
    if missing < 0:
        raise ValueError(f"start = {len(terms.mass)} terms: allowed are at most {n}")
    return np.r_[
        np.r_[terms.mass / _MASS_UNIT, rng.normal(0, 0.5, missing)],
        np.r_[np.log(terms.a), np.log(rng.uniform(0.3, 12, missing))],
        np.r_[terms.b, rng.normal(0, 0.3, missing)],
        np.log(terms.height),
    ]


def compute_terms_mass(terms: Terms, radius: float) -> float:
    """Mass of the terms within a sphere [Msun], by Gauss's theorem from their flux through it."""
    edges = np.unique(np.r_[0.0, np.minimum(np.geomspace(0.02, 60, 20) * terms.height / radius, 1.0), 1.0])
    cosine, weight = _make_panels(edges)
    sine = np.sqrt(1 - cosine**2)
    radial, vertical = terms.force(radius * sine, radius * cosine)
    return -(radius**2) / const.G * float(np.sum(weight * (radial * sine + vertical * cosine)))


def _make_panels(edges: Float64Array) -> tuple[Float64Array, Float64Array]:
    x, w = np.polynomial.legendre.leggauss(40)
    half = 0.5 * np.diff(edges)[:, None]
    return (0.5 * (edges[1:] + edges[:-1])[:, None] + half * x).ravel(), (half * w).ravel()


def load(path: Path) -> Terms:
    """Load terms from a file that :func:`save` wrote."""
    with np.load(path) as data:
        return Terms(data["mass"], data["a"], data["b"], float(data["height"]))


def save(terms: Terms, path: Path) -> None:
    """Write the terms, and the mass of the bulge and of what they lack within each node of the radial table."""
    replace_npz(path, {**terms._asdict(), "baryon_mass": tabulate_baryons(terms)})


def tabulate_baryons(terms: Terms) -> Float64Array:
    """Mass of the bulge and of the disc without its terms within the radial table's nodes [Msun], (cells, 4).

    What the terms lack is splined in ln r between 481 radii; it is constant beyond the last, and as r^3 within the
    first.
    """
    radius = make_nodes()
    bulge = np.full(radius.shape, const.BULGE_MASS)
    inside = radius < 7 * const.BULGE_CUT
    bulge[inside] = potentials.bulge_mass(radius[inside])
    known = np.geomspace(1e-3, 1e3, 481)
    missing = CubicSpline(np.log(known), potentials.disc_mass(known) - [compute_terms_mass(terms, r) for r in known])
    return bulge + missing(np.log(np.clip(radius, known[0], known[-1]))) * np.minimum(radius / known[0], 1.0) ** 3


def report(terms: Terms) -> str:
    """Report the largest error of the force beyond some radii, relative to the smallest total force."""
    sample = make_sample()
    relative = np.linalg.norm(compute_errors(terms, sample), axis=1) / sample.total
    beyond = {r: relative[_SHELLS[sample.shell] > r].max() for r in (0.5, 1, 2, 5, 10, 20)}
    return "\n".join(f"beyond {r:4g} kpc: {error:.1e} of the total force" for r, error in beyond.items())
