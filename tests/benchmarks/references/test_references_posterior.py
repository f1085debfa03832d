"""The references' machinery on a simulator whose posterior is known, and on one that breaks its assumption."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.common.features import SCALE
from benchmarks.references import conditional, gaussianity, inference, marginal_likelihood, posterior, simulations
from benchmarks.references.agreement import Agreement, compare
from benchmarks.references.certificate import Certificate
from benchmarks.references.importance import ImportanceCheck
from mwlmc_data.inference.grid import Grid
from tests.helpers import analytic_posterior as analytic


def simulated(simulator, n=2048, stream=0):
    row = analytic.row()
    values = simulations.draw_design(n, (5, stream))[1]
    data = simulations.run_points(row, values, stream, simulator).astype(float)
    return simulations.Simulated(values[:, :3].astype(float), values[:, 3:].astype(float), data[:, :3], data[:, 3:])


@pytest.fixture(scope="module")
def inferred():
    return inference.infer(analytic.row(), simulated(analytic.simulate), analytic.histories)


@pytest.fixture(scope="module")
def certificate(inferred):
    return inference.certify(analytic.row(), inferred, 0)


def test_the_posterior_is_the_known_one(inferred):
    grid = inferred.inference.grid
    truth = analytic.exact(analytic.row().observation, grid.axes)
    agreement = compare(truth, grid)
    assert agreement.distance < 0.08 and agreement.shift < 0.1 and agreement.spread < 1.15
    assert grid.log_evidence == pytest.approx(truth.log_evidence, abs=0.06)


def test_the_grid_ends_where_the_posterior_does(inferred):
    """A wider grid holds no more of it."""
    axes = tuple(np.linspace(low, high, 72) for low, high in posterior.widest_box())
    truth = analytic.exact(analytic.row().observation, axes)
    for i, axis in enumerate(inferred.inference.grid.axes):
        low, high = truth.cumulative(i, axis[[0, -1]])
        assert low < 1e-3 and high > 1.0 - 1e-3


class Steep:
    """Nodes whose likelihood rises within the last cell of the last axis, and is flat elsewhere."""

    quadrature = marginal_likelihood.QUADRATURE

    def __init__(self, axes):
        self.axes = axes

    def log_likelihood(self, model, travel):
        z = self.axes[2]
        rise = np.exp(4.0 * (z - z[-1]) / (z[-1] - z[-2]))
        return np.broadcast_to(rise, [len(axis) for axis in self.axes]).ravel()


class Level:
    """A model that takes everything alike."""

    def log_density(self, travel, points, histories):
        return np.zeros(len(points))


def test_a_lattice_gets_more_nodes_where_its_splines_miss(inferred):
    axes, travel = inferred.inference.lattice.axes, np.array(analytic.row().observation)
    steep = dataclasses.replace(inferred.inference, lattice=posterior.Lattice(axes, Steep(axes)))
    found = posterior.refine(steep, Level(), travel, lambda points: analytic.histories(points, {}), (1, 2))
    n = [len(axis) for axis in axes]
    assert [len(axis) for axis in found.lattice.axes] == [n[0], n[1], 2 * n[2] - 1]


class Narrow:
    """A model that takes a narrow range of m_lmc_8p7 alone, whatever theta is."""

    def log_density(self, travel, points, histories):
        return -0.5 * np.square((points[:, 3] / 1e10 - 1.75) / 0.05)


def test_an_average_over_the_enclosed_mass_gets_more_nodes_where_it_misses(inferred):
    travel = np.array(analytic.row().observation)

    def histories(points):
        return analytic.histories(points, {})

    def measure(found):
        return posterior.measure_interpolation_error(found, Narrow(), travel, histories, (1, 2))

    lattice = inferred.inference.lattice
    before = posterior.Inference(lattice.infer(Narrow(), travel)[0], lattice, inferred.inference.missed)
    found = posterior.refine(before, Narrow(), travel, histories, (1, 2))
    assert lattice.nodes.quadrature == (8, 3, 2) and found.lattice.nodes.quadrature == (24, 3, 2)
    assert [len(axis) for axis in found.lattice.axes] == [len(axis) for axis in lattice.axes]
    assert measure(before) > 0.3 and measure(found) < 0.1


def test_the_right_model_is_certified(certificate):
    assert certificate.list_failures() == []
    assert certificate.halves.distance < 0.12 and certificate.interpolation < 0.1
    assert certificate.nearest < 1.0 and certificate.n_near > 150


def test_log_prob_of_the_truth_is_the_known_one(inferred):
    row, grid = analytic.row(), inferred.inference.grid
    theta = np.array(row.truth)[None] / SCALE
    found = posterior.log_probability(
        inferred.fitted.model, np.array(row.observation), theta, lambda p: analytic.histories(p, {}), grid.log_evidence
    )
    offsets = [(np.array([t - d, t + d])) for t, d in zip(theta[0], (0.01, 0.01, 0.001), strict=True)]
    axes = tuple(np.sort(np.concatenate([axis, pair])) for axis, pair in zip(grid.axes, offsets, strict=True))
    truth = analytic.exact(row.observation, axes)
    at = tuple(np.searchsorted(axis, t) for axis, t in zip(axes, theta[0], strict=True))
    assert found[0] == pytest.approx(np.log(truth.density[at]), abs=0.1)


def test_heavy_tails_are_refused():
    row = analytic.row()
    heavy = inference.infer(row, simulated(analytic.simulate_heavy), analytic.histories)
    found = inference.certify(row, heavy, 0)
    assert found.tests["kurtosis"] < 1e-6
    assert any("Gaussianity (kurtosis)" in reason for reason in found.list_failures())


def test_an_observation_that_no_parameters_give_is_refused(inferred):
    row = dataclasses.replace(analytic.row(), observation=(60.0, 6.0, -42.0))
    reasons = inference.certify(row, inferred, 0).list_failures()
    assert any("sigmas from all predictions of the model" in reason for reason in reasons)


def test_tests_of_gaussianity_keep_their_rates():
    """On standard Gaussian residuals each test rejects at its nominal rate."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, size=(300, 6))
    found = [gaussianity.test_whitened(rng.standard_normal((300, 3)), x) for _ in range(300)]
    for name in gaussianity.TESTS:
        assert np.mean([p[name] < 0.05 for p in found]) < 0.09
        assert np.mean([p[name] < 0.5 for p in found]) > 0.25


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("normal", lambda z, x: z + 0.3),
        ("scale", lambda z, x: 1.15 * z),
        ("mean", lambda z, x: z + 0.5 * x[:, :3]),
        ("mean", lambda z, x: z + 0.7 * (x[:, :1] ** 2 - 1 / 3)),
        ("spread", lambda z, x: z * np.exp(0.3 * x[:, :1])),
        ("kurtosis", lambda z, x: z * np.where(x[:, :1] > 0.8, 2.0, 0.8)),
    ],
)
def test_each_test_sees_its_defect(name, break_it):
    rng = np.random.default_rng(4)
    z, x = rng.standard_normal((800, 3)), rng.uniform(-1, 1, size=(800, 6))
    assert gaussianity.test_whitened(z, x)[name] > 1e-3
    assert gaussianity.test_whitened(break_it(z, x), x)[name] < 1e-4


