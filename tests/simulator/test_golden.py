"""The numbers of the simulator do not change: released simulations must be reproducible."""

import json

import numpy as np
import pytest

from tests.helpers.golden_values import PATH, STAGES

KNOWN = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def flat(numbers):
    """Nested lists of numbers as one array."""
    return np.concatenate([flat(part) if isinstance(part, list | tuple) else [part] for part in numbers])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_gives_the_numbers_of_this_version(stage):
    """To 1e-6: another processor, or the interpreter, may round and step differently, by 3e-7."""
    found = STAGES[stage]()
    assert set(found) == set(KNOWN[stage])
    for name, numbers in found.items():
        known = flat(KNOWN[stage][name])
        assert flat(numbers) == pytest.approx(known, rel=1e-6, abs=1e-8 * np.abs(known).max()), name
