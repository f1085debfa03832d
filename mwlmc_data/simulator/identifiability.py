"""Which of the model's six velocities a sample of stars determines, the travel velocity at least."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.array_types import FloatArray

#: The six velocities of the model, in the order of its parameters.
VELOCITY_NAMES = ("vx_travel", "vy_travel", "vz_travel", "mean_v_r", "mean_v_phi", "mean_v_theta")
#: Information below this part of the largest is none: what is left of it is rounding.
_NONE = 1e-12
#: A standard error of so many scatters of one star comes from rounding alone.
_ENDLESS = 1e4
#: Coefficients below this are left out where a combination of velocities is named.
_SHOWN = 0.05


def open_velocities(information: FloatArray, scatter: float) -> NDArray[np.bool_]:
    """Find the velocities that the stars leave open: the standard error exceeds the scatter of one star.

    Such a sample says less of the velocity than a single star whose velocity is known in that direction. It happens
    where stars lie in one place or on one line, and where a component of the velocity is not measured: lines of sight
    hardly hold mean_v_phi and mean_v_theta, which reach them by the Sun's distance from the centre alone.

    Parameters
    ----------
    information : ndarray, shape (6, 6)
        Inverse covariance of the six velocities [s^2/km^2].
    scatter : float
        Scatter of one star's velocity about the model [km/s]; see :func:`typical_scatter`.

    Returns
    -------
    ndarray of bool, shape (6,)
        In the order of ``VELOCITY_NAMES``; never one of the travel velocity.

    Raises
    ------
    ValueError
        If the travel velocity is left open in any direction, or a number is not finite.
    """
    if not (np.isfinite(information).all() and np.isfinite(scatter)):
        raise ValueError("the fit = numbers that are not finite: allowed are velocities and errors with finite squares")
    worth, directions = np.linalg.eigh(information * scatter**2)
    spread = directions / np.sqrt(np.maximum(worth, _NONE * worth[-1]))
    covariance = spread @ spread.T
    variances, axes = np.linalg.eigh(covariance[:3, :3])
    if variances[-1] > 1.0:
        error = np.sqrt(variances[-1])
        how = f"standard error {error * scatter:.3g} km/s, where one star scatters by {scatter:.3g} km/s"
        how = how if error < _ENDLESS else "they say nothing of it"
        raise ValueError(
            f"positions = stars that leave {_describe(covariance[:, :3] @ axes[:, -1])} open ({how}): allowed are "
            "stars that tell the travel velocity from the mean motions, far enough apart on the sky and with enough of "
            "their velocities measured"
        )
    return np.diag(covariance) > 1.0


def typical_scatter(variances: FloatArray, counts: ArrayLike = 1) -> float:
    """Scatter of one star [km/s] from its variances in the measured components: their harmonic mean's root.

    It is nearer to the smaller ones, as what a star says is. `counts` are the stars that are measured in each.
    """
    weights = np.broadcast_to(counts, variances.shape)
    return float(np.sqrt(weights.sum() / np.sum(weights / variances)))


def is_singular(information: FloatArray) -> bool:
    """Whether the six equations have no unique solution, to rounding."""
    worth = np.linalg.eigvalsh(information)
    return bool(worth[0] <= _NONE * worth[-1])


def _describe(combination: FloatArray) -> str:
    """A combination of velocities in words, for example ``0.71 vx_travel - 0.71 mean_v_r``."""
    combination = combination / np.linalg.norm(combination)
    terms = [(c, name) for c, name in zip(combination, VELOCITY_NAMES, strict=True) if abs(c) > _SHOWN]
    sign = np.sign(terms[0][0])
    text = " ".join(f"{'-' if sign * c < 0 else '+'} {abs(c):.2f} {name}" for c, name in terms)
    return text.removeprefix("+ ")
