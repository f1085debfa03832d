"""Published tables of stars, fetched from the repositories of their authors; the package holds no copy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.citation import Citation
from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.display import Displayed
from mwlmc_data.observations import works
from mwlmc_data.storage.errors import DamagedFileError

if TYPE_CHECKING:
    import pandas as pd

_REFLEXCALC = (
    "https://raw.githubusercontent.com/RYaaqib/reflexcalc/8d077cfe8e7882f1664faa471cb0649d5161d8a0/processed_real/sgrtests"
)
_REFLEX_MOTION = (
    "https://raw.githubusercontent.com/michael-petersen/ReflexMotion/1e6d1ff6ceee699b91afceac9087e7269f61c8f0/analysis"
)
#: The order of the rows of the K giants' files, and the columns that the sources' names mean here.
_ROWS = (
    "x", "y", "z", "vx", "vy", "vz", "l", "b", "distance", "v_los", "pm_l", "pm_b", "err_distance", "err_v_los",
    "err_pm_l", "err_pm_b", "corr_pm",
)  # fmt: skip
_NAMES = {
    "d": "distance", "vlos": "v_los", "mul": "pm_l", "mub": "pm_b", "d_err": "err_distance", "vlos_err": "err_v_los",
    "mul_err": "err_pm_l", "mub_err": "err_pm_b", "pm_corr": "corr_pm",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class StarTable(Displayed):
    """A published table of stars.

    Attributes
    ----------
    name : str
        Its name here.
    title : str
        What the stars are, and who published them.
    n_stars : int
        Number of stars.
    r_min, r_max : float
        Smallest and largest Galactocentric radius in it [kpc].
    observation : str
        Name of the published fit of exactly these stars (`load_observation`); empty if there is none.
    home : str
        Folder on the web that holds its file, at a fixed revision.
    file : ListedFile
        The file there, with its size and hash.
    references : tuple of Citation
        Works to cite.
    """

    name: str
    title: str
    n_stars: int
    r_min: float
    r_max: float
    observation: str
    home: str
    file: ListedFile
    references: tuple[Citation, ...]

    @property
    def citation(self) -> str:
        """The works to cite, as BibTeX."""
        return "\n\n".join(work.to_bibtex() for work in self.references)

    def _summary(self) -> str:
        return f"{self.name}, {self.title}; {self.n_stars:,} stars at {self.r_min:g} to {self.r_max:g} kpc"


_TABLES = (
    StarTable(
        "yaaqib24-50-kgiants",
        "K giants beyond 50 kpc of Yaaqib et al. 2024",
        253,
        50.0,
        125.3,
        "yaaqib24-50-kgiants-refit",
        _REFLEXCALC,
        ListedFile(
            "KGiant_YPP24sgr_50+.txt",
            "stars",
            "all",
            253,
            47187,
            "e7b037b517d9cbfa68b1cd59cacc12482909ca4835e5498a558386cedea69c10",
        ),
        (works.YAAQIB_2024,),
    ),
    StarTable(
        "petersen21-40-kgiants",
        "K giants beyond 40 kpc of Petersen & Peñarrubia 2021",
        558,
        40.0,
        125.3,
        "petersen21-kgiants-refit",
        _REFLEXCALC,
        ListedFile(
            "KGiant_dr2_PP21sgr_40+.txt",
            "stars",
            "all",
            558,
            61218,
            "9fe597b8f942b85518c6d1494a2efe80914de8526a7bc951e0b2c01a7d1a5770",
        ),
        (works.PETERSEN_2021, works.YAAQIB_2024),
    ),
    StarTable(
        "desi-dr1-bhb-50",
        "blue horizontal branch stars of DESI DR1 beyond 50 kpc, selected as by Byström et al. 2025",
        311,
        50.0,
        102.0,
        "",
        _REFLEX_MOTION,
        ListedFile(
            "Bystrom_2025_BHB_sample.csv",
            "stars",
            "all",
            311,
            170053,
            "af19b9e5ea5b1eaa7bd631c9b8b94508f78fe08d65c321146e424febbb4c63e5",
        ),
        (works.BYSTROM_2025, works.PETERSEN_2021),
    ),
)


def load_star_tables() -> dict[str, StarTable]:
    """Return what is known of the published tables of stars, by name; nothing is fetched.

    Returns
    -------
    dict of str to StarTable
    """
    return {table.name: table for table in _TABLES}


def fetch_stars(
    name: str,
    mirrors: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Fetch a published table of stars from the repository of its authors.

    Parameters
    ----------
    name : str
        A key of `load_star_tables`.
    mirrors : str, path or iterable of them, optional
        Where to fetch the file from instead, in the forms of `mwlmc_data.fetching.mirrors`.
    directory : path, optional
        Folder of the file; by default one beside the local store.

    Returns
    -------
    DataFrame
        One row per star, with columns x, y, z [kpc], vx, vy, vz [km/s], l, b [deg], distance [kpc], v_los [km/s],
        pm_l (with cos b), pm_b [mas/yr], their errors err_distance, err_v_los, err_pm_l, err_pm_b, and the correlation
        of the two proper motions, corr_pm. Columns of the source that are none of these keep their names.

    Raises
    ------
    ValueError
        If there is no such table, or a mirror has an unknown form.
    FetchError
        If it cannot be fetched, or the file is another.

    Notes
    -----
    The Sun of these tables is at (-8.3, 0, 0.03) kpc and moves with (11.1, 244.24, 7.25) km/s: positions and velocities
    of the two tables of K giants follow from the observables with it.
    """
    tables = load_star_tables()
    table = tables[as_choice("name", name, tuple(tables))]
    from mwlmc_data.fetching.outside import fetch_outside

    path = fetch_outside(table.home, table.file, mirrors, directory)
    stars = _read(path)
    if len(stars) != table.n_stars or not set(_ROWS) <= set(stars.columns):
        raise DamagedFileError(path, f"{table.n_stars} stars with {', '.join(_ROWS)}", f"{len(stars)} rows")
    return stars


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix == ".csv":
        return pd.read_csv(path, index_col=0).rename(columns=_NAMES).reset_index(drop=True)
    rows = np.loadtxt(path, ndmin=2)
    return pd.DataFrame(dict(zip(_ROWS, rows, strict=True)))
