"""Networks for each shell of stars: chosen by the shell of what is measured, and as good as the one for all stars."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

import mwlmc_data as mw
from benchmarks.embedded.deconvolution import Rows, list_columns
from mwlmc_data.dataset import release
from mwlmc_data.inference import networks, predictive
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.inference.networks import NETWORKS, choose_config, list_configs, load_network
from mwlmc_data.inference.shells import TRAINED_SHELLS, WHOLE, require_trained_shell
from mwlmc_data.inference.targets import TARGETS
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.simulation import SHELLS
from mwlmc_data.storage import embedded
from tests.helpers.motions import VECTOR, quiet

#: Networks for shells with an outer radius.
NEW = [(config, shell) for config, shell, targets in NETWORKS if shell != WHOLE and targets == "total"]
#: Mean log density of the test split's fitted vectors, as ``python -m benchmarks calibration`` prints it, less 0.03.
LOG_DENSITY = {
    ("gaussian", (50.0, 100.0)): -9.44,
    ("gaussian", (50.0, 300.0)): -8.43,
    ("wide", (50.0, 100.0)): -9.51,
    ("wide", (50.0, 300.0)): -8.65,
}


@pytest.fixture(scope="module")
def halo():
    return mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=4).halo


def test_the_shells_are_those_of_the_catalogue():
    assert TRAINED_SHELLS == (WHOLE, *((FIT_R_MIN, outer) for outer in SHELLS))
    sets = [(config, shell) for config in ("gaussian", "wide") for shell in TRAINED_SHELLS]
    assert set(NETWORKS) == {(*key, targets) for key in sets for targets in ("total", "within-50")}
    assert list_columns((50.0, 100.0))[-9:-5] == [
        "vx_travel_50_100",
        "vy_travel_50_100",
        "vz_travel_50_100",
        "cov_vx_vx_50_100",
    ]
    assert list_columns()[-9:-5] == [*TRAVEL, "cov_vx_vx"]


@pytest.mark.parametrize("config, shell", NEW)
class TestNetworks:
    def test_it_describes_itself_and_is_small(self, config, shell):
        about = load_network(config, shell).about
        assert about["config"] == config and about["fast"] is False and tuple(about["theta_names"]) == TARGETS["total"]
        assert (about["r_min"], about["r_max"]) == shell
        assert about["data_sha256"] == release.get_entry(config)["sha256"]
        assert embedded.load_registry()[NETWORKS[config, shell, "total"]]["bytes"] < 200_000

    def test_the_density_of_held_out_fits_is_that_of_the_training(self, config, shell):
        """And far above that of the network for all stars."""
        likelihood, rows = load_network(config, shell).likelihood, Rows.load("test", config, shell).first(2000)
        u = likelihood.scores.forward(rows.theta)
        found = likelihood.log_likelihood(u, rows.vector, rows.covariance, rows.lmc)
        whole = load_network(config).likelihood.log_likelihood(u, rows.vector, rows.covariance, rows.lmc)
        error = found.std() / math.sqrt(len(found))
        assert found.mean() > LOG_DENSITY[config, shell] - 3 * error
        assert found.mean() > whole.mean() + 0.2

    def test_posteriors_and_p_values_are_calibrated_on_rows_that_it_never_saw(self, config, shell):
        likelihood = load_network(config, shell).likelihood
        rows = Rows.load("test", config, shell).where(slice(5, 245, 10))
        u, ranks, p_values = likelihood.scores.forward(rows.theta), [], []
        for i in range(len(rows)):
            measured = rows.vector[i], rows.covariance[i], rows.lmc[i]
            grid = likelihood.grid(*measured)
            ranks.append([grid.cumulative(k, u[i, k]) for k in range(3)])
            p_values.append(predictive.p_value(likelihood, *measured, seed=(i,)))
        for values in (*np.transpose(ranks), p_values):
            assert kstest(values, "uniform").pvalue > 1e-3
            assert abs(np.mean(np.abs(np.array(values) - 0.5) < 0.34) - 0.68) < 4 * math.sqrt(0.68 * 0.32 / len(rows))

    def test_the_true_vector_scatters_less_than_fits_do(self, config, shell):
        likelihood, rows = load_network(config, shell).likelihood, Rows.load("test", config, shell).first(60)
        log_weight, _, covariance = likelihood.components(likelihood.scores.forward(rows.theta), rows.lmc[0])
        mean = np.einsum("nk,nkij->nij", np.exp(log_weight), covariance)
        assert np.linalg.eigvalsh(covariance).min() > 0
        assert np.median(mean[:, 0, 0]) < 0.2 * likelihood.halo_covariance[0, 0]


@pytest.mark.parametrize("shell", TRAINED_SHELLS)
def test_a_fit_a_case_and_a_mapping_of_one_shell_are_inferred_alike(halo, shell):
    fit = mw.fit_reflex(halo.positions, halo.velocities, *shell)
    of_fit = quiet(fit, n=200)
    assert (of_fit.r_min, of_fit.r_max) == shell
    vector = dict(zip(TRAVEL, fit.vector, strict=True))
    same = quiet(vector, fit.covariance[:3, :3], shell=shell, n=200)
    pd.testing.assert_frame_equal(same.samples, of_fit.samples)
    assert same.p_value == of_fit.p_value and same.in_support == of_fit.in_support
    others = [quiet(vector, fit.covariance[:3, :3], shell=other, n=200) for other in TRAINED_SHELLS if other != shell]
    assert all(not other.samples.equals(of_fit.samples) for other in others)
    assert ("beyond 50 kpc" if math.isinf(shell[1]) else f"at 50 to {shell[1]:g} kpc") in str(of_fit)


def test_the_set_is_the_preferred_one_that_has_a_network_for_the_shell():
    for shell in TRAINED_SHELLS:
        assert list_configs(shell)[-1] == "wide" and quiet(VECTOR, shell=shell, n=10).config == list_configs(shell)[0]
    assert list_configs() == ("gaussian", "wide")
    assert choose_config("wide", WHOLE) == "wide" and choose_config(None, WHOLE) == "gaussian"


def test_a_set_without_a_network_for_the_shell_is_refused(monkeypatch):
    lacking = {name: entry for name, entry in embedded.load_registry().items() if name != "posterior-gaussian-50-100"}
    monkeypatch.setattr(networks.embedded, "load_registry", lambda: lacking)
    with pytest.raises(ValueError, match="config = 'gaussian' for stars at 50 to 100 kpc: allowed is 'wide'"):
        mw.infer(VECTOR, shell=(50, 100), config="gaussian")
    monkeypatch.setattr(networks.embedded, "load_registry", dict)
    with pytest.raises(ValueError, match="config = None for stars beyond 50 kpc: allowed is none, as this version"):
        mw.infer(VECTOR)


def test_without_a_shell_a_mapping_is_of_all_stars():
    pd.testing.assert_frame_equal(quiet(VECTOR, n=100).samples, quiet(VECTOR, n=100, shell=(50, math.inf)).samples)


def test_the_motion_is_ranked_among_the_fits_to_its_shell():
    names = ["vz_travel_50_100", "vx_travel_50_100", "vy_travel_50_100"]
    table = mw.load_catalogue(config="wide", columns=names, format="numpy")
    speed = np.sqrt(sum(np.square(column.astype(float)) for column in table.values()))
    middle = float(np.median(speed))
    found = quiet({"v_travel": middle, "l_apex": -60.0, "b_apex": -80.0}, shell=(50, 100), n=10, config="wide")
    assert found.in_support["v_travel"] == pytest.approx(0.0, abs=0.01)
    whole = quiet({"v_travel": middle, "l_apex": -60.0, "b_apex": -80.0}, n=10, config="wide")
    assert abs(whole.in_support["v_travel"]) > 0.1


def test_errors_default_to_those_of_the_stars_in_the_shell():
    widths = [np.sqrt(np.diag(quiet(VECTOR, shell=shell, n=10).covariance)) for shell in TRAINED_SHELLS]
    assert widths[0] == pytest.approx([2.1, 2.2, 4.2], abs=0.1)
    assert widths[1] == pytest.approx([3.9, 4.1, 7.7], abs=0.2)
    assert widths[2] == pytest.approx([2.6, 2.7, 5.1], abs=0.1)


def test_the_deforming_case_is_recovered_in_its_shell():
    """At 50 to 100 kpc its LMC's mass lies in the 68% interval, as the paper says; beyond 50 kpc it does not."""
    case = mw.validation_cases()["gc19-fiducial"]
    assert (case.r_min, case.r_max) == (50.0, 100.0) and "our reading" in case.notes[0]
    own, whole = (quiet(case.observation, shell=shell, n=4000, config="wide") for shell in ((50, 100), WHOLE))
    assert own.p_value > 0.5 and own.p_value > whole.p_value
    low, _, high = own.percentiles().loc["m_lmc"]
    assert low < case.truth["m_lmc"] < high and whole.percentiles()["p84"]["m_lmc"] < case.truth["m_lmc"]


