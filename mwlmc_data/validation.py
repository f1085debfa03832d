"""The validation cases: simulations of other kinds with known truth, as in the paper.

Three mock observations of Brooks et al. 2025 (arXiv:2507.10667): a rigid simulation (sec. 4.1), the fiducial N-body
model of Garavito-Camargo et al. 2019 (sec. 4.2) and the cosmological m12b of FIRE (sec. 4.3). In the last two the LMC
lies outside its prior in the catalogue: an estimator trained on the catalogue extrapolates, and `in_support` says how
far.

The paper says that all its stars are beyond 50 kpc. The motion of the N-body model is that of stars at 50 to 100 kpc:
this is our reading, with its evidence in the notes of the case.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_choice, as_float, check_names
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.display import Displayed, number
from mwlmc_data.priors import MARGINALS, Marginal, Normal
from mwlmc_data.scoring.circular import circular_mean
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.frames import galactocentric_to_sky, sky_basis, spherical_angles
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES, SKY_NAMES
from mwlmc_data.simulator.reflex import Reflex, Shell, describe_shell, name_shell

if TYPE_CHECKING:
    import pyarrow

#: Number of sigmas of a Gaussian prior beyond which a value counts as outside its support.
OUTSIDE = 3.0


@dataclasses.dataclass(frozen=True, repr=False)
class Case(Displayed):
    """A mock observation whose truth is known.

    Attributes
    ----------
    name : str
        ``"rigid"``, ``"gc19-fiducial"`` or ``"fire-m12b"``; or that of a snapshot.
    kind : str
        ``"rigid"``, ``"deforming"`` or ``"cosmological"``; ``"snapshot"`` for one of a simulation without expansion.
    observation : mapping
        x_lmc ... vz_lmc [kpc, km/s], v_travel [km/s], l_apex, b_apex [deg].
    truth : mapping
        Parameters of the simulation by column name; those without a quoted truth are absent.
    source : str
        Source of the numbers.
    paper : mapping
        What the paper says about its inference, by parameter; empty if it says nothing.
    in_support : mapping
        Distance of each value from the Gaussian set in sigmas: for the LMC's position and motion on the sky from the
        mean of the prior; for v_travel, l_apex and b_apex from the middle of the catalogue's fits to the same shell
        (the normal quantile of the rank, with l_apex measured from its circular mean). A shell that the catalogue does
        not have is compared with all stars beyond 50 kpc.
    outside : tuple of str
        Data beyond the support of the prior: outside the range of a uniform prior, or more than 3 sigmas from the mean
        of a Gaussian prior.
    r_min, r_max : float
        Shell of Galactocentric radii of the stars [kpc], on which the apex depends.
    reflex : Reflex or None
        The fit with its covariance, if the stars are at hand (:func:`~mwlmc_data.snapshots.measure`).
    notes : tuple of str
        What was assumed and done to measure it, or to read it.
    """

    name: str
    kind: str
    observation: Mapping[str, float]
    truth: Mapping[str, float]
    source: str
    paper: Mapping[str, Any]
    in_support: Mapping[str, float]
    outside: tuple[str, ...]
    r_min: float = FIT_R_MIN
    r_max: float = math.inf
    reflex: Reflex | None = dataclasses.field(default=None, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def lmc(self) -> dict[str, float]:
        """The LMC's x_lmc ... vz_lmc [kpc, km/s], as :func:`~mwlmc_data.infer` takes it beside a fit."""
        return {name: self.observation[name] for name in CARTESIAN_NAMES}

    @property
    def travel(self) -> dict[str, float]:
        """The travel velocity as a vector [km/s], under the names of its shell's columns in a catalogue."""
        speed, l, b = (self.observation[name] for name in schema.REFLEX)
        shell = name_shell(self.r_min, self.r_max)
        vector = speed * sky_basis(l, b)[0]
        return {f"v{axis}_travel{shell}": float(value) for axis, value in zip("xyz", vector, strict=True)}

    @property
    def extrapolates(self) -> bool:
        """Whether the Gaussian set contains no such LMC, so that an estimator trained on it extrapolates."""
        return bool(self.outside)

    def _summary(self) -> str:
        data = self.observation
        beyond = f"outside the prior in {', '.join(self.outside)}" if self.outside else "inside the prior"
        if (self.r_min, self.r_max) != (FIT_R_MIN, math.inf):
            beyond = f"stars{describe_shell(self.r_min, self.r_max)}; {beyond}"
        return (
            f"{self.name}, {self.kind}; v_travel {number(data['v_travel'])} km/s towards l {number(data['l_apex'])}°, "
            f"b {number(data['b_apex'])}°; {beyond}"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("name", self.name), ("kind", self.kind)]
        for what, values in (("observed", self.observation), ("true", self.truth)):
            for name, value in values.items():
                rows.append((f"{name} ({what})", f"{number(value)} {schema.get_column(name).unit}".rstrip()))
        rows.append(("stars", describe_shell(self.r_min, self.r_max).lstrip() or "all"))
        rows.append(("outside the prior", ", ".join(self.outside) or "nothing"))
        return [*rows, ("source", self.source), *(("note", text) for text in self.notes)]


