"""Where stars that are seen today were 2.2 Gyr ago."""

from __future__ import annotations

from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.arguments.tabular import as_table, as_vectors, is_table, refuse_misaligned
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator.compiling import announce_compiling
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE
from mwlmc_data.simulator.orbit import REVERSED, build_reversed_field
from mwlmc_data.simulator.parameters import Parameters, take_parameters
from mwlmc_data.simulator.reflex import MOTION_NAMES, POSITION_NAMES
from mwlmc_data.simulator.stars import Halo

#: Columns of a table of stars.
_UNITS = dict.fromkeys(POSITION_NAMES, "kpc") | dict.fromkeys(MOTION_NAMES, "km/s")

def rewind(positions: Any, velocities: Any, parameters: Parameters) -> tuple[Float64Array, Float64Array]:
    """Rewind stars from today to 2.2 Gyr ago, when the stellar halo was in equilibrium.

    The stars move as in :func:`~mwlmc_data.simulate`, with time reversed: in the potential of bulge, disc, NFW halo and
    the moving LMC, in the frame of the Milky Way's centre, which falls towards the LMC (sec. 2 of the paper).

    Parameters
    ----------
    positions : array_like, shape (n, 3)
        Galactocentric positions today [kpc], relative to the Milky Way's centre as in :class:`Halo`: an array, or a
        table of x, y, z. Quantities are converted.
    velocities : array_like, shape (n, 3)
        Velocities [km/s], in the same way: vx, vy, vz.
    parameters : Parameters
        The simulation.

    Returns
    -------
    positions, velocities : ndarray, shape (n, 3)
        Of the same stars 2.2 Gyr ago [kpc, km/s], relative to the Milky Way's centre then.

    Raises
    ------
    ValueError
        If a number is missing, masked or not finite, the shapes differ or a unit is wrong, or `parameters` is not a
        :class:`Parameters`.
    RuntimeError
        If the orbit of the LMC or of a star cannot be integrated.

    Examples
    --------
    >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    >>> positions, velocities = rewind([[60.0, 0.0, 10.0]], [[0.0, 90.0, 40.0]], p)
    >>> positions.shape
    (1, 3)
    """
    stars = take_stars(positions, velocities)
    start = rewind_stars(stars, take_parameters(parameters))
    return start[:, :3].copy(), start[:, 3:].copy()


def take_stars(positions: Any, velocities: Any) -> Float64Array:
    """Take stars from a user, as (n, 6) in kpc and km/s; raise ValueError for what is not stars."""
    refuse_misaligned({"positions": positions, "velocities": velocities})
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
    v = as_vectors("velocities", velocities, MOTION_NAMES, "km/s", len(x))
    return np.hstack([x, v])


def take_table(name: str, value: Any) -> Float64Array:
    """Take stars from a user.

    Parameters
    ----------
    name : str
        What the user calls them.
    value : Halo, table or array_like
        A halo; a table of x, y, z [kpc], vx, vy, vz [km/s], whose other columns are ignored; or an array (n, 6).

    Returns
    -------
    ndarray, shape (n, 6)

    Raises
    ------
    ValueError
        If it is none of these, a column is missing, or a number is masked, not finite or of another unit.
    """
    if isinstance(value, Halo):
        return np.hstack([value.positions, value.velocities]).astype(float)
    if not is_table(value):
        return as_floats(name, value, shape=("n", 6))
    columns = as_table(name, value)
    missing = [key for key in _UNITS if key not in columns]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}: allowed is a table with {', '.join(_UNITS)}")
    parts: list[Float64Array] = []
    for key, unit in _UNITS.items():
        size = len(parts[0]) if parts else "n"
        parts.append(as_floats(f"{name}[{key!r}]", columns[key], unit=unit, shape=(size,)))
    return np.stack(parts, axis=1)


def rewind_stars(stars: Float64Array, parameters: Parameters) -> Float64Array:
    """Rewind stars (n, 6) as :func:`~mwlmc_data.rewind` does, without checks."""
    field = build_reversed_field(parameters)
    with announce_compiling():
        return integrate_lanes(stars * REVERSED, field, TOLERANCE)[0] * REVERSED
