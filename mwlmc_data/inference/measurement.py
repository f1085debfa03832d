"""Checks of a measurement: a travel velocity with its covariance, and the LMC's present day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, check_names
from mwlmc_data.arguments.tabular import as_row
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.display import Displayed
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.inference.encoding import travel_vectors
from mwlmc_data.inference.present_day import PresentDay
from mwlmc_data.inference.shells import TRAINED_SHELLS, WHOLE, require_trained_shell
from mwlmc_data.observations.observation import Observation
from mwlmc_data.simulator.frames import sky_basis, sky_to_galactocentric, spherical_angles
from mwlmc_data.simulator.limits import LIMITS, OBSERVED_LMC, SKY_NAMES, in_range
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import Reflex, Shell, as_shell
from mwlmc_data.validation import Case

#: Largest travel velocity [km/s]: a faster disc would leave the heaviest halo of any prior of this package.
MAX_TRAVEL_SPEED = 1000.0
#: Smallest standard error of the vector in any direction [km/s]: about the error of the networks themselves.
MIN_ERROR = 0.1
#: Largest error of the apex on the sky [deg] that is converted to a Gaussian error of the vector.
MAX_ANGLE_ERROR = 45.0
_LMC = (*SKY_NAMES, *LMC_VECTOR)
_LMC_ERRORS = tuple(f"err_{name}" for name in SKY_NAMES)


@dataclass(frozen=True, eq=False, repr=False)
class Measurement(Displayed):
    """A measured travel velocity and the LMC's present day.

    Attributes
    ----------
    vector : ndarray, shape (3,)
        Travel velocity of the disc relative to the halo, Cartesian [km/s].
    covariance : ndarray, shape (3, 3) or None
        Covariance of its errors [km^2/s^2]; None if none is given.
    reflex : dict of str to float
        The vector as v_travel [km/s], l_apex, b_apex [deg].
    lmc : PresentDay
        The LMC's present day, with its errors if it has any.
    shell : (float, float)
        Shell of the stars' Galactocentric radii [kpc].
    reach : float
        Outermost radius of the stars [kpc], where it is less than the shell's; infinity if it is not known.
    """

    vector: Float64Array
    covariance: Float64Array | None
    reflex: dict[str, float]
    lmc: PresentDay
    shell: Shell = WHOLE
    reach: float = math.inf

    @property
    def data(self) -> dict[str, float]:
        """The LMC's vector and the reflex motion."""
        return {**dict(zip(LMC_VECTOR, self.lmc.vector.tolist(), strict=True)), **self.reflex}


def read_measurement(
    observation: Reflex | Observation | Case | Mapping[str, Any],
    errors: Any = None,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    shell: Sequence[float] | None = None,
) -> Measurement:
    """Check a user's measurement.

    Parameters
    ----------
    observation, errors, lmc, shell
        As for `infer`.

    Returns
    -------
    Measurement

    Raises
    ------
    TypeError
        If the observation is neither a fit, nor a published one, nor a case, nor a mapping.
    ValueError
        As for `infer`.
    """
    if isinstance(observation, Case):
        return _of_case(observation, errors, lmc, shell)
    lmc = None if lmc is None else _lmc_mapping(lmc)
    if shell is not None and isinstance(observation, Reflex | Observation):
        raise ValueError(
            f"shell = {shell!r} beside a fit or a published measurement: allowed is none, as these know their own"
        )
    if isinstance(observation, Reflex):
        return _of_fit(observation, errors, lmc)
    if isinstance(observation, Observation):
        return _of_published(observation, errors, lmc)
    if not hasattr(observation, "keys"):
        raise TypeError(
            f"observation = a {type(observation).__name__}: allowed is a Reflex, an Observation, a Case or a mapping"
        )
    of_stars = WHOLE if shell is None else _read_shell(shell)
    given = {name: observation[name] for name in observation.keys()}
    place = {name: given.pop(name) for name in _LMC if name in given}
    if place and lmc is not None:
        raise ValueError(
            f"lmc = the LMC's present day given twice, by {', '.join(place)} in the observation and by lmc: "
            "allowed is one of the two"
        )
    names = TRAVEL if set(TRAVEL) & set(given) and not set(REFLEX) & set(given) else REFLEX
    for name in given:
        if str(name).startswith(("err_", "cov_")):
            raise ValueError(f"observation holds {name!r}: allowed are data; pass errors as errors=")
    check_names("observation", given, (*(TRAVEL if names == TRAVEL else (*REFLEX, *TRAVEL)), *_LMC), needed=names)
    if len(given) > 3:
        raise ValueError(
            f"observation = the travel velocity given twice, by {', '.join(given)}: allowed are {', '.join(REFLEX)} "
            f"or {', '.join(TRAVEL)}"
        )
    vector, reflex = _vector(given, names)
    covariance = None if errors is None else _covariance(errors, names, reflex)
    return Measurement(vector, covariance, reflex, _lmc(place if lmc is None else lmc), of_stars)


