"""`mock_survey`: a halo as a survey sees it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_seed, as_whole, check_names
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.arguments.tabular import is_table
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.observed import COLUMNS, ERROR_COLUMNS, ObservedStars, observe_stars, take_observed
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.rewinding.selection import Footprint, Selection, find_selected
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import sky_basis
from mwlmc_data.simulator.observed_columns import VELOCITY_UNITS
from mwlmc_data.surveys.contamination import take_components

if TYPE_CHECKING:
    import pandas as pd

#: Errors by name: unit and largest value; that of the distance is relative.
_ERRORS = {"distance": ("", 0.5), "v_los": ("km/s", 1e3), "pm_l": ("mas/yr", 1e2), "pm_b": ("mas/yr", 1e2)}
_CORRELATION = "corr"
#: Column of a mock that says which star of the halo it is.
STAR = "star"


def mock_survey(
    halo: Any,
    like: Any = None,
    *,
    footprint: Footprint | ArrayLike | None = None,
    selection: Selection | None = None,
    errors: Any = None,
    n: int | None = None,
    contamination: Mapping[str, tuple[Any, float]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Observe a halo as a survey does: its sky, distances, errors, and velocities that it does not measure.

    Parameters
    ----------
    halo : Halo, table or array_like
        Stars with exact phase space: a :class:`Halo`; a table with x, y, z [kpc], vx, vy, vz [km/s]; or an array
        (n, 6).
    like : table, optional
        Observed stars, as for :func:`~mwlmc_data.infer_stars`, whose sky, distances, errors and missing velocities the
        mock is to have: for each of them the star of the halo is taken that is seen nearest to it, without replacement.
    footprint : callable or array_like, optional
        Instead of `like`, a sky as in :class:`Selection`, for stars beyond 50 kpc.
    selection : Selection, optional
        Instead of both, a sky and a shell. It acts on observed distances.
    errors : mapping or table, optional
        Instead of those of `like`: standard errors by name, ``distance`` (relative, of its logarithm), ``v_los``
        [km/s], ``pm_l``, ``pm_b`` [mas/yr] and optionally ``corr``, the correlation of the last two, where a velocity
        without an error is not measured; or a table of observed stars, whose rows of errors are drawn.
    n : int, optional
        Number of stars; by default that of `like`, and all that are observed otherwise.
    contamination : mapping of str to (stars, float), optional
        Other populations by name, such as ``{"sagittarius": (stream, 0.1)}``: stars in the forms of `halo`, and the
        part of the mock's stars, from 0 to 1, that belong to them, each at random. They are observed in the same way.
    seed : int
        Of the errors and the choice of stars.

    Returns
    -------
    DataFrame
        l, b [deg], distance [kpc], v_los [km/s], pm_l, pm_b [mas/yr], err_distance, err_v_los, err_pm_l, err_pm_b,
        corr_pm, which :func:`~mwlmc_data.infer_stars` and ``mwlmc reflex`` take; and ``star``, the row of the star in
        the halo, -1 for another population. NaN where a velocity is not measured.

    Raises
    ------
    ValueError
        If stars, columns or errors are not such, none or too many ways to select are given, the halo has too few stars
        for the mock, or none of them is in the selection.

    Notes
    -----
    Stars are near each other by the angle between them [rad] and the difference of the logarithms of their observed
    distances, both squared and added. The error of a star's distance enters before the choice, so that a mock is a
    sample of stars that are observed where those of the table are. Distances have Gaussian errors in their logarithm,
    directions have none.

    Examples
    --------
    >>> halo = load_halo(7)                                                # doctest: +SKIP
    >>> giants = mw.observations.fetch_stars("yaaqib24-50-kgiants")        # doctest: +SKIP
    >>> mock = mock_survey(halo, like=giants, seed=1)                      # doctest: +SKIP
    """
    stars, seed = take_table("halo", halo), as_seed("seed", seed)
    ways = {"like": like, "footprint": footprint, "selection": selection}
    if sum(value is not None for value in ways.values()) != 1:
        given = [name for name, value in ways.items() if value is not None]
        raise ValueError(f"{' and '.join(given) or 'like, footprint and selection'} = "
                         f"{'given' if given else 'none'}: allowed is one of {', '.join(ways)}")  # fmt: skip
    rng = np.random.default_rng((seed, 0))
    components = take_components(contamination, known=True)
    others, parts = [each.stars for each in components], [each.low for each in components]
    if like is not None:
        if errors is not None:
            raise ValueError("errors = given beside like: allowed is one of the two, as like has its own")
        template = take_observed(like)
        if not len(template):
            raise ValueError("like = no stars: allowed is one or more")
        if n is not None:
            template = template[_choose(len(template), as_whole("n", n, minimum=1, maximum=len(template)), rng)]
        seen, places = observe_like(stars, template, rng, others, parts)
    else:
        chosen = Selection(footprint=footprint) if selection is None else selection
        if not isinstance(chosen, Selection):
            raise ValueError(f"selection = {shorten(selection)}: allowed is a mwlmc_data.Selection")
        wanted = None if n is None else as_whole("n", n, minimum=1)
        seen, places = observe_selected(stars, chosen, take_errors(errors), wanted, rng, others, parts)
    return make_table(seen, places)


