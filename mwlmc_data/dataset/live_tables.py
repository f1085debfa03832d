"""The tables of the set `live`: what they hold, and where they are once the set is embedded.

The haloes have the catalogue's own columns; what a rigid row does not have stands in tables of its own, so that no
column holds NaN. ``python -m generation live-set`` makes them, and embeds them with ``--embed``. They are registered
beside the benchmark's files and not with the sets of the release, whose rows have numbers without gaps.
"""

from __future__ import annotations

from pathlib import Path

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import Column
from mwlmc_data.storage import embedded

#: Name of the set, of its table of haloes, and of its config.
NAME = "live"
#: Haloes of a simulation: the number of a row's simulation is ``sim_id // HALOES``.
HALOES = 8
#: Of so many simulations one is for calibration, the others are for test.
CALIBRATION_PERIOD = 5
#: Parts of the set, each with all haloes of its simulations.
SPLITS = ("calibration", "test")

_SIMULATION = Column("live_id", "int32", "", f"Number of the live simulation; its haloes have sim_id // {HALOES} = it")
_SPLIT = Column("split", "string", "", "calibration for one simulation in five, with all its haloes, else test")

#: Columns of the table of simulations: the truths that a rigid row does not have.
TRUTHS = (
    _SIMULATION,
    _SPLIT,
    Column("m_lmc_infall", "float32", "Msun", "Mass of the LMC at the start: its Hernquist sphere as it was cut"),
    Column("m_lmc_bound_infall", "float32", "Msun", "Of it, the mass that was bound to the LMC at the start"),
    Column("m_lmc_bound", "float32", "Msun", "Mass that is bound to the LMC today"),
    Column("m_lmc_8p7_today", "float32", "Msun", "Mass within 8.7 kpc of the LMC's centre today, of what was the LMC"),
    Column("m_lmc_50_today", "float32", "Msun", "Mass within 50 kpc of the LMC's centre today, of what was the LMC"),
    Column("m200_mw_today", "float32", "Msun", "M200 of the Milky Way's halo today, from the monopole of its field"),
    Column("m_mw_50_today", "float32", "Msun", "Mass of the Milky Way's halo, bulge and disc within 50 kpc today"),
    *(
        Column(f"v{a}_disc", "float32", "km/s", f"Velocity of the disc today along {a}, in the frame in which the "
               "Milky Way was at rest at the start") for a in "xyz"
    ),
    Column("miss_position", "float32", "kpc", "Distance of the LMC from the present day that was aimed at"),
    Column("miss_velocity", "float32", "km/s", "Difference of its velocity from the one that was aimed at"),
    Column("run_sha256", "string", "", "SHA-256 of the file of its run, in whose field its haloes are drawn again"),
)  # fmt: skip
#: Columns of the table of frictions, which holds only the simulations whose orbit a friction reproduces.
FRICTIONS = (
    _SIMULATION,
    Column("log10_lambda_df", "float32", "", "log10 of the factor on Chandrasekhar's friction with which the rigid "
           "pair, rewound from today, comes nearest to the live orbit"),
    Column("rms_position", "float32", "kpc", "Distance between the two pasts of the LMC, rms over 2.2 Gyr"),
    Column("rms_velocity", "float32", "km/s", "Difference of its velocity in the two, rms over 2.2 Gyr"),
)  # fmt: skip
#: Columns of the table of simulations whose LMC missed.
MISSES = (
    _SIMULATION,
    *(schema.get_column(name) for name in schema.DRAWN),
    Column("missed", "string", "", "Why there is no simulation: where its LMC ended, or why it could not start"),
)
#: Columns of each table, by its name in the registry and of its file.
TABLES: dict[str, tuple[Column, ...]] = {
    NAME: schema.COLUMNS,
    f"{NAME}-simulations": TRUTHS,
    f"{NAME}-frictions": FRICTIONS,
    f"{NAME}-misses": MISSES,
}


def split_of_live(number: int) -> str:
    """Split of a simulation and of all its haloes: "calibration" for one in five, else "test"."""
    return "test" if number % CALIBRATION_PERIOD else "calibration"


def list_embedded(directory: Path | None = None) -> dict[str, tuple[Column, ...]]:
    """Columns of the tables that this package embeds: those of `TABLES`, or none.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.
    """
    return embedded.select_registered(TABLES, directory)


def verify_table(name: str = NAME, asked: str = f"config = {NAME!r}", directory: Path | None = None) -> Path:
    """Find an embedded table of the set and check it against its hash.

    Parameters
    ----------
    name : str
        One of `TABLES`.
    asked : str
        What a user asked for, with which the message begins.
    directory : Path, optional
        Folder of the tables and their registry; that of the package by default.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If this package does not embed the set; the message says how to make it.
    DamagedFileError
        If the file is missing or has another hash.
    """
    path = embedded.verify_file(name, directory)
    if path is None:
        raise ValueError(
            f"{asked}: allowed is this only where the package embeds the live set, which it does not yet; `python -m "
            "generation live-set --simulations N --out DIR --embed` makes the set and embeds it"
        )
    return path
