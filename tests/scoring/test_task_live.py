"""Tasks of live galaxies: their rows and truths, errors over simulations, and what a package without the set says."""

import json

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import live_tables
from mwlmc_data.scoring.grouped import average_groups, compare, correlate, find_errors, resample_statistic
from mwlmc_data.scoring.tasks.live import RIVALS, Live
from mwlmc_data.scoring.tasks.live_rung import LIVE
from tests.helpers.example_entries import SHORT, Gaussian, prior_samples
from tests.helpers.live_set import embed_live_set


@pytest.fixture
def live(tmp_path, monkeypatch):
    embed_live_set(tmp_path, monkeypatch)
    task = mw.get_task("live")
    task.n_draws = SHORT
    return task


def about_the_truth(task, width=0.1):
    """Draws about the truths, in standard deviations of the prior; where there is none, about the middle."""
    rng = np.random.default_rng(1)
    truth = np.where(np.isfinite(task.observations.theta), task.observations.theta, -1.0)[:, None]
    noise = width * np.array(task.scale) * rng.standard_normal((len(truth), 1, 3))
    draws = truth + noise + width * np.array(task.scale) * rng.standard_normal((len(truth), task.n_draws, 3))
    low, high = np.array(list(task.prior.support.values())).T
    return np.clip(draws, low, high).astype(np.float32)


@pytest.mark.parametrize("name", ["live", "live-64", "shift@1.1", "stars-shift@1.1"])
def test_without_the_set_it_is_listed_and_refused(name, monkeypatch):
    monkeypatch.setattr(live_tables.embedded, "load_registry", lambda *_: {})
    assert any(known.startswith(name) for known in mw.list_tasks())
    with pytest.raises(ValueError, match=r"task = '.*python -m generation live-set .*--embed` makes the set"):
        mw.get_task(name)
    assert {mw.get_task(task).version for task in ("shift", "stars-shift")} == {"1.0"}


def test_observations_are_all_haloes_of_test_simulations(live):
    seen, table = live.observations, mw.load_catalogue("test", config="live")
    assert np.array_equal(seen.sim_id, table["sim_id"]) and len(seen) == 8 * 12
    assert not (live.simulations % 5 == 0).any()
    for j, name in enumerate(live.x_names):
        assert np.array_equal(seen.x[:, j], table[name])
    for j, name in enumerate(live.theta_names[:2]):
        assert np.array_equal(seen.theta[:, j], table[name])
    truths = mw.load_live_truths().set_index("live_id")["log10_lambda_df"]
    np.testing.assert_array_equal(seen.theta[:, 2], truths.loc[live.simulations])
    assert np.isnan(seen.theta[:, 2]).mean() == pytest.approx(1 / 3, abs=0.1)
    assert np.array_equal(live.train.sim_id, mw.load_catalogue("train", columns=["sim_id"])["sim_id"])


def test_the_calibration_split_is_one_halo_of_each_of_its_simulations(live):
    task = mw.get_task("live-64")
    rows = task.calibration
    assert rows.sim_id.tolist() == [0, 40, 80] and np.array_equal(task.observations.x, live.observations.x)
    assert np.isfinite(rows.theta[:, :2]).all() and rows.x.shape == (3, 9)
    task.__dict__.pop("calibration")
    type(task).n_calibration, before = 2, type(task).n_calibration
    try:
        assert task.calibration.sim_id.tolist() == [0, 40] and before == 64
    finally:
        type(task).n_calibration = before


def test_an_entry_that_knows_the_truths_wins_and_the_masses_are_told_apart(live):
    known, nothing = live.score(about_the_truth(live)), live.score(prior_samples(live))
    assert known["headline"]["energy_score"]["value"] < 0.2 < nothing["headline"]["energy_score"]["value"]
    assert abs(nothing["headline"]["gain_over_prior"]["value"]) < 5 * nothing["headline"]["gain_over_prior"]["error"]
    assert all(0.8 < z < 1.3 for z in known["headline"]["z"]["value"].values())
    assert all(abs(bias) < 0.05 for bias in known["headline"]["bias"]["value"].values())
    scores = known["scores"]
    assert scores["friction"]["simulations"]["value"] == np.isfinite(live.observations.theta[::8, 2]).sum()
    assert scores["friction"]["correlation"]["value"] > 0.9 and 0.5 < scores["friction"]["z"]["value"] < 1.5
    assert scores["m_lmc"]["correlation"]["value"] > 0.9 > scores["m_lmc_50_today"]["correlation"]["value"]
    assert scores["m_lmc_bound"]["ratio"]["value"] == pytest.approx(2 * scores["m_lmc"]["ratio"]["value"], rel=1e-5)
    assert set(scores) >= {*RIVALS, *RIVALS["m_lmc"], *RIVALS["m200_mw"]}
    bins = {name: s["simulations"]["value"] for name, s in scores.items() if name.startswith("m_lmc ")}
    assert sum(bins.values()) == 12
    json.dumps(known.to_dict(), allow_nan=False)
    assert all(len(line) <= 180 for line in str(known).splitlines())


