"""Draws of a star's velocity, given a distance and what is measured.

The line-of-sight velocity scatters about rest. Given it and the distance, the velocity of a radial orbit is known; the
other velocities scatter about it, in each of the `PARTS` by another fraction of the dispersion, as the density of a
radially biased halo rises towards the radial direction without a scale. The parts count equally, or, where proper
motions are measured, by the probability that they give to them. Each is a Student t of three dimensions, so that the
density of the mixture is known.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaincinv, gammaln, logsumexp, ndtri

from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.simulator import constants as const

#: Dispersions across the line of sight, in that along it.
PARTS = (1.0, 0.4, 0.15)
#: Degrees of freedom of the velocities, and the factor on their covariance.
_FREEDOM, _WIDER = 6.0, 1.3
#: Standard errors that stand for no measurement [km/s, mas/yr].
_NO_SPEED, _NO_MOTION = 1e6, 1e4
_LOG_2PI = math.log(2.0 * math.pi)

#: A symmetric matrix of two dimensions: its elements ll, bb and lb, arrays.
Matrix2 = tuple[Float64Array, Float64Array, Float64Array]


def get_motion_covariance(stars: ObservedStars) -> Matrix2:
    """Covariance of the errors of pm_l and pm_b [mas^2/yr^2], (n, 1) each; huge where one is not measured."""
    measured = stars.measured[:, 1:]
    error = np.where(measured, np.stack([stars.e_pm_l, stars.e_pm_b], axis=1), _NO_MOTION)
    along_l, along_b = error.T[:, :, None]
    # one that is not measured says nothing of the other
    corr = np.where(measured.all(axis=1), stars.corr, 0.0)[:, None]
    return along_l**2, along_b**2, corr * along_l * along_b


def log_gauss2(l: Float64Array, b: Float64Array, covariance: Matrix2) -> Float64Array:
    """Log density of two Gaussian numbers with a covariance."""
    ll, bb, lb = covariance
    determinant = ll * bb - lb * lb
    return -0.5 * (bb * l * l - 2.0 * lb * l * b + ll * b * b) / determinant - 0.5 * np.log(determinant) - _LOG_2PI


def draw_velocities(
    stars: ObservedStars, positions: Float64Array, distance: Float64Array, dispersion: float, u: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Draw velocities given distances.

    Parameters
    ----------
    stars : ObservedStars
        The n stars.
    positions : ndarray, shape (n, m, 3)
        Galactocentric, at the distances [kpc].
    distance : ndarray, shape (n, m)
        From the Sun [kpc].
    dispersion : float
        Of the velocities of the simple halo [km/s].
    u : ndarray, shape (n, m, 5)
        Uniform numbers.

    Returns
    -------
    speeds : ndarray, shape (n, m, 3)
        Heliocentric, along the line of sight, l and b [km/s].
    log_density : ndarray, shape (n, m)
        Of the draws [(km/s)^-3].
    """
    basis = stars.basis
    rest = -basis @ const.SUN_VELOCITY
    normal = ndtri(u[..., :3])
    stretch = np.sqrt(0.5 * _FREEDOM / gammaincinv(0.5 * _FREEDOM, u[..., 3]))
    noise2 = np.where(stars.measured[:, 0], stars.e_v_los, _NO_SPEED) ** 2
    gain = dispersion**2 / (dispersion**2 + noise2)
    middle, spread = gain * np.nan_to_num(stars.v_los - rest[:, 0]), np.sqrt(_WIDER * gain * noise2)
    along = middle[:, None] + spread[:, None] * stretch * normal[..., 0]
    radial = np.einsum("nmi,nki->nmk", positions, basis)
    # heliocentric velocities across the line of sight of a star on its way from or to the centre
    l, b = (rest[:, k, None] + along * radial[..., k] / radial[..., 0] for k in (1, 2))
    per_motion = const.KMS_PER_MASYR_KPC * distance
    errors: Matrix2 = tuple(element * per_motion**2 for element in get_motion_covariance(stars))  # type: ignore[assignment]
    seen_l, seen_b = (np.nan_to_num(motion[:, None] * per_motion) for motion in (stars.pm_l, stars.pm_b))
    parts = [_Part(seen_l - l, seen_b - b, errors, (part * dispersion) ** 2) for part in PARTS]
    log_share = np.stack([part.log_evidence for part in parts])
    log_share -= logsumexp(log_share, axis=0)
    chosen = (np.cumsum(np.exp(log_share), axis=0)[:-1] < u[None, ..., 4]).sum(axis=0)
    shifts = np.array([part.place(stretch * normal[..., 1], stretch * normal[..., 2]) for part in parts])
    across_l, across_b = np.take_along_axis(shifts, chosen[None, None], axis=0)[0]
    square = (stretch * normal[..., 0]) ** 2
    density = logsumexp(
        [share + part.log_density(across_l, across_b, square) for share, part in zip(log_share, parts, strict=True)],
        axis=0,
    )
    speeds = np.stack([rest[:, :1] + along, l + across_l, b + across_b], axis=2)
    return speeds, density - np.log(spread)[:, None]


class _Part:
    """Velocities across the line of sight, about those of a radial orbit: (n, m) each.

    Parameters
    ----------
    l, b : ndarray
        Those measured, less those of a radial orbit.
    errors : Matrix2
        Covariance of their errors [km^2/s^2].
    variance : float
        Of the true ones, before the measurement.
    """

    def __init__(self, l: Float64Array, b: Float64Array, errors: Matrix2, variance: float) -> None:
        ll, bb, lb = errors
        total = (ll + variance, bb + variance, lb)
        determinant = total[0] * total[1] - lb * lb
        gain_ll, gain_bb, gain_lb = (variance * x / determinant for x in (total[1], total[0], -lb))
        self.log_evidence = log_gauss2(l, b, total)
        self._l, self._b = gain_ll * l + gain_lb * b, gain_lb * l + gain_bb * b
        # the covariance that is left is the gain times that of the errors
        cov_ll, cov_lb = gain_ll * ll + gain_lb * lb, gain_ll * lb + gain_lb * bb
        cov_bb = gain_lb * lb + gain_bb * bb
        self._root_ll = np.sqrt(_WIDER * cov_ll)
        self._root_bl = _WIDER * cov_lb / self._root_ll
        self._root_bb = np.sqrt(np.maximum(_WIDER * cov_bb - self._root_bl**2, 1e-12 * cov_bb))

    def place(self, x: Float64Array, y: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Velocities from stretched normal numbers."""
        return self._l + self._root_ll * x, self._b + self._root_bl * x + self._root_bb * y

    def log_density(self, l: Float64Array, b: Float64Array, square: Float64Array) -> Float64Array:
        """Log density of velocities together with that along the line of sight, whose scaled square is given."""
        x = (l - self._l) / self._root_ll
        y = (b - self._b - self._root_bl * x) / self._root_bb
        constant = gammaln(0.5 * (_FREEDOM + 3.0)) - gammaln(0.5 * _FREEDOM) - 1.5 * math.log(_FREEDOM * math.pi)
        size = np.log(self._root_ll * self._root_bb)
        return np.asarray(constant - size - 0.5 * (_FREEDOM + 3.0) * np.log1p((square + x * x + y * y) / _FREEDOM))