def observe_like(
    stars: Float64Array,
    template: ObservedStars,
    rng: np.random.Generator,
    others: Sequence[Float64Array] = (),
    parts: Sequence[float] = (),
) -> tuple[ObservedStars, NDArray[np.int64]]:
    """Observe the stars (m, 6) that are seen nearest to those of a table, without replacement.

    Parameters
    ----------
    stars : ndarray, shape (m, 6)
        Of the halo [kpc, km/s].
    template : ObservedStars
        The table.
    rng : numpy.random.Generator
        Of the errors and the order of the choice.
    others : sequence of ndarray, shape (k, 6)
        Stars of other populations.
    parts : sequence of float
        Part of the stars that belong to each.

    Returns
    -------
    seen : ObservedStars
        In the order of the table.
    places : ndarray, shape (n,)
        Rows in `stars`, -1 for another population.

    Raises
    ------
    ValueError
        If there are fewer stars than in the table.
    """
    # the last kind is the halo
    kind = np.searchsorted(np.cumsum(parts), rng.random(len(template)), side="right")
    chosen = np.empty((len(template), 6))
    scores, places = np.empty(len(template)), np.full(len(template), -1)
    for k, population in ((len(others), stars), *enumerate(others)):
        if (part := kind == k).any():
            name = "halo" if k == len(others) else "contamination"
            taken, scores[part] = _match(name, population, template[part], rng)
            chosen[part] = population[taken]
            if k == len(others):
                places[part] = taken
    return observe_stars(chosen, template, rng, scores), places


def _match(
    name: str, stars: Float64Array, template: ObservedStars, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Float64Array]:
    """Rows of the stars nearest to a table's, and the scores (n,) of the errors of their distances."""
    if len(stars) < len(template):
        raise ValueError(
            f"{name} = {len(stars)} stars for a mock with {len(template)} of them: allowed are as many or more"
        )
    apart = stars[:, :3] - const.SUN_POSITION
    distance = np.maximum(np.sqrt(np.einsum("ni,ni->n", apart, apart)), 1e-300)  # a star at the Sun is far from any
    direction, log_distance = apart / distance[:, None], np.log(distance)
    scores = rng.standard_normal(len(stars))
    wanted, log_wanted = sky_basis(template.l, template.b)[:, 0], np.log(template.distance)
    free = np.ones(len(stars), bool)
    taken = np.empty(len(template), np.int64)
    for i in rng.permutation(len(template)):
        offset = log_distance + template.e_distance[i] * scores - log_wanted[i]
        # the square of the chord is that of the angle for near stars
        cost = 2.0 - 2.0 * (direction @ wanted[i]) + offset**2
        cost[~free] = np.inf
        taken[i] = np.argmin(cost)
        free[taken[i]] = False
    return taken, scores[taken]


def observe_selected(
    stars: Float64Array,
    selection: Selection,
    errors: ObservedStars,
    n: int | None,
    rng: np.random.Generator,
    others: Sequence[Float64Array] = (),
    parts: Sequence[float] = (),
) -> tuple[ObservedStars, NDArray[np.int64]]:
    """Observe the stars of a selection, all of them or n at random.

    Parameters
    ----------
    stars : ndarray, shape (m, 6)
        Of the halo [kpc, km/s].
    selection : Selection
        Acts on observed distances.
    errors : ObservedStars
        Stars whose errors and missing velocities are drawn, each time those of a whole star.
    n : int or None
        Number of stars.
    rng : numpy.random.Generator
        Of all draws.
    others, parts
        As for `observe_like`.

    Returns
    -------
    seen : ObservedStars
    places : ndarray, shape (n,)
        Rows in `stars`, -1 for another population.

    Raises
    ------
    ValueError
        If the selection has no star, or fewer than wanted.
    """
    seen, rows = _select("halo", stars, selection, errors, rng)
    total = len(rows) if n is None else n
    counts = count_others(total, parts, rng)
    n_others = sum(counts)
    kept = _choose_of("halo", rows, total - n_others, rng)
    if not n_others:
        return seen[kept], rows[kept]
    together = [seen[kept].to_array(), *observe_others(others, counts, selection, errors, rng)]
    places = np.concatenate([rows[kept], np.full(n_others, -1)])
    order = rng.permutation(total)
    return ObservedStars.from_array(np.concatenate(together)[order]), places[order]


