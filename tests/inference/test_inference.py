"""The posterior from the embedded network: right for the given errors, and with warnings where it extrapolates."""

import dataclasses
import json
import math
import subprocess
import sys
import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, multivariate_normal

import mwlmc_data as mw
from mwlmc_data import cli
from mwlmc_data.dataset import release
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference import networks as module
from mwlmc_data.inference import predictive
from mwlmc_data.inference.deconvolved import TRAVEL, posterior_grid
from mwlmc_data.inference.grid import Grid
from mwlmc_data.inference.measurement import read_measurement
from mwlmc_data.inference.mixture import log_gaussian
from mwlmc_data.priors import standard_normal_log_density
from mwlmc_data.simulator.parameters import OBSERVED_LMC, SKY_NAMES
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.motions import quiet

DATA = (*LMC_VECTOR, "v_travel", "l_apex", "b_apex")
THETA = ["m_lmc", "m200_mw", "log10_lambda_df"]
REFLEX = {"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}
ERRORS = {"v_travel": 6.0, "l_apex": 12.0, "b_apex": 8.0}
#: Of Yaaqib, Petersen & Penarrubia 2024's 253 stars, as the package fits them; with the observed LMC.
K_GIANTS = {"v_travel": 40.9, "l_apex": 40.7, "b_apex": -37.5}
K_GIANTS_COVARIANCE = [[33.95, 9.10, -7.27], [9.10, 36.14, 9.36], [-7.27, 9.36, 94.90]]
SKY = dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True))
COVARIANCE = [f"cov_v{a}_v{b}" for a, b in ("xx", "xy", "xz", "yy", "yz", "zz")]


@pytest.fixture(scope="module")
def rows():
    return mw.load_catalogue("test", columns=["sim_id", *THETA, *DATA, *SKY_NAMES, *TRAVEL, *COVARIANCE]).iloc[3:603:10]


def covariance_of(row):
    xx, xy, xz, yy, yz, zz = (float(row[name]) for name in COVARIANCE)
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.fixture(scope="module")
def likelihood():
    return module.load_network("gaussian").likelihood


@pytest.fixture(scope="module")
def calibrated(rows, likelihood):
    """Ranks of the truth, p-values and gains over the prior, of rows with their own covariance."""
    scores = likelihood.scores.forward(rows[THETA].to_numpy(float))
    ranks, p_values, gains = [], [], []
    for i, (_, row) in enumerate(rows.iterrows()):
        measured = row[list(TRAVEL)].to_numpy(float), covariance_of(row), row[list(LMC_VECTOR)].to_numpy(float)
        grid = likelihood.grid(*measured)
        ranks.append([grid.cumulative(k, scores[i, k]) for k in range(3)])
        gains.append(likelihood.log_likelihood(scores[i : i + 1], *measured)[0] - grid.log_evidence)
        p_values.append(predictive.p_value(likelihood, *measured, seed=(i,)))
    return np.array(ranks), np.array(p_values), np.array(gains)


