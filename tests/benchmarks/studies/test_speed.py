"""The speed benchmark's arithmetic: errors, equal-error ratios, lines, and that jobs take turns."""

import dataclasses
import math

import numpy as np
import pytest

from benchmarks.studies.speed import curve, machine, scaling
from benchmarks.studies.speed.ours import RELEASED
from benchmarks.studies.speed.problem import draw_force_points, draw_problem
from tests.helpers.speed_curves import synthetic_curve


class TestErrors:
    """Median and 99% of the distance, of stars beyond 20 kpc."""

    converged = np.column_stack([np.linspace(21, 300, 100), np.zeros(100), np.zeros(100)])

    def test_of_the_same_positions_it_is_zero(self):
        assert curve.measure_distances(self.converged, self.converged) == (0.0, 0.0)

    def test_of_a_known_displacement(self):
        moved = self.converged + np.array([3e-3, 0, -4e-3])
        assert curve.measure_distances(moved, self.converged) == pytest.approx((5e-3, 5e-3))

    def test_median_and_99_percent_are_told_apart(self):
        moved = self.converged.copy()
        moved[:, 1] = np.arange(100) / 100
        median, p99 = curve.measure_distances(moved, self.converged)
        assert median == pytest.approx(0.495)
        assert p99 == pytest.approx(0.9801)

    def test_stars_that_end_within_20_kpc_do_not_count(self):
        converged = np.vstack([self.converged, [[19.9, 0, 0]] * 200])
        moved = converged.copy()
        moved[100:] *= -1
        assert curve.measure_distances(moved, converged) == (0.0, 0.0)

    def test_a_lost_star_is_reported(self):
        moved = self.converged.copy()
        moved[7, 1] = np.nan
        with pytest.raises(ValueError, match="stars without a finite position = 1"):
            curve.measure_distances(moved, self.converged)
        with pytest.raises(ValueError, match="stars beyond 20 kpc = 0 of 100: allowed is 1 or more"):
            curve.measure_distances(self.converged, self.converged / 100)


class TestEqualError:
    """Times between the points of a curve."""

    def test_at_a_point_and_between_two(self):
        assert curve.interpolate_time(1e-3, [1e-2, 1e-3, 1e-4], [1.0, 2.0, 8.0]) == pytest.approx(2.0)
        assert curve.interpolate_time(10**-3.5, [1e-2, 1e-3, 1e-4], [1.0, 2.0, 8.0]) == pytest.approx(4.0)

    def test_a_power_law_is_met_everywhere(self):
        one = synthetic_curve("one", 2.0)
        for error in (0.1, 0.031, 1e-4, 2.7e-6):
            expected = pytest.approx(2 * (error / 1e-3) ** (-1 / 8))
            assert curve.interpolate_time(error, one.median, one.seconds) == expected

    def test_a_point_that_another_one_beats_is_left_out(self):
        times = [1.0, 3.0, 2.0, 8.0]
        assert curve.interpolate_time(1e-3, [1e-2, 5e-3, 1e-3, 1e-4], times) == pytest.approx(2.0)
        assert curve.interpolate_time(5e-3, [1e-2, 5e-3, 1e-3, 1e-4], times) == pytest.approx(2 ** math.log10(2))

    @pytest.mark.parametrize("error", [1.1e-2, 0.9e-4])
    def test_there_is_no_time_beyond_the_ends(self, error):
        assert curve.interpolate_time(error, [1e-2, 1e-3, 1e-4], [1.0, 2.0, 8.0]) is None

    def test_ratios(self):
        slow = synthetic_curve("slow", 60.0)
        exact = dataclasses.replace(slow, median=[1e-9] * 6)
        found = curve.compute_ratios([synthetic_curve(RELEASED, 1.0, "ours"), slow, exact])
        assert [ratio["name"] for ratio in found] == ["slow", "slow"]
        for place in ("at_released_median", "at_1e-3_kpc", "at_released_99%"):
            assert found[0][place] == pytest.approx(60.0)
        assert found[1]["at_1e-3_kpc"] is None  # too exact to be compared there


def test_jobs_take_turns():
    calls = []
    jobs = {name: (lambda name=name: calls.append(name) or len(calls)) for name in "abc"}
    done = []
    timing = machine.round_robin(jobs, 2, lambda: done.append(1))
    assert "".join(calls) == "abcabc"
    assert len(done) == 6
    assert timing.results == {"a": 1, "b": 2, "c": 3}
    assert {name: len(seconds) for name, seconds in timing.seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_the_processor_is_described():
    found = machine.describe()
    assert found["cores"] >= 1
    assert {"numpy", "numba", "mwlmc-data"} <= set(found["versions"])


def test_a_straight_line_is_found():
    counts = [16, 32, 64, 128]
    exact = scaling.fit_line(counts, [0.5 + 0.02 * n for n in counts])
    assert exact["each"] == pytest.approx(0.02)
    assert exact["fixed"] == pytest.approx(0.5)
    assert exact["off"] < 1e-9
    square = scaling.fit_line(counts, [1e-4 * n * n for n in counts])
    assert square["off"] > 0.2


def test_a_sample_of_the_stars_is_spread_over_their_energies():
    problem = draw_problem(400)
    sample = problem.sample(40)
    assert len(sample) == 40
    rows = [int(np.flatnonzero((problem.stars == star).all(axis=1))[0]) for star in sample]
    assert rows == sorted(set(rows))  # stars of the problem, in their order
    assert problem.sample(400) is problem.stars
    # evenly over the tenths of the radii, which chance would not give
    edges = np.quantile(np.linalg.norm(problem.stars[:, :3], axis=1), np.linspace(0, 1, 5))
    counts = np.histogram(np.linalg.norm(sample[:, :3], axis=1), edges)[0]
    assert counts.min() >= 6


def test_points_of_the_force():
    radius = np.linalg.norm(draw_force_points(50), axis=1)
    assert radius[0] == pytest.approx(1.0)
    assert radius[-1] == pytest.approx(300.0)
