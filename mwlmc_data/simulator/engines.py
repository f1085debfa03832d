"""What draws and moves the stars: our kernels on the processor or a GPU, or agama where it is installed.

An engine is a function ``(parameters, n_stars, rng) -> (orbit, stars)``: the orbit of the pair, and the stars'
phase-space today, (n_stars, 6) [kpc, km/s] relative to the Milky Way's centre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..arrays import as_choice
from .compiling import announced
from .halo import draw_stars, equilibrium
from .interaction import Orbit, build_field
from .kernels import integrate_stars
from .lanes import integrate_lanes
from .outskirts import integrate_outskirts
from .parameters import Parameters
from .tables import Field

Engine = Callable[[Parameters, int, np.random.Generator], tuple[Orbit, NDArray[np.floating]]]

#: Error allowed a step of a star, as :func:`~mwlmc_data.simulator.kernels.integrate_stars` measures it.
TOLERANCE = 3e-4
#: The same for the yardstick.
TOLERANCE_FLOAT64 = 1e-9


def _numba(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, NDArray[np.floating]]:
    """The default engine: sixteen stars at once in float32."""
    orbit, field, stars = begin(parameters, n_stars, rng)
    with announced():
        return orbit, integrate_lanes(stars, field, TOLERANCE)[0]


def _numba_outskirts(
    parameters: Parameters, n_stars: int, rng: np.random.Generator
) -> tuple[Orbit, NDArray[np.floating]]:
    """The default engine for the stars that can end beyond 50 kpc, three times faster."""
    orbit, field, stars = begin(parameters, n_stars, rng)
    with announced():
        return orbit, integrate_outskirts(stars, parameters, orbit, field, TOLERANCE)


def _numba_float64(
    parameters: Parameters, n_stars: int, rng: np.random.Generator
) -> tuple[Orbit, NDArray[np.floating]]:
    """The yardstick: the same stars one at a time in float64, to a tolerance 300,000 times smaller."""
    orbit, field, stars = begin(parameters, n_stars, rng)
    with announced():
        evaluations = integrate_stars(stars, field.t_start, 0.0, field, TOLERANCE_FLOAT64)
    if evaluations < 0:
        raise RuntimeError("a star did not arrive: its steps vanished")
    return orbit, stars


def begin(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, Field, NDArray[np.float64]]:
    """Orbit, field and the stars as they were 2.2 Gyr ago."""
    orbit, field = build_field(parameters)
    tables = equilibrium(parameters.m200_mw, parameters.c200, parameters.beta0, parameters.r_dehnen)
    return orbit, field, draw_stars(tables, n_stars, rng)


def _agama(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, NDArray[np.floating]]:
    """The field's reference code."""
    try:
        from .agama_engine import run
    except ImportError as error:
        raise ImportError(
            'engine = "agama" needs the package agama (https://github.com/GalacticDynamics-Oxford/Agama); '
            'engine = "numba" is built in'
        ) from error
    return run(parameters, n_stars, rng)


def _cuda(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, NDArray[np.floating]]:
    """The default engine's step, on a GPU."""
    from .cuda_engine import run

    return run(parameters, n_stars, rng)


_ENGINES: dict[str, Engine] = {
    "auto": _numba,
    "numba": _numba,
    "numba-float64": _numba_float64,
    "cuda": _cuda,
    "agama": _agama,
}
_OUTSKIRTS: dict[str, Engine] = {"auto": _numba_outskirts, "numba": _numba_outskirts}


def get(name: str, outskirts: bool = False) -> Engine:
    """The engine of that name.

    Parameters
    ----------
    name : str
        One of those of :func:`~mwlmc_data.simulator.simulate`.
    outskirts : bool
        The stars that do not reach the fit may be missing, where the engine can leave them out.

    Raises
    ------
    ValueError
        If there is none of that name.
    ImportError, RuntimeError
        If it is ``"cuda"`` and its package is not installed, or finds no device.
    """
    as_choice("engine", name, tuple(_ENGINES))
    if name == "cuda":
        from .cuda_engine import require_device

        require_device()
    return _OUTSKIRTS.get(name, _ENGINES[name]) if outskirts else _ENGINES[name]
