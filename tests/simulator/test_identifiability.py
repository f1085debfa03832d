"""Which velocities stars leave undetermined, on information matrices written by hand."""

import numpy as np
import pytest

from mwlmc_data.simulator import identifiability
from mwlmc_data.simulator.identifiability import open_velocities


def test_nothing_is_undetermined_where_every_error_is_below_the_scatter():
    assert not open_velocities(np.eye(6) / 99.0**2, 100.0).any()


@pytest.mark.parametrize("k", [3, 4, 5])
def test_a_mean_motion_with_a_larger_error_is_undetermined(k):
    errors = np.full(6, 20.0)
    errors[k] = 100.1
    assert open_velocities(np.diag(errors**-2.0), 100.0).tolist() == [i == k for i in range(6)]
    errors[k] = 99.9
    assert not open_velocities(np.diag(errors**-2.0), 100.0).any()


def test_an_undetermined_travel_velocity_is_refused_with_its_direction():
    """0.6 x - 0.8 y is known to 400 km/s where a star scatters by 100; the rest to 10."""
    along = np.array([0.6, -0.8, 0.0, 0.0, 0.0, 0.0])
    information = (np.eye(6) - np.outer(along, along)) / 10.0**2 + np.outer(along, along) / 400.0**2
    reported = (
        r"positions = stars that leave 0\.60 vx_travel - 0\.80 vy_travel open \(standard error 400 km/s, where one "
        r"star scatters by 100 km/s\): allowed are stars that separate"
    )
    with pytest.raises(ValueError, match=reported):
        open_velocities(information, 100.0)
    with pytest.raises(ValueError, match=r"vy_travel open \(they do not constrain it\)"):
        open_velocities((np.eye(6) - np.outer(along, along)) / 10.0**2, 100.0)


def test_numbers_that_are_not_finite_are_refused():
    for information, scatter in ((np.full((6, 6), np.nan), 1.0), (np.eye(6), np.inf)):
        with pytest.raises(ValueError, match="numbers that are not finite"):
            open_velocities(information, scatter)


@pytest.mark.parametrize(
    ("combination", "text"),
    [
        ([0, 0, 2.0, 0, 0, 0], "1.00 vz_travel"),
        ([0, 0, -2.0, 0, 0, 0], "1.00 vz_travel"),
        ([1, 0, 0, -1, 0, 0], "0.71 vx_travel - 0.71 mean_v_r"),
        ([-1, 0, 0, -1, 0, 0], "0.71 vx_travel + 0.71 mean_v_r"),
        ([10, 0.4, 0.6, 0, 0, -3], "0.96 vx_travel + 0.06 vz_travel - 0.29 mean_v_theta"),
    ],
)
def test_combinations_in_words(combination, text):
    assert identifiability._describe(np.array(combination, float)) == text
