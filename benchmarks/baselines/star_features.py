"""What the networks of sets see of a star: numbers of order one, from its phase space or from its data with errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.scoring.star_sets import StarSets
from mwlmc_data.scoring.star_surveys import SurveySets
from mwlmc_data.simulator import constants as const

#: Forms of data that are sets of stars.
FORMS = ("sets", "survey")
#: Numbers of a star as packed, and of its features (`compute_features`), by the form of the data.
CHANNELS, N_FEATURES = {"sets": 6, "survey": 14}, {"sets": 12, "survey": 21}
#: What stands for a star where there is none.
_NOBODY = {"sets": (70.0, 0.0, 0.0, 0.0, 0.0, 0.0), "survey": (0.0, 0.0, 70.0, *(11 * [0.0]))}
#: Radius [kpc] and speed [km/s] by which features are of order one.
_RADIUS, _SPEED = 70.0, 120.0
#: Largest speed that the features of observed stars show, in these units.
_FASTEST = 8.0


def pack(x: NDArray | StarSets) -> Float32Array:
    """Put sets into one array, as the training loop takes them: stars, mask and LMC, shape (n, (c + 1) m + 6).

    A star has c numbers: its phase space, or its data, their errors and what is measured.

    Raises
    ------
    TypeError
        If the data are not sets.
    ValueError
        If a set is empty, or a star in it is not finite.
    """
    if not isinstance(x, StarSets):
        raise TypeError(f"x = {type(x).__name__}: allowed is a StarSets, as in the tasks of stars")
    if not x.mask.any(axis=1).all():
        raise ValueError(f"stars of set {int(np.argmin(x.mask.any(axis=1)))} = 0: allowed is 1 or more")
    if not np.isfinite(x.stars[x.mask]).all() or not np.isfinite(x.lmc).all():
        raise ValueError("x = stars or LMCs that are not finite: allowed are finite numbers")
    n, numbers, nobody = len(x), x.stars, _NOBODY["sets"]
    if isinstance(x, SurveySets):
        if not np.isfinite(x.errors[x.mask]).all():
            raise ValueError("x = errors that are not finite: allowed are finite numbers")
        numbers = np.concatenate([x.stars, x.errors, x.measured.astype(np.float32)], axis=2)
        nobody = _NOBODY["survey"]
    # whatever padding holds, the network never sees it
    stars = np.where(x.mask[:, :, None], numbers, np.array(nobody, np.float32))
    return np.concatenate([stars.reshape(n, -1), x.mask.astype(np.float32), x.lmc], axis=1)


def compute_features(stars: Any, lmc: Any) -> Any:
    """Compute features of stars (n, m, c), given the LMC (n, 6): exact stars have 6 numbers, observed ones 14."""
    return _compute_exact(stars, lmc) if stars.shape[-1] == CHANNELS["sets"] else _compute_observed(stars, lmc)


def _compute_exact(stars: Any, lmc: Any) -> Any:
    """Compute features (n, m, 12) of stars (n, m, 6) [kpc, km/s], given the LMC (n, 6).

    Direction (3), ln r, velocity (3), radial and tangential velocity and their squares, ln of the distance from the
    LMC.
    """
    import torch

    position, velocity = stars[..., :3], stars[..., 3:] / _SPEED
    radius = torch.linalg.vector_norm(position, dim=-1, keepdim=True).clamp(min=1e-3)
    direction = position / radius
    radial = (direction * velocity).sum(dim=-1, keepdim=True)
    tangential2 = (velocity.square().sum(dim=-1, keepdim=True) - radial.square()).clamp(min=0.0)
    from_lmc = torch.linalg.vector_norm(position - lmc[:, None, :3], dim=-1, keepdim=True)
    parts = [
        direction, torch.log(radius / _RADIUS), velocity, radial, tangential2.sqrt(), radial.square(), tangential2,
        torch.log(from_lmc / _RADIUS + 0.01),
    ]  # fmt: skip
    return torch.cat(parts, dim=-1)


def _compute_observed(stars: Any, lmc: Any) -> Any:
    """Compute features (n, m, 21) of observed stars (n, m, 14), given the LMC (n, 6).

    Direction (3), ln of the observed distance, its relative error; the velocities along the line of sight, l and b with
    the Sun's motion taken off, their squares and errors, each zero where it is not measured, and what is measured (3);
    the Cartesian velocity from what is measured (3); ln of the distance from the LMC.
    """
    import torch

    longitude, latitude = torch.deg2rad(stars[..., 0]), torch.deg2rad(stars[..., 1])
    distance, errors, measured = stars[..., 2:3].clamp(min=1e-3), stars[..., 6:10], stars[..., 11:14]
    sin_l, cos_l, sin_b, cos_b = longitude.sin(), longitude.cos(), latitude.sin(), latitude.cos()
    zero = torch.zeros_like(sin_l)
    along = torch.stack([cos_b * cos_l, cos_b * sin_l, sin_b], dim=-1)
    east = torch.stack([-sin_l, cos_l, zero], dim=-1)
    north = torch.stack([-sin_b * cos_l, -sin_b * sin_l, cos_b], dim=-1)
    sun, motion = (stars.new_tensor(vector) for vector in (const.SUN_POSITION, const.SUN_VELOCITY))
    per_motion = const.KMS_PER_MASYR_KPC * distance
    unit = torch.cat([torch.ones_like(distance), per_motion, per_motion], dim=-1)
    solar = torch.stack([(axis * motion).sum(dim=-1) for axis in (along, east, north)], dim=-1)
    speed = (stars[..., 3:6] * unit + solar) / _SPEED * measured
    # of a distant star the proper motion may be pure error
    speed = speed.clamp(-_FASTEST, _FASTEST)
    velocity = sum(speed[..., k : k + 1] * axis for k, axis in enumerate((along, east, north)))
    noise = torch.log1p(errors[..., 1:] * unit / _SPEED) * measured
    from_lmc = torch.linalg.vector_norm(sun + distance * along - lmc[:, None, :3], dim=-1, keepdim=True)
    parts = [
        along, torch.log(distance / _RADIUS), errors[..., :1] / distance, speed, speed.square(), noise, measured,
        velocity, torch.log(from_lmc / _RADIUS + 0.01),
    ]  # fmt: skip
    return torch.cat(parts, dim=-1)
