"""The exact likelihood of stars: phase-space density is conserved along their orbits.

The stars are independent draws from f0 2.2 Gyr ago. By Liouville's theorem the density at a star's place in phase
space today is f0 where the star was, also in the accelerated frame of the Milky Way (Correa Magnus & Vasiliev 2022,
MNRAS 511, 2610). So the likelihood of n stars costs n rewound orbits.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Protocol, overload

import numpy as np
from scipy.special import gammaln

from mwlmc_data.arguments.arrays import as_float, as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.density import ERROR, draw_errors, log_start_density
from mwlmc_data.rewinding.rewind import rewind_stars, take_stars, take_table
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.halo_model import build_equilibrium
from mwlmc_data.simulator.parameters import Parameters, take_parameters
from mwlmc_data.workers import count_processes

#: Largest anisotropy for which the likelihood is right: the prior's largest. Its error for the stars of a halo beyond
#: 50 kpc is below 0.01 up to beta0 = 0.8, and 0.04 at 0.9, in the median (``python -m benchmarks rewinding``).
MAX_BETA0 = 0.9
#: Radius today [kpc] beyond which stars have made few enough orbits that the likelihood is right.
EXACT_RADIUS = 20.0
#: Parameters on which the orbits do not depend: stars are rewound once for all their values.
OF_START = ("beta0", "r_dehnen")
#: Stars that are simulated to count which part of them is selected.
_N_COUNTED = 400_000


class LogProbability(Protocol):
    """A selection's probability, as a function of the parameters."""

    def log_probability(self, parameters: Parameters) -> float:
        """Ln P, the logarithm of the part of the stars that is selected."""


def log_density(positions: Any, velocities: Any, parameters: Parameters) -> Float64Array:
    """Compute the phase-space density of the stellar halo today, at the places of stars.

    The stars are rewound (:func:`~mwlmc_data.rewind`), and the density is that of the equilibrium halo from which
    :func:`~mwlmc_data.simulate` draws, where they were 2.2 Gyr ago.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        Galactocentric positions [kpc] and velocities [km/s] today, as for :func:`~mwlmc_data.rewind`.
    parameters : Parameters
        The simulation.

    Returns
    -------
    ndarray, shape (n,)
        ln f [kpc^-3 (km/s)^-3], normalised to one star; -inf where no star of the model can be, as it would not have
        been bound to the Milky Way's halo.

    Raises
    ------
    ValueError, RuntimeError
        As for :func:`~mwlmc_data.rewind`.

    Notes
    -----
    f goes as L^(-2 beta0), and simulated stars have lost the last digits of L. Above beta0 = 0.6 a sum over many of
    them is therefore wrong by more than 0.1, at 0.8 by tens. :func:`~mwlmc_data.log_likelihood` is right there too.

    Stars within 20 kpc have made many orbits, of which the simulation has lost the last digits: the sum over a whole
    halo of 4,500 stars is off by units to hundreds, that over the stars beyond by 0.01
    (``python -m benchmarks rewinding``).

    Examples
    --------
    >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    >>> log_density([[60.0, 0.0, 10.0]], [[0.0, 90.0, 40.0]], p).shape
    (1,)
    """
    stars, parameters = take_stars(positions, velocities), take_parameters(parameters)
    return log_start_density(rewind_stars(stars, parameters), build_equilibrium(parameters))


def log_density_stars(
    stars: Float64Array,
    parameters: Parameters,
    errors: Float64Array | None = None,
    sizes: float | Float64Array = ERROR,
) -> Float64Array:
    """Compute ln f of blurred stars (n, 6), the terms of the likelihood, without checks.

    They differ from :func:`~mwlmc_data.log_density` by the known error of each star's L and the mean over such errors
    (:mod:`mwlmc_data.rewinding.density`). The mean of f_a / f_b over the stars of b is 1 as for f itself. `errors`
    (n, 3) are those of `draw_errors`, by default of these stars, and `sizes` (n,) their standard deviations in r v.
    """
    errors = draw_errors(stars) if errors is None else errors
    return log_start_density(rewind_stars(stars, parameters), build_equilibrium(parameters), errors, sizes)


