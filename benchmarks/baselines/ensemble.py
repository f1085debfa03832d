"""Several neural spline flows in place of one: their mean is less sure where they disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from benchmarks.baselines.base import Baseline, Draws, Effort, create
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array

N_MEMBERS = 5
MEMBER = "nsf"


class NsfEnsemble(Baseline):
    """Mixture of five neural spline flows with equal weights, which differ only in their seeds.

    With seed s the members are the flows of the baseline "nsf" with seeds 5 s to 5 s + 4, so that a program that stores
    what it trained (`Baseline.get_trained`) trains none twice.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    """

    name = "nsf-ensemble"
    title = "NPE, 5 neural spline flows"
    source = "Lakshminarayanan et al. 2017, arXiv:1612.01474; Hermans et al. 2022, arXiv:2110.06581, sec. 4"

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List the members."""
        return tuple((MEMBER, N_MEMBERS * seed + i) for i in range(N_MEMBERS))

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._members: list[Baseline] = []

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Get the trained members."""
        self._members = [self.get_trained(name, task, of_member) for name, of_member in self.list_parts(seed)]

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw a fifth from each member; where n is no multiple of five, random members give one more."""
        members, rng = self._require_fitted(), np.random.default_rng(seed)
        counts = n // N_MEMBERS + (rng.permutation(N_MEMBERS) < n % N_MEMBERS)
        parts = [
            member.sample(x, int(count), N_MEMBERS * seed + i)
            for i, (member, count) in enumerate(zip(members, counts, strict=True))
            if count
        ]
        theta = np.concatenate([part.theta for part in parts], axis=1)[:, rng.permutation(n)]
        acceptance = np.average([part.acceptance for part in parts], axis=0, weights=counts[counts > 0])
        return Draws(theta, acceptance, np.all([part.complete for part in parts], axis=0))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the logarithm of the mean of the members' densities, which need no acceptance."""
        return logsumexp([m.log_prob(theta, x) for m in self._require_fitted()], axis=0) - np.log(N_MEMBERS)

    @property
    def n_parameters(self) -> int:
        """Trained weights of all members."""
        return sum(member.n_parameters for member in self._require_fitted())

    @property
    def history(self) -> list[tuple[float, float]]:
        """Mean of the members' losses, over the epochs that all of them ran."""
        epochs = zip(*(member.history for member in self._members), strict=False)
        return [(float(np.mean([a for a, _ in e])), float(np.mean([b for _, b in e]))) for e in epochs]

    def state(self) -> dict[str, NDArray]:
        """Return the members' states, with the prefixes "member0." and so on."""
        members = enumerate(self._require_fitted())
        return {f"member{i}.{key}": values for i, member in members for key, values in member.state().items()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""
        self._members = []
        for i in range(N_MEMBERS):
            prefix = f"member{i}."
            member = create(MEMBER, self.effort)
            member.restore(task, {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
            self._members.append(member)

    def _require_fitted(self) -> list[Baseline]:
        if not self._members:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._members
