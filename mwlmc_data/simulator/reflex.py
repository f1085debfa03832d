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

from mwlmc_data.arguments.arrays import as_float, as_floats
from mwlmc_data.arguments.tabular import as_vectors, refuse_misaligned
from mwlmc_data.array_types import FloatArray
from mwlmc_data.display import Displayed, fixed, with_error
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announced, kernel
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, spherical_angles
from mwlmc_data.simulator.identifiability import VELOCITY_NAMES, is_singular, open_velocities, typical_scatter

#: Order of the nine parameters in ``Reflex.values`` and ``Reflex.covariance``.
REFLEX_NAMES = (*VELOCITY_NAMES, "sigma_v_los", "sigma_v_l", "sigma_v_b")
#: Columns of a table of positions, and of one of velocities.
POSITION_NAMES, MOTION_NAMES = ("x", "y", "z"), ("vx", "vy", "vz")
#: Fewest stars that are fitted.
MIN_STARS = 20
#: Largest distance [kpc] and speed [km/s], that of light, that are taken for those of a star. A halo has no edge: some
#: simulated stars lie beyond 1e6 kpc.
MAX_DISTANCE, MAX_SPEED = 1e20, 299_792.458
#: Most steps of either fit; healthy samples need some ten.
MAX_STEPS = 200
#: Part of a sum of squares that is nothing but rounding.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, repr=False)
class Reflex(Displayed):
    """A fitted reflex motion.

    Attributes
    ----------
    values : ndarray, shape (9,)
        The parameters in the order of ``REFLEX_NAMES`` [km/s]. NaN where the stars do not determine one: those of
        `undetermined`, which is empty where all velocities are measured.
    covariance : ndarray, shape (9, 9)
        Robust (sandwich) covariance of `values`: right also where the velocities are not Gaussian, which makes the
        plain errors of the tangential dispersions too small, 1.4 times at beta0 = 0.6 and 2.0 times at 0.85
        (``python -m benchmarks choices``). NaN in the rows and
        columns of what is undetermined, over which the rest is marginalised, and of a dispersion that is held at zero
        (`at_zero`), for which the rest is given: on the edge of what is allowed a standard error has no meaning.
    covariance_plain : ndarray, shape (9, 9)
        Inverse of the information matrix: right if the velocities are Gaussian.
    log_likelihood : float
        At the maximum.
    n_stars : int
        Stars that entered the fit.
    r_min, r_max : float
        The shell that was fitted: Galactocentric r_min < r < r_max [kpc].
    n_measured : tuple of int
        Fitted stars whose velocity is measured along the line of sight, l and b; 0 for a component that is left out of
        the fit.
    """

    values: FloatArray
    covariance: FloatArray
    covariance_plain: FloatArray
    log_likelihood: float
    n_stars: int
    r_min: float
    r_max: float
    n_measured: tuple[int, int, int]

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Parameters that the stars do not determine, among the last six of ``REFLEX_NAMES``.

        A mean motion is among them if its standard error exceeds the scatter of one star, a dispersion if its
        component of the velocity is measured for fewer than 20 stars. A sample that leaves the
        travel velocity open is not fitted.
        """
        return tuple(name for name, value in zip(REFLEX_NAMES, self.values, strict=True) if np.isnan(value))

    @property
    def at_zero(self) -> tuple[str, ...]:
        """Dispersions whose best value is zero: the errors that are given explain all of the scatter, or more."""
        return tuple(name for name, value in zip(REFLEX_NAMES[6:], self.dispersions, strict=True) if value == 0)

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
        longitude = float(spherical_angles(self.vector)[0])
        # also when it is stored in single precision, which rounds what is next to -180 to it
        return 180.0 if np.float32(longitude) == -180.0 else longitude

    @property
    def b_apex(self) -> float:
        """Galactic latitude of the apex [deg]."""
        return float(spherical_angles(self.vector)[1])

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of the nine parameters, and of v_travel, l_apex (along l, not times cos b) and b_apex.

        NaN where `covariance` is. Those of the last three are to first order, good where v_travel is several of its
        errors (and for l_apex its component in the plane); NaN where they are not defined, at v_travel = 0 and the
        poles.
        """
        named = dict(zip(REFLEX_NAMES, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))
        x, y, z = self.vector
        v, in_plane = self.v_travel, math.hypot(x, y)
        travel = self.covariance[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            gradients = {
                "v_travel": np.array([x, y, z]) / v,
                "l_apex": np.degrees(np.array([-y, x, 0.0]) / in_plane**2),
                "b_apex": np.degrees(np.array([-x * z / in_plane, -y * z / in_plane, in_plane]) / v**2),
            }
            return named | {name: float(np.sqrt(g @ travel @ g)) for name, g in gradients.items()}

    def _summary(self) -> str:
        errors = self.errors
        l, b = (f"{fixed(getattr(self, name), 0)}°{_degrees(errors[name])}" for name in ("l_apex", "b_apex"))
        speed = with_error(self.v_travel, errors["v_travel"], 1, "km/s")
        text = f"v_travel {speed} towards l {l}, b {b}, {self.n_stars:,} stars{self._shell()}"
        parts = [
            f"{label} measured for {count:,}"
            for label, count in zip(("v_los", "pm_l", "pm_b"), self.n_measured, strict=True)
            if count != self.n_stars
        ]
        if self.undetermined:
            parts.append(f"undetermined: {', '.join(self.undetermined)}")
        return "; ".join([text, *parts])

    def _shell(self) -> str:
        if math.isfinite(self.r_max):
            return f" at {self.r_min:g} to {self.r_max:g} kpc"
        return f" beyond {self.r_min:g} kpc" if self.r_min > 0 else ""

    def _rows(self) -> list[tuple[str, str]]:
        errors = self.errors
        values = {name: getattr(self, name) for name in ("v_travel", "l_apex", "b_apex")}
        values |= dict(zip(REFLEX_NAMES, self.values.tolist(), strict=True))
        rows = [
            (name, with_error(value, errors[name], 1, "deg" if name.endswith("apex") else "km/s"))
            for name, value in values.items()
        ]
        measured = ", ".join(f"{count:,}" for count in self.n_measured)
        stars = [("stars", f"{self.n_stars:,}{self._shell()}"), ("v_los, pm_l, pm_b measured for", measured)]
        return rows + stars


def _degrees(error: float) -> str:
    return "" if math.isnan(error) else f" ± {fixed(error, 0)}°"


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
        Galactic l, b, the Sun at (-8.3, 0, 0.02) kpc. Quantities in other units are converted. Of tables the columns
        x, y, z and vx, vy, vz, in any order; other names are taken as they stand. Of pandas with one index.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    weights : array_like, shape (n,), optional
        Multiplicity of each star in the likelihood, not negative. The robust covariance, and the errors from it, take
        each row for one star that is drawn once: weights of 4 give the errors of weights of 1. `covariance_plain` takes
        them for multiplicities: with weights of 4 it is a quarter.

    Returns
    -------
    Reflex

    Raises
    ------
    ValueError
        If shapes or indices differ, a number is masked or not finite, a coordinate lies beyond 1e20 kpc or a velocity
        exceeds that of light, the shell is empty or holds fewer than 20 stars (also when they are counted by weight,
        (sum w)^2 / sum w^2), or the stars do not determine the travel velocity: they lie in one place, on one line, or
        move without scatter about the model.

    Notes
    -----
    Alternates the six velocities at given dispersions (generalised least squares) and the dispersions at given
    velocities (root mean square residuals), each a maximum of the likelihood in its block, until the change is below
    1e-10 of the dispersions.
    """
    shell = as_shell(r_min, r_max)
    x, v, w = _checked(positions, velocities, shell, weights)
    # What a weight of 1 means leaves the fit as it is but for the plain covariance; tiny weights would underflow.
    unit = float(w.max())
    w = w / unit
    design, data = _linear_model(x, v)
    stars_per_weight = float(w.sum() / (w * w).sum())
    reflex = _robust(design, data, w, *_fit(_sums(design, data, w), stars_per_weight), shell)
    if unit == 1.0:
        return reflex
    with np.errstate(over="ignore"):
        plain, log_likelihood = reflex.covariance_plain / unit, reflex.log_likelihood * unit
    if not (np.isfinite(plain).all() and math.isfinite(log_likelihood)):
        raise ValueError(f"weights = numbers up to {unit:g}: allowed are weights that leave the covariance finite")
    return dataclasses.replace(reflex, covariance_plain=plain, log_likelihood=log_likelihood)


def fit_shells(
    positions: ArrayLike,
    velocities: ArrayLike,
    r_min: float,
    outer_radii: Sequence[float],
    n_stars: int | None = None,
) -> tuple[Reflex, list[tuple[FloatArray, int]]]:
    """Fit all stars beyond `r_min`, and the travel velocity within shells that begin there, in one pass over the stars.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        As for :func:`~mwlmc_data.fit_reflex`.
    r_min : float
        Inner radius of every fit [kpc].
    outer_radii : sequence of float
        Outer radii of the shells [kpc], rising.
    n_stars : int, optional
        Stars of the halo, where some that lie within `r_min` are left out; errors give it.

    Returns
    -------
    reflex : Reflex
        What ``fit_reflex(positions, velocities, r_min)`` gives.
    shells : list of (ndarray of shape (3,), int)
        Travel velocity [km/s] and number of stars of each shell.

    Raises
    ------
    ValueError
        As :func:`~mwlmc_data.fit_reflex`, for any of the shells.
    """
    shell = as_shell(r_min, math.inf)
    x, v, w = _checked(positions, velocities, shell, None, n_stars)
    radius = np.linalg.norm(x, axis=1)
    design, data = _linear_model(x, v)
    shells, inner, sums = [], r_min, _NOTHING
    for outer in outer_radii:
        count = int(in_shell(radius, r_min, outer, of=n_stars).sum())
        ring = (radius >= inner) & (radius < outer)
        sums = _added(sums, _sums(design[ring], data[ring], w[ring]))
        shells.append((_fit(sums)[0][:3], count))
        inner = outer
    ring = radius >= inner
    sums = _added(sums, _sums(design[ring], data[ring], w[ring]))
    return _robust(design, data, w, *_fit(sums), shell), shells


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


def as_shell(r_min: float, r_max: float) -> tuple[float, float]:
    """Take the bounds of a shell [kpc] from a user; raise ValueError if it is empty by them."""
    try:
        least = as_float("r_min", r_min, unit="kpc", minimum=0.0)
        most = as_float("r_max", r_max, unit="kpc", allow_infinite=True)
    except ValueError as error:
        raise ValueError(f"{error}, with 0 <= r_min < r_max") from error
    if not least < most:
        raise ValueError(f"r_min = {r_min!r}, r_max = {r_max!r} kpc: allowed is 0 <= r_min < r_max")
    return least, most


def in_shell(
    radius: FloatArray,
    r_min: float,
    r_max: float,
    usable: NDArray[np.bool_] | None = None,
    what: str = "",
    of: int | None = None,
) -> NDArray[np.bool_]:
    """Which stars are fitted: those with r_min < r < r_max [kpc] that are usable.

    Raises
    ------
    ValueError
        If these are fewer than 20 stars; `what` says in words what a usable star has, `of` how many
        there are if not all are given.
    """
    inside = (radius > r_min) & (radius < r_max)
    if usable is not None:
        inside &= usable
    if inside.sum() < MIN_STARS:
        count = len(radius) if of is None else of
        raise ValueError(
            f"{int(inside.sum())} of {count} stars lie at {r_min:g} < r < {r_max:g} kpc{what}; "
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


def _fit(sums: _Sums, stars_per_weight: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """The nine parameters and their plain covariance: alternates velocities and dispersions."""
    normal, right, squares, total = sums
    variance = squares / total
    require_scatter(squares, squares)
    for step in range(MAX_STEPS):
        weighted = np.einsum("kij,k->ij", normal, 1 / variance)
        if step == 0 and is_singular(weighted):
            open_velocities(weighted * stars_per_weight, typical_scatter(variance))
        theta = np.linalg.solve(weighted, np.einsum("ki,k->i", right, 1 / variance))
        residual = squares - 2 * right @ theta + np.einsum("i,kij,j->k", theta, normal, theta)
        require_scatter(residual, squares)
        previous, variance = variance, residual / total
        settled = bool(np.all(np.abs(variance - previous) <= 2e-10 * variance))
        if settled:
            break
    information = np.zeros((9, 9))
    information[:6, :6] = np.einsum("kij,k->ij", normal, 1 / variance)
    information[6:, 6:] = np.diag(2 * total / variance)
    open_velocities(information[:6, :6] * stars_per_weight, typical_scatter(variance))
    if not settled:
        raise ValueError(f"velocities = stars whose fit does not settle in {MAX_STEPS} steps: allowed are others")
    return np.r_[theta, np.sqrt(variance)], np.linalg.inv(information)


def require_scatter(residual: FloatArray, squares: FloatArray) -> None:
    """Refuse stars that follow the model, or rest, to rounding: their likelihood has no maximum.

    Parameters
    ----------
    residual, squares : ndarray, shape (3,)
        Sums of squares of what is left of the velocities along the line of sight, l and b, and of what they were.
    """
    if not np.isfinite(squares).all():
        raise ValueError("velocities = numbers whose squares are not finite: allowed are velocities of stars [km/s]")
    still = (residual <= _ROUNDING * squares) | (squares == 0)
    if still.any():
        along = ", ".join(name for name, bad in zip(("the line of sight", "l", "b"), still, strict=True) if bad)
        raise ValueError(f"velocities = no scatter about the model along {along}: allowed are stars that scatter")


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
    total, n = float(weights.sum()), len(data)
    log_likelihood = -total * (np.log(sigma).sum() + 1.5 * math.log(2 * math.pi) + 1.5)
    return Reflex(values, plain @ scatter @ plain, plain, float(log_likelihood), n, *shell, (n, n, n))


def _checked(
    positions: ArrayLike,
    velocities: ArrayLike,
    shell: tuple[float, float],
    weights: ArrayLike | None,
    of: int | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The stars of the shell, checked."""
    refuse_misaligned({"positions": positions, "velocities": velocities, "weights": weights})
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
    n = len(x)
    v = as_vectors("velocities", velocities, MOTION_NAMES, "km/s", n)
    for name, array, unit, most in (("positions", x, "kpc", MAX_DISTANCE), ("velocities", v, "km/s", MAX_SPEED)):
        as_floats(name, array, unit=unit, minimum=-most, maximum=most)
    w = np.ones(n) if weights is None else as_floats("weights", weights, unit="", shape=(n,), minimum=0.0)
    what = "" if weights is None else " with positive weight"
    inside = in_shell(np.linalg.norm(x, axis=1), *shell, w > 0, what, of)
    w = w[inside]
    share = w / w.max()
    if not share.sum() ** 2 / (share * share).sum() > MIN_STARS - 1e-9:
        raise ValueError(
            f"weights = numbers that count as {share.sum() ** 2 / (share * share).sum():.3g} stars: allowed are "
            f"weights with (sum w)^2 / sum w^2 of {MIN_STARS} or more"
        )
    return x[inside], v[inside], w
