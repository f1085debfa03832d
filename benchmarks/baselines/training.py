"""The training loop of all baselines with a network.

The loop indexes two tensors directly, which is several times faster than a stock loader at these sizes. The splits are
the task's own. It uses one thread (`use_one_thread`), because a second one waits more than it works. It writes no logs.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

if TYPE_CHECKING:
    import torch

    from benchmarks.baselines.base import Effort


@dataclass(frozen=True)
class Training:
    """Settings of a training.

    Attributes
    ----------
    batch : int or None
        Rows a step; by default a 64th of the training set, between 50 and `max_batch`.
    max_batch : int
        Upper limit of the default batch.
    learning_rate : float or None
        By default 5e-4 at a batch of 50, growing with its square root, at most 2e-3. With a fixed number of epochs, the
        maximum of the cycle.
    weight_decay : float
        Weight decay of AdamW; 0 is Adam.
    epochs : int or None
        None: the rate is halved whenever the validation loss stalls, until it no longer falls. A number: the rate
        follows one cycle over as many epochs (Smith & Topin 2017), without patience.
    min_steps : int
        Minimum number of steps, for which small training sets get more epochs.
    patience : int
        Epochs without a better validation loss after which the training ends; a third of it halves the rate.
    max_epochs : int
        Upper limit of the epochs that patience allows.
    clip : float
        Largest norm of the gradient.
    fused : bool
        Step all weights in one kernel, which saves a fifth of the training time of a small network and rounds
        differently: the stored results of baselines with False were computed without it.
    """

    batch: int | None = None
    max_batch: int = 2000
    learning_rate: float | None = None
    weight_decay: float = 0.0
    epochs: int | None = None
    min_steps: int = 0
    patience: int = 24
    max_epochs: int = 1000
    clip: float = 5.0
    fused: bool = False

    def batch_for(self, n: int) -> int:
        """Return the rows per step for a training set of n."""
        return self.batch or int(np.clip(n // 64, 50, self.max_batch))

    def rate_for(self, batch: int) -> float:
        """Return the learning rate for a batch."""
        return self.learning_rate or min(2e-3, 5e-4 * math.sqrt(batch / 50))

    def epochs_for(self, n: int) -> int:
        """Return the epochs for a training set of n; an upper limit if patience decides."""
        if self.epochs is None:
            return self.max_epochs
        return max(self.epochs, math.ceil(self.min_steps / math.ceil(n / self.batch_for(n))))

    def shorten(self, epochs: Callable[[int], int]) -> Training:
        """Return the same with fewer epochs: a fixed number scaled by `epochs`, or a tenth of the limit of patience."""
        if self.epochs is None:
            return replace(self, max_epochs=epochs(self.max_epochs // 10))
        return replace(self, epochs=epochs(self.epochs), min_steps=self.min_steps // 5)


@dataclass
class Trained:
    """The course of a training.

    Attributes
    ----------
    history : list of (float, float)
        Mean loss of training and validation after each epoch [nats].
    seconds : float
        Duration of the training.
    stopped_by : str
        "patience" or "epochs".
    """

    history: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    stopped_by: str = "epochs"


#: Parameters (n, d) and data (n, f), or other arguments of the network's loss.
Pair = tuple["torch.Tensor", "torch.Tensor"]


def train(
    net: Any, training: Pair, validation: Pair, setting: Training, progress: bool = False, validate_with: int = 1
) -> Trained:
    """Train a network until its validation loss stops falling, and leave it with the best weights.

    Parameters
    ----------
    net : torch.nn.Module
        ``net.loss(theta, x)`` returns the loss of each row.
    training, validation : tuple of two tensors
        The arrays, on the network's device.
    setting : Training
    progress : bool
        Show a progress bar.
    validate_with : int
        Number of evaluations of each validation row, for random losses.

    Returns
    -------
    Trained

    Raises
    ------
    RuntimeError
        If the validation loss is never finite.
    """
    import torch

    batch = setting.batch_for(len(training[0]))
    epochs = setting.epochs_for(len(training[0]))
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=setting.rate_for(batch), weight_decay=setting.weight_decay, fused=setting.fused or None
    )
    cycle = plateau = None
    if setting.epochs is None:
        patience = max(1, setting.patience // 3)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience)
    else:
        steps = epochs * math.ceil(len(training[0]) / batch)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, setting.rate_for(batch), total_steps=steps)
    best, best_state, waited, start = math.inf, copy.deepcopy(net.state_dict()), 0, time.monotonic()
    found = Trained()
    bar = tqdm(range(epochs), "  epochs", disable=not progress, mininterval=1.0, leave=False)
    for _ in bar:
        loss = _epoch(net, optimiser, cycle, training, batch, setting.clip)
        held_out = mean_loss(net, validation, validate_with)
        if plateau is not None:
            plateau.step(held_out)
        found.history.append((loss, held_out))
        waited += 1
        if held_out < best:
            best, best_state, waited = held_out, copy.deepcopy(net.state_dict()), 0
        bar.set_postfix_str(f"validation loss {held_out:.3f}, best {best:.3f}", refresh=False)
        if setting.epochs is None and waited >= setting.patience:
            found.stopped_by = "patience"
            break
    bar.close()
    found.seconds = time.monotonic() - start
    if not math.isfinite(best):
        raise RuntimeError(f"the validation loss is never finite: {found.history}")
    net.load_state_dict(best_state)
    net.eval()
    return found


def train_new(
    build: Callable[[], Any], training: Pair, validation: Pair, setting: Training, effort: Effort, seed: int
) -> tuple[Any, Trained]:
    """Build a network and train it, with all random numbers from a seed of their own.

    Parameters
    ----------
    build : callable
        Returns the network.
    training, validation : tuple of two tensors
        The arrays, on the device of `effort`.
    setting : Training
        Of a whole training; a fast one is shorter.
    effort : Effort
    seed : int

    Returns
    -------
    net : torch.nn.Module
        With the best weights, on the device.
    outcome : Trained

    Raises
    ------
    RuntimeError
        If the validation loss is never finite.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build().to(effort.device)
        return net, train(net, training, validation, effort.shorten(setting), effort.progress)


