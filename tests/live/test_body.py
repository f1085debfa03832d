"""Bulge and disc of a live run: the simulator's force, and momentum that is exchanged."""

import numpy as np
import pytest

from mwlmc_data.live.body import evaluate_body_potential, find_enclosed, kick_by_body, make_body, make_hernquist_body
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import bulge_acceleration, disc_acceleration, hernquist_acceleration


@pytest.fixture(scope="module")
def places():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 3)) * np.geomspace(0.1, 150.0, 60)[:, None]


def accelerate(body, places, centre=(0.0, 0.0, 0.0)):
    velocities = np.zeros_like(places)
    ones = np.ones(len(places), np.float32)
    given = kick_by_body(places, velocities, ones, ones, np.array(centre), body.radial, body.disc, body.height)
    return velocities, given


def relative_error(found, expected):
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


def test_the_force_is_that_of_the_exact_bulge_and_disc(places):
    expected = bulge_acceleration(places) + disc_acceleration(places)
    error = relative_error(accelerate(make_body(), places)[0], expected)
    assert error.max() < 3e-3
    assert np.median(error) < 3e-4


def test_another_galaxys_disc_is_the_same_disc_stretched(places):
    body = make_hernquist_body(1.4e10, 0.7, 5.78e10, 3.5)
    stretch, share = 3.5 / const.DISC_SCALE_LENGTH, 5.78e10 / const.DISC_MASS
    expected = hernquist_acceleration(places, 1.4e10, 0.7) + share / stretch**2 * disc_acceleration(places / stretch)
    assert relative_error(accelerate(body, places)[0], expected).max() < 3e-3
    assert body.mass == pytest.approx(7.18e10)
    assert find_enclosed(body, np.array([1e3]))[0] == pytest.approx(7.18e10, rel=2e-3)


@pytest.mark.parametrize("make", [make_body, lambda: make_hernquist_body(1.4e10, 0.7, 5.78e10, 3.5)])
def test_the_potential_belongs_to_the_force(make, places):
    body, step = make(), 1e-3
    far = places[np.linalg.norm(places, axis=1) > 0.3]
    gradient = np.stack(
        [
            (evaluate_body_potential(body, far + step * axis) - evaluate_body_potential(body, far - step * axis))
            / (2 * step)
            for axis in np.eye(3)
        ],
        axis=1,
    )
    assert relative_error(-gradient, accelerate(body, far)[0]).max() < 5e-3
    distance = np.array([[0.0, 0.0, 5e3]])
    assert evaluate_body_potential(body, distance)[0] == pytest.approx(-const.G * body.mass / 5e3, rel=1e-3)


def test_particles_get_what_the_body_loses(places):
    body, centre = make_body(), np.array([3.0, -1.0, 2.0])
    masses = np.linspace(1, 2, len(places)).astype(np.float32)
    spans = np.linspace(0, 0.01, len(places)).astype(np.float32)
    velocities = np.zeros_like(places)
    given = kick_by_body(places, velocities, masses, spans, centre, body.radial, body.disc, body.height)
    np.testing.assert_allclose(given, masses.astype(float) @ velocities, rtol=1e-12)
    np.testing.assert_allclose(
        velocities, accelerate(body, places, centre)[0] * spans[:, None].astype(float), rtol=1e-6, atol=1e-9
    )