_OBSERVED = (*CARTESIAN_NAMES, *schema.REFLEX)
_QUOTED = ("m200_mw", "m_lmc", "log10_lambda_df", "beta0", "r_dehnen", "c200", "a_lmc")
_PAPER = "Brooks et al. 2025, arXiv:2507.10667"

_CASES: tuple[dict[str, Any], ...] = (
    {
        "name": "rigid",
        "kind": "rigid",
        "observation": (-1.1, -28.0, -21.5, -87.1, -198.9, 135.4, 64.5, 39.1, -67.8),
        "truth": {
            "m_lmc": 23e10,
            "m200_mw": 9.1e11,
            "log10_lambda_df": 0.7,
            "a_lmc": 18.9,
            "c200": 14.5,
            "beta0": 0.76,
            "r_dehnen": 11.5,
        },
        "source": f"{_PAPER}, sec. 4.1: a simulation of the training set's own kind",
        "paper": {},
    },
    {
        "name": "gc19-fiducial",
        "kind": "deforming",
        "observation": (-2.32, -45.57, -21.45, -59.9, -249.3, 227.9, 27.9, -49.1, -80.4),
        "truth": {"m_lmc": 18e10, "m200_mw": 10.3e11, "a_lmc": 20.0, "c200": 11.0},
        "source": f"{_PAPER}, sec. 4.2: the fiducial N-body model of Garavito-Camargo et al. 2019 (ApJ 884, 51)",
        "paper": {"m_lmc": "recovered within 1 sigma", "log10_lambda_df": "about 0"},
        "r_max": 100.0,
        "notes": (
            "The shell is our reading: the paper says that the stars are beyond 50 kpc. The DESI stars whose density "
            "the mock halo matches lie at 50 to 100 kpc, and so does the motion that is quoted: there the rigid model, "
            "at the quoted parameters, is 0.4 sigma of its scatter away, and beyond 50 kpc 3.0 (python -m benchmarks "
            "case-shells)",
        ),
    },
    {
        "name": "fire-m12b",
        "kind": "cosmological",
        "observation": (1.8, -16.7, -34.0, -87.7, -313.4, 149.4, 50.0, -8.97, -73.4),
        "truth": {"m_lmc": 21e10, "m200_mw": 9.0e11},
        "source": f"{_PAPER}, sec. 4.3: FIRE-2 Latte m12b near its LMC analogue's first pericentre",
        "paper": {"m_lmc": "recovered within 1 sigma", "log10_lambda_df": "0.3 to 0.5"},
    },
)


def _truth(name: str) -> schema.Column:
    what = f"Truth: {name} of the case's own simulation; null where the paper quotes none"
    return schema.Column(f"truth_{name}", "float32", schema.get_column(name).unit, what, nullable=True)


