"""Random streams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.priors import Prior
from mwlmc_data.simulator.streams import halo_stream


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_a_stream_is_fixed_by_its_key(seed, sim_id):
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


def test_a_stream_is_the_philox_of_its_documented_key():
    """The key is (seed, 2^63 + sim_id): other programs can draw the same stars."""
    expected = np.random.Philox(key=np.array([7, 2**63 + 12], dtype=np.uint64)).random_raw(5)
    assert np.array_equal(halo_stream(7, 12).bit_generator.random_raw(5), expected)


@pytest.mark.parametrize("seed", [0, 1, 20250713])
def test_no_halo_shares_numbers_with_the_draws_of_the_prior(seed):
    """The prior draws from the key (seed, 0): the stars of simulation 0 must not come from the same uniforms."""
    prior = np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)).random_raw(256)
    for sim_id in (0, 1, 2**63 - 1):
        assert not np.intersect1d(prior, halo_stream(seed, sim_id).bit_generator.random_raw(256)).size
    # and the prior does use this stream: its first row follows from the first sixteen numbers
    uniforms = (((prior[:16] >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53)[None]
    drawn = Prior("gaussian").sample(1, seed=seed).iloc[0]
    assert drawn.to_dict() == {k: v[0] for k, v in Prior("gaussian").from_uniforms(uniforms).items()}
