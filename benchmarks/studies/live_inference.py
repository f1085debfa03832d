"""What the networks of `infer` make of live galaxies: bias, coverage and z of hundreds of them, and whose mass it is.

Haloes of the test simulations of the set `live` are inferred by their fitted motion and its covariance, in each shell
that has networks, by the networks of both training sets. The truths of the masses are those of the galaxies before they
met; the friction's is the one with which a rigid pair has the live orbit, where one does. Errors are by bootstrap over
simulations. What is inferred of a simulation is kept in the folder ``--out``, so that an interrupted run goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.common.parallel import run_calls
from benchmarks.common.stored import hash_facts
from mwlmc_data import load_catalogue, load_live_truths
from mwlmc_data.arguments.arrays import check_names
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.live_tables import HALOES, NAME, verify_table
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.display import describe_tuple
from mwlmc_data.inference.networks import CONFIGS, NETWORKS, load_network
from mwlmc_data.inference.predictive import p_value
from mwlmc_data.inference.shells import TRAINED_SHELLS, WHOLE
from mwlmc_data.inference.targets import TOTAL
from mwlmc_data.live.truths import load_live_misses
from mwlmc_data.plotting.style import BLUE, GREEN, MEDIUM, ORANGE, SMALL, new_figure, tidy
from mwlmc_data.scoring.grouped import GroupedMean, average_groups, average_squares, compare, correlate, find_errors
from mwlmc_data.scoring.live_rows import FRICTION, find_truths
from mwlmc_data.scoring.tasks.live import EDGES, LEVELS, RIVALS
from mwlmc_data.scoring.tasks.summary import SummaryTask
from mwlmc_data.simulator.reflex import Shell, describe_shell, name_shell
from mwlmc_data.storage import embedded
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.npz import load_members, read_members, replace_npz
from mwlmc_data.storage.writing import make_folder
from mwlmc_data.workers import available_cores

if TYPE_CHECKING:
    import pandas as pd

THETA, SCALE = SummaryTask.theta_names, np.array(SummaryTask.scale)
#: Draws of a posterior.
N_DRAWS = 1000
#: What is kept of a posterior: mean and width of each parameter, the probability below its truth, and the p-value.
_KEPT = ("mean", "width", "rank", "p_value")


class LiveInference(NamedTuple):
    """What one network makes of the haloes."""

    config: str
    shell: Shell
    simulation: NDArray[np.int64]  # (n,)
    truth: Float64Array  # (n, 3), NaN where there is none
    mean: Float64Array  # (n, 3)
    width: Float64Array  # (n, 3)
    rank: Float64Array  # (n, 3) probability below the truth
    p_value: Float64Array  # (n,) of the fitted motion under the model

    def __repr__(self) -> str:
        return describe_tuple(self)

    def take(self, rows: NDArray[np.bool_]) -> LiveInference:
        """Select haloes."""
        chosen = {name: getattr(self, name)[rows] for name in ("simulation", "truth", *_KEPT)}
        return self._replace(**chosen)


class Accuracy(NamedTuple):
    """Bias, z and hits of each parameter, each a value and an error, (2, 3)."""

    bias: Float64Array  # in standard deviations of the prior
    z: Float64Array  # root mean square
    hits: tuple[Float64Array, ...]  # at each of `LEVELS`

    def __repr__(self) -> str:
        return describe_tuple(self)


def load_haloes_of(simulations: int | None, haloes: int) -> pd.DataFrame:
    """Load rows of the test split, with the friction that fits in place of the first guess: the first of each."""
    table = load_catalogue("test", config=NAME)
    table["live_id"] = table["sim_id"] // HALOES
    table = table[table["sim_id"] % HALOES < haloes]
    table = table.assign(**{FRICTION: find_truths(load_live_truths(), FRICTION, table["live_id"].to_numpy())})
    chosen = table["live_id"].unique()[:simulations]
    return table[table["live_id"].isin(chosen)].reset_index(drop=True)


def infer_rows(rows: pd.DataFrame, config: str, shell: Shell) -> dict[str, NDArray]:
    """Infer from rows (n) of the catalogue's columns: the arrays of `_KEPT`."""
    likelihood, end = load_network(config, shell).likelihood, name_shell(*shell)
    truth = rows[list(THETA)].to_numpy(float)
    found: dict[str, list[NDArray]] = {name: [] for name in _KEPT}
    for i, row in enumerate(rows.to_dict("records")):
        vector = np.array([row[f"v{a}_travel{end}"] for a in "xyz"])
        covariance = np.array([[row[f"cov_v{min(a, b)}_v{max(a, b)}{end}"] for b in "xyz"] for a in "xyz"])
        measured = vector, covariance, np.array([row[name] for name in LMC_VECTOR])
        grid = likelihood.grid(*measured)
        draws = likelihood.scores.inverse(grid.sample(N_DRAWS, (int(row["sim_id"]),)))
        # a truth that does not exist stays unknown; the middle of the prior stands in for it in between
        known = np.isfinite(truth[i])
        u = likelihood.scores.forward(np.where(known, truth[i], draws.mean(axis=0))[None])[0]
        ranks = [float(grid.cumulative(k, u[k : k + 1])[0]) for k in range(len(THETA))]
        found["mean"].append(draws.mean(axis=0))
        found["width"].append(draws.std(axis=0, ddof=1))
        found["rank"].append(np.where(known, ranks, np.nan))
        found["p_value"].append(np.array(p_value(likelihood, *measured, seed=(int(row["sim_id"]),))))
    return {name: np.array(values) for name, values in found.items()}


