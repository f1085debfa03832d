"""Three parameters from a handful of numbers: the present day of the LMC and the reflex motion of the halo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import scoring
from mwlmc_data.dataset import schema
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.observations import (
    FIXED_ROWS,
    REFERENCE_ROWS,
    Observations,
    stack_columns,
    test_columns,
    test_ids,
)
from mwlmc_data.scoring.references import NAME, THETA, ReferenceSet
from mwlmc_data.scoring.report import Entry, Section
from mwlmc_data.scoring.task import Array, Scored, Task
from mwlmc_data.scoring.yardstick import ScoreLimit, compute_gains, load_limit

FIXED, REFERENCE = "fixed", "reference"
#: Data of summary-9, and of the references.
NINE = (*schema.LMC_VECTOR, *schema.REFLEX)


class SummaryTask(Task):
    """Parameters of the Gaussian set from columns of its catalogue.

    Scores are means over the 1,000 observations "fixed". The 100 observations "reference" have reference posteriors,
    and gaps are means over those whose reference is certified.

    Attributes
    ----------
    unit : tuple of float
        Units of the parameters for log densities and percentiles in the report.
    unit_text : str
        The same in words.
    """

    theta_names = ("m_lmc", "m200_mw", "log10_lambda_df")
    # standard deviations of the prior (Table 1 with its cuts), four digits
    scale = (8.385e10, 4.944e11, 1.155)
    unit: ClassVar[tuple[float, ...]] = (1e10, 1e11, 1.0)
    unit_text: ClassVar[str] = "1e10 Msun, 1e11 Msun, dex"

    @property
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission."""
        n, d = len(self.observations), len(self.theta_names)
        wanted = {
            "samples": Array((n, self.n_draws, d), ("float32",), "(observations, draws, parameters)", True, True),
            "log_prob_truth": Array((n,), ("float32", "float64"), "(observations,), log density of each truth [nats]"),
        }
        if len(self.cases):
            what = f"(cases, draws, parameters), of {', '.join(self.cases.names)}"
            wanted["case_samples"] = Array((len(self.cases), self.n_draws, d), ("float32",), what, is_draws=True)
        return wanted

    def load_observations(self) -> Observations:
        """Build the observations: 1,000 fixed test rows, then the 100 with references."""
        ids, group = choose_observations()
        table = test_columns(ids, [*self.theta_names, *self.x_names])
        return Observations(stack_columns(table, self.x_names), stack_columns(table, self.theta_names), ids, group)

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question, None for another."""
        return NAME if self._is_embedded else None

    def limit(self) -> ScoreLimit | None:
        """Load scores of a nearly exact posterior for the observations "fixed".

        None if this version has none, or the task has other parameters or other data: more data may gain more.
        """
        found = load_limit() if self._is_embedded else None
        return None if found is None else found.of(self.observations.sim_id[self.observations.rows(FIXED)])

    @property
    def _is_embedded(self) -> bool:
        """Whether the question is that of the embedded references and limit: the posterior given the nine numbers."""
        return (self.theta_names, self.x_names) == (THETA, NINE)

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and sections, and add notes."""
        samples, log_prob = arrays["samples"].astype(np.float64), arrays.get("log_prob_truth")
        truth, fixed = self.observations.theta.astype(np.float64), self.observations.rows(FIXED)
        references = self.references()
        energy = scoring.energy_score(samples, truth, self.scale)
        of_prior = metrics.prior_energy(self.prior, truth[fixed], self.scale)
        headline = {
            "energy_score": metrics.mean_entry(energy[fixed], f"lower is better; the prior {of_prior.mean():.4f}", 4),
            "gain_over_prior": metrics.paired_entry(of_prior, energy[fixed], "higher is better; 0: uninformative"),
        }
        own = metrics.calibration(samples[fixed], truth[fixed], self.theta_names, self.prior)
        sections, notes = [Section("calibration", own)], [*self.list_notes()]
        if references is None:
            notes.append("This version has no reference posteriors for the task: no gap to the reference is reported.")
        else:
            gaps, section, left_out = self._against(references, samples, energy, log_prob)
            headline |= gaps
            sections.append(section)
            notes += left_out
        stated = {"energy_score": energy[fixed]}
        if log_prob is not None:
            stated["neg_log_posterior"] = -(log_prob[fixed] + np.log(self.unit).sum())
        limit = self.limit()
        if limit is None:
            notes.append("There are no scores of a nearly exact posterior: only references reveal impossible scores.")
        else:
            sections.append(Section("limit", compute_gains(limit, *stated.values())))
        if log_prob is None:
            notes.append("log_prob_truth is missing: no negative log posterior of the truth is reported.")
        else:
            headline |= self._log_scores(log_prob[fixed], truth[fixed])
        headline["contraction"] = metrics.contraction(samples[fixed], self.prior, self.theta_names)
        if "case_samples" in arrays:
            sections += self._case_sections(arrays["case_samples"].astype(np.float64), references)
            notes += [f"p16, p50 and p84 of the cases are in {self.unit_text}.", *self.cases.list_notes()]
        elif len(self.cases):
            notes.append("case_samples are missing: nothing is reported on the validation cases.")
        return Scored(Section("headline", headline), sections, notes, stated)

    def _against(
        self, references: ReferenceSet, samples: NDArray, energy: NDArray, log_prob: NDArray | None
    ) -> tuple[dict[str, Entry], Section, list[str]]:
        """Compute gaps and distances to the certified references, and note the others."""
        held = self.observations.rows(REFERENCE)
        places = references.places(self.observations.sim_id[held].tolist())
        rows, found = held[places >= 0], places[places >= 0]
        notes = []
        if len(rows) < len(held):
            notes.append(f"{len(held) - len(rows)} of the {len(held)} references are not certified and left out.")
        if len(rows) < 2:
            return {}, Section("reference", {}), notes
        exact = references.samples[found].astype(np.float64)
        ideal = scoring.energy_score(exact, self.observations.theta[rows], self.scale)
        gaps = {"gap_to_reference": metrics.paired_entry(energy[rows], ideal, "0: the best possible")}
        if log_prob is not None:
            best = references.log_prob_truth[found]
            known = np.isfinite(best)
            if known.sum() > 1:
                gap = metrics.paired_entry(best[known], log_prob[rows][known], "0: the best possible", 3)
                gaps["gap_to_reference_nats"] = gap
        entries = metrics.against_reference(samples[rows], exact, self.theta_names, self.scale)
        return gaps, Section("reference", entries), notes

    def list_notes(self) -> Sequence[str]:
        """List remarks on the task that hold for every submission."""
        return ()

    def _log_scores(self, log_prob: NDArray, truth: NDArray) -> dict[str, Entry]:
        """Compute the negative log posterior of the truth, and the gain over the prior."""
        prior = self.prior.log_prob(truth)
        stated = float(np.log(self.unit).sum())
        right = f"lower is better; the prior has {-(prior + stated).mean():.3f}; per {self.unit_text}"
        return {
            "neg_log_posterior": metrics.mean_entry(-(log_prob + stated), right),
            "gain_over_prior_nats": metrics.paired_entry(log_prob, prior, "higher is better; 0: uninformative", 3),
        }

    def _case_sections(self, samples: NDArray, references: ReferenceSet | None) -> list[Section]:
        sections = []
        found = np.full(len(self.cases), -1) if references is None else references.places(self.cases.names)
        for i, name in enumerate(self.cases.names):
            entries = metrics.truth_entries(samples[i : i + 1], self.cases.theta[i : i + 1], self.theta_names)
            for percent in (16, 50, 84):
                values = metrics.by_name(self.theta_names, np.percentile(samples[i], percent, axis=0) / self.unit)
                entries[f"p{percent}"] = Entry(values, digits=2)
            if references is not None and found[i] >= 0:
                exact = references.samples[found[i] : found[i] + 1]
                against = metrics.against_reference(samples[i : i + 1], exact, self.theta_names, self.scale)
                entries |= {key: against[key] for key in ("mean_error_rms", "variance_ratio")}
            sections.append(Section(name, entries, in_grid=True))
        return sections


