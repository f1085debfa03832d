"""What a competitor provides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from mwlmc_data.array_types import FloatArray


@dataclasses.dataclass(frozen=True)
class Code:
    """A code with its settings, prepared for one problem.

    Attributes
    ----------
    name : str
        Name in tables.
    family : {"ours", "agama", "gala", "galpy"}
    what : str
        Settings, and what it solves.
    tolerances : tuple of float
        From coarse to fine, in the code's own measure.
    move : callable
        (stars (n, 6) at the start, tolerance) -> positions (n, 3) [kpc] today. It must not change the stars.
    converged : callable
        stars -> positions to compare with: the code's own, as exact as possible.
    acceleration : callable
        points (n, 3) [kpc] -> acceleration today [km^2 s^-2 kpc^-1], by the same code that moves stars.
    max_stars : int
        Largest number of stars it is given; times are scaled from these.
    whole : bool
        Whether it solves the full problem, rather than the easier one of the Milky Way alone at rest.
    """

    name: str
    family: str
    what: str
    tolerances: tuple[float, ...]
    move: Callable[[FloatArray, float], FloatArray]
    converged: Callable[[FloatArray], FloatArray]
    acceleration: Callable[[FloatArray], FloatArray]
    max_stars: int
    whole: bool = True
