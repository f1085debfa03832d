"""Posteriors given moments: against a problem that is solved exactly, and with the real mocks."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

import mwlmc_data as mw
from mwlmc_data.inference import MomentsPosterior, mock_simulations
from mwlmc_data.inference.checkpoint import Checkpoint
from mwlmc_data.inference.emulator import evaluate_basis, fit_emulator
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.mock_simulations import MockRecipe, simulate_mocks
from mwlmc_data.inference.moments import infer_moments
from mwlmc_data.inference.present_day import PresentDay
from mwlmc_data.rewinding import survey
from mwlmc_data.rewinding.observed import take_observed
from mwlmc_data.simulator.limits import CARTESIAN_NAMES
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.surveys import Moments, measure_moments

ERRORS = {"distance": 0.05, "v_los": 5.0, "pm_l": 0.05, "pm_b": 0.05}
TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.8e11, "log10_lambda_df": 0.0}
#: One star of a population.
STAR = np.array([[0.0, 0.0, 60.0, 1.0, 1.0, 1.0]])


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.infer_stars(*args, **{"method": "moments", "progress": False, **options})


@pytest.fixture(scope="module")
def world():
    """Two numbers with a curved mean, a width that grows, and a correlation of 0.6."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2.0, 3.0, size=(4000, 2))
    mean = np.stack([x[:, 0] ** 2 + x[:, 1], np.sin(x[:, 0]) - 2.0 * x[:, 1]], axis=1)
    width = np.stack([np.exp(0.3 * x[:, 0]), np.full(len(x), 0.5)], axis=1)
    noise = rng.multivariate_normal([0, 0], [[1.0, 0.6], [0.6, 1.0]], size=len(x))
    return x, mean, width, mean + width * noise


class TestEmulator:
    def test_means_and_widths_are_found(self, world):
        x, mean, width, values = world
        found_mean, found_width = fit_emulator(x, values).predict(x)
        assert np.abs(found_mean - mean).max(axis=0) == pytest.approx([0.0, 0.0], abs=0.35)
        np.testing.assert_allclose(found_width / width, 1.0, atol=0.2)

    def test_the_density_is_a_gaussians_with_the_errors_of_predictions(self, world):
        x, _, _, values = world
        emulator = fit_emulator(x[:3000], values[:3000])
        mean, width = emulator.predict(x[3000:])
        found = emulator.log_density(values[3000:], mean, width)
        ideal = -(math.log(2 * math.pi) + 0.5 * math.log(1 - 0.36) + 1.0) - np.log(world[2][3000:]).sum(axis=1).mean()
        assert found.mean() == pytest.approx(ideal, abs=0.05)
        away = (values[3000:] - mean) / width
        whitened = np.linalg.solve(emulator.factor, away.T)
        assert all(kstest(part, "norm").pvalue > 1e-3 for part in whitened)

    def test_a_penalty_keeps_a_constant_constant(self):
        rng = np.random.default_rng(1)
        x, values = rng.normal(size=(300, 4)), rng.normal(size=(300, 1))
        mean, width = fit_emulator(x, values).predict(x)
        assert mean.std() < 0.25 and width.mean() == pytest.approx(1.0, abs=0.15)

    def test_the_basis_is_orthonormal_and_of_bounded_degree(self):
        x = np.random.default_rng(2).uniform(-1, 1, size=(200_000, 3))
        basis, degrees = evaluate_basis(x, 3)
        assert basis.shape[1] == 20 and degrees.max() == 3
        np.testing.assert_allclose(basis.T @ basis / len(x), np.eye(20), atol=0.03)

    def test_too_few_simulations_are_refused(self):
        with pytest.raises(ValueError, match="simulations = 30: allowed are 168 or more for 6 parameters"):
            fit_emulator(np.random.default_rng(0).normal(size=(30, 6)), np.zeros((30, 9)))


