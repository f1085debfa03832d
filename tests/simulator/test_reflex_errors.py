"""Errors of the reflex fit and the edges of its shell, each against its definition."""

import dataclasses

import numpy as np
import pytest

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import fit_reflex, fit_reflex_observed
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, sky_basis
from mwlmc_data.simulator.reflex import REFLEX_NAMES, require_scatter
from mwlmc_data.simulator.reflex_fit import fit_shells
from tests.helpers.mock_survey import TRUTH, mock, observe

FIT = fit_reflex(*mock(TRUTH, 400, 11))


def star_log_likelihoods(p, x, v):
    """Log-likelihood of each star, from the formula of the nine-parameter model."""
    residual = v + p[:3] - np.einsum("k,nki->ni", p[3:6], galactocentric_basis(x))
    components = np.einsum("nki,ni->nk", heliocentric_basis(x), residual) / p[6:]
    return -0.5 * (components**2).sum(axis=1) - np.log(p[6:]).sum()


def scores_of(values, x, v, step=1e-3):
    """Gradients of the stars' log-likelihoods by central differences, (n, 9)."""
    steps = step * np.eye(9)
    return np.transpose(
        [(star_log_likelihoods(values + s, x, v) - star_log_likelihoods(values - s, x, v)) / (2 * step) for s in steps]
    )


def test_the_sandwich_is_the_scatter_of_the_weighted_scores():
    """inv(A) [sum of (w s)(w s)^T] inv(A): the weight counts squared in the middle (Huber 1967)."""
    x, v = mock(TRUTH, 300, 12, kurtosis=True)
    weights = np.random.default_rng(13).uniform(0.2, 5.0, 300)
    fit = fit_reflex(x, v, weights=weights)
    scores = weights[:, None] * scores_of(fit.values, x, v)
    expected = fit.covariance_plain @ (scores.T @ scores) @ fit.covariance_plain
    assert fit.covariance == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).max())


def test_a_common_factor_of_the_weights_does_not_change_the_sandwich():
    x, v = mock(TRUTH, 300, 14)
    weights = np.random.default_rng(15).uniform(0.2, 5.0, 300)
    one, four = (fit_reflex(x, v, weights=factor * weights) for factor in (1.0, 4.0))
    assert four.covariance == pytest.approx(one.covariance, rel=1e-6)
    assert four.covariance_plain == pytest.approx(one.covariance_plain / 4.0, rel=1e-6)


def apex(vector):
    """Speed, longitude and latitude [deg] of a vector, written out."""
    x, y, z = vector
    speed = np.sqrt(x * x + y * y + z * z)
    return np.array([speed, np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z / speed))])


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1), (1, 1, -1)])
def test_errors_of_the_apex_are_propagated_with_the_whole_covariance(signs):
    """Derivatives by differences, in five octants, with correlations of 0.6, -0.5 and 0.4."""
    vector = np.array([20.0, 35.0, 50.0]) * signs
    sigma = np.array([4.0, 7.0, 5.0])
    correlation = np.array([[1.0, 0.6, -0.5], [0.6, 1.0, 0.4], [-0.5, 0.4, 1.0]])
    covariance = np.eye(9)
    covariance[:3, :3] = correlation * np.outer(sigma, sigma)
    fit = dataclasses.replace(FIT, values=np.r_[vector, TRUTH[3:]], covariance=covariance, covariance_plain=np.eye(9))
    step = 1e-4
    jacobian = np.transpose([(apex(vector + s) - apex(vector - s)) / (2 * step) for s in step * np.eye(3)])
    expected = np.sqrt(np.diag(jacobian @ covariance[:3, :3] @ jacobian.T))
    found = [fit.errors[name] for name in ("v_travel", "l_apex", "b_apex")]
    assert found == pytest.approx(expected, rel=1e-6)
    assert [fit.v_travel, fit.l_apex, fit.b_apex] == pytest.approx(apex(vector))


def test_errors_of_the_parameters_are_the_robust_ones_in_order():
    errors = FIT.errors
    assert list(errors) == [*REFLEX_NAMES, "v_travel", "l_apex", "b_apex"]
    assert [errors[name] for name in REFLEX_NAMES] == pytest.approx(np.sqrt(np.diag(FIT.covariance)))
    assert np.abs(np.diag(FIT.covariance) / np.diag(FIT.covariance_plain) - 1).max() > 1e-3


def with_stars_on_the_edges(n=100):
    """Stars between 70 and 110 kpc, and four at exactly 60 and four at exactly 120 kpc."""
    x, v = mock(TRUTH, n, 16)
    x *= (np.linspace(70, 110, n) / np.linalg.norm(x, axis=1))[:, None]
    edge = np.array([[60.0, 0, 0], [0, -60.0, 0], [0, 0, 60.0], [-60.0, 0, 0]])
    return np.vstack([x, edge, 2 * edge]), np.vstack([v, np.full((8, 3), 50.0)])


