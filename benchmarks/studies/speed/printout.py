"""The results as printed tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.studies.speed import likelihood
from benchmarks.studies.speed.ours import RELEASED, RELEASED_TOLERANCE
from benchmarks.studies.speed.scaling import GOAL_MEMORY, GOAL_TWO_CORES
from benchmarks.studies.speed.simulation import GOALS
from benchmarks.studies.speed.startup import GOAL_COLD, GOAL_WARM
from mwlmc_data.simulator.constants import N_STARS


def describe(results: dict[str, Any]) -> str:
    """Format all measured parts, one below the other."""
    writers = {
        "curve": _curve,
        "simulation": _simulation,
        "likelihood": _likelihood,
        "scaling": _scaling,
        "startup": _startup,
        "instructions": _instructions,
    }
    parts = [_machine(results)]
    parts += [writer(results[name]) for name, writer in writers.items() if name in results]
    return "\n\n".join(parts)


def _machine(results: dict[str, Any]) -> str:
    m = results["machine"]
    lines = [
        f"{m['cpu']} ({m['cpu_of_the_compiler']}: {', '.join(m['features'])}), {m['cores']} cores, {m['system']}",
        f"Python {m['python']}, " + ", ".join(f"{name} {version}" for name, version in m["versions"].items()),
        f"medians of {results['repeats']} rounds; busy processes before: {m['load_at_the_start']}, "
        f"after: {m['load_at_the_end']} (a quiet machine: below 0.3, about 1)",
    ]
    if results["fast"]:
        lines.append("a fast pass: not figures to quote")
    return "\n".join(lines)


def _curve(result: dict[str, Any]) -> str:
    lines = [
        f"WORK-PRECISION: {result['problem']}, {result['n_stars']:,} stars through 2.2 Gyr, one thread"
        f"{_waiting(result)}",
        f"processor time of {N_STARS:,} stars; distance to the code's own converged solution, beyond 20 kpc",
        "",
        f"{'code':<28}{'stars':>6}{'tolerance':>11}{'seconds':>10}{'(min - max)':>19}{'median [kpc]':>14}"
        f"{'99% [kpc]':>12}",
    ]
    for curve in result["curves"]:
        for i, tolerance in enumerate(curve["tolerances"]):
            name, stars = (curve["name"], str(curve["n_stars"])) if i == 0 else ("", "")
            spread = f"({curve['min_seconds'][i]:.3f} - {curve['max_seconds'][i]:.3f})"
            lines.append(
                f"{name:<28}{stars:>6}{tolerance:>11.0e}{curve['seconds'][i]:>10.3f}{spread:>19}"
                f"{curve['median'][i]:>14.1e}{curve['p99'][i]:>12.1e}"
            )
    lines += [f"{name:<28}{how}" for name, how in result["missing"].items()]
    return "\n".join([*lines, "", _ratios(result)])


def _ratios(result: dict[str, Any]) -> str:
    released = next(curve for curve in result["curves"] if curve["name"] == RELEASED)
    i = released["tolerances"].index(RELEASED_TOLERANCE)
    lines = [
        f"TIME OVER OURS ({RELEASED}) AT EQUAL ERROR: the release's median ({released['median'][i]:.1e} kpc), "
        f"a median of 1e-3 kpc, the release's 99% ({released['p99'][i]:.1e} kpc)",
        "force: error of its acceleration, 1 to 300 kpc, over the Milky Way's acceleration",
        "",
        f"{'code':<28}{'median':>9}{'1e-3 kpc':>10}{'99%':>9}{'force: median':>15}{'largest':>9}  what it solves",
    ]
    by_name = {ratio["name"]: ratio for ratio in result["ratios"]}
    for curve in result["curves"]:
        ratio = by_name.get(curve["name"])
        places = ("at_released_median", "at_1e-3_kpc", "at_released_99%")
        values = [1.0 if ratio is None else ratio[place] for place in places]
        cells = ["-" if value is None else f"{value:.1f}" for value in values]
        forces = f"{curve['force_median']:>15.0e}{curve['force_max']:>9.0e}"
        note = curve["what"] if curve["whole"] else f"{curve['what']} (easier: its ratio is a lower bound)"
        lines.append(f"{curve['name']:<28}{cells[0]:>9}{cells[1]:>10}{cells[2]:>9}{forces}  {note}")
    return "\n".join(lines)


def _simulation(result: dict[str, Any]) -> str:
    names = {"whole": "complete, with its halo", "row": "a catalogue's row alone"}
    lines = [
        f"ONE SIMULATION on one core, over {result['n']} draws of the Gaussian prior: processor time [s]"
        f"{_waiting(result)}",
        f"{'':<28}{'mean':>9}{'median':>9}{'max':>9}{'goal':>9}",
    ]
    for kind, name in names.items():
        s = result[kind]
        lines.append(f"{name:<28}{s['mean']:>9.4f}{s['median']:>9.4f}{s['max']:>9.4f}{GOALS[kind]:>9.3f}")
    if "agama" in result:
        lines.append(f"{'complete, engine agama':<28}{'':>9}{result['agama']:>9.3f}")
    stages = ", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in result["stages"].items())
    lines.append(f"stages of a complete one, medians [ms]: {stages}")
    lines.append(f"travel vectors of row and complete one agree within {result['travel_vector']:.1e} km/s (goal 1e-3)")
    return "\n".join(lines)


def _likelihood(result: dict[str, Any]) -> str:
    stages, batch, goals = result["stages"], result["batch"], likelihood.GOALS
    shown = ", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in stages.items() if name != "evaluation")
    lines = [
        f"LIKELIHOOD of {min(result['n_stars']):,} to {max(result['n_stars']):,} stars beyond 50 kpc, {result['n']} "
        "draws of the Gaussian prior: medians of processor time on one core",
        f"one evaluation: {1e3 * stages['evaluation']:.2f} ms (goal {1e3 * goals['evaluation']:g}); "
        f"its field: {1e3 * stages['reversed field']:.2f} ms (goal {1e3 * goals['reversed field']:g})",
        f"steps [ms]: {shown}",
        f"batches: {batch['one']:.0f} parameters a second on one thread"
        + (f", {batch['all']:.0f} on all cores: {batch['gain']:.2f} times" if batch["gain"] else ""),
        "",
        _curve(result["curve"]),
    ]
    return "\n".join(lines)


def _scaling(result: dict[str, Any]) -> str:
    rows, stars, cores, memory = (result[key] for key in ("simulations", "stars", "cores", "memory"))
    lines = [
        "SCALING",
        _line(rows, "simulations", "row"),
        _line(stars, "stars", "star"),
    ]
    if cores is None:
        lines.append("cores: not measured, because this process may use only one")
    else:
        lines.append(
            f"cores: {cores['one']:.1f} rows a second on one, {cores['two']:.1f} on two: {cores['gain']:.2f} times "
            f"(goal {GOAL_TWO_CORES})"
        )
    lines.append(
        f"memory of a worker: {memory['bytes'][-1] / 1e6:.0f} MB after {memory['counts'][-1]} simulations, "
        f"{memory['growth'] / 1e6:+.1f} MB since the first {memory['counts'][0]} (goal: flat, below "
        f"{GOAL_MEMORY / 1e6:.0f} MB)"
    )
    return "\n".join(lines)


def _waiting(result: dict[str, Any]) -> str:
    """Warn where other processes took much of the time: they share caches and clock rates."""
    return f" (BUSY MACHINE: wall-clock {result['waiting']:.2f} times as long)" if result["waiting"] > 1.1 else ""


def _line(result: dict[str, Any], name: str, unit: str) -> str:
    counts = result["counts"]
    return (
        f"{name}: {1e3 * result['each']:.4g} ms a {unit} + {1e3 * result['fixed']:.1f} ms; {counts[0]:,} to "
        f"{counts[-1]:,} {unit}s are within {100 * result['off']:.0f}% of that line"
    )


def _startup(result: dict[str, Any]) -> str:
    cold, warm = result["cold"], result["warm"]
    return (
        f"START of a fresh process, after {warm['numba']:.2f} s for numba: the first simulation ends after "
        f"{warm['total']:.2f} s (goal {GOAL_WARM}), of which {warm['imports']:.2f} s are imports\n"
        f"where nothing is compiled yet: {cold['total']:.1f} s, {cold['processor']:.1f} s of one core "
        f"(goal {GOAL_COLD:g})"
    )


def _instructions(result: dict[str, Any] | None) -> str:
    if result is None:
        return "INSTRUCTIONS: measured only on x86-64"
    names = {"stars": "4,500 stars", "whole": "with halo and fit", "row": "catalogue row"}
    has_before = "before" in result["errors"]
    columns = f"{'before':>10}{'now':>10}{'ratio':>8}" if has_before else f"{'now':>10}"
    lines = [
        f"INSTRUCTIONS: processor time of a simulation [ms], mean of {result['n']}, median of the rounds",
        f"{'compiled for':<16}{'':<20}{columns}",
    ]
    for name, checkouts in result["sets"].items():
        for i, work in enumerate(names):
            times = {which: np.array(values[work]) for which, values in checkouts.items()}
            cells = "".join(f"{1e3 * np.median(values):>10.2f}" for values in times.values())
            if has_before:
                cells += f"{np.median(times['before'] / times['now']):>8.2f}"
            lines.append(f"{name if i == 0 else '':<16}{names[work]:<20}{cells}")
        compiling = "".join(f"{values['compiling']:>10.1f}" for values in checkouts.values())
        lines.append(f"{'':<16}{'compiling [s]':<20}{compiling}")
    lines.append(
        f"distance to the yardstick [kpc], {result['n_errors']} draws, this machine: median and 99% of all stars, of "
        "those beyond 50 kpc"
    )
    for which, errors in result["errors"].items():
        cells = "; ".join(" and ".join(f"{value:.1e}" for value in errors[key]) for key in ("all", "far"))
        lines.append(f"{which:<16}{cells}")
    return "\n".join(lines)