def _read_shell(shell: Any) -> Shell:
    try:
        inner, outer = shell
    except (TypeError, ValueError) as error:
        raise ValueError(f"shell = {shell!r}: allowed is (r_min, r_max) in kpc, such as {TRAINED_SHELLS[1]}") from error
    return require_trained_shell("shell", "a travel velocity of stars", *as_shell(inner, outer))


def read_lmc(lmc: Parameters | Observation | Mapping[str, Any] | None) -> dict[str, float]:
    """Galactocentric vector of the LMC's present day, by name, from what `infer` takes as `lmc`; raises as it does.

    The errors of an observation are left out, and those in a mapping are refused.
    """
    given = {} if lmc is None else lmc.values if isinstance(lmc, Observation) else _lmc_mapping(lmc)
    if errors := [name for name in given if name in _LMC_ERRORS]:
        raise ValueError(f"lmc holds {', '.join(errors)}: allowed is an exact LMC here")
    return dict(zip(LMC_VECTOR, _lmc(given).vector.tolist(), strict=True))


def read_place(lmc: Parameters | Observation | Mapping[str, Any] | None) -> PresentDay:
    """The LMC's present day with its errors, from what `infer` takes as `lmc`; raises as it does."""
    return _lmc({} if lmc is None else _lmc_mapping(lmc))


