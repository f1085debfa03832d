"""Coefficients in few bytes, and the field between the rows."""

import io

import numpy as np
import pytest

from mwlmc_data.live.body import make_body
from mwlmc_data.live.compression import compress, expand_again
from mwlmc_data.live.expansion import expand
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.force import evaluate
from mwlmc_data.simulator import constants as const


def draw_positions(n, rng):
    root = np.sqrt((np.arange(n) + rng.random(n)) / n)
    unit = rng.normal(size=(n, 3))
    return (40 * root / (1 - root))[:, None] * unit / np.linalg.norm(unit, axis=1)[:, None]


@pytest.fixture(scope="module")
def history():
    """A halo that is stretched, displaced and contracted smoothly in time: 41 rows."""
    positions = draw_positions(60_000, np.random.default_rng(0))
    masses = np.full(60_000, 1e12 / 60_000, np.float32)
    expansions = []
    for t in np.linspace(0, 1, 41):
        shape = np.array([1 + 0.1 * np.sin(2 * t), 1 - 0.1 * t, 1 + 0.05 * np.sin(5 * t)])
        outer = np.linalg.norm(positions, axis=1, keepdims=True) > 30
        moved = positions * shape + outer * [3 * t * t, -8 * t, 5 * np.sin(t)]
        expansions.append(expand(moved, masses, np.zeros(3), 2))
    return np.array([e.potential for e in expansions]), np.array([e.slope for e in expansions])


def field_of(potential, slope):
    rows = len(potential)
    nowhere = np.zeros((rows, 6))
    time = np.linspace(0, 1, rows)
    return LiveField(time, nowhere, np.full((rows, 6), np.nan), potential[None], slope[None], make_body())


def accelerations(potential, slope, at, time):
    (expansion,) = field_of(potential, slope).find_expansions(time)
    return evaluate(expansion, at)[0]


def test_the_force_survives_the_compression(history):
    again = expand_again(compress(*history))
    rng = np.random.default_rng(1)
    unit = rng.normal(size=(500, 3))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    # further in the noise of these particles, which is 1% at 20 kpc, is larger than what is left out
    for radius in (60.0, 150.0, 400.0):
        for time in (0.0, 0.5, 1.0):
            exact = accelerations(*history, radius * unit, time)
            error = np.linalg.norm(accelerations(*again, radius * unit, time) - exact, axis=1)
            assert np.sqrt(np.mean(error**2)) < 2e-3 * np.linalg.norm(exact, axis=1).mean(), (radius, time)


def test_a_coarser_step_takes_fewer_bytes(history):
    sizes = []
    for quantum in (3e-4, 1e-2):
        file = io.BytesIO()
        np.savez_compressed(file, **compress(*history, quantum))
        sizes.append(len(file.getvalue()))
    assert sizes[1] < 0.9 * sizes[0]


def test_a_galaxy_without_harmonics_is_compressed_too(history):
    potential, slope = (array[:, :, :1].copy() for array in history)
    again = expand_again(compress(potential, slope))
    np.testing.assert_allclose(again[1][:, 24:, 0, 0], slope[:, 24:, 0, 0], rtol=2e-3)
    assert not again[0][..., 1].any()


def test_between_rows_the_field_is_smooth(history):
    at = np.array([[60.0, 30.0, -20.0], [10.0, 100.0, 50.0]])
    every_second = tuple(array[::2] for array in history)
    for time in (0.025, 0.525, 0.925):
        exact = accelerations(*history, at, time)
        found = accelerations(*every_second, at, time)
        assert np.abs(found - exact).max() < 2e-3 * np.linalg.norm(exact, axis=1).max()
    exact = accelerations(*history, at, 0.5)
    np.testing.assert_allclose(accelerations(*every_second, at, 0.5), exact, rtol=1e-3)


def test_the_centres_follow_their_paths():
    time = np.linspace(0, 2, 21)
    body = np.c_[time**2, np.sin(time), time, 2 * time, np.cos(time), np.ones(21)]
    lmc = np.c_[100 - time**3, time, 50 + time**2, np.full((21, 3), np.nan)]
    nothing = np.zeros((2, 21, 49, 1, 2))
    field = LiveField(time, body, lmc, nothing, nothing, make_body())
    t = 1.234
    np.testing.assert_allclose(field.find_body(t), [t**2, np.sin(t), t, 2 * t, np.cos(t), 1], atol=1e-4)
    halo, satellite = field.find_expansions(t)
    np.testing.assert_allclose(halo.centre, field.find_body(t)[:3])
    np.testing.assert_allclose(satellite.centre, [100 - t**3, t, 50 + t**2], atol=1e-5)
    far, _ = field.evaluate(np.array([[0.0, 0.0, 5e3]]), t)
    assert -far[0, 2] == pytest.approx(const.G * field.body.mass / 5e3**2, rel=2e-3)


@pytest.mark.parametrize(
    ("positions", "time", "message"),
    [
        (np.zeros((3, 2)), 0.5, "positions = an array of shape"),
        ([[0.0, np.nan, 1.0]], 0.5, "positions"),
        ([[50.0, 0.0, 0.0]], -0.01, r"time = -0.01: allowed"),
        ([[50.0, 0.0, 0.0]], 1.01, r"time = 1.01: allowed"),
    ],
)
def test_a_field_is_not_known_beside_its_run(history, positions, time, message):
    with pytest.raises(ValueError, match=message):
        field_of(*history).evaluate(positions, time)