def test_stars_on_the_edges_of_the_shell_are_not_fitted():
    x, v = with_stars_on_the_edges()
    fit = fit_reflex(x, v, r_min=60.0, r_max=120.0)
    assert fit.n_stars == 100
    assert np.array_equal(fit.values, fit_reflex(x[:100], v[:100], r_min=60.0, r_max=120.0).values)
    assert fit_reflex(x, v, r_min=np.nextafter(60.0, 0), r_max=np.nextafter(120.0, 200)).n_stars == 108


def test_a_star_on_an_outer_radius_belongs_to_the_next_ring():
    """In the shells of one pass no star is lost between the rings, and none is fitted twice."""
    x, v = with_stars_on_the_edges()
    reflex, shells = fit_shells(x, v, 60.0, (90.0, 120.0))
    assert reflex.n_stars == 104
    assert reflex.values == pytest.approx(fit_reflex(x, v, r_min=60.0).values, abs=1e-9)
    assert [shell.n_stars for shell in shells] == [50, 100]
    inside = fit_reflex(x, v, r_min=60.0, r_max=120.0)
    assert shells[1].vector == pytest.approx(inside.vector, abs=1e-9)
    # an outer radius on which stars lie
    reflex, shells = fit_shells(x, v, 50.0, (120.0,))
    assert shells[0].n_stars == 104 and reflex.n_stars == 108
    assert reflex.values == pytest.approx(fit_reflex(x, v, r_min=50.0).values, abs=1e-9)
    assert shells[0].vector == pytest.approx(fit_reflex(x, v, r_min=50.0, r_max=120.0).vector, abs=1e-9)


def test_stars_without_weight_are_not_counted():
    x, v = mock(TRUTH, 60, 17)
    weights = np.r_[np.zeros(40), np.ones(20)]
    assert fit_reflex(x, v, weights=weights).n_stars == 20
    weights[-1] = 0.0
    with pytest.raises(ValueError, match=r"stars = 19 of 60 at 50 < r < inf kpc with positive weight: .* 20 or more"):
        fit_reflex(x, v, weights=weights)


def test_edges_of_the_shell_of_observed_stars():
    """A star at l = 180 is at its Galactocentric radius less that of the Sun: exactly on the edge it is left out."""
    x, v = mock(TRUTH, 60, 18)
    l, b, d, v_los, pm_l, pm_b, errors = observe(x, v, seed=19)
    l[0], b[0], d[0] = 180.0, 0.0, 80.0
    sun = (-8.0, 0.0, 0.0)
    radius = np.linalg.norm(np.array(sun) + d[:, None] * heliocentric_direction(l, b), axis=1)
    assert radius[0] == pytest.approx(88.0, abs=1e-12)
    n = int((radius > 88.0 + 1e-9).sum())
    fit = fit_reflex_observed(l, b, d, v_los, pm_l, pm_b, errors, r_min=88.0 + 1e-9, sun_position=sun)
    assert fit.n_stars == n
    fit = fit_reflex_observed(l, b, d, v_los, pm_l, pm_b, errors, r_min=88.0 - 1e-9, sun_position=sun)
    assert fit.n_stars == n + 1


def heliocentric_direction(l, b):
    l, b = np.radians(l), np.radians(b)
    return np.transpose([np.cos(b) * np.cos(l), np.cos(b) * np.sin(l), np.sin(b)])


@pytest.mark.parametrize(
    ("residual", "squares", "still"),
    [
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], None),
        ([1e-30, 1.0, 1.0], [1.0, 1.0, 1.0], "the line of sight"),
        ([1.0, 0.0, -1e-20], [1.0, 1.0, 1.0], "l, b"),
        ([1.0, 1.0, 0.0], [1.0, 1.0, 0.0], "b"),
    ],
)
def test_stars_that_follow_the_model_to_rounding_are_refused_with_the_component(residual, squares, still):
    if still is None:
        assert require_scatter(np.array(residual), np.array(squares)) is None
        return
    with pytest.raises(ValueError, match=f"velocities = no scatter about the model along {still}: allowed are"):
        require_scatter(np.array(residual), np.array(squares))


def test_what_weighted_stars_leave_undetermined_is_judged_by_their_effective_number():
    """Field of twenty degrees: effectively 170 stars, (sum w)^2 / sum w^2, constrain a travel velocity, 100 do not."""
    rng = np.random.default_rng(3)
    l, b = rng.uniform(120, 140, 2020), rng.uniform(30, 50, 2020)
    x = const.SUN_POSITION + rng.uniform(60, 120, (2020, 1)) * sky_basis(l, b)[:, 0]
    v = rng.normal(0, 80, (2020, 3)) - TRUTH[:3]
    weights = np.r_[np.full(20, 50.0), np.ones(2000)]
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(173, abs=1)
    for unit in (1e-6, 1.0, 1e6):
        assert np.isfinite(fit_reflex(x, v, weights=unit * weights).vector).all()
    weights[620:] = 0.0
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(51, abs=1)
    with pytest.raises(ValueError, match=r"^positions = stars that leave .*_travel"):
        fit_reflex(x, v, weights=weights)
