"""What the tasks with shifted observations share: how entries are scored, group by group."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import scoring
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.report import Entry, Section
from mwlmc_data.scoring.shift import compute_placements
from mwlmc_data.scoring.task import Array, Scored, Task
from mwlmc_data.scoring.yardstick import ScoreLimit, compute_gains

#: Group of the observations like the training set.
NOMINAL = "test"


class ShiftedTask(Task):
    """Observations in groups: "test", like the training set, and rungs that move away from it.

    An optional statistic is larger where an observation is stranger to the method, such as minus its log evidence.
    """

    @property
    @abc.abstractmethod
    def what(self) -> Mapping[str, str]:
        """What each group that is shifted on purpose differs in, by its name."""

    @property
    def rungs(self) -> tuple[str, ...]:
        """Groups that are shifted on purpose."""
        return tuple(self.what)

    @property
    def simulations(self) -> NDArray[np.integer]:
        """Number of the independent simulation of each observation (n,); rows that share one are no further trials."""
        return self.observations.sim_id

    def load_nominal_limit(self) -> ScoreLimit | None:
        """Load scores of a nearly exact posterior for the observations like the training set; None without any."""
        return None

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission."""
        n, d = len(self.observations), len(self.theta_names)
        stranger = "(observations,), larger where an observation is stranger"
        return {
            "samples": Array((n, self.n_draws, d), ("float32",), "(observations, draws, parameters)", True, True),
            "statistic": Array((n,), ("float32", "float64"), stranger),
        }

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and groups, and add notes."""
        samples, statistic = arrays["samples"].astype(np.float64), arrays.get("statistic")
        truth = self.observations.theta.astype(np.float64)
        # far from its training set a method may put nearly all draws at the edge of the support
        volume = scoring.log_volume(samples, self.scale, allow_flat=True)
        sections = []
        for group in self.observations.groups:
            rows = self.observations.rows(group)
            of_group = {
                "contraction": metrics.contraction(samples[rows], self.prior, self.theta_names),
                **self._truth_entries(samples[rows], truth[rows]),
                "auroc_volume": self._auroc(volume, group),
                "auroc_statistic": Entry(float("nan")) if statistic is None else self._auroc(statistic, group),
            }
            sections.append(Section(group, of_group, in_grid=True))
        nominal = self.observations.rows(NOMINAL)
        prior = metrics.prior_energy(self.prior, truth[nominal], self.scale)
        energy = scoring.energy_score(samples[nominal], truth[nominal], self.scale)
        headline = {
            "energy_score": metrics.mean_entry(energy, f"lower is better; the prior {prior.mean():.4f}", 4),
            "gain_over_prior": metrics.paired_entry(prior, energy, "higher is better; 0: uninformative"),
            "contraction": sections[0].entries["contraction"],
            **self._pooled(samples, truth),
            "auroc_volume": self._mean_auroc(volume),
        }
        if statistic is not None:
            headline["auroc_statistic"] = self._mean_auroc(statistic)
        notes = self._notes(statistic is not None)
        limit = self.load_nominal_limit()
        if limit is None:
            notes.append("There are no scores of a nearly exact posterior, so impossible scores go unnoticed.")
        else:
            sections.append(Section("limit", compute_gains(limit, energy)))
            notes.append("Impossible scores are detected on rows like the training set; shifted rows have no limit.")
        return Scored(Section("headline", headline), sections, notes, {"energy_score": energy})

    def _truth_entries(self, samples: NDArray, truth: NDArray) -> dict[str, Entry]:
        """Compute the root mean square z of the truths (z of a single one), and hits at two levels."""
        if len(samples) == 1:
            return metrics.truth_entries(samples, truth, self.theta_names)
        z = np.sqrt(np.square(scoring.z_of_truth(samples, truth)).mean(axis=0))
        return {
            "z": Entry(metrics.by_name(self.theta_names, z), right="1", digits=1),
            "hits_68": Entry(metrics.by_name(self.theta_names, scoring.hits(samples, truth, 0.68).fraction), digits=2),
            "hits_95": Entry(metrics.by_name(self.theta_names, scoring.hits(samples, truth, 0.95).fraction), digits=2),
        }

    def _pooled(self, samples: NDArray, truth: NDArray) -> dict[str, Entry]:
        """Compute hits over rows like the training set, and over all rungs together."""
        nominal = self.observations.rows(NOMINAL)
        moved = np.flatnonzero(np.isin(self.observations.group, self.rungs))
        # the rungs of one row share its truth, so they are not independent trials
        trials = len(np.unique(self.simulations[moved]))
        found = {}
        for name, rows, n in (("test", nominal, len(nominal)), ("shifted", moved, trials)):
            for level in (0.68, 0.95):
                entry = metrics.hits(samples[rows], truth[rows], self.theta_names, level)
                error = dict.fromkeys(self.theta_names, float(np.sqrt(level * (1.0 - level) / n)))
                found[f"hits_{100 * level:.0f}_{name}"] = replace(entry, error=error)
        return found

    def _auroc(self, statistic: NDArray, group: str) -> Entry:
        """Compute the chance that a row of the group has the larger statistic; for a case, the share of rows below."""
        shift, nominal = statistic[self.observations.rows(group)], statistic[self.observations.rows(NOMINAL)]
        if group == NOMINAL:
            return Entry(float("nan"))
        if len(shift) == 1:
            return Entry(float((nominal < shift).mean() + 0.5 * (nominal == shift).mean()), digits=2)
        found = scoring.detection_auroc(shift, nominal)
        return Entry(found.value, found.error, digits=2)

    def _mean_auroc(self, statistic: NDArray) -> Entry:
        """Average over the rungs, with an error that groups all rows of one simulation (Obuchowski 1997)."""
        nominal, n_rungs = self.observations.rows(NOMINAL), len(self.rungs)
        ids, place = np.unique(self.simulations, return_inverse=True)
        value, pull = 0.0, np.zeros(len(ids))  # contribution of each simulation to the mean
        for group in self.rungs:
            rows = self.observations.rows(group)
            above, below = compute_placements(statistic[rows], statistic[nominal])
            value += float(above.mean()) / n_rungs
            np.add.at(pull, place[rows], (above - above.mean()) / len(rows) / n_rungs)
            np.add.at(pull, place[nominal], (below - below.mean()) / len(nominal) / n_rungs)
        n = len(nominal)  # the simulations behind the rungs
        error = float(np.sqrt(n / (n - 1) * np.square(pull).sum()))
        return Entry(value, error, "mean over the rungs; 1: every shift is detected, 0.5: none", 3)

    def _notes(self, has_statistic: bool) -> list[str]:
        notes = [
            "z is the root mean square of (truth - mean) / width over a group, or z itself for a case: 1 is right,"
            " more is overconfident. Read hits beside contraction: a posterior as wide as the prior hits.",
            "Energy score and contraction of the headline are over the rows like the training set.",
            "auroc volume: detection by the volume of the posterior, which any entry has. A bias within the range of "
            "the training set need not widen a posterior: then hits fall and this AUROC stays near one half or below.",
        ]
        if not has_statistic:
            notes.append("statistic is missing: how well the method itself detects a shift is not reported.")
        return [*notes, *self.cases.list_notes(), *(f"{name}: {what}." for name, what in self.what.items())]