def test_friction_without_a_truth_changes_no_score(live):
    samples = about_the_truth(live)
    other = samples.copy()
    unknown = np.isnan(live.observations.theta[:, 2])
    other[unknown, :, 2] = np.linspace(-2.0, -1.0, SHORT)
    first, second = live.score(samples).to_dict(), live.score(other).to_dict()
    for report in (first, second):
        del report["headline"]["contraction"]  # of the draws alone
    assert first == second


def test_errors_are_over_simulations(live):
    """Eight equal haloes are one: the errors are those of a set with one halo of each simulation."""
    samples = about_the_truth(live)
    samples[:] = np.repeat(samples[::8], 8, axis=0)
    report = live.score(samples)
    energy = np.array(report.observations["energy_score"])
    assert energy.shape == (12,)
    entry = report["headline"]["energy_score"]
    assert entry["value"] == pytest.approx(energy.mean())
    assert entry["error"] == pytest.approx(energy.std() / np.sqrt(12), rel=0.1)


def test_the_live_rung_of_shift_leaves_the_others_alone(live, shift):
    newer = mw.get_task("shift")
    assert newer.id == "shift@1.1" and newer.rungs == (*shift.rungs, LIVE)
    n, seen = len(shift.observations), newer.observations
    for name in ("x", "theta", "sim_id", "group"):
        np.testing.assert_array_equal(getattr(seen, name)[:n], getattr(shift.observations, name))
    rows = seen.rows(LIVE)
    assert rows.tolist() == list(range(n, len(seen))) and (seen.sim_id[rows] % 8 == 0).all()
    assert np.isfinite(seen.theta).all(axis=1)[rows].all() and len(rows) == 8
    # numbers of live simulations are not those of rigid ones
    assert not set(newer.simulations[rows]) & set(shift.observations.sim_id)
    newer.n_draws = SHORT
    report = newer.score(Gaussian(newer).sample(seen.x).astype(np.float32))
    assert np.isfinite(report["scores"][LIVE]["auroc_volume"]["value"])


class TestGroups:
    def test_means_and_errors_are_those_of_groups(self):
        rng = np.random.default_rng(2)
        groups = np.repeat(np.arange(200), 4)
        values = np.repeat(rng.normal(3.0, 1.0, 200), 4)[:, None]
        mean, resampled = average_groups(values, groups)
        assert mean[0] == pytest.approx(values.mean())
        assert find_errors(resampled)[0] == pytest.approx(1.0 / np.sqrt(200), rel=0.15)

    def test_unknown_values_are_left_out(self):
        values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [5.0, np.nan]])
        mean, resampled = average_groups(values, np.array([0, 0, 1, 2]))
        assert mean[0] == 3.0 and np.isnan(mean[1])
        errors = find_errors(resampled)
        assert 0.0 < errors[0] < 2.0 and np.isnan(errors[1])

    def test_one_group_has_no_error(self):
        mean, resampled = average_groups(np.array([[1.0], [2.0]]), np.array([7, 7]))
        assert mean[0] == 1.5 and np.isnan(find_errors(resampled)[0])

    def test_resamples_hold_whole_groups(self):
        groups = np.repeat([4, 7, 9], [1, 2, 3])

        def count(rows):
            numbers = np.bincount(groups[rows], minlength=10)
            assert numbers[7] % 2 == 0 and numbers[9] % 3 == 0
            return np.array([numbers[4] + numbers[7] / 2 + numbers[9] / 3])

        assert (resample_statistic(count, groups, 50) == 3.0).all()

    def test_a_comparison_finds_factor_scatter_and_correlation(self):
        rng = np.random.default_rng(3)
        truth, groups = rng.uniform(1.0, 5.0, 4000), np.arange(4000)
        found = compare(0.5 * truth * np.exp(rng.normal(0.0, 0.2, 4000)), truth, groups)
        assert found.ratio[0] == pytest.approx(0.5, abs=4 * found.ratio[1])
        assert found.scatter[0] == pytest.approx(0.2, abs=4 * found.scatter[1])
        assert found.correlation[0] == pytest.approx(np.corrcoef(truth, truth)[0, 1], abs=0.2)
        value, error = correlate(np.ones(5), np.arange(5.0), np.arange(5))
        assert np.isnan(value) and np.isnan(error)


def test_the_scores_are_those_of_the_two_masses(live):
    """Computed again for one observation by the formula of the energy score."""
    samples = about_the_truth(live)
    draws = samples[:8, :, :2].astype(float) / live.scale[:2]
    truth = live.observations.theta[:8, :2].astype(float) / live.scale[:2]
    to_truth = np.linalg.norm(draws - truth[:, None], axis=2).mean(axis=1)
    apart = np.linalg.norm(draws[:, :, None] - draws[:, None], axis=3).sum(axis=(1, 2)) / (SHORT * (SHORT - 1))
    expected = (to_truth - 0.5 * apart).mean()
    assert isinstance(live, Live)
    assert live.score(samples).observations["energy_score"][0] == pytest.approx(expected, rel=1e-5)
