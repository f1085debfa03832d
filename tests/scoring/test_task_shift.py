"""The task `shift`: its ladders are as documented, and an entry that knows the shift scores better than others."""

import numpy as np
import pytest
from scipy import stats

import mwlmc_data as mw
from mwlmc_data.dataset import release, schema
from mwlmc_data.scoring import ladders
from mwlmc_data.scoring.observations import test_columns as columns_of_rows
from mwlmc_data.scoring.tasks.shift import HALO_ROWS, LADDER_ROWS
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.example_entries import prior_samples


@pytest.fixture(scope="module")
def rows():
    """The reflex motion and its covariance of the rows that get noise and bias."""
    names = (*ladders.TRAVEL, *ladders.COVARIANCE, "v_travel", "l_apex", "b_apex")
    return columns_of_rows(schema.ids_of("test", 0, 128_000)[LADDER_ROWS], names)


class TestShift:
    def test_the_ladders_are_rows_of_the_first_group(self, shift):
        seen = shift.observations
        assert seen.groups[:4] == ("test", *shift.cases.names)
        assert set(ladders.WHAT) == set(shift.rungs) == set(seen.groups[4:])
        nominal = set(seen.sim_id[seen.rows("test")])
        for group in shift.rungs:
            rows = seen.rows(group)
            assert len(rows) == (50 if group in ladders.HALO_GROUPS else 100)
            assert set(seen.sim_id[rows]) <= nominal
            # only the reflex motion differs from the row's own
            own = columns_of_rows(seen.sim_id[rows], shift.x_names)
            assert all(np.array_equal(seen.x[rows, j], own[name]) for j, name in enumerate(shift.x_names[:6]))
            assert not np.isclose(seen.x[rows, 6], own["v_travel"], rtol=1e-4).all()

    def test_without_a_shift_the_data_are_those_of_the_row(self, rows):
        found = ladders.reflex_data(np.stack([rows[name] for name in ladders.TRAVEL], axis=1))
        expected = np.stack([rows[name] for name in ("v_travel", "l_apex", "b_apex")], axis=1)
        assert found == pytest.approx(expected, abs=2e-3, rel=1e-4)
        assert ladders.add_noise(rows, 1.0) == pytest.approx(np.stack([rows[n] for n in ladders.TRAVEL], axis=1))

    def test_noise_has_the_covariance_of_each_row(self, rows):
        """At factor two, the added noise whitened by three covariances is standard Gaussian."""
        travel = np.stack([rows[name] for name in ladders.TRAVEL], axis=1).astype(float)
        added = ladders.add_noise(rows, 2.0) - travel
        assert ladders.add_noise(rows, 4.0) - travel == pytest.approx(np.sqrt(5) * added)
        total = 0.0
        for i, noise in enumerate(added):
            xx, xy, xz, yy, yz, zz = (float(rows[name][i]) for name in ladders.COVARIANCE)
            total += noise @ np.linalg.solve(3 * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), noise)
        assert 1e-3 < stats.chi2(3 * len(added)).cdf(total) < 1 - 1e-3
        assert stats.kstest(ladders.draw_deviates(np.arange(2000)).ravel(), "norm").pvalue > 1e-3

    def test_bias_lengthens_and_does_not_turn(self, rows):
        found = ladders.reflex_data(ladders.add_bias(rows, 20.0))
        assert found[:, 0] == pytest.approx(rows["v_travel"] + 20, rel=1e-5)
        assert found[:, 2] == pytest.approx(rows["b_apex"], abs=2e-3)

    def test_the_recipe_reproduces_the_embedded_haloes(self):
        """Within the differences that another processor may cause (`mwlmc_data.dataset.sameness`)."""
        ids = schema.ids_of("test", 0, 128_000)[HALO_ROWS]
        stored, again = ladders.read_haloes(), ladders.make_haloes(ids[::23])
        assert len(stored["sim_id"]) == len(ladders.HALO_GROUPS) * len(ids)
        for i, (group, sim_id) in enumerate(zip(again["group"], again["sim_id"], strict=True)):
            (row,) = np.flatnonzero((stored["group"] == group) & (stored["sim_id"] == sim_id))
            for name in ladders.TRAVEL:
                assert again[name][i] == pytest.approx(stored[name][row], abs=0.5), (group, sim_id)
        assert (release.DATA_DIR / "shift.parquet").stat().st_size < 200_000

    def test_haloes_are_changed_in_double_precision(self):
        halo, made = mw.load_halo(7), ladders.make_haloes(np.array([7]))
        stars = halo.positions.astype(float), halo.velocities.astype(float)
        for i, change in enumerate(ladders.HALO_GROUPS.values()):
            expected = mw.fit_reflex(*change(*stars)).vector.astype(np.float32)
            assert [made[name][i] for name in ladders.TRAVEL] == expected.tolist()

    def test_the_halo_ladder_moves_the_reflex_motion_as_its_names_say(self, shift):
        seen = shift.observations
        own = columns_of_rows(schema.ids_of("test", 0, 128_000)[HALO_ROWS], ladders.TRAVEL)
        stored = ladders.read_haloes()
        moved = {
            group: np.median(stored["vz_travel"][stored["group"] == group] - own["vz_travel"])
            for group in ladders.HALO_GROUPS
        }
        assert 5 < moved["contraction-20"] < 20
        assert moved["contraction-40"] == pytest.approx(2 * moved["contraction-20"], rel=0.1)
        assert abs(moved["sky-plane"]) < 3
        assert len(seen.rows("sky-north")) == 50

    def test_a_contraction_of_the_full_halo_is_not_a_rung(self):
        """The fit's own mean radial velocity takes all of it."""
        halo = mw.load_halo(5)
        x, v = halo.positions.astype(float), halo.velocities.astype(float)
        inwards = -x / np.linalg.norm(x, axis=1, keepdims=True)
        fits = [mw.fit_reflex(x, v + speed * inwards) for speed in (0.0, 40.0)]
        assert fits[1].vector == pytest.approx(fits[0].vector, abs=1e-3)
        assert fits[1].means[0] - fits[0].means[0] == pytest.approx(-40, abs=1e-3)

    def test_latitude_is_seen_from_the_sun(self):
        above, ahead = [-8.3, 0.0, 5.0], [20.0, 0.0, 0.02]
        assert ladders.latitude(np.array([above, ahead])) == pytest.approx([90, 0])

    @pytest.fixture
    def strangeness(self, shift):
        """A statistic that knows which observations are shifted."""
        known = np.where(shift.observations.group == "test", 0.0, 1.0)
        return known + 0.01 * np.random.default_rng(1).standard_normal(len(known))

    def test_a_statistic_that_knows_the_shift_detects_it(self, shift, strangeness):
        samples = prior_samples(shift)
        report = shift.score(samples, statistic=strangeness)
        assert report["headline"]["auroc_statistic"]["value"] == pytest.approx(1)
        assert report["scores"]["fire-m12b"]["auroc_statistic"]["value"] == 1
        assert report["scores"]["test"]["auroc_statistic"]["value"] is None
        blind = shift.score(samples, statistic=np.random.default_rng(2).standard_normal(len(samples)))
        assert blind["headline"]["auroc_statistic"]["value"] == pytest.approx(0.5, abs=0.1)
        turned = shift.score(samples, statistic=-strangeness)
        assert turned["headline"]["auroc_statistic"]["value"] == pytest.approx(0)
        without = shift.score(samples)
        assert "auroc_statistic" not in without["headline"]
        assert any("statistic is missing" in note for note in without["notes"])

    def test_the_error_of_the_mean_auroc_is_its_spread(self, shift):
        """Rungs of one simulation are correlated with each other and with their row."""
        seen, rng = shift.observations, np.random.default_rng(4)
        _, place = np.unique(seen.sim_id, return_inverse=True)
        found = []
        for _ in range(150):
            own = rng.standard_normal(place.max() + 1)[place] + 0.5 * rng.standard_normal(len(place))
            found.append(shift._mean_auroc(own + 0.7 * (seen.group != "test")))
        values, errors = np.array([(entry.value, entry.error) for entry in found]).T
        assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.2)
        assert errors.std() < 0.1 * errors.mean()

    def test_a_posterior_that_widens_detects_by_its_volume(self, shift, gaussians):
        own, seen = gaussians[shift.id], shift.observations
        samples = own.sample(seen.x, width=0.3)
        wide = prior_samples(shift)
        shifted = seen.group != "test"
        samples[shifted] = wide[shifted]
        report = shift.score(samples)
        assert report["headline"]["auroc_volume"]["value"] > 0.99
        assert report["scores"]["bias-40"]["contraction"]["value"]["m_lmc"] < 0.1

    def test_a_biased_row_is_missed(self, shift, gaussians):
        """A posterior cannot know what the data do not show: hits fall as the bias grows."""
        report = shift.score(gaussians[shift.id].sample(shift.observations.x))["scores"]
        found = [report[group]["hits_68"]["value"]["m_lmc"] for group in ("test", "bias-10", "bias-20", "bias-40")]
        assert found == sorted(found, reverse=True) and found[-1] < 0.3
        assert report["bias-40"]["z"]["value"]["m_lmc"] > 1.5

    def test_rungs_of_one_row_are_not_independent_trials(self, shift):
        reported = shift.score(prior_samples(shift))["headline"]
        assert reported["hits_68_shifted"]["error"]["m_lmc"] == pytest.approx(np.sqrt(0.68 * 0.32 / 100))
        assert reported["hits_68_test"]["error"]["m_lmc"] == pytest.approx(np.sqrt(0.68 * 0.32 / 500))

    def test_haloes_of_other_rows_are_refused(self, monkeypatch):
        made = dict(ladders.read_haloes())
        made["sim_id"] = made["sim_id"] + 1
        monkeypatch.setattr(ladders, "read_haloes", lambda: made)
        with pytest.raises(ValueError, match=r"sim_id of the embedded 'sky-plane' = \[8, "):
            mw.get_task("shift").observations  # noqa: B018

    def test_the_file_is_written_as_it_is_read(self, tmp_path):
        stored = ladders.read_haloes()
        ladders.write_haloes(stored, tmp_path)
        again = ladders.read_haloes(tmp_path)
        assert all(np.array_equal(stored[name], again[name]) for name in stored)
        assert embedded.load_registry(tmp_path)["shift"]["rows"] == 200
        with pytest.raises(DamagedFileError, match="an entry 'shift'"):
            ladders.read_haloes(tmp_path / "elsewhere")
