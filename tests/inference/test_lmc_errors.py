"""An LMC with errors: its draws are weighted by the data, and the answer is the mean over them."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data import cli
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference import predictive
from mwlmc_data.inference.networks import load_network
from mwlmc_data.inference.present_day import PresentDay
from mwlmc_data.simulator.frames import galactocentric_to_sky
from mwlmc_data.simulator.limits import OBSERVED_LMC, SKY_NAMES
from tests.helpers.motions import quiet

REFLEX = {"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}
COVARIANCE = np.diag([16.0, 16.0, 36.0])
SKY = dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True))
#: Ten times the observed errors in what moves the vector most.
WIDE = {**SKY, "err_distance_lmc": 5.0, "err_pm_ra_lmc": 0.2, "err_pm_dec_lmc": 0.3}


@pytest.fixture(scope="module")
def found():
    return quiet(REFLEX, COVARIANCE, lmc=WIDE, n=6000)


def test_the_evidence_is_the_mean_over_the_errors(found):
    """Against evidences on the grid at draws of the LMC."""
    sigma = np.array([0.0, 0.0, 5.0, 0.0, 0.2, 0.3])
    place = PresentDay(np.zeros(6), np.array(OBSERVED_LMC), sigma)
    likelihood = load_network("gaussian").likelihood
    at = place.draw(2000, np.random.default_rng(3))
    u = np.random.default_rng(4).normal(size=(2000, 3))
    vector = found._vector[None]
    expected = predictive.log_evidence(likelihood, vector, COVARIANCE, at, u)[0]
    assert found.log_evidence == pytest.approx(expected, abs=0.1) and 0 < found.log_evidence_error < 0.02
    assert found.n_effective > 6000


def test_the_draws_are_those_of_the_prior_weighted_by_the_likelihood(found):
    """Of the parameters and the LMC together."""
    rng, likelihood = np.random.default_rng(5), load_network("gaussian").likelihood
    sigma = np.array([0.0, 0.0, 5.0, 0.0, 0.2, 0.3])
    at = PresentDay(np.zeros(6), np.array(OBSERVED_LMC), sigma).draw(40_000, rng)
    u = rng.normal(size=(40_000, 3))
    log_weight = likelihood.log_likelihood(u, found._vector, COVARIANCE, at)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    assert 1.0 / (weight @ weight) > 1000
    theta, distance = likelihood.scores.inverse(u), galactocentric_to_sky(at)[:, 2]
    drawn = galactocentric_to_sky(found.lmc_samples.to_numpy())[:, 2]
    for values, own in ((distance, drawn), *zip(theta.T, found.samples.to_numpy().T, strict=True)):
        mean = weight @ values
        spread = np.sqrt(weight @ np.square(values - mean))
        assert own.mean() == pytest.approx(mean, abs=0.1 * spread)
        assert own.std() == pytest.approx(spread, rel=0.08)


def test_the_density_of_parameters_is_that_of_the_draws(found):
    names = list(found.samples)
    prior = mw.Prior("gaussian", names)
    both = pd.concat([found.samples.iloc[:1500], prior.sample(1500, seed=8)[names]])
    own, of_prior = found.log_prob(both), prior.log_prob(both)
    ratio = np.exp(own - np.logaddexp(own, of_prior) + np.log(2.0))
    assert ratio.mean() == pytest.approx(1.0, abs=0.06)


def test_wider_errors_of_the_lmc_widen_the_answer_and_none_change_nothing(found):
    exact = quiet(REFLEX, COVARIANCE, lmc=SKY, n=6000)
    assert exact.lmc_samples is None and exact.log_evidence_error == 0.0
    pd.testing.assert_frame_equal(exact.samples, quiet(REFLEX, COVARIANCE, n=6000).samples)
    zero = quiet(REFLEX, COVARIANCE, lmc={**SKY, "err_distance_lmc": 0.0}, n=6000)
    pd.testing.assert_frame_equal(zero.samples, exact.samples)
    assert "LMC with its errors" in str(found) and "LMC with its errors" not in str(exact)
    observed = quiet(REFLEX, COVARIANCE, lmc=mw.observations.load_lmc(), n=6000)
    assert observed.lmc_samples.shape == (6000, 6)
    median = [one.percentiles()["p50"]["m_lmc"] for one in (exact, observed)]
    assert median[1] == pytest.approx(median[0], rel=0.1)
    spread = {name: one.lmc_samples["x_lmc"].std() for name, one in (("wide", found), ("observed", observed))}
    assert spread["wide"] > 2 * spread["observed"]


def test_the_lmc_is_drawn_again_for_the_p_value(found):
    far = {"v_travel": 95.0, "l_apex": 60.0, "b_apex": -70.0}
    exact, wide = (quiet(far, COVARIANCE, lmc=lmc, n=50) for lmc in (SKY, WIDE))
    assert exact.p_value <= wide.p_value and wide.distance < exact.distance
    same = quiet(REFLEX, COVARIANCE, lmc=WIDE, n=6000)
    assert same.p_value == found.p_value and same.samples.equals(found.samples)


def test_predictions_have_the_errors_or_not(found):
    with_errors, true = found.predict(seed=1), found.predict(with_errors=False, seed=1)
    assert list(with_errors) == ["vx_travel", "vy_travel", "vz_travel", "v_travel", "l_apex", "b_apex"]
    gained = with_errors["vz_travel"].var() - true["vz_travel"].var()
    assert gained == pytest.approx(36.0, rel=0.25)
    np.testing.assert_allclose(true["v_travel"], np.linalg.norm(true.iloc[:, :3], axis=1))


@pytest.mark.parametrize(
    "lmc, words",
    [
        ({**SKY, "err_distance_lmc": -1.0}, "err_distance_lmc = -1.0: allowed is"),
        ({**SKY, "err_pm_ra_lmc": 30.0}, "err_pm_ra_lmc = 30.0: allowed is"),
        ({**SKY, "err_x_lmc": 1.0}, "lmc holds 'err_x_lmc'"),
        ({"err_distance_lmc": 1.0}, "lmc holds err_distance_lmc: allowed is beside ra_lmc"),
        ({**dict.fromkeys(LMC_VECTOR, 20.0), "err_distance_lmc": 1.0}, "lmc holds err_distance_lmc: allowed is beside"),
    ],
)
def test_bad_errors_of_the_lmc_are_named(lmc, words):
    with pytest.raises(ValueError, match=words):
        mw.infer(REFLEX, COVARIANCE, lmc=lmc)


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """What ``mwlmc reflex --json`` prints of a shell of a simulated halo."""
    folder = tmp_path_factory.mktemp("fit")
    halo = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=4).halo
    table = pd.DataFrame(np.hstack([halo.positions, halo.velocities]), columns=["x", "y", "z", "vx", "vy", "vz"])
    table.to_csv(folder / "stars.csv", index=False)
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert cli.main(["reflex", str(folder / "stars.csv"), "--r-max", "100", "--json"]) == 0
    (folder / "fit.json").write_text(text.getvalue())
    return folder / "fit.json", mw.fit_reflex(halo.positions, halo.velocities, 50, 100)


class TestCommand:
    def test_a_fit_is_read_with_its_covariance_and_shell(self, fit, capsys):
        path, reflex = fit
        assert cli.main(["infer", "--reflex", str(path), "--n", "200", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        expected = quiet(reflex, n=200)
        assert (found["r_min"], found["r_max"]) == (50.0, 100.0) and "lmc_percentiles" not in found
        np.testing.assert_allclose(found["covariance"], expected.covariance, rtol=1e-4)
        assert found["percentiles"]["m_lmc"]["p50"] == pytest.approx(expected.percentiles()["p50"]["m_lmc"], rel=1e-3)

    def test_a_folder_holds_everything(self, fit, tmp_path, capsys):
        pytest.importorskip("corner")
        out = tmp_path / "answer"
        words = ["infer", "--reflex", str(fit[0]), "--lmc", "observed", "--out", str(out), "--n", "400"]
        assert cli.main(words) == 0
        names = sorted(path.name for path in out.iterdir())
        assert names == ["corner.png", "percentiles.csv", "posterior.json", "predictive.png", "samples.parquet"]
        samples = pd.read_parquet(out / "samples.parquet")
        expected = quiet(fit[1], lmc=mw.observations.load_lmc(), n=400)
        assert list(samples) == [*expected.samples, *LMC_VECTOR] and len(samples) == 400
        table = pd.read_csv(out / "percentiles.csv", index_col="parameter")
        assert table.loc["m_lmc", "p50"] == pytest.approx(np.percentile(samples["m_lmc"], 50))
        numbers = json.loads((out / "posterior.json").read_text())
        assert set(numbers["lmc_percentiles"]) == set(LMC_VECTOR) and numbers["n_effective"] > 400
        for name in ("corner", "predictive"):
            assert (out / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        capsys.readouterr()
        assert cli.main(words) == 2
        assert "allowed is a new or empty folder; --overwrite replaces files" in capsys.readouterr().err
        assert cli.main([*words, "--overwrite"]) == 0

    @pytest.mark.parametrize(
        "content, words",
        [
            ("{}", "allowed is what `mwlmc reflex --json` prints"),
            ("[1]", "allowed is what `mwlmc reflex --json` prints"),
            ("no json", "allowed is what `mwlmc reflex --json` prints"),
        ],
    )
    def test_another_file_is_refused(self, content, words, tmp_path, capsys):
        path = tmp_path / "fit.json"
        path.write_text(content)
        assert cli.main(["infer", "--reflex", str(path)]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1

    def test_a_fit_takes_no_other_errors_or_shell(self, fit, capsys):
        for words in (["--err-v-travel", "3"], ["--r-max", "100"], ["--v-travel", "30"], ["--case", "rigid"]):
            assert cli.main(["infer", "--reflex", str(fit[0]), *words]) == 2
            assert "allowed is" in capsys.readouterr().err

    def test_what_the_stars_do_not_determine_is_refused(self, fit, tmp_path, capsys):
        numbers = json.loads(fit[0].read_text()) | {"cov_vx_vy": None}
        path = tmp_path / "fit.json"
        path.write_text(json.dumps(numbers))
        assert cli.main(["infer", "--reflex", str(path)]) == 2
        assert "do not determine cov_vx_vy" in capsys.readouterr().err

    def test_a_folder_needs_a_parent_and_no_file_of_its_name(self, tmp_path, capsys):
        base = ["infer", "--v-travel", "35", "--l-apex", "60", "--b-apex", "-70", "--n", "20", "--out"]
        (tmp_path / "file").write_text("x")
        for out, words in (
            (tmp_path / "no" / "where", "there is no"),
            (tmp_path / "file", "there is a file of this name"),
        ):
            assert cli.main([*base, str(out)]) == 2
            assert words in capsys.readouterr().err


class TestFigures:
    def test_the_prior_is_drawn_behind_the_posterior(self, found):
        pytest.importorskip("corner")
        alone, both = found.plot(), found.plot(prior=True)
        assert len(both.axes) == len(alone.axes) == 9
        prior = mw.Prior("gaussian", ["m_lmc"]).sample(5000, seed=1)["m_lmc"].to_numpy() / 1e10
        low, high = both.axes[0].get_xlim()
        assert low <= np.percentile(prior, 1) and high >= np.percentile(prior, 99) - 1.0
        assert len(both.axes[0].patches) > len(alone.axes[0].patches)

    def test_the_predictive_shows_the_measurement(self, found):
        figure = found.plot_predictive("a title")
        at = [float(ax.lines[0].get_xdata()[0]) for ax in figure.axes]
        assert at == pytest.approx([35.0, 60.0, -70.0])
        assert figure.get_suptitle() == "a title"

    def test_a_table_behind_without_a_column_is_refused(self):
        table = pd.DataFrame({"m_lmc": [1e11, 2e11, 3e11]})
        with pytest.raises(ValueError, match="behind lacks 'm_lmc': allowed is a table with all of m_lmc"):
            mw.corner_plot(table, ["m_lmc"], behind=table.rename(columns={"m_lmc": "m200_mw"}))
