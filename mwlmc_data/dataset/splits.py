"""The splits of a set: which simulations are for training, validation and testing, by sim_id alone."""

from __future__ import annotations

import numpy as np

from mwlmc_data.arguments.arrays import as_choice, as_ids, as_whole

SPLITS = ("train", "validation", "test")
SPLIT_PERIOD = 128
#: Of every `SPLIT_PERIOD` consecutive simulations, this many are for testing and as many for validation.
N_HELD_OUT = 10
#: Sizes of nested training sets: the first simulations of the training split.
BUDGETS = (1_000, 10_000, 100_000)

#: Largest sim_id of a file, an int32.
_MAX_ID = 2**31 - 1


def split_of(sim_id: int | np.ndarray) -> str | np.ndarray:
    """Return the split that a simulation belongs to.

    The rule depends on `sim_id` alone, so a simulation keeps its split when the set grows: of every 128 consecutive
    ones the first 10 are for testing, the next 10 for validation.

    Parameters
    ----------
    sim_id : int or integer array of shape (n,)
        Number of the simulation.

    Returns
    -------
    str or ndarray of str, shape (n,)
        "train", "validation" or "test".

    Raises
    ------
    ValueError
        If a number is negative or not an integer.
    """
    ids = np.array(as_whole("sim_id", sim_id)) if np.ndim(sim_id) == 0 else as_ids("sim_id", sim_id)
    place = ids % SPLIT_PERIOD
    parts = np.where(place < N_HELD_OUT, "test", np.where(place < 2 * N_HELD_OUT, "validation", "train"))
    return str(parts) if parts.ndim == 0 else parts


def ids_of(split: str, start: int, stop: int) -> np.ndarray:
    """List the simulations of one split.

    Parameters
    ----------
    split : str
        "train", "validation" or "test".
    start, stop : int
        Range of sim_id, from start to before stop.

    Returns
    -------
    ndarray of int32
        Their numbers, ascending.

    Raises
    ------
    ValueError
        If there is no such split, or start is negative.
    """
    as_choice("split", split, SPLITS)
    start, stop = as_whole("start", start, maximum=_MAX_ID), as_whole("stop", stop, maximum=_MAX_ID)
    ids = np.arange(start, max(start, stop), dtype=np.int32)
    return ids[split_of(ids) == split]


def count_ids(split: str, start: int, stop: int) -> int:
    """Count the simulations of one split, without listing them as `ids_of` does.

    Parameters
    ----------
    split : str
        "train", "validation" or "test".
    start, stop : int
        Range of sim_id, from start to before stop, neither negative.

    Returns
    -------
    int
    """
    as_choice("split", split, SPLITS)
    begin, size = {"test": (0, N_HELD_OUT), "validation": (N_HELD_OUT, N_HELD_OUT)}.get(
        split, (2 * N_HELD_OUT, SPLIT_PERIOD - 2 * N_HELD_OUT)
    )

    def below(end: int) -> int:
        periods, rest = divmod(end, SPLIT_PERIOD)
        return periods * size + min(max(rest - begin, 0), size)

    return max(0, below(stop) - below(start))
