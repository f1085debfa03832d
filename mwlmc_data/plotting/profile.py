"""The halo as a function of Galactocentric radius: density, mean velocities and dispersions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_floats, as_vector
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.plotting.skymap import as_stars
from mwlmc_data.plotting.style import BLUE, GREY, MEDIUM, ORANGE, PALE, SMALL, tidy
from mwlmc_data.simulator.frames import galactocentric_basis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Number of shells of a profile, and of stars that a shell needs for its velocities to be summarised.
SHELLS, MIN_STARS = 18, 10


@dataclass(frozen=True, repr=False)
class RadialProfile(Displayed):
    """A halo in shells of Galactocentric radius; velocities of shells with fewer than 10 stars are NaN.

    Attributes
    ----------
    edges : ndarray, shape (n + 1,)
        Radii between the shells [kpc].
    count : ndarray of int, shape (n,)
        Number of stars.
    density, density_error : ndarray, shape (n,)
        Stars per volume and its Poisson error [kpc^-3].
    mean_v_r : ndarray, shape (n, 2)
        Mean radial velocity, positive outwards, with its standard error [km/s].
    mean_v_along : ndarray, shape (n, 2)
        Mean velocity along the given direction, with its standard error [km/s]; NaN without a direction.
    sigma_r, sigma_t : ndarray, shape (n, 2)
        Dispersion of the radial velocity and of one tangential component, the root mean square of the two, each
        about its mean in the shell and with its standard error [km/s].
    """

    edges: Float64Array
    count: NDArray[np.int64]
    density: Float64Array
    density_error: Float64Array
    mean_v_r: Float64Array
    mean_v_along: Float64Array
    sigma_r: Float64Array
    sigma_t: Float64Array

    @property
    def radius(self) -> Float64Array:
        """Middle of the shells in log r [kpc], (n,)."""
        return np.sqrt(self.edges[1:] * self.edges[:-1])


def radial_profile(
    positions: ArrayLike, velocities: ArrayLike, edges: ArrayLike | None = None, direction: ArrayLike | None = None
) -> RadialProfile:
    """Summarise stars in shells of Galactocentric radius.

    Parameters
    ----------
    positions, velocities : array_like, shape (m, 3)
        Galactocentric [kpc, km/s].
    edges : array_like, shape (n + 1,), optional
        Radii between the shells [kpc], increasing from above 0; by default 18 shells, even in log r, that hold all but
        the innermost 1% and the outermost 2% of the stars.
    direction : array_like, shape (3,), optional
        Direction, of any length, along which the mean velocity is computed, such as the apex.

    Returns
    -------
    RadialProfile

    Raises
    ------
    ValueError
        If the arrays are not such numbers, the direction has no length, or the edges do not increase from above 0 (also
        if they are not given and all stars have the same radius).
    """
    x, v = as_stars(positions, velocities)
    if not len(x):
        raise ValueError("positions = 0 stars: allowed is 1 or more")
    radius = np.linalg.norm(x, axis=1)
    if edges is None:
        inner, outer = np.quantile(radius, [0.01, 0.98])
        edges = np.geomspace(inner, outer, SHELLS + 1)
    limits = as_floats("edges", edges, unit="kpc", shape=("n",))
    if len(limits) < 2 or not limits[0] > 0 or not (np.diff(limits) > 0).all():
        raise ValueError(f"edges = {limits.tolist()} kpc: allowed are two radii or more, increasing from above 0")
    spherical = np.einsum("nki,ni->nk", galactocentric_basis(x), v)
    axis = np.full(3, np.nan) if direction is None else as_vector("direction", direction, 3)
    if not axis.any():
        raise ValueError("direction = (0, 0, 0): allowed is a vector with a length above 0")
    along = v @ (axis / np.linalg.norm(axis))
    inside = (radius >= limits[0]) & (radius < limits[-1])
    shell = np.where(inside, np.searchsorted(limits, radius, side="right") - 1, -1)
    count = np.bincount(shell[inside], minlength=len(limits) - 1)
    volume = 4.0 / 3.0 * np.pi * np.diff(limits**3)
    members = [np.flatnonzero(shell == i) for i in range(len(count))]
    return RadialProfile(
        limits,
        count,
        count / volume,
        np.sqrt(count) / volume,
        np.array([_mean(spherical[m, 0]) for m in members]),
        np.array([_mean(along[m]) for m in members]),
        np.array([_dispersion(spherical[m, :1]) for m in members]),
        np.array([_dispersion(spherical[m, 1:]) for m in members]),
    )


def _mean(values: Float64Array) -> tuple[float, float]:
    """The mean and its standard error."""
    if len(values) < MIN_STARS:
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _dispersion(components: Float64Array) -> tuple[float, float]:
    """Root mean square deviation of components (n, k) from their means, and its standard error for any distribution."""
    n = len(components)
    if n < MIN_STARS:
        return np.nan, np.nan
    squares = ((components - components.mean(axis=0)) ** 2).mean(axis=1) * n / (n - 1)
    sigma = float(np.sqrt(squares.mean()))
    return sigma, float(squares.std(ddof=1) / np.sqrt(n) / (2 * sigma)) if sigma > 0 else 0.0


def draw_density(ax: Axes, profile: RadialProfile) -> None:
    """Draw the number density with its Poisson errors."""
    filled = profile.count > 0
    values = np.stack([profile.density, profile.density_error], axis=1)
    _series(ax, profile.radius[filled], values[filled], BLUE, "o", None)
    ax.set(yscale="log")
    ax.set_title("stars per kpc³", fontsize=MEDIUM)


def draw_means(ax: Axes, profile: RadialProfile) -> None:
    """Draw the mean velocity outwards and along the direction of the profile, labelled as the apex."""
    ax.axhline(0.0, color=GREY, lw=0.8)
    _series(ax, profile.radius, profile.mean_v_r, BLUE, "o", "outwards")
    _series(ax, profile.radius, profile.mean_v_along, ORANGE, "s", "towards the apex")
    ax.set_title("mean velocity [km/s]", fontsize=MEDIUM)
    ax.legend(frameon=False, fontsize=SMALL, handletextpad=0.2)


def draw_dispersions(ax: Axes, profile: RadialProfile) -> None:
    """Draw the radial and the tangential dispersion."""
    _series(ax, profile.radius, profile.sigma_r, BLUE, "o", "radial")
    _series(ax, profile.radius, profile.sigma_t, ORANGE, "s", "tangential, per axis")
    ax.set_ylim(0, None)
    ax.set_title("velocity dispersion [km/s]", fontsize=MEDIUM)
    ax.legend(frameon=False, fontsize=SMALL, handletextpad=0.2)


def _series(ax: Axes, radius: Float64Array, values: Float64Array, color: str, marker: str, label: str | None) -> None:
    ax.errorbar(radius, values[:, 0], values[:, 1], fmt=marker, ms=4.5, lw=1.3, color=color, label=label)


def draw_radius(ax: Axes, profile: RadialProfile, r_min: float) -> None:
    """Finish an axis of radius, shaded beyond `r_min`, where the stars are mapped and fitted."""
    tidy(ax)
    low, high = profile.edges[[0, -1]]
    ax.set(xscale="log", xlim=(low, high))
    ax.set_xlabel("Galactocentric radius [kpc]", fontsize=MEDIUM)
    ax.axvspan(r_min, max(r_min, high), color=PALE, lw=0, alpha=0.5, zorder=0)
