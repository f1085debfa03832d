"""What draws and moves the stars: our kernels, or agama where it is installed.

An engine is a function ``(parameters, n_stars, rng) -> (orbit, stars)``: the orbit of the pair, and the stars' phase-space
today, (n_stars, 6) [kpc, km/s] relative to the Milky Way's centre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .compiling import announced
from .halo import draw_stars, equilibrium
from .interaction import Orbit, build_field
from .kernels import integrate_stars
from .parameters import Parameters

Engine = Callable[[Parameters, int, np.random.Generator], tuple[Orbit, NDArray[np.float64]]]

#: Error allowed a step of a star (see :func:`~mwlmc_data.simulator.kernels.integrate_stars`).
TOLERANCE = 1e-4


def _numba(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, NDArray[np.float64]]:
    """The default engine."""
    orbit, field = build_field(parameters)
    tables = equilibrium(parameters.m200_mw, parameters.c200, parameters.beta0, parameters.r_dehnen)  # type: ignore[arg-type]
    stars = draw_stars(tables, n_stars, rng)
    with announced():
        evaluations = integrate_stars(stars, field.t_start, 0.0, field, TOLERANCE)
    if evaluations < 0:
        raise RuntimeError(f"the step of a star vanished; {parameters}")
    return orbit, stars


def _agama(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, NDArray[np.float64]]:
    """The field's reference code."""
    try:
        from .agama_engine import run
    except ImportError as error:
        raise ImportError(
            'engine = "agama" needs the package agama (https://github.com/GalacticDynamics-Oxford/Agama); '
            'engine = "numba" is built in'
        ) from error
    return run(parameters, n_stars, rng)


_ENGINES: dict[str, Engine] = {"auto": _numba, "numba": _numba, "agama": _agama}


def get(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in _ENGINES:
        raise ValueError(f"engine = {name!r}: allowed are {tuple(_ENGINES)}")
    return _ENGINES[name]


__all__ = ["TOLERANCE", "get"]