class TestNetwork:
    def test_posteriors_are_calibrated_on_rows_that_it_never_saw(self, calibrated):
        ranks = calibrated[0]
        for k in range(3):
            assert kstest(ranks[:, k], "uniform").pvalue > 1e-3
            inside = np.mean(np.abs(ranks[:, k] - 0.5) < 0.34)
            assert abs(inside - 0.68) < 4 * math.sqrt(0.68 * 0.32 / len(ranks))

    def test_it_gains_over_the_prior_about_what_the_leaderboard_says(self, calibrated):
        gain = calibrated[2]
        assert gain.mean() == pytest.approx(1.3, abs=4 * gain.std() / math.sqrt(len(gain)))

    def test_deconvolution_and_convolution_lose_nothing(self, likelihood):
        """The density of fitted vectors is that of a network trained on them directly: -7.899 on the test split."""
        table = mw.load_catalogue("test", columns=[*THETA, *LMC_VECTOR, *TRAVEL, *COVARIANCE])
        noise = np.array([covariance_of(row) for row in table.to_dict("records")])
        scores = likelihood.scores.forward(table[THETA].to_numpy(float))
        vectors, lmc = table[list(TRAVEL)].to_numpy(float), table[list(LMC_VECTOR)].to_numpy(float)
        assert likelihood.log_likelihood(scores, vectors, noise, lmc).mean() > -7.90

    def test_the_true_vector_scatters_less_than_fits_do(self, likelihood, rows):
        scores, lmc = likelihood.scores.forward(rows[THETA].to_numpy(float)), np.array(rows[list(LMC_VECTOR)])[0]
        log_weight, _, covariance = likelihood.components(scores, lmc)
        mean = np.einsum("nk,nkij->nij", np.exp(log_weight), covariance)
        assert np.linalg.eigvalsh(covariance).min() > 0
        assert np.median(mean[:, 0, 0]) < 0.2 * likelihood.halo_covariance[0, 0]

    @pytest.mark.parametrize("config", ["gaussian", "wide"])
    def test_it_describes_itself(self, config):
        about = module.load_network(config).about
        assert about["config"] == config and about["fast"] is False and about["theta_names"] == THETA
        assert about["data_sha256"] == release.get_entry(config)["sha256"]

    def test_a_damaged_file_is_refused(self, monkeypatch, tmp_path):
        path = tmp_path / "network.safetensors"
        path.write_bytes(b"nothing of use")
        monkeypatch.setattr(module.embedded, "verify_file", lambda name: path)
        with pytest.raises(DamagedFileError, match="weights of a likelihood network"):
            module.load_network("gaussian")


class TestMathematics:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_gaussians_are_scipys(self, seed):
        rng = np.random.default_rng(seed)
        factor = rng.normal(size=(3, 3)) * 10.0 ** rng.uniform(-2, 2, size=(3, 1))
        covariance, at = factor @ factor.T + 1e-4 * np.eye(3), rng.normal(size=3)
        expected = multivariate_normal(np.zeros(3), covariance).logpdf(at)
        assert log_gaussian(at, covariance) == pytest.approx(expected, rel=1e-6)

    def test_noise_widens_each_component_by_its_covariance(self, likelihood, rows):
        """The density of noisy vectors is the mean over noise of that of true ones."""
        noise = np.array([[9.0, 2.0, 0.0], [2.0, 6.0, -1.0], [0.0, -1.0, 20.0]])
        lmc = np.array(rows[list(LMC_VECTOR)])[0]
        scores, vector = np.array([[0.3, -0.2, 0.5]]), np.array([10.0, 12.0, -30.0])
        tiny = 0.5 * np.eye(3)
        drawn = vector - np.random.default_rng(0).multivariate_normal(np.zeros(3), noise - tiny, size=20_000)
        many = np.broadcast_to(scores, (len(drawn), 3))
        density = np.exp(likelihood.log_likelihood(many, drawn, tiny, lmc))
        expected = math.exp(likelihood.log_likelihood(scores, vector, noise, lmc)[0])
        assert density.mean() == pytest.approx(expected, abs=5 * density.std() / math.sqrt(len(drawn)))

    def test_evidence_is_the_mean_of_the_likelihood_over_the_prior(self, likelihood, rows):
        row = rows.iloc[5]
        measured = row[list(TRAVEL)].to_numpy(float), covariance_of(row), row[list(LMC_VECTOR)].to_numpy(float)
        scores = np.random.default_rng(1).normal(size=(20_000, 3))
        each = np.exp(likelihood.log_likelihood(scores, *measured))
        error = each.std() / each.mean() / math.sqrt(len(each))
        assert likelihood.grid(*measured).log_evidence == pytest.approx(math.log(each.mean()), abs=5 * error)
        vector, covariance, lmc = measured
        found = predictive.log_evidence(likelihood, vector[None], covariance, lmc, scores)[0]
        assert found == pytest.approx(math.log(each.mean()), abs=1e-9)

    @pytest.mark.parametrize("width", [0.5, 0.1, 0.05])
    def test_a_thin_curved_sheet_of_parameters_is_found(self, width):
        """A posterior bent as a parabola, whose first marginal is known."""

        def log_joint(u):
            return -0.5 * ((u[:, 2] - u[:, 0] ** 2 + 1) / width) ** 2 + standard_normal_log_density(u)

        grid = posterior_grid(log_joint)
        at = np.linspace(-5, 5, 4001)
        variance = 1 + width**2
        density = np.exp(-0.5 * at**2 - 0.5 * (at**2 - 1) ** 2 / variance)
        mean_square = (density @ at**2) / density.sum()
        evidence = density.sum() * (at[1] - at[0]) * width / math.sqrt(2 * math.pi * variance)
        assert grid.log_evidence == pytest.approx(math.log(evidence), abs=0.02)
        mean, covariance = grid.moments()
        assert mean[0] == pytest.approx(0, abs=0.01) and covariance[0, 0] == pytest.approx(mean_square, abs=0.02)

    def test_distances_between_marginals_are_those_of_the_densities(self, likelihood):
        axis = np.linspace(-5.2, 5.2, 301)
        near, far = (
            Grid.from_log((axis[::6],) * 3, sum(-0.5 * np.square(a - shift) for a in np.ix_(*(axis[::6],) * 3)))
            for shift in (0.0, 1.0)
        )
        found = predictive.marginal_distances(near, likelihood.scores, far, likelihood.scores)
        assert list(found) == THETA
        for value in found.values():
            assert value == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.01)
        assert max(predictive.marginal_distances(near, likelihood.scores, near, likelihood.scores).values()) < 1e-8


