"""The slope of ln P at a posterior: further stars at few points, in place of the noise of the design's."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding.likelihood import OF_START
from mwlmc_data.rewinding.probability import compute_coordinates
from mwlmc_data.rewinding.probability_fit import count_points, fit_probability
from mwlmc_data.rewinding.simulated import DrawJob, draw_job
from mwlmc_data.rewinding.slope import Goal, Slope, make_simplex, measure_slope, place_corners
from tests.rewinding.test_probability import CENTRE, NAMES, make_design

#: Relative widths of a posterior in both parameters, and its correlation.
WIDTH, CORRELATION = 0.02, 0.5


def make_points(offsets):
    """Parameters at relative offsets (n, 2) from the centre."""
    return [
        mw.Parameters(**{**CENTRE, **{name: CENTRE[name] * (1.0 + o) for name, o in zip(NAMES, row, strict=True)}})
        for row in offsets
    ]


ROOT = WIDTH * np.linalg.cholesky([[1.0, CORRELATION], [CORRELATION, 1.0]])
CORNERS = make_points(place_corners(ROOT @ ROOT.T, np.isin(NAMES, OF_START)))


@pytest.fixture(scope="module")
def fitted():
    return fit_probability(make_design(count_points(2)), NAMES, mw.Selection(), 8_000, (1, 2))


def make_goal(noise, most=200_000):
    offsets = np.random.default_rng(0).standard_normal((500, 2)) @ ROOT.T
    values = {name: CENTRE[name] * (1.0 + column) for name, column in zip(NAMES, offsets.T, strict=True)}
    return Goal(compute_coordinates(values, NAMES), np.full(500, 1 / 500), noise, most)


def measure(fitted, seed, noise=2e-4, most=200_000, n_first=10_000, earlier=None):
    return measure_slope(fitted, CORNERS, mw.Selection(), make_goal(noise, most), n_first, (seed,), earlier=earlier)


def refine(fitted, seed, **how):
    return measure(fitted, seed, **how).apply(fitted)


@pytest.mark.parametrize("d", [1, 2, 6])
def test_a_simplex_has_the_covariance_of_the_scores(d):
    corners = make_simplex(d)
    assert corners.shape == (d + 1, d) and corners.mean(axis=0) == pytest.approx(0.0, abs=1e-12)
    assert corners.T @ corners / (d + 1) == pytest.approx(np.eye(d), abs=1e-12)


@pytest.mark.parametrize("of_start", [(0, 0, 0, 0, 1, 1), (1, 0, 1, 0, 0, 0), (0, 1), (0, 0, 0), (1, 1), (1,)])
def test_corners_share_orbits_and_stay_within_the_posterior(of_start):
    """As few fields as there can be, next to each other; scores of the size of a simplex, which give the products."""
    of_start, d = np.array(of_start, bool), len(of_start)
    root = np.random.default_rng(1).standard_normal((d, d))
    covariance = root @ root.T + 0.1 * np.eye(d)
    corners = place_corners(covariance, of_start)
    fields = corners[:, ~of_start]
    n_fields = 1 + int((~of_start).sum())
    assert len(np.unique(fields, axis=0)) == (n_fields if (~of_start).any() else min(1, d))
    assert (fields[n_fields - 1 :] == fields[n_fields - 1]).all(), "the last ones have one field"
    start = corners[:, of_start]
    products = [start[:, i] * start[:, j] for i in range(start.shape[1]) for j in range(i + 1)]
    terms = np.stack([np.ones(len(corners)), *corners.T, *products], axis=1)
    assert len(terms) == terms.shape[1] == np.linalg.matrix_rank(terms)
    squared = np.einsum("ni,ij,nj->n", corners, np.linalg.inv(covariance), corners)
    assert squared.max() <= d + 1.0 + 1e-9


def test_more_stars_are_drawn_until_the_noise_is_what_is_wanted(fitted):
    goal = make_goal(2e-4)
    before, found = fitted.estimate_noise(goal.coordinates, goal.weights), refine(fitted, 5)
    assert before > 4e-4 and found.estimate_noise(goal.coordinates, goal.weights) < 2.5e-4
    assert found.n_stars > fitted.n_stars + 20_000
    assert found.misfit == fitted.misfit and found.n_points == fitted.n_points
    few = refine(fitted, 5, noise=1e-6, most=20_000)
    assert 20_000 <= few.n_stars - fitted.n_stars < 60_000


def test_the_slope_of_other_stars_is_the_same_whatever_it_was(fitted):
    """Of a fit whose slope is wrong by 0.01 across the posterior, too: within the noise of both."""
    x = compute_coordinates({name: [getattr(p, name) for p in CORNERS] for name in NAMES}, NAMES)
    given = fitted.evaluate(x) + np.array([0.01, -0.01, 0.0, 0.0])
    wrong = fitted.with_slope(x, given, np.tile(given, (8, 1)))
    goal = make_goal(2e-4)

    def compare(one, two):
        return float(np.std(one.evaluate(goal.coordinates) - two.evaluate(goal.coordinates)))

    assert compare(refine(fitted, 5), refine(wrong, 6)) < 8.5e-4
    assert compare(fitted, wrong) > 5e-3


def test_the_ratios_at_the_corners_are_those_of_the_further_stars(fitted):
    """With them given, the differences between the corners are they, and the curvature in the mass is kept."""
    x = compute_coordinates({name: [getattr(p, name) for p in CORNERS] for name in NAMES}, NAMES)
    log_p = np.array([0.1, -0.2, 0.05, 0.1])
    found = fitted.with_slope(x, log_p, log_p + 0.01 * np.arange(8)[:, None] * np.array([1.0, 0.0, -1.0, 0.0]))
    assert np.diff(found.evaluate(x)) == pytest.approx(np.diff(log_p), abs=1e-10)
    middle = x.mean(axis=0)
    bends = [[each.evaluate(np.array([middle + step, middle, middle - step])) @ [1.0, -2.0, 1.0]
              for step in ([0.05, 0.0], [0.0, 0.05])] for each in (fitted, found)]  # fmt: skip
    assert bends[1][0] == pytest.approx(bends[0][0], abs=1e-10) and abs(bends[1][1] - bends[0][1]) > 1e-3
    assert found.estimate_noise(x, np.full(4, 1 / 4)) > 1e-3, "the parts differ"


def test_the_constant_is_that_of_counted_stars(fitted):
    found = refine(fitted, 5, n_first=160_000)
    there, n = mw.Parameters(**CENTRE), 200_000
    p = len(draw_job(DrawJob(there, mw.Selection(), n, (9,)))) / n
    error = np.hypot(np.sqrt((1.0 - p) / (n * p)), found.log_p_error)
    assert found.log_probability(there) == pytest.approx(np.log(p), abs=4.0 * error)
    drawn = (found.n_stars - fitted.n_stars) / p
    assert found.log_p_error < 0.85 * np.sqrt((1.0 - p) / (drawn * p)), "the control lowers it"


def test_the_wrong_number_of_corners_is_refused(fitted):
    with pytest.raises(ValueError, match="corners = 2: allowed are more than the 2 free parameters"):
        measure_slope(fitted, CORNERS[:2], mw.Selection(), make_goal(1e-3), 1000, (1,))


def test_an_earlier_slope_counts_too(fitted):
    """What other stars at the same corners left: nothing is drawn if that suffices, else what is missing."""
    goal, first = make_goal(2e-4), measure(fitted, 5, noise=1e-3)
    assert measure(fitted, 6, noise=1e-2, earlier=first) is first
    alone, both = (measure(fitted, 6, earlier=before) for before in (None, first))
    assert both.estimate_noise(fitted, goal) < 2.5e-4 and both.n_stars > first.n_stars
    assert both.level_error < first.level_error
    assert both.level == pytest.approx(alone.level, abs=4.0 * alone.level_error)
    assert both.log_p == pytest.approx(alone.log_p, abs=2e-3)
    again = Slope.from_arrays(both.to_arrays())
    assert again.apply(fitted).log_p == both.apply(fitted).log_p and again.n_stars == both.n_stars
