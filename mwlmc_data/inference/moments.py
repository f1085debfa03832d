"""The posterior of a halo's parameters given the velocity moments of a survey, by simulated surveys.

The survey is simulated with parameters drawn from the prior and observed in the same way; a Gaussian model of the
moments given the parameters (`mwlmc_data.inference.emulator`) is fitted to most of these mocks, and the posterior is
the prior weighted by it. The other mocks are held out: their own posteriors say whether the answer is calibrated
(simulation-based calibration: Talts et al. 2018, arXiv:1804.06788), and their evidences give the p-value of the
observed moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp, ndtri
from scipy.stats import kstest, qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import fixed
from mwlmc_data.inference.checkpoint import Checkpoint
from mwlmc_data.inference.emulator import Emulator, fit_emulator
from mwlmc_data.inference.importance import count_effective, resample
from mwlmc_data.inference.mock_simulations import MockRecipe, simulate_mocks
from mwlmc_data.inference.posterior import MIN_P_VALUE, Posterior
from mwlmc_data.inference.targets import TOTAL
from mwlmc_data.priors.enclosed import DRAWN_FOR_WITHIN_50
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator.masses import enclosed_masses
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.surveys.moments import Moments, measure_moments

if TYPE_CHECKING:
    import pandas as pd

#: Part of the mocks that is held out.
HELD_OUT = 0.2
#: Draws of the prior that a posterior weights, a power of two.
_N_PRIOR = 2**17
#: Draws of the prior for the posterior of each mock that is held out.
_N_PRIOR_HELD_OUT = 2**14
#: Central intervals whose coverage is reported.
LEVELS = (0.68, 0.95)
#: A Kolmogorov-Smirnov p-value of the ranks below this raises a warning.
_MIN_KS = 1e-3
#: Fewer effective draws than this raise a warning.
_MIN_EFFECTIVE = 400.0
#: Coordinates in which moments vary smoothly, for parameters that are not such themselves.
_SMOOTH: dict[str, Callable[[Float64Array], Float64Array]] = {
    "m_lmc": np.sqrt,
    "m200_mw": np.log,
    "m_lmc_8p7": np.log,
    "log10_lambda_df": lambda values: np.log1p(10.0**values),
}


@dataclass(frozen=True, eq=False, repr=False)
class MomentsPosterior(Posterior):
    """A posterior of a halo's parameters given the velocity moments of a survey.

    Attributes
    ----------
    samples : DataFrame
        Posterior draws of equal weight, one column per free parameter; or m_mw_50, m_lmc_50 [Msun], beta0. And
        part_NAME for each component of `contamination` whose part is not known.
    config : str
        Set whose prior holds.
    log_evidence : float
        Logarithm of the density of the moments [(km/s)^-1 each] under the prior.
    log_evidence_error : float
        Its standard error from the finite number of draws; that of the model of the moments is not known.
    p_value : float
        Fraction of the mocks held out whose evidence is not greater. 0 means less than 1 / `n_predictive`.
    n_predictive : int
        Number of mocks held out.
    moments : Moments
        Those observed.
    names : tuple of str
        Names of the moments that the answer is given.
    calibration : DataFrame
        One row per parameter: part of the mocks held out whose truth is in the central intervals (inside_68,
        inside_95), their standard errors if all is right (error_68, error_95), and the Kolmogorov-Smirnov p-value of
        uniform ranks (ks).
    n_stars, n_left_out : int
        Stars of the table in the selection, which count, and the others.
    selection : Selection or None
        What was observed; None if the mocks have the sky and the distances of the stars.
    n_mocks : int
        Number of all mocks.
    held : mapping
        Values of the parameters that are not free.
    lmc_has_errors : bool
        Whether the LMC's present day is drawn within its errors.
    n_effective : float
        Effective number of draws.
    """

    moments: Moments
    names: tuple[str, ...]
    calibration: pd.DataFrame
    n_stars: int
    n_left_out: int
    selection: Selection | None
    n_mocks: int
    held: Mapping[str, Any]
    lmc_has_errors: bool
    n_effective: float
    _recipe: MockRecipe
    _targets: str

    def _draw_prior(self, n: int) -> pd.DataFrame:
        import pandas as pd

        scores = np.random.default_rng(0).standard_normal((n, len(self._recipe.names)))
        return pd.DataFrame(convert_scores(self._recipe, scores, self._targets))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons not to trust this answer, one sentence each; empty if there are none."""
        return tuple(self._find_warnings())

    def _find_warnings(self) -> Iterator[str]:
        if self.p_value < MIN_P_VALUE:
            yield (
                f"The model does not make such moments: {self._p_text()}; the draws are the least unlikely parameters, "
                "not a measurement of them."
            )
        bad = [str(name) for name, ks in self.calibration["ks"].items() if ks < _MIN_KS]
        if bad:
            yield f"The posteriors of the mocks that are held out are not calibrated in {', '.join(bad)}."
        if self.n_effective < _MIN_EFFECTIVE:
            yield f"The draws are worth {self.n_effective:.0f} independent ones."

    def _lines(self) -> list[str]:
        how = "mocks like them on the sky" if self.selection is None else f"mocks of {self.selection._summary()}"
        inside = ", ".join(f"{name} {value:.2f}" for name, value in self.calibration["inside_68"].items())
        error = float(self.calibration["error_68"].iloc[0])
        left_out = f", {self.n_left_out:,} others left out" if self.n_left_out else ""
        among = "".join(f", contaminated by {each.name}" for each in self._recipe.components)
        return [
            f"{len(self.names)} moments of {self.n_stars:,} stars{left_out}; {self.n_mocks:,} {how}{among}; LMC "
            f"{'with its errors' if self.lmc_has_errors else 'exact'}",
            f"{self._p_text()}; ln evidence {fixed(self.log_evidence, 2)}; prior of {self.config!r}",
            f"in the 68% intervals of {self.n_predictive:,} mocks held out (± {error:.2f}): {inside}",
        ]


