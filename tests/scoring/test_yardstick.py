"""Impossible scores: entries that used more than the data are flagged, honest ones never."""

import json
from pathlib import Path

import numpy as np
import pytest

from mwlmc_data import scoring
from mwlmc_data.dataset import schema
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import inputs, metrics
from mwlmc_data.scoring.density import neighbour_log_density
from mwlmc_data.scoring.references import THETA, load_references
from mwlmc_data.scoring.report import Entry, Report, Section, dump
from mwlmc_data.scoring.yardstick import ScoreLimit, compute_gains, find_impossible, load_limit, write_limit
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.conjugate_gaussian import PRIOR_STD, conjugate
from tests.helpers.example_entries import prior_samples

RESULTS = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*/*.json"))


def entries_of(**numbers):
    return [{name: {"value": value, "error": error} for name, (value, error) in numbers.items()}]


def moved(samples, truth, part):
    """Draws moved part of the way to the truth."""
    return samples + part * (truth[:, None] - samples)


class TestSentences:
    def test_use_of_public_columns_shows_in_both_scores(self):
        lines = find_impossible(entries_of(
            energy_score=(0.552, 0.01), gap_to_reference=(-0.267, 0.032), gap_to_reference_nats=(-2.05, 0.11)
        ))  # fmt: skip
        assert len(lines) == 2
        assert "gap_to_reference -0.2670 ± 0.0320, 8.3 times its error" in lines[0] and "-2.0500 ± 0.1100" in lines[1]

    @pytest.mark.parametrize(
        ("name", "value", "error", "is_flagged"),
        [
            ("gap_to_reference", -0.041, 0.01, True), ("gap_to_reference", -0.039, 0.01, False),
            ("gap_to_reference", 0.3, 0.01, False), ("gap_to_reference_nats", -0.41, 0.1, True),
            ("gap_to_reference_nats", 0.41, 0.1, False), ("gain_over_limit", 0.041, 0.01, True),
            ("gain_over_limit", 0.039, 0.01, False), ("gain_over_limit", -0.3, 0.01, False),
            ("gain_over_limit_nats", 0.41, 0.1, True), ("gain_over_limit_nats", -0.41, 0.1, False),
            ("gap_to_reference", -1e-9, 1e-12, False), ("gap_to_reference", -0.1, 0.0, True),
            ("gap_to_reference", None, None, False), ("gain_over_prior", 3.0, 0.01, False),
        ],
    )  # fmt: skip
    def test_four_errors_on_the_right_side(self, name, value, error, is_flagged):
        assert bool(find_impossible(entries_of(**{name: (value, error)}))) == is_flagged

    @pytest.mark.parametrize("path", RESULTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_no_honest_baseline_is_flagged(self, path):
        scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
        assert find_impossible([scores["headline"], *scores["scores"].values()]) == ()

    def test_there_are_results_to_look_at(self):
        assert len(RESULTS) >= 132


class TestReport:
    def test_the_verdict_is_printed_first_and_is_a_field(self):
        headline = Section("headline", {"energy_score": Entry(0.5, 0.01)})
        rows = {"energy_score": [0.123456789, 2.0]}
        report = Report("t@1.0", headline, observations=rows, not_possible=("too good",))
        assert str(report).splitlines()[1] == "NOT POSSIBLE FROM TASK.TRAIN.X ALONE: too good"
        assert report["not_possible"] == ["too good"] and report["observations"] == {"energy_score": [0.12346, 2.0]}
        assert "NOT POSSIBLE" not in str(Report("t@1.0", headline))

    def test_lists_of_numbers_are_written_on_one_line(self):
        content = {"a": [1.5, -2e-07, 3], "b": ["[1,", "2]"], "c": [], "d": [[1, 2], [3]], "e": {"f": [None, 1.0]}}
        text = dump(content, indent=1)
        assert json.loads(text) == content and '"a": [1.5, -2e-07, 3]' in text


@pytest.fixture(scope="module")
def problem():
    return conjugate(n=1000, m=60, seed=1)


@pytest.fixture(scope="module")
def limit(problem):
    """Another set of draws of the exact posterior."""
    energy = scoring.energy_score(problem.reference, problem.truth, PRIOR_STD)
    return ScoreLimit(np.arange(1000), energy, -problem.exact_log_prob_truth)


class TestGains:
    def flags(self, limit, samples, truth, nats=None):
        found = compute_gains(limit, scoring.energy_score(samples, truth, PRIOR_STD), nats)
        return find_impossible([{name: entry.to_dict() for name, entry in found.items()}])

    def test_the_exact_posterior_and_worse_ones_are_not_flagged(self, problem, limit):
        assert not self.flags(limit, problem.samples, problem.truth, -problem.exact_log_prob_truth)
        assert not self.flags(limit, 1.3 * problem.samples, problem.truth, 1 - problem.exact_log_prob_truth)

    @pytest.mark.parametrize("part", [0.03, 0.05, 0.3])
    def test_draws_moved_towards_the_truth_are_flagged(self, problem, limit, part):
        assert len(self.flags(limit, moved(problem.samples, problem.truth, part), problem.truth)) == 1

    def test_densities_above_the_limit_are_flagged(self, problem, limit):
        (reported,) = self.flags(limit, problem.samples, problem.truth, -problem.exact_log_prob_truth - 0.05)
        assert reported.startswith("the log density of the truths is higher")

    def test_the_uncertainty_of_the_limit_is_allowed_for(self, problem, limit):
        scores = (limit.energy_score + 0.02, limit.neg_log_posterior + 0.2)
        worse = ScoreLimit(limit.sim_id, *scores, (0.02, 0.003), (0.2, 0.01))
        found = compute_gains(worse, limit.energy_score, limit.neg_log_posterior)
        assert found["gain_over_limit"].value == pytest.approx(0, abs=1e-12)
        assert found["gain_over_limit"].error == pytest.approx(0.003)
        assert found["gain_over_limit_nats"].value == pytest.approx(0, abs=1e-12)
        assert find_impossible([{name: entry.to_dict() for name, entry in found.items()}]) == ()


class TestReferences:
    def test_references_moved_by_a_twentieth_are_flagged_and_unmoved_ones_are_not(self):
        """Half of the draws of each certified reference serve as the entry, the other half as the reference."""
        references = load_references()
        rows = references.certified & np.isfinite(references.log_prob_truth) & (references.sim_id >= 0)
        from mwlmc_data.scoring.observations import stack_columns, test_columns

        truth = stack_columns(test_columns(references.sim_id[rows], THETA), THETA).astype(float)
        draws = references.samples[rows][:, :1000].astype(float)
        scale = (8.385e10, 4.944e11, 1.155)
        ideal = scoring.energy_score(draws[:, ::2], truth, scale)
        for part, flagged in ((0.0, False), (0.05, True)):
            energy = scoring.energy_score(moved(draws[:, 1::2], truth, part), truth, scale)
            gap = metrics.paired_entry(energy, ideal, "")
            assert bool(find_impossible([{"gap_to_reference": gap.to_dict()}])) == flagged


class TestLimitFile:
    def test_it_covers_the_scored_rows(self):
        limit = load_limit()
        assert np.array_equal(limit.sim_id, schema.ids_of("test", 0, 128_000)[7::10])
        assert 0.84 < limit.energy_score.mean() < 0.86 and 6.4 < limit.neg_log_posterior.mean() < 6.6
        assert 0 < limit.energy_score_excess[0] < 0.005 and 0 < limit.energy_score_excess[1] < 0.001
        assert abs(limit.nats_excess[0]) < 0.06 and 0 < limit.nats_excess[1] < 0.03

    def test_rows_are_found_by_their_number(self):
        limit = load_limit()
        part = limit.of(limit.sim_id[[5, 2]])
        assert np.array_equal(part.energy_score, limit.energy_score[[5, 2]])
        with pytest.raises(ValueError, match="sim_id = 5: allowed are the 1000 rows"):
            limit.of(np.array([5]))

    def test_it_is_written_and_read(self, tmp_path):
        limit = load_limit()
        assert load_limit(tmp_path) is None
        path = write_limit(limit, "a method", tmp_path)
        again = load_limit(tmp_path)
        assert np.array_equal(again.energy_score, limit.energy_score)
        assert again.nats_excess == limit.nats_excess and again.energy_score_excess == limit.energy_score_excess
        path.write_bytes(b"other")
        with pytest.raises(DamagedFileError):
            load_limit(tmp_path)


class TestDensities:
    def test_neighbours_estimate_the_density_of_a_gaussian(self):
        """In the normal scores of the prior, where the density is known: to a twentieth of a nat in the mean."""
        prior, rng = Prior("gaussian", THETA), np.random.default_rng(3)
        draws = metrics.prior_draws(prior, 400 * 301, seed=8).reshape(400, 301, 3)
        near, distance = neighbour_log_density(draws[:, 1:], draws[:, 0], prior)
        among = distance < 2
        excess = prior.log_prob(draws[:, 0]) - near
        assert excess[among].mean() == pytest.approx(0, abs=0.12) and 0.6 < among.mean() < 0.85
        doubled = np.repeat(draws[:, 1:], 2, axis=1)[:, rng.permutation(600)]
        assert neighbour_log_density(doubled, draws[:, 0], prior)[0] == pytest.approx(near)
        outside = draws[:, 1:].copy()
        outside[:, ::2, 2] = 5.0  # half of them: half the density
        less = near - neighbour_log_density(outside, draws[:, 0], prior)[0]
        assert less.mean() == pytest.approx(np.log(2), abs=0.1)

    @pytest.fixture
    def honest(self, summary9):
        return prior_samples(summary9), summary9.prior.log_prob(summary9.observations.theta.astype(float))

    @pytest.mark.parametrize("offset", [0.5, 2.0, -0.75])
    def test_densities_that_do_not_belong_to_the_draws_are_refused(self, summary9, honest, offset):
        samples, log_prob = honest
        assert summary9.find_problems({"samples": samples, "log_prob_truth": log_prob}) == []
        (told,) = summary9.find_problems({"samples": samples, "log_prob_truth": log_prob + offset})
        found = float(told.split("log_prob_truth = ")[1].split(" nats")[0])
        assert found == pytest.approx(offset, abs=0.1) and "allowed is -0.5 to +0.25, for" in told

    def test_densities_that_are_too_high_far_from_the_draws_are_refused(self, summary9, honest):
        samples, log_prob = honest
        truth = summary9.observations.theta.astype(float)
        far = neighbour_log_density(samples, truth, summary9.prior)[1] > 2
        among, everywhere = inputs.measure_density_excess(samples, log_prob + 2.0 * far, truth, summary9.prior)
        assert abs(among) < 0.1 and everywhere > 0.25 and 0.1 < far.mean() < 0.4
        (told,) = summary9.find_problems({"samples": samples, "log_prob_truth": log_prob + 2.0 * far})
        assert f"= {everywhere:+.2f} nats" in told

    def test_densities_that_are_too_low_are_found_from_the_truths_among_the_draws(self, summary9, honest):
        samples, log_prob = honest
        truth = summary9.observations.theta.astype(float)
        near = neighbour_log_density(samples, truth, summary9.prior)[1] <= 2
        among, everywhere = inputs.measure_density_excess(samples, log_prob - 0.7 * near, truth, summary9.prior)
        assert among < everywhere - 0.1 < 0
        (told,) = summary9.find_problems({"samples": samples, "log_prob_truth": log_prob - 0.7 * near})
        assert f"= {among:+.2f} nats" in told

    def test_few_truths_among_the_draws_do_not_condemn_the_densities(self, summary9, honest):
        """A posterior that is far too narrow is bad, but its densities may still be right."""
        samples, _ = honest
        truth = summary9.observations.theta.astype(float)
        narrow = truth[:, None] + 0.01 * (samples - truth[:, None]) + 0.3 * np.std(samples, axis=(0, 1))
        among, everywhere = inputs.measure_density_excess(narrow, np.full(len(truth), -200.0), truth, summary9.prior)
        assert np.isnan(among) and everywhere == -2.0
        assert not inputs.find_density_problems(narrow, np.full(len(truth), -200.0), truth, summary9.prior)


class TestTasks:
    def test_the_control_knows_its_limit_exactly(self, loaded):
        task = loaded["summary-6@1.0"]
        truth = task.observations.theta.astype(np.float64)
        nothing = task.score(prior_samples(task), task.prior.log_prob(truth))
        assert nothing["not_possible"] == [] and nothing["scores"]["limit"]["gain_over_limit_nats"]["value"] == 0
        reported = task.score(moved(prior_samples(task), truth, 0.05).astype(np.float32))["not_possible"]
        assert any("gain_over_limit" in sentence for sentence in reported)

    def test_shift_is_judged_by_the_rows_like_the_training_set(self, shift, gaussians):
        draws = gaussians[shift.id].sample(shift.observations.x)
        honest = shift.score(draws)
        assert honest["not_possible"] == [] and len(honest["observations"]["energy_score"]) == 500
        truth = np.where(np.isfinite(shift.observations.theta), shift.observations.theta, draws.mean(axis=1))
        report = shift.score(moved(draws, truth.astype(np.float64), 0.4).astype(np.float32))
        assert len(report["not_possible"]) == 1 and "NOT POSSIBLE FROM TASK.TRAIN.X ALONE" in str(report)

    def test_a_missing_limit_is_reported(self, summary9, monkeypatch, without_references):
        from mwlmc_data.scoring.tasks import summary

        monkeypatch.setattr(summary, "load_limit", lambda: None)
        report = summary9.score(prior_samples(summary9))
        assert "limit" not in report["scores"] and any("of a nearly exact" in n for n in report["notes"])
