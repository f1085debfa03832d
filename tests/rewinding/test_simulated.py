"""Observed stars of simulations, how many they are, and the control variate of their number."""

import math

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding.simulated import (
    Count,
    DrawJob,
    count_probability,
    draw_counted,
    draw_job,
    fit_constant,
    fit_controlled_constant,
)
from mwlmc_data.simulator.halo_model import build_equilibrium, compute_mass_fraction, draw_halo

NUMBERS = {"m200_mw": 1.1e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.0}
P = mw.Parameters(**NUMBERS)


@pytest.mark.parametrize("changes", [{}, {"beta0": 0.85}, {"beta0": 0.4, "physics": "osipkov-merritt"}])
def test_the_part_within_a_radius_is_that_of_the_drawn_stars(changes):
    model, n = build_equilibrium(mw.Parameters(**NUMBERS, **changes)), 60_000
    radius = np.linalg.norm(draw_halo(model, n, np.random.default_rng(1))[:, :3], axis=1)
    at = np.array([0.0, 1.0, 5.0, 30.0, 50.0, 200.0, np.inf])
    part = compute_mass_fraction(model, at)
    assert part[0] == 0.0 and part[-1] == pytest.approx(1.0, abs=1e-12) and (np.diff(part) > 0.0).all()
    counted = (radius[:, None] < at).mean(axis=0)
    assert (np.abs(counted - part) <= 4.5 * np.sqrt(part * (1.0 - part) / n) + 1e-12).all()


def test_counted_stars_are_those_drawn_and_began_as_the_profile_says():
    stars, counts = draw_counted(DrawJob(P, mw.Selection(), 50_000, (3,)))
    assert [count.drawn for count in counts] == [20_000, 20_000, 10_000]
    assert sum(count.observed for count in counts) == len(stars)
    assert np.array_equal(stars[: counts[0].observed], draw_job(DrawJob(P, mw.Selection(), 20_000, (3, 0))))
    for count in counts:
        assert abs(count.began - count.expected) < 4.5 * math.sqrt(count.expected)
    # most of those that are observed began there
    part = sum(count.began for count in counts) / 50_000
    assert 0.2 < part < 0.5


def draw_counts(rng, n_blocks, relative):
    """Counts of blocks whose stars are observed more often if they began in the shell."""
    began = rng.binomial(20_000, 0.3, n_blocks)
    p = 0.33 * np.exp(relative)
    from_there = np.minimum(0.85 * np.exp(relative), 1.0)
    others = (p - 0.3 * from_there) / 0.7
    observed = rng.binomial(began, from_there) + rng.binomial(20_000 - began, others)
    return [Count(20_000, int(o), int(b), 6000.0) for o, b in zip(observed, began, strict=True)]


def test_the_control_lowers_the_error_by_what_it_explains():
    """In 200 repetitions of 70 blocks: the scatter is the stated error, well below that of the counts alone."""
    rng = np.random.default_rng(2)
    relative = np.tile([0.0, 0.02, -0.02, 0.05, -0.05], 14)
    found, plain = [], []
    for _ in range(200):
        counts = draw_counts(rng, 70, relative)
        found.append(fit_controlled_constant(counts, relative))
        drawn, observed = (np.array([getattr(c, name) for c in counts], float) for name in ("drawn", "observed"))
        plain.append(fit_constant(drawn, observed, relative))
    found, plain = np.array(found), np.array(plain)
    assert found[:, 0].mean() == pytest.approx(math.log(0.33), abs=4.0 * found[:, 1].mean() / math.sqrt(200))
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.2)
    assert plain[:, 0].std() == pytest.approx(plain[:, 1].mean(), rel=0.2)
    # the correlation of beginning there with being observed is 0.72
    assert found[:, 1].mean() / plain[:, 1].mean() == pytest.approx(math.sqrt(1.0 - 0.72**2), abs=0.06)


def test_few_blocks_and_a_selection_of_all_do_without_it():
    rng = np.random.default_rng(3)
    counts = draw_counts(rng, 11, np.zeros(11))
    drawn, observed = (np.array([getattr(c, name) for c in counts], float) for name in ("drawn", "observed"))
    assert fit_controlled_constant(counts, np.zeros(11)) == fit_constant(drawn, observed, np.zeros(11))
    everything = [Count(20_000, 20_000, 20_000, 20_000.0)] * 40
    assert fit_controlled_constant(everything, np.zeros(40)) == (0.0, 0.0)


def test_a_counted_probability_is_that_of_the_fit_and_has_its_error():
    """Two counts of the same point agree within their errors, and with the stars of a simulation."""
    p = mw.Parameters(m200_mw=1.1e12, m_lmc=1.5e11, log10_lambda_df=0.0)
    first, second = (count_probability(p, mw.Selection(), 60_000, (9, k)) for k in range(2))
    assert first[0] != second[0] and abs(first[0] - second[0]) < 4.5 * math.hypot(first[1], second[1])
    part = math.exp(first[0])
    assert first[1] == pytest.approx(math.sqrt((1 - part) / part / 60_000), rel=1e-6)
    halo = mw.simulate(p, seed=4, n_stars=20_000).halo
    outer = (np.linalg.norm(halo.positions.astype(float), axis=1) > 50).mean()
    assert abs(outer - part) < 4.5 * math.sqrt(part * (1 - part) * (1 / 60_000 + 1 / 20_000))
    half = count_probability(p, mw.Selection(fraction=0.5), 60_000, (9, 0))
    assert half[0] == pytest.approx(first[0] + math.log(0.5)) and half[1] == pytest.approx(first[1])
