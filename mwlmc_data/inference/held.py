"""Values of the parameters that a posterior given stars does not infer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mwlmc_data.arguments.tabular import as_row
from mwlmc_data.inference.measurement import read_lmc
from mwlmc_data.observations.observation import Observation
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, SKY_NAMES
from mwlmc_data.simulator.parameters import Parameters


def hold_values(
    free: Sequence[str], lmc: Parameters | Observation | Mapping[str, Any] | None, held: Mapping[str, Any] | None
) -> dict[str, Any]:
    """All values that are not free, the LMC's present day included, from what `infer_stars` takes.

    Raises
    ------
    ValueError
        If the LMC's present day is given twice.
    """
    values = {} if held is None else dict(as_row("held", held))
    if not set(SKY_NAMES) & set(free):
        if place := sorted({*SKY_NAMES, *CARTESIAN_NAMES} & set(values)):
            raise ValueError(f"held = {', '.join(place)}: allowed is the LMC's present day as lmc")
        return {**values, **read_lmc(lmc)}
    if lmc is not None:
        raise ValueError("lmc = given, but its coordinates are free: allowed are its other coordinates in held")
    return values
