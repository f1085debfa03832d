"""What a baseline is: the protocol that all follow, and the truncation to the prior that all share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.features import Problem


@dataclass(frozen=True)
class Draws:
    """Posterior draws inside the prior's support.

    Attributes
    ----------
    theta : ndarray, shape (k, n, d)
        Draws for k observations; NaN where `complete` is False.
    acceptance : ndarray, shape (k,)
        Fraction of the estimator's own draws that fell inside: one minus its leakage.
    complete : ndarray of bool, shape (k,)
        Whether all n draws were found within the limits of time and attempts.
    """

    theta: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    complete: NDArray[np.bool_]


class Estimator(Protocol):
    """A baseline: one small file each."""

    name: str

    def fit(self, problem: Problem, seed: int) -> None:
        """Train on the splits train and validation; the split test is not to be looked at."""

    def sample(self, x: NDArray, n: int, seed: int) -> Draws:
        """Draw n posterior draws for each row of x (k, features)."""

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray) -> NDArray[np.float64]:
        """Log posterior density (k,) of theta (k, d) given x (k, features), normalised over the support.

        `acceptance` (k,) is that of the draws for the same rows.
        """


def truncated_draws(
    draw: Callable[[NDArray, int], NDArray],
    x: NDArray,
    n: int,
    low: NDArray,
    high: NDArray,
    block: int = 64,
    time_limit: float = 10.0,
    attempts: int = 2_000_000,
) -> Draws:
    """Reject draws outside the box; a row that the box starves is finished alone, within limits.

    Rows go through in blocks with a tenth more draws than wanted. One row whose mass lies outside would make
    a batched sampler redraw for all of them for ever, so those that lack draws are completed one at a time.

    Parameters
    ----------
    draw : callable
        ``draw(x (k, f), m)`` gives (k, m, d) draws without truncation.
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


def _inside(theta: NDArray, low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    return np.all((theta >= low) & (theta <= high), axis=-1)


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
    inside = _inside(first, low, high)
    out = np.full((len(x), n, len(low)), np.nan)
    acceptance, complete = inside.mean(axis=1), np.zeros(len(x), dtype=bool)
    for row in range(len(x)):
        kept = [first[row, inside[row]]]
        accepted, tried = len(kept[0]), first.shape[1]
        start = time.monotonic()
        while accepted < n and tried < attempts and time.monotonic() - start < time_limit:
            size = int(np.clip(1.2 * (n - accepted) * tried / max(accepted, 1), 1000, 50_000))
            more = draw(x[row : row + 1], size)[0]
            more = more[_inside(more, low, high)]
            kept.append(more)
            accepted, tried = accepted + len(more), tried + size
        acceptance[row] = accepted / tried
        if accepted >= n:
            out[row], complete[row] = np.concatenate(kept)[:n], True
    return Draws(out, acceptance, complete)
