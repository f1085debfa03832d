"""The probability that a star is observed, as a function of the parameters."""

import dataclasses

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding import probability_fit as module
from mwlmc_data.rewinding.probability import N_PARTS, PassProbability, compute_coordinates, count_coefficients
from mwlmc_data.rewinding.probability_fit import count_points, fit_probability
from mwlmc_data.rewinding.simulated import DrawJob, draw_job, draw_observed

CENTRE = {"m200_mw": 1.2e12, "m_lmc": 1.2e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}
NAMES = ("m200_mw", "r_dehnen")


def make_design(n, width=0.1):
    """Points around the centre in two parameters, the centre first."""
    rng = np.random.default_rng(5)
    offsets = np.vstack([np.zeros(2), rng.uniform(-width, width, (n - 1, 2))])
    changes = [{name: CENTRE[name] * (1 + o) for name, o in zip(NAMES, row, strict=True)} for row in offsets]
    return [mw.Parameters(**{**CENTRE, **change}) for change in changes]


@pytest.fixture(scope="module")
def fitted():
    return fit_probability(make_design(count_points(2)), NAMES, mw.Selection(), 20_000, (1, 2))


def test_counts_of_a_design():
    assert count_coefficients(2) == 6 and count_points(2) == 20 and count_points(6) == 64


def test_it_agrees_with_counted_stars(fitted):
    """At a point that is not of the design, 200,000 other stars: within its errors, and within theirs."""
    for change in ({}, {"m200_mw": 1.28e12, "r_dehnen": 12.8}):
        there = mw.Parameters(**{**CENTRE, **change})
        n = 200_000
        observed = len(draw_job(DrawJob(there, mw.Selection(), n, (9,))))
        p = observed / n
        error = np.hypot(np.sqrt((1 - p) / (n * p)), np.hypot(fitted.log_p_error, 2e-3))
        assert fitted.log_probability(there) == pytest.approx(np.log(p), abs=4.0 * error)
    assert fitted.log_p_error < 0.01 and fitted.misfit <= fitted.residual < 2e-3 and fitted.agreement > 1e-3


def test_the_ratios_of_other_stars_agree_within_the_error(fitted):
    other = fit_probability(make_design(count_points(2)), NAMES, mw.Selection(), 20_000, (7, 7))
    rng = np.random.default_rng(0)
    draws = {name: CENTRE[name] * (1 + 0.04 * rng.standard_normal(400)) for name in NAMES}
    x = compute_coordinates(draws, NAMES)
    difference = fitted.evaluate(x) - other.evaluate(x)
    difference -= difference.mean()
    weights = np.full(400, 1 / 400)
    errors = [each.estimate_error(x, weights) for each in (fitted, other)]
    assert 0.25 < errors[0] / errors[1] < 4.0
    assert np.sqrt(np.mean(difference**2)) < 4.0 * np.hypot(*errors)
    assert 1e-5 < errors[0] < 2e-3


def test_the_misfit_falls_towards_the_centre(fitted):
    """As the square of the distance: it is measured at the points of the design, and the posterior is narrower."""
    exact = dataclasses.replace(fitted, misfit=1e-3).without_noise()
    offsets = np.random.default_rng(3).standard_normal((4000, 2)) * exact._scale
    errors = [exact.estimate_error(exact._centre + part * offsets, np.full(4000, 1 / 4000)) for part in (1.0, 0.5, 0.1)]
    assert errors[0] == pytest.approx(1e-3 * np.sqrt(2.0), rel=0.1), "draws as wide as the design"
    assert errors[1:] == pytest.approx([errors[0] / 4.0, errors[0] / 100.0])


def test_cubes_follow_a_wide_design():
    """The error that more stars would not remove is less than half, and the fit survives being stored."""
    design = make_design(28, width=0.5)
    fits = [
        fit_probability(design, NAMES, mw.Selection(), 40_000, (1, 2), relative_errors=np.array([0.1]), wide=wide)
        for wide in (False, True)
    ]
    assert fits[1].misfit < 0.5 * fits[0].misfit
    again = PassProbability.from_arrays(NAMES, fits[1].to_arrays())
    assert again.log_probability(design[3]) == fits[1].log_probability(design[3])


def test_products_are_judged_by_their_parameters():
    """The product of a mass and r_dehnen is left out where the square of r_dehnen, which may be larger, is not."""
    scale = np.array([0.002, 0.15])
    kept = module._choose_terms(NAMES, scale, 1024)
    assert kept.tolist() == [True, True, True, False, False, True]
    assert module._choose_terms(NAMES, scale, None).all()


