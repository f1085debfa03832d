"""Named components of a survey that are not the smooth halo, such as a stream: their stars, and their part of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.rewinding.rewind import take_table

#: Beginning of the name under which the part of a component is inferred.
PART = "part_"


@dataclass(frozen=True, eq=False, repr=False)
class Component(Displayed):
    """A component of a survey beside the halo.

    Attributes
    ----------
    name : str
        Such as "sagittarius".
    stars : ndarray, shape (m, 6)
        Stars of it, from which mocks draw without replacement [kpc, km/s].
    low, high : float
        Range of its part of the observed stars, over which it is uniform; both the same for a known part.
    """

    name: str
    stars: Float64Array
    low: float
    high: float

    @property
    def parameter(self) -> str:
        """Name of its part, as a parameter."""
        return f"{PART}{self.name}"

    @property
    def is_known(self) -> bool:
        """Whether its part is one number."""
        return self.low == self.high

    def quantile(self, u: NDArray) -> Float64Array:
        """Its part at the probabilities `u`."""
        return self.low + (self.high - self.low) * np.asarray(u, float)

    def _summary(self) -> str:
        part = f"{self.low:g}" if self.is_known else f"{self.low:g} to {self.high:g}"
        return f"{self.name}, {part} of the stars, from {len(self.stars):,}"


def take_components(given: Any, known: bool = False) -> tuple[Component, ...]:
    """Take named components from a user.

    Parameters
    ----------
    given : mapping of str to (stars, part), or None
        Stars in the forms of `take_table`. A part is a number, or the ends of a range.
    known : bool
        Whether each part must be one number.

    Returns
    -------
    tuple of Component

    Raises
    ------
    ValueError
        If it is not such a mapping, a name is no identifier, a part is not from 0 to 1, or all together exceed 1.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise ValueError(
            f"contamination = {shorten(given)}: allowed is a mapping of names to pairs of stars and their part, such "
            "as {'sagittarius': (stars, 0.1)}"
        )
    found = []
    for name, pair in given.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"contamination holds {shorten(name)}: allowed is a name of letters, digits and _")
        what = f"contamination[{name!r}]"
        try:
            stars, part = pair
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} = {shorten(pair)}: allowed is a pair of stars and their part") from error
        found.append(Component(name, take_table(what, stars), *_take_part(f"{what}[1]", part, known)))
    if (total := sum(component.high for component in found)) > 1.0:
        raise ValueError(f"contamination = {total:g} of the stars in all: allowed is at most 1")
    return tuple(found)


def _take_part(what: str, part: Any, known: bool) -> tuple[float, float]:
    if known or np.ndim(part) == 0:
        value = as_float(what, part, minimum=0.0, maximum=1.0)
        return value, value
    low, high = as_floats(what, part, shape=(2,), minimum=0.0, maximum=1.0).tolist()
    if low >= high:
        raise ValueError(f"{what} = {low:g} to {high:g}: allowed are a number, or the ends of a range in order")
    return low, high
