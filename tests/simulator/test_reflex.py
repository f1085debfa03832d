"""The reflex fit: optimum, recovery, covariance, real stars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from mwlmc_data.simulator import Parameters, fit_reflex, fit_reflex_observed, simulate
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, sky_basis
from mwlmc_data.simulator.reflex import REFLEX_NAMES, fit_shells

TRUTH = np.array([20.0, 25.0, -40.0, -10.0, 5.0, -3.0, 100.0, 60.0, 70.0])


def mock(truth, n, seed, kurtosis=False):
    """Stars of the model itself; with `kurtosis` their scatter has the same dispersions and heavy tails."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(n, 3))
    x = direction / np.linalg.norm(direction, axis=1)[:, None] * rng.uniform(50, 200, n)[:, None]
    noise = rng.standard_t(6, size=(n, 3)) / np.sqrt(1.5) if kurtosis else rng.normal(size=(n, 3))
    mean = -truth[:3] + np.einsum("k,nki->ni", truth[3:6], galactocentric_basis(x))
    return x, mean + np.einsum("nk,nki->ni", noise * truth[6:], heliocentric_basis(x))


def negative_log_likelihood(p, x, v):
    """The nine-parameter model written out, for scipy's general-purpose optimiser."""
    residual = v + p[:3] - np.einsum("k,nki->ni", p[3:6], galactocentric_basis(x))
    components = np.einsum("nki,ni->nk", heliocentric_basis(x), residual)
    return np.sum(0.5 * (components / p[6:]) ** 2 + np.log(np.abs(p[6:])) + 0.5 * np.log(2 * np.pi))


def test_same_optimum_as_scipy():
    x, v = mock(TRUTH, 800, 0)
    fit = fit_reflex(x, v)
    start = np.r_[np.zeros(6), v.std() * np.ones(3)]
    general = minimize(negative_log_likelihood, start, args=(x, v), method="BFGS", options={"gtol": 1e-5})
    assert fit.values == pytest.approx(general.x, abs=2e-3)
    assert -fit.log_likelihood <= general.fun + 1e-6
    assert -fit.log_likelihood == pytest.approx(negative_log_likelihood(fit.values, x, v), rel=1e-12)


def test_observed_fit_has_the_same_optimum_as_scipy():
    l, b, d, v_los, pm_l, pm_b, errors = observe(*mock(TRUTH, 400, 1), seed=2)
    fit = fit_reflex_observed(l, b, d, v_los, pm_l, pm_b, errors)
    basis = sky_basis(l, b)
    x = const.SUN_POSITION + d[:, None] * basis[:, 0]
    k = const.KMS_PER_MASYR_KPC * d

    def objective(p):
        rest = -p[:3] + np.einsum("k,nki->ni", p[3:6], galactocentric_basis(x)) - const.SUN_VELOCITY
        model = np.einsum("nki,ni->nk", basis, rest)
        variance_los = errors["v_los"] ** 2 + p[6] ** 2
        var_l, var_b = (
            errors[name] ** 2 + (errors["distance"] * mu / d) ** 2 + (sigma / k) ** 2
            for name, mu, sigma in (("pm_l", pm_l, p[7]), ("pm_b", pm_b, p[8]))
        )
        cov = errors["pm_l"] * errors["pm_b"] * errors["corr"]
        dl, db = pm_l - model[:, 1] / k, pm_b - model[:, 2] / k
        det = var_l * var_b - cov**2
        chi2 = (v_los - model[:, 0]) ** 2 / variance_los + (var_b * dl**2 - 2 * cov * dl * db + var_l * db**2) / det
        return 0.5 * np.sum(chi2 + np.log(variance_los) + np.log(det))

    start = fit.values + np.array([5, -5, 5, 5, -5, 5, 10, 10, -10.0])
    general = minimize(objective, start, method="BFGS", options={"gtol": 1e-4})
    assert fit.values == pytest.approx(general.x, abs=5e-2)
    assert objective(fit.values) <= general.fun + 1e-4


