"""One published measurement: numbers in the package's columns, and where they are from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from mwlmc_data.citation import Citation
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed, number
from mwlmc_data.simulator.reflex import describe_shell

#: Units of quantities that are not columns of the catalogue: masses within 50 kpc.
_UNITS = {"m_mw_50": "Msun", "m_lmc_50": "Msun"}


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Observation(Displayed):
    """A published measurement.

    Attributes
    ----------
    name : str
        Its name here, such as ``"yaaqib24-50"``.
    title : str
        Authors and year.
    values : mapping
        What was measured, in the package's columns, units and signs: v_travel [km/s], l_apex, b_apex [deg], mean_v_r,
        mean_v_phi, mean_v_theta, sigma_v_los, sigma_v_l, sigma_v_b [km/s]; masses within 50 kpc, m_mw_50 and m_lmc_50
        [Msun]; beta0; or the LMC's present day, ra_lmc to pm_dec_lmc. A quantity that the source does not give is
        absent.
    lower, upper : mapping
        Standard errors downwards and upwards, positive, of those values whose errors could be read at the source.
    ranges : mapping
        Quantities of which the source gives a range over the radii alone: (smallest, largest).
    r_min, r_max : float or None
        Shell of Galactocentric radii of the stars [kpc], as published: infinity without an outer cut, None if it could
        not be read.
    radius : float or None
        Radius to which the values refer [kpc], where they depend on it.
    reach : float or None
        Outermost radius of the stars [kpc], if known. It matters where `r_max` is infinite.
    n_stars : int or None
        Number of stars.
    tracers : str
        Which stars.
    version : str
        The version that holds these numbers, such as ``"arXiv:2603.08788v2"``.
    place : str
        Where in it: table, equation or abstract.
    read : str
        What was read for this entry, where that is not the paper's own table.
    quoted : str
        The source's own words or numbers.
    convention : str
        How its numbers became those of the package.
    references : tuple of Citation
        Works to cite.
    """

    name: str
    title: str
    values: Mapping[str, float]
    lower: Mapping[str, float] = dataclasses.field(default_factory=dict)
    upper: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    r_min: float | None = None
    r_max: float | None = None
    radius: float | None = None
    reach: float | None = None
    n_stars: int | None = None
    tracers: str = ""
    version: str
    place: str
    read: str = ""
    quoted: str = ""
    convention: str
    references: tuple[Citation, ...]

    def __post_init__(self) -> None:
        for name in ("values", "lower", "upper", "ranges"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def errors(self) -> dict[str, float]:
        """One standard error for each value that has errors: the mean of those downwards and upwards."""
        return {name: 0.5 * (error + self.upper[name]) for name, error in self.lower.items()}

    @property
    def citation(self) -> str:
        """The works to cite, as BibTeX."""
        return "\n\n".join(work.to_bibtex() for work in self.references)

    def _summary(self) -> str:
        shown = ("v_travel", "l_apex", "b_apex")
        names = [name for name in shown if name in self.values] or list(self.values)
        parts = [", ".join(f"{name} {self._write(name)}" for name in names[:3])] if names else []
        parts += [f"{name} {self._write_range(name)}" for name in self.ranges]
        return "; ".join([f"{self.name}, {self.title}", *parts, *filter(None, (self._stars(), self.version))])

    def _stars(self) -> str:
        count = "" if self.n_stars is None else f"{self.n_stars:,} "
        shell = "" if self.r_min is None or self.r_max is None else describe_shell(self.r_min, self.r_max)
        return f"{count}{self.tracers}{shell}".strip()

    def _write(self, name: str) -> str:
        text = number(self.values[name])
        if name in self.lower:
            low, high = self.lower[name], self.upper[name]
            text += f" ± {number(low)}" if math.isclose(low, high) else f" +{number(high)} −{number(low)}"
        return f"{text} {_unit_of(name)}".rstrip()

    def _write_range(self, name: str) -> str:
        low, high = self.ranges[name]
        return f"{number(low)} to {number(high)} {_unit_of(name)}".rstrip()

    def _rows(self) -> list[tuple[str, str]]:
        rows = [(name, self._write(name)) for name in self.values]
        rows += [(name, self._write_range(name)) for name in self.ranges]
        rows += [("stars", self._stars())] if self._stars() else []
        rows += [
            (name, f"{number(value)} kpc")
            for name, value in (("at radius", self.radius), ("outermost radius", self.reach))
            if value is not None
        ]
        texts = {name: getattr(self, name) for name in ("version", "place", "read", "quoted", "convention")}
        return [("measured by", self.title), *rows, *((name, text) for name, text in texts.items() if text)]


def _unit_of(name: str) -> str:
    return _UNITS.get(name) or schema.get_column(name).unit