@overload
def log_likelihood(
    stars: Any,
    parameters: Parameters,
    r_min: float = ...,
    log_probability: float | LogProbability | None = ...,
    n_total: int | None = ...,
    workers: int | None = ...,
) -> float: ...


@overload
def log_likelihood(
    stars: Any,
    parameters: list[Parameters] | tuple[Parameters, ...],
    r_min: float = ...,
    log_probability: float | LogProbability | None = ...,
    n_total: int | None = ...,
    workers: int | None = ...,
) -> Float64Array: ...


def log_likelihood(
    stars: Any,
    parameters: Parameters | list[Parameters] | tuple[Parameters, ...],
    r_min: float = const.FIT_R_MIN,
    log_probability: float | LogProbability | None = None,
    n_total: int | None = None,
    workers: int | None = None,
) -> float | Float64Array:
    """Compute the likelihood of parameters given stars, exactly.

    Of n stars beyond `r_min`, given n, it is the product of f(w_i | theta) / P(theta) with f the phase-space density
    (:func:`~mwlmc_data.log_density`) and P the part of the model's stars that is selected. With `n_total` the number of
    stars counts as well: n of n_total, binomially.

    As f goes as L^(-2 beta0), and the last digits of an orbit are lost, each star has a known error of 1% of r v added
    to its angular momentum L 2.2 Gyr ago, and f is the mean over such errors. The errors are drawn from the digits of
    the star's position: they do not depend on the parameters, nor on the other stars.

    Parameters
    ----------
    stars : Halo, table or array_like
        Stars today, Galactocentric: a :class:`Halo`; a table with the columns x, y, z [kpc] and vx, vy, vz [km/s],
        whose other columns are ignored; or an array of shape (n, 6) of these six.
    parameters : Parameters or list of Parameters
        The simulation, or several. Neighbours in the sequence that differ in beta0 and r_dehnen alone share their
        rewound stars.
    r_min : float or quantity
        Stars beyond this radius today [kpc] count, the others are left out. 0 takes all stars.
    log_probability : float or LogProbability, optional
        ln P, or an object whose ``log_probability(parameters)`` gives it. Needed to 0.1 / n. By default it is 0 where
        `r_min` is 0; otherwise 400,000 stars are simulated for each of the parameters and counted, and a warning gives
        the error.
    n_total : int, optional
        Number of stars of the whole halo, of which those beyond `r_min` are seen; 4,500 in the simulations of the data
        set. No survey knows it.
    workers : int, optional
        Number of threads that share several parameters; by default all cores.

    Returns
    -------
    float or ndarray, shape (k,)
        ln L, of each of the parameters if they are a list. Units are (kpc^-3 (km/s)^-3)^n. -inf where a star is
        impossible, 0 without stars.

    Raises
    ------
    ValueError
        If the stars are incomplete or not finite, `parameters` holds anything but :class:`Parameters`, or an option is
        not allowed.
    RuntimeError
        If the orbit of the LMC or of a star cannot be integrated.

    Warns
    -----
    UserWarning
        If ln P is counted, or if stars within 20 kpc count, which have made many orbits: the simulation has lost their
        last digits, and ln L is off by units (beta0 = 0.3) to hundreds (0.9).

    Examples
    --------
    >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    >>> log_likelihood([[60.0, 0.0, 10.0, 0.0, 90.0, 40.0]], p, log_probability=-1.1) < 0
    True
    """
    is_several = isinstance(parameters, list | tuple)
    several = [take_parameters(p) for p in (parameters if isinstance(parameters, list | tuple) else [parameters])]
    r_min = as_float("r_min", r_min, unit="kpc", minimum=0.0)
    if workers is not None:
        workers = as_whole("workers", workers, minimum=1)
    taken = take_table("stars", stars)
    selected = taken[np.einsum("ni,ni->n", taken[:, :3], taken[:, :3]) > r_min**2] if r_min else taken
    n = len(selected)
    if n_total is not None:
        n_total = as_whole("n_total", n_total, minimum=n)
    n_inner = int((np.einsum("ni,ni->n", selected[:, :3], selected[:, :3]) < EXACT_RADIUS**2).sum())
    if n_inner:
        warnings.warn(
            f"r_min = {r_min:g} kpc takes {n_inner:,} stars within {EXACT_RADIUS:g} kpc, for which ln L is not exact",
            stacklevel=2,
        )
    log_p = _take_probability(log_probability, several, r_min, n)
    sums = np.array([values.sum() for values in log_densities(selected, several, workers)])
    found = add_selection(sums, log_p, n, n_total)
    return found if is_several else float(found[0])


