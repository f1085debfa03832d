"""The posterior of a halo's parameters given its stars, by their exact likelihood."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from mwlmc_data._version import __version__
from mwlmc_data.arguments.arrays import as_choice, as_flag, as_float, as_names, as_seed, as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.checkpoint import Checkpoint
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.held import hold_values
from mwlmc_data.inference.importance import resample
from mwlmc_data.inference.moments import MomentsPosterior
from mwlmc_data.inference.observed_search import ObservedSearch, draw_first
from mwlmc_data.inference.star_likelihood import StarLikelihood
from mwlmc_data.inference.star_moments import infer_by_moments
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.inference.star_predictive import N_SETS, compute_observed_p_value, compute_p_value
from mwlmc_data.inference.star_search import Found, StarSearch
from mwlmc_data.inference.star_tables import take_selected
from mwlmc_data.inference.targets import TARGETS, TOTAL
from mwlmc_data.observations.observation import Observation
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.limits import SKY_NAMES
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.stars import Halo
from mwlmc_data.storage.homes import expand_home
from mwlmc_data.workers import count_processes

if TYPE_CHECKING:
    import pandas as pd

#: The methods of `infer_stars`.
METHODS = ("likelihood", "moments")
#: Raised whenever the same input gives another result: checkpoints of other versions are refused. Of exact stars, and
#: of observed ones.
ALGORITHM, OBSERVED_ALGORITHM = 9, 14
#: Evaluations of the stars' likelihood after which draws end, effective or not.
MAX_EVALUATIONS = 60_000


@overload
def infer_stars(
    table: Any,
    *,
    selection: Selection | None = None,
    method: Literal["likelihood"] = "likelihood",
    config: str = "gaussian",
    free: Sequence[str] = FREE,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    held: Mapping[str, Any] | None = None,
    n_total: int | None = None,
    moments: Sequence[str] | None = None,
    targets: str = TOTAL,
    contamination: Mapping[str, Any] | None = None,
    n_mocks: int = 2_000,
    n: int = 1_000,
    selection_error: float = 0.2,
    seed: int = 0,
    workers: int | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> StarPosterior: ...
@overload
def infer_stars(
    table: Any,
    *,
    selection: Selection | None = None,
    method: Literal["moments"],
    config: str = "gaussian",
    free: Sequence[str] = FREE,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    held: Mapping[str, Any] | None = None,
    n_total: int | None = None,
    moments: Sequence[str] | None = None,
    targets: str = TOTAL,
    contamination: Mapping[str, Any] | None = None,
    n_mocks: int = 2_000,
    n: int = 1_000,
    selection_error: float = 0.2,
    seed: int = 0,
    workers: int | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> MomentsPosterior: ...
def infer_stars(
    table: Any,
    *,
    selection: Selection | None = None,
    method: str = "likelihood",
    config: str = "gaussian",
    free: Sequence[str] = FREE,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    held: Mapping[str, Any] | None = None,
    n_total: int | None = None,
    moments: Sequence[str] | None = None,
    targets: str = TOTAL,
    contamination: Mapping[str, Any] | None = None,
    n_mocks: int = 2_000,
    n: int = 1_000,
    selection_error: float = 0.2,
    seed: int = 0,
    workers: int | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> StarPosterior | MomentsPosterior:
    """Draw the posterior of a halo's parameters given the positions and velocities of its stars.

    By the likelihood: the stars are rewound to 2.2 Gyr ago, where the density of the equilibrium halo from which
    :func:`~mwlmc_data.simulate` draws is known: it is exact. By moments: the survey is simulated some thousand times
    with parameters from the prior, and the moments of the velocities are compared.

    Parameters
    ----------
    table : Halo, table or array_like
        Stars today, with exact phase space: a :class:`Halo`; a table with x, y, z [kpc], vx, vy, vz [km/s]; or an array
        (n, 6). Or observed stars: a table with l, b [deg], distance [kpc], v_los [km/s], pm_l, pm_b [mas/yr] and their
        errors err_distance, err_v_los, err_pm_l, err_pm_b, optionally corr_pm, as for ``mwlmc reflex``; a velocity is
        NaN where it is not measured, and its column may be missing. Stars outside the selection are left out.
    selection : Selection, optional
        Which stars of the halo were observed, from 20 kpc on; by default all beyond 50 kpc. It acts on observed
        distances; where these have errors, it must begin so far out that three errors do not lead within 20 kpc. With
        method "moments" the default is not a selection: each mock then has the sky and the distances of the stars
        (:func:`~mwlmc_data.mock_survey` with `like`), so that the answer needs no knowledge of how they were selected
        and uses their velocities alone.
    method : {"likelihood", "moments"}
        How the posterior is found: by the exact likelihood, or by simulated surveys, which say themselves whether they
        are calibrated (:class:`~mwlmc_data.inference.moments.MomentsPosterior`) and need observed stars.
    config : str
        Set whose prior holds: "gaussian", "flat" or "wide".
    free : sequence of str
        Free parameters, of those that the prior draws.
    lmc : Parameters or mapping, optional
        The LMC's present day, as for :func:`~mwlmc_data.infer`, unless `free` contains it; by default that of a halo
        whose parameters are known, and the observed one otherwise. With method "moments" the mocks draw it within the
        errors that come with it; the likelihood takes a published present day as exact and refuses errors in a mapping.
    held : mapping of str to float, optional
        Values of the other parameters that are not free. `m_lmc_8p7` is 1.7e10 Msun by default, or 0.8 m_lmc where that
        is less. ``physics`` is the name of another physics (:class:`Parameters`), whose posterior and evidence are
        wanted; that of a halo whose parameters are known is not taken from it.
    n_total : int, optional
        Number of all stars of the halo, if it is known: how many of them are observed then counts too. By default the
        likelihood is conditional on the number of observed stars. Not for method "moments".
    moments : sequence of str, optional
        Which moments method "moments" is given: names of the reflex fit's nine, all by default. The model's halo does
        not rotate, for example, and a rotation that the stars have is then not held against it.
    targets : {"total", "within-50"}
        What the draws of method "moments" are: the free parameters; or the masses within 50 kpc of each galaxy's
        centre, m_mw_50 and m_lmc_50, and the anisotropy beta0, calibrated as such. The draws of the likelihood are the
        free parameters, of which :func:`~mwlmc_data.enclosed_masses` gives the masses.
    contamination : mapping of str to (stars, part), optional
        For method "moments": populations by name that are no part of the smooth halo, such as ``{"sagittarius":
        (stream, (0.0, 0.3))}``: their stars with exact phase space, as for :func:`~mwlmc_data.mock_survey`, and the
        ends of the range over which their part of the observed stars is uniform; it is inferred as ``part_NAME``. A
        number is a known part.
    n_mocks : int
        Number of simulated surveys of method "moments", rounded up to a multiple of 50; a fifth of them is held out.
    n : int
        Number of draws, and of effective draws to reach by the likelihood.
    selection_error : float
        Error of the sum of ln P over the posterior [nats] that is wanted, from 0.05 on: it decides how many stars the
        likelihood's ln P is computed from; above it that of exact stars is computed once more, in minutes of a core.
        What is reached is ``error_parts["selection"]``: a mean moves by up to as many standard deviations.
    seed : int
        Seed of all draws.
    workers : int, optional
        Number of processes; by default all cores, but none inside another library's worker. The result does not depend
        on it.
    resume : path, optional
        File that keeps what was computed. If it exists, the computation continues from it; it must belong to the same
        stars and settings.
    progress : bool
        Show the number of evaluations on standard error.

    Returns
    -------
    StarPosterior or MomentsPosterior

    Warns
    -----
    UserWarning
        For each of the posterior's `warnings`.

    Raises
    ------
    ValueError
        If stars, names or values are not allowed; the selection begins within 20 kpc, where rewound stars are not
        exact; no star is in the selection; the selection observes fewer than one star in a thousand; stars could not
        have been bound to the Milky Way at any parameters; `resume` belongs to other settings; or method "moments" is
        given exact stars, `n_total`, targets that do not follow from the free parameters, or fewer mocks than it needs
        (210 for six parameters); or the likelihood `targets` or `contamination`.
    RuntimeError
        If the posterior is not found, the selection's probability is not determined, or mocks cannot be made.
    WriteError
        If `resume` cannot be written.

    Notes
    -----
    The likelihood of n stars is the product of f_theta(w_i) / P(theta), with P the probability that a star is observed.
    ln P is computed by rewinding stars that were simulated with some hundred parameters near the posterior
    (:mod:`mwlmc_data.rewinding.probability`). Draws and evidence come from adaptive importance sampling
    (:mod:`mwlmc_data.inference.importance`); the search begins with draws from the prior.

    Of stars with errors the likelihood is the integral over all that each may truly be, by draws at a pivot that moves
    to the posterior (:mod:`mwlmc_data.rewinding.marginal`); in the end draws of the posterior are weighed by more of
    them, and by ln P at each draw (:mod:`mwlmc_data.rewinding.pass_mixture`). The errors are those of the table,
    Gaussian in ln distance and in the velocities, and independent of the star; the stars from which P is computed have
    errors of distance that are drawn from the table's.

    Examples
    --------
    >>> halo = load_halo(7)                                                # doctest: +SKIP
    >>> posterior = infer_stars(halo, lmc=halo.parameters, resume="halo-7.npz")    # doctest: +SKIP
    >>> print(posterior)                                                   # doctest: +SKIP
    """
    as_choice("method", method, METHODS)
    as_choice("targets", targets, tuple(TARGETS))
    n, seed = as_whole("n", n, minimum=10, maximum=MAX_EVALUATIONS), as_seed("seed", seed)
    as_flag("progress", progress)
    free = as_names("free", free)
    if workers is not None:
        workers = as_whole("workers", workers, minimum=1)
    selection_error = as_float("selection_error", selection_error, unit="nats", minimum=0.05, allow_infinite=True)
    file = None if resume is None else expand_home("resume", resume)
    if lmc is None and isinstance(table, Halo) and not set(SKY_NAMES) & set(free):
        lmc = table.parameters
    if method == "moments":
        n_mocks = as_whole("n_mocks", n_mocks, minimum=1)
        if n_total is not None:
            raise ValueError(f"n_total = {shorten(n_total)} with method = 'moments': allowed is None, as moments do "
                             "not count the stars")  # fmt: skip
        with _Progress(progress, "mocks") as shown:
            given = (table, selection, moments, config, free, lmc, held, n, n_mocks, seed, workers, file)
            of_moments = infer_by_moments(*given, shown.advance, targets, contamination)
        for text in of_moments.warnings:
            warnings.warn(text, stacklevel=2)
        return of_moments
    if moments is not None:
        raise ValueError("moments = given with method = 'likelihood': allowed is None, as all of the stars counts")
    if targets != TOTAL:
        raise ValueError(
            f"targets = {targets!r} with method = 'likelihood': allowed is {TOTAL!r}; enclosed_masses gives the masses "
            "of its draws"
        )
    if contamination is not None:
        raise ValueError("contamination = given with method = 'likelihood': allowed is None, as each star counts")
    selection = Selection() if selection is None else selection
    stars, n_given, completeness = take_selected(table, selection)
    if n_total is not None:
        n_total = as_whole("n_total", n_total, minimum=len(stars))
    parameters = FreeParameters(config, free, hold_values(free, lmc, held))
    key = _compute_key(stars, selection, parameters, n_total, n, seed, selection_error)
    checkpoint = Checkpoint(file, key)
    n_processes = count_processes(workers, MAX_EVALUATIONS)
    observed = stars if isinstance(stars, ObservedStars) else None
    exact_or_drawn = stars if not isinstance(stars, ObservedStars) else draw_first(stars, seed)
    with StarLikelihood(exact_or_drawn, parameters, n_processes) as likelihood, _Progress(progress) as shown:
        settings = (selection, n_total, seed, checkpoint, shown.advance, selection_error)
        search = ObservedSearch(likelihood, observed, *settings) if observed else StarSearch(likelihood, *settings)
        result = search.run(n, MAX_EVALUATIONS)
        middle = parameters.build(result.weights @ result.points)
        kept = checkpoint.get(lambda: {"p_value": np.array(_compute_p_value(stars, middle, selection, (seed, 4)))})
    constant = float(np.log(completeness).sum()) + len(stars) * math.log(selection.fraction)
    found = StarPosterior(
        samples=_resample(result, parameters, n, seed),
        config=config,
        log_evidence=result.log_evidence + constant,
        log_evidence_error=math.sqrt(math.fsum(part**2 for part in result.error_parts.values())),
        p_value=float(kept["p_value"]),
        n_predictive=N_SETS,
        n_stars=len(stars),
        n_left_out=n_given - len(stars),
        selection=selection,
        n_total=n_total,
        held=MappingProxyType(parameters.held),
        n_effective=1.0 / float(result.weights @ result.weights),
        n_evaluations=result.n_evaluations,
        probability=result.probability,
        edge=result.edge,
        error_parts=MappingProxyType(result.error_parts),
        n_draws=search.n_draws,
    )
    for text in found.warnings:
        warnings.warn(text, stacklevel=2)
    return found


def _compute_p_value(
    stars: Float64Array | ObservedStars, parameters: Parameters, selection: Selection, seed: tuple[int, ...]
) -> float:
    if isinstance(stars, ObservedStars):
        return compute_observed_p_value(stars, parameters, selection, seed)
    return compute_p_value(stars, parameters, selection, seed)


def _compute_key(
    stars: Float64Array | ObservedStars,
    selection: Selection,
    parameters: FreeParameters,
    n_total: int | None,
    n: int,
    seed: int,
    selection_error: float,
) -> str:
    """Hash of all that the result depends on."""
    algorithm = OBSERVED_ALGORITHM if isinstance(stars, ObservedStars) else ALGORITHM
    versions = (algorithm, __version__, SIMULATOR_VERSION)
    settings = (parameters.config, parameters.free, sorted(parameters.held.items()), n_total, n, seed, selection_error)
    digest = hashlib.sha256(repr((versions, settings, selection.compute_digest())).encode())
    digest.update((stars.to_array() if isinstance(stars, ObservedStars) else stars).tobytes())
    return digest.hexdigest()


def _resample(result: Found, parameters: FreeParameters, n: int, seed: int) -> pd.DataFrame:
    """Draws of equal weight, by systematic resampling, in random order."""
    import pandas as pd

    drawn = result.points[resample(result.weights, n, np.random.default_rng((seed, 5)))]
    return pd.DataFrame(parameters.convert(drawn))


class _Progress:
    """Counts evaluations on standard error."""

    def __init__(self, shown: bool, unit: str = "evaluations") -> None:
        from tqdm import tqdm

        self._bar = tqdm(disable=not shown, unit=f" {unit}", desc="infer_stars")

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, stage: str, n: int) -> None:
        """Show a stage, and n evaluations more."""
        self._bar.set_postfix_str(stage, refresh=False)
        self._bar.update(n)
