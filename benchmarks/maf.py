"""The paper's estimator: neural posterior estimation with a masked autoregressive flow of sbi.

Five transforms of 50 hidden units (Brooks et al. 2025, sec. 3; Papamakarios et al. 2017; Greenberg et al.
2019 with one round). The network is sbi's; the loop over it is here, because indexing two tensors is several
times faster than sbi's loader, the split is the catalogue's own, and no log directory appears where the
program is run.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.estimator import Draws, truncated_draws
from benchmarks.features import Logit, Problem, ScaledPrior

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Training:
    """Settings of the training.

    Attributes
    ----------
    hidden, transforms : int
        Of the flow.
    batch : int or None
        Rows a step; by default a 64th of the training set, between 50 and 2,000.
    learning_rate : float or None
        Of Adam; by default 5e-4 at a batch of 50, growing with its square root, at most 2e-3.
    patience : int
        Epochs without a better validation loss after which the training ends; a third of it halves the rate.
    max_epochs : int
        Upper limit.
    max_seconds : float
        Upper limit of time; the best weights so far are kept.
    clip : float
        Largest norm of the gradient.
    """

    hidden: int = 50
    transforms: int = 5
    batch: int | None = None
    learning_rate: float | None = None
    patience: int = 24
    max_epochs: int = 1000
    max_seconds: float = 180.0
    clip: float = 5.0

    def batch_for(self, n: int) -> int:
        """Rows a step for a training set of n."""
        return self.batch or int(np.clip(n // 64, 50, 2000))

    def rate_for(self, batch: int) -> float:
        """Learning rate for a batch."""
        return self.learning_rate or min(2e-3, 5e-4 * math.sqrt(batch / 50))


@dataclass
class Maf:
    """Masked autoregressive flow, truncated to the prior's support.

    Attributes
    ----------
    training : Training
        Settings.
    bounded : bool
        False: as the paper, the flow lives on the parameters and its mass outside the prior is cut off. True:
        the same flow lives on their logit within the prior's support, and has no mass outside.
    history : list of (float, float)
        Mean loss of training and validation after each epoch [nats].
    seconds : float
        Time of the training.
    stopped_by : str
        "patience", "epochs" or "time".
    """

    training: Training = field(default_factory=Training)
    bounded: bool = False
    progress: bool = True
    name: str = "NPE, masked autoregressive flow"
    history: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    stopped_by: str = ""
    _net: Any = None
    _prior: ScaledPrior | None = None

    def fit(self, problem: Problem, seed: int = 0) -> None:
        """Train on the split train and keep the weights that are best on the split validation.

        Parameters
        ----------
        problem : Problem
            The arrays.
        seed : int
            Of the initial weights and the order of the batches.
        """
        import torch

        self._prior = problem.prior
        splits = ("train", "validation")
        from_arrays = {s: (_tensor(self._to_flow(problem.theta[s])), _tensor(problem.x[s])) for s in splits}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = _build(self.training, *from_arrays["train"])
            self._train(from_arrays["train"], from_arrays["validation"])

    def _train(self, train: tuple[torch.Tensor, ...], validation: tuple[torch.Tensor, ...]) -> None:
        """Run epochs until the validation loss stops falling."""
        import torch

        setting, net = self.training, self._net
        batch = setting.batch_for(len(train[0]))
        optimiser = torch.optim.Adam(net.parameters(), lr=setting.rate_for(batch))
        patience = max(1, setting.patience // 3)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience)
        best, best_state, waited, start = math.inf, copy.deepcopy(net.state_dict()), 0, time.monotonic()
        self.history, self.stopped_by = [], "epochs"
        epochs = range(setting.max_epochs)
        bar = tqdm(epochs, "  epochs", disable=not self.progress, mininterval=1.0, leave=False)
        for _ in bar:
            loss = _epoch(net, optimiser, train, batch, setting.clip)
            held_out = _mean_loss(net, validation)
            schedule.step(held_out)
            self.history.append((loss, held_out))
            waited += 1
            if held_out < best:
                best, best_state, waited = held_out, copy.deepcopy(net.state_dict()), 0
            bar.set_postfix_str(f"validation loss {held_out:.3f}, best {best:.3f}", refresh=False)
            if waited >= setting.patience:
                self.stopped_by = "patience"
                break
            if time.monotonic() - start > setting.max_seconds:
                self.stopped_by = "time"
                break
        bar.close()
        self.seconds = time.monotonic() - start
        if not math.isfinite(best):
            raise RuntimeError(f"the training never reached a finite validation loss: {self.history}")
        net.load_state_dict(best_state)
        net.eval()

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the posterior inside the prior's support.

        Parameters
        ----------
        x : ndarray, shape (k, 10)
            Rows of `features`.
        n : int
            Draws for each.
        seed : int
            Of the draws.

        Returns
        -------
        Draws
            In scaled units.
        """
        import torch

        net, prior = self._fitted()

        def draw(rows: NDArray, m: int) -> NDArray:
            with torch.no_grad():
                drawn = net.sample((m,), _tensor(rows)).transpose(0, 1).numpy().astype(np.float64)
            return self._logit.inverse(drawn) if self.bounded else drawn

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return truncated_draws(draw, np.atleast_2d(x), n, prior.low, prior.high)

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray) -> NDArray[np.float64]:
        """Log posterior density, normalised over the prior's support by the acceptance.

        Parameters
        ----------
        theta : ndarray, shape (k, 3)
            Scaled parameters; those outside the support have density zero.
        x : ndarray, shape (k, 10)
            Rows of `features`.
        acceptance : ndarray, shape (k,)
            Mass of the flow inside the support, as `sample` reports it.

        Returns
        -------
        ndarray, shape (k,)
            Per scaled units.
        """
        import torch

        net, prior = self._fitted()
        with torch.no_grad():
            raw = -net.loss(_tensor(self._to_flow(theta)), _tensor(x)).numpy().astype(np.float64)
        if self.bounded:
            raw = raw + self._logit.log_jacobian(self._logit.forward(theta))
        inside = ((theta >= prior.low) & (theta <= prior.high)).all(axis=-1)
        with np.errstate(divide="ignore"):
            return np.where(inside, raw - np.log(acceptance), -np.inf)

    @property
    def _logit(self) -> Logit:
        assert self._prior is not None
        return Logit(self._prior.low, self._prior.high)

    def _to_flow(self, theta: NDArray) -> NDArray[np.float64]:
        """From scaled parameters to what the flow lives on."""
        return self._logit.forward(theta) if self.bounded else theta

    @property
    def n_weights(self) -> int:
        """Number of trained weights."""
        return sum(p.numel() for p in self._fitted()[0].parameters())

    def _fitted(self) -> tuple[Any, ScaledPrior]:
        if self._net is None or self._prior is None:
            raise RuntimeError("the estimator is not trained; call fit first")
        return self._net, self._prior


def _tensor(array: NDArray) -> torch.Tensor:
    import torch

    return torch.as_tensor(np.asarray(array, dtype=np.float32))


def _build(setting: Training, theta: torch.Tensor, x: torch.Tensor) -> Any:
    """Return sbi's density estimator, which standardises both arguments by these tensors."""
    from sbi.neural_nets import posterior_nn

    make = posterior_nn("maf", hidden_features=setting.hidden, num_transforms=setting.transforms)
    return make(theta, x)


def _epoch(
    net: Any, optimiser: torch.optim.Optimizer, data: tuple[torch.Tensor, ...], batch: int, clip: float
) -> float:
    """Step once over the training set in random order and return the mean loss."""
    import torch

    theta, x = data
    net.train()
    total = 0.0
    for rows in torch.randperm(len(theta)).split(batch):
        optimiser.zero_grad()
        loss = net.loss(theta[rows], x[rows]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimiser.step()
        total += loss.item() * len(rows)
    return total / len(theta)


def _mean_loss(net: Any, data: tuple[torch.Tensor, ...]) -> float:
    import torch

    net.eval()
    with torch.no_grad():
        return float(net.loss(*data).mean())
