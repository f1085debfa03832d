"""Which stars of a halo are observed: a shell of radii, a footprint on the sky, a random part."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats
from mwlmc_data.arguments.conversion import refuse_masked
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.arguments.tabular import as_vectors
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, number
from mwlmc_data.rewinding.healpix import MAX_NSIDE, find_pixels, get_nside
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import spherical_angles
from mwlmc_data.simulator.reflex import POSITION_NAMES

#: Directions at which a footprint that is a function is evaluated, to tell it from others.
_N_DIRECTIONS = 20_000

#: A function of Galactic l and b [deg], arrays (n,), that gives the part of the stars observed there.
Footprint = Callable[[Float64Array, Float64Array], ArrayLike]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Selection(Displayed):
    """Which stars of a halo are observed.

    A star is observed with the probability `fraction` times that of the footprint in its direction, if its
    Galactocentric radius r is in the shell r_min < r < r_max.

    Parameters
    ----------
    r_min, r_max : float
        Shell of Galactocentric radii [kpc].
    footprint : callable or array_like, optional
        Sky as seen from the Sun: a function of Galactic l and b (arrays of degrees, l from 0 to 360) that returns
        booleans, or the fraction of the stars that is observed in each direction; or a HEALPix map of either, in
        Galactic coordinates and ring order. The whole sky by default.
    fraction : float
        Part of the stars in the shell and footprint that is observed, at random.

    Raises
    ------
    ValueError
        If a value is not a number in its range, the shell is empty, or the footprint is neither a function nor a map of
        12 nside^2 pixels of numbers from 0 to 1.

    Examples
    --------
    >>> north = Selection(r_min=50.0, footprint=lambda l, b: b > 20.0)
    >>> north.compute_completeness([[0.0, 0.0, 60.0], [60.0, 0.0, 0.0]]).tolist()
    [1.0, 0.0]
    """

    r_min: float = const.FIT_R_MIN
    r_max: float = math.inf
    footprint: Footprint | ArrayLike | None = None
    fraction: float = 1.0
    _map: Float64Array | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        r_min = as_float("r_min", self.r_min, unit="kpc", minimum=0.0)
        r_max = as_float("r_max", self.r_max, unit="kpc", above=0.0, allow_infinite=True)
        if not r_min < r_max:
            raise ValueError(f"r_max = {r_max:g}: allowed is more than r_min = {r_min:g} kpc")
        object.__setattr__(self, "r_min", r_min)
        object.__setattr__(self, "r_max", r_max)
        object.__setattr__(self, "fraction", as_float("fraction", self.fraction, above=0.0, maximum=1.0))
        if self.footprint is not None and not callable(self.footprint):
            values: Any = self.footprint
            refuse_masked("footprint", values, "fill them with 0, where nothing is observed")
            if np.asarray(values).dtype == bool:
                values = np.asarray(values).astype(float)
            pixels = as_floats("footprint", values, shape=("n",), minimum=0.0, maximum=1.0)
            if not get_nside(len(pixels)):
                raise ValueError(
                    f"footprint = {len(pixels)} pixels: allowed are 12 nside^2 with nside from 1 to {MAX_NSIDE}"
                )
            pixels = pixels.copy()
            pixels.setflags(write=False)
            object.__setattr__(self, "_map", pixels)

    def _summary(self) -> str:
        shell = f"r {number(self.r_min)} to {number(self.r_max)} kpc"
        if self._map is not None:
            sky = f"HEALPix map, {number(100.0 * self._map.mean())}% of the sky"
        else:
            sky = "whole sky" if self.footprint is None else "footprint " + getattr(self.footprint, "__name__", "given")
        return f"{shell}; {sky}; fraction {number(self.fraction)}"

    def _rows(self) -> list[tuple[str, str]]:
        names = ("shell", "sky", "random part")
        return list(zip(names, self._summary().split("; "), strict=True))

    def compute_completeness(self, positions: ArrayLike) -> Float64Array:
        """Compute the probability that stars at these places are observed, without the random part.

        Parameters
        ----------
        positions : array_like, shape (n, 3)
            Galactocentric [kpc]: an array, or a table of x, y, z.

        Returns
        -------
        ndarray, shape (n,)
            Zero outside the shell, and the footprint's value inside it.

        Raises
        ------
        ValueError
            If the positions are not such an array, or the footprint's function returns anything but n numbers from 0
            to 1.
        """
        x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
        squared = np.einsum("ni,ni->n", x, x)
        inside = (squared > self.r_min**2) & (squared < self.r_max**2)
        completeness = inside.astype(float)
        if self.footprint is not None and inside.any():
            completeness[inside] = self._evaluate_footprint(x[inside] - const.SUN_POSITION)
        return completeness

    def _evaluate_footprint(self, directions: Float64Array) -> Float64Array:
        longitude, latitude = spherical_angles(directions)
        longitude = np.mod(longitude, 360.0)
        if self._map is not None:
            return self._map[find_pixels(get_nside(len(self._map)), longitude, latitude)]
        answer = cast(Footprint, self.footprint)(longitude, latitude)
        refuse_masked("footprint(l, b)", answer, "fill them with 0, where nothing is observed")
        given = np.asarray(answer)
        if given.shape != longitude.shape or given.dtype.kind not in "bfiu":
            raise ValueError(
                f"footprint(l, b) = {shorten(given)} for {len(longitude)} directions: allowed is an array of as many "
                "booleans or numbers from 0 to 1"
            )
        return as_floats("footprint(l, b)", given.astype(float), minimum=0.0, maximum=1.0)

    def compute_digest(self) -> str:
        """Hash of what is selected; two footprints count as equal if they agree in 20,000 directions."""
        text = hashlib.sha256(repr((self.r_min, self.r_max, self.fraction)).encode())
        if self._map is not None:
            text.update(self._map.tobytes())
        elif self.footprint is not None:
            i = np.arange(_N_DIRECTIONS) + 0.5
            z, angle = 1.0 - 2.0 * i / _N_DIRECTIONS, math.pi * (3.0 - math.sqrt(5.0)) * i
            s = np.sqrt(1.0 - z * z)
            text.update(self._evaluate_footprint(np.stack([s * np.cos(angle), s * np.sin(angle), z], axis=1)).tobytes())
        return text.hexdigest()


def estimate_fraction(selection: Selection, r_dehnen: float) -> float:
    """Part of a Dehnen profile (gamma = 1) in the shell: a first guess at the probability, up to a constant."""
    mass = [(r / (r + r_dehnen)) ** 2 if math.isfinite(r) else 1.0 for r in (selection.r_min, selection.r_max)]
    return mass[1] - mass[0]


def find_selected(positions: Float64Array, selection: Any, name: str = "table") -> Float64Array:
    """Completeness (n,) at the stars' positions; raise ValueError if the selection can hold none of them."""
    if not isinstance(selection, Selection):
        raise ValueError(f"selection = {shorten(selection)}: allowed is a mwlmc_data.Selection")
    completeness = selection.compute_completeness(positions)
    if not (completeness > 0.0).any():
        raise ValueError(
            f"{name} = {len(positions)} stars, none of them in the selection ({selection!r}): allowed is at least one"
        )
    return completeness


def smear_positions(positions: NDArray, relative_errors: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Observe the distances of stars from the Sun with errors.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        True Galactocentric positions [kpc].
    relative_errors : ndarray, shape (m,)
        Errors of ln distance; those of the stars are drawn from them.
    rng : numpy.random.Generator
        Of the errors.

    Returns
    -------
    ndarray, shape (n, 3)
        Galactocentric positions at the observed distances.
    """
    error = relative_errors[rng.integers(len(relative_errors), size=len(positions))]
    factor = np.exp(error * rng.standard_normal(len(positions)))
    return const.SUN_POSITION + factor[:, None] * (positions - const.SUN_POSITION)


def keep_observed(
    stars: NDArray, selection: Selection, rng: np.random.Generator, relative_errors: Float64Array | None = None
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Stars (m, 6) of a simulation that are observed, without the random part, and which they are (n,).

    With `relative_errors` of distances (any number of them) the selection acts on distances with errors.
    """
    positions = stars[:, :3].astype(float)
    if relative_errors is not None:
        positions = smear_positions(positions, relative_errors, rng)
    completeness = selection.compute_completeness(positions)
    # a number for each star, so that the draws do not depend on the footprint
    kept = rng.random(len(stars)) < completeness
    return stars[kept], kept