@pytest.mark.parametrize(
    "shell, words",
    [
        ((50, 150), r"shell = a travel velocity of stars at 50 < r < 150 kpc: allowed is a fit of all beyond 50 kpc"),
        ((40, 100), "at 40 < r < 100 kpc: allowed is"),
        ((100, 50), "allowed is 0 <= r_min < r_max"),
        (50, r"shell = 50: allowed is \(r_min, r_max\) in kpc, such as \(50.0, 100.0\)"),
    ],
)
def test_a_shell_without_a_network_is_refused(shell, words):
    with pytest.raises(ValueError, match=words):
        mw.infer(VECTOR, shell=shell)


def test_a_shell_is_given_for_a_mapping_alone(halo):
    fit = mw.fit_reflex(halo.positions, halo.velocities, 50, 100)
    with pytest.raises(ValueError, match="allowed is none"):
        mw.infer(fit, shell=(50, 100))
    with pytest.raises(ValueError, match="a case has its own"):
        mw.infer(mw.validation_cases()["rigid"], shell=(50, 100))
    assert require_trained_shell("r", "stars", 50, 300) == (50, 300)


def test_the_json_of_a_posterior_has_its_shell(capsys):
    from mwlmc_data import cli

    words = [
        w for name, value in {"v-travel": 30, "l-apex": -50, "b-apex": -80}.items() for w in (f"--{name}", str(value))
    ]
    assert cli.main(["infer", *words, "--r-max", "100", "--n", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["r_min"], found["r_max"]) == (50.0, 100.0)
