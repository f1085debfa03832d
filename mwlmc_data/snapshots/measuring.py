"""A snapshot as a validation case: its stars are selected, weighted or drawn, and fitted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import as_float, as_seed, as_whole, check_names
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.dataset import schema
from mwlmc_data.display import number
from mwlmc_data.rewinding.selection import Selection, keep_observed
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, rounded_limits
from mwlmc_data.simulator.reflex import Reflex
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.snapshots.preparing import Tracers, prepare
from mwlmc_data.snapshots.tracers import draw_weighted, weigh_profile
from mwlmc_data.validation import Case, support

#: What `measure` hands on to `prepare`.
_OPTIONS = tuple(inspect.signature(prepare).parameters)[2:]


def measure(
    source: Any,
    satellite: Any = None,
    *,
    selection: Selection | None = None,
    r_dehnen: float | None = None,
    n_stars: int | None = None,
    seed: int = 0,
    name: str = "snapshot",
    truth: Mapping[str, Any] | None = None,
    **options: Any,
) -> Case:
    """Measure the reflex motion in a snapshot of a simulation.

    Parameters
    ----------
    source : Tracers, Snapshot, mapping, path-like, or sequence of path-like
        What :func:`~mwlmc_data.snapshots.prepare` returns, or what it takes.
    satellite
        The LMC, as for :func:`~mwlmc_data.snapshots.prepare`; not for Tracers, which know theirs.
    selection : Selection, optional
        Shell, footprint and random part that are fitted; by default all stars beyond 50 kpc. A cosmological snapshot
        needs a finite `r_max`.
    r_dehnen : float, optional
        Scale radius [kpc] of the profile that the stars are to have (Dehnen's with gamma = 1), by weights within the
        shell; by default they count by their masses.
    n_stars : int, optional
        Number of stars to draw by these weights; by default all are fitted, with the weights.
    seed : int
        Of the footprint's, the random part's and the stars' draws.
    name : str
        Name of the case.
    truth : mapping, optional
        True parameters by column name, beside the masses that are measured in the snapshot.
    **options
        Those of :func:`~mwlmc_data.snapshots.prepare`, by name.

    Returns
    -------
    Case
        With its shell (`r_min`, `r_max`), the fit with its covariance (`reflex`), and what was assumed (`notes`).

    Raises
    ------
    ValueError
        As :func:`~mwlmc_data.snapshots.prepare` and :func:`~mwlmc_data.fit_reflex`; if the shell of a cosmological
        snapshot has no end, the particles are too few for the profile or the draw, or a truth is no column's name.
    TypeError, ImportError, FileNotFoundError
        As :func:`~mwlmc_data.snapshots.prepare`.

    Examples
    --------
    >>> case = measure("snapdir_385", {"near": [41800, 44100, 46300], "radius": 40}, units="kpc/h",
    ...                selection=Selection(r_max=300), disc=4, rotate="azimuth")        # doctest: +SKIP
    >>> case.r_max, case.reflex.v_travel, case.notes                                  # doctest: +SKIP
    """
    if isinstance(source, Tracers):
        given = [*([] if satellite is None else ["satellite"]), *options]
        if given:
            raise ValueError(f"{given[0]} = given beside Tracers: allowed is a Tracers alone, prepared with it")
        tracers = source
    else:
        check_names("options", options, _OPTIONS)
        tracers = prepare(source, satellite, **options)
    chosen = Selection() if selection is None else selection
    if not isinstance(chosen, Selection):
        raise ValueError(f"selection = {shorten(selection)}: allowed is a mwlmc_data.Selection")
    if tracers.is_cosmological and math.isinf(chosen.r_max):
        raise ValueError(
            "selection = a shell without an end: allowed is a finite r_max, as a cosmological snapshot has other "
            "galaxies"
        )
    truths = dict(tracers.truth) | _read_truth(truth)
    reflex, notes = _fit(tracers, chosen, r_dehnen, n_stars, as_seed("seed", seed))
    observation = dict(zip(CARTESIAN_NAMES, tracers.lmc.tolist(), strict=True))
    observation |= {key: float(getattr(reflex, key)) for key in schema.REFLEX}
    sigmas, outside = support(observation, shell=(reflex.r_min, reflex.r_max))
    return Case(
        name=name,
        kind="cosmological" if tracers.is_cosmological else "snapshot",
        observation=MappingProxyType(observation),
        truth=MappingProxyType(truths),
        source=tracers.source,
        paper=MappingProxyType({}),
        in_support=MappingProxyType(sigmas),
        outside=outside,
        r_min=reflex.r_min,
        r_max=reflex.r_max,
        reflex=reflex,
        notes=(*tracers.notes, *notes),
    )


def _read_truth(truth: Mapping[str, Any] | None) -> dict[str, float]:
    if truth is not None and not isinstance(truth, Mapping):
        raise ValueError(f"truth = {shorten(truth)}: allowed is a mapping of parameters to their true values")
    found = {}
    for name, value in (truth or {}).items():
        column = schema.get_column(name)
        low, high = rounded_limits(name) if name in LIMITS else (-math.inf, math.inf)
        above = 0.0 if column.unit == "Msun" and name not in LIMITS else None
        found[name] = as_float(f"truth[{name!r}]", value, unit=column.unit, minimum=low, maximum=high, above=above)
    return found


def _fit(
    tracers: Tracers, selection: Selection, r_dehnen: float | None, n_stars: int | None, seed: int
) -> tuple[Reflex, list[str]]:
    """Fit the stars that are selected, with weights or drawn; also what was done in words."""
    rng, notes = np.random.default_rng([seed]), []
    shell = (selection.r_min, selection.r_max)
    weights = tracers.masses
    if r_dehnen is not None:
        scale = as_float("r_dehnen", r_dehnen, unit="kpc", above=0.0)
        radii = np.linalg.norm(tracers.positions, axis=1)
        counts = np.ones(len(radii)) if weights is None else weights
        weights = weigh_profile(radii, counts, scale, shell)
        notes.append(f"weights give the stars of the shell Dehnen's profile with a scale of {scale:g} kpc")
    stars, kept = keep_observed(np.concatenate([tracers.positions, tracers.velocities], axis=1), selection, rng)
    if selection.fraction < 1.0:
        part = rng.random(len(kept)) < selection.fraction
        stars, kept = stars[part[kept]], kept & part
    weights = None if weights is None else weights[kept]
    if n_stars is not None:
        n = as_whole("n_stars", n_stars, 1, max(len(stars), 1))
        drawn = draw_weighted(np.ones(len(stars)) if weights is None else weights, n, rng)
        stars, weights = stars[drawn], None
        notes.append(f"{n:,} stars drawn by their weights")
    if weights is not None and weights.sum() > 0.0:
        effective = weights.sum() ** 2 / np.square(weights).sum()
        notes.append(f"weights count as {number(effective)} of {len(stars):,} stars")
    return fit_reflex(stars[:, :3], stars[:, 3:], *shell, weights=weights), notes