def _epoch(net: Any, optimiser: Any, cycle: Any, data: Pair, batch: int, clip: float) -> float:
    """Step once over the training set in random order and return the mean loss."""
    import torch

    theta, x = data
    net.train()
    total = 0.0
    for rows in torch.randperm(len(theta)).to(theta.device).split(batch):
        optimiser.zero_grad()
        loss = net.loss(theta[rows], x[rows]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimiser.step()
        if cycle is not None:
            cycle.step()
        total += loss.item() * len(rows)
    return total / len(theta)


def mean_loss(net: Any, data: Pair, repeats: int = 1) -> float:
    """Compute the mean loss without training; random losses always use the same random numbers."""
    import torch

    net.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return float(np.mean([float(net.loss(*data).mean()) for _ in range(repeats)]))


def to_tensor(array: NDArray, device: str = "cpu") -> torch.Tensor:
    """Convert an array to a tensor of float32."""
    import torch

    return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32)).to(device)


def use_one_thread() -> None:
    """Make torch use one thread: at these sizes a second one waits more than it works."""
    import torch

    torch.set_num_threads(1)


def state_of(net: Any) -> dict[str, NDArray]:
    """Return weights and buffers of a network as arrays."""
    return {name: values.detach().cpu().numpy().copy() for name, values in net.state_dict().items()}


def load_state(net: Any, state: dict[str, NDArray], device: str = "cpu") -> None:
    """Load arrays of `state_of` into a network of the same architecture."""
    import torch

    net.load_state_dict({name: torch.as_tensor(np.array(values)) for name, values in state.items()})
    net.to(device)
    net.eval()
