"""The reflex motion of the halo: the nine-parameter model, a fit of it, and what every fit refuses.

A star's velocity in the Galactic rest frame is (Petersen & Penarrubia 2021; eqs. 8 to 12 of the paper)

    v = -v_travel + <v_r> e_r + <v_phi> e_phi + <v_theta> e_theta + scatter,

where v_travel is the velocity of the disc relative to the halo (its direction is the apex), e_r, e_phi and e_theta are
the Galactocentric unit vectors at the star, and theta is the colatitude. The scatter is Gaussian along the line of
sight, l and b as seen from the Sun, with dispersions sigma_v_los, sigma_v_l and sigma_v_b.
:mod:`mwlmc_data.simulator.reflex_fit` fits stars with known phase space, :mod:`mwlmc_data.simulator.reflex_observed`
observed ones.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, fixed, with_error
from mwlmc_data.simulator.frames import galactocentric_basis, spherical_angles
from mwlmc_data.simulator.identifiability import VELOCITY_NAMES

#: Order of the nine parameters in ``Reflex.values`` and ``Reflex.covariance``.
REFLEX_NAMES = (*VELOCITY_NAMES, "sigma_v_los", "sigma_v_l", "sigma_v_b")
#: A shell of Galactocentric radii: r_min, r_max [kpc].
Shell = tuple[float, float]
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
ROUNDING = 1e-12


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
        text = f"v_travel {speed} towards l {l}, b {b}, {self.n_stars:,} stars{describe_shell(self.r_min, self.r_max)}"
        parts = [
            f"{label} measured for {count:,}"
            for label, count in zip(("v_los", "pm_l", "pm_b"), self.n_measured, strict=True)
            if count != self.n_stars
        ]
        if self.undetermined:
            parts.append(f"undetermined: {', '.join(self.undetermined)}")
        return "; ".join([text, *parts])

    def _rows(self) -> list[tuple[str, str]]:
        errors = self.errors
        values = {name: getattr(self, name) for name in ("v_travel", "l_apex", "b_apex")}
        values |= dict(zip(REFLEX_NAMES, self.values.tolist(), strict=True))
        rows = [
            (name, with_error(value, errors[name], 1, "deg" if name.endswith("apex") else "km/s"))
            for name, value in values.items()
        ]
        measured = ", ".join(f"{count:,}" for count in self.n_measured)
        stars = f"{self.n_stars:,}{describe_shell(self.r_min, self.r_max)}"
        return [*rows, ("stars", stars), ("v_los, pm_l, pm_b measured for", measured)]


def describe_shell(r_min: float, r_max: float) -> str:
    """A shell [kpc] as it follows the word "stars", with a space before it; empty for all radii."""
    if math.isfinite(r_max):
        return f" at {r_min:g} to {r_max:g} kpc"
    return f" beyond {r_min:g} kpc" if r_min > 0 else ""


def name_shell(r_min: float, r_max: float) -> str:
    """End of the names of a shell's columns in a catalogue, such as "_50_100"; empty without an outer radius."""
    return f"_{r_min:g}_{r_max:g}" if math.isfinite(r_max) else ""


def _degrees(error: float) -> str:
    return "" if math.isnan(error) else f" ± {fixed(error, 0)}°"


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


def as_shell(r_min: float, r_max: float) -> Shell:
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
    usable: NDArray[np.bool_],
    what: str = "",
) -> NDArray[np.bool_]:
    """Select the stars to fit: those with r_min < r < r_max [kpc] that are usable.

    Raises
    ------
    ValueError
        If there are fewer than 20; `what` says what a usable star has.
    """
    inside = (radius > r_min) & (radius < r_max) & usable
    require_stars(int(inside.sum()), len(radius), (r_min, r_max), what)
    return inside


def require_stars(count: int, of: int, shell: tuple[float, float], what: str = "") -> None:
    """Refuse fewer than 20 stars in a shell, of the number given; `what` says what a usable star has."""
    if count < MIN_STARS:
        raise ValueError(
            f"stars = {count} of {of} at {shell[0]:g} < r < {shell[1]:g} kpc{what}: allowed are {MIN_STARS} or more"
        )


def require_scatter(residual: Float64Array, squares: Float64Array) -> None:
    """Refuse stars that follow the model, or are at rest, to rounding: their likelihood has no maximum.

    Parameters
    ----------
    residual, squares : ndarray, shape (3,)
        Sums of squares of the residuals along the line of sight, l and b, and of the velocities themselves.
    """
    if not np.isfinite(squares).all():
        raise ValueError("velocities = numbers whose squares are not finite: allowed are velocities of stars [km/s]")
    still = (residual <= ROUNDING * squares) | (squares == 0)
    if still.any():
        along = ", ".join(name for name, bad in zip(("the line of sight", "l", "b"), still, strict=True) if bad)
        raise ValueError(f"velocities = no scatter about the model along {along}: allowed are stars that scatter")
