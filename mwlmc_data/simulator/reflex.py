"""The reflex motion of the halo: the nine-parameter model and its maximum-likelihood fit.

A star's velocity in the Galactic rest frame is (Petersen & Penarrubia 2021; eqs. 8 to 12 of the paper)

    v = -v_travel + <v_r> e_r + <v_phi> e_phi + <v_theta> e_theta + scatter,

where v_travel is the velocity of the disc relative to the halo (its direction is the apex), e_r, e_phi and e_theta are
the Galactocentric unit vectors at the star, and theta is the colatitude. The scatter is Gaussian along the line of
sight, l and b as seen from the Sun, with dispersions sigma_v_los, sigma_v_l and sigma_v_b. For known dispersions the
model is linear in its six velocities. Without measurement errors three 6 x 6 matrices hold all that the stars say about
the velocities, so the fit is one pass over the stars and a few solutions of six equations.
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
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, fixed, with_error
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, kernel
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, spherical_angles
from mwlmc_data.simulator.identifiability import VELOCITY_NAMES, is_singular, open_velocities, typical_scatter

#: Order of the nine parameters in ``Reflex.values`` and ``Reflex.covariance``.
REFLEX_NAMES = (*VELOCITY_NAMES, "sigma_v_los", "sigma_v_l", "sigma_v_b")
#: Columns of a table of positions, and of a table of velocities.
POSITION_NAMES, MOTION_NAMES = ("x", "y", "z"), ("vx", "vy", "vz")
#: Smallest number of stars that is fitted.
MIN_STARS = 20
#: Largest distance [kpc] and speed [km/s] accepted for a star; the speed is that of light. A halo has no edge: some
#: simulated stars lie beyond 1e6 kpc.
MAX_DISTANCE, MAX_SPEED = 1e20, 299_792.458
#: Maximum number of steps of either fit; well-behaved samples need about ten.
MAX_STEPS = 200
#: Fraction of a sum of squares that is rounding.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, repr=False)
class Reflex(Displayed):
    """A fitted reflex motion.

    Attributes
    ----------
    values : ndarray, shape (9,)
        The parameters in the order of ``REFLEX_NAMES`` [km/s]; NaN for those that the stars do not determine, which
        `undetermined` lists. If all velocities are measured, there are none.
    covariance : ndarray, shape (9, 9)
        Robust (sandwich) covariance of `values`, valid also if the velocities are not Gaussian: then the plain errors
        of the tangential dispersions are too small, by a factor of 1.4 at beta0 = 0.6 and 2.0 at 0.85
        (``python -m benchmarks choices``). NaN in the rows and columns of undetermined parameters, over which the
        others are marginalised, and of dispersions held at zero (`at_zero`), on which the others are conditioned: at
        the edge of the allowed range a standard error has no meaning.
    covariance_plain : ndarray, shape (9, 9)
        Inverse of the information matrix, valid if the velocities are Gaussian.
    log_likelihood : float
        Log likelihood at the maximum.
    n_stars : int
        Number of stars in the fit.
    r_min, r_max : float
        The fitted shell: Galactocentric r_min < r < r_max [kpc].
    n_measured : tuple of int
        Number of fitted stars with a measured velocity along the line of sight, l and b; 0 for a component that the
        fit leaves out.
    """

    values: Float64Array
    covariance: Float64Array
    covariance_plain: Float64Array
    log_likelihood: float
    n_stars: int
    r_min: float
    r_max: float
    n_measured: tuple[int, int, int]

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Parameters that the stars do not determine, among the last six of ``REFLEX_NAMES``.

        A mean motion is undetermined if its standard error exceeds the scatter of one star, a dispersion if its
        component of the velocity is measured for fewer than 20 stars. A sample that does not determine the travel
        velocity is refused.
        """
        return tuple(name for name, value in zip(REFLEX_NAMES, self.values, strict=True) if np.isnan(value))

    @property
    def at_zero(self) -> tuple[str, ...]:
        """Dispersions whose best value is zero: the given errors explain all of the scatter, or more."""
        return tuple(name for name, value in zip(REFLEX_NAMES[6:], self.dispersions, strict=True) if value == 0)

    @property
    def vector(self) -> Float64Array:
        """Travel velocity of the disc relative to the halo, Cartesian [km/s], (3,)."""
        return self.values[:3]

    @property
    def means(self) -> Float64Array:
        """Mean <v_r>, <v_phi>, <v_theta> of the halo [km/s], (3,)."""
        return self.values[3:6]

    @property
    def dispersions(self) -> Float64Array:
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
        # single precision rounds angles just above -180 to -180
        return 180.0 if np.float32(longitude) == -180.0 else longitude

    @property
    def b_apex(self) -> float:
        """Galactic latitude of the apex [deg]."""
        return float(spherical_angles(self.vector)[1])

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of the nine parameters, and of v_travel, l_apex (along l, not times cos b) and b_apex.

        NaN where `covariance` is NaN. The last three are first-order propagated, which is accurate if v_travel (for
        l_apex its component in the plane) is several times its error; they are NaN where they are undefined, at
        v_travel = 0 and at the poles.
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
        Galactic l, b, the Sun at (-8.3, 0, 0.02) kpc. Quantities in other units are converted. In a table the columns
        are x, y, z and vx, vy, vz, in any order; columns with other names are taken in their order. Two pandas tables
        must have the same index.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    weights : array_like, shape (n,), optional
        Multiplicity of each star in the likelihood, not negative. The robust covariance, and the errors from it, treat
        each row as one star drawn once: weights of 4 give the same errors as weights of 1. `covariance_plain` treats
        them as multiplicities: weights of 4 divide it by four.

    Returns
    -------
    Reflex

    Raises
    ------
    ValueError
        If shapes or indices differ; a number is masked or not finite; a coordinate lies beyond 1e20 kpc or a velocity
        exceeds that of light; the shell is empty or holds fewer than 20 stars (also when counted by weight,
        (sum w)^2 / sum w^2); or the stars do not determine the travel velocity because they lie in one place, on one
        line, or move without scatter about the model.

    Notes
    -----
    Alternates between the six velocities at fixed dispersions (generalised least squares) and the dispersions at fixed
    velocities (root mean square residuals), each a maximum of the likelihood in its block, until the dispersions change
    by less than 1e-10 of themselves.
    """
    shell = as_shell(r_min, r_max)
    x, v, w = _check_stars(positions, velocities, shell, weights)
    # the scale of the weights affects only the plain covariance; tiny weights would underflow
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
) -> tuple[Reflex, list[tuple[Float64Array, int]]]:
    """Fit all stars beyond `r_min`, and the travel velocity in shells from `r_min` outwards, in one pass.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        As for :func:`~mwlmc_data.fit_reflex`.
    r_min : float
        Inner radius of every fit [kpc].
    outer_radii : sequence of float
        Outer radii of the shells [kpc], increasing.
    n_stars : int, optional
        Number of stars of the halo, if some within `r_min` are left out; used in error messages.

    Returns
    -------
    reflex : Reflex
        The result of ``fit_reflex(positions, velocities, r_min)``.
    shells : list of (ndarray of shape (3,), int)
        Travel velocity [km/s] and number of stars of each shell.

    Raises
    ------
    ValueError
        As for :func:`~mwlmc_data.fit_reflex`, for any of the shells.
    """
    shell = as_shell(r_min, math.inf)
    x, v, w = _check_stars(positions, velocities, shell, None, n_stars)
    radius = np.linalg.norm(x, axis=1)
    design, data = _linear_model(x, v)
    shells, inner, sums = [], r_min, _NOTHING
    for outer in outer_radii:
        count = int(in_shell(radius, r_min, outer, of=n_stars).sum())
        ring = (radius >= inner) & (radius < outer)
        sums = _add(sums, _sums(design[ring], data[ring], w[ring]))
        shells.append((_fit(sums)[0][:3], count))
        inner = outer
    ring = radius >= inner
    sums = _add(sums, _sums(design[ring], data[ring], w[ring]))
    return _robust(design, data, w, *_fit(sums), shell), shells


def design_matrix(positions: Float64Array, basis: Float64Array) -> Float64Array:
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
        The last axis is in the order of the first six of ``REFLEX_NAMES``.
    """
    return np.concatenate([-basis, basis @ np.swapaxes(galactocentric_basis(positions), 1, 2)], axis=2)