@pytest.fixture(scope="module")
def table():
    halo = mw.simulate(mw.Parameters(**TRUTH), seed=3, n_stars=9000).halo
    return mw.mock_survey(halo, selection=mw.Selection(r_min=50, r_max=150), errors=ERRORS, n=120, seed=1)


class LinearRecipe(MockRecipe):
    """Mocks whose moments are the scores and noise: a problem with a known posterior."""

    def simulate(self, i):
        rng = np.random.default_rng((self.seed, 20, i))
        score = rng.standard_normal(len(self.parameters.free))
        moments = np.array([*score, *score, *score[:1], 0.0, 0.0])[:9] * 3.0 + rng.normal(size=9)
        return score, moments


class TestInference:
    def run(self, table, observed, monkeypatch, n_mocks=1000, names=REFLEX_NAMES):
        parameters = FreeParameters(
            "gaussian",
            ("m200_mw", "beta0", "r_dehnen"),
            {
                "m_lmc": 1.5e11,
                "log10_lambda_df": 0.0,
                **dict(zip(("x_lmc", "y_lmc", "z_lmc"), (-1.0, -41.0, -28.0), strict=True)),
                "vx_lmc": -57.0,
                "vy_lmc": -226.0,
                "vz_lmc": 221.0,
            },
        )
        recipe = LinearRecipe(take_observed(table), None, parameters, PresentDay(np.zeros(6)), 5, 0)
        monkeypatch.setattr("mwlmc_data.inference.moments.measure_moments", lambda stars: observed)
        return infer_moments(recipe, names, 0, 4000, n_mocks, 1, Checkpoint(None, "00"), lambda *_: None), parameters

    def test_the_posterior_is_that_of_the_linear_problem(self, table, monkeypatch):
        values = np.array([1.5, -3.0, 0.6, 1.5, -3.0, 0.6, 1.5, 0.2, -0.1])
        found, parameters = self.run(table, Moments(values, 120), monkeypatch)
        scores = parameters.compute_scores({name: found.samples[name] for name in parameters.free})
        repeats = np.array([3, 2, 2])
        precision = 1.0 + 9.0 * repeats
        expected = 3.0 * repeats * values[:3] / precision
        assert scores.mean(axis=0) == pytest.approx(expected, abs=0.08)
        assert scores.std(axis=0) == pytest.approx(1 / np.sqrt(precision), rel=0.12)
        assert found.p_value > 0.02 and found.n_predictive == 200
        strange, _ = self.run(table, Moments(values + 9.0 * np.array([1, -1, 1, 0, 0, 0, 0, 1, 1]), 120), monkeypatch)
        assert strange.p_value == 0.0 and any("does not make such moments" in text for text in strange.warnings)

    def test_mocks_held_out_say_that_it_is_calibrated(self, table, monkeypatch):
        found, parameters = self.run(table, Moments(np.zeros(9), 120), monkeypatch, n_mocks=2000)
        assert list(found.calibration.index) == list(parameters.free)
        for level in ("68", "95"):
            off = (found.calibration[f"inside_{level}"] - int(level) / 100) / found.calibration[f"error_{level}"]
            assert off.abs().max() < 4
        assert found.calibration["ks"].min() > 1e-3 and found.warnings == ()
        assert "in the 68% intervals of 400 mocks held out" in str(found)

    def test_masses_within_50_kpc_follow_from_the_same_draws(self, table, monkeypatch):
        free = ("m200_mw", "m_lmc", "m_lmc_8p7", "beta0")
        held = {"log10_lambda_df": 0.0, "r_dehnen": 12.0, **{name: 1.0 for name in CARTESIAN_NAMES}}
        recipe = LinearRecipe(
            take_observed(table), None, FreeParameters("gaussian", free, held), PresentDay(np.zeros(6)), 5, 0
        )
        values = np.array([0.5, -1.0, 0.6, 1.0, 0.5, -1.0, 0.6, 1.0, 0.5]) * 3.0
        monkeypatch.setattr("mwlmc_data.inference.moments.measure_moments", lambda stars: Moments(values, 120))
        rest = (REFLEX_NAMES, 0, 500, 400, 1, Checkpoint(None, "00"), lambda *_: None)
        total, within = (infer_moments(recipe, *rest, targets) for targets in ("total", "within-50"))
        masses = mw.enclosed_masses(total.samples[list(free[:3])])
        np.testing.assert_allclose(within.samples[["m_mw_50", "m_lmc_50"]], masses, rtol=1e-12)
        np.testing.assert_array_equal(within.samples["beta0"], total.samples["beta0"])
        assert list(within.calibration.index) == ["m_mw_50", "m_lmc_50", "beta0"]
        # one grows with the other, so that their ranks are the same
        assert within.calibration.loc["m_mw_50"].equals(total.calibration.loc["m200_mw"])
        assert not within.calibration.loc["m_lmc_50"].equals(total.calibration.loc["m_lmc"])
        assert len(within.plot(prior=True).axes) == 9

    def test_what_the_stars_do_not_determine_is_left_out(self, table, monkeypatch):
        values = np.zeros(9)
        values[5:] = np.nan
        found, _ = self.run(table, Moments(values, 120), monkeypatch)
        assert np.isfinite(found.log_evidence) and len(found.moments.names) == len(found.names) == 5
        with pytest.raises(ValueError, match="moments = sigma_v_b: allowed is one that the stars determine"):
            self.run(table, Moments(values, 120), monkeypatch, names=["sigma_v_b"])
        monkeypatch.setattr("mwlmc_data.inference.moments.simulate_mocks", None)  # it is refused before the work
        with pytest.raises(ValueError, match="moments = no names: allowed is one that the stars determine"):
            self.run(table, Moments(values, 120), monkeypatch, names=[])

    def test_moments_that_are_not_chosen_do_not_count(self, table, monkeypatch):
        values = np.array([1.5, -3.0, 0.6, 99.0, 99.0, 99.0, 99.0, 99.0, 99.0])
        found, parameters = self.run(table, Moments(values, 120), monkeypatch, names=REFLEX_NAMES[:3])
        scores = parameters.compute_scores({name: found.samples[name] for name in parameters.free})
        assert scores.mean(axis=0) == pytest.approx(0.3 * values[:3], abs=0.08)
        assert found.names == REFLEX_NAMES[:3] and found.p_value > 0.02


