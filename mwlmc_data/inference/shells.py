"""Shells of Galactocentric radii that the embedded networks are trained on, and the refusal of others."""

from __future__ import annotations

import math

from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.reflex import Shell, describe_shell

#: All stars of the catalogue's fits.
WHOLE: Shell = (FIT_R_MIN, math.inf)
#: Shells of the fits in the networks' training sets, which are those of the catalogue.
TRAINED_SHELLS: tuple[Shell, ...] = (WHOLE, (FIT_R_MIN, 100.0), (FIT_R_MIN, 300.0))


def require_trained_shell(name: str, what: str, r_min: float, r_max: float) -> Shell:
    """Refuse a travel velocity of stars in a shell that no network is trained on.

    Parameters
    ----------
    name : str
        Name of the user's argument.
    what : str
        What it holds, such as "a fit of stars".
    r_min, r_max : float
        Shell of the stars [kpc].

    Returns
    -------
    (float, float)
        The shell.

    Raises
    ------
    ValueError
        If there is no such network; the message lists the shells of those there are.
    """
    if (r_min, r_max) in TRAINED_SHELLS:
        return r_min, r_max
    *most, last = (
        f"all{describe_shell(inner, outer)} (r_min={inner:g}, r_max={outer:g})" for inner, outer in TRAINED_SHELLS
    )
    raise ValueError(
        f"{name} = {what} at {r_min:g} < r < {r_max:g} kpc: allowed is a fit of {', '.join(most)} or {last}, the "
        "shells of the networks' training sets; the apex depends on the shell"
    )
