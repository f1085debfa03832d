"""Tasks whose data this machine makes from the stars of released simulations, at their first use."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.dataset import schema
from mwlmc_data.scoring import others
from mwlmc_data.scoring.inputs import find_still_draws
from mwlmc_data.scoring.observations import (
    LaterObservations,
    Observations,
    Split,
    columns_of,
    stack_columns,
    test_columns,
)
from mwlmc_data.scoring.task import Array, Scored
from mwlmc_data.scoring.tasks.summary import FIXED, REFERENCE, SummaryTask, choose_observations


class OnDemandTask(SummaryTask):
    """Parameters of the Gaussian set from the stars of its simulations.

    Nothing of the data is in the package: they are made from the simulator at their first use, and kept in the local
    store. A score needs none of them. Besides `samples` of the parameters, an entry may hand in `other_samples` of
    `other_names`.

    Attributes
    ----------
    other_names : tuple of str
        Further parameters, beside those to infer: columns of the catalogue. Splits and observations give them as
        `others`.
    other_scale : tuple of float
        Their standard deviations over the training split, by which the energy score divides them.
    """

    on_demand = True
    other_names: ClassVar[tuple[str, ...]]
    other_scale: ClassVar[tuple[float, ...]]

    @abc.abstractmethod
    def make_data(self, sim_ids: NDArray[np.integer], table: Mapping[str, NDArray]) -> Any:
        """Load the data of haloes from the local store, or make them.

        Parameters
        ----------
        sim_ids : ndarray of int, shape (n,)
            Numbers of the haloes.
        table : mapping of str to ndarray, shape (n,)
            Columns of the LMC's vector.
        """

    def load_split(self, name: str, rows: int | None = None) -> Split:
        """Load the first rows of a part of the set; by default all."""
        table = {column: values[:rows] for column, values in columns_of(name, self._columns).items()}
        theta, other = (stack_columns(table, names) for names in (self.theta_names, self.other_names))
        return Split(theta, self.make_data(table["sim_id"], table), table["sim_id"].copy(), other)

    def load_observations(self) -> Observations:
        """Build the observations: those of summary-9."""
        ids, group = choose_observations()
        table = test_columns(ids, self._columns)
        theta, other = (stack_columns(table, names) for names in (self.theta_names, self.other_names))
        return LaterObservations(lambda: self.make_data(ids, table), theta, ids, group, other)

    @property
    def _columns(self) -> list[str]:
        return ["sim_id", *self.theta_names, *self.other_names, *schema.LMC_VECTOR]

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission."""
        shape = (len(self.observations), self.n_draws, len(self.other_names))
        what = f"(observations, draws, parameters), of {', '.join(self.other_names)}"
        return {**super().arrays, "other_samples": Array(shape, ("float32",), what)}

    def find_problems(self, arrays: Mapping[str, NDArray]) -> list[str]:
        """Find what is wrong with arrays."""
        found = super().find_problems(arrays)
        if not found and "other_samples" in arrays:
            found = find_still_draws("other_samples", arrays["other_samples"], self.other_names)
        return found

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and sections, the other parameters among them, and add notes."""
        scored = super().score_arrays(arrays)
        if "other_samples" not in arrays:
            note = f"other_samples are missing: nothing is reported on {', '.join(self.other_names)}."
            return replace(scored, notes=[*scored.notes, note])
        rows = self.observations.rows(FIXED)
        truth = np.asarray(self.observations.others, dtype=np.float64)[rows]
        samples = arrays["other_samples"].astype(np.float64)
        section = others.score(samples[rows], truth, self.other_names, self.other_scale, self.load_population())
        held, exact = self._find_exact()
        if len(held) > 1:
            truth = np.asarray(self.observations.others, dtype=np.float64)[held]
            gap = others.measure_gap(samples[held], exact, truth, self.other_scale)
            section = replace(section, entries={**section.entries, "gap_to_reference": gap})
        return replace(scored, sections=[*scored.sections, section])

    def _find_exact(self) -> tuple[NDArray[np.intp], NDArray]:
        """Find the observations with a certified reference of the other parameters (n,), and its draws (n, k, m)."""
        references = self.references()
        if references is None or references.other_names != self.other_names:
            return np.empty(0, np.intp), np.empty((0, 0, len(self.other_names)))
        held = self.observations.rows(REFERENCE)
        places = references.places(self.observations.sim_id[held].tolist())
        return held[places >= 0], references.other_samples[places[places >= 0]].astype(np.float64)

    def load_population(self) -> NDArray:
        """Load the other parameters over the training split: what is known of them without data."""
        return stack_columns(columns_of("train", self.other_names), self.other_names).astype(np.float64)
