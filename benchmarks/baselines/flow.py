"""Neural posterior estimation with a network of sbi (Greenberg et al. 2019, one round), the base of the flows."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws, Effort, in_support
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.training import Training
from benchmarks.baselines.truncation import draw_inside
from benchmarks.common.sets import Learnable, box_of
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs, Scores

#: Maps a number n and observations (k, f) to draws (k, n, d), all tensors but n.
Sampler = Callable[[int, Any], Any]

#: Observations drawn together.
_BLOCK = 64
#: Draws by which the mass inside the support is estimated.
_N_MASS = 2000


class Flow(NetworkBaseline, abc.ABC):
    """A density estimator of sbi, trained with our own loop.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the baseline's own.

    Attributes
    ----------
    bounded : bool
        True: the flow is a density of normal scores of the prior and cannot leave its support. False: it is a density
        of the parameters, as in the paper; draws outside are rejected, and the density is divided by the mass inside.
    network : dict
        Name of sbi's builder and its options.
    validate_with : int
        Number of evaluations of each validation row, for random losses.
    """

    bounded: bool = True
    network: ClassVar[dict[str, Any]]
    validate_with: ClassVar[int] = 1
    default: ClassVar[Training]

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort, training or self.default)
        self._task: Learnable | None = None
        self._inputs: Inputs | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train split and keep the weights that are best on the validation split."""
        import torch

        self._task, self._inputs = task, Inputs.from_data(task.train.x, task.x_names)
        device = self.effort.device
        splits = task.train, task.validation
        data = [(self._tensor(s.theta), loop.to_tensor(self._inputs(s.x), device)) for s in splits]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._net = self._build(*data[0])
            settings, progress = self.effort.shorten(self.training or self.default), self.effort.progress
            self.outcome = loop.train(self._net, data[0], data[1], settings, progress, self.validate_with)

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the posterior inside the prior's support."""
        import torch

        net, task, inputs = self._require_fitted()
        x, sampler = np.atleast_2d(x), self._sampler(net)

        def draw(rows: NDArray, m: int) -> NDArray:
            with torch.no_grad():
                drawn = sampler(m, loop.to_tensor(inputs(rows), self.effort.device))
            return self._from_flow(drawn.cpu().numpy().astype(np.float64))

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            if not self.bounded:
                return draw_inside(draw, x, n, *box_of(task.prior), block=_BLOCK)
            return Draws.of(np.concatenate([draw(x[i : i + _BLOCK], n) for i in range(0, len(x), _BLOCK)]))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta, normalised over the support by the acceptance."""
        import torch

        net, task, inputs = self._require_fitted()
        theta = np.asarray(theta, dtype=np.float64)
        device = self.effort.device
        with torch.no_grad():
            found = -net.loss(self._tensor(theta), loop.to_tensor(inputs(x), device)).cpu().numpy().astype(np.float64)
        if self.bounded:
            found = Scores(task.prior).log_density(found, theta)
        else:
            if acceptance is None:
                acceptance = self.sample(x, _N_MASS, seed=0).acceptance
            with np.errstate(divide="ignore"):
                found = found - np.log(self._widths(task)).sum() - np.log(np.maximum(acceptance, 1e-6))
        return np.where(in_support(theta, *box_of(task.prior)), found, -np.inf)

    def state(self) -> dict[str, NDArray]:
        """Return the weights of the network, and what standardises its data."""
        net, _, inputs = self._require_fitted()
        weights = {f"net.{name}": values for name, values in loop.state_of(net).items()}
        return {**weights, **inputs.state()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""
        self._task = task
        self._inputs = Inputs.from_state(state, task.x_names)
        # the builder needs some spread to standardise by; the state restores that of the training
        rng = np.random.default_rng(0)
        theta, x = rng.normal(size=(16, len(task.theta_names))), rng.normal(size=(16, len(self._inputs.centre)))
        self._net = self._build(loop.to_tensor(theta), loop.to_tensor(x))
        weights = {name.removeprefix("net."): v for name, v in state.items() if name.startswith("net.")}
        loop.load_state(self._net, weights, self.effort.device)

    def _build(self, theta: Any, x: Any) -> Any:
        """Build sbi's density estimator, which standardises both arguments by these tensors."""
        from sbi.neural_nets import posterior_nn

        return posterior_nn(**self.network)(theta, x).to(self.effort.device)

    def _sampler(self, net: Any) -> Sampler:
        """Return what draws from the network: the library's own method."""
        return lambda n, x: net.sample((n,), x).transpose(0, 1)

    def _tensor(self, theta: NDArray) -> Any:
        """Convert the task's parameters to the variables of the flow."""
        task = self._task
        assert task is not None
        values = Scores(task.prior).forward(theta) if self.bounded else np.asarray(theta, float) / self._widths(task)
        return loop.to_tensor(values, self.effort.device)

    def _from_flow(self, values: NDArray) -> Float64Array:
        task = self._task
        assert task is not None
        return Scores(task.prior).inverse(values) if self.bounded else values * self._widths(task)

    @staticmethod
    def _widths(task: Learnable) -> Float64Array:
        return np.array([marginal.std for marginal in task.prior.marginals.values()])

    def _require_fitted(self) -> tuple[Any, Learnable, Inputs]:
        if self._net is None or self._task is None or self._inputs is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._net, self._task, self._inputs