def test_products_that_cannot_matter_are_not_fitted():
    """In a narrow design, for a hundred stars; the noise of what is left is smaller."""
    design, weights = make_design(count_points(2), width=0.005), np.full(20, 1 / 20)
    fits = [
        fit_probability(design, NAMES, mw.Selection(), 8_000, (1, 2), n_data=n) for n in (100, 1_000_000, None)
    ]
    squares = [fit.to_arrays()["coefficients"][3:] for fit in fits]
    assert (squares[0] == 0.0).all() and (squares[1] != 0.0).all() and np.array_equal(squares[1], squares[2])
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in NAMES}, NAMES)
    assert fits[0].estimate_noise(x, weights) < fits[2].estimate_noise(x, weights)


def test_products_that_matter_against_expectation_are_fitted():
    """A density with a product of two coordinates larger than its bound, of up to 0.4 nats."""
    right, size, n_data = module._evaluate, 2.0, 500

    def bend(job):
        x = np.log([getattr(job[1], name) / CENTRE[name] for name in NAMES])
        return right(job) + size * x[0] * x[1]

    design = make_design(count_points(2), width=0.02)
    plain, bent = (
        fit_probability(design, NAMES, mw.Selection(), 40_000, (1, 2), apply=change, n_data=n_data)
        for change in (map, lambda f, jobs: map(bend if f is right else f, jobs))
    )
    assert plain.to_arrays()["coefficients"][4] == 0.0 != bent.to_arrays()["coefficients"][4]
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in NAMES}, NAMES)
    product = size * (x - x[0]).prod(axis=1)
    missing = bent.evaluate(x) - plain.evaluate(x) - product
    assert n_data * np.abs(product).max() > 0.2
    assert np.abs(missing - missing[0]).max() < 0.3 * np.abs(product).max()


def test_the_random_part_is_a_constant(fitted):
    half = fit_probability(make_design(count_points(2)), NAMES, mw.Selection(fraction=0.5), 20_000, (1, 2))
    here = mw.Parameters(**CENTRE)
    assert half.log_probability(here) == pytest.approx(fitted.log_probability(here) + np.log(0.5))


def test_arrays_hold_all_of_it(fitted):
    again = PassProbability.from_arrays(NAMES, fitted.to_arrays())
    for field in dataclasses.fields(PassProbability):
        assert np.array_equal(getattr(again, field.name), getattr(fitted, field.name)), field.name


def test_what_a_polynomial_cannot_follow_is_its_misfit(fitted, monkeypatch):
    """A density with a wave in the mass, of 0.01: no number of stars makes a quadratic follow it."""
    right = module.log_density_stars

    def wavy(stars, p):
        return right(stars, p) + 0.01 * np.sin(100.0 * p.m200_mw / CENTRE["m200_mw"])

    monkeypatch.setattr(module, "log_density_stars", wavy)
    found = fit_probability(make_design(count_points(2)), NAMES, mw.Selection(), 20_000, (1, 2))
    assert 0.004 < found.misfit < 0.012 and fitted.misfit < 0.002
    design = make_design(count_points(2))
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in NAMES}, NAMES)
    error = found.without_noise().estimate_error(x, np.full(len(x), 1.0 / len(x)))
    assert found.misfit < error < 1.5 * found.misfit, "over draws as wide as the design"


def test_a_misfit_is_that_at_unit_distance_whatever_the_noise():
    """Departures of m times the squared distance, and noise as large as they: m comes out, nothing of noise alone."""
    rng, k, true = np.random.default_rng(6), 64, 3e-4
    x = rng.standard_normal((k, 6)) * rng.uniform(0.3, 2.0, (k, 1))
    squared = module.square_distances(x)
    terms = np.hstack([np.ones((k, 1)), x])
    projector = np.eye(k) - terms @ np.linalg.pinv(terms)

    def estimate(size):
        parts = 2e-4 * np.sqrt(module.N_PARTS) * rng.standard_normal((module.N_PARTS, k))
        lacking = size * squared * rng.standard_normal(k)
        values, of_parts = lacking + parts.mean(axis=0), lacking + parts
        return module._estimate_misfit(values @ projector, of_parts @ projector, projector, squared)

    found, nothing = (np.array([estimate(size) for _ in range(200)]) for size in (true, 0.0))
    assert np.sqrt(np.mean(found**2)) == pytest.approx(true, rel=0.06)
    assert np.sqrt(np.mean(nothing**2)) < 0.25 * true


