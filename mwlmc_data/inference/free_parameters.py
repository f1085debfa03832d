"""Free parameters of a simulation as independent standard normal scores under the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from mwlmc_data.arguments.arrays import as_choice, as_names, check_names
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import DRAWN
from mwlmc_data.display import Displayed
from mwlmc_data.priors.marginals import CONDITIONAL, ENCLOSED_MASS, GIVEN, MARGINALS
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, SKY_NAMES, in_range
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.physics import PHYSICS_NAME, take_physics

#: Parameters that are free by default.
FREE = ("m_lmc", "m200_mw", "log10_lambda_df", "m_lmc_8p7", "beta0", "r_dehnen")

#: Smallest probability that has a score: below it 1 - p is 1.
_SMALLEST = 2.0**-53
#: Size of a score from which on values are at the edge of the prior's support or outside.
LARGEST_SCORE = 8.0


class FreeParameters(Displayed):
    """Parameters of a simulation, some of them free under a prior, the others held.

    Parameters
    ----------
    config : str
        Set whose prior holds.
    free : sequence of str
        Names of the free parameters, among those that the prior draws.
    held : mapping of str to float
        Values of all others; those of the LMC's present day on the sky or Cartesian, complete; `m_lmc_8p7` may be left
        out. ``physics`` is the name of another physics than the standard one.

    Attributes
    ----------
    config, free, held
        As given, `held` as numbers.

    Raises
    ------
    ValueError
        If a name is unknown, repeated, missing, or both free and held, or a value is not in its range.
    """

    def __init__(self, config: str, free: Sequence[str], held: Mapping[str, Any]) -> None:
        self.config = as_choice("config", config, tuple(MARGINALS))
        self.free = as_names("free", free)
        check_names("free", self.free, DRAWN)
        if not self.free:
            raise ValueError("free = no names: allowed is at least one")
        twice = [name for name in held if name in self.free]
        if twice:
            raise ValueError(f"held = {', '.join(twice)}: allowed are parameters that are not free")
        place = CARTESIAN_NAMES if set(CARTESIAN_NAMES) & set(held) else SKY_NAMES
        others = tuple(name for name in DRAWN if name not in (*self.free, *SKY_NAMES))
        lmc = tuple(name for name in place if name not in self.free)
        needed = tuple(name for name in (*others, *lmc) if name != CONDITIONAL)
        check_names("held", held, (*others, *lmc, PHYSICS_NAME), needed=needed)
        self.held = {name: _take(name, value) for name, value in held.items()}

    def _summary(self) -> str:
        return f"{self.config}; free: {', '.join(self.free)}"

    def convert(self, scores: Float64Array) -> dict[str, Float64Array]:
        """Free parameters (n,) by name from normal scores (n, d)."""
        below = {name: ndtr(scores[:, i]) for i, name in enumerate(self.free)}
        marginals = MARGINALS[self.config]
        found: dict[str, Float64Array] = {}
        for name, p in below.items():
            if name != CONDITIONAL:
                found[name] = np.asarray(marginals[name].quantile(p), float)
        if CONDITIONAL in below:
            given = found[GIVEN] if GIVEN in found else np.full(len(scores), self.held[GIVEN])
            found[CONDITIONAL] = np.asarray(ENCLOSED_MASS.quantile(below[CONDITIONAL], given), float)
        return {name: found[name] for name in self.free}

    def compute_scores(self, values: Mapping[str, ArrayLike]) -> Float64Array:
        """Normal scores (n, d) of free parameters (n,) by name: the inverse of :meth:`convert`.

        Values outside the prior's support get the score of its edge, 8.2.
        """
        marginals, columns = MARGINALS[self.config], []
        for name in self.free:
            x = np.atleast_1d(np.asarray(values[name], float))
            if name == CONDITIONAL:
                given = np.atleast_1d(np.asarray(values[GIVEN], float)) if GIVEN in self.free else self.held[GIVEN]
                below = ENCLOSED_MASS.cdf(x, np.broadcast_to(given, x.shape))
            else:
                below = marginals[name].cdf(x)
            columns.append(ndtri(np.clip(below, _SMALLEST, 1.0 - _SMALLEST)))
        return np.stack(columns, axis=1)

    def build(self, score: Float64Array) -> Parameters:
        """Parameters at one point (d,) of the scores; raises ValueError where they are impossible together."""
        values = {name: float(value[0]) for name, value in self.convert(score[None]).items()}
        return Parameters(**{**self.held, **values})  # type: ignore[arg-type]


def _take(name: str, value: Any) -> Any:
    if name == PHYSICS_NAME:
        return take_physics(value)
    return value if isinstance(value, str) and (name, value) == ("m_lmc_8p7", "fixed") else in_range(name, value)