class TestStrangeness:
    def test_p_values_are_uniform_on_rows_with_their_own_noise(self, calibrated):
        p_values = calibrated[1]
        assert kstest(p_values, "uniform").pvalue > 1e-3
        assert p_values.min() < 0.03 and p_values.max() > 0.97

    @pytest.mark.parametrize("config", ["gaussian", "wide"])
    def test_the_k_giants_are_unusual_and_less_so_with_their_errors(self, config):
        exact = quiet(K_GIANTS, n=500, config=config)
        assert exact.p_value == 0.0 and exact.distance > 5 and "p-value < 0.001" in str(exact)
        assert set(K_GIANTS) <= set(exact.outside)
        assert any("does not make this motion" in text for text in exact.warnings)
        assert any("disagree in m_lmc" in text for text in exact.warnings) and exact.disagreement["m_lmc"] > 0.5
        honest = quiet(K_GIANTS, K_GIANTS_COVARIANCE, config=config)
        assert honest.p_value < 0.02 and 2 < honest.distance < 3.5
        low, middle, high = honest.percentiles().loc["m_lmc"] / 1e10
        assert (low, middle, high) == pytest.approx((12.6, 18.3, 24.7), abs=1.5)  # from 9,000 simulations at that LMC
        assert max(honest.disagreement.values()) < 0.1

    def test_it_warns_wherever_the_model_does_not_hold(self, capsys):
        far = {"v_travel": 300.0, "l_apex": 180.0, "b_apex": 80.0}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = mw.infer(far, n=100)
        assert [str(each.message) for each in caught] == list(found.warnings)
        assert "does not make this motion at this LMC: p-value < 0.001" in found.warnings[0]
        assert "Warning: The model does not make this motion" in str(found) and found.distance > 20
        assert cli.main(["infer", *words_of(far), "--n", "100", "--json"]) == 0
        out, error = capsys.readouterr()
        assert "warning: The model does not make this motion" in error
        reported = json.loads(out)
        assert reported["p_value"] == 0.0 and reported["distance"] == found.distance
        assert reported["warnings"] == list(found.warnings)

    def test_inside_the_model_there_is_no_warning(self, capsys):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = mw.infer(REFLEX, n=200)
        assert found.warnings == () and found.p_value > 0.1 and found.distance < 2.8 and found.n_predictive == 1000
        assert set(found.disagreement) == set(THETA) and max(found.disagreement.values()) < 0.1
        assert cli.main(["infer", *words_of(REFLEX), "--n", "200"]) == 0
        assert capsys.readouterr().err == ""

    def test_p_values_fall_with_the_distance_from_the_model(self):
        values = [quiet({**REFLEX, "v_travel": v, "l_apex": 137.0}, n=1).distance for v in (60.0, 120.0, 240.0)]
        assert values == sorted(values)

    def test_the_p_value_is_of_this_lmc_and_these_errors(self):
        far = {**REFLEX, "v_travel": 95.0}
        assert quiet(far, n=1).p_value < 0.01 < quiet(far, 900.0 * np.eye(3), n=1).p_value
        there = mw.validation_cases()["fire-m12b"].observation
        place = {name: there[name] for name in LMC_VECTOR}
        here, moved = (quiet(REFLEX, n=1, config="wide", lmc=lmc) for lmc in (None, place))
        assert abs(here.p_value - moved.p_value) > 0.1 and moved.disagreement == {}