def choose_observations() -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Choose the observations: sim_id and group of the 1,000 fixed test rows, then of the 100 with references."""
    fixed, reference = test_ids(FIXED_ROWS), test_ids(REFERENCE_ROWS)
    return np.concatenate([fixed, reference]), np.repeat([FIXED, REFERENCE], [len(fixed), len(reference)])


class Summary9(SummaryTask):
    """Masses and friction from nine numbers: position and velocity of the LMC, and the reflex motion.

    x has the LMC's Galactocentric position [kpc] and velocity [km/s], and the reflex motion's speed [km/s] and apex
    [deg]. The longitude l_apex is circular.
    """

    name = "summary-9"
    x_names = NINE


class Summary6(SummaryTask):
    """The null control: the same parameters from the LMC's position and velocity, which are independent of them.

    The LMC's present day is drawn independently of theta, so that the exact posterior is the prior, which is the
    reference here. Whatever an entry gains over it is overfitting or noise. This contradicts the paper's reading
    (Brooks et al. 2025, arXiv:2507.10667): what is inferred without the reflex motion is the prior, or the error of a
    network, and never information in the LMC's orbit.
    """

    name = "summary-6"
    x_names = schema.LMC_VECTOR
    n_reference_draws: int = 2000

    def references(self) -> ReferenceSet:
        """Draw from the prior again for each observation and case."""
        n, held = self.n_reference_draws, self.observations.rows(REFERENCE)
        draws = metrics.prior_draws(self.prior, n * (len(held) + len(self.cases)))
        # an incomplete truth counts as outside the prior, without density
        truth = np.nan_to_num(np.concatenate([self.observations.theta[held], self.cases.theta]), nan=np.inf)
        log_prob = np.atleast_1d(self.prior.log_prob(truth))
        return ReferenceSet(
            names=(*(f"test-{i:06d}" for i in self.observations.sim_id[held]), *self.cases.names),
            kinds=("test",) * len(held) + self.cases.kinds,
            sim_id=np.concatenate([self.observations.sim_id[held], np.full(len(self.cases), -1)]).astype(np.int64),
            samples=draws.reshape(-1, n, len(self.theta_names)).astype(np.float32),
            log_prob_truth=np.where(np.isfinite(log_prob), log_prob, np.nan),
            certified=np.ones(len(truth), dtype=bool),
        )

    def limit(self) -> ScoreLimit:
        """Return scores of the prior, which is exact here."""
        rows = self.observations.rows(FIXED)
        truth = self.observations.theta[rows].astype(np.float64)
        nats = -(self.prior.log_prob(truth) + np.log(self.unit).sum())
        return ScoreLimit(self.observations.sim_id[rows], metrics.prior_energy(self.prior, truth, self.scale), nats)

    def list_notes(self) -> Sequence[str]:
        """List what the control shows."""
        return (
            "This is a null control. The LMC's present day is drawn independently of the parameters, so that the exact "
            "posterior is the prior: a contraction other than 0 is overfitting, and so is a gain over the prior above "
            "its error. This contradicts the paper's reading: what is inferred without the reflex motion is the prior "
            "or a network's error, not information in the LMC's orbit.",
        )