def observe(x, v, seed, scale=1.0):
    """Observables of stars with errors of a tenth in distance, 5 km/s and 0.05 mas/yr."""
    rng = np.random.default_rng(seed)
    offset = x - const.SUN_POSITION
    d = np.linalg.norm(offset, axis=1)
    l = np.degrees(np.arctan2(offset[:, 1], offset[:, 0]))
    b = np.degrees(np.arcsin(offset[:, 2] / d))
    speeds = np.einsum("nki,ni->nk", sky_basis(l, b), v - const.SUN_VELOCITY)
    errors = {
        "distance": scale * 0.1 * d,
        "v_los": scale * 5.0 * np.ones(len(d)),
        "pm_l": scale * 0.05 * np.ones(len(d)),
        "pm_b": scale * 0.04 * np.ones(len(d)),
        "corr": rng.uniform(-0.3, 0.3, len(d)),
    }
    k = const.KMS_PER_MASYR_KPC * d
    v_los = speeds[:, 0] + errors["v_los"] * rng.normal(size=len(d))
    pm_l, pm_b = (
        speeds[:, i] / k + errors[name] * rng.normal(size=len(d)) for i, name in ((1, "pm_l"), (2, "pm_b"))
    )
    return l, b, d, v_los, pm_l, pm_b, errors


def test_without_errors_the_observed_fit_is_the_plain_one():
    x, v = mock(TRUTH, 600, 3)
    l, b, d, v_los, pm_l, pm_b, errors = observe(x, v, seed=4, scale=1e-6)
    observed = fit_reflex_observed(l, b, d, v_los, pm_l, pm_b, errors, r_min=50.0)
    plain = fit_reflex(x, v)
    assert observed.n_stars == plain.n_stars
    assert observed.values == pytest.approx(plain.values, abs=1e-3)
    assert observed.covariance == pytest.approx(plain.covariance, rel=1e-3, abs=1e-3)
    assert observed.covariance_plain == pytest.approx(plain.covariance_plain, rel=1e-3, abs=1e-3)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), v=st.floats(1, 150), l=st.floats(-179, 180), b=st.floats(-85, 85))
def test_recovers_any_apex(seed, v, l, b):
    vector = v * sky_basis(l, b)[0]
    fit = fit_reflex(*mock(np.r_[vector, TRUTH[3:]], 2000, seed))
    z = (fit.values - np.r_[vector, TRUTH[3:]]) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(z).max() < 6
    assert fit.v_travel == pytest.approx(np.linalg.norm(fit.vector))
    assert v * sky_basis(fit.l_apex, fit.b_apex)[0] == pytest.approx(fit.vector * v / fit.v_travel)


def test_errors_of_the_angles_are_their_scatter():
    fits = [fit_reflex(*mock(TRUTH, 1500, seed)) for seed in range(150)]
    for name in ("v_travel", "l_apex", "b_apex"):
        scatter = np.std([getattr(f, name) for f in fits])
        assert np.mean([f.errors[name] for f in fits]) == pytest.approx(scatter, rel=0.2)


def test_sandwich_covariance_sees_heavy_tails():
    fits = [fit_reflex(*mock(TRUTH, 1500, seed, kurtosis=True)) for seed in range(150)]
    scatter = np.std([f.values for f in fits], axis=0)
    robust = np.mean([np.sqrt(np.diag(f.covariance)) for f in fits], axis=0)
    plain = np.mean([np.sqrt(np.diag(f.covariance_plain)) for f in fits], axis=0)
    assert robust == pytest.approx(scatter, rel=0.2)
    assert plain[:6] == pytest.approx(scatter[:6], rel=0.2)
    assert np.all(plain[6:] < 0.8 * scatter[6:])


def test_covariance_against_the_scatter_of_60_halos():
    """Radially anisotropic haloes: plain errors hold for velocities, not for the tangential dispersions."""
    p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7, beta0=0.76, r_dehnen=11.5)
    fits = [simulate(p, seed=11, sim_id=i).reflex for i in range(60)]
    scatter = np.std([f.values for f in fits], axis=0, ddof=1)
    robust = np.sqrt(np.mean([np.diag(f.covariance) for f in fits], axis=0))
    plain = np.sqrt(np.mean([np.diag(f.covariance_plain) for f in fits], axis=0))
    # the scatter of 60 is known to 9 per cent
    assert np.all(np.abs(robust / scatter - 1) < 0.3), robust / scatter
    assert np.all(np.abs(plain[:6] / scatter[:6] - 1) < 0.3), plain / scatter
    assert np.all(scatter[7:] / plain[7:] > 1.25), scatter / plain


