"""The likelihood of observed stars against numerical integrals, and its limits."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

import mwlmc_data as mw
from mwlmc_data.rewinding import density, marginal, velocity_proposal
from mwlmc_data.rewinding.density import log_start_density
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.marginal import calibrate, draw_at_pivots, draw_simply
from mwlmc_data.rewinding.observed import ObservedStars, observe_stars
from mwlmc_data.rewinding.proposal import draw_phase_space, estimate_dispersion
from mwlmc_data.rewinding.simulated import draw_observed
from mwlmc_data.simulator.constants import KMS_PER_MASYR_KPC, SUN_POSITION, SUN_VELOCITY
from mwlmc_data.simulator.halo_model import build_equilibrium
from tests.helpers.observed_stars import make_errors

TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.4e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}
PIVOT = mw.Parameters(**TRUTH)
OTHER = mw.Parameters(**{**TRUTH, "m200_mw": 1.2e12, "beta0": 0.4})
MIXTURE = [PIVOT, *(mw.Parameters(**{**TRUTH, "m200_mw": m, "beta0": b}) for m in (1e12, 1.2e12) for b in (0.2, 0.4))]


@pytest.fixture
def few_points(monkeypatch):
    """A sixteenth of the points, where not their number is tested."""
    monkeypatch.setattr(marginal, "_FIRST", 1)


@pytest.fixture(scope="module")
def stars():
    halo = mw.simulate(PIVOT, n_stars=300, seed=4).halo
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    return stars[np.linalg.norm(stars[:, :3], axis=1) > 50.0]


def integrate(seen, parameters, draws):
    """Density of one star's data by a product of rules: Gauss-Hermite where there is a datum, a fine grid where not."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(11)
    weights = weights / weights.sum()
    measured = seen.measured[0]
    rest = -seen.basis[0] @ SUN_VELOCITY
    wide, step = np.linspace(-700.0, 700.0, 141, retstep=True)
    total = 0.0
    for z, part in zip(nodes, weights, strict=True):
        d = seen.distance[0] * np.exp(seen.e_distance[0] * z)
        unit = np.array([1.0, KMS_PER_MASYR_KPC * d, KMS_PER_MASYR_KPC * d])
        sigma = np.array([seen.e_v_los[0], seen.e_pm_l[0], seen.e_pm_b[0]]) * unit
        rules = []
        for k in range(3):
            if measured[k]:
                # density of the datum per its unit, integrated over the velocity in km/s
                rules.append((seen.motions[0, k] * unit[k] + sigma[k] * nodes, weights * unit[k]))
            else:
                rules.append((rest[k] + wide, np.full(len(wide), step)))
        speeds = np.array(list(itertools.product(*(rule[0] for rule in rules))))
        volume = np.array([np.prod(w) for w in itertools.product(*(rule[1] for rule in rules))])
        x = np.broadcast_to(SUN_POSITION + d * seen.basis[0, 0], speeds.shape)
        w = np.hstack([x, speeds @ seen.basis[0] + SUN_VELOCITY])
        f = np.exp(log_density_stars(w, parameters, np.repeat(draws.errors, len(w), axis=0), draws.sizes[0]))
        # p(observed d | d) d^2 dd with d = observed exp(e z)
        total += part * d**3 / seen.distance[0] * (f @ volume)
    return np.log(total)


@pytest.mark.parametrize("missing", [(), (0,), (2,)])
def test_the_density_of_a_star_is_its_numerical_integral(stars, few_points, missing):
    """At the pivot and at other parameters, of a star whose density is smooth on the scale of the grid."""
    seen = observe_stars(stars[3:4], make_errors(1, 0.08, 6.0, 0.05, missing=missing), np.random.default_rng(1))
    draws = draw_at_pivots(seen, MIXTURE, estimate_dispersion(seen), 4_096, (1,))
    for parameters in (PIVOT, OTHER):
        expected = integrate(seen, parameters, draws)
        assert draws.log_density(parameters)[0] == pytest.approx(expected, abs=0.03)


