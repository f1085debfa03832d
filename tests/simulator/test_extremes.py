"""Every draw yields a row: corners of the priors and of the allowed parameters."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.dataset import schema
from mwlmc_data.priors import CONDITIONAL, ENCLOSED_MASS, GIVEN, MARGINALS, Normal
from mwlmc_data.simulator.limits import LIMITS, SKY_NAMES
from mwlmc_data.simulator.many import simulate_row

REALS = [c.name for c in schema.COLUMNS if c.dtype == "float32"]


def assert_physical(row):
    """All numbers are finite, and those of the fit are plausible for a halo."""
    values = np.array([row[name] for name in REALS], dtype=np.float32)
    assert np.isfinite(values).all(), [n for n, v in zip(REALS, values, strict=True) if not np.isfinite(v)]
    assert 0 <= row["v_travel"] < 1000
    assert -180 < row["l_apex"] <= 180
    assert abs(row["b_apex"]) <= 90
    assert 20 <= row["n_stars_fit_50_100"] <= row["n_stars_fit_50_300"] <= row["n_stars_fit"] <= 4500
    assert all(row[f"sigma_v_{a}"] > 0 and row[f"err_sigma_v_{a}"] > 0 for a in ("los", "l", "b"))
    covariance = np.array(
        [[row["cov_v" + "_v".join(sorted((a, b)))] for a in "xyz"] for b in "xyz"]
    )
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert 0 <= row["pericentre_lmc"] <= row["distance_lmc_start"]
    assert -2.2 <= row["t_pericentre_lmc"] <= 0


def row_of(seed=0, **parameters):
    return simulate_row(({"sim_id": 0} | parameters, seed, 4500, "auto"))


BASE = {"m200_mw": 1.2e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.0, "beta0": 0.5, "r_dehnen": 12.0}
FAST = {
    "ra_lmc": 78.0,
    "dec_lmc": -69.0,
    "distance_lmc": 60.0,
    "v_los_lmc": 380.0,
    "pm_ra_lmc": 3.0,
    "pm_dec_lmc": 1.25,
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"m200_mw": 1e11}, id="lightest halo, most concentrated"),
        pytest.param({"m200_mw": 1e13}, id="heaviest halo"),
        pytest.param({"m200_mw": 1e11, "m_lmc": 1e12}, id="an LMC ten times heavier than the Milky Way"),
        pytest.param({"m_lmc": 1e12, "log10_lambda_df": 1.0}, id="friction ten times too strong on a 1e12 LMC"),
        pytest.param({"m_lmc": 1e12, "log10_lambda_df": 1.0, "m200_mw": 1e13}, id="the same in the heaviest halo"),
        pytest.param({"m_lmc": 1e12, "m_lmc_8p7": 3e9}, id="the most diffuse LMC"),
        pytest.param({"m_lmc": 2.5e10, "a_lmc": 0.1}, id="a point mass of an LMC"),
        pytest.param(FAST, id="an unbound LMC"),
        pytest.param(FAST | {"m200_mw": 1e11, "m_lmc": 1e12}, id="an unbound LMC heavier than the Milky Way"),
        pytest.param({"beta0": 0.0, "r_dehnen": 10.0}, id="isotropic"),
        pytest.param({"beta0": 0.9, "r_dehnen": 15.0}, id="most radial"),
        pytest.param({"beta0": 0.9, "r_dehnen": 10.0, "m200_mw": 1e11}, id="most radial in the most concentrated"),
    ],
)
def test_extremes(change):
    assert_physical(row_of(**(BASE | change)))


@pytest.mark.parametrize("m_lmc", [2.5e10, 1.5e11, 1e12])
@pytest.mark.parametrize("log10_lambda_df", [-3.0, 1.0])
@pytest.mark.parametrize(
    "present",
    [
        pytest.param((0.0, -10.0, -2.0, 0.0, 250.0, 50.0), id="in the disc today"),
        pytest.param((5.0, 0.0, -30.0, 0.0, 0.0, -300.0), id="fell through the disc on its axis"),
        pytest.param((0.0, -25.0, -20.0, 0.0, -200.0, -160.0), id="radially out of the centre"),
        pytest.param((0.0, -40.0, -25.0, 0.0, 0.0, 0.0), id="at rest"),
    ],
)
def test_an_lmc_through_the_disc(present, m_lmc, log10_lambda_df):
    names = ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")
    change = dict(zip(names, present, strict=True)) | {"m_lmc": m_lmc, "log10_lambda_df": log10_lambda_df}
    assert_physical(row_of(**(BASE | change)))


@st.composite
def supported(draw, config):
    """Parameters from anywhere in the support of a prior, Gaussians to 6 sigmas, with a preference for the ends.

    Beyond that rows fail: an LMC of 1e12 Msun with 8e11 (111 sigmas) within 8.7 kpc, at 20 kpc from a Milky Way
    of 1e11, leaves 17 stars between 50 and 100 kpc, and its row is an error.
    """
    values = {}
    for name, marginal in MARGINALS[config].items():
        low, high = marginal.low, marginal.high
        if isinstance(marginal, Normal):
            low, high = max(low, marginal.loc - 6 * marginal.scale), min(high, marginal.loc + 6 * marginal.scale)
        values[name] = draw(st.floats(low, high, width=64) | st.sampled_from([low, high]))
    low, high = ENCLOSED_MASS.low, min(0.8 * values[GIVEN], ENCLOSED_MASS.loc + 6 * ENCLOSED_MASS.scale)
    values[CONDITIONAL] = draw(st.floats(low, high) | st.sampled_from([low, high]))
    return values


@pytest.mark.parametrize("config", sorted(MARGINALS))
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_draw_yields_a_row(config, data):
    assert_physical(row_of(data.draw(st.integers(0, 2**32)), **data.draw(supported(config))))


def test_the_allowed_ranges_hold_every_prior():
    """No draw is refused for its range, neither on the sky nor in Galactocentric coordinates."""
    for config, marginals in MARGINALS.items():
        assert LIMITS[CONDITIONAL][1] >= mw.Prior(config).support[CONDITIONAL][1]
        for name, marginal in marginals.items():
            low, high, _ = LIMITS[name]
            assert low <= max(marginal.low, marginal.mean - 8 * marginal.std), (config, name)
            assert high >= min(marginal.high, marginal.mean + 8 * marginal.std), (config, name)
        draws = mw.Prior(config).sample(20_000, seed=1)
        for row in draws.iloc[draws[list(SKY_NAMES)].abs().max(axis=1).argsort().to_numpy()[-50:]].to_dict("records"):
            mw.Parameters.from_row(row)
        fastest = draws.assign(speed=draws["distance_lmc"] * np.hypot(draws["pm_ra_lmc"], draws["pm_dec_lmc"]))
        for row in fastest.nlargest(50, "speed").drop(columns="speed").to_dict("records"):
            mw.Parameters.from_row(row)