def infer_moments(
    recipe: MockRecipe,
    names: Sequence[str],
    n_left_out: int,
    n: int,
    n_mocks: int,
    processes: int,
    checkpoint: Checkpoint,
    advance: Callable[[str, int], None],
    targets: str = TOTAL,
) -> MomentsPosterior:
    """Simulate mocks and draw the posterior.

    Parameters
    ----------
    recipe : MockRecipe
        Of the mocks; holds the observed stars.
    names : sequence of str
        Names of the moments to use, of `REFLEX_NAMES`; those that the stars do not determine are left out.
    n_left_out : int
        Stars outside the selection.
    n : int
        Number of draws.
    n_mocks : int
        Number of mocks.
    processes, checkpoint, advance
        As for `simulate_mocks`.
    targets : str
        What the draws and the calibration are about, as for `convert_scores`.

    Returns
    -------
    MomentsPosterior

    Raises
    ------
    ValueError
        If the stars do not determine the travel velocity, or the mocks are too few.
    RuntimeError
        If too many mocks fail.
    """
    import pandas as pd

    observed = measure_moments(recipe.stars)
    determined = np.isfinite(observed.values) & np.isin(REFLEX_NAMES, list(names))
    if not determined.any():
        raise ValueError(f"moments = {', '.join(names) or 'no names'}: allowed is one that the stars determine, of "
                         f"{', '.join(observed.names)}")  # fmt: skip
    mocks = simulate_mocks(recipe, n_mocks, processes, checkpoint, advance)
    good = np.isfinite(mocks.moments[:, determined]).all(axis=1)
    scores, moments = mocks.scores[good], mocks.moments[good][:, determined]
    coordinates = find_coordinates(recipe, scores)
    n_train = len(scores) - max(round(HELD_OUT * len(scores)), 1)
    emulator = fit_emulator(coordinates[:n_train], moments[:n_train])
    prior = _PriorDraws(recipe, emulator, _N_PRIOR)
    log_likelihood = prior.evaluate(observed.values[determined])
    weights = np.exp(log_likelihood - logsumexp(log_likelihood))
    few = _PriorDraws(recipe, emulator, _N_PRIOR_HELD_OUT)
    truths, drawn = (convert_scores(recipe, each, targets) for each in (scores[n_train:], few.scores))
    ranks, evidences = _infer_held_out(few, _stack(truths), _stack(drawn), moments[n_train:])
    evidence = float(logsumexp(few.evaluate(observed.values[determined])) - math.log(_N_PRIOR_HELD_OUT))
    rng = np.random.default_rng((recipe.seed, 23))
    relative = weights * len(weights)
    return MomentsPosterior(
        samples=pd.DataFrame(convert_scores(recipe, prior.scores[resample(weights, n, rng)], targets)),
        config=recipe.parameters.config,
        log_evidence=float(logsumexp(log_likelihood) - math.log(_N_PRIOR)),
        log_evidence_error=float(relative.std() / math.sqrt(len(relative))),
        p_value=float(np.mean(evidences <= evidence)),
        n_predictive=len(evidences),
        moments=observed,
        names=tuple(name for name, used in zip(REFLEX_NAMES, determined, strict=True) if used),
        calibration=describe_ranks(ranks, tuple(truths)),
        n_stars=len(recipe.stars),
        n_left_out=n_left_out,
        selection=recipe.selection,
        n_mocks=n_mocks,
        held=MappingProxyType(recipe.parameters.held),
        lmc_has_errors=recipe.place is not None and not recipe.place.is_exact,
        n_effective=count_effective(log_likelihood),
        _recipe=recipe,
        _targets=targets,
    )