def test_draws_of_a_simple_halo_give_the_same_integrals(stars, few_points):
    for missing in ((), (0,), (1, 2), (2,)):
        errors = make_errors(len(stars), 0.1, 6.0, 0.05, corr=0.0 if missing else 0.5, missing=missing)
        seen = observe_stars(stars, errors, np.random.default_rng(2))
        dispersion = estimate_dispersion(seen)
        simple = draw_simply(seen, dispersion, 1_024, (5,)).log_density(PIVOT)
        found = draw_at_pivots(seen, [PIVOT], dispersion, 64, (6,)).log_density(PIVOT)
        apart = simple - found
        assert np.median(np.abs(apart)) < 0.03 and abs(apart.mean()) < 0.02


def test_with_vanishing_errors_it_is_the_exact_likelihood(stars, few_points):
    seen = observe_stars(stars, make_errors(len(stars), 0.0, 0.0, 0.0), np.random.default_rng(0))
    tiny = ObservedStars(**{**vars(seen), "e_distance": np.full(len(seen), 1e-6), "e_v_los": np.full(len(seen), 1e-3),
                            "e_pm_l": np.full(len(seen), 1e-6), "e_pm_b": np.full(len(seen), 1e-6)})  # fmt: skip
    draws = draw_at_pivots(tiny, MIXTURE, 100.0, 64, (1,))
    # per steradian, kpc, km/s and mas/yr: d^2 and the two tangential velocities
    jacobian = 2.0 * np.log(seen.distance) + 2.0 * np.log(KMS_PER_MASYR_KPC * seen.distance)
    for parameters in (PIVOT, OTHER):
        exact = log_density_stars(stars, parameters) + jacobian
        found = draws.log_density(parameters)
        assert found == pytest.approx(exact, abs=0.03) and found.sum() == pytest.approx(exact.sum(), abs=0.3)


def test_the_mean_ratio_given_the_data_is_the_ratio_of_their_densities(few_points):
    """Over selected stars of b, f_a / f_b at the true place and Z_a / Z_b of the data have the same mean."""
    b, a = PIVOT, mw.Parameters(**{**TRUTH, "beta0": 0.45, "m200_mw": 1e12})
    true = draw_observed(b, mw.Selection(), 500, (8,))[:500].astype(float)
    errors = make_errors(len(true), 0.12, 10.0, 0.08)
    errors.v_los[::3] = np.nan
    errors.pm_l[1::3] = errors.pm_b[1::3] = np.nan
    seen = observe_stars(true, errors, np.random.default_rng(5))
    exact = np.exp(log_density_stars(true, a) - log_density_stars(true, b))
    draws = draw_at_pivots(seen, [b, a], estimate_dispersion(seen), 64, (2,))
    apart = exact - np.exp(draws.log_density(a) - draws.log_density(b))
    assert abs(apart.mean()) < 3.5 * apart.std() / np.sqrt(len(apart)) and apart.std() > 0.01


@pytest.mark.parametrize("beta0", [0.0, 0.3, 0.6, 0.9])
def test_the_largest_error_of_l_keeps_the_number_of_stars_at_a_place_and_speed(beta0):
    """ln P is that of stars without errors: what they add to a star's density, n stars multiply."""
    model = build_equilibrium(mw.Parameters(**{**TRUTH, "beta0": beta0}))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = 0.5 * (nodes + 1.0)
    angle, weights = 0.5 * np.pi * t**8, weights * t**7  # of the velocity from the radius: f rises as its L^(-2 beta)
    velocities = 110.0 * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    stars = np.hstack([np.broadcast_to([60.0, 0.0, 0.0], velocities.shape), velocities])
    # two errors of L, that of the star and the one that the mean is over
    blurred = log_start_density(stars, model, np.zeros((len(stars), 3)), np.sqrt(2.0) * marginal.MAX_BLUR)
    numbers = [weights * np.sin(angle) @ np.exp(values) for values in (blurred, log_start_density(stars, model))]
    assert numbers[0] / numbers[1] == pytest.approx(1.0, abs=5e-3)


