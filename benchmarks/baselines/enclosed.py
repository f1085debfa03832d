"""Proposals of the LMC's mass within 8.7 kpc, the nuisance on which the orbit depends.

Drawn from its prior, it halves the number of effective draws, because it moves the travel vector as much as the
parameters do. A Gaussian given the parameters and the data, learnt from the task's own rows, proposes it instead. Part
of the proposals come from the prior, so that a bad Gaussian costs draws and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from benchmarks.baselines.base import Effort
from benchmarks.baselines.gaussian import ConditionalGaussian
from benchmarks.baselines.training import Trained, Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.priors import ENCLOSED_MASS, Normal
from mwlmc_data.scoring.observations import Split

#: Probability at which scores are cut.
_EDGE = 1e-6
_FROM_PRIOR = 0.2
_WIDER = 1.1
#: Limits of the Gaussian's mean and width, in scores; far from the training set it may be anything.
_MAX_MEAN, _WIDTHS = 2.5, (0.05, 1.0)


def score(enclosed: NDArray, m_lmc: NDArray) -> Float64Array:
    """Return normal scores of masses within 8.7 kpc [Msun] under their prior given m_lmc [Msun], shape (n,)."""
    law, m_lmc = ENCLOSED_MASS, np.asarray(m_lmc, dtype=np.float64)
    cut = Normal(law.loc, law.scale, law.low, law.fraction * m_lmc)  # type: ignore[arg-type]
    return ndtri(np.clip(cut.cdf(np.asarray(enclosed, dtype=np.float64)), _EDGE, 1.0 - _EDGE))


class EnclosedMass:
    """Gaussian of the score of m_lmc_8p7 given theta and the data.

    Parameters
    ----------
    task : Learnable
        Its first parameter is m_lmc.
    effort : Effort, optional
        How much is spent.
    """

    hidden = 64
    default = Training(epochs=10, learning_rate=3e-3, max_batch=1000, weight_decay=0.1)

    def __init__(self, task: Learnable, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()
        self._scores, self._names = Scores(task.prior), tuple(task.x_names)
        self._encode: Inputs | None = None
        self._net: ConditionalGaussian | None = None

    @property
    def outcome(self) -> Trained:
        """How the training went."""
        return self._require_fitted()[1].outcome

    def fit(self, training: tuple[Split, NDArray], validation: tuple[Split, NDArray], seed: int = 0) -> None:
        """Learn from splits, each with its masses within 8.7 kpc (n,) [Msun]."""
        import torch

        self._encode = Inputs.from_data(training[0].x, self._names)
        data = []
        for split, enclosed in (training, validation):
            u = score(enclosed, split.theta[:, 0])[:, None]
            data.append((u, self._inputs(split.theta, split.x)))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._net = ConditionalGaussian(data[0][1].shape[1], 1, self.hidden)
            self._net.fit(data[0], data[1], self.default, self.effort)

    def propose(self, theta: NDArray, x: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Propose a mass for each row of parameters.

        Parameters
        ----------
        theta : ndarray, shape (m, 3)
            Parameters.
        x : ndarray, shape (f,)
            The observation.
        rng : Generator

        Returns
        -------
        enclosed : ndarray, shape (m,)
            [Msun].
        log_ratio : ndarray, shape (m,)
            Logarithm of the prior's density over the proposals'.
        """
        rows = self._inputs(theta, np.repeat(np.asarray(x)[None], len(theta), axis=0))
        mean, width = (values[:, 0] for values in self._require_fitted()[1].marginals(rows))
        mean, width = np.clip(mean, -_MAX_MEAN, _MAX_MEAN), np.clip(_WIDER * width, *_WIDTHS)
        of_prior, normal = rng.random(len(theta)) < _FROM_PRIOR, rng.normal(size=len(theta))
        u = np.where(of_prior, normal, mean + width * normal)
        log_prior = -0.5 * u**2
        log_own = -0.5 * np.square((u - mean) / width) - np.log(width)
        log_q = np.logaddexp(np.log(_FROM_PRIOR) + log_prior, np.log1p(-_FROM_PRIOR) + log_own)
        return ENCLOSED_MASS.quantile(ndtr(u), theta[:, 0]), log_prior - log_q

    def state(self) -> dict[str, NDArray]:
        """Return everything learnt."""
        encode, net = self._require_fitted()
        return {**encode.state(), **net.state()}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Restore what was learnt, from `state`."""
        self._encode = Inputs.from_state(state, self._names)
        weights = {name: values for name, values in state.items() if name not in self._encode.state()}
        n_theta = len(self._scores.prior.parameters)
        self._net = ConditionalGaussian(n_theta + len(self._encode.centre), 1, self.hidden)
        self._net.restore(weights)

    def _inputs(self, theta: NDArray, x: NDArray) -> Float64Array:
        assert self._encode is not None
        return np.concatenate([self._scores.forward(theta), self._encode(x)], axis=1)

    def _require_fitted(self) -> tuple[Inputs, ConditionalGaussian]:
        if self._encode is None or self._net is None:
            raise RuntimeError("the proposals are not trained; call fit first")
        return self._encode, self._net