def keep(path: Path, rows: pd.DataFrame, configs: Sequence[str]) -> None:
    """Infer the haloes of one simulation in every shell, unless its file is there."""
    if path.exists():
        return
    arrays = {}
    for config in configs:
        for shell in TRAINED_SHELLS:
            for name, values in infer_rows(rows, config, shell).items():
                arrays[_name_array(config, shell, name)] = values
    replace_npz(path, arrays)


def measure(
    out: Path, configs: Sequence[str], simulations: int | None, haloes: int, workers: int
) -> list[LiveInference]:
    """Infer from all haloes, or read what was inferred before.

    Parameters
    ----------
    out : Path
        Folder of what is kept; that of another set, or of other networks, is another folder in it.
    configs : sequence of str
        Training sets of the networks.
    simulations, haloes : int
        Number of simulations (None: all of the test split), and of haloes of each.
    workers : int
        Processes.
    """
    table = load_haloes_of(simulations, haloes)
    registry = embedded.load_registry()
    networks = [registry[NETWORKS[config, shell, TOTAL]]["sha256"] for config in configs for shell in TRAINED_SHELLS]
    home = out / hash_facts(sha256_of(verify_table()), networks, tuple(configs), haloes, N_DRAWS)
    make_folder(home)
    groups = {number: rows for number, rows in table.groupby("live_id")}
    paths = {number: home / f"{number:05d}.npz" for number in groups}
    calls = [(keep, (paths[number], rows, configs)) for number, rows in groups.items()]
    run_calls(calls, workers, "inferring", "simulation")
    stored = [load_members(path, read_members(path).values()) for path in paths.values()]
    found = []
    for config in configs:
        for shell in TRAINED_SHELLS:
            columns = (np.concatenate([part[_name_array(config, shell, name)] for part in stored]) for name in _KEPT)
            truth = table[list(THETA)].to_numpy(float)
            found.append(LiveInference(config, shell, table["live_id"].to_numpy(), truth, *columns))
    return found


def _name_array(config: str, shell: Shell, name: str) -> str:
    return f"{config}{name_shell(*shell)}-{name}"


def summarise(found: LiveInference) -> Accuracy:
    """Average over the haloes whose truth is known, with errors over simulations."""

    def average(values: NDArray, over_groups: Callable[..., GroupedMean] = average_groups) -> Float64Array:
        mean, resampled = over_groups(values, found.simulation)
        return np.array([mean, find_errors(resampled)])

    away = found.mean - found.truth
    unknown = np.isnan(found.truth)
    hits = (np.where(unknown, np.nan, np.abs(found.rank - 0.5) < 0.5 * level) for level in LEVELS)
    z = average(np.square(away / found.width), average_squares)
    return Accuracy(average(away / SCALE), z, tuple(map(average, hits)))


def describe(found: Sequence[LiveInference], truths: pd.DataFrame) -> Iterator[str]:
    """Lines of the tables, in Markdown."""
    titles = ["bias [prior sd]", "z", *(f"hits {level:.0%}" for level in LEVELS)]
    yield from _rule(["networks", "stars", "LMC", "simulations", "parameter", *titles])
    for one in found:
        for label, rows in _split_by_mass(one):
            part = one.take(rows)
            accuracy = summarise(part)
            for k, name in enumerate(THETA):
                known = np.isfinite(part.truth[:, k])
                number = len(np.unique(part.simulation[known]))
                columns = (accuracy.bias, accuracy.z, *accuracy.hits)
                cells = [_pair(*column[:, k]) for column in columns] if number else ["–"] * len(columns)
                yield _line([one.config, describe_shell(*one.shell).strip(), label, str(number), name, *cells])
    yield ""
    yield from _rule(["networks", "stars", "posterior mean of", "beside", "correlation", "median ratio", "scatter"])
    for one in found:
        for name, rivals in RIVALS.items():
            k = THETA.index(name)
            for rival in (name, *rivals):
                mass = one.truth[:, k] if rival == name else find_truths(truths, rival, one.simulation)
                pairs = [_pair(*pair) for pair in compare(one.mean[:, k], mass, one.simulation)]
                yield _line([one.config, describe_shell(*one.shell).strip(), name, rival, *pairs])
    yield ""
    yield from _rule(["networks", "stars", "friction as inferred, correlation with what fits", "p below 0.05"])
    for one in found:
        k = THETA.index(FRICTION)
        fitted = one.take(np.isfinite(one.truth[:, k]))
        told = "–"
        if len(fitted.simulation):
            told = _pair(*correlate(fitted.mean[:, k], fitted.truth[:, k], fitted.simulation))
        mean, resampled = average_groups((one.p_value < 0.05)[:, None].astype(float), one.simulation)
        unlike = _pair(float(mean[0]), float(find_errors(resampled)[0]))
        yield _line([one.config, describe_shell(*one.shell).strip(), told, unlike])


