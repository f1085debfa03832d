"""What draws and moves the stars: kernels on the processor or a GPU, or agama if it is installed.

An engine is a function ``(parameters, n_stars, rng) -> (orbit, stars)``: the orbit of the pair, and the stars'
phase space today, (n_stars, 6) [kpc, km/s] relative to the Milky Way's centre. An engine that is faster with the stars
of many simulations at once has a second function, ``(started stars, fields) -> stars of each``. Engines know nothing of
tables, rows and processes, which `mwlmc_data.simulator.many` handles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.simulator.compiling import announce_compiling
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.outskirts import integrate_outskirts
from mwlmc_data.simulator.engines.start import TOLERANCE, TOLERANCE_FLOAT64, start_stars
from mwlmc_data.simulator.equations import integrate_stars
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.physics import require_standard
from mwlmc_data.simulator.tables import Field

Engine = Callable[[Parameters, int, np.random.Generator], tuple[Orbit, FloatArray]]
Together = Callable[[Sequence[Float64Array], Sequence[Field]], Sequence[FloatArray]]


def _numba(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, FloatArray]:
    """The default engine: as many stars at once as the processor has lanes, in float32."""
    orbit, field, stars = start_stars(parameters, n_stars, rng)
    with announce_compiling():
        return orbit, integrate_lanes(stars, field, TOLERANCE)[0]


def _numba_outskirts(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, FloatArray]:
    """The default engine for the stars that can end beyond 50 kpc, three times faster."""
    if not parameters.model.falls:  # which stars can end beyond 50 kpc is known for those that feel tides alone
        return _numba(parameters, n_stars, rng)
    orbit, field, stars = start_stars(parameters, n_stars, rng)
    with announce_compiling():
        return orbit, integrate_outskirts(stars, parameters, orbit, field, TOLERANCE)


def _numba_float64(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, FloatArray]:
    """The yardstick: the same stars one at a time in float64, with a tolerance 300,000 times smaller."""
    orbit, field, stars = start_stars(parameters, n_stars, rng)
    with announce_compiling():
        evaluations = integrate_stars(stars, field.t_start, 0.0, field, TOLERANCE_FLOAT64)
    if evaluations < 0:
        raise RuntimeError("a star did not arrive: its steps vanished")
    return orbit, stars


def _agama(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, FloatArray]:
    """The field's reference code."""
    require_standard('engine = "agama"', parameters.physics)
    try:
        from mwlmc_data.simulator.engines.agama import run
    except ImportError as error:
        raise ImportError(
            'engine = "agama" needs the package agama (https://github.com/GalacticDynamics-Oxford/Agama); '
            'engine = "numba" is built in'
        ) from error
    return run(parameters, n_stars, rng)


def _cuda(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, FloatArray]:
    """The default engine's step, on a GPU."""
    from mwlmc_data.simulator.engines.cuda import run

    require_standard('engine = "cuda"', parameters.physics)
    return run(parameters, n_stars, rng)


def _cuda_together(stars: Sequence[Float64Array], fields: Sequence[Field]) -> Sequence[FloatArray]:
    """The stars of many simulations in one launch."""
    from mwlmc_data.simulator.engines.cuda import move_stars

    return list(move_stars(stars, fields, TOLERANCE))


_ENGINES: dict[str, Engine] = {
    "auto": _numba,
    "numba": _numba,
    "numba-float64": _numba_float64,
    "cuda": _cuda,
    "agama": _agama,
}
_OUTSKIRTS: dict[str, Engine] = {"auto": _numba_outskirts, "numba": _numba_outskirts}


def get(name: str, outskirts: bool = False) -> Engine:
    """Find an engine by name.

    Parameters
    ----------
    name : str
        One of the engines of :func:`~mwlmc_data.simulate`.
    outskirts : bool
        Allow the engine to leave out stars that cannot enter the fit.

    Raises
    ------
    ValueError
        If there is no engine of this name.
    ImportError, RuntimeError
        If it is ``"cuda"`` and its package is not installed or finds no device.
    """
    as_choice("engine", name, tuple(_ENGINES))
    if name == "cuda":
        from mwlmc_data.simulator.engines.cuda import require_device

        require_device()
    return _OUTSKIRTS.get(name, _ENGINES[name]) if outskirts else _ENGINES[name]


def get_together(name: str) -> Together | None:
    """Find the function that moves the initial stars of many simulations at once.

    Parameters
    ----------
    name : str
        An engine's name.

    Returns
    -------
    callable or None
        Takes the stars (n, 6) and the field of each simulation, with the same n in each; a star that does not arrive is
        NaN. None if the engine is not faster with many simulations.
    """
    return _cuda_together if name == "cuda" else None
