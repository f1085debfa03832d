"""The reflex motion of the halo: the nine-parameter model and its maximum-likelihood fit.

A star's velocity in the Galactic rest frame is (Petersen & Penarrubia 2021; eqs. 8 to 12 of the paper)

    v = -v_travel + <v_r> e_r + <v_phi> e_phi + <v_theta> e_theta + scatter,

v_travel the velocity of the disc relative to the halo (its direction is the apex), e_r, e_phi, e_theta Galactocentric
at the star, theta the colatitude. The scatter is Gaussian along the line of sight, l and b as seen from the Sun, with
dispersions sigma_v_los, sigma_v_l, sigma_v_b. With known dispersions the model is linear in its six velocities, and
without measurement errors all that the stars say of them is in three 6 x 6 matrices: the fit is one pass over the stars
and a few solutions of six equations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import constants as const
from .compiling import announced, kernel
from .frames import galactocentric_basis, heliocentric_basis, spherical_angles

FloatArray = NDArray[np.floating]

#: Order of the nine parameters in :attr:`Reflex.values` and :attr:`Reflex.covariance`.
REFLEX_NAMES = (
    "vx_travel",
    "vy_travel",
    "vz_travel",
    "mean_v_r",
    "mean_v_phi",
    "mean_v_theta",
    "sigma_v_los",
    "sigma_v_l",
    "sigma_v_b",
)
#: Fewest stars that are fitted.
MIN_STARS = 20


@dataclasses.dataclass(frozen=True)
class Reflex:
    """A fitted reflex motion.

    Attributes
    ----------
    values : ndarray, shape (9,)
        The parameters in the order of ``REFLEX_NAMES`` [km/s].
    covariance : ndarray, shape (9, 9)
        Robust (sandwich) covariance of `values`: right also where the velocities are not Gaussian, which for a
        radially anisotropic halo makes the dispersions' plain errors 1.5 to 1.8 times too small.
    covariance_plain : ndarray, shape (9, 9)
        Inverse of the information matrix: right if the velocities are Gaussian.
    log_likelihood : float
        At the maximum.
    n_stars : int
        Stars that entered the fit.
    r_min, r_max : float
        The shell that was fitted: Galactocentric r_min < r < r_max [kpc].
    """

    values: FloatArray
    covariance: FloatArray
    covariance_plain: FloatArray
    log_likelihood: float
    n_stars: int
    r_min: float
    r_max: float

    @property
    def vector(self) -> FloatArray:
        """Travel velocity of the disc relative to the halo, Cartesian [km/s], (3,)."""
        return self.values[:3]

    @property
    def means(self) -> FloatArray:
        """Mean <v_r>, <v_phi>, <v_theta> of the halo [km/s], (3,)."""
        return self.values[3:6]

    @property
    def dispersions(self) -> FloatArray:
        """Dispersions along the line of sight, l and b [km/s], (3,)."""
        return self.values[6:]

    @property
    def v_travel(self) -> float:
        """Speed of the disc relative to the halo [km/s]."""
        return float(np.linalg.norm(self.vector))

    @property
    def l_apex(self) -> float:
        """Galactic longitude of the apex [deg], (-180, 180]."""
        return float(spherical_angles(self.vector)[0])

    @property
    def b_apex(self) -> float:
        """Galactic latitude of the apex [deg]."""
        return float(spherical_angles(self.vector)[1])

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of the nine parameters, and of v_travel, l_apex (along l, not times cos b) and b_apex."""
        named = dict(zip(REFLEX_NAMES, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))
        x, y, z = self.vector
        v, in_plane = self.v_travel, math.hypot(x, y)
        gradients = {
            "v_travel": np.array([x, y, z]) / v,
            "l_apex": np.degrees(np.array([-y, x, 0.0]) / in_plane**2),
            "b_apex": np.degrees(np.array([-x * z / in_plane, -y * z / in_plane, in_plane]) / v**2),
        }
        travel = self.covariance[:3, :3]
        return named | {name: float(np.sqrt(g @ travel @ g)) for name, g in gradients.items()}


