"""The parameters of one simulation, checked on construction."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import check_names
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, number
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_to_sky, sky_to_galactocentric
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, OBSERVED_LMC, SKY_NAMES, in_range
from mwlmc_data.simulator.physics import PHYSICS, PHYSICS_NAME, STANDARD, Physics, take_physics
from mwlmc_data.simulator.potentials import (
    AGREEMENT,
    concentration,
    concentration_follows,
    coulomb_logarithm,
    hernquist_mass,
    lmc_scale_radius,
    nfw_lmc,
    scale_radius_follows,
)
from mwlmc_data.simulator.rows import read_row


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Parameters(Displayed):
    """Everything that determines a simulation except its random numbers.

    The LMC's present-day position and velocity are given either on the sky or as Galactocentric phase space, always
    all six numbers; by default they are the observed ones. `c200` and `a_lmc` follow from the masses unless given.
    Every field takes a number in its unit, or an astropy quantity, which is converted.

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
        ICRS position [deg, kpc] and motion [km/s, mas/yr] of the LMC; `pm_ra_lmc` includes cos(dec).
    x_lmc, y_lmc, z_lmc, vx_lmc, vy_lmc, vz_lmc : float, optional
        The same as Galactocentric position [kpc] and velocity [km/s].
    m_lmc_8p7 : float or "fixed"
        LMC mass within 8.7 kpc [Msun], less than `m_lmc`; ``"fixed"`` is 1.7e10 Msun (or 0.8 `m_lmc`
        where that is less). If only `a_lmc` is given, it follows from `a_lmc`.
    c200 : float, optional
        Concentration of the halo; by default the one that gives a circular speed of 235 km/s at 8.3 kpc.
    a_lmc : float, optional
        Scale radius of the LMC's Hernquist profile [kpc]; by default from `m_lmc_8p7`.
    physics : str
        Which physics the simulation has (:mod:`mwlmc_data.simulator.physics`): ``"standard"``, or
        ``"fixed-milky-way"``, ``"no-friction"``, ``"osipkov-merritt"`` or ``"nfw-lmc"``, which differ from it in one
        respect each. The rows of catalogues are standard.

    Raises
    ------
    ValueError
        If a value is not a finite number, is masked, has an incompatible unit or is out of range; if the LMC's present
        day is given twice or in part; if `a_lmc` contradicts a given `m_lmc_8p7`; or if `physics` is unknown, or has an
        NFW halo that these masses of the LMC exclude.

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
    # missing values are filled in: these three are numbers once the object exists
    m_lmc_8p7: float = "fixed"  # type: ignore[assignment]
    c200: float = None  # type: ignore[assignment]
    a_lmc: float = None  # type: ignore[assignment]
    # a str; not declared, so that mappings of numbers can be unpacked into the others
    physics: Any = STANDARD

    def __post_init__(self) -> None:
        needs_a_lmc, needs_c200 = self.a_lmc is None, self.c200 is None
        enclosed: object = self.m_lmc_8p7
        is_fixed = isinstance(enclosed, str) and enclosed == "fixed"
        left_out = {"a_lmc": needs_a_lmc, "c200": needs_c200, "m_lmc_8p7": is_fixed}
        self._complete_present_day()
        take_physics(self.physics)
        for name in LIMITS:
            if not left_out.get(name):
                self._set(name, in_range(name, getattr(self, name)))
        if is_fixed and needs_a_lmc:
            self._set("m_lmc_8p7", _choose_enclosed(self.m_lmc))
        elif is_fixed:
            self._set("m_lmc_8p7", float(hernquist_mass(const.LMC_ENCLOSED_RADIUS, self.m_lmc, self.a_lmc)))
        if needs_a_lmc:
            if not self.m_lmc_8p7 < self.m_lmc:
                raise ValueError(
                    f"m_lmc_8p7 = {self.m_lmc_8p7:g} Msun: allowed is less than m_lmc = {self.m_lmc:g} Msun"
                )
            self._set("a_lmc", in_range("a_lmc", lmc_scale_radius(self.m_lmc, self.m_lmc_8p7)))
        elif not is_fixed and not scale_radius_follows(self.m_lmc, self.m_lmc_8p7, self.a_lmc):
            raise ValueError(
                f"a_lmc = {self.a_lmc:.6g} kpc where m_lmc = {self.m_lmc:.6g} and m_lmc_8p7 = {self.m_lmc_8p7:.6g} "
                f"give {lmc_scale_radius(self.m_lmc, self.m_lmc_8p7):.6g}: "
                "allowed is m_lmc_8p7 or a_lmc, or both if they agree"
            )
        if needs_c200:
            self._set("c200", concentration(self.m200_mw))
        if self.model.has_nfw_lmc:
            nfw_lmc(self.m_lmc, self.m_lmc_8p7)  # refuses masses that no NFW halo has

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _summary(self) -> str:
        shown = ("m_lmc", "m200_mw", "log10_lambda_df", "beta0", "r_dehnen", "c200", "a_lmc")
        texts = [f"{name} {number(getattr(self, name))} {LIMITS[name][2]}".rstrip() for name in shown]
        return f"{', '.join(texts)}, LMC at {number(self.distance_lmc or 0.0)} kpc{self._describe_physics()}"

    def _describe_physics(self) -> str:
        return "" if self.physics == STANDARD else f", physics {self.physics}"

    def brief(self) -> str:
        """The masses and the friction with their units, in a line."""
        shown = ("m_lmc", "m200_mw", "log10_lambda_df")
        texts = [f"{name} {number(getattr(self, name))} {LIMITS[name][2]}" for name in shown]
        return ", ".join(texts) + self._describe_physics()

    def _rows(self) -> list[tuple[str, str]]:
        rows = [(name, f"{number(value)} {LIMITS[name][2]}".rstrip()) for name, value in self.to_numbers().items()]
        return rows if self.physics == STANDARD else [*rows, (PHYSICS_NAME, self.physics)]

    def _complete_present_day(self) -> None:
        """Fill in the present day on the sky or in Cartesian coordinates, whichever was not given."""
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
            raise ValueError(f"the LMC's present day lacks {missing}: allowed is all of {names} or none of them")
        if not given:
            for name, value in zip(SKY_NAMES, OBSERVED_LMC, strict=True):
                self._set(name, value)
        present = np.array([in_range(n, getattr(self, n)) for n in names])
        other = galactocentric_to_sky(present) if cartesian else sky_to_galactocentric(*present)
        for name, value in zip(SKY_NAMES if cartesian else CARTESIAN_NAMES, other, strict=True):
            self._set(name, float(value))

    @classmethod
    def from_row(cls, row: Any, derived: str = "checked") -> Parameters:
        """Make parameters from a row of a catalogue or of a table of draws.

        Missing columns take their default, and the results of a simulation are ignored.

        Parameters
        ----------
        row : mapping of str to float, or a row of a table of pandas, astropy or numpy
            Parameters by name, in the units of the columns or as quantities, `physics`, and the catalogue's other
            columns.
        derived : {"checked", "given"}
            What counts if `c200` or `a_lmc` does not follow from the masses in the row; see
            :func:`simulate_many`, which treats the rows of a table in the same way.

        Raises
        ------
        ValueError
            If a column is unknown, m200_mw, m_lmc or log10_lambda_df is missing, a value is missing or not allowed,
            or values given twice contradict each other.

        Warns
        -----
        UserWarning
            If a value does not follow from the others in the row and is computed again.

        Examples
        --------
        >>> row = {"m200_mw": 9.1e11, "m_lmc": 2.3e11, "log10_lambda_df": 0.7, "v_travel": 33.0}
        >>> round(Parameters.from_row(row).c200, 1)
        14.5
        """
        return cls(**read_row(row, derived))

    def to_numbers(self) -> dict[str, float]:
        """All numbers by name, including the derived ones: the parameters without `physics`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name in LIMITS}

    def to_dict(self) -> dict[str, Any]:
        """All numbers by name, including the derived ones, and `physics` unless it is the standard one.

        :meth:`from_row` reads it again.
        """
        return self.to_numbers() | ({} if self.physics == STANDARD else {PHYSICS_NAME: self.physics})

    def replace(self, **changes: Any) -> Parameters:
        """Return these parameters with some of them changed.

        Parameters
        ----------
        **changes
            New values by name. What followed from a changed one follows again: `c200` from `m200_mw` unless it was
            given, `a_lmc` from the LMC's masses, `m_lmc_8p7` from `a_lmc`, or from `m_lmc` where it has its
            default, and the LMC's place on the sky from its Galactocentric vector or the other way round.

        Raises
        ------
        ValueError
            If a name is unknown, a value is not allowed, or the LMC is moved both on the sky and as a vector.

        Examples
        --------
        >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
        >>> p.replace(m_lmc=1.5e11, physics="no-friction").brief()
        'm_lmc 1.500e11 Msun, m200_mw 9.100e11 Msun, log10_lambda_df 0.7, physics no-friction'
        """
        check_names("changes", changes, tuple(field.name for field in dataclasses.fields(self)))
        kept: dict[str, Any] = {**self.to_numbers(), PHYSICS_NAME: self.physics}
        if "m200_mw" in changes and concentration_follows(self.m200_mw, self.c200, AGREEMENT):
            del kept["c200"]
        if not changes.keys().isdisjoint(("m_lmc", "m_lmc_8p7", "a_lmc")):
            del kept["m_lmc_8p7" if "a_lmc" in changes else "a_lmc"]
        if "m_lmc" in changes and kept.get("m_lmc_8p7") == _choose_enclosed(self.m_lmc):
            del kept["m_lmc_8p7"]
        is_moved_vector = not changes.keys().isdisjoint(CARTESIAN_NAMES)
        for name in SKY_NAMES if is_moved_vector else CARTESIAN_NAMES:
            del kept[name]
        made = Parameters(**{**kept, **changes})
        if changes.keys().isdisjoint((*SKY_NAMES, *CARTESIAN_NAMES)):
            for name in CARTESIAN_NAMES:  # not by way of the sky, which would round them
                made._set(name, getattr(self, name))
        return made

    @property
    def model(self) -> Physics:
        """What the simulation contains, by the name in `physics`."""
        return PHYSICS[self.physics]

    @property
    def lmc_phase_space(self) -> Float64Array:
        """Present-day Galactocentric position [kpc] and velocity [km/s] of the LMC, shape (6,)."""
        return np.array([getattr(self, n) for n in CARTESIAN_NAMES], float)

    @property
    def lambda_df(self) -> float:
        """Strength of dynamical friction, ``10**log10_lambda_df``."""
        return float(10.0**self.log10_lambda_df)

    @property
    def coulomb_log(self) -> float:
        """Coulomb logarithm of eq. 7, never negative."""
        return float(coulomb_logarithm(self.a_lmc))


def _choose_enclosed(m_lmc: float) -> float:
    """The LMC's mass within 8.7 kpc [Msun] where none is given."""
    return min(const.LMC_ENCLOSED_MASS, 0.8 * m_lmc)


def place_lmc(parameters: Parameters, phase_space: Float64Array) -> Parameters:
    """The same parameters with the LMC at a Galactocentric position and velocity (6,) today [kpc, km/s]."""
    return parameters.replace(**dict(zip(CARTESIAN_NAMES, phase_space.tolist(), strict=True)))


def take_parameters(parameters: Any, name: str = "parameters") -> Parameters:
    """Take the parameters of a simulation from a user.

    Parameters
    ----------
    parameters : Parameters
    name : str
        What the user calls them.

    Raises
    ------
    ValueError
        If they are anything else.
    """
    if not isinstance(parameters, Parameters):
        raise ValueError(
            f"{name} = {shorten(parameters)}: allowed is a mwlmc_data.Parameters (Parameters.from_row of a row)"
        )
    return parameters
