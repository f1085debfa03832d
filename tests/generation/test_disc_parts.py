"""Parts of the fit of the disc's terms, each compared with its definition."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad

from generation import disc
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import potentials
from mwlmc_data.simulator.tables import make_nodes

TERMS = disc.Terms(np.array([4e10, -1e10, 2e10]), np.array([2.0, 5.0, 0.7]), np.array([0.1, -0.2, 0.05]), 0.35)


def potential(terms, R, z):
    """-G m / sqrt(R^2 + q^2), q = a + 2h ln(2 cosh(z / 2h)) + b / cosh^2(z / 2h), summed."""
    u = z / (2 * terms.height)
    q = terms.a + 2 * terms.height * np.log(2 * np.cosh(u)) + terms.b / np.cosh(u) ** 2
    return float(np.sum(-const.G * terms.mass / np.sqrt(R * R + q * q)))


@pytest.mark.parametrize(("R", "z"), [(0.1, 0.05), (3.0, 0.3), (8.0, 1.5), (2.0, 6.0), (40.0, 10.0)])
def test_the_force_is_the_gradient_of_the_potential(R, z):
    step = 1e-5
    radial = -(potential(TERMS, R + step, z) - potential(TERMS, R - step, z)) / (2 * step)
    vertical = -(potential(TERMS, R, z + step) - potential(TERMS, R, z - step)) / (2 * step)
    found = [part[0] for part in TERMS.force(np.array([R]), np.array([z]))]
    assert found == pytest.approx([radial, vertical], rel=1e-6)


@pytest.fixture(scope="module")
def sample():
    return disc.make_sample()


class TestSample:
    def test_points_lie_on_their_spheres_and_are_dense_near_the_plane(self, sample):
        radius = np.hypot(sample.R, sample.z)
        shells = np.geomspace(0.45, 300.0, 64)
        assert radius == pytest.approx(shells[sample.shell])
        assert np.bincount(sample.shell).min() >= 18 and len(np.bincount(sample.shell)) == 64
        for i in (0, 30, 63):
            z = sample.z[sample.shell == i]
            near = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.5, 3]
            expected = {*(k * shells[i] / 17 for k in range(18)), *(h for h in near if h < shells[i])}
            assert z == pytest.approx(sorted(expected), abs=1e-9)

    def test_means_over_a_sphere_integrate_over_the_cosine(self, sample):
        """That of a constant is the constant, of |cos| one half, of cos^2 a third, within the spacing of the points."""
        shells = np.geomspace(0.45, 300.0, 64)[sample.shell]
        cosine = sample.z / shells
        mean = sample.mean
        assert mean.shape == (64, len(cosine)) and mean.min() >= 0
        assert mean @ np.ones(len(cosine)) == pytest.approx(np.ones(64))
        assert mean @ cosine == pytest.approx(np.full(64, 0.5), abs=2e-3)
        assert mean @ cosine**2 == pytest.approx(np.full(64, 1 / 3), abs=4e-3)
        assert all((mean[i, sample.shell != i] == 0).all() for i in range(64))

    def test_errors_count_against_the_least_total_force_and_the_goal_of_the_radius(self, sample):
        choice = np.random.default_rng(0).integers(len(sample.R), size=12)
        x = np.column_stack([sample.R, 0 * sample.R, sample.z])[choice]
        forces = [
            np.linalg.norm(potentials.milky_way_acceleration(x, m, potentials.concentration(m)), axis=1)
            for m in (1e11, 1e12, 1e13)
        ]
        assert sample.total[choice] == pytest.approx(np.min(forces, axis=0), rel=1e-9)
        assert sample.force[choice] == pytest.approx(potentials.disc_acceleration(x)[:, [0, 2]], rel=1e-9)
        radius = np.hypot(sample.R, sample.z)
        goal = np.where(radius < 1, 8e-4, np.where(radius < 9.5, 4e-4, 8e-5))
        assert sample.weight == pytest.approx(1 / (sample.total * goal))

    def test_errors_have_no_spherical_mean(self, sample):
        """A change of the radial force over a full sphere does not count: the radial table absorbs it."""
        found = disc.compute_errors(TERMS, sample)
        direction = np.column_stack([sample.R, sample.z])
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        assert np.abs(sample.mean @ (found * direction).sum(axis=1)).max() < 1e-9 * np.abs(found).max()
        raw = np.column_stack(TERMS.force(sample.R, sample.z)) - sample.force
        along = raw - found
        assert np.abs(along[:, 0] * direction[:, 1] - along[:, 1] * direction[:, 0]).max() < 1e-9 * np.abs(raw).max()
        score = np.max(np.linalg.norm(found, axis=1) * sample.weight)
        packed = disc._pack(TERMS, 3, np.random.default_rng(0))
        assert disc._score(packed, sample, 3) == pytest.approx(score)


def test_parameters_of_the_search_are_the_terms():
    rng = np.random.default_rng(4)
    packed = disc._pack(TERMS, 3, rng)
    assert packed == pytest.approx([4, -1, 2, *np.log([2, 5, 0.7]), 0.1, -0.2, 0.05, np.log(0.35)])
    again = disc._unpack(packed, 3)
    for name in ("mass", "a", "b", "height"):
        assert getattr(again, name) == pytest.approx(getattr(TERMS, name))
    rng, more = np.random.default_rng(4), np.random.default_rng(4)
    packed = disc._pack(TERMS, 5, rng)
    small, scale, rest = more.normal(0, 0.5, 2), np.log(more.uniform(0.3, 12, 2)), more.normal(0, 0.3, 2)
    expected = [4, -1, 2, *small, *np.log([2, 5, 0.7]), *scale, 0.1, -0.2, 0.05, *rest, np.log(0.35)]
    assert packed == pytest.approx(expected)


def test_starts_and_steps_of_the_search():
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    start = disc._draw_start(4, rng)
    scale = np.log(same.uniform(0.3, 12, 4))
    assert start == pytest.approx([*(same.normal(0, 3, 4) + 5 / 4), *scale, *same.normal(0, 0.3, 4), np.log(0.4)])
    step = disc._get_spread(start, 4)
    assert step == pytest.approx([*(0.3 * np.abs(start[:4])), *[0.3] * 4, *[0.5] * 4, 0.05])


@pytest.mark.parametrize("radius", [1e-3, 0.2, 2.0, 30.0])
def test_masses_within_a_sphere_by_quadrature(radius):
    def flux(cosine):
        sine = np.sqrt(1 - cosine**2)
        radial, vertical = TERMS.force(np.array([radius * sine]), np.array([radius * cosine]))
        return float(radial[0] * sine + vertical[0] * cosine)

    through = quad(flux, 0, 1, epsrel=1e-10, limit=400, points=[min(0.9, 0.3 / radius)])[0]
    assert disc.compute_terms_mass(TERMS, radius) == pytest.approx(-(radius**2) / const.G * through, rel=1e-6)


def test_the_file_holds_the_terms_and_the_masses(tmp_path, monkeypatch):
    """Between 1e-3 and 1e3 kpc the mass that terms lack is splined; it is constant beyond and as r^3 within."""
    monkeypatch.setattr(potentials, "disc_mass", lambda r: 7.0 + r)
    monkeypatch.setattr(potentials, "bulge_mass", lambda r: 100.0 * np.ones_like(r))
    monkeypatch.setattr(disc, "compute_terms_mass", lambda terms, r: 3.0)
    disc.save(TERMS, tmp_path / "disc.npz")
    radius = make_nodes()
    bulge = np.where(radius < 7 * const.BULGE_CUT, 100.0, const.BULGE_MASS)
    missing = (4.0 + np.clip(radius, 1e-3, 1e3)) * np.minimum(radius / 1e-3, 1.0) ** 3
    with np.load(tmp_path / "disc.npz") as data:
        assert set(data.files) == {"mass", "a", "b", "height", "baryon_mass"}
        assert data["baryon_mass"] - bulge == pytest.approx(missing, rel=1e-6, abs=1e-4)
    again = disc.load(tmp_path / "disc.npz")
    assert all(np.array_equal(getattr(again, name), getattr(TERMS, name)) for name in TERMS._fields)


def test_a_trial_minimises_rising_powers_of_the_errors(sample, monkeypatch):
    """Errors in units of the goal, then their squares and fourth powers, each starting where the previous ended."""
    start, seen = disc._pack(TERMS, 3, np.random.default_rng(0)), []

    def step(function, p, kwargs=None, **_):
        seen.append((p, function(p, **(kwargs or {}))))
        return SimpleNamespace(x=p + 0.01, cost=5.0)

    monkeypatch.setattr(disc, "least_squares", step)
    found, cost = disc._descend(start, sample, 3, np.inf)
    assert found == pytest.approx(start + 0.03) and cost == 5.0
    for (p, residuals), place, power in zip(seen, (0.0, 0.01, 0.02), (1, 2, 4), strict=True):
        assert p == pytest.approx(start + place)
        scaled = (disc.compute_errors(disc._unpack(p, 3), sample) * sample.weight[:, None]).ravel()
        assert residuals == pytest.approx(np.sign(scaled) * np.abs(scaled) ** power)
    assert disc._descend(start, sample, 3, 2.0)[1] == 5.0 and len(seen) == 6
    found, cost = disc._descend(start, sample, 3, 1.9)  # worse than 2.5 times the best: given up
    assert np.array_equal(found, start) and cost == np.inf and len(seen) == 7


def test_a_start_whose_forces_overflow_is_given_up(sample):
    start = disc._pack(TERMS, 3, np.random.default_rng(0))
    start[3:6] = 1000.0
    start[0] = np.inf
    found, cost = disc._descend(start, sample, 3, np.inf)
    assert np.array_equal(found, start) and cost == np.inf


def test_the_search_stops_in_time_and_keeps_the_best(monkeypatch):
    """Trials of 10 s with scores 5, 3, 4, 2: after 25 s and three trials, the best is the second."""
    clock, scores, costs, seen = [0.0], iter([5.0, 3.0, 4.0, 2.0]), iter([50.0, 60.0, 40.0, 30.0]), []

    def descend(p, sample, n, best_cost):
        clock[0] += 10.0
        seen.append(best_cost)
        return np.full(3 * n + 1, float(len(seen))), next(costs)

    monkeypatch.setattr(disc, "_descend", descend)
    monkeypatch.setattr(disc, "_score", lambda p, sample, n: next(scores))
    monkeypatch.setattr(disc.time, "monotonic", lambda: clock[0])
    found, score = disc.fit(2, 25.0, seed=0)
    assert score == 3.0 and found.b == pytest.approx([2.0, 2.0])
    assert seen == [np.inf, 50.0, 50.0]


def test_the_report_names_the_largest_error_beyond_some_radii(sample):
    lines = disc.report(TERMS).splitlines()
    assert [line.split("kpc")[0] for line in lines] == [f"beyond {r:>4} " for r in ("0.5", "1", "2", "5", "10", "20")]
    relative = np.linalg.norm(disc.compute_errors(TERMS, sample), axis=1) / sample.total
    radius = np.hypot(sample.R, sample.z)
    for line in lines:
        r = float(line.split()[1])
        assert line == f"beyond {r:4g} kpc: {relative[radius > r].max():.1e} of the total force"
