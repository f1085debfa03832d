"""The parts of the study, what each measures, and the program that prints their figures."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.paper.published import read_smoothed
from benchmarks.studies.live.changes import CHANGES, measure_changes
from benchmarks.studies.live.figure import LiveFigure
from benchmarks.studies.live.others import measure_others
from benchmarks.studies.live.seeds import fit_shells, measure_seeds
from mwlmc_data.arguments.arrays import check_names
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.aiming import aim
from mwlmc_data.live.body import make_hernquist_body
from mwlmc_data.live.expansion import expand
from mwlmc_data.live.force import evaluate
from mwlmc_data.live.garavito import RUNS, prepare
from mwlmc_data.live.replay import move_stars
from mwlmc_data.live.running import follow, run
from mwlmc_data.live.settings import STEPS, make_settings
from mwlmc_data.live.simulating import run_live
from mwlmc_data.live.simulation import LiveSimulation, finish, list_live, load_live
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.live.start import Galaxies, make_galaxies, start_state
from mwlmc_data.live.stepping import advance, renew_live
from mwlmc_data.live.track import RunRow
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.orbit import integrate_orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.simulator.streams import halo_stream, live_stream
from mwlmc_data.storage.writing import make_folder

#: A Milky Way and an LMC within the prior.
PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)
#: The published run that is compared by seeds: the paper's case.
FIDUCIAL = "gc19-lmc3"
#: Reflex vectors of gc19-lmc3 [km/s], beyond 50 kpc and to 100 kpc, as a prototype, which is not in this repository,
#: found them with 1.0 and 2.6 million particles.
REFLEX = {np.inf: (4.8, 2.5, -38.2), 100.0: (2.6, -5.1, -28.7)}
#: Numbers of particles whose forces are timed beside those of tree codes.
_TREES = (100_000, 1_000_000)
#: Stars of a halo whose reflex is fitted.
STARS = 40_000
#: Files of the published orbits before they were smoothed.
RAW_FILES = {
    "gc19-lmc1": "LMC1_8e10_orbit.txt",
    "gc19-lmc2": "LMC2_1e11_orbit.txt",
    "gc19-lmc3": "LMC3_1.8e11_orbit.txt",
    "gc19-lmc4": "LMC4_2.5e11_orbit.txt",
}


def draw_hernquist(n: int, scale: float, rng: np.random.Generator) -> Float64Array:
    """Positions [kpc] of n particles of a Hernquist sphere, sorted by radius."""
    root = np.sqrt((np.arange(n) + rng.random(n)) / n)
    unit = rng.normal(size=(n, 3))
    return (scale * root / (1.0 - root) / np.linalg.norm(unit, axis=1))[:, None] * unit


def measure_forces(particles: int) -> Iterator[LiveFigure]:
    """Force of a Hernquist halo's particles against that of its density."""
    mass, scale = 1e12, 40.0
    for n, allowed in ((particles // 10, math.nan), (particles, 3e-3 * max(1.0, math.sqrt(1e6 / particles)))):
        positions = draw_hernquist(n, scale, np.random.default_rng(0))
        pull, _ = evaluate(expand(positions, np.full(n, mass / n, np.float32), np.zeros(3)), positions)
        r = np.linalg.norm(positions, axis=1)
        expected = const.G * mass / (r + scale) ** 2
        error = np.linalg.norm(pull + (expected / r)[:, None] * positions, axis=1) / expected
        yield LiveFigure(f"force of {n:,} particles: median error", float(np.median(error)), allowed)
        outer = error[(r > 50) & (r < 300)]
        rms = float(np.sqrt(np.mean(outer**2)))
        yield LiveFigure(f"force of {n:,} particles: rms error, 50 to 300 kpc", rms, allowed)


def _describe_isolated(what: str, rows: Sequence[RunRow]) -> Iterator[LiveFigure]:
    change = np.abs(np.array([row.lagrange for row in rows]) / rows[0].lagrange - 1.0).max(0)
    yield LiveFigure(f"{what}: radius of 1% of the mass, largest change", float(change[0]), 0.03)
    yield LiveFigure(f"{what}: radii of 5 to 90% of the mass, largest change", float(change[1:].max()), 0.015)
    checks = np.array([row.checks for row in rows if np.isfinite(row.checks[0])])
    energy = float(np.abs(checks[:, 0] / checks[0, 1] - checks[0, 0] / checks[0, 1]).max())
    yield LiveFigure(f"{what}: energy over kinetic energy, largest change", energy, 0.005)


def measure_isolated(particles: int) -> Iterator[LiveFigure]:
    """A Milky Way and an LMC alone for 2.2 Gyr.

    Particles in mirrored pairs stay mirrored, so that nothing moves the disc; velocities of 1e-6 km/s break the
    symmetry here, as the LMC does in a run.
    """
    galaxies, settings = make_galaxies(PARAMETERS)._replace(lmc=None), make_settings(particles, 1)
    state = start_state(galaxies, None, particles, live_stream(1))
    rows: list[RunRow] = []
    state.velocities += 1e-6 * np.random.default_rng(0).normal(size=state.velocities.shape)
    follow(state, rows, galaxies.body, settings)
    yield from _describe_isolated("Milky Way alone", rows)
    speed = float(np.sqrt(np.mean(np.array([row.body[3:] for row in rows]) ** 2)))
    yield LiveFigure("Milky Way alone: rms speed of the disc, each axis", speed, 1.0, "km/s")
    # a body that neither pulls nor moves
    weightless = make_hernquist_body(1e3, 1.0, 1e3, 3.0)._replace(mass=1e30)
    lmc = Galaxies(hernquist_sphere(PARAMETERS.m_lmc, PARAMETERS.a_lmc), weightless, None)
    state, rows = start_state(lmc, None, particles // 4, live_stream(2)), []
    follow(state, rows, weightless, settings)
    yield from _describe_isolated("LMC alone", rows)


def load_run(out: Path, name: str, particles: int, seed: int = 0, change: str = "") -> LiveSimulation:
    """A published run with this number of particles: from the package, from the folder, or made there.

    `change` is the name of one of `CHANGES` of its settings.
    """
    if not change and name in list_live():
        stored = load_live(name)
        if (stored.settings.particles, stored.settings.seed) == (particles, seed):
            return stored
    make_folder(out)
    path = out / f"{'-'.join([name, str(particles), str(seed), *filter(None, [change])])}.npz"
    if not path.exists():
        parameters, galaxies, settings, start = prepare(name, particles, seed)
        settings = CHANGES[change](settings) if change else settings
        unfinished = path.with_name(f"{path.stem}.unfinished.npz")
        run_live(parameters, galaxies, start, settings, unfinished, progress=True).save(path)
        unfinished.unlink(missing_ok=True)
    return load_live(path)


def read_orbits(reference: Path, name: str) -> dict[str, Float64Array]:
    """The published orbits of a run by reduction, LMC minus Milky Way, (rows, 6); the last row is today."""
    raw = np.loadtxt(reference / "gc19" / RAW_FILES[name])
    smooth = read_smoothed(reference, int(name[-1])).relative
    return {"raw": (raw[:, 6:] - raw[:, :6])[: RUNS[name].rows + 1], "smooth": smooth}


def measure_orbits(out: Path, reference: Path, names: Sequence[str], particles: int) -> Iterator[LiveFigure]:
    """Orbits of the four runs, row by row, beside those that the N-body runs had."""
    allowed = {"raw": (3.5, 6.0, 4.5, 10.0), "smooth": (2.0, 3.5, math.nan, math.nan)}
    for name in names:
        live = load_run(out, name, particles)
        for kind, orbit in read_orbits(reference, name).items():
            n = min(len(orbit), len(live.orbit.time))
            gap = live.orbit.relative[:n] - orbit[:n]
            place, motion = np.linalg.norm(gap[:, :3], axis=1), np.linalg.norm(gap[:, 3:], axis=1)
            found = (*(float(np.sqrt(np.mean(x**2))) for x in (place, motion)), float(place[-1]), float(motion[-1]))
            # the figures that are asked for are those of the fiducial
            limits = allowed[kind] if name == FIDUCIAL else (math.nan,) * 4
            units = ("kpc", "km/s") * 2
            whats = ("place, rms", "motion, rms", "place, last row", "motion, last row")
            for what, value, limit, unit in zip(whats, found, limits, units, strict=True):
                yield LiveFigure(f"{name} against the {kind} orbit, {n} rows: {what}", value, limit, unit)
            near, theirs = (float(np.linalg.norm(x[:, :3], axis=1).min()) for x in (live.orbit.relative[:n], orbit[:n]))
            yield LiveFigure(f"{name} against the {kind} orbit: pericentre less theirs", near - theirs, math.nan, "kpc")


def measure_reflex(
    out: Path, particles: int, seeds: Sequence[int] = (0, 1, 2), stars: int = STARS
) -> Iterator[LiveFigure]:
    """Reflex of the fiducial by shell, the mean over seeds of the particles."""
    vectors = fit_shells([load_run(out, FIDUCIAL, particles, seed) for seed in seeds], REFLEX, stars)
    for r_max, expected in REFLEX.items():
        shell, found = f"50 to {r_max:g} kpc", vectors[r_max]
        for axis, value, quoted in zip("xyz", found.mean(0), expected, strict=True):
            yield LiveFigure(f"reflex, {shell}: v{axis}", float(value), math.nan, "km/s")
            yield LiveFigure(f"reflex, {shell}: v{axis}, off the expected", abs(value - quoted), 1.0, "km/s")


def measure_replay(out: Path, particles: int, stars: int = 20_000) -> Iterator[LiveFigure]:
    """Stars carried by a live run against the same stars in its stored field.

    What is stored leaves out noise of the particles. Nearly all stars end where they were carried, but one or two in a
    hundred have passed through the bulge, which turns a change of 0.01 kpc into another direction, and end elsewhere.
    These are new draws of the same halo: they change the reflex of a sample by a part of its own error, which is
    estimated by bootstrap over stars. The run takes the steps of :func:`~mwlmc_data.live.replay.move_stars`, half as
    long as those of other runs.
    """
    p, path = PARAMETERS, out / f"replay-{particles}.npz"
    tracers = draw_stars(equilibrium(p.m200_mw, p.c200, 0.0, 12.0), stars, halo_stream(0, 0))
    galaxies, settings = make_galaxies(p), make_settings(particles, 0, steps=2 * STEPS)
    state, rows = run(galaxies, integrate_orbit(p, 2).relative[0], settings, tracers=tracers)
    carried = state.restore_order(np.concatenate([state.positions, state.velocities], axis=1) - state.body)[-stars:]
    make_folder(out)
    finish(p, settings, rows, state).save(path)
    field = load_live(path).field
    yield LiveFigure("size of the stored run", path.stat().st_size / 1000, 200.0, "kB")
    began = time.process_time()
    move_stars(field, tracers[: const.N_STARS])
    yield LiveFigure(f"replay of {const.N_STARS:,} stars", time.process_time() - began, math.nan, "s")
    moved = move_stars(field, tracers)
    r = np.linalg.norm(carried[:, :3], axis=1)
    for low, high in ((50.0, 100.0), (100.0, 300.0)):
        inside = (r > low) & (r < high)
        gap = np.median((moved - carried)[inside, 3:], axis=0)
        what = f"replay against the live run, {low:g} to {high:g} kpc: common shift, largest axis"
        yield LiveFigure(what, float(np.abs(gap).max()), 0.3, "km/s")
    for r_max in REFLEX:
        gap, error = compare_reflex(moved, carried, r_max)
        what = f"replay against the live run, 50 to {r_max:g} kpc: reflex, largest axis"
        yield LiveFigure(what, float(np.abs(gap).max()), 0.3, "km/s")
        yield LiveFigure(f"{what}, over its error by chance", float(np.abs(gap / error).max()), 3.0)
    finer = move_stars(field, tracers[:4000], 0.0005)
    r = np.linalg.norm(finer[:, :3], axis=1)
    gap = np.linalg.norm((moved[:4000] - finer)[:, :3], axis=1)
    for low, high in ((10.0, 50.0), (50.0, 300.0)):
        inside = (r > low) & (r < high)
        what = f"steps of 2 Myr against 0.5, {low:g} to {high:g} kpc: median place"
        yield LiveFigure(what, float(np.median(gap[inside])), math.nan, "kpc")


def compare_reflex(
    moved: Float64Array, carried: Float64Array, r_max: float, draws: int = 50
) -> tuple[Float64Array, Float64Array]:
    """Difference of the reflex [km/s] of the same stars in two places, and its error by bootstrap over stars."""

    def compare(chosen: NDArray) -> Float64Array:
        one, other = (
            fit_reflex(x[chosen, :3], x[chosen, 3:], r_min=50.0, r_max=r_max).vector for x in (moved, carried)
        )
        return one - other

    n, rng = len(moved), np.random.default_rng(0)
    gaps = np.array([compare(rng.integers(n, size=n)) for _ in range(draws)])
    return compare(np.arange(n)), gaps.std(0, ddof=1)


def measure_aim() -> Iterator[LiveFigure]:
    """Misses of the small runs that find a start."""
    began = time.process_time()
    misses = aim(PARAMETERS).misses
    for number, miss in enumerate(misses, 1):
        limit = (0.5, 3.0) if number == len(misses) else (math.nan, math.nan)
        yield LiveFigure(f"shot {number}: misses by", float(np.linalg.norm(miss[:3])), limit[0], "kpc")
        yield LiveFigure(f"shot {number}: misses by", float(np.linalg.norm(miss[3:])), limit[1], "km/s")
    yield LiveFigure("all shots", time.process_time() - began, math.nan, "s")


def measure_speed(particles: int) -> Iterator[LiveFigure]:
    """Time of a step and its memory, in this process, for several numbers of particles; forces beside tree codes."""
    galaxies, relative = make_galaxies(PARAMETERS), integrate_orbit(PARAMETERS, 2).relative[0]
    settings = make_settings(particles, 0)
    costs = []
    for n in (particles // 10, particles):
        state = start_state(galaxies, relative, n, live_stream(0))
        state.sort()
        renew, expansions = renew_live(settings.l_max), state.expand(settings.l_max)
        advance(state, galaxies.body, expansions, 1e-9, 1, renew)
        began = time.process_time()
        advance(state, galaxies.body, expansions, settings.step, settings.steps, renew)
        costs.append(1e9 * (time.process_time() - began) / settings.steps / len(state.masses))
        yield LiveFigure(f"step of {len(state.masses):,} particles", costs[-1], math.nan, "ns each")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        yield LiveFigure(f"memory with {n:,} particles", memory, 3.0, "GB")
    yield LiveFigure("cost of a particle over that with a tenth of them", costs[1] / costs[0], 1.1)
    for n in sorted({min(particles, most) for most in _TREES}):
        yield from _measure_trees(n)


def _measure_trees(n: int) -> Iterator[LiveFigure]:
    mass, scale = 1e12, 40.0
    positions = draw_hernquist(n, scale, np.random.default_rng(0))
    positions = positions[np.linalg.norm(positions, axis=1) < 1000.0]
    masses = np.full(len(positions), mass / n)
    r = np.linalg.norm(positions, axis=1)
    expected = const.G * mass / (r + scale) ** 2

    def by_expansion() -> Float64Array:
        return evaluate(expand(positions, masses.astype(np.float32), np.zeros(3)), positions)[0]

    def by_pytreegrav() -> Float64Array:
        from pytreegrav import Accel

        return const.G * Accel(positions, masses, np.full(len(positions), 1.0), G=1.0, method="tree", theta=0.7)

    def by_rebound() -> Float64Array:
        import rebound

        simulation = rebound.Simulation()
        simulation.G, simulation.gravity, simulation.boundary = const.G, "tree", "open"
        simulation.integrator = "leapfrog"
        simulation.root_size, simulation.opening_angle2, simulation.softening, simulation.dt = 4100.0, 0.49, 1.0, 1e-6
        for m, x in zip(masses, positions, strict=True):
            simulation.add(m=m, x=x[0], y=x[1], z=x[2])
        simulation.steps(1)
        began = time.process_time()
        simulation.steps(1)
        by_rebound.seconds = time.process_time() - began  # type: ignore[attr-defined]
        there, velocities = np.zeros((2, len(positions), 3))
        simulation.serialize_particle_data(xyz=there, vxvyvz=velocities)
        # two steps from rest; its tree has put the particles into another order
        return velocities[cKDTree(there).query(positions)[1]] / (2.0 * simulation.dt)

    ours = math.nan
    ways: tuple[tuple[str, Callable[[], Float64Array]], ...] = (
        ("the expansion", by_expansion), ("pytreegrav", by_pytreegrav), ("rebound's tree", by_rebound)
    )  # fmt: skip
    for name, way in ways:
        try:
            way()
        except ImportError:
            print(f"{name} is not installed: left out")
            continue
        began = time.process_time()
        pull = way()
        seconds = getattr(way, "seconds", time.process_time() - began)
        error = np.linalg.norm(pull + (expected / r)[:, None] * positions, axis=1) / expected
        yield LiveFigure(f"force on {n:,} particles by {name}", seconds, math.nan, "s")
        yield LiveFigure(f"force on {n:,} particles by {name}: median error", float(np.median(error)), math.nan)
        if name == "the expansion":
            ours = seconds
        else:
            yield LiveFigure(f"the expansion's time over that of {name}", ours / seconds, 1 / 50)


PARTS = ("forces", "isolated", "orbits", "others", "reflex", "seeds", "changes", "replay", "aim", "speed")
#: Parts that need ``--reference``.
_COMPARED = ("orbits", "others")
#: Parts that need more than one of ``--seeds``.
_SCATTERED = ("seeds", "changes")


def main(
    out: Path,
    reference: Path | None,
    particles: int,
    parts: Sequence[str] | None,
    runs: Sequence[str] | None,
    seeds: Sequence[int] = (0, 1, 2),
) -> None:
    """Measure parts, and print each figure as soon as it is known."""
    lacks = (*(_COMPARED if reference is None else ()), *(_SCATTERED if len(seeds) < 2 else ()))
    possible = [part for part in PARTS if part not in lacks]
    chosen = possible if parts is None else list(parts)
    names = list(RUNS) if runs is None else list(runs)
    check_names("--parts", chosen, PARTS)
    check_names("--runs", names, tuple(RUNS))
    if lacking := [part for part in chosen if part in lacks]:
        if lacking[0] in _SCATTERED:
            raise ValueError(f"--seeds = {len(seeds)} with --parts = {lacking[0]}: allowed is 2 or more")
        raise ValueError(f"--parts = {lacking[0]} without --reference: allowed is with the folder of others' runs")

    def load_seeds(change: str = "") -> list[LiveSimulation]:
        return [load_run(out, FIDUCIAL, particles, seed, change) for seed in seeds]

    measures: dict[str, Callable[[], Iterator[LiveFigure]]] = {
        "forces": lambda: measure_forces(particles),
        "isolated": lambda: measure_isolated(particles),
        "orbits": lambda: measure_orbits(out, Path(reference or ""), names, particles),
        "others": lambda: measure_others(Path(reference or ""), particles),
        "reflex": lambda: measure_reflex(out, particles, seeds),
        "seeds": lambda: measure_seeds(load_seeds(), list(REFLEX), STARS),
        "changes": lambda: measure_changes(
            load_seeds(), {change: load_seeds(change) for change in CHANGES}, list(REFLEX), STARS
        ),
        "replay": lambda: measure_replay(out, particles),
        "aim": measure_aim,
        "speed": lambda: measure_speed(particles),
    }
    for part in chosen:
        for figure in measures[part]():
            print(figure, flush=True)