def add_selection(sums: Float64Array, log_p: Float64Array, n: int, n_total: int | None) -> Float64Array:
    """Likelihood of n stars with this sum of ln f, given n, or given the number of stars of the whole halo."""
    if n_total is None:
        return sums - n * log_p
    rest = n_total - n
    log_binomial = gammaln(n_total + 1.0) - gammaln(n + 1.0) - gammaln(rest + 1.0)
    with np.errstate(divide="ignore"):
        return sums + log_binomial + (rest * np.log(-np.expm1(log_p)) if rest else 0.0)


def log_densities(
    stars: Float64Array, parameters: Sequence[Parameters], workers: int | None = 1
) -> Iterator[Float64Array]:
    """Compute :func:`log_density_stars` for each of several parameters, in order, on several threads.

    Neighbours that differ in beta0 and r_dehnen alone have the same field: their stars are rewound once.
    """

    def evaluate(group: list[Parameters]) -> list[Float64Array]:
        start = rewind_stars(stars, group[0])
        return [log_start_density(start, build_equilibrium(p), errors) for p in group]

    errors = draw_errors(stars)
    groups = [list(group) for _, group in groupby(parameters, _key_of_field)]
    n_threads = count_processes(workers, len(groups))
    if n_threads < 2:
        for group in groups:
            yield from evaluate(group)
        return
    if groups:
        yield from evaluate(groups[0])  # compiles the kernels once
    with ThreadPoolExecutor(n_threads) as pool:
        for values in pool.map(evaluate, groups[1:]):
            yield from values


def _key_of_field(parameters: Parameters) -> tuple[float, ...]:
    """What determines the orbits: all but the stars' own parameters."""
    numbers = (value for name, value in parameters.to_numbers().items() if name not in OF_START)
    return (*parameters.model, *numbers)


def _take_probability(given: Any, parameters: Sequence[Parameters], r_min: float, n: int) -> Float64Array:
    """Probability of the selection, ln P, for each of the parameters."""
    if given is None:
        return np.zeros(len(parameters)) if not r_min else _count_selected(parameters, r_min, n)
    if not hasattr(given, "log_probability"):
        return np.full(len(parameters), as_float("log_probability", given, unit="", maximum=0.0))
    found = np.array([given.log_probability(p) for p in parameters], float)
    if not (found <= 0.0).all():
        raise ValueError(f"log_probability = {shorten(found[~(found <= 0.0)][0])}: allowed is a number up to 0")
    return found


def _count_selected(parameters: Sequence[Parameters], r_min: float, n: int) -> Float64Array:
    """The same from counts of simulated stars."""
    engine = registry.get("auto", outskirts=r_min >= const.FIT_R_MIN)
    parts = []
    for p in parameters:
        # of stars that cannot end beyond 50 kpc the engine may leave out some
        stars = engine(p, _N_COUNTED, np.random.default_rng(0))[1]
        parts.append((np.einsum("ni,ni->n", stars[:, :3], stars[:, :3]) > r_min**2).sum() / _N_COUNTED)
    part = np.array(parts)
    if not part.all():
        raise ValueError(f"r_min = {r_min:g} kpc: allowed is a radius beyond which the model has stars")
    if n and len(part):
        error = n * math.sqrt(float(((1.0 - part) / part).max()) / _N_COUNTED)
        warnings.warn(
            f"ln P is counted from {_N_COUNTED:,} simulated stars; its error adds {error:.2g} to ln L of {n:,} stars. "
            "log_probability takes a better one",
            stacklevel=4,
        )
    return np.log(part)