def _sigmas(name: str) -> schema.Column:
    is_reflex = name in schema.REFLEX
    scale = "the median of the Gaussian set (normal quantile)" if is_reflex else "the mean of the Gaussian set's prior"
    return schema.Column(f"sigmas_{name}", "float32", "", f"Offset of {name} from {scale}, in sigmas")


#: Columns of the file of validation cases, one row per case: observation, truth, and distance from the prior.
VALIDATION_COLUMNS: tuple[schema.Column, ...] = (
    schema.Column("name", "string", "", "Name of the case: rigid, gc19-fiducial or fire-m12b"),
    schema.Column("kind", "string", "", "Kind of simulation: rigid, deforming or cosmological"),
    *(schema.get_column(name) for name in (*SKY_NAMES, *CARTESIAN_NAMES)),
    schema.Column("v_travel", "float32", "km/s", "Speed of the disc relative to the stellar halo, as quoted"),
    schema.get_column("l_apex"),
    schema.get_column("b_apex"),
    schema.Column("r_min", "float32", "kpc", "Inner radius of the stars' shell"),
    schema.Column("r_max", "float32", "kpc", "Outer radius of the stars' shell, as we read it; infinite without one"),
    *(_truth(name) for name in _QUOTED),
    *(_sigmas(name) for name in (*SKY_NAMES, *schema.REFLEX)),
    schema.Column(
        "outside",
        "string",
        "",
        "Data outside the Gaussian set's prior, separated by commas: outside a uniform range, or more than 3 sigmas "
        "from the mean",
    ),
    schema.Column("source", "string", "", "Where the numbers are from"),
)


def validation_schema() -> pyarrow.Schema:
    """Build the schema of the validation cases for Arrow and Parquet.

    Returns
    -------
    pyarrow.Schema
        `VALIDATION_COLUMNS`; only the truths may be null.
    """
    return schema.table_schema(VALIDATION_COLUMNS)


def validation_table() -> pyarrow.Table:
    """Write the validation cases as a table, one row per case.

    Returns
    -------
    pyarrow.Table
        `VALIDATION_COLUMNS`. The LMC's place and motion on the sky follow from its Galactocentric vector.

    Raises
    ------
    DamagedFileError
        As for `validation_cases`.
    """
    import pyarrow as pa

    return pa.Table.from_pylist([_row(case) for case in validation_cases().values()], schema=validation_schema())


def _row(case: Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "kind": case.kind,
        **_on_the_sky(case.observation),
        **case.observation,
        "r_min": case.r_min,
        "r_max": case.r_max,
        **{f"truth_{name}": case.truth.get(name) for name in _QUOTED},
        **{f"sigmas_{name}": value for name, value in case.in_support.items()},
        "outside": ", ".join(case.outside),
        "source": case.source,
    }


def validation_cases() -> dict[str, Case]:
    """Return the validation cases by name.

    Returns
    -------
    dict of str to Case
        ``"rigid"``, ``"gc19-fiducial"``, ``"fire-m12b"``.

    Raises
    ------
    DamagedFileError
        If the embedded catalogue, against which the reflex motions are ranked, is not the released one.

    Examples
    --------
    >>> case = validation_cases()["gc19-fiducial"]
    >>> case.extrapolates, round(case.in_support["v_los_lmc"])
    (True, 8)
    """
    return {case["name"]: _build(case) for case in _CASES}