def fit_reflex(
    positions: ArrayLike,
    velocities: ArrayLike,
    r_min: float = const.FIT_R_MIN,
    r_max: float = math.inf,
    weights: ArrayLike | None = None,
) -> Reflex:
    """Fit the reflex motion to stars with known phase-space.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        Galactocentric positions [kpc] and velocities [km/s] relative to the Milky Way's centre, axes parallel to
        Galactic l, b, the Sun at (-8.3, 0, 0.02) kpc.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    weights : array_like, shape (n,), optional
        Multiplicity of each star in the likelihood, not negative.

    Returns
    -------
    Reflex

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, the shell is empty or holds fewer than 20 stars.

    Notes
    -----
    Alternates the six velocities at given dispersions (generalised least squares) and the dispersions at given
    velocities (root mean square residuals), each a maximum of the likelihood in its block, until the change is below
    1e-10 of the dispersions.
    """
    x, v, w = _checked(positions, velocities, r_min, r_max, weights)
    design, data = _linear_model(x, v)
    return _robust(design, data, w, *_fit(_sums(design, data, w)), (float(r_min), float(r_max)))


def fit_shells(
    positions: ArrayLike, velocities: ArrayLike, r_min: float, outer_radii: Sequence[float]
) -> tuple[Reflex, list[tuple[FloatArray, int]]]:
    """Fit all stars beyond `r_min`, and the travel velocity within shells that begin there, in one pass over the stars.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        As for :func:`fit_reflex`.
    r_min : float
        Inner radius of every fit [kpc].
    outer_radii : sequence of float
        Outer radii of the shells [kpc], rising.

    Returns
    -------
    reflex : Reflex
        What ``fit_reflex(positions, velocities, r_min)`` gives.
    shells : list of (ndarray of shape (3,), int)
        Travel velocity [km/s] and number of stars of each shell.

    Raises
    ------
    ValueError
        As :func:`fit_reflex`, for any of the shells.
    """
    x, v, w = _checked(positions, velocities, r_min, math.inf, None)
    radius = np.linalg.norm(x, axis=1)
    design, data = _linear_model(x, v)
    shells, inner, sums = [], r_min, _NOTHING
    for outer in outer_radii:
        count = int(in_shell(radius, r_min, outer).sum())
        ring = (radius >= inner) & (radius < outer)
        sums = _added(sums, _sums(design[ring], data[ring], w[ring]))
        shells.append((_fit(sums)[0][:3], count))
        inner = outer
    ring = radius >= inner
    sums = _added(sums, _sums(design[ring], data[ring], w[ring]))
    return _robust(design, data, w, *_fit(sums), (float(r_min), math.inf)), shells


def design_matrix(positions: FloatArray, basis: FloatArray) -> FloatArray:
    """The model's linear part: (v_los, v_l, v_b) of each star per unit of the six velocities.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        Galactocentric positions [kpc].
    basis : ndarray, shape (n, 3, 3)
        Unit vectors along the line of sight, l and b.

    Returns
    -------
    ndarray, shape (n, 3, 6)
        Columns as the first six of ``REFLEX_NAMES``.
    """
    return np.concatenate([-basis, basis @ np.swapaxes(galactocentric_basis(positions), 1, 2)], axis=2)


def in_shell(radius: FloatArray, r_min: float, r_max: float, weights: FloatArray | None = None) -> NDArray[np.bool_]:
    """Which stars are fitted: those with r_min < r < r_max [kpc] and, where given, positive weight.

    Raises
    ------
    ValueError
        If the shell is empty by its bounds or holds fewer than 20 stars.
    """
    if not 0 <= r_min < r_max:
        raise ValueError(f"r_min = {r_min!r}, r_max = {r_max!r} kpc: allowed is 0 <= r_min < r_max")
    inside = (radius > r_min) & (radius < r_max)
    if weights is not None:
        inside &= weights > 0
    if inside.sum() < MIN_STARS:
        condition = "" if weights is None else " with positive weight"
        raise ValueError(
            f"{int(inside.sum())} of {len(radius)} stars lie at {r_min:g} < r < {r_max:g} kpc{condition}; "
            f"the fit needs {MIN_STARS} or more"
        )
    return inside


class _Sums(NamedTuple):
    """All that stars without errors say of the six velocities, by component of the velocity."""

    normal: FloatArray  # (3, 6, 6): sum of w design design
    right: FloatArray  # (3, 6): sum of w design data
    squares: FloatArray  # (3,): sum of w data^2
    total: float  # sum of w