def test_more_draws_agree_and_calibration_makes_few_draws_better(stars):
    """The spread over parameters of the sum of ln L, less that of four times as many draws."""
    stars = stars[::2]
    errors = make_errors(len(stars), 0.1, 6.0, 0.05)
    seen = observe_stars(stars, errors, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    points = [
        mw.Parameters(**{**TRUTH, "m200_mw": 1.1e12 + 1e11 * a, "beta0": 0.3 + 0.1 * b})
        for a, b in rng.uniform(-1.0, 1.0, (8, 2))
    ]
    sums = {}
    for k, mixture in ((32, MIXTURE), (128, MIXTURE), (33, [PIVOT])):
        draws = draw_at_pivots(seen, mixture, estimate_dispersion(seen), k, (k,))
        sums[k] = np.array([draws.log_density(p) for p in points])
    apart = {k: sums[k] - sums[128] for k in (32, 33)}
    size = {k: np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0).sum()) for k, x in apart.items()}
    assert size[32] < 0.2 and size[33] > 1.5 * size[32]


def test_few_draws_are_not_drawn_to_their_pivot(stars, few_points):
    """The mean over sets of draws, at parameters far from the pivot, beside many draws made there."""
    stars = stars[::2]
    seen = observe_stars(stars, make_errors(len(stars), 0.1, 6.0, 0.05, missing=(1, 2)), np.random.default_rng(2))
    dispersion = estimate_dispersion(seen)
    far = mw.Parameters(**{**TRUTH, "beta0": 0.85, "m200_mw": 1.3e12})
    right = draw_at_pivots(seen, [far, PIVOT], dispersion, 512, (1,)).log_density(far).sum()
    apart = []
    for seed in range(8):
        draws = draw_at_pivots(seen, [PIVOT], dispersion, 32, (2, seed))
        blur = np.repeat(draws.errors, 32, axis=0), np.repeat(draws.sizes, 32)
        terms = log_density_stars(draws.phase_space.reshape(-1, 6), far, *blur).reshape(-1, 32) + draws.log_weight
        apart.append([draws.log_density(far).sum() - right, logsumexp(terms, axis=1).sum() - right])
    (found, plain), error = np.mean(apart, axis=0), np.std(apart, axis=0).max() / np.sqrt(len(apart))
    assert plain < -3.0 * error and 0.25 * abs(plain) < found - plain < abs(plain)


def test_the_errors_of_l_are_small_beside_those_of_the_data(stars):
    for errors, least, most in (
        (make_errors(len(stars), 1e-4, 0.1, 1e-5), density.ERROR, density.ERROR),
        (make_errors(len(stars), 0.1, 6.0, 0.02), 0.03, marginal.MAX_BLUR),
        (make_errors(len(stars), 1e-4, 0.1, 1e-5, missing=(2,)), marginal.MAX_BLUR, marginal.MAX_BLUR),
    ):
        sizes = draw_simply(observe_stars(stars, errors, np.random.default_rng(1)), 100.0, 8, (1,)).sizes
        assert sizes.shape == (len(stars),) and sizes.min() >= least and sizes.max() <= most


def test_weights_are_calibrated_to_the_means_that_are_wanted():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 0.5, (4, 60, 3))
    wanted = np.ones((4, 3))
    a = np.exp(calibrate(values, wanted))
    assert a.sum(axis=1) == pytest.approx(1.0)
    assert np.einsum("nk,nkj->nj", a, values) == pytest.approx(wanted, abs=1e-3)
    assert np.abs(values.mean(axis=1) - 1.0).max() > 0.05
    # what no weights can give is approached with finite weights
    beyond = np.exp(calibrate(values, np.full((4, 3), 9.0)))
    assert np.isfinite(beyond).all() and (np.einsum("nk,nkj->nj", beyond, values) > 1.2).all()


def test_the_dispersion_is_that_of_the_velocities_without_their_errors():
    rng = np.random.default_rng(1)
    stars = np.hstack([rng.normal(0.0, 60.0, (4000, 3)), rng.normal(0.0, 110.0, (4000, 3))])
    stars = stars[np.linalg.norm(stars[:, :3], axis=1) > 30.0]
    for missing in ((), (0,), (1, 2)):
        seen = observe_stars(stars, make_errors(len(stars), 0.02, 40.0, 0.1, missing=missing), rng)
        assert estimate_dispersion(seen) == pytest.approx(110.0, rel=0.06)
    nothing = observe_stars(stars, make_errors(len(stars), 0.02, 40.0, 0.1, missing=(0, 1, 2)), rng)
    assert 60.0 <= estimate_dispersion(nothing) <= 600.0


