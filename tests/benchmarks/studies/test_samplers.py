"""The comparison of samplers: the function that all of them meet."""

import numpy as np
import pytest

from benchmarks.common.samplers import SAMPLERS, find_start
from benchmarks.studies import samplers as module


@pytest.fixture(scope="module")
def target():
    return module.build_target(7)


def test_the_target_is_deterministic_and_counts(target):
    points = find_start(target, 2)
    before = target.evaluations
    values = target.evaluate(points)
    assert target(points[0]) == values[0] and target.evaluations == before + 3 and target.seconds > 0.0
    assert np.isfinite(values[0]) and values[0] != values[1]


def test_a_start_is_possible_everywhere(target):
    start = find_start(target, 4)
    assert start.shape == (4, 6) and np.isfinite(target.evaluate(start)).all()


def test_a_library_that_is_not_installed_is_said_to_be_so(monkeypatch):
    def missing(target):
        raise ImportError("No module named 'zeus'")

    monkeypatch.setitem(SAMPLERS, "zeus", missing)
    assert module.describe("zeus", 7) == "zeus       not installed (No module named 'zeus')"


def test_unknown_samplers_are_refused():
    with pytest.raises(ValueError, match="--samplers = hamilton: allowed are ours, emcee"):
        module.main(7, ["ours", "hamilton"])
