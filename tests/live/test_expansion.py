"""The multipole expansion: its harmonics, its force against sums over particles and closed forms."""

import numpy as np
import pytest

from mwlmc_data.live.expansion import expand
from mwlmc_data.live.force import evaluate
from mwlmc_data.live.harmonics import count_pairs, evaluate_harmonics, find_l_max, make_polynomials, make_recurrence
from mwlmc_data.live.radial_bins import N_BINS, NODES
from mwlmc_data.simulator import constants as const


def draw_directions(n, rng):
    unit = rng.normal(size=(n, 3))
    return unit / np.linalg.norm(unit, axis=1)[:, None]


def draw_hernquist(n, scale, rng):
    root = np.sqrt((np.arange(n) + rng.random(n)) / n)
    return (scale * root / (1 - root))[:, None] * draw_directions(n, rng)


def sum_directly(positions, masses, at):
    gap = at[:, None] - positions[None]
    distance = np.linalg.norm(gap, axis=2)
    acceleration = -const.G * np.einsum("n,mnk->mk", masses.astype(float), gap / distance[..., None] ** 3)
    return acceleration, -const.G * (masses / distance).sum(1)


def test_harmonics_are_orthonormal():
    # Gauss's rule in z and equidistant angles integrate products of harmonics exactly
    z, weight = np.polynomial.legendre.leggauss(12)
    angle = 2 * np.pi * np.arange(24) / 24
    sine = np.sqrt(1 - z**2)[:, None]
    unit = np.stack(
        [sine * np.cos(angle), sine * np.sin(angle), np.broadcast_to(z[:, None], (12, 24))], axis=-1
    ).reshape(-1, 3)
    values = evaluate_harmonics(unit, 6).reshape(len(unit), -1)
    weights = np.repeat(weight * 2 * np.pi / 24, 24)
    products = values.T @ (weights[:, None] * values)
    is_zero = np.array([m == 0 and part == 1 for l in range(7) for m in range(l + 1) for part in range(2)])
    np.testing.assert_allclose(products[np.ix_(~is_zero, ~is_zero)], np.eye((~is_zero).sum()), atol=1e-12)


