"""The field of a live run in time: where its galaxies are and what they pull, between the rows too."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline

from mwlmc_data.arguments.arrays import as_float, as_floats, as_whole
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, fixed
from mwlmc_data.live.body import Body, evaluate_body_potential, kick_by_body
from mwlmc_data.live.expansion import Expansion, restore
from mwlmc_data.live.force import evaluate
from mwlmc_data.live.harmonics import count_pairs, find_l_max
from mwlmc_data.simulator import constants as const


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class LiveField(Displayed):
    """The gravity of a live Milky Way and LMC, in the inertial frame in which the Milky Way is at rest at the start.

    Attributes
    ----------
    time : ndarray, shape (rows,)
        Times of the rows [kpc / (km/s)], equidistant, the last today.
    body_path, lmc_path : ndarray, shape (rows, 6)
        Positions [kpc] and velocities [km/s] of bulge and disc, and of the LMC's centre.
    potential, slope : ndarray, shape (galaxies, rows, nodes, pairs, 2)
        Coefficients of the Milky Way's halo and of the LMC.
    body : Body
        Bulge and disc.
    """

    time: Float64Array
    body_path: Float64Array
    lmc_path: Float64Array
    potential: NDArray
    slope: NDArray
    body: Body

    def __post_init__(self) -> None:
        path = self.body_path
        splines = [CubicHermiteSpline(self.time, path[:, :3], path[:, 3:])]
        if len(self.potential) > 1:
            # its velocity is a noisy mean over particles: the spline's own is better
            splines.append(CubicSpline(self.time, self.lmc_path[:, :3]))
        object.__setattr__(self, "_splines", splines)

    def _summary(self) -> str:
        span = (self.time[-1] - self.time[0]) * const.GYR_PER_TIME_UNIT
        l_max = find_l_max(self.potential.shape[3])
        return f"{len(self.time)} rows over {fixed(span, 2)} Gyr, l up to {l_max}, {len(self.potential)} galaxies"

    def _rows(self) -> list[tuple[str, str]]:
        return [("field", self._summary())]

    def truncate(self, l_max: int) -> LiveField:
        """The same field without harmonics above `l_max`: with 0, both galaxies are spheres about their centres."""
        pairs = count_pairs(as_whole("l_max", l_max, 0, find_l_max(self.potential.shape[3])))
        return dataclasses.replace(
            self, potential=self.potential[..., :pairs, :].copy(), slope=self.slope[..., :pairs, :].copy()
        )

    def find_body(self, time: float) -> Float64Array:
        """Position and velocity of bulge and disc at a time, (6,)."""
        spline = self._splines[0]  # type: ignore[attr-defined]
        return np.concatenate([spline(time), spline(time, 1)])

    def find_expansions(self, time: float) -> list[Expansion]:
        """Expansions of both galaxies at a time: cubics through four rows of coefficients (Catmull & Rom 1974)."""
        step = self.time[1] - self.time[0]
        last = len(self.time) - 1
        i = min(max(int((time - self.time[0]) / step), 0), last - 1)
        w = (time - self.time[0]) / step - i
        rows = [max(i - 1, 0), i, i + 1, min(i + 2, last)]
        weights = 0.5 * np.array(
            [-w + 2 * w**2 - w**3, 2 - 5 * w**2 + 3 * w**3, w + 4 * w**2 - 3 * w**3, -(w**2) + w**3]
        )
        return [
            restore(
                spline(time), *(np.tensordot(weights, array[g, rows], 1) for array in (self.potential, self.slope))
            )
            for g, spline in enumerate(self._splines)  # type: ignore[attr-defined]
        ]

    def evaluate(self, positions: Float64Array, time: float) -> tuple[Float64Array, Float64Array]:
        """Acceleration and potential at a time.

        Parameters
        ----------
        positions : array_like, shape (n, 3)
            Places in the field's inertial frame [kpc]; the disc is at :meth:`find_body`.
        time : float
            Time since the start [kpc / (km/s)], one of those of the run; the last of `time` is today.

        Returns
        -------
        acceleration : ndarray, shape (n, 3)
            In km^2 s^-2 kpc^-1.
        potential : ndarray, shape (n,)
            In km^2 s^-2.

        Raises
        ------
        ValueError
            If an argument is not allowed: the field is not known before or after the run.
        """
        positions = np.ascontiguousarray(as_floats("positions", positions, unit="kpc", shape=("n", 3)))
        time = as_float("time", time, minimum=float(self.time[0]), maximum=float(self.time[-1]))
        centre, spans = self.find_body(time)[:3], np.ones(len(positions), np.float32)
        acceleration = np.zeros_like(positions)
        kick_by_body(
            positions, acceleration, spans, spans, centre, self.body.radial, self.body.disc, self.body.height
        )
        potential = evaluate_body_potential(self.body, positions - centre)
        for expansion in self.find_expansions(time):
            pull, depth = evaluate(expansion, positions)
            acceleration, potential = acceleration + pull, potential + depth
        return acceleration, potential
