"""Random numbers: one counter-based stream a simulation.

A stream is numpy's Philox 4x64 (Salmon et al. 2011) keyed by the catalogue's seed and the simulation's number, so
that a simulation never depends on which others were made, in what order, or on how many processes.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.arguments.arrays import as_seed, as_whole


def halo_stream(seed: int, sim_id: int) -> np.random.Generator:
    """Stream of the stars of simulation `sim_id` of the catalogue with `seed`.

    The key (seed, 2^63 + sim_id) is apart from that of the draws of the prior, (seed, 0).

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    sim_id : int
        0 to 2^63 - 1.

    Raises
    ------
    ValueError
        If either is not a whole number in its range.
    """
    key = np.array([as_seed("seed", seed), 2**63 + as_whole("sim_id", sim_id)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
