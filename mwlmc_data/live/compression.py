"""Coefficients of a run in few bytes.

A run of 111 rows has 111 x 49 x 49 x 2 numbers for each galaxy: 2.1 MB in float32. Of each l the rows, values of m and
both parts are vectors over the nodes, potential and slope together, and some principal vectors span them: of l = 0
their mean is taken out first. What is stored are the principal vectors and, in 16 bits, the amplitudes of every second
row, as differences in time, which deflate well; splines give the rows between. Most of it is the particles' noise,
which hardly compresses; what is left out moves single stars, and not their mean.

The vectors are weighted by what a star feels: acceleration over the galaxy's own at that radius, and less within
``_CALM`` kpc, where high l are the noise of the particles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.harmonics import find_l_max
from mwlmc_data.live.radial_bins import NODES

#: Number of principal vectors of each l.
RANKS = (24, 24, 26, 24, 30, 24, 28)
#: Of the rows every so many-th is stored, and the last.
_THIN = 2
#: Radius [kpc] within which agreement matters less.
_CALM = 40.0
#: Largest level of a number in 16 bits, and the usual step of an amplitude, in units of the galaxy's own pull.
_LEVELS, QUANTUM = 32767, 3e-4
#: Coarsest step of an amplitude that is still a run's field.
COARSEST = 1e-2


def compress(potential: NDArray, slope: NDArray, quantum: float = QUANTUM) -> dict[str, NDArray]:
    """Compress the coefficients of one galaxy.

    Parameters
    ----------
    potential, slope : ndarray, shape (rows, nodes, pairs, 2)
        As of :class:`~mwlmc_data.live.expansion.Expansion`, in time.
    quantum : float
        Smallest step of an amplitude: with a coarser one, noise takes fewer bytes.

    Returns
    -------
    dict of str to ndarray
        ``weights`` (2 nodes,), ``mean`` (2 nodes,), and for each l ``vectors_l``, ``scales_l`` and ``amplitudes_l``.
    """
    l_max = find_l_max(potential.shape[2])
    kept = _list_kept(len(potential))
    pull = np.abs(slope[:, :, 0, 0]).astype(float).mean(0)
    trust = NODES**2 / (NODES**2 + _CALM**2) / pull
    weights = np.r_[trust / NODES, trust]
    out: dict[str, NDArray] = {"weights": weights.astype(np.float32), "rows": np.array([len(potential)])}
    for l in range(l_max + 1):
        vectors = _gather(potential[kept], slope[kept], l) * weights
        if l == 0:
            mean = vectors.mean(0)
            out["mean"] = mean.astype(np.float32)
            vectors = vectors - out["mean"].astype(float)
        rank = min(RANKS[min(l, len(RANKS) - 1)], *vectors.shape)
        _, _, basis = np.linalg.svd(vectors, full_matrices=False)
        basis = np.rint(basis[:rank] * _LEVELS).astype(np.int16)
        amplitudes = (vectors @ (basis.T / _LEVELS)).reshape(len(kept), -1, rank)
        scales = np.maximum(np.abs(amplitudes).max((0, 1)) / _LEVELS, quantum).astype(np.float32)
        levels = np.rint(amplitudes / scales).clip(-_LEVELS, _LEVELS).astype(np.int16)
        # differences modulo 2^16 are exact; time runs fastest in the file
        out[f"amplitudes_{l}"] = np.diff(levels, axis=0, prepend=np.int16(0)).transpose(2, 1, 0).copy()
        out[f"scales_{l}"], out[f"vectors_{l}"] = scales, basis
    return out


def expand_again(stored: dict[str, NDArray]) -> tuple[Float64Array, Float64Array]:
    """Coefficients of one galaxy, potential and slope (rows, nodes, pairs, 2), from what :func:`compress` made."""
    l_max = max(int(name.removeprefix("vectors_")) for name in stored if name.startswith("vectors_"))
    rows = int(stored["rows"][0])
    kept = _list_kept(rows)
    pairs = (l_max + 1) * (l_max + 2) // 2
    potential, slope = np.zeros((2, rows, len(NODES), pairs, 2))
    for l in range(l_max + 1):
        levels = np.cumsum(stored[f"amplitudes_{l}"].transpose(2, 1, 0), axis=0, dtype=np.int16)
        amplitudes = levels * stored[f"scales_{l}"].astype(float)
        amplitudes = make_interp_spline(kept, amplitudes, k=min(3, len(kept) - 1))(np.arange(rows))
        vectors = amplitudes @ (stored[f"vectors_{l}"] / _LEVELS)
        if l == 0:
            vectors = vectors + stored["mean"]
        vectors = vectors / stored["weights"].astype(float)
        for column, (m, part) in enumerate(_list_parts(l)):
            pair = l * (l + 1) // 2 + m
            potential[:, :, pair, part] = vectors[:, column, : len(NODES)]
            slope[:, :, pair, part] = vectors[:, column, len(NODES) :]
    return potential, slope


def _list_kept(rows: int) -> NDArray[np.int64]:
    """Rows that are stored."""
    return np.unique(np.r_[np.arange(0, rows, _THIN), rows - 1])


def _list_parts(l: int) -> list[tuple[int, int]]:
    """The (m, part) of an l: cosines and, for m > 0, sines."""
    return [(m, part) for m in range(l + 1) for part in range(2 if m else 1)]


def _gather(potential: NDArray, slope: NDArray, l: int) -> Float64Array:
    """The vectors of an l, (rows * (2 l + 1), 2 nodes), one row's after the other."""
    columns = [
        np.concatenate([array[:, :, l * (l + 1) // 2 + m, part] for array in (potential, slope)], axis=1)
        for m, part in _list_parts(l)
    ]
    return np.stack(columns, axis=1).reshape(-1, 2 * len(NODES)).astype(float)
