"""The likelihood of a set of stars at many parameters, in one process or several."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.marginal import StarDraws
from mwlmc_data.workers import can_travel, start_pool

#: Points that a process evaluates at a time.
_CHUNK = 8
_SOME_STAR = np.array([[60.0, 0.0, 0.0, 0.0, 90.0, 0.0]])
#: Stars of exact phase space (n, 6), or draws of observed ones.
Stars = Float64Array | StarDraws
_shared: tuple[Stars, FreeParameters] | None = None


def _share(stars: Stars, parameters: FreeParameters) -> None:
    """Keep what all points have in common in this process."""
    global _shared
    _shared = (stars, parameters)


def evaluate_points(
    stars: Stars, parameters: FreeParameters, points: Float64Array
) -> tuple[Float64Array, NDArray[np.int64]]:
    """Sum ln f of the stars, or the log densities of the data of observed ones.

    Parameters
    ----------
    stars : ndarray, shape (n, 6), or StarDraws
        Phase space today [kpc, km/s], or draws of it.
    parameters : FreeParameters
        What the scores mean.
    points : ndarray, shape (m, d)
        Normal scores of the free parameters.

    Returns
    -------
    sums : ndarray, shape (m,)
        Of the stars that are possible there; -inf if the orbit cannot be integrated.
    impossible : ndarray, shape (m,), int64
        Number of the others.
    """
    sums, impossible = np.empty(len(points)), np.zeros(len(points), np.int64)
    for i, point in enumerate(points):
        try:
            there = parameters.build(point)
            log_f = stars.log_density(there) if isinstance(stars, StarDraws) else log_density_stars(stars, there)
        except (ValueError, RuntimeError):  # masses that exclude each other, an orbit through the centre
            sums[i], impossible[i] = -np.inf, len(stars)
            continue
        possible = np.isfinite(log_f)
        sums[i], impossible[i] = log_f[possible].sum(), len(stars) - int(possible.sum())
    return sums, impossible


def _evaluate_shared(points: Float64Array) -> tuple[Float64Array, NDArray[np.int64]]:
    if _shared is None:
        raise RuntimeError("this process has no stars")
    return evaluate_points(*_shared, points)


class StarLikelihood:
    """ln f of stars, evaluated in this process or by a pool; a context manager that ends the pool.

    Parameters
    ----------
    stars : ndarray, shape (n, 6), or StarDraws
        Phase space today, or draws of it.
    parameters : FreeParameters
        What the scores mean.
    n_processes : int
        Of the pool; this process alone for 0 and 1.
    """

    def __init__(self, stars: Stars, parameters: FreeParameters, n_processes: int) -> None:
        self.stars, self.parameters = stars, parameters
        self._n_processes = n_processes
        self._pool: ProcessPoolExecutor | None = None
        if n_processes > 1:
            evaluate_points(_SOME_STAR, parameters, np.zeros((1, len(parameters.free))))  # compiles, or loads
            self._start()

    def _start(self) -> None:
        self._pool = start_pool(self._n_processes, _share, self.stars, self.parameters)

    def replace(self, stars: Stars) -> None:
        """Evaluate other stars, or other draws, from here on."""
        self.stars = stars
        if self._pool is not None:
            self._pool.shutdown()
            self._start()

    def __enter__(self) -> StarLikelihood:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=True)

    def apply(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        """Apply a function of a module to jobs of one kind, in order; in this process if the pool cannot have them."""
        if self._pool is None or not can_travel(jobs[:1]):
            return map(function, jobs)
        return self._pool.map(function, jobs)

    def evaluate(self, points: Float64Array) -> tuple[Float64Array, NDArray[np.int64]]:
        """As :func:`evaluate_points`; the result does not depend on the number of processes."""
        if self._pool is None:
            return evaluate_points(self.stars, self.parameters, points)
        chunks = [points[i : i + _CHUNK] for i in range(0, len(points), _CHUNK)]
        sums, impossible = zip(*self._pool.map(_evaluate_shared, chunks), strict=True)
        return np.concatenate(sums), np.fromiter(itertools.chain.from_iterable(impossible), np.int64)