def test_left_out_residuals_are_those_of_fits_without_the_datum():
    from benchmarks.references import polynomials

    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, size=(60, 2))
    indices = polynomials.graded_indices((1.0, 1.5), 3.0)
    design, degree = polynomials.basis(x, indices), indices @ np.array([1.0, 1.5])
    target, error = np.sin(3 * x[:, 0]) + x[:, 1] + 0.1 * rng.standard_normal(60), rng.uniform(0.05, 0.2, 60)
    fit = polynomials.fit(design, target, error, degree)
    # With one datum's error made huge its residual from the others' fit is its plain residual; the prior is nearly the
    # same, as it is fitted to 59 of the 60.
    error[7] = 1e6
    without = polynomials.fit(design, target, error, degree)
    assert fit.left_out[7] == pytest.approx(target[7] - design[7] @ without.coefficients, abs=0.02)
    assert abs(fit.left_out[7]) > abs(target[7] - design[7] @ fit.coefficients)


def test_samples_follow_the_grid(inferred):
    grid = inferred.inference.grid
    samples = grid.sample(20_000, (1,))
    mean, covariance = grid.moments()
    sigma = np.sqrt(np.diag(covariance))
    assert np.cov(samples.T) / np.outer(sigma, sigma) == pytest.approx(covariance / np.outer(sigma, sigma), abs=0.04)
    assert samples.mean(axis=0) / sigma == pytest.approx(mean / sigma, abs=0.03)
    for i in range(3):
        assert stats.kstest(samples[:, i], lambda v, i=i: grid.cumulative(i, v)).pvalue > 1e-3


