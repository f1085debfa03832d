"""Make the set `live`: simulations of live galaxies whose LMC ends within the prior, and haloes in their fields.

A shard is one simulation: its parameters are drawn from the Gaussian prior, small runs find where its LMC starts, a
run with all particles is kept, and stellar haloes are moved in what was kept, so that they can be drawn again from it.
Where the LMC of such a run, which is chaotic, ends outside the prior, its start is corrected once more. A simulation
whose LMC misses is kept as such, by its parameters, and no other is drawn in its place: the set is that of first
passages, about half of the prior's draws. What is made stays: runs are chaotic, and cannot be made again.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from generation.plan import ShardFolder
from generation.shards import finish, is_finished, make_shards
from mwlmc_data.arguments.arrays import as_seed, as_whole
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.live_tables import HALOES, NAME
from mwlmc_data.live.aiming import AIMING_PARTICLES, Aim, MissedError, Search, aim
from mwlmc_data.live.settings import LIVE_VERSION, LiveSettings, make_settings
from mwlmc_data.live.simulating import run_live
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.start import make_galaxies
from mwlmc_data.priors import Prior
from mwlmc_data.simulator.constants import N_STARS
from mwlmc_data.simulator.limits import SKY_NAMES
from mwlmc_data.simulator.orbit import Orbit, integrate_orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.simulation import Simulation
from mwlmc_data.storage.writing import replace_file

#: Seed of the set, of which the parameters are drawn; the next number is that of the haloes' own parameters.
SEED = 20250713
#: Raised when the same draws are simulated or missed in another way: sets of several ways are not mixed.
SET_VERSION = "1"
#: Particles of a simulation.
PARTICLES = 500_000
#: Friction of the first guess of a start, log10: about what live LMCs feel. In a live run the parameter means nothing
#: else, so that the one that is drawn is not used.
FIRST_GUESS = -0.3
#: Largest number of pericentres of the rigid pair in 2.2 Gyr. An LMC that met the Milky Way before has lost mass there:
#: eight corrections of the rigid start still missed by 30 to 40 kpc.
MAX_PASSAGES = 1
#: Masses [Msun] of a Milky Way and an LMC from which on aiming runs have more particles: heavier ones move the disc.
_HEAVY_MW, _HEAVY_LMC = 2e12, 2e11
#: Miss [kpc, km/s] at which the search for a start ends: a third and a half of the prior's width in distance and in the
#: line of sight. What was reached is the datum, not what was aimed at.
GOOD_MISS = (1.5, 5.0)
#: Miss [kpc, km/s] of the best shot beyond which no run with all particles is made, which could still be corrected.
WORST_MISS = (10.0, 50.0)
#: Largest number of runs with all particles.
MAX_RUNS = 3
#: Largest normal score of a present day's numbers under the prior: the largest of the 128,000 rows is 4.8.
_MAX_SCORE = 4.0


@dataclass(frozen=True)
class LivePlan(ShardFolder):
    """What a run makes, and where: a :class:`generation.plan.Run`.

    Parameters
    ----------
    out : Path
        Folder of the run.
    simulations : int
        Number of simulations, those that miss included; it may grow.
    particles, aiming_particles : int
        Of a simulation, and of each small run that looks for its start.
    n_stars : int
        Stars of a halo.
    seed : int
        Of the set.
    simulator_version : str
        Required version of the simulator.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    out: Path
    simulations: int
    particles: int = PARTICLES
    aiming_particles: int = AIMING_PARTICLES
    n_stars: int = N_STARS
    seed: int = SEED
    simulator_version: str = ""

    def __post_init__(self) -> None:
        as_whole("simulations", self.simulations, 1, 1_000_000)
        for name in ("particles", "aiming_particles", "n_stars"):
            as_whole(name, getattr(self, name), 100)
        as_seed("seed", self.seed)

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return self.simulations

    def rows(self, shard: int) -> range:
        """Numbers of the simulations in a shard: its own."""
        return range(shard, shard + 1)

    @property
    def metadata(self) -> dict[str, str]:
        """Facts about the run, for the metadata of the files."""
        return {
            "config": NAME, "seed": str(self.seed), "simulator_version": self.simulator_version,
            "live_version": LIVE_VERSION, "particles": str(self.particles),
            "aiming_particles": str(self.aiming_particles), "set_version": SET_VERSION,
        }  # fmt: skip

    @property
    def pins(self) -> dict[str, object]:
        """Settings that must not change when a run continues; the number of simulations may grow."""
        return {**self.metadata, "n_stars": self.n_stars, "haloes": HALOES}

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard."""
        row = pa.struct([pa.field(f.name, f.type) for f in schema.arrow_schema() if f.name != "split"])
        numbers = [pa.field("sim_id", pa.int32()), *(pa.field(name, pa.float32()) for name in schema.DRAWN)]
        return pa.schema(
            [*numbers, pa.field("missed", pa.string()), pa.field("run", pa.binary()), pa.field("rows", pa.list_(row))],
            metadata=self.metadata,
        )

    def drawn(self, shard: int) -> Mapping[str, Any]:
        """Parameters of a simulation as they are drawn: arrays by name."""
        draws = Prior("gaussian").sample(1, seed=self.seed, start=shard)
        return {name: draws[name].to_numpy() for name in schema.DRAWN}

    def draw_haloes(self, shard: int) -> list[dict[str, float]]:
        """`beta0` and `r_dehnen` of the haloes of a simulation."""
        draws = Prior("gaussian", ("beta0", "r_dehnen")).sample(HALOES, seed=self.seed + 1, start=HALOES * shard)
        return [{name: float(value) for name, value in row.items()} for row in draws.to_dict("records")]


def make_simulations(
    plan: LivePlan,
    workers: int = 1,
    progress: bool = True,
    scheduler: str | None = None,
    timeout: float = 30.0,
) -> LivePlan:
    """Make the simulations of a plan, or continue to make them.

    Parameters
    ----------
    plan : LivePlan
        What to make.
    workers, progress, scheduler, timeout
        As for :func:`generation.shards.make_shards`.

    Returns
    -------
    LivePlan
        The plan with an absolute folder, for :func:`generation.live_tables.assemble`.

    Raises
    ------
    RunMismatchError
        If the folder belongs to a run with other settings. Nothing is changed.
    ValueError
        If there are too few particles for the disc's noise.
    """
    plan = dataclasses.replace(plan, out=plan.out.absolute())
    make_shards(plan, make_shard, (plan,), workers, progress, scheduler, timeout)
    return plan


def make_shard(plan: LivePlan, shard: int, advance: Callable[[int], None]) -> None:
    """Make one simulation and its hash, unless it exists.

    Parameters
    ----------
    plan : LivePlan
        What the run makes.
    shard : int
        Number of the simulation.
    advance : callable
        Called with 1 when it is made; may raise to stop.
    """
    if not is_finished(plan, shard):
        write_shard(plan, shard, make_table(plan, shard, *simulate(plan, shard)))
    advance(1)


def make_table(plan: LivePlan, shard: int, missed: str, content: bytes, rows: list[dict[str, Any]]) -> pa.Table:
    """Make the content of a shard of what :func:`simulate` returns."""
    columns = {"sim_id": [shard], **plan.drawn(shard), "missed": [missed], "run": [content], "rows": [rows]}
    return pa.Table.from_pydict(columns, schema=plan.schema)


def write_shard(plan: LivePlan, shard: int, table: pa.Table) -> None:
    """Write a shard and its hash."""
    # no table for users: a file within a file, and rows within a row
    replace_file(plan.shard_path(shard), lambda temporary: pq.write_table(table, temporary))
    finish(plan, shard)


def simulate(plan: LivePlan, number: int) -> tuple[str, bytes, list[dict[str, Any]]]:
    """Simulate one pair and the haloes in its field.

    Returns
    -------
    tuple
        Why its LMC missed (empty if it arrived), its file, and the rows of its haloes; the last two empty if it missed.
    """
    drawn = {name: float(values[0]) for name, values in plan.drawn(number).items()}
    parameters = Parameters(**drawn | {"log10_lambda_df": FIRST_GUESS})
    passages = count_passages(integrate_orbit(parameters))
    if passages > MAX_PASSAGES:
        return f"the rigid pair has met {passages} times in 2.2 Gyr: no start is looked for", b"", []
    heavier = max(1.0, parameters.m200_mw / _HEAVY_MW, parameters.m_lmc / _HEAVY_LMC)
    try:
        particles = round(plan.aiming_particles * heavier)
        aimed = aim(parameters, particles, seed=number, good=GOOD_MISS, worst=WORST_MISS)
        live = run_until_within(parameters, make_settings(plan.particles, number), aimed)
    except MissedError as error:
        return str(error), b"", []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        live.save(path)
        stored = load_live(path)
        rows = [
            make_row(stored, HALOES * number + i, plan.n_stars, **halo)
            for i, halo in enumerate(plan.draw_haloes(number))
        ]
        return "", path.read_bytes(), rows


def run_until_within(parameters: Parameters, settings: LiveSettings, aimed: Aim) -> LiveSimulation:
    """Run with all particles, from a corrected start where the LMC ends outside the prior.

    Raises
    ------
    MissedError
        If it still does after `MAX_RUNS` runs.
    """
    galaxies, wanted = make_galaxies(parameters), parameters.lmc_phase_space
    search = Search(aimed.start, aimed.derivative)
    for i in range(MAX_RUNS):
        if i:
            search.correct(parameters)
        live = run_live(parameters, galaxies, search.start, settings, wanted=wanted)
        sky = {name: getattr(live.parameters, name) for name in SKY_NAMES}
        if is_within_prior(sky):
            return live
        search.learn(live.parameters.lmc_phase_space - wanted)
    told = ", ".join(f"{name} {value:.4g}" for name, value in sky.items())
    raise MissedError(f"the LMC ends outside the prior after {MAX_RUNS} runs: {told}")


def count_passages(orbit: Orbit) -> int:
    """Number of pericentres of an orbit."""
    d = orbit.distance
    return int(np.count_nonzero((d[1:-1] < d[:-2]) & (d[1:-1] <= d[2:])))


def is_within_prior(sky: Mapping[str, float]) -> bool:
    """Whether a present day of the LMC on the sky is one that the Gaussian prior draws, each number within 4 sigma."""
    prior = Prior("gaussian", tuple(sky))
    scores = prior.to_normal_scores(np.array(list(sky.values())))
    return bool(np.isfinite(prior.log_prob(sky)) and np.abs(scores).max() <= _MAX_SCORE)


def make_row(live: LiveSimulation, sim_id: int, n_stars: int, beta0: float, r_dehnen: float) -> dict[str, Any]:
    """Row of the catalogue's schema, but for its split, of the halo that ``live.halo(beta0, r_dehnen, sim_id)`` is."""
    halo = live.halo(beta0, r_dehnen, seed=sim_id, n_stars=n_stars)
    assert halo.parameters is not None
    return Simulation(halo.parameters, 0, sim_id, live.orbit, halo).row()