def test_weights_are_multiplicities():
    x, v = mock(TRUTH, 300, 5)
    count = np.random.default_rng(6).integers(0, 4, 300)
    weighted = fit_reflex(x, v, weights=count)
    repeated = fit_reflex(np.repeat(x, count, axis=0), np.repeat(v, count, axis=0))
    assert weighted.values == pytest.approx(repeated.values, abs=1e-7)
    assert weighted.covariance_plain == pytest.approx(repeated.covariance_plain)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood)
    assert weighted.n_stars == (count > 0).sum()


def test_shell():
    x, v = mock(TRUTH, 500, 7)
    r = np.linalg.norm(x, axis=1)
    inside = (r > 60) & (r < 120)
    shell = fit_reflex(x, v, r_min=60, r_max=120)
    assert shell.values == pytest.approx(fit_reflex(x[inside], v[inside], r_min=0).values)
    assert (shell.r_min, shell.r_max) == (60.0, 120.0)
    whole = fit_reflex(x, v)
    assert (whole.r_min, whole.r_max) == (const.FIT_R_MIN, np.inf)


def test_names_and_order():
    fit = fit_reflex(*mock(TRUTH, 50_000, 8))
    assert dict(zip(REFLEX_NAMES, fit.values, strict=True)) == pytest.approx(
        dict(zip(REFLEX_NAMES, TRUTH, strict=True)), abs=3
    )


GOOD = mock(TRUTH, 50, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": GOOD[0][:, :2]}, r"positions have shape \(50, 2\)"),
        ({"velocities": GOOD[1][:40]}, r"velocities \(40, 3\)"),
        ({"velocities": GOOD[1] * np.nan}, "velocities hold nan"),
        ({"r_min": 100.0, "r_max": 50.0}, "r_min = 100.0, r_max = 50.0"),
        ({"r_min": 190.0}, "stars lie at 190 < r < inf kpc"),
        ({"weights": np.ones(3)}, r"weights have shape \(3,\)"),
        ({"weights": -np.ones(50)}, "weights hold -1"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        fit_reflex(**({"positions": GOOD[0], "velocities": GOOD[1]} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"errors": {"distance": 1.0}}, "errors without"),
        ({"errors": {"speed": 1.0, "distance": 1, "v_los": 1, "pm_l": 1, "pm_b": 1}}, "errors unknown \\['speed'\\]"),
        ({"errors": {"distance": 1, "v_los": -2, "pm_l": 1, "pm_b": 1}}, "errors\\['v_los'\\] holds -2"),
        ({"errors": {"distance": 1, "v_los": 1, "pm_l": 1, "pm_b": 1, "corr": 1.5}}, "e_corr holds 1.5"),
        ({"b": np.full(50, 95.0)}, "b holds 95"),
        ({"distance": np.full(50, -1.0)}, "distance holds -1"),
        ({"pm_l": np.full(50, np.inf)}, "pm_l holds inf"),
        ({"v_los": np.ones(3)}, r"v_los has shape \(3,\)"),
        ({"r_min": 1e4}, "0 of 50 stars"),
    ],
)
def test_bad_observations(change, message):
    names = ("l", "b", "distance", "v_los", "pm_l", "pm_b", "errors")
    good = dict(zip(names, observe(*GOOD, seed=1), strict=True))
    with pytest.raises(ValueError, match=message):
        fit_reflex_observed(**(good | change))


def test_shells_in_one_pass_are_the_fits_one_by_one():
    x, v = mock(TRUTH, 3000, 6)
    reflex, shells = fit_shells(x, v, 50.0, (80.0, 120.0))
    whole = fit_reflex(x, v)
    assert reflex.values == pytest.approx(whole.values, abs=1e-9)
    assert reflex.covariance == pytest.approx(whole.covariance, rel=1e-9)
    assert reflex.n_stars == whole.n_stars == 3000
    for r_max, (vector, n_stars) in zip((80.0, 120.0), shells, strict=True):
        alone = fit_reflex(x, v, r_max=r_max)
        assert vector == pytest.approx(alone.vector, abs=1e-9)
        assert n_stars == alone.n_stars < 3000
    with pytest.raises(ValueError, match=r"at 50 < r < 50.1 kpc; the fit needs 20"):
        fit_shells(x, v, 50.0, (50.1, 120.0))
