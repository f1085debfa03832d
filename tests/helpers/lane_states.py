"""States of the lanes: arrays (rows, ``LANES``) of float32, aligned as vectors are loaded."""

from __future__ import annotations

import numpy as np

from mwlmc_data.array_types import Float32Array, FloatArray
from mwlmc_data.simulator.engines.vectors import ALIGNMENT, LANES


def align(values: FloatArray) -> Float32Array:
    """Copy values as float32 to an aligned array of the same shape."""
    values = np.asarray(values, np.float32)
    room = np.empty(values.size + ALIGNMENT // 4, np.float32)
    first = -(room.ctypes.data // 4) % (ALIGNMENT // 4)
    aligned = room[first : first + values.size].reshape(values.shape)
    aligned[...] = values
    assert aligned.ctypes.data % ALIGNMENT == 0
    return aligned


def split_into_states(values: FloatArray, rows: int) -> list[Float32Array]:
    """Distribute values (columns, n) over states of `rows` rows; the last star fills the last state's other lanes."""
    columns, n = values.shape
    padded = np.concatenate([values, np.repeat(values[:, -1:], -n % LANES, axis=1)], axis=1)
    states = []
    for first in range(0, padded.shape[1], LANES):
        state = np.zeros((rows, LANES), np.float32)
        state[:columns] = padded[:, first : first + LANES]
        states.append(align(state))
    return states
