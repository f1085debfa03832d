"""The reflex fit: optimum, recovery, covariance, real stars."""

import dataclasses

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from mwlmc_data.simulator import Parameters, fit_reflex, reflex_fit, simulate
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, sky_basis
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.simulator.reflex_fit import fit_shells
from tests.helpers.mock_survey import TRUTH, mock


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


def test_covariance_against_the_scatter_of_150_halos():
    """Radially anisotropic haloes: plain errors are right for velocities, not for the tangential dispersions."""
    p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7, beta0=0.76, r_dehnen=11.5)
    fits = [simulate(p, seed=11, sim_id=i).reflex for i in range(150)]
    scatter = np.std([f.values for f in fits], axis=0, ddof=1)
    robust = np.sqrt(np.mean([np.diag(f.covariance) for f in fits], axis=0))
    plain = np.sqrt(np.mean([np.diag(f.covariance_plain) for f in fits], axis=0))
    # the scatter of 150 is known to 6 per cent
    assert np.all(np.abs(robust / scatter - 1) < 0.22), robust / scatter
    assert np.all(np.abs(plain[:6] / scatter[:6] - 1) < 0.22), plain / scatter
    assert np.all(scatter[7:] / plain[7:] > 1.4), scatter / plain


def test_weights_are_multiplicities():
    x, v = mock(TRUTH, 300, 5)
    count = np.random.default_rng(6).integers(0, 4, 300)
    weighted = fit_reflex(x, v, weights=count)
    repeated = fit_reflex(np.repeat(x, count, axis=0), np.repeat(v, count, axis=0))
    assert weighted.values == pytest.approx(repeated.values, abs=1e-7)
    assert weighted.covariance_plain == pytest.approx(repeated.covariance_plain)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood)
    assert weighted.n_stars == (count > 0).sum()
    # robust errors count each row as one star
    one, four = (fit_reflex(x, v, weights=np.full(300, weight)) for weight in (1.0, 4.0))
    assert four.covariance == pytest.approx(one.covariance)
    assert four.covariance_plain == pytest.approx(one.covariance_plain / 4)


def test_shell():
    x, v = mock(TRUTH, 500, 7)
    r = np.linalg.norm(x, axis=1)
    inside = (r > 60) & (r < 120)
    shell = fit_reflex(x, v, r_min=60, r_max=120)
    assert shell.values == pytest.approx(fit_reflex(x[inside], v[inside], r_min=0).values)
    assert (shell.r_min, shell.r_max) == (60.0, 120.0)
    whole = fit_reflex(x, v)
    assert (whole.r_min, whole.r_max) == (const.FIT_R_MIN, np.inf)
    assert whole.n_measured == (500, 500, 500)
    assert whole.undetermined == whole.at_zero == ()


def test_names_and_order():
    fit = fit_reflex(*mock(TRUTH, 50_000, 8))
    assert dict(zip(REFLEX_NAMES, fit.values, strict=True)) == pytest.approx(
        dict(zip(REFLEX_NAMES, TRUTH, strict=True)), abs=3
    )


