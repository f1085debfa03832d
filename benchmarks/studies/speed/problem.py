"""The problem for all codes: move stars through the Milky Way and the LMC for 2.2 Gyr."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np

from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator import Parameters
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.orbit import Orbit, build_field
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES
from mwlmc_data.simulator.potentials import hernquist_acceleration, milky_way_acceleration, nfw_scales
from mwlmc_data.simulator.tables import Field

#: The rigid case of the paper, with a halo whose fit resembles the published one.
PARAMETERS = {"m200_mw": 9.1e11, "m_lmc": 2.3e11, "log10_lambda_df": 0.7, "beta0": 0.76, "r_dehnen": 11.5}


@dataclasses.dataclass(frozen=True)
class Problem:
    """Stars and the field they move in.

    Attributes
    ----------
    name : str
    parameters : Parameters
    orbit : Orbit
        The pair's past.
    field : Field
        The same for our kernels.
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way's centre, 2.2 Gyr ago.
    """

    name: str
    parameters: Parameters
    orbit: Orbit
    field: Field
    stars: FloatArray

    @property
    def time(self) -> FloatArray:
        """Times of the pair's path [kpc / (km/s)], from the start to 0 (today)."""
        return self.orbit.time / const.GYR_PER_TIME_UNIT

    @property
    def path(self) -> FloatArray:
        """The LMC relative to the Milky Way at these times, (m, 3) [kpc]."""
        return self.orbit.relative[:, :3]

    @property
    def lmc_pull(self) -> FloatArray:
        """Acceleration of the Milky Way's centre by the LMC, with which the frame falls, (m, 3) [km^2 s^-2 kpc^-1]."""
        return hernquist_acceleration(-self.path, self.parameters.m_lmc, self.parameters.a_lmc)

    def sample(self, n: int) -> FloatArray:
        """Choose at most `n` stars, evenly in the order of their energy, on which their time depends."""
        if n >= len(self.stars):
            return self.stars
        r_s, m_s = nfw_scales(self.parameters.m200_mw, self.parameters.c200)
        radius = np.linalg.norm(self.stars[:, :3], axis=1)
        potential = -const.G * m_s * np.log1p(radius / r_s) / radius
        order = np.argsort(potential + 0.5 * np.sum(self.stars[:, 3:] ** 2, axis=1))
        chosen = order[((np.arange(n) + 0.5) * len(order) / n).astype(int)]
        return self.stars[np.sort(chosen)]

    def acceleration(self, points: FloatArray, whole: bool = True) -> FloatArray:
        """Compute the exact acceleration today at points (n, 3) [kpc] from the defining integrals [km^2 s^-2 kpc^-1].

        That of a star in the falling frame, or of the Milky Way alone.
        """
        alone = milky_way_acceleration(points, self.parameters.m200_mw, self.parameters.c200)
        return alone + self.tide(points) if whole else alone

    def tide(self, points: FloatArray) -> FloatArray:
        """Compute the LMC's tide today at points (n, 3) [kpc]: its pull minus that at the centre."""
        p = self.parameters
        return hernquist_acceleration(points - self.path[-1], p.m_lmc, p.a_lmc) - self.lmc_pull[-1]


def draw_problem(n_stars: int = const.N_STARS) -> Problem:
    """Make the case :data:`PARAMETERS` with stars of our own."""
    parameters = Parameters(**PARAMETERS)  # type: ignore[arg-type]
    orbit, field = build_field(parameters)
    halo = equilibrium(parameters.m200_mw, parameters.c200, parameters.beta0, parameters.r_dehnen)
    stars = draw_stars(halo, n_stars, np.random.default_rng(1))
    return Problem("the paper's rigid case, stars drawn here", parameters, orbit, field, stars)


def load_problem(reference: Path) -> Problem:
    """Load the case ``paper_rigid`` of the reference numbers, with its stars.

    Raises
    ------
    FileNotFoundError
        If the folder lacks ``agama/summary.json`` or ``agama/paper_rigid.npz``.
    """
    case = json.loads((reference / "agama" / "summary.json").read_text())["cases"]["paper_rigid"]
    given = {"m200_mw": "m200", "c200": "c200", "beta0": "beta0", "r_dehnen": "r_dehnen", "m_lmc": "m_lmc"}
    values = {name: case[key] for name, key in given.items()} | {"a_lmc": case["a_lmc"]}
    present = dict(zip(CARTESIAN_NAMES, case["x0"] + case["v0"], strict=True))
    parameters = Parameters(**values, **present, log10_lambda_df=float(np.log10(case["lam"])))
    with np.load(reference / "agama" / "paper_rigid.npz") as data:
        stars = data["initial"].astype(float)
    return Problem("paper_rigid of the reference numbers", parameters, *build_field(parameters), stars)


@functools.lru_cache(maxsize=8)
def pull_at_force_points(m200: float, c200: float, n: int) -> FloatArray:
    """Compute the Milky Way's exact acceleration at :func:`draw_force_points`, (n, 3); a point takes milliseconds."""
    return milky_way_acceleration(draw_force_points(n), m200, c200)


def draw_force_points(n: int = 200) -> FloatArray:
    """Draw points (n, 3) [kpc] in all directions, uniform in log distance from 1 to 300 kpc."""
    rng = np.random.default_rng(3)
    direction = rng.normal(size=(n, 3))
    radius = np.geomspace(1.0, 300.0, n)
    return radius[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None]