_NOTHING = _Sums(np.zeros((3, 6, 6)), np.zeros((3, 6)), np.zeros(3), 0.0)


def _added(a: _Sums, b: _Sums) -> _Sums:
    return _Sums(a.normal + b.normal, a.right + b.right, a.squares + b.squares, a.total + b.total)


def _linear_model(x: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Design (n, 3, 6) and data (n, 3), the velocities along the line of sight, l and b."""
    basis = heliocentric_basis(x)
    return design_matrix(x, basis), np.einsum("nki,ni->nk", basis, v)


def _sums(design: FloatArray, data: FloatArray, weights: FloatArray) -> _Sums:
    with announced():
        return _Sums(*_accumulate(design, data, weights))


@kernel
def _accumulate(design, data, weights):
    """The sums of :class:`_Sums`; loops, because six columns are too few for a matrix product."""
    normal, right, squares = np.zeros((3, 6, 6)), np.zeros((3, 6)), np.zeros(3)
    total = 0.0
    for n in range(design.shape[0]):
        w = weights[n]
        total += w
        for k in range(3):
            y = w * data[n, k]
            squares[k] += y * data[n, k]
            for i in range(6):
                a = design[n, k, i]
                right[k, i] += y * a
                for j in range(i + 1):
                    normal[k, i, j] += w * a * design[n, k, j]
    for k in range(3):
        for i in range(6):
            for j in range(i):
                normal[k, j, i] = normal[k, i, j]
    return normal, right, squares, total


def _fit(sums: _Sums) -> tuple[FloatArray, FloatArray]:
    """The nine parameters and their plain covariance: alternates velocities and dispersions."""
    normal, right, squares, total = sums
    variance = squares / total
    for _ in range(200):
        theta = np.linalg.solve(
            np.einsum("kij,k->ij", normal, 1 / variance), np.einsum("ki,k->i", right, 1 / variance)
        )
        residual = squares - 2 * right @ theta + np.einsum("i,kij,j->k", theta, normal, theta)
        previous, variance = variance, residual / total
        if np.all(np.abs(variance - previous) <= 2e-10 * variance):
            break
    information = np.zeros((9, 9))
    information[:6, :6] = np.einsum("kij,k->ij", normal, 1 / variance)
    information[6:, 6:] = np.diag(2 * total / variance)
    return np.r_[theta, np.sqrt(variance)], np.linalg.inv(information)


def _robust(
    design: FloatArray,
    data: FloatArray,
    weights: FloatArray,
    values: FloatArray,
    plain: FloatArray,
    shell: tuple[float, float],
) -> Reflex:
    """The fit with its sandwich covariance (Huber 1967): the scatter of the stars' scores between two plain ones."""
    theta, sigma = values[:6], values[6:]
    residuals = (data - np.einsum("nki,i->nk", design, theta)) / sigma
    scores = np.concatenate([np.einsum("nk,nki->ni", residuals / sigma, design), (residuals**2 - 1) / sigma], axis=1)
    scatter = np.einsum("ni,nj->ij", scores * weights[:, None] ** 2, scores)
    total = float(weights.sum())
    log_likelihood = -total * (np.log(sigma).sum() + 1.5 * math.log(2 * math.pi) + 1.5)
    return Reflex(values, plain @ scatter @ plain, plain, float(log_likelihood), len(data), *shell)


def _checked(
    positions: ArrayLike, velocities: ArrayLike, r_min: float, r_max: float, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The stars of the shell, checked."""
    x, v = np.asarray(positions, float), np.asarray(velocities, float)
    if x.ndim != 2 or x.shape[1] != 3 or x.shape != v.shape:
        raise ValueError(f"positions have shape {x.shape} and velocities {v.shape}; allowed is (n, 3) for both")
    w = np.ones(len(x)) if weights is None else np.asarray(weights, float)
    if w.shape != (len(x),):
        raise ValueError(f"weights have shape {w.shape}; allowed is ({len(x)},), one a star")
    for name, array in (("positions", x), ("velocities", v), ("weights", w)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} hold {array[~np.isfinite(array)][0]}; only finite numbers are allowed")
    if (w < 0).any():
        raise ValueError(f"weights hold {w.min():g}; allowed are numbers from 0 up")
    inside = in_shell(np.linalg.norm(x, axis=1), r_min, r_max, w)
    return x[inside], v[inside], w[inside]
