"""The reflex fit of published samples of stars beside the published fits, printed as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.simulator import Reflex, fit_reflex_observed

#: Sun of the published tables [kpc, km/s].
SUN_POSITION, SUN_VELOCITY = (-8.3, 0.0, 0.03), (11.1, 244.24, 7.25)


@dataclass(frozen=True)
class Sample:
    """A published sample and its published fit.

    Attributes
    ----------
    title : str
        What the stars are, and who published them.
    quoted : dict of str to (float, float)
        Published value and error of v_travel [km/s], l_apex and b_apex [deg].
    """

    title: str
    quoted: dict[str, tuple[float, float]]


#: By the table's name in ``reflex/``.
SAMPLES = {
    "kgiants_yaaqib24_r50.txt": Sample(
        "253 K giants (Yaaqib et al. 2024)", {"v_travel": (40, 7), "l_apex": (40, 11), "b_apex": (-36, 13)}
    ),
    "kgiants_petersen21_r40.txt": Sample(
        "558 K giants (Petersen & Penarrubia 2021)", {"v_travel": (35, 6), "l_apex": (51, 10), "b_apex": (-34, 11)}
    ),
    "mock_live_s14.txt.gz": Sample(
        "N-body mock as SDSS sees it", {"v_travel": (51.1, 9), "l_apex": (348, 18), "b_apex": (-67, 7)}
    ),
}


def compare(reference: Path) -> dict[str, Reflex]:
    """Fits of the samples that are there.

    Parameters
    ----------
    reference : Path
        Folder whose ``reflex/`` holds tables of `SAMPLES`.

    Returns
    -------
    dict of str to Reflex
        By the table's name; empty if none is there.

    Raises
    ------
    ValueError
        If a table has another form.
    """
    paths = {name: reference / "reflex" / name for name in SAMPLES}
    return {name: _fit(path) for name, path in paths.items() if path.is_file()}


def _fit(path: Path) -> Reflex:
    observables, errors = (_mock if "mock" in path.name else _giants)(path)
    # The tables hold the shell of the published fit: K giants beyond 40 kpc as well.
    names = ("l", "b", "distance", "v_los", "pm_l", "pm_b")
    columns: dict[str, Any] = {**dict(zip(names, observables, strict=True)), "errors": errors}
    return fit_reflex_observed(**columns, r_min=0.0, sun_position=SUN_POSITION, sun_velocity=SUN_VELOCITY)


def _giants(path: Path) -> tuple[NDArray, dict[str, NDArray]]:
    """Rows x y z vx vy vz l b d v_los pm_l pm_b, then errors of d v_los pm_l pm_b and the correlation."""
    rows = np.loadtxt(path, ndmin=2)
    if len(rows) != 17:
        raise ValueError(f"{path} has {len(rows)} rows; allowed: 17")
    return rows[6:12], dict(zip(("distance", "v_los", "pm_l", "pm_b", "corr"), rows[12:17], strict=True))


def _mock(path: Path) -> tuple[NDArray, dict[str, NDArray]]:
    """Columns as `_giants` without the correlation; those in the footprint, from 40 to 150 kpc."""
    stars = np.loadtxt(path, skiprows=1, ndmin=2)
    if stars.shape[1] < 19:
        raise ValueError(f"{path} has {stars.shape[1]} columns; allowed: at least 19")
    r = np.linalg.norm(stars[:, :3], axis=1)
    chosen = stars[(stars[:, 18] == 1) & (r > 40) & (r < 150)].T
    return chosen[6:12], dict(zip(("distance", "v_los", "pm_l", "pm_b"), chosen[12:16], strict=True))


def describe(fits: dict[str, Reflex]) -> str:
    """The fits and what was published, as a table of text."""
    lines = [f"{'reflex fit beside the published one':<44}{'v_travel':>28}{'l_apex':>28}{'b_apex':>28}"]
    for name, fit in fits.items():
        cells = []
        for quantity, (value, error) in SAMPLES[name].quoted.items():
            found = getattr(fit, quantity) % 360 if quantity == "l_apex" else getattr(fit, quantity)
            cells.append(f"{found:.1f} +- {fit.errors[quantity]:.1f} ({value:g} +- {error:g})")
        lines.append(f"{SAMPLES[name].title:<44}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)
