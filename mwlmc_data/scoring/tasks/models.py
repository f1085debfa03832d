"""Which physics made these stars: probabilities of five models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.made import Recipe, load_made, simulate_outer_stars
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import classification, metrics
from mwlmc_data.scoring.evidences import Evidences, load_evidences
from mwlmc_data.scoring.observations import (
    CONFIG,
    Cases,
    LaterObservations,
    Observations,
    Split,
    columns_of,
    load_cases,
    stack_columns,
    test_columns,
    test_ids,
)
from mwlmc_data.scoring.report import Entry, Section
from mwlmc_data.scoring.star_sets import StarSets, pad_stars
from mwlmc_data.scoring.task import Array, Scored, Task
from mwlmc_data.scoring.tasks.stars import N_STARS
from mwlmc_data.simulator.physics import PHYSICS, STANDARD

FIXED, REFERENCE = "fixed", "reference"
#: Places of the test rows that are observed, in the order of sim_id. Rows of the catalogue have the models in turn, and
#: every fourth observation has evidences, so that each model made as many of either.
ROWS = slice(9, None, 50)
_EVERY = 4
#: Largest difference of a row's sum from one.
_SUM_ERROR = 1e-3


class ModelsTask(Task):
    """Which of five models of the physics made a halo's stars: probabilities, from up to 1,024 stars beyond 50 kpc.

    The models are those of `mwlmc_data.simulator.physics`: the standard one, a Milky Way that does not fall towards the
    LMC, no dynamical friction, an anisotropy after Osipkov and Merritt, and an NFW LMC. Each is as probable as the
    others, and all have the prior of the Gaussian set. Row i of a split of the catalogue is simulated in model i modulo
    5. x is a `mwlmc_data.scoring.star_sets.StarSets`, as in the tasks of stars, and theta (n, 5) is one for the model
    that made each halo and zero for the others. `others` are the drawn parameters `other_names`.

    An entry hands in `probabilities` (200, 5), whose rows sum to one. In half of the simulations friction is weaker
    than a tenth of Chandrasekhar's, so that "no-friction" can hardly be told from the standard model: what is right
    there are probabilities of a half.
    """

    name = "models"
    form = "classes"
    on_demand = True
    budget = 5_000
    theta_names = tuple(PHYSICS)
    x_names = ("stars", "mask", *schema.LMC_VECTOR)
    scale = (1.0,) * len(PHYSICS)
    other_names = ("m_lmc", "m200_mw", "log10_lambda_df", "m_lmc_8p7", "beta0", "r_dehnen")

    def __repr__(self) -> str:
        return f"<Task {self.id}: probabilities of {', '.join(self.theta_names)} from {N_STARS:,} stars>"

    def _describe_data(self) -> tuple[str, str]:
        return f"{N_STARS:,} stars", f"stars ({N_STARS:,}, 6) [kpc, km/s], their mask, and the LMC's vector (6,)"

    def _describe_parameters(self) -> str:
        return f"probabilities of {', '.join(self.theta_names)}"

    @cached_property
    def prior(self) -> Prior:
        """Prior of the parameters, which all models share."""
        return Prior(CONFIG)

    @cached_property
    def cases(self) -> Cases:
        """None: the validation cases quote no stars."""
        return load_cases((), self.x_names)

    def load_split(self, name: str, rows: int | None = None) -> Split:
        """Load the first rows of a part of the set; by default all."""
        table = {column: values[:rows] for column, values in columns_of(name, self._columns).items()}
        model = np.arange(len(table["sim_id"])) % len(PHYSICS)
        x = make_stars(table, model)
        return Split(label(model), x, table["sim_id"].copy(), stack_columns(table, self.other_names))

    def load_observations(self) -> Observations:
        """Build the observations."""
        ids = test_ids(ROWS)
        table, n = test_columns(ids, self._columns), np.arange(len(ids))
        model = n % len(PHYSICS)
        group = np.where(n % _EVERY == 0, REFERENCE, FIXED)
        return LaterObservations(
            lambda: make_stars(table, model), label(model), ids, group, stack_columns(table, self.other_names)
        )

    @property
    def _columns(self) -> list[str]:
        return ["sim_id", *self.other_names, *schema.LMC_VECTOR]

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission."""
        shape = len(self.observations), len(self.theta_names)
        what = f"(observations, models), of {', '.join(self.theta_names)}; each row sums to one"
        return {"probabilities": Array(shape, ("float32", "float64"), what, is_required=True)}

    def find_problems(self, arrays: Mapping[str, NDArray]) -> list[str]:
        """Find what is wrong with arrays."""
        found = super().find_problems(arrays)
        if found:
            return found
        given = arrays["probabilities"].astype(np.float64)
        bad = (given < 0.0).any(axis=1) | (np.abs(given.sum(axis=1) - 1.0) > _SUM_ERROR)
        if not bad.any():
            return []
        row = int(np.argmax(bad))
        numbers = ", ".join(f"{p:.4g}" for p in given[row])
        stated = f"probabilities of row {row} = {numbers}, {int(bad.sum())} such in total"
        return [f"{stated}: allowed are numbers from 0 to 1 that sum to 1"]

    def evidences(self) -> Evidences | None:
        """Load the evidences of the observations "reference"; None if this version of the package has none."""
        return load_evidences()

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and sections, and add notes."""
        given = arrays["probabilities"].astype(np.float64)
        given, truth = given / given.sum(axis=1, keepdims=True), self.observations.theta.astype(np.float64)
        logs, uniform = classification.log_scores(given, truth), np.full(len(given), np.log(len(PHYSICS)))
        brier = classification.brier_scores(given, truth)
        right = (given.argmax(axis=1) == truth.argmax(axis=1)).astype(float)
        headline = {
            "log_score": metrics.mean_entry(logs, f"lower is better; equal probabilities {uniform[0]:.4f}", 4),
            "gain_over_prior": metrics.paired_entry(uniform, logs, "higher is better; 0: equal probabilities"),
            "brier_score": metrics.mean_entry(brier, f"lower is better; equal ones {1 - 1 / len(PHYSICS):g}", 4),
            "accuracy": metrics.mean_entry(right, "share of observations whose most probable model is the true one"),
        }
        notes = [f"A probability of the true model below {classification.FLOOR:g} counts as that."]
        found = self.evidences()
        if found is None:
            notes.append("This version has no evidences for the task: no gap to them is reported.")
        else:
            headline["gap_to_evidences"] = self._compare(found, logs)
        sections = [Section("calibration", self._calibrate(given, truth)), *self._by_model(given, truth, logs)]
        return Scored(Section("headline", headline), sections, notes, {"log_score": logs})

    def _compare(self, found: Evidences, logs: NDArray) -> Entry:
        """Compare log scores with those of the evidences, over the observations that have them."""
        places = {int(i): place for place, i in enumerate(found.sim_id)}
        rows = np.array([row for row, i in enumerate(self.observations.sim_id) if int(i) in places])
        chosen = [places[int(i)] for i in self.observations.sim_id[rows]]
        truth = self.observations.theta[rows].astype(np.float64)
        best = classification.log_scores(found.compute_probabilities()[chosen], truth)
        text = f"0: as good as the evidences of {len(rows)} observations, which have errors of their own"
        return metrics.paired_entry(logs[rows], best, text, 3)

    def _calibrate(self, given: NDArray, truth: NDArray) -> dict[str, Entry]:
        found = classification.measure_reliability(given, truth)
        apart = given.mean(axis=0) - truth.mean(axis=0)
        error = np.sqrt((given * (1.0 - given)).sum(axis=0)) / len(given)
        return {
            "calibration_error": Entry(found.error, right=f"{found.expected:.3f} if the probabilities are right"),
            "calibration_pvalue": Entry(found.pvalue, right="uniform if they are", is_pvalue=True),
            "excess_probability": Entry(
                metrics.by_name(self.theta_names, apart), metrics.by_name(self.theta_names, error), "0"
            ),
        }

    def _by_model(self, given: NDArray, truth: NDArray, logs: NDArray) -> list[Section]:
        """Scores of the observations that each model made, and the mean probability of each model for them."""
        sections = []
        for k, name in enumerate(self.theta_names):
            own = truth[:, k] == 1.0
            entries = {
                "log_score": metrics.mean_entry(logs[own], "lower is better"),
                "mean_probability": Entry(metrics.by_name(self.theta_names, given[own].mean(axis=0)), digits=2),
            }
            sections.append(Section(name, entries, in_grid=True))
        return sections


def label(model: NDArray[np.integer]) -> Float32Array:
    """Rows (n, 5) that are one for the model of each observation and zero for the others."""
    return np.eye(len(PHYSICS), dtype=np.float32)[model]


def make_stars(table: Mapping[str, NDArray], model: NDArray[np.integer]) -> StarSets:
    """Load the stars of haloes in these models from the local store, or simulate them."""
    n = len(table["sim_id"])
    stars, mask = np.zeros((n, N_STARS, 6), np.float32), np.zeros((n, N_STARS), bool)
    for k, name in enumerate(PHYSICS):
        own = np.flatnonzero(model == k)
        if len(own):
            made = load_made(get_recipe(name), table["sim_id"][own])
            stars[own], mask[own] = made["stars"], made["mask"]
    return StarSets(stars, mask, stack_columns(table, schema.LMC_VECTOR))


def get_recipe(physics: str) -> Recipe:
    """Return the recipe of the stars of one physics; that of the tasks of stars for the standard one."""
    simulate = partial(simulate_outer_stars, physics=physics)
    name = f"stars-{N_STARS}" if physics == STANDARD else f"stars-{N_STARS}-{physics}"
    return Recipe(name, 1, pad_stars, {"n_max": N_STARS}, simulate=simulate)
