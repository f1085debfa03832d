"""A small Milky Way and LMC: a halo with a reflex motion, a disc and a satellite, turned and moved."""

from __future__ import annotations

import dataclasses

import numpy as np

OMEGA_M, OMEGA_L = 0.31, 0.69
#: The satellite about its host, near the observed LMC [kpc, km/s].
LMC = np.array([-0.9, -41.0, -27.0, -57.0, -226.0, 221.0])
TRAVEL = np.array([5.0, -12.0, -30.0])
DARK, STARS = 1, 4


@dataclasses.dataclass
class World:
    """Particles in physical kpc, km/s (without the expansion) and Msun; identifiers of the host's are below 10,000."""

    x: np.ndarray
    v: np.ndarray
    m: np.ndarray
    ids: np.ndarray
    types: np.ndarray
    turn: np.ndarray
    centre: np.ndarray

    def fields(self):
        return {
            "positions": self.x, "velocities": self.v, "masses": self.m, "ids": self.ids, "types": self.types
        }  # fmt: skip


def make_world(seed=1, n=1500, turn=None, centre=(2000.0, -300.0, 800.0, 70.0, -90.0, 40.0)):
    """A halo with a reflex motion beyond 30 kpc, a disc at rest that turns to -z, and a satellite; turned and moved."""
    rng = np.random.default_rng(seed)

    def directions(size):
        u = rng.normal(size=(size, 3))
        return u / np.linalg.norm(u, axis=1)[:, None]

    r = np.exp(rng.uniform(np.log(3.0), np.log(300.0), n))
    halo_x, halo_v = directions(n) * r[:, None], rng.normal(0.0, 90.0, (n, 3)) - TRAVEL * (r > 30.0)[:, None]
    half = rng.normal(0.0, [4.0, 4.0, 0.3], (200, 3))
    spin = np.stack([half[:, 1], -half[:, 0], np.zeros(len(half))], axis=1)
    spin *= 200.0 / np.linalg.norm(half[:, :2], axis=1)[:, None]
    disc_x, disc_v = np.concatenate([half, -half]), np.concatenate([spin, -spin])
    part = rng.normal(size=(150, 3))
    pairs = np.concatenate([part, -part])
    lmc_x, lmc_v = pairs * 3.0 + LMC[:3], pairs[:, ::-1] * 30.0 + LMC[3:]
    x, v = np.concatenate([halo_x, lmc_x, disc_x]), np.concatenate([halo_v, lmc_v, disc_v])
    turn = np.eye(3) if turn is None else turn
    centre = np.asarray(centre)
    return World(
        x=x @ turn + centre[:3],
        v=v @ turn + centre[3:],
        m=np.repeat([4e8, 3e8, 1e8], [n, 300, 400]),
        ids=np.r_[np.arange(n), 10_000 + np.arange(300), 5_000 + np.arange(400)].astype(np.uint64),
        types=np.repeat([DARK, DARK, STARS], [n, 300, 400]),
        turn=turn,
        centre=centre,
    )


def turn_about(axis, angle):
    """Rotation about a direction."""
    k = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def expansion(a, h):
    """H(a) in km/s/kpc."""
    return 0.1 * h * np.sqrt(OMEGA_M / a**3 + OMEGA_L)


def peculiar(world, a, h):
    """Velocities without the expansion about the host's centre."""
    return world.v - expansion(a, h) * (world.x - world.centre[:3])


def split(world, parts, seed=3):
    """Which part each particle is in, unordered as in star files."""
    return np.random.default_rng(seed).integers(0, parts, len(world.x))