class TestMocks:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(mock_simulations, "BATCH", 10)

    def recipe(self, table, selection=None, place=None, n_simulated=2500):
        there = mw.Parameters(**TRUTH)
        held = {"m200_mw": 1.1e12, "log10_lambda_df": 0.0, "beta0": 0.4, "r_dehnen": 12.0}
        held |= {name: getattr(there, name) for name in CARTESIAN_NAMES}
        parameters = FreeParameters("gaussian", ("m_lmc",), held)
        return MockRecipe(take_observed(table), selection, parameters, place, 4, n_simulated)

    @pytest.mark.parametrize("selection", [None, mw.Selection(r_min=50, r_max=150)])
    def test_moments_follow_the_mass_of_the_lmc(self, table, selection):
        """The disc falls towards a heavy LMC."""
        recipe = self.recipe(table, selection, n_simulated=4000)
        vz = []
        for score in (-2.0, 2.5):
            there = recipe._build(np.array([score]), None)
            seen = [recipe._observe(there, i, np.random.default_rng(i)) for i in range(5)]
            assert all(len(each) == len(table) for each in seen)
            vz.append(np.mean([measure_moments(each).values[2] for each in seen]))
        assert vz[1] < vz[0] - 15.0

    def test_two_processes_give_the_same_as_one(self, table):
        one, two = (simulate_mocks(self.recipe(table), 10, k, Checkpoint(None, "00"), lambda *_: None) for k in (1, 2))
        np.testing.assert_array_equal(one.moments, two.moments)

    def test_a_footprint_that_no_process_can_import_is_simulated_here(self, table):
        recipe = self.recipe(table, mw.Selection(footprint=lambda l, b: b > -90.0))
        assert np.isfinite(simulate_mocks(recipe, 10, 2, Checkpoint(None, "00"), lambda *_: None).moments).all()

    def test_a_run_goes_on_where_it_stopped_and_a_longer_one_keeps_it(self, table, tmp_path):
        counted = []
        for n in (10, 20):
            checkpoint = Checkpoint(tmp_path / "mocks.npz", "ab")
            simulate_mocks(self.recipe(table), n, 1, checkpoint, lambda stage, k: counted.append(k))
            assert len(checkpoint._results) == n // 10
        assert counted == [10, 10, 10]

    def test_mocks_that_all_fail_end_the_run(self, table, monkeypatch):
        monkeypatch.setattr(mock_simulations, "measure_moments", lambda stars: (_ for _ in ()).throw(ValueError("no")))
        with pytest.raises(RuntimeError, match="100% of 10 simulated surveys cannot be made"):
            simulate_mocks(self.recipe(table), 10, 1, Checkpoint(None, "00"), lambda *_: None)

    def test_the_lmc_is_drawn_within_its_errors(self, table):
        place = PresentDay(
            np.zeros(6), np.array([78.76, -69.19, 49.59, 262.2, 1.91, 0.229]), np.array([0.5, 0.25, 0.5, 3, 0.02, 0.05])
        )
        recipe = self.recipe(table, place=place)
        built = recipe._build(np.zeros(1), place.draw(1, np.random.default_rng(0))[0])
        other = recipe._build(np.zeros(1), place.draw(1, np.random.default_rng(1))[0])
        assert built.distance_lmc != other.distance_lmc and built.distance_lmc == pytest.approx(49.59, abs=3)


