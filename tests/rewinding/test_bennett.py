"""Ratios of normalisations from draws of several densities."""

import numpy as np
import pytest

from mwlmc_data.rewinding.bennett import solve_ratios

RNG_SEED = 3


def draw_gaussians(means, scales, counts, heights):
    """Draws of Gaussians, and the logarithms of all the functions, of known integrals, at all draws."""
    rng = np.random.default_rng(RNG_SEED)
    means, scales = np.array(means), np.array(scales)
    draws = np.concatenate([rng.normal(m, s, n) for m, s, n in zip(means, scales, counts, strict=True)])
    log_f = np.log(heights)[:, None] - 0.5 * ((draws - means[:, None]) / scales[:, None]) ** 2
    return log_f, np.log(np.array(heights) * scales)


def test_ratios_of_gaussians_are_those_of_their_integrals():
    counts = np.array([20_000.0, 10_000.0, 30_000.0, 0.0])
    log_f, truth = draw_gaussians([0.0, 0.5, -0.4, 0.2], [1.0, 1.2, 0.9, 1.1], counts.astype(int), [1.0, 5.0, 0.1, 2.0])
    found = solve_ratios(log_f, counts)
    assert found.log_p == pytest.approx(truth - truth.mean(), abs=0.02)
    assert abs(found.log_p.mean()) < 1e-12
    assert (found.effective > 20_000).all() and found.largest < 1e-3


def test_a_density_that_vanishes_where_another_does_not_keeps_its_weights_bounded():
    """f = |x|^-0.9 has an infinite variance under draws of |x|^0.9; draws of both do not."""
    rng = np.random.default_rng(RNG_SEED)
    n = 20_000
    # on (0, 1), with integrals 1 / 0.1 and 1 / 1.9
    steep, flat = rng.random(n) ** (1 / 0.1), rng.random(n) ** (1 / 1.9)
    x = np.concatenate([steep, flat])
    found = solve_ratios(np.stack([-0.9 * np.log(x), 0.9 * np.log(x)]), np.array([n, n], float))
    assert found.log_p[0] - found.log_p[1] == pytest.approx(np.log(1.9 / 0.1), abs=0.03)
    assert found.largest <= 1.0001 / n


def test_impossible_draws_count_as_zero():
    """A uniform density on (0, 1) and one on (0, 2): half of the draws of the second are impossible in the first."""
    rng = np.random.default_rng(RNG_SEED)
    x = np.concatenate([rng.random(40_000), 2.0 * rng.random(40_000)])
    log_f = np.stack([np.where(x < 1.0, 0.0, -np.inf), np.zeros(80_000)])
    found = solve_ratios(log_f, np.array([4e4, 4e4]))
    assert found.log_p[1] - found.log_p[0] == pytest.approx(np.log(2.0), abs=0.02)


def test_densities_that_do_not_overlap_are_refused():
    apart, _ = draw_gaussians([0.0, 10.0], [1.0, 1.0], [20, 2_000], [1.0, 1.0])
    with pytest.raises(RuntimeError, match="do not overlap"):
        solve_ratios(apart, np.array([20.0, 2_000.0]))


def test_a_density_in_which_no_draw_is_possible_is_refused():
    log_f = np.stack([np.zeros(10), np.full(10, -np.inf)])
    with pytest.raises(RuntimeError, match="do not overlap"):
        solve_ratios(log_f, np.array([10.0, 0.0]))


def test_few_draws_are_few_effective_ones():
    """Two Gaussians three widths apart: the ratio hangs on the draws between them."""
    log_f, truth = draw_gaussians([0.0, 3.0], [1.0, 1.0], [200, 200], [1.0, 1.0])
    found = solve_ratios(log_f, np.array([200.0, 200.0]))
    assert found.effective.max() < 250.0 and found.log_p == pytest.approx(truth - truth.mean(), abs=0.5)
