"""The posterior of a halo's parameters given its stars, as :func:`~mwlmc_data.infer_stars` returns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mwlmc_data.display import fixed
from mwlmc_data.inference.observed_search import MAX_ERROR
from mwlmc_data.inference.posterior import MIN_P_VALUE, Posterior
from mwlmc_data.rewinding.probability import PassProbability
from mwlmc_data.rewinding.selection import Selection

#: Error of the sum of ln P over the stars [nats] above which a warning is raised.
_MAX_SELECTION_ERROR = 0.5
#: Part of a posterior at the edge of the window of ln P above which a warning is raised.
_MAX_EDGE = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class StarPosterior(Posterior):
    """A posterior of a halo's parameters given its stars.

    Attributes
    ----------
    samples : DataFrame
        Posterior draws of equal weight, one column per free parameter.
    config : str
        Set whose prior holds.
    log_evidence : float
        Logarithm of the density of the stars under the prior, given their number; with `n_total` that of their number
        too. Each star counts per kpc^3 (km/s)^3, or, with errors, per steradian, kpc, km/s and mas/yr as far as
        measured.
    log_evidence_error : float
        Its standard error, from all of `error_parts`.
    p_value : float
        Fraction of sets of stars, simulated at the posterior's mean, that are at least as unusual as the observed one
        (:func:`~mwlmc_data.inference.star_predictive.compute_p_value`). 0 means less than 1 / `n_predictive`.
    n_predictive : int
        Number of these sets.
    n_stars, n_left_out : int
        Stars of the table in the selection, which count, and the others.
    selection : Selection
        How the stars were selected.
    n_total : int or None
        As given.
    held : mapping
        Values of the parameters that are not free.
    n_effective : float
        Effective number of draws.
    n_evaluations : int
        Of the stars' likelihood.
    probability : PassProbability
        ln P of the selection over the parameters.
    edge : float
        Part of the posterior near the edge of the region in which ln P was computed.
    error_parts : mapping
        Parts of `log_evidence_error` [nats]: ``sampling``, of the draws; ``selection``, n times the error of ln P over
        the posterior, without a constant; ``probability``, n times the error of the constant. For stars with errors of
        measurement also ``draws``, the error of the sum of ln L over the posterior that comes from the finite number of
        draws of each star, as the scatter between independent sets of draws shows it; and ``integrals``, that of a
        constant.
    n_draws : int or None
        Draws of the true phase space of each star with errors of measurement; None for exact stars.
    """

    n_stars: int
    n_left_out: int
    selection: Selection
    n_total: int | None
    held: Mapping[str, Any]
    n_effective: float
    n_evaluations: int
    probability: PassProbability
    edge: float
    error_parts: Mapping[str, float]
    n_draws: int | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons not to trust this answer, one sentence each; empty if there are none."""
        return tuple(self._find_warnings())

    def _find_warnings(self) -> Iterator[str]:
        if self.p_value < MIN_P_VALUE:
            yield (
                f"The model does not make such stars: {self._p_text()}; the draws are the least unlikely parameters, "
                "not a measurement of them."
            )
        if self.n_effective < 0.5 * len(self.samples):
            yield (
                f"{len(self.samples):,} draws were wanted, and the {self.n_evaluations:,} evaluations give "
                f"{self.n_effective:,.0f} effective ones."
            )
        if self.error_parts["selection"] > _MAX_SELECTION_ERROR:
            yield (
                "The error of the selection's probability, summed over the stars, is "
                f"{self.error_parts['selection']:.2f} nats "
                "over the posterior."
            )
        if self.error_parts.get("draws", 0.0) > MAX_ERROR:
            yield (
                f"With {self.n_draws:,} draws of each star the error of the sum of ln L is "
                f"{self.error_parts['draws']:.2f} nats over the posterior."
            )
        if self.edge > _MAX_EDGE:
            yield (
                f"{self.edge:.0%} of the posterior lies near the edge of the region in which the selection's "
                "probability was computed."
            )

    def _lines(self) -> list[str]:
        left_out = f", {self.n_left_out:,} others left out" if self.n_left_out else ""
        among = "" if self.n_total is None else f" of {self.n_total:,}"
        kind = "" if self.n_draws is None else " with errors of measurement"
        return [
            f"{self.n_stars:,} stars{kind}{among} ({self.selection._summary()}){left_out}",
            f"{self._p_text()}; ln evidence {fixed(self.log_evidence, 2)} ± {fixed(self.log_evidence_error, 2)}; "
            f"{self.n_effective:,.0f} effective draws, prior of {self.config!r}",
        ]
