"""Settings of a live run: what determines it besides its random numbers' luck."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.display import describe_tuple
from mwlmc_data.live.body import Body, make_body, make_hernquist_body
from mwlmc_data.live.expansion import L_MAX
from mwlmc_data.live.spheres import LMC_CUT, MW_CUT
from mwlmc_data.live.state import State
from mwlmc_data.simulator import constants as const

#: Version of a live run's results: raised whenever the same settings give a run of another kind. A file of another
#: version is refused.
LIVE_VERSION = "1.0.0"

#: Rows of a run of 2.2 Gyr after the first, one every 20 Myr, and long steps to a row: 4 Myr each.
N_ROWS, STEPS = 110, 5
#: Largest random velocity of the disc [km/s] that a run may have by the number of its particles.
MAX_NOISE = 3.0
#: Dispersion [km/s] of the particles near the disc.
_DISPERSION = 120.0
_WHOLE = ("particles", "seed", "rows", "steps", "l_max")


class LiveSettings(NamedTuple):
    """What a live run is; all numbers, so that a file holds them."""

    particles: int  # asked for
    seed: int
    span: float  # [Gyr]
    rows: int
    steps: int  # long steps to a row
    l_max: int
    mw_cut: float  # [kpc]
    lmc_cut: float  # [kpc]
    bulge: float  # Hernquist bulge's mass [Msun]; 0 for the simulator's bulge and disc
    bulge_scale: float  # [kpc]
    disc: float  # [Msun]
    disc_length: float  # [kpc]

    def __repr__(self) -> str:
        return describe_tuple(self)

    @property
    def step(self) -> float:
        """Length of a long step [kpc / (km/s)]."""
        return self.span / const.GYR_PER_TIME_UNIT / self.rows / self.steps


def make_settings(
    particles: int, seed: int, rows: int = N_ROWS, steps: int = STEPS, span: float = const.REWIND_GYR
) -> LiveSettings:
    """Settings of a run with the simulator's bulge and disc."""
    return LiveSettings(particles, seed, span, rows, steps, L_MAX, MW_CUT, LMC_CUT, 0.0, 0.0, 0.0, 0.0)


def read_settings(stored: NDArray) -> LiveSettings:
    """Settings from the numbers of a file."""
    values = dict(zip(LiveSettings._fields, stored.tolist(), strict=True))
    return LiveSettings(**values | {name: int(values[name]) for name in _WHOLE})


def find_body(settings: LiveSettings) -> Body:
    """Bulge and disc of a run."""
    if settings.bulge == 0.0:
        return make_body()
    return make_hernquist_body(settings.bulge, settings.bulge_scale, settings.disc, settings.disc_length)


def estimate_noise(state: State, body: Body) -> float:
    """Random velocity of the disc [km/s] for each axis: ``sigma sqrt(m / M)``, m the mass of a particle near it."""
    return _DISPERSION * math.sqrt(float(np.min(state.masses[state.halo_part])) / body.mass)


def refuse_noise(state: State, body: Body, particles: int, name: str = "particles") -> None:
    """Raise ValueError if so few particles would move the disc by more than the reflex may be wrong."""
    noise = estimate_noise(state, body)
    if noise > MAX_NOISE:
        needed = math.ceil(particles * (noise / MAX_NOISE) ** 2 / 1000) * 1000
        raise ValueError(
            f"{name} = {particles}, so heavy that they would move the disc by {noise:.1f} km/s at random: "
            f"allowed is at least {needed} here, where it is {MAX_NOISE:g} km/s; a million make it about 0.4"
        )