def test_the_recurrence_gives_the_polynomials():
    l_max, z = 7, np.linspace(-1, 1, 9)
    recurrence, table = make_recurrence(l_max), make_polynomials(l_max)
    for m in range(l_max + 1):
        before, now = np.zeros_like(z), np.full_like(z, recurrence.first[m])
        for l in range(m, l_max + 1):
            expected = np.polynomial.polynomial.polyval(z, table[l * (l + 1) // 2 + m])
            np.testing.assert_allclose(now, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
            before, now = now, recurrence.a[l, m] * z * now - recurrence.b[l, m] * before


@pytest.mark.parametrize("l_max", [0, 1, 6, 16])
def test_pairs_are_counted(l_max):
    assert count_pairs(l_max) == sum(l + 1 for l in range(l_max + 1))
    assert find_l_max(count_pairs(l_max)) == l_max


def test_outside_the_particles_it_is_the_direct_sum():
    rng = np.random.default_rng(0)
    centre = np.array([1.0, 2.0, 3.0])
    positions = centre + 4.0 * rng.random(2000)[:, None] * draw_directions(2000, rng) * [1.0, 0.5, 2.0]
    masses = rng.uniform(0.5, 1.5, 2000).astype(np.float32) * 1e6
    at = centre + rng.uniform(20.0, 400.0, (200, 1)) * draw_directions(200, rng)
    acceleration, potential = evaluate(expand(positions, masses, centre, 16), at)
    expected, expected_potential = sum_directly(positions, masses, at)
    error = np.linalg.norm(acceleration - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 1e-4
    np.testing.assert_allclose(potential, expected_potential, rtol=1e-5)


def test_within_a_shell_of_particles_it_is_the_direct_sum():
    rng = np.random.default_rng(1)
    positions = rng.uniform(60.0, 90.0, (3000, 1)) * draw_directions(3000, rng)
    masses = np.full(3000, 1e8, np.float32)
    at = rng.uniform(2.0, 12.0, (100, 1)) * draw_directions(100, rng)
    acceleration, potential = evaluate(expand(positions, masses, np.zeros(3), 16), at)
    expected, expected_potential = sum_directly(positions, masses, at)
    # forces cancel within a shell: the scale is that of one side's pull
    scale = np.sqrt((expected**2).sum(1).mean())
    assert np.abs(acceleration - expected).max() < 1e-3 * scale
    np.testing.assert_allclose(potential, expected_potential, rtol=1e-5)


def test_a_halo_of_200_000_has_the_force_of_its_density():
    n, mass, scale = 200_000, 1e12, 40.0
    medians, outer = [], []
    for seed in range(3):
        positions = draw_hernquist(n, scale, np.random.default_rng(seed))
        expansion = expand(positions, np.full(n, mass / n, np.float32), np.zeros(3))
        acceleration, potential = evaluate(expansion, positions)
        r = np.linalg.norm(positions, axis=1)
        expected = -const.G * mass / (r * (r + scale) ** 2)
        error = np.linalg.norm(acceleration - expected[:, None] * positions, axis=1) / np.abs(expected * r)
        medians.append(np.median(error))
        outer.append(np.mean(error[(r > 50) & (r < 300)] ** 2))
        within = (r > 5) & (r < 500)
        depth = -potential[within] * (r[within] + scale) / (const.G * mass)
        assert np.sqrt(np.mean((depth - 1) ** 2)) < 2e-3
    assert np.mean(medians) < 6e-3
    assert np.sqrt(np.mean(outer)) < 6e-3


@pytest.mark.parametrize("l_max", [0, 2, 6])
def test_the_force_is_the_gradient_of_the_potential(l_max):
    rng = np.random.default_rng(3)
    centre = np.array([-5.0, 0.0, 40.0])
    positions = centre + draw_hernquist(20_000, 20.0, rng) * [1.0, 0.7, 0.5]
    expansion = expand(positions, np.full(20_000, 1e7, np.float32), centre, l_max)
    radius = np.geomspace(0.2, 5000.0, 300)
    at = centre + radius[:, None] * draw_directions(300, rng)
    acceleration, _ = evaluate(expansion, at)
    # the kernel's float32 potential allows no small steps: a step of 2% and Richardson's extrapolation
    difference = np.zeros((300, 3))
    for k in range(3):
        steps = []
        for share in (0.02, 0.04):
            shift = np.zeros((300, 3))
            shift[:, k] = share * radius
            high, low = evaluate(expansion, at + shift)[1], evaluate(expansion, at - shift)[1]
            steps.append((high - low) / (2 * share * radius))
        difference[:, k] = (4 * steps[0] - steps[1]) / 3
    error = np.linalg.norm(acceleration + difference, axis=1) / np.linalg.norm(acceleration, axis=1)
    assert np.median(error) < 1e-3
    assert np.quantile(error, 0.9) < 1e-2


def test_potential_and_force_are_continuous_at_the_nodes():
    rng = np.random.default_rng(4)
    positions = draw_hernquist(20_000, 20.0, rng) * [1.0, 0.7, 0.5]
    expansion = expand(positions, np.full(20_000, 1e7, np.float32), np.zeros(3), 6)
    unit = draw_directions(len(NODES) - 2, rng)
    low = evaluate(expansion, 0.99999 * NODES[1:-1, None] * unit)
    high = evaluate(expansion, 1.00001 * NODES[1:-1, None] * unit)
    size = np.linalg.norm(low[0], axis=1)
    assert (np.linalg.norm(high[0] - low[0], axis=1) < 2e-3 * size).all()
    np.testing.assert_allclose(high[1], low[1], rtol=1e-4)


def test_the_order_of_the_particles_does_not_matter():
    rng = np.random.default_rng(5)
    positions = draw_hernquist(40_000, 20.0, rng)
    masses = rng.uniform(1, 2, 40_000).astype(np.float32)
    order = rng.permutation(40_000)
    one = expand(positions, masses, np.zeros(3))
    other = expand(positions[order], masses[order], np.zeros(3))
    size = np.abs(one.potential[:, 0, 0]).max()
    assert np.abs(one.potential - other.potential).max() < 1e-6 * size


def test_every_radius_has_its_bin():
    rng = np.random.default_rng(6)
    radius = np.r_[1e-6, 0.1, NODES * 0.999, NODES * 1.001, 1e4, 1e6]
    masses = np.ones(len(radius), np.float32)
    expansion = expand(radius[:, None] * draw_directions(len(radius), rng), masses, np.zeros(3), 0)
    # Gauss's theorem on each node: r^2 dphi/dr / G is the mass within
    within = expansion.slope[:, 0, 0] * np.sqrt(1 / (4 * np.pi)) * NODES**2 / const.G
    np.testing.assert_allclose(within, [(radius < node).sum() for node in NODES], rtol=1e-5)
    assert len(expansion.cells) == N_BINS


def test_a_galaxy_without_particles_has_no_force():
    expansion = expand(np.empty((0, 3)), np.empty(0, np.float32), np.zeros(3))
    acceleration, potential = evaluate(expansion, np.array([[1.0, 2.0, 3.0]]))
    assert not acceleration.any()
    assert not potential.any()
