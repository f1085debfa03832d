"""The columns of the table of simulations and of the haloes, each defined once; `schema` has their conventions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mwlmc_data.dataset.ucds import ucd_of

_DTYPE = re.compile(r"(int32|float32|string|bool)(?:\[(\d+(?:,\d+)*)\])?")


@dataclass(frozen=True)
class Column:
    """One column of the table of simulations.

    Parameters
    ----------
    name : str
        Name in every format.
    dtype : str
        "int32", "float32", "string" or "bool"; of arrays with their shape, as "float32[4500,3]".
    unit : str
        Unit, empty for a pure number or text.
    description : str
        What the column holds, in a sentence.
    nullable : bool
        Whether a value may be unknown: null. Only of real numbers, since many readers lose the null of another.
    """

    name: str
    dtype: str
    unit: str
    description: str
    nullable: bool = False

    def __post_init__(self) -> None:
        if _DTYPE.fullmatch(self.dtype) is None:
            raise ValueError(
                f"dtype of column {self.name} = {self.dtype!r}: allowed are int32, float32, string and bool, and "
                "arrays of them such as float32[4500,3]"
            )
        if self.nullable and self.dtype != "float32":
            raise ValueError(f"nullable of column {self.name} = True: allowed for float32 only, not for {self.dtype}")

    @property
    def base(self) -> str:
        """Type of a single number or text."""
        return self.dtype.partition("[")[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a cell; empty where it is a single number or text."""
        sizes = self.dtype.partition("[")[2].rstrip("]")
        return tuple(map(int, sizes.split(","))) if sizes else ()

    @property
    def ucd(self) -> str:
        """What it is in the words of the Virtual Observatory (UCD1+)."""
        return ucd_of(self.name)


def _real(name: str, unit: str, description: str) -> Column:
    return Column(name, "float32", unit, description)


_SUN_FRAME = "Galactocentric frame with the Sun at (-8.3, 0, 0.02) kpc, right-handed"
_FITTED = "stars at Galactocentric r > 50 kpc"

_IDENTITY = (
    Column(
        "sim_id",
        "int32",
        "",
        "Number of the simulation in its set, from 0; with the set's seed it keys the random numbers",
    ),
    Column(
        "split",
        "string",
        "",
        "Part of the set: test where sim_id % 128 is 0 to 9, validation where it is 10 to 19, else train",
    ),
    Column(
        "simulator_version",
        "string",
        "",
        "Version of the simulator's results; another version gives other stars",
    ),
)

_DRAWN = (
    _real(
        "m200_mw",
        "Msun",
        "Mass of the Milky Way's NFW halo within the radius of 200 times the critical density",
    ),
    _real("m_lmc", "Msun", "Total mass of the LMC's Hernquist halo at infall"),
    _real(
        "log10_lambda_df",
        "",
        "log10 of the factor lambda_DF on Chandrasekhar's dynamical friction on the LMC",
    ),
    _real("ra_lmc", "deg", "Right ascension of the LMC today (ICRS)"),
    _real("dec_lmc", "deg", "Declination of the LMC today (ICRS)"),
    _real("distance_lmc", "kpc", "Distance of the LMC from the Sun today"),
    _real(
        "v_los_lmc", "km/s", "Heliocentric line-of-sight velocity of the LMC today, positive when receding"
    ),
    _real(
        "pm_ra_lmc",
        "mas/yr",
        "Proper motion of the LMC today in right ascension, including the factor cos(dec)",
    ),
    _real("pm_dec_lmc", "mas/yr", "Proper motion of the LMC today in declination"),
    _real(
        "beta0",
        "",
        "Velocity anisotropy of the stellar halo 2.2 Gyr ago, the same at all radii",
    ),
    _real(
        "r_dehnen",
        "kpc",
        "Scale radius of the stellar halo's Dehnen profile (inner slope 1) 2.2 Gyr ago",
    ),
    _real(
        "m_lmc_8p7",
        "Msun",
        "Mass of the LMC enclosed within 8.7 kpc of its centre; sets the scale radius a_lmc",
    ),
)

_DERIVED = (
    _real(
        "c200",
        "",
        "Concentration of the Milky Way's NFW halo: with bulge and disc it gives 235 km/s at 8.3 kpc",
    ),
    _real(
        "a_lmc", "kpc", "Scale radius of the LMC's Hernquist profile: 8.7 kpc (sqrt(m_lmc / m_lmc_8p7) - 1)"
    ),
    _real("coulomb_log", "", "Coulomb logarithm of the friction: max(0, ln(100 kpc / (1.6 a_lmc)))"),
    _real(
        "m_mw_50",
        "Msun",
        "Mass of the Milky Way's halo, bulge and disc enclosed within 50 kpc of its centre",
    ),
    _real("m_lmc_50", "Msun", "Mass of the LMC's Hernquist halo enclosed within 50 kpc of its centre"),
)

_LMC_VECTOR = tuple(
    [_real(f"{axis}_lmc", "kpc", f"Position of the LMC today along {axis}; {_SUN_FRAME}") for axis in "xyz"]
    + [
        _real(f"v{axis}_lmc", "km/s", f"Velocity of the LMC today along {axis}; {_SUN_FRAME}")
        for axis in "xyz"
    ]
)