def _split_by_mass(one: LiveInference) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield all rows, and of the stars beyond 50 kpc those of each bin of the LMC's mass."""
    lmc = one.truth[:, THETA.index("m_lmc")]
    yield "all", np.ones(len(lmc), dtype=bool)
    if one.shell == WHOLE:
        for low, high in itertools.pairwise(EDGES):
            rows = (lmc >= low) & (lmc < high)
            if rows.any():
                yield f"{low / 1e11:g} to {high / 1e11:g}e11" if np.isfinite(high) else f"> {low / 1e11:g}e11", rows


def _rule(titles: Sequence[str]) -> list[str]:
    return [_line(titles), _line(["---"] * len(titles))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _pair(value: float, error: float) -> str:
    return f"{value:.2f}" if np.isnan(error) else f"{value:.2f} ± {error:.2f}"


def draw(found: Sequence[LiveInference], truths: pd.DataFrame) -> Figure:
    """Draw inferred masses and friction against the truths, by the networks of one set, and mean mass over masses."""
    figure = new_figure(11.5, 7.0)
    axes = figure.subplots(2, 3)
    colors: Mapping[Shell, str] = dict(zip(TRAINED_SHELLS, (BLUE, ORANGE, GREEN), strict=True))
    first = found[0].config
    for ax, k, unit in zip(axes[0], range(len(THETA)), (1e11, 1e12, 1.0), strict=True):
        for one in found:
            if one.config == first and one.shell in (WHOLE, (50.0, 100.0)):
                label = f"stars{describe_shell(*one.shell)}"
                tidy(ax).plot(one.truth[:, k] / unit, one.mean[:, k] / unit, ".", ms=3, alpha=0.6,
                              color=colors[one.shell], label=label)  # fmt: skip
        ends = [v / unit for v in (np.nanmin(found[0].truth[:, k]), np.nanmax(found[0].truth[:, k]))]
        ax.plot(ends, ends, color="0.4", lw=0.8)
        shown = THETA[k] if unit == 1.0 else f"{THETA[k]} [{unit:.0e} Msun]".replace("e+", "e")
        ax.set(xlabel=f"true {shown}", ylabel="posterior mean")
    axes[0, 0].legend(fontsize=SMALL, frameon=False)
    whole = next(one for one in found if one.config == first and one.shell == WHOLE)
    lmc = whole.mean[:, 0]
    for ax, name, words in zip(
        axes[1, :2], ("m_lmc", "m_lmc_bound"), ("mass at infall", "mass bound today"), strict=True
    ):
        mass = whole.truth[:, 0] if name == "m_lmc" else find_truths(truths, name, whole.simulation)
        tidy(ax).plot(mass / 1e11, lmc / mass, ".", ms=3, color=BLUE)
        ax.axhline(1.0, color="0.4", lw=0.8)
        ax.set(xlabel=f"{words} of the LMC [1e11 Msun]", ylabel="inferred m_lmc over it", yscale="log")
    ax = tidy(axes[1, 2])
    for k, color in enumerate((BLUE, ORANGE, GREEN)):
        ranks = np.sort(whole.rank[np.isfinite(whole.rank[:, k]), k])
        ax.plot(ranks, np.arange(1, len(ranks) + 1) / max(1, len(ranks)), color=color, label=THETA[k])
    ax.plot([0, 1], [0, 1], color="0.4", lw=0.8)
    ax.set(xlabel="posterior probability below the truth", ylabel="share of haloes")
    ax.legend(fontsize=SMALL, frameon=False)
    figure.suptitle(f"networks of the set {first}, haloes of live galaxies", fontsize=MEDIUM)
    return figure


def main(
    out: Path,
    configs: Sequence[str],
    simulations: int | None,
    haloes: int,
    workers: int | None,
    figure: Path | None,
) -> None:
    """Infer, print the tables, and draw the figure."""
    check_names("--configs", configs, CONFIGS)
    found = measure(out, configs, simulations, haloes, workers or available_cores())
    truths = load_live_truths()
    n, missed = len(np.unique(found[0].simulation)), len(load_live_misses())
    print(f"{n} test simulations, {haloes} haloes of each; the set has {len(truths)}, and {missed} missed\n")
    print("\n".join(describe(found, truths)))
    if figure is not None:
        draw(found, truths).savefig(figure, dpi=110)
        print(figure)
