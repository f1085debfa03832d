"""The classifier test sees each defect, scores the exact posterior like chance, and checks its inputs."""

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("sklearn", reason="scikit-learn is not installed: it belongs to the benchmarks")

from benchmarks.common.c2st import c2st
from tests.helpers.conjugate_gaussian import DEFECTS, conjugate

# Best possible accuracy for each defect: that of the ratio of the known densities, on 200,000 draws of each.
BEST = {"narrow": 0.548, "wide": 0.681, "biased": 0.611, "uncorrelated": 0.644}


@pytest.fixture(scope="module")
def exact():
    p = conjugate(60, 150, 0)
    return c2st(p.samples, p.reference)


def test_the_exact_posterior_scores_like_chance(exact):
    assert abs(exact.z) < 3
    assert abs(exact.null_mean - 0.5) < 4 * exact.null_spread / np.sqrt(60)
    assert exact.accuracy.std(ddof=1) == pytest.approx(exact.null_spread, rel=0.35)


def test_null_spread_is_more_than_binomial(exact):
    """This is why labels are permuted: with the binomial error, chance would look like a difference."""
    assert 1.1 < exact.null_spread / (0.5 / np.sqrt(2 * exact.n_draws)) < 1.7


def test_exact_posterior_exceeds_its_null_at_the_nominal_rate(exact):
    above = (exact.accuracy > exact.null_mean + stats.norm.isf(0.05) * exact.null_spread).sum()
    assert above <= stats.binom.ppf(0.999, 60, 0.05)


@pytest.mark.parametrize("defect", BEST)
def test_each_defect_is_seen_nearly_as_well_as_possible(defect):
    p = conjugate(6, 1000, 1, **DEFECTS[defect])
    found = c2st(p.samples, p.reference)
    assert found.z > 3
    error = found.null_spread / np.sqrt(6)
    assert BEST[defect] - 0.025 - 3 * error < found.mean < BEST[defect] + 3 * error
    if defect != "narrow":
        # One observation is enough.
        assert (found.accuracy > found.null_mean + 3 * found.null_spread).all()


def test_draws_that_do_not_overlap_are_told_apart():
    p = conjugate(2, 100, 2)
    assert c2st(p.samples + 100.0, p.reference).mean == 1.0


def test_differences_beyond_the_moments_are_seen():
    """Two lobes, a bend, a wall: distributions whose mean and covariance are those of a Gaussian."""
    rng = np.random.default_rng(3)
    normal = rng.standard_normal((3, 1000, 3))
    odd = rng.standard_normal((3, 1000, 3))
    odd[0, :, 0] = rng.choice([-0.9, 0.9], 1000) + np.sqrt(1 - 0.9**2) * odd[0, :, 0]
    odd[1, :, 1] = 0.8 * odd[1, :, 1] + 0.42 * (odd[1, :, 0] ** 2 - 1)
    odd[2, :, 0] = rng.exponential(size=1000) - 1
    found = c2st(normal, odd)
    assert (found.accuracy > found.null_mean + 3 * found.null_spread).all(), found.accuracy


def test_result_does_not_depend_on_processes_units_or_surplus_draws():
    p = conjugate(3, 80, 4, k=120)
    first = c2st(p.samples, p.reference)
    assert first.n_draws == 80 and first.accuracy.shape == (3,) and first.null.shape == (3, 1)
    for again in (
        c2st(p.samples, p.reference, n_jobs=2),
        c2st(p.samples, p.reference[:, :80]),
        c2st(p.samples[:2], p.reference[:2]),
    ):
        np.testing.assert_array_equal(again.accuracy, first.accuracy[: len(again.accuracy)])
        np.testing.assert_array_equal(again.null, first.null[: len(again.accuracy)])
    # Powers of two: not even the rounding differs.
    unit = np.array([2.0**30, 1.0, 2.0**-20])
    np.testing.assert_array_equal(c2st(p.samples * unit, p.reference * unit).accuracy, first.accuracy)
    assert (c2st(p.samples, p.reference, seed=1).accuracy != first.accuracy).any()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: c2st(x, x, folds=1), "folds = 1"),
        (lambda x: c2st(x, x, permutations=0), "permutations = 0"),
        (lambda x: c2st(x[:1], x[:1]), "permutations = 1 for 1 observations"),
        (lambda x: c2st(x[:, :4], x), r"\(2, 4, 3\): allowed is at least 5"),
        (lambda x: c2st(x, x[:1]), r"\(1, 9, 3\)"),
        (lambda x: c2st(x, x[:, :, :2]), r"\(2, 9, 2\)"),
        (lambda x: c2st(np.where(x > 0, x, np.nan), x), r"samples\[0, .* = nan"),
        (lambda x: c2st(x, np.zeros_like(x)), "reference of observation 0"),
    ],
)
def test_bad_arrays_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.random.default_rng(5).standard_normal((2, 9, 3)))
