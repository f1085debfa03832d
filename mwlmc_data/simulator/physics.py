"""Which physics a simulation has: the standard model, and others that differ from it in one respect.

==================  ====================================================================================
standard            the model of the data set (sec. 2 of the paper)
fixed-milky-way     the LMC does not pull the Milky Way: its centre stays at rest, and so does the frame
no-friction         no dynamical friction, whatever `log10_lambda_df`
osipkov-merritt     anisotropy r^2 / (r^2 + r_a^2), which is `beta0` at 50 kpc, instead of `beta0` everywhere
nfw-lmc             the LMC is an NFW halo that ends at its virial radius, where it contains `m_lmc`, instead of
                    a Hernquist sphere; both contain `m_lmc_8p7` within 8.7 kpc
==================  ====================================================================================

All take the same parameters, so that one prior serves all. The Coulomb logarithm stays that of the Hernquist sphere
(eq. 7 has no other).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from mwlmc_data.arguments.arrays import as_choice


class Physics(NamedTuple):
    """What a simulation contains.

    Attributes
    ----------
    falls : bool
        Whether the Milky Way falls towards the LMC.
    has_friction : bool
        Whether the LMC feels dynamical friction.
    is_osipkov_merritt : bool
        Whether the anisotropy rises outwards (Osipkov 1979; Merritt 1985) rather than being the same at all radii.
    has_nfw_lmc : bool
        Whether the LMC is an NFW halo rather than a Hernquist sphere.
    """

    falls: bool = True
    has_friction: bool = True
    is_osipkov_merritt: bool = False
    has_nfw_lmc: bool = False


STANDARD = "standard"
#: Its name among the parameters, which are numbers otherwise.
PHYSICS_NAME = "physics"
#: Every physics by name.
PHYSICS = MappingProxyType(
    {
        STANDARD: Physics(),
        "fixed-milky-way": Physics(falls=False),
        "no-friction": Physics(has_friction=False),
        "osipkov-merritt": Physics(is_osipkov_merritt=True),
        "nfw-lmc": Physics(has_nfw_lmc=True),
    }
)


def take_physics(value: Any) -> str:
    """Take the name of a physics from a user; raise ValueError for anything else."""
    return as_choice("physics", value.as_py() if hasattr(value, "as_py") else value, tuple(PHYSICS))


def require_standard(what: str, physics: str) -> None:
    """Raise ValueError unless the physics is the standard one, the only one that `what` knows."""
    if physics != STANDARD:
        raise ValueError(f"physics = {physics!r} for {what}: allowed is {STANDARD!r}")