def count_others(total: int, parts: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Draw the number of stars of each other population, of so many in all."""
    counts, left, rest = [], total, 1.0
    for part in parts:
        counts.append(int(rng.binomial(left, min(part / rest, 1.0))) if rest > 0.0 else 0)
        left, rest = left - counts[-1], rest - part
    return counts


def observe_others(
    others: Sequence[Float64Array],
    counts: Sequence[int],
    selection: Selection,
    errors: ObservedStars,
    rng: np.random.Generator,
) -> Iterator[Float64Array]:
    """Observe so many stars of each other population in a selection, and yield those of each as an array.

    Raises
    ------
    ValueError
        If the selection has fewer of them.
    """
    for population, count in zip(others, counts, strict=True):
        if count:
            seen, rows = _select("contamination", population, selection, errors, rng)
            yield seen[_choose_of("contamination", rows, count, rng)].to_array()


def _select(
    name: str, stars: Float64Array, selection: Selection, errors: ObservedStars, rng: np.random.Generator
) -> tuple[ObservedStars, NDArray[np.int64]]:
    seen = observe_stars(stars, errors[rng.integers(len(errors), size=len(stars))], rng)
    completeness = find_selected(seen.positions, selection, name)
    rows = np.flatnonzero(rng.random(len(seen)) < completeness * selection.fraction)
    return seen[rows], rows


def _choose(total: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """N of so many places, in order."""
    return np.sort(rng.choice(total, n, replace=False))


def _choose_of(name: str, rows: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if len(rows) < n:
        raise ValueError(f"n = {n} stars of {name}, of which {len(rows)} are observed: allowed are as many or fewer")
    return _choose(len(rows), n, rng)


def take_errors(errors: Any) -> ObservedStars:
    """Take errors from a user, as stars that have them; as `mock_survey` describes them."""
    if errors is None:
        raise ValueError(f"errors = None: allowed is a mapping of {', '.join(_ERRORS)}, or a table of observed stars")
    if is_table(errors) and not isinstance(errors, Mapping):
        return take_observed(errors)
    if not hasattr(errors, "keys"):
        raise ValueError(f"errors = {shorten(errors)}: allowed is a mapping or a table of observed stars")
    if {"l", "b", "distance"} <= set(errors.keys()):
        return take_observed(errors)
    check_names("errors", errors.keys(), (*_ERRORS, _CORRELATION), needed=("distance",))
    sizes = {
        name: as_float(f"errors[{name!r}]", errors[name], unit=unit, minimum=0.0, maximum=largest)
        for name, (unit, largest) in _ERRORS.items()
        if name in errors.keys()
    }
    correlation = 0.0
    if _CORRELATION in errors.keys():
        correlation = as_float(
            f"errors[{_CORRELATION!r}]", errors[_CORRELATION], unit="", minimum=-0.999, maximum=0.999
        )
    if len(sizes) == 1:
        raise ValueError(
            f"errors = those of the distance alone: allowed is one of {', '.join(VELOCITY_UNITS)} beside it"
        )
    motions = [0.0 if name in sizes else math.nan for name in VELOCITY_UNITS]
    numbers = [0.0, 0.0, 1.0, *motions, *(sizes.get(name, 0.0) for name in _ERRORS), correlation]
    return ObservedStars.from_array(np.array([numbers]))


def make_table(seen: ObservedStars, places: NDArray[np.int64]) -> pd.DataFrame:
    """Observed stars as a table, with their rows in the halo."""
    import pandas as pd

    errors = {"distance": seen.e_distance * seen.distance, "v_los": seen.e_v_los, "pm_l": seen.e_pm_l,
              "pm_b": seen.e_pm_b, _CORRELATION: seen.corr}  # fmt: skip
    for name in VELOCITY_UNITS:
        errors[name] = np.where(np.isfinite(getattr(seen, name)), errors[name], np.nan)
    both = np.isfinite(seen.pm_l) & np.isfinite(seen.pm_b)
    errors[_CORRELATION] = np.where(both, errors[_CORRELATION], np.nan)
    columns = {name: getattr(seen, name) for name in COLUMNS}
    return pd.DataFrame({**columns, **{ERROR_COLUMNS[name]: values for name, values in errors.items()}, STAR: places})