GOOD = mock(TRUTH, 50, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": GOOD[0][:, :2]}, r"positions = an array of shape \(50, 2\): allowed is the shape \(n, 3\)"),
        ({"velocities": GOOD[1][:40]}, r"velocities = an array of shape \(40, 3\): allowed is the shape \(50, 3\)"),
        ({"velocities": GOOD[1] * np.nan}, r"velocities\[0, 0\] = nan \(and 149 more of 150\)"),
        ({"velocities": np.ma.masked_greater(GOOD[1], 100)}, "velocities = [0-9]+ masked"),
        ({"velocities": GOOD[1] * u.kpc}, "velocities = numbers in kpc: allowed is a unit of speed"),
        ({"velocities": GOOD[1] * 1e200}, "velocities.* = .*: allowed is .* to 299792 km/s"),
        ({"r_min": -1.0}, "r_min = -1"),
        ({"r_max": np.nan}, "r_max = nan"),
        ({"r_min": 100.0, "r_max": 50.0}, "r_min = 100.0, r_max = 50.0"),
        ({"r_min": 190.0}, "stars = .* at 190 < r < inf kpc"),
        ({"weights": np.ones(3)}, r"weights = an array of shape \(3,\)"),
        ({"weights": -np.ones(50)}, r"weights\[0\] = -1"),
        ({"weights": np.full(50, 1e-320)}, "weights = numbers up to 9.99"),
        ({"weights": np.r_[1.0, np.full(49, 1e-300)]}, "weights = numbers that count as 1 stars"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        fit_reflex(**({"positions": GOOD[0], "velocities": GOOD[1]} | change))


def test_units_and_the_scale_of_weights_do_not_change_the_fit():
    x, v = mock(TRUTH, 300, 10)
    weights = np.random.default_rng(11).uniform(0.5, 2, 300)
    fit = fit_reflex(x, v, weights=weights)
    other = fit_reflex((x * u.kpc).to(u.pc), (v * u.km / u.s).to(u.kpc / u.Myr), 50_000 * u.pc, np.inf * u.kpc, weights)
    assert other.values == pytest.approx(fit.values, rel=1e-9)
    tiny = fit_reflex(x, v, weights=weights * 1e-300)
    assert tiny.values == pytest.approx(fit.values, rel=1e-12)
    assert tiny.covariance == pytest.approx(fit.covariance, rel=1e-9)
    assert tiny.covariance_plain * 1e-300 == pytest.approx(fit.covariance_plain, rel=1e-9)
    assert tiny.log_likelihood == pytest.approx(fit.log_likelihood * 1e-300)


@settings(max_examples=20)
@given(st.permutations(range(40)))
def test_the_order_of_the_stars_does_not_matter(order):
    x, v = mock(TRUTH, 40, 12)
    fit, other = fit_reflex(x, v), fit_reflex(x[order], v[order])
    assert other.values == pytest.approx(fit.values, rel=1e-8, abs=1e-8)
    assert other.covariance == pytest.approx(fit.covariance, rel=1e-6, abs=1e-6)


def test_the_longitude_of_the_apex_stays_above_minus_180_in_single_precision():
    fit = fit_reflex(*mock(TRUTH, 50, 9))
    for y in (-0.0, -1e-9, -1e-5):
        longitude = dataclasses.replace(fit, values=np.r_[-50.0, y, 10.0, fit.values[3:]]).l_apex
        assert -180 < np.float32(longitude) <= 180
        assert np.cos(np.radians(longitude)) == pytest.approx(-1.0)


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(reflex_fit, "MAX_STEPS", 2)
    with pytest.raises(ValueError, match="does not converge in 2 steps"):
        fit_reflex(*mock(TRUTH, 50, 9))


def test_shells_in_one_pass_are_the_fits_one_by_one():
    x, v = mock(TRUTH, 3000, 6)
    reflex, shells = fit_shells(x, v, 50.0, (80.0, 120.0))
    whole = fit_reflex(x, v)
    assert reflex.values == pytest.approx(whole.values, abs=1e-9)
    assert reflex.covariance == pytest.approx(whole.covariance, rel=1e-9)
    assert reflex.n_stars == whole.n_stars == 3000
    for r_max, shell in zip((80.0, 120.0), shells, strict=True):
        alone = fit_reflex(x, v, r_max=r_max)
        assert (shell.r_min, shell.r_max) == (50.0, r_max)
        assert shell.n_stars == alone.n_stars < 3000
        assert shell.values == pytest.approx(alone.values, abs=1e-9)
        assert shell.covariance == pytest.approx(alone.covariance, rel=1e-9, abs=1e-9)
        assert shell.covariance_plain == pytest.approx(alone.covariance_plain, rel=1e-9, abs=1e-9)
        assert shell.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-12)
    with pytest.raises(ValueError, match=r"at 50 < r < 50.1 kpc: allowed are 20"):
        fit_shells(x, v, 50.0, (50.1, 120.0))
    with pytest.raises(ValueError, match=r"outer_radii = \[120.0, 80.0\] kpc: allowed are increasing"):
        fit_shells(x, v, 50.0, (120.0, 80.0))
