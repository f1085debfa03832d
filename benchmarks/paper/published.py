"""Published orbits of the LMC, read from the user's files, and the models behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from mwlmc_data.simulator.constants import (
    BULGE_MASS,
    DISC_MASS,
    GYR_PER_TIME_UNIT,
)
from mwlmc_data.simulator.potentials import nfw_scales, nfw_shape

GC19_FILE = Path("gc19") / "LMC3_1.8e11_orbit.txt"
FIRE_FILE = Path("fire") / "m12b_snapshot385_rows.txt"
#: Row of the GC19 file that the paper quotes as the present day.
GC19_PRESENT = 110
#: Time between its rows [Gyr]: 0.02 kpc/(km/s), as its positions and velocities show, not 0.02 Gyr.
GC19_SPACING = 0.02 * GYR_PER_TIME_UNIT
GC19_LMC = {"m_lmc": 18e10, "a_lmc": 20.0}
#: The Milky Way of the suite (Garavito-Camargo et al. 2019, table 1): Hernquist halo, disc and
#: bulge [Msun, kpc].
GC19_HALO = (1.57e12, 40.8)
GC19_BARYONS = 5.78e10 + 1.4e10
#: The NFW halo that the paper quotes for it.
GC19_QUOTED = {"m200_mw": 10.3e11, "c200": 11.0}
FIRE_MODEL = {"m200_mw": 9.0e11, "m_lmc": 21e10}


@dataclass(frozen=True)
class PublishedOrbit:
    """An orbit of the LMC about the Milky Way.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Gyr from the present day, ascending.
    relative : ndarray, shape (n, 6)
        LMC minus Milky Way [kpc, km/s].
    source : str
        Name of the file.
    """

    time: NDArray
    relative: NDArray
    source: str

    @property
    def distance(self) -> NDArray:
        """Separation [kpc], shape (n,)."""
        return np.linalg.norm(self.relative[:, :3], axis=1)

    @property
    def present(self) -> NDArray:
        """Phase-space coordinates at time 0, shape (6,)."""
        return self.relative[np.argmin(np.abs(self.time))]

    def select_past(self, gyr: float) -> PublishedOrbit:
        """Select the rows from `gyr` before the present day to the present day."""
        keep = (self.time >= -gyr - 1e-9) & (self.time <= 1e-9)
        return PublishedOrbit(self.time[keep], self.relative[keep], self.source)


def read_orbit(path: str | Path, present: int | None = None, spacing: float | None = None) -> PublishedOrbit:
    """Read an orbit from a text file of 12 or 7 columns; lines that start with # are comments.

    Parameters
    ----------
    path : str or Path
        12 columns: Milky Way x y z vx vy vz, LMC x y z vx vy vz, rows evenly spaced in time. 7 columns: t
        [Gyr] and host-centric x y z vx vy vz. Lengths in kpc, velocities in km/s.
    present : int, optional
        Row of the present day; by default the last.
    spacing : float, optional
        Gyr between the rows of a 12-column file; by default from its own velocities (`infer_spacing`).

    Returns
    -------
    PublishedOrbit

    Raises
    ------
    ValueError
        If the file has another number of columns, a value that is not finite, times that do not ascend, or lacks
        the row.
    """
    table = np.atleast_2d(np.loadtxt(path, dtype=np.float64))
    if table.shape[1] not in (7, 12):
        raise ValueError(f"columns of {path} = {table.shape[1]}: allowed is 12 (MW and LMC) or 7 (t and host-centric)")
    if not np.isfinite(table).all():
        raise ValueError(f"{path} holds {table[~np.isfinite(table)][0]}: allowed are finite numbers")
    row = len(table) - 1 if present is None else present
    if not 0 <= row < len(table):
        raise ValueError(f"present = {row}: allowed is a row of {path}, 0 to {len(table) - 1}")
    if table.shape[1] == 12:
        relative = table[:, 6:] - table[:, :6]
        spacing = infer_spacing(relative) if spacing is None else spacing
        if not spacing > 0:
            raise ValueError(f"spacing = {spacing} Gyr: allowed is a positive number")
        time = spacing * np.arange(len(table))
    else:
        time, relative = table[:, 0], table[:, 1:]
    if (np.diff(time) <= 0).any():
        raise ValueError(f"times of {path} do not ascend: allowed are ascending times")
    return PublishedOrbit(time - time[row], relative, Path(path).name)


def read_smoothed(reference: Path, number: int) -> PublishedOrbit:
    """Read one of the smoothed orbits of the GC19 runs with an isotropic halo.

    Parameters
    ----------
    reference : Path
        Folder with ``gc21_orbits/``: the files of suites/GC21 in github.com/jngaravitoc/XMC-Atlas. A galaxy has a file
        of 7 columns, whose time is in kpc / (km/s).
    number : int
        Of the LMC's model, 1 to 4.

    Returns
    -------
    PublishedOrbit
    """
    name = f"GC21M{number}b0"
    lmc, milky_way = (np.loadtxt(reference / "gc21_orbits" / f"{name}_orbit_{galaxy}.txt") for galaxy in ("lmc", "mw"))
    return PublishedOrbit(lmc[:, 0] * GYR_PER_TIME_UNIT, lmc[:, 1:] - milky_way[:, 1:], name)


def infer_spacing(relative: NDArray) -> float:
    """Infer the time between evenly spaced rows [Gyr], by least squares of the steps on the mean velocities.

    Parameters
    ----------
    relative : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s].

    Returns
    -------
    float
        Gyr.

    Raises
    ------
    ValueError
        If there are fewer than two rows or nothing moves.
    """
    if len(relative) < 2:
        raise ValueError(f"rows of an orbit without spacing = {len(relative)}: allowed is 2 or more")
    steps, velocities = np.diff(relative[:, :3], axis=0), (relative[1:, 3:] + relative[:-1, 3:]) / 2
    norm = float((velocities**2).sum())
    if norm == 0:
        raise ValueError("velocities of an orbit without spacing = 0: allowed is an orbit that moves")
    return float((steps * velocities).sum()) / norm * GYR_PER_TIME_UNIT


def measure_inconsistency(orbit: PublishedOrbit) -> float:
    """Compute the largest difference between a step of an orbit and the integral of its velocities [kpc].

    The error of the trapezium rule, the change of the acceleration times dt^3 / 12, is 0.02 kpc over 26 Myr at 38 kpc.
    """
    dt = np.diff(orbit.time)[:, None] / GYR_PER_TIME_UNIT
    means = (orbit.relative[1:, 3:] + orbit.relative[:-1, 3:]) / 2
    return float(np.linalg.norm(np.diff(orbit.relative[:, :3], axis=0) - means * dt, axis=1).max())


def match_halo(
    halo: tuple[float, float] = GC19_HALO,
    baryons: float = GC19_BARYONS,
    radii: tuple[float, float] = (40.0, 280.0),
) -> dict[str, float]:
    """Find the NFW halo that encloses the mass of another model where the LMC moves.

    The rigid model's disc and bulge are included.

    Parameters
    ----------
    halo : (float, float)
        Mass [Msun] and scale radius [kpc] of a Hernquist halo.
    baryons : float
        Mass at its centre [Msun].
    radii : (float, float)
        Range of the match [kpc], uniform in the logarithm.

    Returns
    -------
    dict of str to float
        m200_mw [Msun] and c200, by least squares of the logarithm of the enclosed mass.
    """
    r = np.geomspace(*radii, 60)
    wanted = halo[0] * (r / (r + halo[1])) ** 2 + baryons

    def residuals(p: NDArray) -> NDArray:
        m200, c200 = np.exp(p)
        return np.log((nfw_enclosed(r, m200, c200) + DISC_MASS + BULGE_MASS) / wanted)

    m200, c200 = np.exp(least_squares(residuals, np.log([1e12, 12.0])).x)
    return {"m200_mw": float(m200), "c200": float(c200)}


def nfw_enclosed(r: NDArray, m200: float, c200: float) -> NDArray:
    """Return the mass [Msun] within r [kpc] of an NFW halo of 200 times the critical density."""
    r_s, m_s = nfw_scales(m200, c200)
    return m_s * nfw_shape(r / r_s)