def as_shell(r_min: float, r_max: float) -> tuple[float, float]:
    """Check the bounds of a shell [kpc] given by a user; raise ValueError if the shell is empty."""
    try:
        inner = as_float("r_min", r_min, unit="kpc", minimum=0.0)
        outer = as_float("r_max", r_max, unit="kpc", allow_infinite=True)
    except ValueError as error:
        raise ValueError(f"{error}, with 0 <= r_min < r_max") from error
    if not inner < outer:
        raise ValueError(f"r_min = {r_min!r}, r_max = {r_max!r} kpc: allowed is 0 <= r_min < r_max")
    return inner, outer


def in_shell(
    radius: Float64Array,
    r_min: float,
    r_max: float,
    usable: NDArray[np.bool_] | None = None,
    what: str = "",
    of: int | None = None,
) -> NDArray[np.bool_]:
    """Select the stars to fit: those with r_min < r < r_max [kpc] that are usable.

    Raises
    ------
    ValueError
        If there are fewer than 20; `what` says what a usable star has, `of` is the total number of stars if not all
        are given.
    """
    inside = (radius > r_min) & (radius < r_max)
    if usable is not None:
        inside &= usable
    if inside.sum() < MIN_STARS:
        count = len(radius) if of is None else of
        raise ValueError(
            f"stars = {int(inside.sum())} of {count} at {r_min:g} < r < {r_max:g} kpc{what}: "
            f"allowed are {MIN_STARS} or more"
        )
    return inside


