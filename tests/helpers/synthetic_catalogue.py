"""A catalogue whose reflex motion is a formula, so that tests need not integrate stars."""

import numpy as np
import pandas as pd

SPEED_NOISE = 5.0


def reflex_of(m_lmc, m200_mw, log10_lambda_df, position, velocity):
    """Mean travel vector (n, 3) [km/s]: along the LMC's place and motion, growing with the mass ratio."""
    ratio = (m_lmc / 1e10) / (m200_mw / 1e11)
    amplitude = 55.0 * ratio / (1.0 + 0.5 * ratio)
    friction = 0.12 * 10.0 ** (0.7 * np.clip(log10_lambda_df, -3.0, 1.0))
    place = position / np.linalg.norm(position, axis=1, keepdims=True)
    motion = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    return amplitude[:, None] * (place * (0.6 + friction[:, None]) - motion * 0.3)


def add_reflex(table, seed):
    """The table with the columns of the reflex motion added."""
    rng = np.random.default_rng(seed)
    position = table[["x_lmc", "y_lmc", "z_lmc"]].to_numpy(float)
    velocity = table[["vx_lmc", "vy_lmc", "vz_lmc"]].to_numpy(float)
    args = (table[name].to_numpy(float) for name in ("m_lmc", "m200_mw", "log10_lambda_df"))
    vector = reflex_of(*args, position, velocity) + SPEED_NOISE * rng.standard_normal((len(table), 3))
    speed = np.linalg.norm(vector, axis=1)
    out = table.copy()
    out["v_travel"] = speed
    out["l_apex"] = np.degrees(np.arctan2(vector[:, 1], vector[:, 0]))
    out["b_apex"] = np.degrees(np.arcsin(vector[:, 2] / speed))
    return out


def truncated(rng, mean, sigma, low, high, n):
    """n Gaussian draws inside (low, high), by rejection."""
    out = np.empty(0)
    while len(out) < n:
        draw = rng.normal(mean, sigma, 2 * n)
        out = np.concatenate([out, draw[(draw > low) & (draw < high)]])
    return out[:n]


def synthetic_catalogue(n, seed=0):
    """A table with the columns that the benchmark reads; the split by sim_id as in the catalogue."""
    rng = np.random.default_rng(seed)
    residue = np.arange(n) % 128
    split = np.where(residue < 10, "test", np.where(residue < 20, "validation", "train"))
    mean = [-1.0, -41.0, -27.0, -57.0, -226.0, 221.0]
    sigma = [2.0, 4.5, 4.5, 40.0, 40.0, 40.0]
    names = ["x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc"]
    table = pd.DataFrame(rng.normal(mean, sigma, (n, 6)), columns=names)
    table.insert(0, "sim_id", np.arange(n))
    table["m_lmc"] = truncated(rng, 15e10, 10e10, 2.5e10, 100e10, n)
    table["m200_mw"] = truncated(rng, 15e11, 5e11, 1e11, 100e11, n)
    table["log10_lambda_df"] = rng.uniform(-3.0, 1.0, n)
    table["split"] = split
    return add_reflex(table, seed + 1)
