"""The contract of every metric, checked for all public ones: new ones are discovered."""

import dataclasses
import inspect
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mwlmc_data import scoring

N, M, K, D = 12, 15, 18, 3
#: A public function that takes one of these is a metric; one that takes a task is tested with the tasks.
SUBJECTS = {
    "samples", "log_prob_samples", "log_prob", "score", "statistic_shifted", "fractions", "draws", "truth",
}  # fmt: skip


def arguments(seed=0):
    """One value for each required argument of a metric."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(N, D))
    centre = truth + rng.normal(size=(N, D))
    return {
        "samples": centre[:, None] + rng.normal(size=(N, M, D)),
        "truth": truth,
        "reference": centre[:, None] + rng.normal(size=(N, K, D)),
        "scale": np.array([1.0, 2.0, 0.5]),
        "prior_variance": np.array([2.0, 2.5, 3.0]),
        "log_prob_samples": rng.normal(size=(N, M)),
        "log_prob_truth": rng.normal(size=N),
        "log_prob": rng.normal(size=N),
        "baseline_log_prob": rng.normal(size=N),
        "score": rng.normal(size=N),
        "reference_score": rng.normal(size=N),
        "statistic_shifted": rng.normal(size=N),
        "statistic_nominal": rng.normal(size=M),
        "fractions": rng.uniform(size=N),
        "credibility": np.linspace(0.0, 1.0, 5),
        "draws": rng.normal(size=M),
        "observed": 0.3,
        "level": 0.68,
    }


def asks_for(function):
    """Names of the parameters without a default."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


METRICS = [
    name
    for name in scoring.__all__
    if inspect.isfunction(function := getattr(scoring, name))
    and SUBJECTS & set(asks_for(function))
    and not {"task", "submission"} & set(inspect.signature(function).parameters)
]


def call(name, given):
    function = getattr(scoring, name)
    return function(**{key: given[key] for key in asks_for(function)})


def numbers(result):
    """All numbers of a result, in order, without None."""
    if dataclasses.is_dataclass(result):
        return np.concatenate([numbers(getattr(result, f.name)) for f in dataclasses.fields(result)])
    if isinstance(result, tuple):
        return np.concatenate([numbers(part) for part in result])
    if result is None or isinstance(result, str):
        return np.empty(0)
    return np.asarray(result, dtype=float).ravel()


def array_cases(least=1):
    """Each metric with each of its array arguments."""
    values = arguments()
    return [
        (name, key)
        for name in METRICS
        for key in asks_for(getattr(scoring, name))
        if isinstance(values[key], np.ndarray) and values[key].ndim >= least
    ]


def test_metrics_are_found():
    assert {"energy_score", "mmd", "tarp", "hits", "highest_density_coverage", "detection_auroc"} <= set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_result_is_finite_and_reproducible_and_arguments_stay_unchanged(name):
    values = arguments()
    first = numbers(call(name, values))
    assert first.size and np.isfinite(first).all()
    for key, value in arguments().items():
        np.testing.assert_array_equal(values[key], value)
    np.testing.assert_array_equal(numbers(call(name, values)), first)


