"""Simulations with complete haloes on a GPU: wall time, simulations a second, and the time of the full set.

Every star is moved to today and every simulation is fitted; only rows are returned, as from
:func:`~mwlmc_data.simulate_many`. Two tables of different length separate the start-up (processes, imports,
compilation, a GPU context each) from the rate.
"""

from __future__ import annotations

import dataclasses
import time

from mwlmc_data import Parameters, Prior, simulate_many
from mwlmc_data.simulator import compile_kernels
from mwlmc_data.simulator.constants import N_STARS
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.many import stored_precision
from mwlmc_data.simulator.simulation import build_simulation
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.workers import available_cores

#: Simulations of the full set, and the goal for its time with haloes on an H200 [s].
FULL_SET, GOAL = 128_000, 120.0
_SEED = 20
#: Simulations in the launch whose parts are timed.
_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Speed:
    """Times on a GPU.

    Attributes
    ----------
    device : str
        Name of the GPU.
    workers, n_stars : int
        Number of processes, and of stars in a simulation.
    seconds : dict of int to float
        Wall time [s] by number of simulations, start-up included.
    stages : dict of str to float
        Seconds per simulation in one process: before the GPU, on it including copies, after it.
    """

    device: str
    workers: int
    n_stars: int
    seconds: dict[int, float]
    stages: dict[str, float]

    @property
    def rate(self) -> float:
        """Simulations a second once all processes run."""
        (few, short), (many, long) = sorted(self.seconds.items())
        return (many - few) / (long - short)

    @property
    def full_set(self) -> float:
        """Seconds of the full set, start-up included."""
        most = max(self.seconds)
        return self.seconds[most] + (FULL_SET - most) / self.rate


def measure(simulations: int = 16_384, workers: int | None = None, n_stars: int = N_STARS) -> Speed:
    """Time a table of simulations, and one a quarter as long, on the GPU.

    Parameters
    ----------
    simulations : int
        Rows of the longer table, 8 or more.
    workers : int, optional
        Processes; all cores by default.
    n_stars : int
        Stars of each simulation.

    Raises
    ------
    ValueError
        If there are too few simulations.
    ImportError, RuntimeError
        If numba-cuda is not installed or finds no device.
    """
    if simulations < 8:
        raise ValueError(f"simulations = {simulations}: allowed is 8 or more")
    registry.get("cuda")
    device = _device()
    workers = workers or available_cores()
    compile_kernels()
    draws = Prior("gaussian").sample(simulations, seed=_SEED)
    seconds = {}
    for count in (simulations // 4, simulations):
        start = time.perf_counter()
        simulate_many(draws[:count], seed=_SEED, n_stars=n_stars, engine="cuda", workers=workers)
        seconds[count] = time.perf_counter() - start
    return Speed(device, workers, n_stars, seconds, _stages(draws[:_BATCH].to_dict("records"), n_stars))


def _device() -> str:
    from numba import cuda

    name = getattr(cuda.get_current_device(), "name", "a device without a name")  # numba's simulator of CUDA
    return name.decode() if isinstance(name, bytes) else str(name)


def _stages(rows: list[dict], n_stars: int) -> dict[str, float]:
    """Time the parts of one batch in seconds per simulation, on a second pass with everything compiled."""
    from mwlmc_data.simulator.engines.cuda import move_stars

    parameters = [stored_precision(Parameters.from_row(row)) for row in rows]
    for _ in range(2):
        clock = [time.perf_counter()]
        begun = [start_stars(p, n_stars, halo_stream(_SEED, i)) for i, p in enumerate(parameters)]
        clock.append(time.perf_counter())
        moved = move_stars([b[2] for b in begun], [b[1] for b in begun], TOLERANCE)
        clock.append(time.perf_counter())
        for i, (p, (orbit, *_), stars) in enumerate(zip(parameters, begun, moved, strict=True)):
            _ = build_simulation(p, _SEED, i, orbit, stars).row()
        clock.append(time.perf_counter())
    names = ("orbit, tables, stars", "move stars on the GPU", "fit and row")
    return {name: (b - a) / len(rows) for name, a, b in zip(names, clock, clock[1:], strict=False)}


def describe(speed: Speed) -> str:
    """Format the measurements."""
    lines = [f"{speed.device}, {speed.workers} processes, {speed.n_stars} stars per simulation"]
    lines += [f"{count:>9,} simulations in {seconds:8.1f} s" for count, seconds in sorted(speed.seconds.items())]
    lines += [f"{1e3 * seconds:9.2f} ms per simulation and process: {name}" for name, seconds in speed.stages.items()]
    verdict = "within" if speed.full_set <= GOAL else "beyond"
    extrapolated = "" if max(speed.seconds) >= FULL_SET else ", extrapolated"
    return "\n".join(
        [
            *lines,
            f"{speed.rate:9.0f} simulations a second once started",
            f"{FULL_SET:>9,} simulations with haloes in {speed.full_set:.0f} s{extrapolated}: {verdict} the goal of "
            f"{GOAL:.0f} s",
        ]
    )
