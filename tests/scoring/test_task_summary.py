"""The tasks of summaries: their rows, their reports, and the gap to reference posteriors."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from benchmarks.references.rows import reference_ids
from mwlmc_data.dataset import schema
from mwlmc_data.scoring import references
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.reference_columns import THETA
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.example_entries import SHORT, prior_samples
from tests.helpers.prior_laws import LAWS

CONTROL = "summary-6@1.0"


class TestSummary:
    def test_rows_are_those_of_the_design(self, loaded):
        ids = schema.ids_of("test", 0, 128_000)
        for name, task in loaded.items():
            if name == "shift@1.0":
                continue
            seen = task.observations
            assert seen.groups == ("fixed", "reference")
            assert np.array_equal(seen.sim_id[seen.rows("fixed")], ids[7::10])
            assert np.array_equal(seen.sim_id[seen.rows("reference")], ids[::100])
            assert len(np.unique(seen.sim_id)) == 1100
            with pytest.raises(ValueError, match="group = 'test': allowed is one of fixed, reference"):
                seen.rows("test")

    def test_rows_with_references_agree_with_the_design_of_the_references(self, summary9):
        seen = summary9.observations
        assert np.array_equal(seen.sim_id[seen.rows("reference")], reference_ids())

    def test_budgets_share_the_observations_and_nest(self, loaded):
        whole = loaded["summary-9@1.0"]
        for budget in schema.BUDGETS:
            task = loaded[f"budget-{budget}@1.0"]
            assert task.budget == budget and task.max_simulations == budget + budget // 10
            assert np.array_equal(task.observations.x, whole.observations.x)
            assert np.array_equal(task.train.x, whole.train.x[:budget])
            assert np.array_equal(task.validation.theta, whole.validation.theta[: budget // 10])

    def test_in_a_shell_the_motion_is_that_of_its_stars_at_the_same_halo(self, loaded):
        task, whole = loaded["summary-9-50-100@1.0"], loaded["summary-9@1.0"]
        names = [f"v{axis}_travel_50_100" for axis in "xyz"]
        assert task.x_names == (*schema.LMC_VECTOR, *names)
        for field in ("theta", "sim_id", "group"):
            assert np.array_equal(getattr(task.observations, field), getattr(whole.observations, field))
        assert np.array_equal(task.observations.x[:, :6], whole.observations.x[:, :6])
        assert task.cases.names == ("gc19-fiducial",)
        speed = np.linalg.norm(task.cases.x[0, 6:])
        assert speed == pytest.approx(27.9, rel=1e-5)
        assert np.degrees(np.arcsin(task.cases.x[0, 8] / speed)) == pytest.approx(-80.4, abs=1e-3)
        assert np.degrees(np.arctan2(task.cases.x[0, 7], task.cases.x[0, 6])) == pytest.approx(-49.1, abs=1e-3)

    def test_a_shell_has_references_and_no_limit_of_its_own(self, loaded, tmp_path, monkeypatch):
        """Its references are found by their own name: those of all stars beyond 50 kpc answer another question."""
        task = loaded["summary-9-50-100@1.0"]
        asked = []
        monkeypatch.setattr(task_module, "load_references", lambda *_, name: asked.append(name))
        assert task.references() is None and asked == ["references-50-100"]
        assert task.limit() is None

    def test_densities_are_scored_in_the_units_of_the_report(self, summary9, gaussians, without_references):
        """The entropy of the prior is known: 7.9 nats per 1e10 Msun, 1e11 Msun and dex."""
        task, seen = summary9, summary9.observations
        reported = task.score(prior_samples(task), task.prior.log_prob(seen.theta))["headline"]
        rows = seen.rows("fixed")
        expected = -(task.prior.log_prob(seen.theta[rows]) + np.log(1e21)).mean()
        assert reported["neg_log_posterior"]["value"] == pytest.approx(expected)
        assert 7.5 < expected < 8.3
        assert reported["gain_over_prior_nats"]["value"] == pytest.approx(0, abs=1e-9)
        own = gaussians[task.id]
        looked = task.score(own.sample(seen.x), own.log_prob(seen.theta, seen.x))["headline"]
        assert looked["gain_over_prior_nats"]["value"] > 0.3
        assert looked["neg_log_posterior"]["value"] < expected

    @pytest.mark.parametrize("offset", [np.log(1e21), -np.log(8.4e10 * 4.9e11), 12.0])
    def test_densities_in_other_units_are_refused(self, summary9, offset):
        log_prob = summary9.prior.log_prob(summary9.observations.theta)
        with pytest.raises(ValueError, match=r"log_prob_truth = .* nats from .*as of task\.prior\.log_prob"):
            summary9.score(prior_samples(summary9), log_prob + offset)

    def test_a_truth_without_density_is_refused(self, summary9):
        log_prob = summary9.prior.log_prob(summary9.observations.theta)
        log_prob[4] = -np.inf
        with pytest.raises(ValueError, match=r"log_prob_truth at \(4,\) = -inf.*finite"):
            summary9.score(prior_samples(summary9), log_prob)

    def test_calibration_sees_a_wrong_width(self, summary9, gaussians, without_references):
        x = summary9.observations.x
        report = summary9.score(gaussians[summary9.id].sample(x, width=0.5))["scores"]["calibration"]
        assert max(report["rank_ks_pvalue"]["value"].values()) < 1e-3
        assert report["tarp_ks_pvalue"]["value"] < 1e-6
        assert report["tarp_area"]["value"] < -5 * report["tarp_area"]["error"]
        assert report["region_area"]["value"] < -5 * report["region_area"]["error"]
        assert max(report["hits_68"]["value"].values()) < 0.55
        assert report["outside_prior"]["value"] < 2e-3  # at half the width they hardly reach the walls

    def test_the_truths_themselves_are_tested_against_the_prior(self, summary9, without_references):
        """Scores of a posterior as wide as the prior on these rows, by the laws of the tests, not of the package."""
        found = summary9.score(prior_samples(summary9))["scores"]["calibration"]["prior_ks_pvalue"]["value"]
        theta = summary9.observations.theta[summary9.observations.rows("fixed")].astype(float)
        for j, name in enumerate(summary9.theta_names):
            assert found[name] == pytest.approx(stats.kstest(theta[:, j], LAWS["gaussian"][name].cdf).pvalue, rel=1e-6)

    def test_draws_outside_the_prior_are_counted(self, summary9, without_references):
        samples = prior_samples(summary9)
        samples[:, : SHORT // 4, 2] = 1.5
        assert summary9.score(samples)["scores"]["calibration"]["outside_prior"]["value"] == pytest.approx(0.25)

    def test_cases_are_reported_with_their_quoted_truths(self, summary9, without_references):
        report = summary9.score(prior_samples(summary9), case_samples=prior_samples(summary9, rows=3))
        gc19 = report["scores"]["gc19-fiducial"]
        assert gc19["z"]["value"]["log10_lambda_df"] is None
        assert abs(gc19["z"]["value"]["m_lmc"]) < 1
        assert gc19["hits_95"]["value"]["m_lmc"] == 1
        assert 10 < gc19["p50"]["value"]["m_lmc"] < 25
        assert any("fire-m12b is outside" in note and "v_los_lmc (-17 sigma)" in note for note in report["notes"])

    def test_missing_arrays_are_reported(self, summary9, without_references):
        notes = " ".join(summary9.score(prior_samples(summary9))["notes"])
        for part in ("log_prob_truth is missing", "case_samples are missing", "no reference posteriors for the task"):
            assert part in notes

    def test_the_control_explains_itself(self, loaded):
        task = loaded[CONTROL]
        report = task.score(prior_samples(task), task.prior.log_prob(task.observations.theta))
        assert "contradicts the paper's reading" in report["notes"][0].lower()
        assert "contradicts the paper's reading" in " ".join(type(task).__doc__.split())
        gap = report["headline"]["gap_to_reference"]
        assert abs(gap["value"]) < 5 * gap["error"]
        assert report["headline"]["gap_to_reference_nats"]["value"] == pytest.approx(0, abs=1e-9)
        assert report["scores"]["reference"]["references"]["value"] == 100

    def test_an_overfitted_entry_loses_in_the_control(self, loaded):
        """Draws about a point that the data do not support: narrower than the prior, and worse."""
        task = loaded[CONTROL]
        samples = prior_samples(task)
        samples = (samples[:, :1] + 0.2 * (samples - samples[:, :1])).astype(np.float32)
        report = task.score(samples)["headline"]
        assert report["gap_to_reference"]["value"] > 8 * report["gap_to_reference"]["error"]
        assert report["contraction"]["value"]["m_lmc"] > 0.9


def write_references(path, task, samples, log_prob, certified=None):
    """Write a file of references of the 100 rows and the three cases, as the benchmark does."""
    seen, cases = task.observations, task.cases
    ids = seen.sim_id[seen.rows("reference")]
    n, kind = len(ids) + len(cases), pa.list_(pa.float32(), SHORT)
    table = {
        "name": [*(f"test-{i:06d}" for i in ids), *cases.names],
        "kind": ["test"] * len(ids) + list(cases.kinds),
        "sim_id": [*map(int, ids), *[-1] * len(cases)],
        **{f"samples_{name}": pa.array(samples[:, :, i].tolist(), kind) for i, name in enumerate(THETA)},
        "log_prob_truth": [*(log_prob + np.log(1e21)), *[None] * len(cases)],
        "certified": [True] * n if certified is None else certified,
        "effective_sample_size": [1.0] * n,
    }
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def exact(loaded, gaussians):
    """Draws and densities of the Gaussian, taken as the exact posterior of the 100 rows and the cases."""
    task, own = loaded["summary-9@1.0"], gaussians["summary-9@1.0"]
    rows = task.observations.rows("reference")
    x = np.concatenate([task.observations.x[rows], task.cases.x])
    return own.sample(x, seed=11), own.log_prob(task.observations.theta[rows], task.observations.x[rows])


class TestReferences:
    @pytest.fixture
    def exact(self, exact):
        return exact[0].copy(), exact[1].copy()

    @pytest.fixture
    def embedded_folder(self, tmp_path, summary9, exact, monkeypatch):
        def make(certified=None):
            path = write_references(tmp_path / "references.parquet", summary9, *exact, certified)
            embedded.register(path, "references", 103, "1.0.0")
            monkeypatch.setattr(task_module, "load_references", partial(references.load_references, tmp_path))
            return tmp_path

        return make

    def test_a_missing_file_of_references_is_allowed(self, tmp_path):
        assert references.load_references(tmp_path) is None

    def test_they_are_read_as_they_were_written(self, embedded_folder, exact, summary9):
        found = references.load_references(embedded_folder())
        assert len(found) == 103
        assert np.array_equal(found.samples, exact[0])
        assert found.log_prob_truth[:100] == pytest.approx(exact[1])
        assert np.isnan(found.log_prob_truth[100:]).all()
        assert found.kinds[-1] == "cosmological"
        assert found.places(["fire-m12b", int(reference_ids()[1]), "m31", 5]).tolist() == [102, 1, -1, -1]

    def test_the_exact_posterior_has_no_gap_and_the_prior_has_one(self, embedded_folder, summary9, gaussians):
        embedded_folder()
        own, seen = gaussians[summary9.id], summary9.observations
        same = summary9.score(
            own.sample(seen.x, seed=99), own.log_prob(seen.theta, seen.x), case_samples=own.sample(summary9.cases.x)
        )
        gap = same["headline"]["gap_to_reference"]
        assert abs(gap["value"]) < 5 * gap["error"]
        assert same["headline"]["gap_to_reference_nats"]["value"] == pytest.approx(0, abs=1e-9)
        against = same["scores"]["reference"]
        assert against["references"]["value"] == 100
        assert abs(against["mmd"]["value"]) < 5 * against["mmd"]["error"]
        assert against["variance_ratio"]["value"]["m_lmc"] == pytest.approx(1, abs=0.1)
        assert same["scores"]["rigid"]["variance_ratio"]["value"]["m_lmc"] == pytest.approx(1, abs=0.9)
        nothing = summary9.score(prior_samples(summary9), summary9.prior.log_prob(seen.theta))
        gap = nothing["headline"]["gap_to_reference"]
        assert gap["value"] > 4 * gap["error"]
        assert nothing["headline"]["gap_to_reference_nats"]["value"] > 0.2
        assert nothing["scores"]["reference"]["variance_ratio"]["value"]["m_lmc"] > 1.5
        assert nothing["scores"]["reference"]["energy_distance"]["value"] > 0.01

    def test_only_what_is_certified_counts(self, embedded_folder, summary9):
        embedded_folder(certified=[i % 4 > 0 for i in range(103)])
        report = summary9.score(prior_samples(summary9), case_samples=prior_samples(summary9, rows=3))
        assert report["scores"]["reference"]["references"]["value"] == 75
        assert ["variance_ratio" in report["scores"][name] for name in summary9.cases.names] == [False, True, True]
        assert any("25 of the 100 references are not certified" in note for note in report["notes"])

    def test_a_truth_without_reference_density_is_left_out_of_the_gap_in_nats(self, embedded_folder, summary9, exact):
        exact[1][:50] = np.nan
        embedded_folder()
        log_prob = summary9.prior.log_prob(summary9.observations.theta)
        headline = summary9.score(prior_samples(summary9), log_prob)["headline"]
        rows = summary9.observations.rows("reference")[50:]
        assert headline["gap_to_reference_nats"]["value"] == pytest.approx((exact[1][50:] - log_prob[rows]).mean())

    def test_without_any_certified_there_is_no_gap(self, embedded_folder, summary9):
        embedded_folder(certified=[False] * 103)
        report = summary9.score(prior_samples(summary9))
        assert "gap_to_reference" not in report["headline"]
        assert any("100 of the 100 references are not certified" in note for note in report["notes"])

    def test_a_damaged_file_is_never_read(self, embedded_folder):
        folder = embedded_folder()
        path = folder / "references.parquet"
        pq.write_table(pq.read_table(path).slice(0, 102), path)  # still a readable file of references
        with pytest.raises(DamagedFileError, match=r"references\.parquet is not the file of the release"):
            references.load_references(folder)
        path.unlink()
        with pytest.raises(DamagedFileError, match="no such file"):
            references.load_references(folder)

    def test_a_file_with_other_columns_is_refused(self, tmp_path):
        pq.write_table(pa.table({"name": ["a"]}), tmp_path / "other.parquet")
        with pytest.raises(DamagedFileError, match="certified"):
            references.read_references(tmp_path / "other.parquet")

    def test_an_invalid_registry_is_refused(self, tmp_path):
        (tmp_path / "benchmark.json").write_text("[1]")
        with pytest.raises(DamagedFileError, match="a registry of files"):
            references.load_references(tmp_path)