@pytest.mark.parametrize("name", METRICS)
def test_lists_and_single_precision_are_accepted(name):
    values = arguments()
    short = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in values.items()}
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in short.items()}
    np.testing.assert_array_equal(numbers(call(name, short)), numbers(call(name, lists)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name, key", array_cases())
def test_values_that_are_not_finite_are_refused_by_name(name, key, bad):
    values = arguments()
    values[key].flat[-1] = bad
    with pytest.raises(ValueError, match=rf"{key}\[.*\] = {bad}: allowed is") as caught:
        call(name, values)
    assert key in str(caught.value)


@pytest.mark.parametrize("name, key", array_cases())
def test_a_dimension_too_many_is_refused_with_the_shape(name, key):
    values = arguments()
    values[key] = values[key][None]
    with pytest.raises(ValueError, match=re.escape(str(values[key].shape))) as caught:
        call(name, values)
    assert key in str(caught.value)


@pytest.mark.parametrize("name, key", array_cases())
def test_empty_arrays_are_refused(name, key):
    values = arguments()
    values[key] = values[key][:0]
    with pytest.raises(ValueError, match=key):
        call(name, values)


@pytest.mark.parametrize(
    "name", [n for n in METRICS if len({"samples", "truth", "reference"} & set(asks_for(getattr(scoring, n)))) > 1]
)
@pytest.mark.parametrize("cut", [np.s_[:-1], np.s_[..., :-1]])
def test_arrays_with_other_numbers_of_observations_or_parameters_are_refused(name, cut):
    values = arguments()
    values["samples"] = values["samples"][cut]
    with pytest.raises(ValueError, match=re.escape(str(values["samples"].shape))):
        call(name, values)


@pytest.mark.parametrize("name", METRICS)
def test_docstring_has_arguments_results_and_a_source(name):
    text = inspect.getdoc(getattr(scoring, name))
    assert "Parameters\n---" in text and "Returns\n---" in text
    for key in inspect.signature(getattr(scoring, name)).parameters:
        assert re.search(rf"^(.*, )?{key}(, .*)? : ", text, re.MULTILINE), f"{key} is not described"
    if name not in ("draw_references", "summarise_posterior"):  # no published method
        assert re.search(r"\b(19|20)\d\d\b", text), "no source"


# Invariances

ON_SAMPLES = [n for n in METRICS if "samples" in asks_for(getattr(scoring, n))]
PER_ROW = ["energy_score", "energy_distance", "mmd", "mean_error", "variance_ratio", "z_of_truth", "log_volume"]
few = settings(max_examples=15)


def assert_same(first, second):
    # Randomised fractions and counts are identical; sums are rounded in another order.
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [*ON_SAMPLES, "highest_density_coverage"])
@few
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_the_draws_does_not_matter(name, seed):
    values, rng = arguments(seed), np.random.default_rng(seed)
    shuffled = dict(values)
    for key in ("samples", "reference", "log_prob_samples"):
        shuffled[key] = values[key][:, rng.permutation(values[key].shape[1])]
    assert_same(numbers(call(name, shuffled)), numbers(call(name, values)))


@pytest.mark.parametrize("name", ON_SAMPLES)
@few
@given(
    seed=st.integers(0, 2**32 - 1),
    unit=st.lists(st.floats(-9, 12), min_size=D, max_size=D),
    origin=st.lists(st.floats(-100, 100), min_size=D, max_size=D),
)
def test_units_and_origin_of_parameters_do_not_matter(name, seed, unit, origin):
    """Masses of 1e12 beside logarithms: results in units of `scale` do not change if `scale` changes too."""
    values, factor = arguments(seed), 10.0 ** np.array(unit)
    other = dict(values, scale=values["scale"] * factor, prior_variance=values["prior_variance"] * factor**2)
    for key in ("samples", "truth", "reference"):
        other[key] = (values[key] + np.array(origin)) * factor
    assert_same(numbers(call(name, other)), numbers(call(name, values)))


@pytest.mark.parametrize("name", PER_ROW)
@few
@given(seed=st.integers(0, 2**32 - 1))
def test_an_observation_is_scored_by_itself(name, seed):
    values, order = arguments(seed), np.random.default_rng(seed).permutation(N)[: N // 2]
    part = dict(values)
    for key in ("samples", "truth", "reference"):
        part[key] = values[key][order]
    np.testing.assert_allclose(call(name, part), call(name, values)[order], rtol=1e-12)


@few
@given(seed=st.integers(0, 2**32 - 1), power=st.floats(0.2, 3))
def test_only_the_order_of_densities_matters(seed, power):
    values = arguments(seed)
    draws, right = values["log_prob_samples"], values["log_prob_truth"]
    other = scoring.highest_density_coverage(draws * power + 7.0, right * power + 7.0)
    assert_same(numbers(other), numbers(scoring.highest_density_coverage(draws, right)))


@few
@given(seed=st.integers(0, 2**32 - 1))
def test_auroc_sees_the_order_of_the_statistic_only(seed):
    values = arguments(seed)
    shifted, nominal = values["statistic_shifted"], values["statistic_nominal"]
    found = scoring.detection_auroc(shifted, nominal)
    assert_same(numbers(scoring.detection_auroc(np.exp(shifted), np.exp(nominal))), numbers(found))
    swapped = scoring.detection_auroc(nominal, shifted)
    assert_same([swapped.value, swapped.low, swapped.high], [1 - found.value, 1 - found.high, 1 - found.low])


@few
@given(seed=st.integers(0, 2**32 - 1), constant=st.floats(-100, 100))
def test_what_is_hard_for_all_cancels_in_a_paired_difference(seed, constant):
    values, hard = arguments(seed), constant * np.random.default_rng(seed).normal(size=N)
    own, other = values["score"], values["reference_score"]
    assert_same(
        numbers(scoring.paired_difference(own + hard, other + hard)), numbers(scoring.paired_difference(own, other))
    )


@few
@given(seed=st.integers(0, 2**32 - 1))
def test_distances_are_zero_or_symmetric_where_they_must_be(seed):
    values = arguments(seed)
    x, y, scale = values["samples"], values["reference"], values["scale"]
    assert_same(scoring.energy_distance(x, y, scale), scoring.energy_distance(y, x, scale))
    assert_same(scoring.mean_error(x, x), 0.0)
    assert_same(scoring.variance_ratio(x, x), 1.0)
    # Unbiased estimates of zero: identical draws are closer than two sets of one distribution, so below it.
    assert (scoring.energy_distance(x, x, scale) < 0).all() and (scoring.mmd(x, x) < 0).all()