_REFLEX = (
    _real("v_travel", "km/s", f"Speed of the disc relative to the stellar halo, fitted to {_FITTED}"),
    _real(
        "l_apex",
        "deg",
        "Galactic longitude of the apex of the disc's motion relative to the halo, in (-180, 180]",
    ),
    _real(
        "b_apex",
        "deg",
        "Galactic latitude of the apex of the disc's motion relative to the halo",
    ),
    *(
        _real(
            f"v{axis}_travel",
            "km/s",
            f"Velocity of the disc relative to the stellar halo along {axis}, fitted to {_FITTED}",
        )
        for axis in "xyz"
    ),
    _real(
        "mean_v_r",
        "km/s",
        f"Mean Galactocentric radial velocity of the halo in the fit, positive outwards; {_FITTED}",
    ),
    _real(
        "mean_v_phi",
        "km/s",
        f"Mean azimuthal velocity of the halo in the fit; {_FITTED}; "
        "right-handed about z, so that the disc itself has a negative one",
    ),
    _real(
        "mean_v_theta",
        "km/s",
        f"Mean polar velocity of the halo in the fit; {_FITTED}; "
        "theta is the colatitude, so that positive is southwards",
    ),
    _real(
        "sigma_v_los",
        "km/s",
        f"Dispersion of the heliocentric line-of-sight velocities about the fit; {_FITTED}",
    ),
    _real(
        "sigma_v_l",
        "km/s",
        f"Dispersion of the tangential velocities along Galactic l about the fit; {_FITTED}",
    ),
    _real(
        "sigma_v_b",
        "km/s",
        f"Dispersion of the tangential velocities along Galactic b about the fit; {_FITTED}",
    ),
)


def _covariances(shell: str = "") -> tuple[Column, ...]:
    return tuple(
        _real(
            f"cov_v{a}_v{b}{shell}",
            "km2/s2",
            f"Covariance of v{a}_travel{shell} and v{b}_travel{shell} from the fit to this halo alone, robust "
            "(sandwich)",
        )
        for a, b in ("xx", "xy", "xz", "yy", "yz", "zz")
    )


_COVARIANCE = _covariances()

_ERRORS = tuple(
    _real(
        f"err_{name}", "km/s", f"Standard error of {name} from the fit to this halo alone, robust (sandwich)"
    )
    for name in ("mean_v_r", "mean_v_phi", "mean_v_theta", "sigma_v_los", "sigma_v_l", "sigma_v_b")
)

_COUNT = (
    Column(
        "n_stars_fit", "int32", "", "Number of stars in the fit: those at Galactocentric r > 50 kpc today"
    ),
)


def _shell(low: int, high: int) -> tuple[Column, ...]:
    where = f"stars at Galactocentric {low} < r < {high} kpc"
    velocities = tuple(
        _real(
            f"v{axis}_travel_{low}_{high}",
            "km/s",
            f"Velocity of the disc relative to the halo along {axis}, fitted to {where}",
        )
        for axis in "xyz"
    )
    count = Column(f"n_stars_fit_{low}_{high}", "int32", "", f"Number of {where} today")
    return (*velocities, *_covariances(f"_{low}_{high}"), count)


_SHELLS = _shell(50, 100) + _shell(50, 300)

_ORBIT = (
    _real(
        "pericentre_lmc",
        "kpc",
        "Smallest distance between the centres of the two galaxies within the last 2.2 Gyr",
    ),
    _real("t_pericentre_lmc", "Gyr", "Time of the smallest distance: 0 is today and -2.2 the start"),
    _real(
        "distance_lmc_start",
        "kpc",
        "Distance between the centres of the two galaxies at the start, 2.2 Gyr ago",
    ),
)

#: Stars of a released halo.
N_STARS = 4500

#: Columns of a halo's stars.
STARS = (
    Column(
        "positions",
        "float32[4500,3]",
        "kpc",
        f"Positions of the stars today relative to the Milky Way's centre, x y z; {_SUN_FRAME}",
    ),
    Column(
        "velocities",
        "float32[4500,3]",
        "km/s",
        "Velocities of the stars today relative to the Milky Way's centre, vx vy vz; the same frame",
    ),
)

#: Columns of the files of haloes: the simulation's numbers and drawn parameters, and its stars.
HALO_COLUMNS: tuple[Column, ...] = (*_IDENTITY, *_DRAWN, *STARS)

#: Columns by group, in the order of the table.
GROUPS: dict[str, tuple[Column, ...]] = {
    "identity": _IDENTITY,
    "drawn": _DRAWN,
    "derived": _DERIVED,
    "lmc_vector": _LMC_VECTOR,
    "reflex": _REFLEX,
    "covariance": _COVARIANCE,
    "errors": _ERRORS,
    "count": _COUNT,
    "shells": _SHELLS,
    "orbit": _ORBIT,
}

#: All columns, in the order of the table.
COLUMNS: tuple[Column, ...] = tuple(c for group in GROUPS.values() for c in group)

#: Names of all columns, in the order of the table.
CATALOGUE_NAMES: tuple[str, ...] = tuple(c.name for c in COLUMNS)

#: Names of the parameters that the prior draws.
DRAWN: tuple[str, ...] = tuple(c.name for c in _DRAWN)
#: Names of what follows from the drawn parameters alone.
DERIVED: tuple[str, ...] = tuple(c.name for c in _DERIVED)
#: Names of the LMC's present-day Galactocentric position and velocity.
LMC_VECTOR: tuple[str, ...] = tuple(c.name for c in _LMC_VECTOR)
#: Names of the disc's velocity against the outer halo, as speed and apex: what the masses are inferred from.
REFLEX: tuple[str, ...] = ("v_travel", "l_apex", "b_apex")
#: Names of the columns that hold text.
TEXT: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.dtype == "string")