class TestErrors:
    def test_a_fit_is_used_with_its_covariance(self):
        simulation = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=4)
        fit = simulation.reflex
        found = quiet(fit, n=300, seed=2)
        np.testing.assert_array_equal(found.covariance, 0.5 * (fit.covariance[:3, :3] + fit.covariance[:3, :3].T))
        assert found.errors_given and found.observation["v_travel"] == pytest.approx(fit.v_travel)
        by_name = dict(zip(TRAVEL, fit.vector, strict=True))
        same = quiet(by_name, fit.covariance[:3, :3], n=300, seed=2)
        pd.testing.assert_frame_equal(same.samples, found.samples)
        assert same.p_value == found.p_value
        vector = {name: getattr(simulation.parameters, name) for name in LMC_VECTOR}
        np.testing.assert_allclose(quiet(fit, n=300, seed=2, lmc=vector).samples, found.samples, rtol=1e-4)

    def test_a_fit_of_another_shell_is_refused(self):
        halo = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=4).halo
        for shell in ({"r_max": 150.0}, {"r_min": 40.0}, {"r_min": 40.0, "r_max": 100.0}):
            fit = mw.fit_reflex(halo.positions, halo.velocities, **shell)
            with pytest.raises(ValueError, match=r"= a fit of stars at .* allowed is a fit of all beyond 50 kpc.*, all "
                               r"at 50 to 100 kpc .* or all at 50 to 300 kpc"):  # fmt: skip
                mw.infer(fit)

    def test_errors_of_speed_and_apex_become_a_covariance_by_their_derivatives(self):
        measured = read_measurement(K_GIANTS, {"v_travel": 0.9, "l_apex": 1.3, "b_apex": 1.1})
        rng = np.random.default_rng(3)
        v, l, b = (K_GIANTS[name] + sigma * rng.normal(size=400_000) for name, sigma in
                   (("v_travel", 0.9), ("l_apex", 1.3), ("b_apex", 1.1)))  # fmt: skip
        l, b = np.radians(l), np.radians(b)
        drawn = np.cov(v * np.array([np.cos(b) * np.cos(l), np.cos(b) * np.sin(l), np.sin(b)]))
        np.testing.assert_allclose(measured.covariance, drawn, atol=0.01)

    def test_errors_by_component_and_as_a_matrix_are_one(self):
        vector = dict(zip(TRAVEL, (6.0, 10.0, -33.0), strict=True))
        sigma = dict(zip(TRAVEL, (5.0, 6.0, 7.0), strict=True))
        one, other = quiet(vector, sigma, n=100), quiet(vector, np.diag([25.0, 36.0, 49.0]), n=100)
        pd.testing.assert_frame_equal(one.samples, other.samples)
        with_unit = quiet(vector, np.diag([25.0, 36.0, 49.0]) * 1e6 * u.m**2 / u.s**2, n=100)
        np.testing.assert_allclose(with_unit.samples, other.samples)

    def test_larger_errors_widen_the_posterior_up_to_the_prior(self):
        prior = mw.Prior("gaussian", THETA).sample(20_000, seed=1)[THETA]
        widths = [quiet(REFLEX, scale**2 * np.eye(3), n=4000).samples["m_lmc"].std() for scale in (1.0, 6.0, 1000.0)]
        assert widths == sorted(widths)
        assert widths[2] == pytest.approx(prior["m_lmc"].std(), rel=0.05)

    def test_errors_default_to_those_of_simulated_stars(self, likelihood):
        found = quiet(REFLEX, n=50)
        np.testing.assert_array_equal(found.covariance, likelihood.halo_covariance)
        assert not found.errors_given and "4,500 simulated stars" in str(found)
        assert np.sqrt(np.diag(found.covariance)) == pytest.approx([2.1, 2.2, 4.2], abs=0.1)


