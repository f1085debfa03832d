"""The reflex fit of published samples of stars beside the published fits, and a footprint beside its rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.observations import in_legacy_surveys, load_observation
from mwlmc_data.rewinding.healpix import find_pixels
from mwlmc_data.simulator import Reflex, fit_reflex_observed

#: Sun of the published tables [kpc, km/s].
SUN_POSITION, SUN_VELOCITY = (-8.3, 0.0, 0.03), (11.1, 244.24, 7.25)


@dataclass(frozen=True, eq=False)
class PublishedSample:
    """A published sample and its published fit.

    Attributes
    ----------
    title : str
        What the stars are, and who published them.
    table : str
        File name in ``reflex/``.
    quoted : dict of str to (float, float)
        Published value and error of v_travel [km/s], l_apex and b_apex [deg].
    rows : int or None
        Number of rows to use from the start of the table; None for all.
    """

    title: str
    table: str
    quoted: dict[str, tuple[float, float]]
    rows: int | None = None


def _quote(name: str) -> dict[str, tuple[float, float]]:
    """Published values and errors of an observation, as `PublishedSample.quoted`."""
    fit = load_observation(name)
    return {quantity: (fit.values[quantity], fit.errors[quantity]) for quantity in ("v_travel", "l_apex", "b_apex")}


_MOCK = "mock_live_s14.txt.gz"
_MOCK_QUOTED = {"v_travel": (51.1, 9.0), "l_apex": (348.0, 18.0), "b_apex": (-67.0, 7.0)}

#: The published posterior of the mock agrees in values and widths with the first 15,000 of its 35,000 rows.
SAMPLES = (
    PublishedSample(
        "253 K giants (Yaaqib et al. 2024)",
        "kgiants_yaaqib24_r50.txt",
        _quote("yaaqib24-50-kgiants-refit"),
    ),
    PublishedSample(
        "558 K giants (Petersen & Penarrubia 2021)",
        "kgiants_petersen21_r40.txt",
        _quote("petersen21-kgiants-refit"),
    ),
    PublishedSample("N-body mock, its first 15,000 rows", _MOCK, _MOCK_QUOTED, rows=15_000),
    PublishedSample("N-body mock, all of its 35,000 rows", _MOCK, _MOCK_QUOTED),
)


def compare(reference: Path) -> dict[str, Reflex]:
    """Fit the samples whose tables exist.

    Parameters
    ----------
    reference : Path
        Folder whose ``reflex/`` holds tables of `SAMPLES`.

    Returns
    -------
    dict of str to Reflex
        By the sample's title; empty if no table exists.

    Raises
    ------
    ValueError
        If a table has the wrong form.
    """
    paths = {sample: reference / "reflex" / sample.table for sample in SAMPLES}
    return {sample.title: _fit(path, sample.rows) for sample, path in paths.items() if path.is_file()}


def _fit(path: Path, rows: int | None) -> Reflex:
    observables, errors = read_mock(path, rows) if "mock" in path.name else read_giants(path)
    # the tables hold the shell of the published fit, K giants from 40 kpc too: no cut at 50 kpc
    names = ("l", "b", "distance", "v_los", "pm_l", "pm_b")
    columns: dict[str, Any] = {**dict(zip(names, observables, strict=True)), "errors": errors}
    return fit_reflex_observed(**columns, r_min=0.0, sun_position=SUN_POSITION, sun_velocity=SUN_VELOCITY)


def read_giants(path: Path) -> tuple[NDArray, dict[str, NDArray]]:
    """Read rows x y z vx vy vz l b d v_los pm_l pm_b, then errors of d v_los pm_l pm_b and the correlation."""
    rows = np.loadtxt(path, ndmin=2)
    if len(rows) != 17:
        raise ValueError(f"rows of {path} = {len(rows)}: allowed is 17")
    return rows[6:12], dict(zip(("distance", "v_los", "pm_l", "pm_b", "corr"), rows[12:17], strict=True))


def read_mock(path: Path, rows: int | None) -> tuple[NDArray, dict[str, NDArray]]:
    """Read the same as columns, without the correlation, for stars in the footprint from 40 to 150 kpc."""
    stars = np.loadtxt(path, skiprows=1, ndmin=2, max_rows=rows)
    if stars.shape[1] < 19:
        raise ValueError(f"columns of {path} = {stars.shape[1]}: allowed is 19 or more")
    r = np.linalg.norm(stars[:, :3], axis=1)
    chosen = stars[(stars[:, 18] == 1) & (r > 40) & (r < 150)].T
    return chosen[6:12], dict(zip(("distance", "v_los", "pm_l", "pm_b"), chosen[12:16], strict=True))


def describe(fits: dict[str, Reflex]) -> str:
    """Format the fits beside the published ones as a table."""
    lines = [f"{'reflex fit beside the published one':<44}{'stars':>8}{'v_travel':>28}{'l_apex':>28}{'b_apex':>28}"]
    for sample in SAMPLES:
        if sample.title not in fits:
            continue
        fit, cells = fits[sample.title], []
        for quantity, (value, error) in sample.quoted.items():
            found = getattr(fit, quantity) % 360 if quantity == "l_apex" else getattr(fit, quantity)
            cells.append(f"{found:.1f} +- {fit.errors[quantity]:.1f} ({value:g} +- {error:g})")
        lines.append(f"{sample.title:<44}{fit.n_stars:>8}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)


#: File of DESI's footprint (Bystrom et al. 2025): HEALPix, nside 32, ring order, Galactic.
FOOTPRINT, NSIDE = "desi_footprint_nside32_ring_galactic.npy", 32


def compare_footprint(reference: Path, n: int = 400_000) -> str:
    """Compare DESI's footprint with the rule of the Legacy Surveys, in one line.

    Parameters
    ----------
    reference : Path
        Folder whose ``sky/`` holds the footprint.
    n : int
        Number of random directions, which give the parts of the sky.

    Returns
    -------
    str
        Empty if there is no such file.
    """
    path = reference / "sky" / FOOTPRINT
    if not path.is_file():
        return ""
    rng = np.random.default_rng(0)
    l, b = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, n)))
    rule, surveyed = in_legacy_surveys(l, b), np.load(path)[find_pixels(NSIDE, l, b)]
    both = (rule & surveyed).sum()
    return (
        f"footprint: the rule of the Legacy Surveys covers {rule.mean():.1%} of the sky, "
        f"DESI's map {surveyed.mean():.1%}; {both / surveyed.sum():.1%} of the map is within the rule, "
        f"{both / rule.sum():.1%} of the rule in the map"
    )
