"""Which of the model's six velocities a sample of stars determines; the travel velocity must be among them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.array_types import FloatArray

#: The six velocities of the model, in the order of its parameters.
VELOCITY_NAMES = ("vx_travel", "vy_travel", "vz_travel", "mean_v_r", "mean_v_phi", "mean_v_theta")
#: Information below this fraction of the largest is rounding.
_NONE = 1e-12
#: A standard error above this multiple of one star's scatter comes from rounding alone.
_ENDLESS = 1e4
#: Coefficients below this are omitted when a combination of velocities is named.
_SHOWN = 0.05


def open_velocities(information: FloatArray, scatter: float) -> NDArray[np.bool_]:
    """Find the velocities that the stars leave undetermined: the standard error exceeds the scatter of one star.

    Such a sample constrains the velocity less than a single star whose velocity is known in that direction. This
    happens if the stars lie in one place or on one line, or if a component of the velocity is not measured: velocities
    along the line of sight hardly contain mean_v_phi and mean_v_theta, which enter only through the Sun's distance from
    the centre.

    Parameters
    ----------
    information : ndarray, shape (6, 6)
        Inverse covariance of the six velocities [s^2/km^2].
    scatter : float
        Scatter of one star's velocity about the model [km/s]; see :func:`typical_scatter`.

    Returns
    -------
    ndarray of bool, shape (6,)
        In the order of ``VELOCITY_NAMES``; never true for the travel velocity.

    Raises
    ------
    ValueError
        If the travel velocity is undetermined in any direction, or a number is not finite.
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
        how = how if error < _ENDLESS else "they do not constrain it"
        raise ValueError(
            f"positions = stars that leave {_describe(covariance[:, :3] @ axes[:, -1])} open ({how}): allowed are "
            "stars that separate the travel velocity from the mean motions, far enough apart on the sky and with "
            "enough of their velocities measured"
        )
    return np.diag(covariance) > 1.0


def typical_scatter(variances: FloatArray, counts: ArrayLike = 1) -> float:
    """Scatter of one star [km/s]: the root of the harmonic mean of its variances in the measured components.

    The harmonic mean favours the small variances, as the information in a star does. `counts` is the number of stars
    measured in each component.
    """
    weights = np.asarray(counts, float) + np.zeros_like(variances)
    return math.sqrt(weights.sum() / (weights / variances).sum())


def _describe(combination: FloatArray) -> str:
    """A combination of velocities in words, for example ``0.71 vx_travel - 0.71 mean_v_r``."""
    combination = combination / np.linalg.norm(combination)
    terms = [(c, name) for c, name in zip(combination, VELOCITY_NAMES, strict=True) if abs(c) > _SHOWN]
    sign = np.sign(terms[0][0])
    text = " ".join(f"{'-' if sign * c < 0 else '+'} {abs(c):.2f} {name}" for c, name in terms)
    return text.removeprefix("+ ")
