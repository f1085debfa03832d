"""Shells of Galactocentric radii that the embedded networks are trained on, and the refusal of others."""

from __future__ import annotations

import math

from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.reflex import describe_shell

#: Shells (r_min, r_max) [kpc] of the fits in the networks' training sets.
TRAINED_SHELLS: tuple[tuple[float, float], ...] = ((FIT_R_MIN, math.inf),)


def require_trained_shell(name: str, what: str, r_min: float, r_max: float) -> None:
    """Refuse a travel velocity of stars in a shell that no network is trained on.

    Parameters
    ----------
    name : str
        Name of the user's argument.
    what : str
        What it holds, such as "a fit of stars".
    r_min, r_max : float
        Shell of the stars [kpc].

    Raises
    ------
    ValueError
        If there is no such network; the message lists the shells of those there are.
    """
    if (r_min, r_max) in TRAINED_SHELLS:
        return
    shells = " or ".join(
        f"of all{describe_shell(inner, outer)} (r_min={inner:g}, r_max={outer:g})" for inner, outer in TRAINED_SHELLS
    )
    raise ValueError(
        f"{name} = {what} at {r_min:g} < r < {r_max:g} kpc: allowed is a fit {shells}, the shell of the networks' "
        "training set; the apex depends on the shell"
    )