def _lmc_mapping(lmc: Parameters | Observation | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(lmc, Observation):
        return {**lmc.values, **{f"err_{name}": error for name, error in lmc.errors.items()}}
    return {name: getattr(lmc, name) for name in LMC_VECTOR} if isinstance(lmc, Parameters) else as_row("lmc", lmc)


def _of_fit(fit: Reflex, errors: Any, lmc: Mapping[str, Any] | None) -> Measurement:
    if errors is not None:
        raise ValueError("errors = given beside a Reflex: allowed is one of the two, as a fit has its covariance")
    shell = require_trained_shell("observation", "a fit of stars", fit.r_min, fit.r_max)
    vector, reflex = _vector(dict(zip(TRAVEL, fit.vector, strict=True)), TRAVEL)
    return Measurement(vector, _check_covariance("covariance", fit.covariance[:3, :3]), reflex, _lmc(lmc or {}), shell)


def _of_case(case: Case, errors: Any, lmc: Any, shell: Any) -> Measurement:
    """A case by its fit if it has one, and by the quoted numbers otherwise."""
    for name, value in (("lmc", lmc), ("shell", shell)):
        if value is not None:
            raise ValueError(f"{name} = given beside the case {case.name!r}: allowed is none, as a case has its own")
    if case.reflex is not None:
        return _of_fit(case.reflex, errors, case.lmc)
    shell = require_trained_shell("observation", f"the case {case.name!r}, stars", case.r_min, case.r_max)
    return read_measurement(case.observation, errors, shell=shell)


def _of_published(published: Observation, errors: Any, lmc: Mapping[str, Any] | None) -> Measurement:
    lacking = [name for name in REFLEX if name not in published.values]
    if lacking:
        raise ValueError(
            f"observation = {published.name!r}, which does not give {', '.join(lacking)}: allowed is one with "
            f"{', '.join(REFLEX)}"
        )
    own = {name: published.errors[name] for name in REFLEX if name in published.errors}
    if own and errors is not None:
        raise ValueError(f"errors = given beside {published.name!r}: allowed is one of the two, as it has its own")
    if not own and errors is None:
        raise ValueError(
            f"observation = {published.name!r}, whose errors could not be read at its source: allowed is one with "
            "errors, or errors= beside it"
        )
    if published.r_min is None or published.r_max is None:
        raise ValueError(f"observation = {published.name!r}, which gives no shell: allowed is one of a known shell")
    shell = require_trained_shell("observation", f"{published.name!r}, stars", published.r_min, published.r_max)
    vector, reflex = _vector({name: published.values[name] for name in REFLEX}, REFLEX)
    covariance = _covariance(own if errors is None else errors, REFLEX, reflex)
    reach = math.inf if published.reach is None or published.reach >= shell[1] else published.reach
    return Measurement(vector, covariance, reflex, _lmc(lmc or {}), shell, reach)


def _vector(given: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Float64Array, dict[str, float]]:
    """The travel velocity as a vector, and as speed and apex."""
    if names == TRAVEL:
        vector = np.array([as_float(name, given[name], unit="km/s") for name in TRAVEL])
        speed = float(np.linalg.norm(vector))
        if speed > MAX_TRAVEL_SPEED:
            raise ValueError(
                f"v_travel = {speed:g} (from {', '.join(TRAVEL)}): allowed is at most {MAX_TRAVEL_SPEED:g} km/s"
            )
        longitude, latitude = spherical_angles(vector)
        return vector, dict(zip(REFLEX, (speed, float(longitude), float(latitude)), strict=True))
    ranges = {"v_travel": (0.0, MAX_TRAVEL_SPEED), "l_apex": (-180.0, 360.0), "b_apex": (-90.0, 90.0)}
    reflex = {
        name: as_float(name, given[name], unit=schema.get_column(name).unit, minimum=low, maximum=high)
        for name, (low, high) in ranges.items()
    }
    return travel_vectors(np.array([list(reflex.values())]))[0], reflex


def _lmc(given: Mapping[str, Any]) -> PresentDay:
    """The LMC's present day; by default the observed one, exact."""
    check_names("lmc", given, (*_LMC, *_LMC_ERRORS))
    sky, cartesian = ([name for name in names if name in given] for names in (SKY_NAMES, LMC_VECTOR))
    if sky and cartesian:
        raise ValueError(
            f"lmc = the LMC's present day given twice, by {', '.join(sky)} and by {', '.join(cartesian)}: "
            "allowed is one of the two"
        )
    names = LMC_VECTOR if cartesian else SKY_NAMES
    errors = {name: given[f"err_{name}"] for name in SKY_NAMES if f"err_{name}" in given}
    if errors and not sky:
        raise ValueError(
            f"lmc holds {', '.join(f'err_{name}' for name in errors)}: allowed is beside {', '.join(SKY_NAMES)}"
        )
    missing = [name for name in names if name not in given] if given else []
    if missing:
        raise ValueError(
            f"lmc lacks {', '.join(missing)}: allowed is all of {', '.join(SKY_NAMES)}, "
            f"or all of {', '.join(LMC_VECTOR)}, or nothing"
        )
    values = [in_range(name, given.get(name, seen)) for name, seen in zip(names, OBSERVED_LMC, strict=True)]
    if cartesian:
        return PresentDay(np.array(values))
    sigma = np.array([_lmc_error(name, errors[name]) if name in errors else 0.0 for name in SKY_NAMES])
    vector = sky_to_galactocentric(*values)
    return PresentDay(vector, np.array(values), sigma) if sigma.any() else PresentDay(vector)


def _lmc_error(name: str, value: Any) -> float:
    """A standard error of the LMC's present day, at most a tenth of the allowed range of the value."""
    low, high, unit = LIMITS[name]
    return as_float(f"err_{name}", value, unit=unit, minimum=0.0, maximum=0.1 * (high - low))


def _covariance(errors: Any, names: tuple[str, ...], reflex: Mapping[str, float]) -> Float64Array:
    """Covariance of the vector [km^2/s^2] from errors as `infer` takes them."""
    if not hasattr(errors, "keys"):
        return _check_covariance("errors", as_floats("errors", errors, unit="km2/s2", shape=(3, 3)))
    check_names("errors", errors.keys(), names, needed=names)
    sigma = np.array(
        [as_float(f"errors[{name!r}]", errors[name], unit=schema.get_column(name).unit, above=0.0) for name in names]
    )
    if names == TRAVEL:
        return _check_covariance("errors", np.diag(sigma**2))
    speed, latitude = reflex["v_travel"], reflex["b_apex"]
    along_l, along_b = sigma[1] * math.cos(math.radians(latitude)), sigma[2]
    if max(along_l, along_b) > MAX_ANGLE_ERROR:
        raise ValueError(
            f"errors = {along_l:.3g} deg along l (times cos b), {along_b:.3g} deg along b: allowed is at most "
            f"{MAX_ANGLE_ERROR:g} deg; beyond that give the 3 x 3 covariance of the vector [km^2/s^2]"
        )
    # columns: derivatives of the vector with respect to speed, l and b
    jacobian = sky_basis(reflex["l_apex"], latitude).T @ np.diag([1.0, *np.radians([speed, speed])])
    jacobian[:, 1] *= math.cos(math.radians(latitude))
    return _check_covariance("errors", jacobian @ np.diag(sigma**2) @ jacobian.T)


def _check_covariance(name: str, covariance: NDArray) -> Float64Array:
    """Check that a matrix is a covariance."""
    scale = np.abs(covariance).max()
    if not np.isfinite(scale) or np.abs(covariance - covariance.T).max() > 1e-6 * scale:
        found = np.array2string(covariance, precision=3, separator=", ").replace("\n", "")
        raise ValueError(f"{name} = {found}: allowed is a symmetric matrix of finite numbers [km^2/s^2]")
    covariance = 0.5 * (covariance + covariance.T)
    smallest = float(np.linalg.eigvalsh(covariance)[0])
    if smallest < MIN_ERROR**2:
        is_positive = smallest > 0
        found = f"{math.sqrt(smallest):.3g} km/s in one direction" if is_positive else "no positive definite covariance"
        raise ValueError(
            f"{name} = {found}: allowed is an error of the vector of {MIN_ERROR:g} km/s or more in every direction; "
            "the networks are not more accurate than that"
        )
    return covariance