def find_coordinates(recipe: MockRecipe, scores: Float64Array) -> Float64Array:
    """Coordinates (n, d) in which moments vary smoothly, from scores (n, d)."""
    values = recipe.convert(scores)
    return np.stack([_SMOOTH.get(name, np.asarray)(values[name]) for name in recipe.names], axis=1)


def convert_scores(recipe: MockRecipe, scores: Float64Array, targets: str) -> dict[str, Float64Array]:
    """What a posterior is about (n,), by name, from scores (n, d).

    Parameters
    ----------
    recipe : MockRecipe
    scores : ndarray, shape (n, d)
        Of what is drawn.
    targets : str
        "total" for what is drawn; "within-50" for the masses within 50 kpc and the anisotropy in the place of the free
        parameters, which must contain what these follow from.

    Returns
    -------
    dict of str to ndarray
    """
    found = recipe.convert(scores)
    if targets == TOTAL:
        return found
    masses = enclosed_masses({name: found[name] for name in DRAWN_FOR_WITHIN_50 if name != "beta0"})
    others = {each.parameter: found[each.parameter] for each in recipe.unknown}
    return {"m_mw_50": masses["m_mw_50"].to_numpy(), "m_lmc_50": masses["m_lmc_50"].to_numpy(),
            "beta0": found["beta0"], **others}  # fmt: skip


def _stack(values: Mapping[str, Float64Array]) -> Float64Array:
    return np.stack(list(values.values()), axis=1)


class _PriorDraws:
    """Draws of the prior, and what the emulator predicts at them."""

    def __init__(self, recipe: MockRecipe, emulator: Emulator, n: int) -> None:
        points = qmc.Sobol(len(recipe.names), seed=np.random.default_rng((recipe.seed, 24))).random(n)
        self.scores = ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
        self._emulator = emulator
        self._predicted = emulator.predict(find_coordinates(recipe, self.scores))

    def evaluate(self, moments: Float64Array) -> Float64Array:
        """Log likelihood (n,) of moments (k,)."""
        return self._emulator.log_density(moments, *self._predicted)


def _infer_held_out(
    prior: _PriorDraws, truths: Float64Array, drawn: Float64Array, moments: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Marginal posterior probability below the truth (n, d), and log evidences (n,), of mocks held out.

    The draws of the prior are those of `prior` in the form of the truths.
    """
    ranks, evidences = np.empty(truths.shape), np.empty(len(truths))
    for i, (truth, values) in enumerate(zip(truths, moments, strict=True)):
        log_likelihood = prior.evaluate(values)
        total = logsumexp(log_likelihood)
        ranks[i] = np.exp(log_likelihood - total) @ (drawn < truth)
        evidences[i] = total - math.log(len(log_likelihood))
    return ranks, evidences


def describe_ranks(ranks: Float64Array, names: tuple[str, ...]) -> pd.DataFrame:
    """Coverage of central intervals, and the uniformity of ranks (n, d), as a table with a row for each parameter."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for level in LEVELS:
        columns[f"inside_{100 * level:.0f}"] = (np.abs(ranks - 0.5) < 0.5 * level).mean(axis=0)
        columns[f"error_{100 * level:.0f}"] = math.sqrt(level * (1.0 - level) / len(ranks))
    columns["ks"] = [float(kstest(column, "uniform").pvalue) for column in ranks.T]
    return pd.DataFrame(columns, index=list(names))
