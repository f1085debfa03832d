"""Random streams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.simulator.streams import halo_stream


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_a_stream_is_its_key(seed, sim_id):
    first, second = (halo_stream(seed, sim_id).random(4) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, halo_stream(seed, (sim_id + 1) % 2**63).random(4))
    assert not np.array_equal(first, halo_stream((seed + 1) % 2**64, sim_id).random(4))


def test_streams_are_not_correlated():
    numbers = np.array([halo_stream(3, i).random(64) for i in range(500)])
    assert np.abs(np.corrcoef(numbers) - np.eye(500)).max() < 0.7
    assert numbers.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * numbers.size))


@pytest.mark.parametrize(("seed", "sim_id"), [(-1, 0), (0, -1), (2**64, 0), (0, 2**63), (1.5, 0), (True, 0), ("a", 0)])
def test_bad_keys(seed, sim_id):
    with pytest.raises(ValueError, match=r"(seed|sim_id) = .*: allowed is a whole number"):
        halo_stream(seed, sim_id)