class _Sums(NamedTuple):
    """Sufficient statistics of stars without errors, by component of the velocity."""

    normal: Float64Array  # (3, 6, 6): sum of w design design
    right: Float64Array  # (3, 6): sum of w design data
    squares: Float64Array  # (3,): sum of w data^2
    total: float  # sum of w


_NOTHING = _Sums(np.zeros((3, 6, 6)), np.zeros((3, 6)), np.zeros(3), 0.0)


def _add(a: _Sums, b: _Sums) -> _Sums:
    return _Sums(a.normal + b.normal, a.right + b.right, a.squares + b.squares, a.total + b.total)


def _linear_model(x: Float64Array, v: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Design matrix (n, 3, 6) and data (n, 3), the velocities along the line of sight, l and b."""
    basis = heliocentric_basis(x)
    return design_matrix(x, basis), np.einsum("nki,ni->nk", basis, v)


def _sums(design: Float64Array, data: Float64Array, weights: Float64Array) -> _Sums:
    with announce_compiling():
        return _Sums(*_accumulate(design, data, weights))


@kernel
def _accumulate(
    design: Float64Array, data: Float64Array, weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array, float]:
    """Compute the fields of :class:`_Sums`, in loops because six columns are too few for a matrix product."""
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


def _fit(sums: _Sums, stars_per_weight: float = 1.0) -> tuple[Float64Array, Float64Array]:
    """Fit the nine parameters by alternating velocities and dispersions; also return their plain covariance."""
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
        raise ValueError(f"velocities = stars whose fit does not converge in {MAX_STEPS} steps: allowed are others")
    return np.r_[theta, np.sqrt(variance)], np.linalg.inv(information).astype(float, copy=False)


def require_scatter(residual: Float64Array, squares: Float64Array) -> None:
    """Refuse stars that follow the model, or are at rest, to rounding: their likelihood has no maximum.

    Parameters
    ----------
    residual, squares : ndarray, shape (3,)
        Sums of squares of the residuals along the line of sight, l and b, and of the velocities themselves.
    """
    if not np.isfinite(squares).all():
        raise ValueError("velocities = numbers whose squares are not finite: allowed are velocities of stars [km/s]")
    still = (residual <= _ROUNDING * squares) | (squares == 0)
    if still.any():
        along = ", ".join(name for name, bad in zip(("the line of sight", "l", "b"), still, strict=True) if bad)
        raise ValueError(f"velocities = no scatter about the model along {along}: allowed are stars that scatter")


def _robust(
    design: Float64Array,
    data: Float64Array,
    weights: Float64Array,
    values: Float64Array,
    plain: Float64Array,
    shell: tuple[float, float],
) -> Reflex:
    """Add the sandwich covariance (Huber 1967): the scatter of the stars' scores between two plain covariances."""
    theta, sigma = values[:6], values[6:]
    residuals = (data - np.einsum("nki,i->nk", design, theta)) / sigma
    scores = np.concatenate([np.einsum("nk,nki->ni", residuals / sigma, design), (residuals**2 - 1) / sigma], axis=1)
    scatter = np.einsum("ni,nj->ij", scores * weights[:, None] ** 2, scores)
    total, n = float(weights.sum()), len(data)
    log_likelihood = -total * (np.log(sigma).sum() + 1.5 * math.log(2 * math.pi) + 1.5)
    return Reflex(values, plain @ scatter @ plain, plain, float(log_likelihood), n, *shell, (n, n, n))


def _check_stars(
    positions: ArrayLike,
    velocities: ArrayLike,
    shell: tuple[float, float],
    weights: ArrayLike | None,
    of: int | None = None,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Check the stars and select those of the shell."""
    refuse_misaligned({"positions": positions, "velocities": velocities, "weights": weights})
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
    n = len(x)
    v = as_vectors("velocities", velocities, MOTION_NAMES, "km/s", n)
    for name, array, unit, limit in (("positions", x, "kpc", MAX_DISTANCE), ("velocities", v, "km/s", MAX_SPEED)):
        as_floats(name, array, unit=unit, minimum=-limit, maximum=limit)
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
