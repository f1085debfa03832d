"""The parameters of one simulation, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import constants as const
from .frames import galactocentric_to_sky, sky_to_galactocentric
from .potentials import concentration, coulomb_logarithm, lmc_scale_radius

#: The LMC's present day on the sky, and as observed: centre and line-of-sight velocity of van der Marel &
#: Kallivayalil (2014), distance of Pietrzynski et al. (2019), proper motion of Kallivayalil et al. (2013).
SKY_NAMES = ("ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")
OBSERVED_LMC = (78.76, -69.19, 49.59, 262.2, 1.910, 0.229)
#: The same as Galactocentric phase-space.
CARTESIAN_NAMES = ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")

#: Allowed range and unit of every parameter. Wider than any prior of the catalogue.
LIMITS: dict[str, tuple[float, float, str]] = {
    "m200_mw": (1e11, 1e13, "Msun"),
    "m_lmc": (1e8, 1e12, "Msun"),
    "log10_lambda_df": (-10.0, 2.0, "dex"),
    "beta0": (0.0, 0.9, ""),
    "r_dehnen": (5.0, 30.0, "kpc"),
    "m_lmc_8p7": (1e7, 1e12, "Msun"),
    "c200": (1.0, 300.0, ""),
    "a_lmc": (0.1, 200.0, "kpc"),
    "ra_lmc": (0.0, 360.0, "deg"),
    "dec_lmc": (-90.0, 90.0, "deg"),
    "distance_lmc": (5.0, 500.0, "kpc"),
    "v_los_lmc": (-1000.0, 1000.0, "km/s"),
    "pm_ra_lmc": (-20.0, 20.0, "mas/yr"),
    "pm_dec_lmc": (-20.0, 20.0, "mas/yr"),
    **{name: (-500.0, 500.0, "kpc") for name in CARTESIAN_NAMES[:3]},
    **{name: (-1500.0, 1500.0, "km/s") for name in CARTESIAN_NAMES[3:]},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameters:
    """Everything that fixes a simulation but its random numbers.

    The LMC's present day is given either on the sky or as Galactocentric phase-space, whole; with
    neither it is as observed. `c200` and `a_lmc` follow from the masses unless given.

    Parameters
    ----------
    m200_mw : float
        Virial mass of the Milky Way's NFW halo [Msun], 1e11 to 1e13.
    m_lmc : float
        Total mass of the LMC [Msun], 1e8 to 1e12.
    log10_lambda_df : float
        Decimal logarithm of the strength of dynamical friction (eq. 7).
    beta0 : float
        Velocity anisotropy of the stellar halo, 0 to 0.9.
    r_dehnen : float
        Scale radius of the stellar halo's Dehnen profile [kpc].
    ra_lmc, dec_lmc, distance_lmc, v_los_lmc, pm_ra_lmc, pm_dec_lmc : float, optional
        ICRS place [deg, kpc] and motion [km/s, mas/yr] of the LMC; `pm_ra_lmc` includes cos(dec).
    x_lmc, y_lmc, z_lmc, vx_lmc, vy_lmc, vz_lmc : float, optional
        The same as Galactocentric position [kpc] and velocity [km/s].
    m_lmc_8p7 : float or "fixed"
        LMC mass within 8.7 kpc [Msun], less than `m_lmc`; ``"fixed"`` is 1.7e10 Msun (or 0.8 `m_lmc`
        where that is less).
    c200 : float, optional
        Concentration of the halo; by default the one that gives 235 km/s at 8.3 kpc.
    a_lmc : float, optional
        Scale radius of the LMC's Hernquist profile [kpc]; by default from `m_lmc_8p7`.

    Raises
    ------
    ValueError
        If a value is not finite or out of range, or the LMC's present day is given twice or in part.

    Examples
    --------
    >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    >>> round(p.c200, 1)
    14.5
    """

    m200_mw: float
    m_lmc: float
    log10_lambda_df: float
    beta0: float = 0.45
    r_dehnen: float = 12.5
    ra_lmc: float | None = None
    dec_lmc: float | None = None
    distance_lmc: float | None = None
    v_los_lmc: float | None = None
    pm_ra_lmc: float | None = None
    pm_dec_lmc: float | None = None
    x_lmc: float | None = None
    y_lmc: float | None = None
    z_lmc: float | None = None
    vx_lmc: float | None = None
    vy_lmc: float | None = None
    vz_lmc: float | None = None
    # what is not given is filled in: these three are numbers once the object is made
    m_lmc_8p7: float = "fixed"  # type: ignore[assignment]
    c200: float = None  # type: ignore[assignment]
    a_lmc: float = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        enclosed: object = self.m_lmc_8p7
        needs_a_lmc, needs_c200 = self.a_lmc is None, self.c200 is None
        if enclosed == "fixed":
            _check("m_lmc", self.m_lmc)
            self._set("m_lmc_8p7", min(const.LMC_ENCLOSED_MASS, 0.8 * float(self.m_lmc)))
        self._complete_present_day()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                self._set(field.name, _check(field.name, value))
        if needs_a_lmc:
            if not self.m_lmc_8p7 < self.m_lmc:
                raise ValueError(
                    f"m_lmc_8p7 = {self.m_lmc_8p7:g} Msun: allowed is less than m_lmc = {self.m_lmc:g} Msun"
                )
            self._set("a_lmc", lmc_scale_radius(self.m_lmc, self.m_lmc_8p7))
            _check("a_lmc", self.a_lmc)
        if needs_c200:
            self._set("c200", concentration(self.m200_mw))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _complete_present_day(self) -> None:
        """Fill in whichever of sky and Cartesian present day was not given."""
        given = {n for n in (*SKY_NAMES, *CARTESIAN_NAMES) if getattr(self, n) is not None}
        sky, cartesian = given & set(SKY_NAMES), given & set(CARTESIAN_NAMES)
        if sky and cartesian:
            raise ValueError(
                f"the LMC's present day is given twice, as {sorted(sky)} and {sorted(cartesian)}; "
                f"allowed is either {SKY_NAMES} or {CARTESIAN_NAMES}"
            )
        names = CARTESIAN_NAMES if cartesian else SKY_NAMES
        missing = [n for n in names if n not in given]
        if given and missing:
            raise ValueError(f"the LMC's present day lacks {missing}; allowed is the whole of {names} or none of it")
        if not given:
            for name, value in zip(SKY_NAMES, OBSERVED_LMC, strict=True):
                self._set(name, value)
        present = np.array([_check(n, getattr(self, n)) for n in names])
        other = galactocentric_to_sky(present) if cartesian else sky_to_galactocentric(*present)
        for name, value in zip(SKY_NAMES if cartesian else CARTESIAN_NAMES, other, strict=True):
            self._set(name, float(value))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Parameters:
        """Parameters from a row of a catalogue or a table of draws; unknown columns are passed over.

        Where a row has the LMC's present day both ways, the sky is taken: it is what was drawn. A missing
        number (None, NaN) counts as not given. `c200` and `a_lmc` are taken from the row if there and made
        from the masses if not: a catalogue's own are the rounded results of the same formulae.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        values = {str(k): v for k, v in row.items() if k in known and not _missing(v)}
        if all(n in values for n in SKY_NAMES):
            values = {k: v for k, v in values.items() if k not in CARTESIAN_NAMES}
        return cls(**values)

    def to_dict(self) -> dict[str, float]:
        """All parameters by name, the derived ones too."""
        return dataclasses.asdict(self)

    @property
    def lmc_phase_space(self) -> NDArray[np.float64]:
        """Present-day Galactocentric position [kpc] and velocity [km/s] of the LMC, shape (6,)."""
        return np.array([getattr(self, n) for n in CARTESIAN_NAMES], float)

    @property
    def lambda_df(self) -> float:
        """Strength of dynamical friction, ``10**log10_lambda_df``."""
        return float(10.0**self.log10_lambda_df)

    @property
    def coulomb_log(self) -> float:
        """Coulomb logarithm of eq. 7, never negative."""
        return coulomb_logarithm(self.a_lmc)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def _check(name: str, value: object) -> float:
    low, high, unit = LIMITS[name]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    # in float32, as a limit may have been rounded when it was stored
    if not np.float32(low) <= np.float32(number) <= np.float32(high):
        raise ValueError(f"{name} = {value!r}: allowed is a number from {low:g} to {high:g} {unit}".rstrip())
    return number
