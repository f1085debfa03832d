"""Random numbers: one counter-based stream for each simulation.

A stream is numpy's Philox 4x64 (Salmon et al. 2011) keyed by the catalogue's seed and the simulation's number, so
that a simulation does not depend on which others are made, in what order, or on how many processes.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.arguments.arrays import as_seed, as_whole


def halo_stream(seed: int, sim_id: int) -> np.random.Generator:
    """Random stream for the stars of simulation `sim_id` in the catalogue with seed `seed`.

    The key (seed, 2^63 + sim_id) differs from that of the draws of the prior, (seed, 0).

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    sim_id : int
        0 to 2^63 - 1.

    Raises
    ------
    ValueError
        If either is not an integer in its range.
    """
    key = np.array([as_seed("seed", seed), 2**63 + as_whole("sim_id", sim_id)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def live_stream(seed: int) -> np.random.Generator:
    """Random stream for the particles of a live run: the key (seed, 2^62), which no halo and no prior has."""
    return np.random.Generator(np.random.Philox(key=np.array([as_seed("seed", seed), 2**62], dtype=np.uint64)))