class TestRoad:
    def test_a_survey_of_a_halo_is_inferred(self, table, monkeypatch, tmp_path):
        monkeypatch.setattr(mock_simulations, "_LEAST", 1000)
        monkeypatch.setattr(mock_simulations, "_FOR_EACH", 5)
        monkeypatch.setattr(survey, "_FIRST", 3000)
        held = {"m200_mw": 1.1e12, "log10_lambda_df": 0.0, "beta0": 0.45, "r_dehnen": 12.0}
        options = {"free": ("m_lmc",), "held": held, "lmc": mw.observations.load_lmc(), "n_mocks": 60, "workers": 1}
        found = quiet(table, resume=tmp_path / "mocks.npz", **options)
        assert isinstance(found, MomentsPosterior) and found.n_mocks == 100 and found.lmc_has_errors
        assert found.n_stars == len(table) and list(found.samples.columns) == ["m_lmc"]
        low, high = np.percentile(found.samples["m_lmc"], (1, 99))
        assert low < TRUTH["m_lmc"] < high and found.p_value > 0.0
        again = quiet(table.iloc[::-1], resume=tmp_path / "mocks.npz", **options)
        pd.testing.assert_frame_equal(again.samples, found.samples)
        with pytest.raises(ValueError, match="allowed is a file of the same stars, settings and versions"):
            quiet(table, resume=tmp_path / "mocks.npz", **{**options, "seed": 1})

    def test_a_stream_is_told_from_the_halo_and_its_part_is_inferred(self, table, monkeypatch):
        """A quarter of the stars moves together, which no mass of the LMC does."""
        monkeypatch.setattr(mock_simulations, "_LEAST", 1000)
        monkeypatch.setattr(mock_simulations, "_FOR_EACH", 5)
        monkeypatch.setattr(survey, "_FIRST", 3000)
        rng = np.random.default_rng(4)
        angle = rng.uniform(0.0, 0.8 * np.pi, 3000)
        along = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
        across = np.stack([-np.sin(angle), np.cos(angle), np.zeros_like(angle)], axis=1)
        stream = np.hstack([90.0 * along, 220.0 * across]) + rng.normal(size=(3000, 6)) * [2, 2, 2, 8, 8, 8]
        chosen = mw.Selection(r_min=50, r_max=150)
        halo = mw.simulate(mw.Parameters(**TRUTH), seed=3, n_stars=9000).halo
        dirty = mw.mock_survey(halo, selection=chosen, errors=ERRORS, n=150, contamination={"stream": (stream, 0.25)})
        part = float((dirty["star"] == -1).mean())
        held = {"m200_mw": 1.1e12, "log10_lambda_df": 0.0, "beta0": 0.45, "r_dehnen": 12.0}
        options = {"free": ("m_lmc",), "held": held, "selection": chosen, "n_mocks": 150, "workers": 1}
        with_it = quiet(dirty, contamination={"stream": (stream, (0.0, 0.5))}, **options)
        without = quiet(dirty, **options)
        assert list(with_it.samples.columns) == list(with_it.calibration.index) == ["m_lmc", "part_stream"]
        assert abs(with_it.samples["part_stream"].median() - part) < 0.1
        assert with_it.samples["part_stream"].std() < 0.1 and with_it.p_value > 0.0
        assert without.p_value == 0.0 and any("does not make such moments" in text for text in without.warnings)
        low, high = np.percentile(with_it.samples["m_lmc"], (1, 99))
        assert low < TRUTH["m_lmc"] < high
        assert "contaminated by stream" in str(with_it) and len(with_it.plot(prior=True).axes) == 4
        known = quiet(dirty, contamination={"stream": (stream, 0.25)}, **{**options, "n_mocks": 100})
        assert list(known.samples.columns) == ["m_lmc"]

    @pytest.mark.parametrize(
        "change, words",
        [
            ({"targets": "masses"}, "targets = 'masses': allowed is 'total', 'within-50'"),
            ({"targets": "within-50", "free": ("m_lmc",)}, "free = m_lmc, with targets = 'within-50': allowed is also"),
            ({"method": "likelihood", "targets": "within-50"}, "targets = 'within-50' with method = 'likelihood'"),
            ({"method": "likelihood", "contamination": {}}, "contamination = given with method = 'likelihood'"),
            ({"contamination": {"a": (STAR, (0.5, 0.2))}}, r"\[1\] = 0.5 to 0.2: allowed are"),
            ({"contamination": {"a": (STAR, (0.0, 0.2))}, "n_mocks": 250}, "for 7 free parameters"),
            ({"n_total": 500}, "n_total = 500 with method = 'moments': allowed is None"),
            ({"method": "moment"}, "method = 'moment': allowed is 'likelihood', 'moments'"),
            ({"n_mocks": 0}, "n_mocks = 0"),
            ({"moments": ["v_travel"]}, "moments holds 'v_travel'"),
            ({"moments": "sigma_v_b"}, "moments = 'sigma_v_b': allowed is a sequence"),
            ({"method": "likelihood", "moments": ["sigma_v_b"]}, "moments = given with method = 'likelihood'"),
            ({"n_mocks": 200}, "n_mocks = 200: allowed is 210 or more for 6 free parameters"),
            ({"selection": mw.Selection(r_min=190, r_max=200)}, "none of them in the selection"),
        ],
    )
    def test_bad_input_is_named(self, table, change, words):
        with pytest.raises(ValueError, match=words):
            quiet(table, **change)

    def test_exact_stars_are_refused(self):
        halo = mw.simulate(mw.Parameters(**TRUTH), seed=3, n_stars=100).halo
        with pytest.raises(ValueError, match="with method = 'moments': allowed is a table of observed stars"):
            quiet(halo)

    def test_the_likelihood_refuses_errors_of_a_mapping_of_the_lmc(self, table):
        lmc = {"ra_lmc": 78.8, "dec_lmc": -69.2, "distance_lmc": 49.6, "v_los_lmc": 262.0, "pm_ra_lmc": 1.9,
               "pm_dec_lmc": 0.23, "err_distance_lmc": 1.0}  # fmt: skip
        with pytest.raises(ValueError, match="lmc holds err_distance_lmc: allowed is an exact LMC here"):
            quiet(table, method="likelihood", lmc=lmc)
