"""A Gaussian likelihood of the travel vector for any present day of the LMC, learnt from a task's simulations.

The mean closely follows the Milky Way's past motion, which the orbit of the pair gives in a millisecond, without stars
or random numbers. A linear map of that motion, the parameters, the nuisances and the LMC predicts the mean to a tenth
of the noise. A network adds the rest and predicts the covariance, which therefore includes the errors of the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Effort
from benchmarks.baselines.enclosed import score
from benchmarks.baselines.gaussian import ConditionalGaussian
from benchmarks.baselines.training import Trained, Training
from benchmarks.common.sets import Learnable
from benchmarks.references.design import NUISANCES, THETA
from benchmarks.references.history import past_velocities
from benchmarks.references.statistics import TRAVEL
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.priors import MARGINALS, Prior
from mwlmc_data.scoring.observations import Split, columns_of, stack_columns

#: Ridge of the linear map, in numbers of simulations.
_RIDGE = 3.0
#: Standard deviations of the training set at which inputs are clipped.
_FARTHEST = 6.0


@dataclass(frozen=True)
class Points:
    """Where the likelihood is evaluated, a row for each point.

    Attributes
    ----------
    theta : ndarray, shape (n, 3)
        m_lmc, m200_mw [Msun], log10_lambda_df.
    nuisances : ndarray, shape (n, 3)
        m_lmc_8p7 [Msun], beta0, r_dehnen [kpc].
    lmc : ndarray, shape (n, 6)
        The LMC today, Galactocentric [kpc, km/s].
    past : ndarray, shape (n, 33)
        Of `past_velocities`.
    """

    theta: NDArray
    nuisances: NDArray
    lmc: NDArray
    past: NDArray

    def __len__(self) -> int:
        return len(self.theta)


#: Maps theta (n, 3), m_lmc_8p7 (n,) and the LMC today to the Milky Way's past (n, h), as `past_velocities` does.
Past = Callable[[NDArray, NDArray, NDArray], NDArray]


def integrate_split(
    task: Learnable, split: Split, part: str, orbits: Past = past_velocities
) -> tuple[Points, Float64Array]:
    """Integrate the orbits of a split's rows.

    Parameters
    ----------
    task : Learnable
        Its prior names the set of simulations.
    split : Split
        Rows of the task; no others are used.
    part : str
        "train" or "validation".
    orbits : callable
        Integrates them.

    Returns
    -------
    points : Points
    travel : ndarray, shape (n, 3)
        [km/s].

    Raises
    ------
    ValueError
        If the catalogue lacks one of the rows.
    """
    table = columns_of(part, ["sim_id", *NUISANCES, *LMC_VECTOR, *TRAVEL], task.prior.config)
    places = np.minimum(np.searchsorted(table["sim_id"], split.sim_id), len(table["sim_id"]) - 1)
    if not np.array_equal(table["sim_id"][places], split.sim_id):
        lost = split.sim_id[table["sim_id"][places] != split.sim_id]
        known = f"the simulations of the {part} split of the {task.prior.config} set"
        raise ValueError(f"sim_id = {lost[0]}: allowed are {known}")
    nuisances, lmc, travel = (stack_columns(table, names)[places] for names in (NUISANCES, LMC_VECTOR, TRAVEL))
    theta = np.asarray(split.theta, dtype=np.float64)
    past = orbits(theta, nuisances[:, 0], lmc)
    return Points(theta, nuisances.astype(np.float64), lmc.astype(np.float64), past), travel.astype(np.float64)


class SimulatedLikelihood:
    """Gaussian density of the travel vector given parameters, nuisances and the LMC today.

    Parameters
    ----------
    prior : Prior
        Of theta = (m_lmc, m200_mw, log10_lambda_df), in this order.
    effort : Effort, optional
        How much is spent.

    Raises
    ------
    ValueError
        If the parameters are not these.
    """

    hidden = 96
    default = Training(epochs=16, learning_rate=3e-3, max_batch=1000, weight_decay=0.1)

    def __init__(self, prior: Prior, effort: Effort | None = None) -> None:
        if tuple(prior.parameters) != THETA:
            raise ValueError(f"parameters = {', '.join(prior.parameters)}: allowed is {', '.join(THETA)}")
        self.prior, self.effort = prior, effort or Effort()
        self._arrays: dict[str, NDArray] = {}
        self._net: ConditionalGaussian | None = None

    @property
    def outcome(self) -> Trained:
        """How the network's training went."""
        return self._require_fitted().outcome

    def fit(self, training: tuple[Points, NDArray], validation: tuple[Points, NDArray], seed: int = 0) -> None:
        """Learn from points and the travel vectors [km/s] there.

        Parameters
        ----------
        training, validation : tuple of Points and ndarray of shape (n, 3)
            The network keeps the weights that are best on the latter.
        seed : int
            Seed of the network's training.
        """
        import torch

        raw, travel = self._raw(training[0]), training[1]
        self._arrays = {"centre": raw.mean(axis=0), "width": np.maximum(raw.std(axis=0), 1e-12)}
        inputs = self._inputs(training[0])
        design = _with_one(inputs)
        inverse = np.linalg.inv(design.T @ design + np.diag(np.r_[np.full(raw.shape[1], _RIDGE), 0.0]))
        self._arrays["linear"] = inverse @ (design.T @ travel)
        # residuals from the map fitted to all other rows: on few rows a row's own fit makes its residual too small
        leverage = np.einsum("ni,ij,nj->n", design, inverse, design)
        left_out = (travel - design @ self._arrays["linear"]) / (1.0 - leverage)[:, None]
        self._arrays["spread"] = np.linalg.cholesky(np.cov(left_out.T))
        pairs = (self._whitened(left_out), inputs), (self._standard(*validation), self._inputs(validation[0]))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._net = ConditionalGaussian(raw.shape[1], 3, self.hidden)
            self._net.fit(*pairs, self.default, self.effort)

    def log_density(self, travel: NDArray, points: Points) -> Float64Array:
        """Compute the log density of a travel vector (3,) or vectors (n, 3) [per (km/s)^3].

        Returns
        -------
        ndarray, shape (n,)
            -inf where there is no orbit.
        """
        known = np.isfinite(points.past).all(axis=1)
        points = replace(points, past=np.where(known[:, None], points.past, 0.0))
        log_density = self._require_fitted().log_density(self._standard(points, travel), self._inputs(points))
        return np.where(known, log_density - np.log(np.diag(self._arrays["spread"])).sum(), -np.inf)

    def state(self) -> dict[str, NDArray]:
        """Return everything learnt."""
        return {**self._arrays, **{f"net.{name}": values for name, values in self._require_fitted().state().items()}}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Restore what was learnt, from `state`."""
        self._arrays = {name: np.asarray(values) for name, values in state.items() if not name.startswith("net.")}
        self._net = ConditionalGaussian(len(self._arrays["centre"]), 3, self.hidden)
        self._net.restore({n.removeprefix("net."): v for n, v in state.items() if n.startswith("net.")})

    def _raw(self, points: Points) -> Float64Array:
        """Join all that the travel vector may depend on: scores of parameters and nuisances, the LMC, the past."""
        halo = MARGINALS[self.prior.config]
        enclosed = score(points.nuisances[:, 0], points.theta[:, 0])
        flat = [halo[name].cdf(points.nuisances[:, i]) for i, name in enumerate(NUISANCES) if i > 0]
        scores = [Scores(self.prior).forward(points.theta), np.stack([enclosed, *flat], axis=1)]
        return np.concatenate([*scores, points.lmc, points.past], axis=1)

    def _inputs(self, points: Points) -> Float64Array:
        standard = (self._raw(points) - self._arrays["centre"]) / self._arrays["width"]
        return np.clip(standard, -_FARTHEST, _FARTHEST)

    def _standard(self, points: Points, travel: NDArray) -> Float64Array:
        """Subtract the linear map from travel vectors, in units of its residuals."""
        return self._whitened(travel - _with_one(self._inputs(points)) @ self._arrays["linear"])

    def _whitened(self, residual: NDArray) -> Float64Array:
        return np.linalg.solve(self._arrays["spread"], residual.T).T

    def _require_fitted(self) -> ConditionalGaussian:
        if self._net is None:
            raise RuntimeError("the likelihood is not trained; call fit first")
        return self._net


def _with_one(inputs: NDArray) -> Float64Array:
    return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
