"""Rejection of draws outside the prior's support, for estimators that leak."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Draws, in_support


def draw_inside(
    draw: Callable[[NDArray, int], NDArray],
    x: NDArray,
    n: int,
    low: NDArray,
    high: NDArray,
    block: int = 64,
    time_limit: float = 10.0,
    attempts: int = 2_000_000,
) -> Draws:
    """Draw, and reject draws outside the box; a row that the box starves is finished alone, within limits.

    Rows are drawn in blocks, with a tenth more draws than wanted. A single row whose mass lies outside would make a
    batched sampler redraw all of them for ever, so rows that lack draws are completed one at a time.

    Parameters
    ----------
    draw : callable
        ``draw(x (k, f), m)`` returns (k, m, d) draws without truncation.
    x : ndarray, shape (k, f)
        Observations.
    n : int
        Draws wanted for each.
    low, high : ndarray, shape (d,)
        The box.
    block : int
        Rows drawn together.
    time_limit : float
        Seconds that one starved row may take.
    attempts : int
        Draws that one starved row may take.

    Returns
    -------
    Draws
    """
    blocks = [x[i : i + block] for i in range(0, len(x), block)]
    parts = [_block(draw, rows, n, low, high, time_limit, attempts) for rows in blocks]
    names = ("theta", "acceptance", "complete")
    return Draws(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _block(
    draw: Callable[[NDArray, int], NDArray],
    x: NDArray,
    n: int,
    low: NDArray,
    high: NDArray,
    time_limit: float,
    attempts: int,
) -> Draws:
    first = draw(x, n + n // 10 + 1)
    inside = in_support(first, low, high)
    out = np.full((len(x), n, len(low)), np.nan)
    acceptance, complete = inside.mean(axis=1), np.zeros(len(x), dtype=bool)
    for row in range(len(x)):
        kept = [first[row, inside[row]]]
        accepted, tried = len(kept[0]), first.shape[1]
        start = time.monotonic()
        while accepted < n and tried < attempts and time.monotonic() - start < time_limit:
            size = int(np.clip(1.2 * (n - accepted) * tried / max(accepted, 1), 1000, 50_000))
            more = draw(x[row : row + 1], size)[0]
            more = more[in_support(more, low, high)]
            kept.append(more)
            accepted, tried = accepted + len(more), tried + size
        acceptance[row] = accepted / tried
        if accepted >= n:
            out[row], complete[row] = np.concatenate(kept)[:n], True
    return Draws(out, acceptance, complete)
