"""The pieces of the compiled fit, each against NumPy."""

import math

import numpy as np
import pytest

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import reflex_fit, reflex_kernels
from mwlmc_data.simulator.frames import heliocentric_basis
from mwlmc_data.simulator.reflex import design_matrix
from tests.helpers.mock_survey import TRUTH, mock

EDGES = np.array([55.0, 80.0, 120.0, 160.0])


def sample(weights=None):
    x, v = mock(TRUTH, 400, 21)
    x[0], x[1] = (0.0, 0.0, 70.0), (-8.3, 0.0, -100.0)  # over the centre, and under the Sun
    w = np.ones(400) if weights is None else weights
    return x, v, w, reflex_fit._Sample(*reflex_kernels.gather(x, v, w, EDGES, np.array(const.SUN_POSITION)))


def test_the_sums_of_the_rings_are_those_of_the_linear_model():
    weights = np.random.default_rng(22).uniform(0.2, 3.0, 400)
    weights[5::50] = 0.0
    x, v, w, found = sample(weights)
    r = np.linalg.norm(x, axis=1)
    basis = heliocentric_basis(x)
    design, data = design_matrix(x, basis), np.einsum("nki,ni->nk", basis, v)
    assert found.start[0] == 0 and found.start[-1] == len(found.weights)
    for q, outer in enumerate(EDGES[1:]):
        inside = (r > EDGES[0]) & (r < outer) & (w > 0)
        assert found.start[q + 1] == inside.sum()
        d, y, u = design[inside], data[inside], w[inside]
        assert found.normal[q] == pytest.approx(np.einsum("n,nki,nkj->kij", u, d, d), rel=1e-12, abs=1e-9)
        assert found.right[q] == pytest.approx(np.einsum("n,nki,nk->ki", u, d, y), rel=1e-11, abs=1e-7)
        assert found.squares[q] == pytest.approx(np.einsum("n,nk,nk->k", u, y, y), rel=1e-12)
        assert found.total[q] == pytest.approx(u.sum(), rel=1e-13)
        ring = slice(found.start[q], found.start[q + 1])
        assert sorted(found.weights[ring]) == pytest.approx(sorted(w[inside & (r >= EDGES[q])]), rel=1e-15)


def test_the_sum_of_scores_is_that_of_the_first_stars():
    weights = np.random.default_rng(23).uniform(0.2, 3.0, 400)
    *_, found = sample(weights)
    theta, sigma, n = TRUTH[:6], TRUTH[6:], int(found.start[2])
    residual = (found.data[:, :n] - np.einsum("kin,i->kn", found.design[:, :, :n], theta)) / sigma[:, None]
    velocities = np.einsum("kn,kin->in", residual / sigma[:, None], found.design[:, :, :n])
    scores = found.weights[:n] * np.vstack([velocities, (residual**2 - 1) / sigma[:, None]])
    summed = reflex_kernels.sum_scores(found.design, found.data, found.weights, n, theta, sigma)
    assert summed == pytest.approx(scores @ scores.T, rel=1e-10, abs=1e-12)


def test_a_positive_matrix_is_inverted_and_a_singular_one_reported():
    root = np.random.default_rng(24).normal(size=(6, 9))
    inverse, is_positive = reflex_kernels.invert_positive(root @ root.T, 1e-10)
    assert is_positive and inverse == pytest.approx(np.linalg.inv(root @ root.T), rel=1e-9)
    for last, expected in ((2e-10, True), (1e-10, False), (0.0, False), (-1.0, False), (math.nan, False)):
        assert reflex_kernels.invert_positive(np.diag([1.0, 1, 1, 1, 1, last]), 1e-10)[1] == expected
    assert reflex_kernels.invert_positive(np.diag([1.0, 1, 1, 1, 1, 1e-30]), 0.0)[1]
    assert not reflex_kernels.invert_positive(np.zeros((6, 6)), 0.0)[1]
