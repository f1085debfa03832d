"""The posterior that the package draws at once: the embedded network's, honest about where it is a guess."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data import cli, scoring
from mwlmc_data.inference import posterior as module
from mwlmc_data.release import DamagedFileError
from mwlmc_data.schema import LMC_VECTOR
from mwlmc_data.simulator.parameters import OBSERVED_LMC, SKY_NAMES

DATA = (*LMC_VECTOR, "v_travel", "l_apex", "b_apex")
THETA = ["m_lmc", "m200_mw", "log10_lambda_df"]
REFLEX = {"v_travel": 50.0, "l_apex": 40.0, "b_apex": -60.0}


@pytest.fixture(scope="module")
def rows():
    return mw.load_catalogue("test", columns=["sim_id", *THETA, *DATA, *SKY_NAMES]).iloc[3:1203:3]


@pytest.fixture(scope="module")
def likelihood():
    return module.load_network("gaussian").likelihood


@pytest.fixture(scope="module")
def grids(rows, likelihood):
    return [likelihood.grid(x) for x in rows[list(DATA)].to_numpy(float)]


class TestNetwork:
    def test_it_is_calibrated_on_rows_that_it_never_saw(self, rows, likelihood, grids):
        truth = rows[THETA].to_numpy(float)
        posteriors = likelihood.scores.inverse(np.stack([grid.sample(400, (1, i)) for i, grid in enumerate(grids)]))
        ranks = scoring.rank_calibration(posteriors, truth)
        assert ranks.ks_pvalue.min() > 1e-3
        inside, error = scoring.interval_coverage(posteriors, truth, 0.68)
        assert (np.abs(inside - 0.68) < 4 * error).all()

    def test_it_knows_more_than_the_prior_and_about_what_the_leaderboard_says(self, rows, likelihood, grids):
        truth, prior = rows[THETA], mw.Prior("gaussian", THETA)
        evidence = np.array([grid.log_evidence for grid in grids])
        log_prob = likelihood.log_prob(truth.to_numpy(float), rows[list(DATA)].to_numpy(float), evidence)
        gain = log_prob - prior.log_prob(truth)
        assert gain.mean() == pytest.approx(1.3, abs=0.25)

    @pytest.mark.parametrize("config", ["gaussian", "wide"])
    def test_it_says_what_it_is(self, config):
        about = module.load_network(config).about
        assert about["baseline"] == "nle" and about["fast"] is False and about["theta_names"] == THETA
        assert about["data_sha256"] == mw.release.entry_of(config)["sha256"]

    def test_a_damaged_file_is_refused(self, monkeypatch, tmp_path):
        path = tmp_path / "network.safetensors"
        path.write_bytes(b"nothing of use")
        monkeypatch.setattr(module.embedded, "verified", lambda name: path)
        with pytest.raises(DamagedFileError, match="weights of a likelihood network"):
            module.load_network("gaussian")


class TestInfer:
    def test_a_row_gives_the_same_by_sky_by_vector_and_whole(self, rows):
        row = rows.iloc[0]
        sky = {name: float(row[name]) for name in (*SKY_NAMES, *REFLEX)}
        vector = {name: float(row[name]) for name in DATA}
        one, other = mw.infer(sky, n=500, seed=3), mw.infer(vector, n=500, seed=3)
        np.testing.assert_allclose(one.samples, other.samples, rtol=1e-4)
        with_more = mw.infer({**vector, "sim_id": 3.0, "m_lmc": 1.0}, n=500, seed=3)
        pd.testing.assert_frame_equal(with_more.samples, other.samples)
        assert (mw.infer(vector, n=500, seed=4).samples != other.samples).to_numpy().all()

    def test_without_an_lmc_the_observed_one_is_taken(self):
        bare = mw.infer(REFLEX, n=100)
        given = mw.infer({**REFLEX, **dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True))}, n=100)
        pd.testing.assert_frame_equal(bare.samples, given.samples)
        assert bare.outside == () and max(map(abs, bare.in_support.values())) < 4

    def test_density_and_draws_are_of_one_posterior(self):
        """Half of its own draws and half of the prior's: the mean of density over their mixture's is one."""
        found, prior = mw.infer(REFLEX, n=4000), mw.Prior("gaussian", THETA)
        both = pd.concat([found.samples, prior.sample(4000, seed=8)[THETA]])
        own, of_prior = found.log_prob(both), prior.log_prob(both)
        ratio = np.exp(own - np.logaddexp(own, of_prior) + np.log(2.0))
        assert ratio.mean() == pytest.approx(1.0, abs=0.03)
        np.testing.assert_array_equal(found.log_prob(both.to_numpy()), own)
        assert found.log_prob(pd.DataFrame([[1e12, 1e12, 1.5]], columns=THETA))[0] == -np.inf

    def test_more_motion_means_a_heavier_lmc(self):
        median = [mw.infer({**REFLEX, "v_travel": v}, n=2000).percentiles()["p50"]["m_lmc"] for v in (15, 35, 60)]
        assert median == sorted(median) and median[2] > 2 * median[0]

    def test_outside_the_training_set_it_says_so_and_the_wide_network_has_seen_it(self):
        cases = mw.validation_cases()
        for name, case in cases.items():
            found, wide = (mw.infer(case.observation, n=200, config=c) for c in ("gaussian", "wide"))
            assert found.outside == case.outside and dict(found.in_support) == dict(case.in_support), name
            assert wide.outside == ()
        assert mw.infer(cases["fire-m12b"].observation, n=10).outside

    @pytest.mark.parametrize("speed, apex", [(500.0, (40.0, -60.0)), (2000.0, (-100.0, 80.0)), (0.0, (0.0, 0.0))])
    def test_a_motion_that_no_halo_has_is_told_and_answered_within_the_prior(self, speed, apex):
        found = mw.infer({"v_travel": speed, "l_apex": apex[0], "b_apex": apex[1]}, n=200)
        assert abs(found.in_support["v_travel"]) > 4
        assert np.isfinite(found.log_prob(found.samples)).all()

    def test_percentiles_are_numpys(self):
        found = mw.infer(REFLEX, n=300)
        table = found.percentiles((2.5, 50))
        assert list(table.columns) == ["p2.5", "p50"] and list(table.index) == THETA
        assert table["p2.5"]["m200_mw"] == np.percentile(found.samples["m200_mw"], 2.5)

    @pytest.mark.parametrize(
        "observation, options, words",
        [
            ({"v_travel": 1.0}, {}, "lacks l_apex, b_apex"),
            ({**REFLEX, "ra_lmc": 80.0}, {}, "lacks dec_lmc, distance_lmc"),
            ({**REFLEX, "x_lmc": 1.0}, {}, "lacks y_lmc, z_lmc"),
            ({**REFLEX, **dict.fromkeys((*SKY_NAMES, *LMC_VECTOR), 1.0)}, {}, "given twice"),
            ({**REFLEX, "b_apex": np.nan}, {}, "b_apex is nan"),
            ({**REFLEX, "v_travel": -3.0}, {}, "v_travel is -3.0 km/s"),
            (REFLEX, {"n": 0}, "n is 0"),
            (REFLEX, {"config": "flat"}, "config 'flat'; allowed: gaussian, wide"),
        ],
    )
    def test_bad_input_is_named(self, observation, options, words):
        with pytest.raises(ValueError, match=words):
            mw.infer(observation, **options)

    def test_it_needs_no_torch(self):
        code = (
            "import sys, mwlmc_data as mw; mw.infer({'v_travel': 50., 'l_apex': 40., 'b_apex': -60.}, n=10);"
            "print(sorted({'torch', 'sbi'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestCommand:
    def test_it_prints_the_table_and_writes_the_draws(self, tmp_path, capsys):
        words = ["--v-travel", "50", "--l-apex", "40", "--b-apex", "-60", "--n", "500"]
        for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
            path = tmp_path / f"draws{suffix}"
            assert cli.main(["infer", *words, "--out", str(path)]) == 0
            pd.testing.assert_frame_equal(read(path), mw.infer(REFLEX, n=500).samples)
        out = capsys.readouterr().out
        assert "m_lmc" in out and "1e10 Msun" in out and "extrapolates" not in out

    def test_json_holds_the_numbers(self, capsys):
        assert cli.main(["infer", "--case", "fire-m12b", "--n", "300", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        case = mw.validation_cases()["fire-m12b"]
        assert found["outside"] == list(case.outside) and found["observation"] == dict(case.observation)
        expected = mw.infer(case.observation, n=300).percentiles((2.5, 16, 50, 84, 97.5))
        assert found["percentiles"] == expected.to_dict(orient="index")

    def test_a_case_outside_is_told(self, capsys):
        assert cli.main(["infer", "--case", "gc19-fiducial", "--n", "100"]) == 0
        assert "outside the network's training set in" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "words, told",
        [
            (["--case", "rigidd"], "unknown case 'rigidd'; allowed: rigid"),
            (["--case", "rigid", "--v-travel", "3"], "allowed: one of the two"),
            (["--v-travel", "3"], "lacks l_apex"),
            (["--case", "rigid", "--out", "draws.npz"], "ends in .csv or .parquet"),
        ],
    )
    def test_bad_input_is_one_line(self, words, told, capsys):
        assert cli.main(["infer", *words]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