def test_a_density_at_a_wall_is_drawn_up_to_it():
    axes = (np.array([0.0, 1.0, 3.0]),) * 3
    grid = Grid.from_log(axes, np.zeros((3, 3, 3)))
    samples = grid.sample(50_000, (2,))
    assert samples.min() >= 0 and samples.max() <= 3
    assert all(stats.kstest(samples[:, i], stats.uniform(0, 3).cdf).pvalue > 1e-3 for i in range(3))


def test_the_model_finds_mean_and_covariance(inferred):
    found = inferred.fitted
    assert found.left_out.var(axis=0) == pytest.approx(1.0, abs=0.03)
    design = simulations.draw_design(256, (8,))[1].astype(float)
    near = (design[:, 0] < 4e11) & (design[:, 1] > 3e11)
    error = (found.model.predict(design, analytic.histories(design, {})) - analytic.mean(design))[near] / analytic.SIGMA
    assert np.sqrt(np.square(error).mean(axis=0)).max() < 0.3
    unit, log_determinant = found.model.whiten(design, np.tile(analytic.SIGMA, (256, 1)))
    assert np.sqrt(np.mean(np.square(unit[near] - 1.0))) < 0.1
    assert log_determinant[near].mean() == pytest.approx(-np.log(analytic.SIGMA).sum(), abs=0.08)


def test_coordinates_stay_in_range_over_a_design():
    x = conditional.coordinates(simulations.draw_design(512, (9,))[1])
    assert (np.abs(x) <= 1.1).all() and (x.min(axis=0) < -0.8).all() and (x.max(axis=0) > 0.8).all()


def test_what_a_certificate_refuses():
    good = Certificate(
        2048, 0, 500, -7.0, -8.0, 0.2, 0.03, Agreement(0.05, 0.05, 1.1), dict.fromkeys(gaussianity.TESTS, 0.5)
    )
    fine = ImportanceCheck(500.0, (0.1,) * 3, (0.04,) * 3, (1.0,) * 3, (0.5,) * 3, 0.0, 0.05, 1.0, 0.5, 1.0, 0.5)
    assert good.certified and dataclasses.replace(good, importance=fine, refit=good.halves, c2st=0.51).certified
    for change, said in (
        ({"halves": Agreement(0.3, 0.05, 1.1)}, "halves: distance 0.300, at most 0.15"),
        ({"rerun": Agreement(0.05, 0.4, 1.1)}, "rerun: shift 0.400, at most 0.2"),
        ({"refit": Agreement(0.05, 0.05, 1.9)}, "refit: spread 1.900"),
        ({"c2st": 0.6}, "rerun: C2ST 0.600"),
        ({"nearest": 5.0}, "5.0 sigmas from all"),
        ({"interpolation": 0.5}, "interpolation error 0.500"),
        ({"importance": dataclasses.replace(fine, effective=20.0)}, "effective sample size 20"),
        ({"importance": dataclasses.replace(fine, shift=(0.0, -0.9, 0.0))}, "shift -0.900, at most 0.270"),
        ({"importance": dataclasses.replace(fine, evidence=0.9)}, "log evidence off by 0.900"),
        ({"importance": dataclasses.replace(fine, noise_scale=1.2)}, "noise scale 1.200"),
        ({"importance": dataclasses.replace(fine, noise_kurtosis=0.8)}, "noise kurtosis 0.800"),
        ({"importance": dataclasses.replace(fine, distribution=(0.5, 1e-6, 0.5))}, "p of a marginal 1.0e-06"),
        ({"tests": {**good.tests, "normal": 1e-9}}, "Gaussianity (normal): p = 1.0e-09"),
    ):
        reasons = dataclasses.replace(good, **change).list_failures()
        assert len(reasons) == 1 and said in reasons[0]