class TestInfer:
    def test_a_row_gives_the_same_by_sky_by_vector_and_as_a_series(self, rows):
        row = rows.iloc[0]
        sky = {name: float(row[name]) for name in (*SKY_NAMES, *REFLEX)}
        vector = {name: float(row[name]) for name in DATA}
        one, other = quiet(sky, n=500, seed=3), quiet(vector, n=500, seed=3)
        np.testing.assert_allclose(one.samples, other.samples, rtol=1e-4)
        apart = quiet({k: vector[k] for k in REFLEX}, n=500, seed=3, lmc={k: vector[k] for k in LMC_VECTOR})
        pd.testing.assert_frame_equal(apart.samples, other.samples)
        pd.testing.assert_frame_equal(quiet(row[list(DATA)], n=500, seed=3).samples, other.samples)
        of_table = Table([[value] for value in vector.values()], names=list(vector))[0]
        pd.testing.assert_frame_equal(quiet(of_table, n=500, seed=3).samples, other.samples)
        assert (quiet(vector, n=500, seed=4).samples != other.samples).to_numpy().all()

    def test_the_observed_lmc_is_the_default(self):
        bare = quiet(REFLEX, n=100)
        given = quiet({**REFLEX, **SKY}, n=100)
        pd.testing.assert_frame_equal(bare.samples, given.samples)
        assert bare.outside == () and max(map(abs, bare.in_support.values())) < 4

    def test_units_are_converted(self):
        plain = quiet({**REFLEX, **SKY}, ERRORS, n=100)
        units = {"v_travel": 0.035 * u.Mm / u.s, "l_apex": np.pi / 3 * u.rad, "b_apex": -70 * 60 * u.arcmin}
        place = {**SKY, "distance_lmc": 49_590 * u.pc}
        sigma = {"v_travel": 6000 * u.m / u.s, "l_apex": 12 * u.deg, "b_apex": 480 * u.arcmin}
        np.testing.assert_allclose(quiet({**units, **place}, sigma, n=100).samples, plain.samples, rtol=1e-6)
        whole_turn = quiet({**REFLEX, "l_apex": 320.0}, n=100)
        np.testing.assert_allclose(whole_turn.samples, quiet({**REFLEX, "l_apex": -40.0}, n=100).samples, rtol=1e-6)

    def test_density_and_draws_are_of_one_posterior(self):
        """Half of its own draws and half of the prior's: the mean of density over their mixture's is one."""
        found, prior = quiet(REFLEX, n=4000), mw.Prior("gaussian", THETA)
        both = pd.concat([found.samples, prior.sample(4000, seed=8)[THETA]])
        own, of_prior = found.log_prob(both), prior.log_prob(both)
        ratio = np.exp(own - np.logaddexp(own, of_prior) + np.log(2.0))
        assert ratio.mean() == pytest.approx(1.0, abs=0.03)
        np.testing.assert_array_equal(found.log_prob(both.to_numpy()), own)
        assert found.log_prob(pd.DataFrame([[1e12, 1e12, 1.5]], columns=THETA))[0] == -np.inf

    def test_more_motion_means_a_heavier_lmc(self):
        median = [quiet({**REFLEX, "v_travel": v}, n=2000).percentiles()["p50"]["m_lmc"] for v in (15, 35, 50)]
        assert median == sorted(median) and median[2] > 2 * median[0]

    def test_outside_the_training_set_it_warns_and_the_wide_network_covers_it(self):
        cases = mw.validation_cases()
        for name, case in cases.items():
            found, wide = (quiet(case.observation, n=200, config=c) for c in ("gaussian", "wide"))
            assert found.outside[: len(case.outside)] == case.outside, name
            sky = {datum: case.in_support[datum] for datum in SKY_NAMES}
            assert {datum: found.in_support[datum] for datum in SKY_NAMES} == sky, name
            own = quiet(case, n=50)
            assert (own.r_min, own.r_max) == (case.r_min, case.r_max)
            assert any("outside the network's training set" in text for text in found.warnings) == bool(case.outside)
            assert not set(wide.outside) & set(SKY_NAMES)
        assert quiet(cases["fire-m12b"].observation, n=10).outside

    @pytest.mark.parametrize("speed, apex", [(500.0, (40.0, -60.0)), (900.0, (-100.0, 80.0))])
    def test_a_motion_that_no_halo_has_is_flagged_and_answered_within_the_prior(self, speed, apex):
        found = quiet({"v_travel": speed, "l_apex": apex[0], "b_apex": apex[1]}, n=200)
        assert found.p_value == 0.0 and found.warnings and np.isfinite(found.log_prob(found.samples)).all()
        assert found.outside == tuple(REFLEX)

    def test_zero_motion_is_a_valid_observation(self):
        found = quiet({"v_travel": 0.0, "l_apex": 0.0, "b_apex": 0.0}, n=200)
        assert 0.0 < found.p_value < 0.1 and np.isfinite(found.log_prob(found.samples)).all()

    def test_percentiles_are_numpys(self):
        found = quiet(REFLEX, n=300)
        table = found.percentiles((2.5, 50))
        assert list(table.columns) == ["p2.5", "p50"] and list(table.index) == THETA
        assert table["p2.5"]["m200_mw"] == np.percentile(found.samples["m200_mw"], 2.5)

    @pytest.mark.parametrize(
        "observation, options, words",
        [
            ({"v_travel": 1.0}, {}, "observation lacks l_apex, b_apex"),
            ({**REFLEX, "ra_lmc": 80.0}, {}, "lacks dec_lmc, distance_lmc"),
            ({**REFLEX, "x_lmc": 1.0}, {}, "lacks y_lmc, z_lmc"),
            ({**REFLEX, **dict.fromkeys((*SKY_NAMES, *LMC_VECTOR), 1.0)}, {}, "given twice"),
            ({**REFLEX, **SKY}, {"lmc": SKY}, "given twice"),
            ({**REFLEX, "vx_travel": 3.0}, {}, "given twice"),
            ({**REFLEX, "b_apex": np.nan}, {}, "b_apex = nan"),
            ({**REFLEX, "b_apex": np.ma.masked_array([1.0], [True])[0]}, {}, "b_apex = "),
            ({**REFLEX, "v_travel": 3 * u.kpc}, {}, "v_travel = numbers in kpc"),
            ({**REFLEX, "v_travel": [3.0, 4.0]}, {}, "v_travel = an array"),
            ({**REFLEX, "v_travel": -3.0}, {}, r"v_travel = -3.0: allowed is a finite number from 0"),
            ({**REFLEX, "v_travel": 5000.0}, {}, "v_travel = 5000.0"),
            ({"vx_travel": 3e3, "vy_travel": 0.0, "vz_travel": 0.0}, {}, "v_travel = 3000"),
            ({**REFLEX, "b_apex": 200.0}, {}, "b_apex = 200.0: allowed is a finite number from -90 to 90 deg"),
            ({**REFLEX, "b_apex": -136.0}, {}, "b_apex = -136.0"),
            ({**REFLEX, "l_apex": 400.0}, {}, "l_apex = 400.0"),
            ({**REFLEX, **SKY, "distance_lmc": -49.0}, {}, "distance_lmc = -49.0"),
            ({**REFLEX, **SKY, "dec_lmc": -110.81}, {}, "dec_lmc = -110.81"),
            (REFLEX, {"lmc": {**SKY, "distance_lmc": 0.0}}, "distance_lmc = 0.0"),
            ({**REFLEX, "ra": 80.0}, {}, "observation holds 'ra': .* do you mean 'ra_lmc'"),
            ({**REFLEX, "X_LMC": 80.0}, {}, "observation holds 'X_LMC': .* do you mean 'x_lmc'"),
            ({**REFLEX, "err_v_travel": 7.0}, {}, "observation holds 'err_v_travel': .*errors="),
            ({**REFLEX, "sim_id": 3}, {}, "observation holds 'sim_id'"),
            (REFLEX, {"lmc": {"distance": 50.0}}, "lmc holds 'distance': .* do you mean 'distance_lmc'"),
            (REFLEX, {"errors": {**ERRORS, "l_apx": 1.0}}, "errors holds 'l_apx': .* do you mean 'l_apex'"),
            (REFLEX, {"errors": {"v_travel": 7.0}}, "errors lacks l_apex, b_apex"),
            (REFLEX, {"errors": {**ERRORS, "l_apex": -1.0}}, r"errors\['l_apex'\] = -1.0"),
            (REFLEX, {"errors": {**ERRORS, "b_apex": 80.0}}, "allowed is at most 45 deg"),
            (REFLEX, {"errors": 7.0}, "errors = a number: allowed is the shape"),
            (REFLEX, {"errors": np.diag([1.0, 1.0, -1.0])}, "no positive definite covariance"),
            (REFLEX, {"errors": np.diag([1.0, 1.0, 1e-6])}, "0.001 km/s in one direction"),
            (REFLEX, {"errors": np.triu(np.ones((3, 3))) + np.eye(3)}, "symmetric matrix"),
            (REFLEX, {"errors": np.diag([1.0, 1.0, np.inf])}, r"errors\[2, 2\] = inf"),
            (REFLEX, {"n": 0}, "n = 0: allowed is a whole number from 1"),
            (REFLEX, {"n": True}, "n = True"),
            (REFLEX, {"seed": 1.5}, "seed = 1.5"),
            (REFLEX, {"config": "flat"}, "config = 'flat': allowed is 'gaussian', 'wide'"),
        ],
    )
    def test_bad_input_is_named(self, observation, options, words):
        with pytest.raises(ValueError, match=words):
            mw.infer(observation, **options)

    def test_what_is_not_an_observation_is_a_type_error(self):
        with pytest.raises(TypeError, match="list: allowed is a Reflex, an Observation, a Case or a mapping"):
            mw.infer([35.0, 60.0, -70.0])

    def test_errors_of_a_fit_are_not_an_observation(self):
        fit = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=4).reflex
        with pytest.raises(ValueError, match="observation holds 'mean_v_r'"):
            mw.infer(fit.errors)
        with pytest.raises(ValueError, match="a fit has its covariance"):
            mw.infer(fit, fit.covariance[:3, :3])
        with pytest.raises(ValueError, match="vx_travel = nan"):
            mw.infer(dataclasses.replace(fit, values=np.full(9, np.nan)))

    def test_it_needs_no_torch(self):
        code = (
            "import sys, mwlmc_data as mw; mw.infer({'v_travel': 35., 'l_apex': 60., 'b_apex': -70.}, n=10);"
            "print(sorted({'torch', 'sbi'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def words_of(reflex, prefix=""):
    return [word for name, value in reflex.items() for word in (f"--{prefix}{name.replace('_', '-')}", str(value))]


class TestCommand:
    def test_it_prints_the_table_and_writes_the_draws(self, tmp_path, capsys):
        for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
            path = tmp_path / f"draws{suffix}"
            assert cli.main(["infer", *words_of(REFLEX), "--n", "500", "--out", str(path)]) == 0
            pd.testing.assert_frame_equal(read(path), quiet(REFLEX, n=500).samples)
        out = capsys.readouterr().out
        assert "m_lmc" in out and "1e10 Msun" in out and "extrapolated" not in out and "p-value 0." in out

    def test_errors_are_options(self, capsys):
        assert cli.main(["infer", *words_of(REFLEX), *words_of(ERRORS, "err-"), "--n", "300", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        expected = quiet(REFLEX, ERRORS, n=300)
        assert found["errors_given"] is True and found["covariance"] == expected.covariance.tolist()
        assert found["percentiles"] == expected.percentiles((2.5, 16, 50, 84, 97.5)).to_dict(orient="index")
        assert found["disagreement"] == dict(expected.disagreement)

    def test_json_holds_the_numbers(self, capsys):
        assert cli.main(["infer", "--case", "fire-m12b", "--n", "300", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        case = mw.validation_cases()["fire-m12b"]
        assert found["outside"][: len(case.outside)] == list(case.outside)
        assert found["observation"] == dict(case.observation) and found["p_value"] < 0.01
        expected = quiet(case.observation, n=300).percentiles((2.5, 16, 50, 84, 97.5))
        assert found["percentiles"] == expected.to_dict(orient="index")

    def test_a_published_measurement_and_lmc_are_named(self, capsys):
        words = ["infer", "--published", "yaaqib24-50", "--lmc", "vasiliev", "--n", "100", "--json"]
        assert cli.main(words) == 0
        found = json.loads(capsys.readouterr().out)
        observations = mw.observations
        entry, lmc = observations.load_observation("yaaqib24-50"), observations.load_lmc("vasiliev")
        expected = quiet(entry, n=100, lmc=lmc)
        assert found["observation"] == dict(expected.observation) and found["reach"] == 200.0
        assert found["percentiles"] == expected.percentiles((2.5, 16, 50, 84, 97.5)).to_dict(orient="index")

    def test_the_shell_is_that_of_the_case_or_an_option(self, capsys):
        observation = mw.validation_cases()["gc19-fiducial"].observation
        for words, shell in (([], (50, 100)), (["--r-max", "inf"], (50, math.inf)), (["--r-max", "300"], (50, 300))):
            assert cli.main(["infer", "--case", "gc19-fiducial", *words, "--n", "100", "--json"]) == 0
            found = json.loads(capsys.readouterr().out)
            assert (found["r_min"], found["r_max"]) == (50.0, None if math.isinf(shell[1]) else shell[1])
            expected = quiet(observation, n=100, shell=shell).percentiles((2.5, 16, 50, 84, 97.5))
            assert found["percentiles"] == expected.to_dict(orient="index")

    def test_a_case_outside_the_model_warns(self, capsys):
        assert cli.main(["infer", "--case", "fire-m12b", "--n", "100"]) == 0
        assert "outside the network's training set" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "words, reported",
        [
            (["--case", "rigidd"], "--case = 'rigidd': allowed is 'rigid'"),
            (["--case", "rigid", "--v-travel", "3"], "allowed is one of the two"),
            (["--case", "rigid", "--published", "li26"], "allowed is one of the two"),
            (["--published", "bystrom25"], "whose errors could not be read"),
            (["--published", "yaaqib24-40-50"], "stars at 40 < r < 50 kpc: allowed is a fit of all beyond 50 kpc"),
            (["--published", "yaaqib24-50", "--r-max", "100"], "shell = (50.0, 100.0) beside"),
            ([*words_of(REFLEX), "--r-max", "150"], "at 50 < r < 150 kpc: allowed is a fit of all beyond 50 kpc"),
            (["--published", "yaaqib"], "name = 'yaaqib': allowed is"),
            ([*words_of(REFLEX), "--lmc", "hst"], "name = 'hst': allowed is 'kallivayalil13'"),
            (["--v-travel", "3"], "lacks l_apex"),
            ([*words_of(REFLEX), "--err-v-travel", "3"], "errors lacks l_apex, b_apex"),
            (["--case", "rigid", "--out", "draws.npz"], ".csv or .parquet"),
        ],
    )
    def test_bad_input_is_one_line(self, words, reported, capsys):
        assert cli.main(["infer", *words]) == 2
        error = capsys.readouterr().err
        assert reported in error and error.count("\n") == 1
