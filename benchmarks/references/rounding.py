"""Draws as they are stored: with no more digits than matter, so that the files are small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array

#: Draws are stored to this part of the posterior's standard deviation or better.
PRECISION = 1.0 / 128.0


def round_draws(samples: NDArray) -> Float32Array:
    """Round draws (n, d) to a power of two that is at most `PRECISION` of the standard deviation of each parameter."""
    step = 2.0 ** np.floor(np.log2(PRECISION * samples.std(axis=0)))
    return (np.round(samples / step) * step).astype(np.float32)
