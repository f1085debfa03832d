"""Galaxies that deform each other, inferred by what is learnt from rigid ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import scoring
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.live_tables import HALOES, list_embedded, verify_table
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.grouped import GroupedMean, average_groups, average_squares, compare, correlate, find_errors
from mwlmc_data.scoring.live_rows import FRICTION, find_truths, load_live_split
from mwlmc_data.scoring.observations import CONFIG, Observations, Split
from mwlmc_data.scoring.report import Entry, Section
from mwlmc_data.scoring.task import Array, Scored, Task
from mwlmc_data.scoring.tasks.shifted import NOMINAL
from mwlmc_data.scoring.tasks.summary import Summary9, SummaryTask

#: Parameters whose truths every row has.
MASSES = ("m_lmc", "m200_mw")
#: Masses of the simulations that a posterior might give in place of the parameter.
RIVALS = {
    "m_lmc": ("m_lmc_infall", "m_lmc_bound", "m_lmc_50_today", "m_lmc_8p7_today"),
    "m200_mw": ("m200_mw_today", "m_mw_50_today"),
}
#: Edges [Msun] of the sections by the LMC's mass.
EDGES = (0.0, 1e11, 2e11, math.inf)
#: Levels of the intervals.
LEVELS = (0.68, 0.95)


class Live(Task):
    """Masses and friction of galaxies that deform each other, by methods that have seen rigid galaxies alone.

    Training set, parameters and data are those of summary-9; the observations are all eight haloes of each test
    simulation of the set `live`. Truths of the masses are those of the rows: m_lmc the total mass of the LMC's
    Hernquist sphere when it fell in, m200_mw the Milky Way's before. The truth of the friction is the one with which
    the rigid pair has the live orbit. Where none does, there is no truth, and `observations.theta` has NaN: the energy
    score is that of the two masses over all rows, and z, hits and bias of the friction are over the rows that have one,
    as is the section "friction".

    Haloes of one simulation share its orbit and are not independent. All errors are by bootstrap over simulations, and
    the scores kept for paired comparisons are means over the haloes of a simulation, a number for each.
    """

    name = "live"
    theta_names = SummaryTask.theta_names
    x_names = Summary9.x_names
    scale = SummaryTask.scale

    def __init__(self) -> None:
        super().__init__()
        verify_table(asked=f"task = {self.id!r}")

    @classmethod
    def is_available(cls) -> bool:
        """Whether this package embeds the set `live`."""
        return bool(list_embedded())

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission."""
        n, d = len(self.observations), len(self.theta_names)
        return {"samples": Array((n, self.n_draws, d), ("float32",), "(observations, draws, parameters)", True, True)}

    def load_observations(self) -> Observations:
        """Build the observations: all haloes of the test simulations, one group."""
        rows = load_live_split("test", self.theta_names, self.x_names)
        return Observations(rows.x, rows.theta, rows.sim_id, np.repeat(NOMINAL, len(rows)))

    @property
    def simulations(self) -> NDArray[np.integer]:
        """Number of the simulation of each observation (n,)."""
        return self.observations.sim_id // HALOES

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and sections, and add notes."""
        samples, truth = arrays["samples"].astype(np.float64), self.observations.theta.astype(np.float64)
        simulations = self.simulations
        j = [self.theta_names.index(name) for name in MASSES]
        scale = [self.scale[i] for i in j]
        energy = scoring.energy_score(samples[:, :, j], truth[:, j], scale)
        of_prior = metrics.prior_energy(Prior(CONFIG, MASSES), truth[:, j], scale)
        placed = self._place_truths(samples, truth)
        headline = {
            "energy_score": _entry(energy, simulations, f"lower is better; the prior {of_prior.mean():.4f}"),
            "gain_over_prior": _entry(of_prior - energy, simulations, "higher is better; 0: uninformative"),
            "contraction": metrics.contraction(samples, self.prior, self.theta_names),
            **self._summarise(placed, simulations),
        }
        sections = [self._score_friction(samples, truth, placed)]
        lmc = truth[:, self.theta_names.index("m_lmc")]
        for low, high in itertools.pairwise(EDGES):
            rows = np.flatnonzero((lmc >= low) & (lmc < high))
            if len(rows):
                entries = {
                    "simulations": Entry(float(len(np.unique(simulations[rows]))), digits=0),
                    "energy_score": _entry(energy[rows], simulations[rows]),
                    **self._summarise({name: values[rows] for name, values in placed.items()}, simulations[rows]),
                }
                sections.append(Section(_name_bin(low, high), entries))
        from mwlmc_data.live.truths import load_live_truths  # with the galaxies' kernels, which a list of tasks spares

        truths = load_live_truths()
        for name, rivals in RIVALS.items():
            i = self.theta_names.index(name)
            mean = samples[:, :, i].mean(axis=1)
            sections.append(_compare(name, mean, truth[:, i], simulations))
            sections += [
                _compare(rival, mean, find_truths(truths, rival, simulations), simulations) for rival in rivals
            ]
        by_simulation = np.array([energy[simulations == number].mean() for number in np.unique(simulations)])
        return Scored(Section("headline", headline), sections, self._list_notes(), {"energy_score": by_simulation})

    def _place_truths(self, samples: NDArray, truth: NDArray) -> dict[str, Float64Array]:
        """Place each truth in its draws: z squared, whether an interval holds it, bias; (n, d), NaN without a truth."""
        names = ("z", *(_name_hits(level) for level in LEVELS), "bias")
        found = {name: np.full(truth.shape, np.nan) for name in names}
        for i, scale in enumerate(self.scale):
            rows = np.flatnonzero(np.isfinite(truth[:, i]))
            if not len(rows):
                continue
            draws, right = samples[rows][:, :, i : i + 1], truth[rows, i : i + 1]
            found["z"][rows, i] = np.square(scoring.z_of_truth(draws, right)[:, 0])
            for level in LEVELS:
                found[_name_hits(level)][rows, i] = scoring.hits(draws, right, level).inside[:, 0]
            found["bias"][rows, i] = (draws[:, :, 0].mean(axis=1) - right[:, 0]) / scale
        return found

    def _summarise(self, placed: Mapping[str, NDArray], simulations: NDArray) -> dict[str, Entry]:
        """Average what `_place_truths` found, with errors over simulations."""
        right = {"z": "1; more: overconfident", "bias": "0, in standard deviations of the prior"}
        entries = {}
        for name, values in placed.items():
            mean, resampled = _average_placed(name, values, simulations)
            error = metrics.by_name(self.theta_names, find_errors(resampled))
            said = right.get(name, f"0.{name[-2:]}; less: overconfident")
            entries[name] = Entry(metrics.by_name(self.theta_names, mean), error, said, 2)
        return entries

    def _score_friction(self, samples: NDArray, truth: NDArray, placed: Mapping[str, NDArray]) -> Section:
        """Score the friction over the rows that have one."""
        i = self.theta_names.index(FRICTION)
        rows = np.flatnonzero(np.isfinite(truth[:, i]))
        simulations = self.simulations[rows]
        entries = {"simulations": Entry(float(len(np.unique(simulations))), right="with a friction", digits=0)}
        if len(rows):
            draws, right = samples[rows][:, :, i : i + 1], truth[rows, i : i + 1]
            score = scoring.energy_score(draws, right, self.scale[i : i + 1])
            of_prior = metrics.prior_energy(Prior(CONFIG, (FRICTION,)), right, self.scale[i : i + 1])
            entries["energy_score"] = _entry(score, simulations, f"lower is better; the prior {of_prior.mean():.4f}")
            for name, values in placed.items():
                mean, resampled = _average_placed(name, values[rows, i : i + 1], simulations)
                entries[name] = Entry(float(mean[0]), float(find_errors(resampled)[0]), digits=2)
            value, error = correlate(draws[:, :, 0].mean(axis=1), right[:, 0], simulations)
            entries["correlation"] = Entry(value, error, digits=2)
        return Section("friction", entries)

    def _list_notes(self) -> list[str]:
        n = len(np.unique(self.simulations))
        return [
            f"{len(self.observations)} haloes of {n} simulations; all errors are by bootstrap over simulations.",
            "The energy score is that of m_lmc and m200_mw. The friction has a truth only where one reproduces the "
            "live orbit; its z, hits and bias are over these rows, and the section friction scores it alone.",
            "z is the root mean square of (truth - mean) / width.",
            "Sections named after a mass compare the posterior mean of m_lmc or m200_mw with it: m_lmc and m200_mw are "
            "the truths, the others masses of the same galaxy when the LMC fell in, or today. ratio is the median of "
            "mean / mass, scatter half the width of the central 68% of its natural logarithm.",
        ]


class Live64(Live):
    """As live, by methods that may also learn from one halo of each of up to 64 live simulations.

    The observations and scores are those of `live`. Beside the rigid training set there is `calibration`: the first
    halo of each of the first 64 calibration simulations, none of which is among the observations.
    """

    name = "live-64"
    n_calibration: ClassVar[int] = 64

    @cached_property
    def calibration(self) -> Split:
        """One halo of each calibration simulation; theta has NaN where no friction reproduces the orbit."""
        rows = load_live_split("calibration", self.theta_names, self.x_names, haloes=1)
        n = self.n_calibration
        return Split(rows.theta[:n], rows.x[:n], rows.sim_id[:n])


def _average_placed(name: str, values: NDArray, simulations: NDArray) -> GroupedMean:
    """Average what `_place_truths` found under a name: z is the root of a mean square."""
    return (average_squares if name == "z" else average_groups)(values, simulations)


def _entry(values: NDArray, simulations: NDArray, right: str = "") -> Entry:
    """Make an entry of the mean over haloes, with its error over simulations."""
    mean, resampled = average_groups(values[:, None], simulations)
    return Entry(float(mean[0]), float(find_errors(resampled)[0]), right, 4)


def _compare(name: str, mean: NDArray, mass: NDArray, simulations: NDArray) -> Section:
    """Compare posterior means (n,) with a mass (n,) of the galaxy."""
    found = compare(mean, mass, simulations)
    pairs = found._asdict().items()
    return Section(name, {what: Entry(value, error, digits=2) for what, (value, error) in pairs}, in_grid=True)


def _name_hits(level: float) -> str:
    return f"hits_{100 * level:.0f}"


def _name_bin(low: float, high: float) -> str:
    ends = [f"{edge:.0e}".replace("e+", "e") for edge in (low, high)]
    if low == 0.0:
        return f"m_lmc < {ends[1]}"
    return f"m_lmc > {ends[0]}" if math.isinf(high) else f"m_lmc {ends[0]} to {ends[1]}"