def test_the_points_have_the_density_that_they_are_weighted_by(stars):
    """Of a halo that is the simple one itself, all weights are that of the data: checked on the velocities alone."""
    seen = observe_stars(stars[:20], make_errors(20, 0.1, 6.0, 0.05, corr=0.7), np.random.default_rng(2))
    points = draw_phase_space(seen, 90.0, 1 << 14, (3,))
    x = points.phase_space[..., :3]
    r = np.linalg.norm(x, axis=2)
    velocity = norm.logpdf(points.phase_space[..., 3:] / 90.0).sum(axis=2) - 3.0 * np.log(90.0)
    total = np.log(np.exp(points.log_weight + velocity - np.log(r) - 3.0 * np.log(r + 12.0)).mean(axis=1))
    for i in range(3):  # the same by a sum over distances, the velocities in closed form
        z = np.linspace(-5.0, 5.0, 401)
        d = seen.distance[i] * np.exp(0.1 * z)
        y = SUN_POSITION + d[:, None] * seen.basis[i, 0]
        s = np.linalg.norm(y, axis=1)
        rest = -seen.basis[i] @ SUN_VELOCITY
        along = norm.logpdf(seen.v_los[i], rest[0], np.hypot(90.0, 6.0))
        scale = KMS_PER_MASYR_KPC * d
        across = [
            multivariate_normal.logpdf(
                [seen.pm_l[i], seen.pm_b[i]],
                rest[1:] / k,
                0.05**2 * np.array([[1.0, 0.7], [0.7, 1.0]]) + (90.0 / k) ** 2 * np.eye(2),
            )
            for k in scale
        ]
        parts = norm.pdf(z) * d**3 / seen.distance[i] / (s * (s + 12.0) ** 3) * np.exp(across)
        assert total[i] == pytest.approx(along + np.log(parts.sum() * (z[1] - z[0])), abs=0.02)


def test_points_meet_the_radial_orbits_of_stars_without_proper_motions(monkeypatch, few_points):
    """Of a halo of beta0 0.85 the points are worth twice as many draws as those of velocities of one dispersion."""
    radial = mw.Parameters(**{**TRUTH, "beta0": 0.85})
    true = draw_observed(radial, mw.Selection(), 200, (8,))[:100].astype(float)
    seen = observe_stars(true, make_errors(100, 0.1, 6.0, 0.05, missing=(1, 2)), np.random.default_rng(3))
    worth = {}
    for parts in (velocity_proposal.PARTS, (1.0,)):
        monkeypatch.setattr(velocity_proposal, "PARTS", parts)
        draws = draw_at_pivots(seen, [radial], estimate_dispersion(seen), 64, (1,))
        worth[len(parts)] = np.median(draws.effective)
    assert worth[3] > 2.0 * worth[1]


def test_the_number_of_points_does_not_depend_on_what_they_show(monkeypatch, few_points):
    """If stars whose points are worth little had new ones, densities would be too low: by 3% of each star here."""
    radial = mw.Parameters(**{**TRUTH, "beta0": 0.85})
    true = draw_observed(radial, mw.Selection(), 200, (8,))[:100].astype(float)
    seen = observe_stars(true, make_errors(100, 0.1, 6.0, 0.15, missing=(1, 2)), np.random.default_rng(3))
    numbers = []

    def draw(stars, dispersion, m, seed):
        numbers.extend([m] * len(stars))
        return draw_phase_space(stars, dispersion, m, seed)

    monkeypatch.setattr(marginal, "draw_phase_space", draw)
    draws = draw_at_pivots(seen, [radial], estimate_dispersion(seen), 64, (1,))
    assert draws.effective.min() < 20 and numbers == [1_024] * 100


def test_a_proper_motion_that_is_not_measured_says_nothing_of_the_other(stars, few_points):
    """Whatever the correlation that a table gives for a star with one of them."""
    seen = [
        observe_stars(stars[:20], make_errors(20, 0.1, 6.0, 0.05, corr=corr, missing=(2,)), np.random.default_rng(2))
        for corr in (0.0, 0.99)
    ]
    alone, correlated = (draw_at_pivots(each, MIXTURE, 110.0, 64, (1,)) for each in seen)
    assert np.array_equal(alone.phase_space, correlated.phase_space) and np.isfinite(alone.log_weight).all()
