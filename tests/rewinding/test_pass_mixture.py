"""ln P at single points: against its identities, counted stars, and the scatter between seeds."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding.bennett import solve_ratios
from mwlmc_data.rewinding.pass_mixture import PassMixture, draw_mixture
from mwlmc_data.rewinding.probability import N_PARTS, estimate_noise
from mwlmc_data.rewinding.probability_fit import draw_design
from mwlmc_data.rewinding.simulated import DrawJob, draw_job
from mwlmc_data.scoring.star_surveys import get_selection

SELECTION = mw.Selection(r_min=50.0, r_max=150.0, fraction=0.5)
ERRORS = np.array([0.05, 0.1, 0.15])


def make(m200, beta0=0.4, r_dehnen=12.0):
    return mw.Parameters(m200_mw=m200, m_lmc=1.4e11, log10_lambda_df=0.0, beta0=beta0, r_dehnen=r_dehnen)


COMPONENTS = [make(0.9e12, r_dehnen=11.0), make(1.1e12, 0.5, 12.5), make(1.3e12, 0.3, 14.0)]
POINTS = [make(1.0e12, 0.45, 11.5), make(1.2e12, 0.35, 13.5), *COMPONENTS]


@pytest.fixture(scope="module")
def mixture():
    return draw_mixture(COMPONENTS, SELECTION, 12_000, (1, 2), relative_errors=ERRORS)


def count(parameters, seed):
    """Counted ln P of 80,000 stars, and its error."""
    n = 80_000
    part = len(draw_job(DrawJob(parameters, SELECTION, n, (seed,), ERRORS))) / n
    return np.log(part * SELECTION.fraction), np.sqrt((1.0 - part) / part / n)


def test_it_is_the_counted_probability_between_the_components(mixture):
    found = mixture.evaluate(POINTS)
    counted = np.array([count(p, i) for i, p in enumerate(POINTS)])
    weights = np.full(len(POINTS), 1.0 / len(POINTS))
    noise = np.hypot(estimate_noise(found[1:].T, weights), mixture.constant_error)
    apart = found[0] - counted[:, 0]
    assert 0.0 < noise < 0.03 and np.ptp(counted[:, 0]) > 10.0 * noise
    assert (np.abs(apart) < 4.0 * np.hypot(noise, counted[:, 1])).all()


def test_at_the_components_it_is_the_solution_of_the_ratios(mixture):
    drawn = draw_design(COMPONENTS, SELECTION, 12_000, (1, 2), map, ERRORS)
    right = solve_ratios(drawn.log_f, drawn.count(np.ones(len(drawn.source), bool))).log_p
    found = mixture.evaluate(COMPONENTS)
    np.testing.assert_allclose(np.diff(found[0]), np.diff(right), atol=1e-7)
    used = drawn.part == 2
    of_part = solve_ratios(drawn.log_f[:, used], drawn.count(used)).log_p
    np.testing.assert_allclose(np.diff(found[3]), np.diff(of_part), atol=1e-7)


def test_the_noise_of_the_parts_is_the_scatter_between_seeds(mixture):
    weights, several = np.full(2, 0.5), []
    for seed in range(12):
        found = draw_mixture(COMPONENTS, SELECTION, 6_000, (3, seed), relative_errors=ERRORS).evaluate(POINTS[:2])
        several.append((found[0] - found[0] @ weights, estimate_noise(found[1:].T, weights)))
    values, noise = (np.array(column) for column in zip(*several, strict=True))
    scatter = np.sqrt(values.var(axis=0, ddof=1) @ weights)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(scatter, rel=0.6)


def test_it_is_stored_and_read_again(mixture):
    again = PassMixture.from_arrays(mixture.to_arrays())
    np.testing.assert_array_equal(again.evaluate(POINTS[:1]), mixture.evaluate(POINTS[:1]))
    assert again.constant_error == mixture.constant_error and mixture.evaluate(POINTS[:1]).shape == (1 + N_PARTS, 1)


def test_stars_that_are_hardly_observed_are_refused():
    with pytest.raises(ValueError, match=r"allowed is one that observes more than 0\.001 of the stars"):
        draw_mixture(COMPONENTS, mw.Selection(r_min=5e4), 100, (1,))


def test_it_follows_the_last_passage_of_the_lmc():
    """With more mass the LMC's last passage comes within the 2.2 Gyr, and P falls again: no slope, no parabola."""
    held = {"m_lmc": 1.26e11, "log10_lambda_df": -0.74, "m_lmc_8p7": 1.83e10, "beta0": 0.65, "r_dehnen": 13.0,
            "x_lmc": -6.1, "y_lmc": -36.4, "z_lmc": -28.0, "vx_lmc": -131.0, "vy_lmc": -228.0,
            "vz_lmc": 184.0}  # fmt: skip

    def place(x):
        return mw.Parameters(m200_mw=1.21e12 * np.exp(0.08 * x), **held)

    mixture = draw_mixture([place(x) for x in np.linspace(-2.0, 3.0, 11)], get_selection(), 40_000, (5,))
    points, n = [place(x) for x in (0.0, 1.0, 2.0)], 600_000
    part = np.array([len(draw_job(DrawJob(p, get_selection(), n, (7, i)))) / n for i, p in enumerate(points)])
    bend = np.array([-0.5, 1.0, -0.5])
    error = np.sqrt(bend**2 @ ((1.0 - part) / part / n))
    found = bend @ mixture.evaluate(points)[0]
    assert found == pytest.approx(bend @ np.log(part), abs=4.0 * error) and found > 0.015
