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
    """Mixture of five neural spline flows with equal weights, which differ in their seeds only.

    With the seed s the members are the flows of the seeds 5 s to 5 s + 4: those of the baseline "nsf" itself, so that a
    program that keeps what it trained (`Baseline.trained`) trains none twice.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    """

    name = "nsf-ensemble"
    title = "NPE, 5 neural spline flows"
    source = "Lakshminarayanan et al. 2017, arXiv:1612.01474; Hermans et al. 2022, arXiv:2110.06581, sec. 4"

    @classmethod
    def parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """The members."""
        return tuple((MEMBER, N_MEMBERS * seed + i) for i in range(N_MEMBERS))

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._members: list[Baseline] = []

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train the members, or take them from who has them."""
        self._members = [self.trained(name, task, of_member) for name, of_member in self.parts(seed)]

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw a fifth from each member; where n is no multiple of five, members at random give one more."""
        members, rng = self._fitted(), np.random.default_rng(seed)
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
        """Logarithm of the mean of the members' densities, which need no acceptance."""
        return logsumexp([m.log_prob(theta, x) for m in self._fitted()], axis=0) - np.log(N_MEMBERS)

    @property
    def n_parameters(self) -> int:
        """Trained weights of all members."""
        return sum(member.n_parameters for member in self._fitted())

    @property
    def history(self) -> list[tuple[float, float]]:
        """Means of the members' losses, as long as all of them trained."""
        epochs = zip(*(member.history for member in self._members), strict=False)
        return [(float(np.mean([a for a, _ in e])), float(np.mean([b for _, b in e]))) for e in epochs]

    def state(self) -> dict[str, NDArray]:
        """States of the members, after "member0." and so on."""
        members = enumerate(self._fitted())
        return {f"member{i}.{key}": values for i, member in members for key, values in member.state().items()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Become what was trained on a task."""
        self._members = []
        for i in range(N_MEMBERS):
            prefix = f"member{i}."
            member = create(MEMBER, self.effort)
            member.restore(task, {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
            self._members.append(member)

    def _fitted(self) -> list[Baseline]:
        if not self._members:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._members