def support(
    observation: Mapping[str, float], config: str = "gaussian", shell: Shell = (FIT_R_MIN, math.inf)
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Measure how far an observation is from a set of simulations.

    Parameters
    ----------
    observation : mapping
        x_lmc ... vz_lmc [kpc, km/s], v_travel [km/s], l_apex, b_apex [deg].
    config : str
        Name of the set.
    shell : (float, float)
        Shell of the stars [kpc].

    Returns
    -------
    in_support : dict of str to float
        Sigmas of each value, as in `Case.in_support`.
    outside : tuple of str
        Data beyond the support of the set's prior, as in `Case.outside`.

    Raises
    ------
    ValueError
        If a value is missing or not a finite number, or the set is unknown.
    DamagedFileError
        If the embedded catalogue is not the released one.
    """
    as_choice("config", config, tuple(MARGINALS))
    check_names("observation", [name for name in observation if name in _OBSERVED], _OBSERVED, _OBSERVED)
    observation = {
        n: as_float(f"observation[{n!r}]", observation[n], unit=schema.get_column(n).unit) for n in _OBSERVED
    }
    sky, priors, reflex = _on_the_sky(observation), MARGINALS[config], _reflex_of(config, shell)
    sigmas = {name: float((value - priors[name].mean) / priors[name].std) for name, value in sky.items()}
    sigmas |= {name: rank_sigma(reflex[name], observation[name]) for name in ("v_travel", "b_apex")}
    middle = circular_mean(reflex["l_apex"])
    offset = float(wrap_degrees(observation["l_apex"] - middle))
    sigmas["l_apex"] = rank_sigma(wrap_degrees(reflex["l_apex"] - middle), offset)
    return sigmas, beyond_prior(observation, config)


def beyond_prior(observation: Mapping[str, float], config: str = "gaussian") -> tuple[str, ...]:
    """Find which numbers of the LMC's position and motion on the sky lie outside a set's prior, as in `support`.

    Parameters
    ----------
    observation : mapping
        x_lmc ... vz_lmc [kpc, km/s].
    config : str
        Name of the set.

    Returns
    -------
    tuple of str
    """
    priors = MARGINALS[config]
    return tuple(name for name, value in _on_the_sky(observation).items() if _is_outside(priors[name], value))


def _reflex_of(config: str, shell: Shell) -> dict[str, np.ndarray]:
    """Speed and apex of every row of a set, for its fits to a shell if it has them."""
    names = [f"v{axis}_travel{name_shell(*shell)}" for axis in "xyz"]
    if math.isinf(shell[1]) or not set(names) <= {column.name for column in schema.COLUMNS}:
        return load_catalogue(config=config, columns=[*schema.REFLEX], format="numpy")
    table = load_catalogue(config=config, columns=names, format="numpy")
    vectors = np.stack([table[name] for name in names], axis=1).astype(np.float64)
    longitude, latitude = spherical_angles(vectors)
    return dict(zip(schema.REFLEX, (np.linalg.norm(vectors, axis=1), longitude, latitude), strict=True))


def _build(case: dict[str, Any]) -> Case:
    observation, r_max = dict(zip(_OBSERVED, case["observation"], strict=True)), case.get("r_max", math.inf)
    sigmas, outside = support(observation, shell=(FIT_R_MIN, r_max))
    return Case(
        name=case["name"],
        kind=case["kind"],
        observation=MappingProxyType(observation),
        truth=MappingProxyType(case["truth"]),
        source=case["source"],
        paper=MappingProxyType(case["paper"]),
        in_support=MappingProxyType(sigmas),
        outside=outside,
        r_max=r_max,
        notes=case.get("notes", ()),
    )


def _on_the_sky(observation: Mapping[str, float]) -> dict[str, float]:
    present = np.array([observation[name] for name in CARTESIAN_NAMES])
    return dict(zip(SKY_NAMES, galactocentric_to_sky(present).tolist(), strict=True))


def _is_outside(prior: Marginal, value: float) -> bool:
    if isinstance(prior, Normal):
        return abs(value - prior.mean) > OUTSIDE * prior.std
    return not prior.low <= value <= prior.high


def rank_sigma(values: np.ndarray, value: float) -> float:
    """Normal quantile of the rank of `value` among `values`: 0 at the median, finite outside them."""
    return float(ndtri((np.count_nonzero(values < value) + 0.5) / (len(values) + 1)))