def test_densities_that_contradict_the_counts_are_refused(monkeypatch):
    """A density that grows wrongly with r_dehnen: the ratios follow it, the counts do not."""
    right = module.log_density_stars
    monkeypatch.setattr(module, "log_density_stars", lambda stars, p: right(stars, p) + 3.0 * (p.r_dehnen / 12.0 - 1.0))
    with pytest.raises(RuntimeError, match="contradicts counted stars"):
        fit_probability(make_design(count_points(2)), NAMES, mw.Selection(), 20_000, (1, 2))


def test_too_few_stars_are_refused():
    with pytest.raises(RuntimeError, match=r"effective number of stars is [0-9.]+ at a point.*allowed are 100 or"):
        fit_probability(make_design(count_points(2)), NAMES, mw.Selection(r_min=300.0), 80, (1, 2))


def test_a_selection_of_hardly_any_star_is_refused():
    rare = mw.Selection(footprint=lambda l, b: b > 89.0)
    with pytest.raises(ValueError, match=r"observes more than 0\.001 of the stars"):
        fit_probability(make_design(count_points(2)), NAMES, rare, 1000, (1,))
    with pytest.raises(ValueError, match=r"observes more than 0\.001 of the stars"):
        draw_observed(make_design(2)[0], rare, 1000, (1,))


@pytest.mark.parametrize("steepest", [0.008, 0.1])
def test_noise_does_not_add_up_at_the_edge_of_a_wide_design(steepest):
    """Of a known ln P with noise at 64 points in six dimensions: errors at the edge and in the middle, as stated.

    The slope of one coordinate may be steep, as that of the scale radius is.
    """
    rng, k, d, n_drawn, noise = np.random.default_rng(3), 64, 6, 3_000, 0.03

    def place(n, low):
        direction = rng.standard_normal((n, d))
        radius = 5.0 * rng.uniform(low**3, 1.0, n) ** (1 / 3)
        return direction / np.linalg.norm(direction, axis=1)[:, None] * radius[:, None]

    slopes, bends = rng.normal(0.0, 0.005, d), rng.normal(0.0, 0.001, d)
    slopes[2] = steepest

    def log_p(x):
        return -1.8 + x @ slopes + x**2 @ bends

    least, shrunk, said = [], [], []
    for _ in range(20):
        x, edge, middle = np.vstack([np.zeros(d), place(k - 1, 0.0)]), place(50, 0.9), rng.standard_normal((50, d))
        of_parts = log_p(x) + noise * np.sqrt(N_PARTS) * rng.standard_normal((N_PARTS, k))
        solved = module._Solved(
            names=tuple("abcdef"), coordinates=x, log_p=of_parts.mean(axis=0), of_parts=of_parts, effective=500.0,
            largest=0.01, counts=rng.binomial(n_drawn, np.exp(log_p(x))).astype(float), n_drawn=n_drawn,
            n_stars=30_000, fraction=1.0,
        )  # fmt: skip
        for found, errors in ((solved._fit(np.ones(34, bool), True), least), (solved.fit_best(True, 130), shrunk)):
            errors.append([np.std(found.evaluate(where) - log_p(where)) for where in (edge, middle)])
        said.append([found.estimate_error(where, np.full(50, 1 / 50)) for where in (edge, middle)])
    least, shrunk, said = (np.sqrt(np.mean(np.square(x), axis=0)) for x in (least, shrunk, said))
    assert shrunk[0] < 0.5 * least[0] and shrunk[1] < 0.8 * least[1]
    assert np.all(0.7 * shrunk < said) and np.all(said < 2.0 * shrunk)


def test_without_noise_a_wide_design_gives_the_polynomial_itself():
    rng, k, d = np.random.default_rng(4), 64, 2
    x = np.vstack([np.zeros(d), rng.uniform(-2.0, 2.0, (k - 1, d))])
    log_p = -1.5 + 0.1 * x[:, 0] - 0.05 * x[:, 1] ** 2 + 0.02 * x[:, 0] ** 3
    solved = module._Solved(
        names=("a", "b"), coordinates=x, log_p=log_p, of_parts=log_p + 1e-7 * rng.standard_normal((N_PARTS, k)),
        effective=500.0, largest=0.01, counts=1e6 * np.exp(log_p), n_drawn=1_000_000, n_stars=30_000, fraction=1.0,
    )  # fmt: skip
    for exact in (solved, dataclasses.replace(solved, of_parts=np.tile(log_p, (N_PARTS, 1)))):
        found = exact.fit_best(True, None)
        assert found.evaluate(x) - log_p == pytest.approx(np.zeros(k), abs=1e-5) and found.misfit < 1e-5
