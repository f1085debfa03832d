"""The networks that `mw.infer` draws from: densities of the true travel velocity, trained apart from the leaderboard.

Each fitted vector of the training set has its own covariance, from a fit to one halo's stars. The loss is minus the log
density of the fitted vector, sum_k w_k N(v; mu_k, S_k + C_row): the network learns w, mu and S without the noise (Bovy,
Hogg & Roweis 2011, AnnApS 5, 1657), so that `mwlmc_data.inference` can insert the covariance of a measurement instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import mdn
from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Effort
from benchmarks.baselines.nle import default_training
from benchmarks.baselines.training import Trained
from benchmarks.suite import models
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import release
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.deconvolved import TRAVEL, DeconvolvedLikelihood
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.inference.mixture import DeconvolvedMixture
from mwlmc_data.inference.networks import name_network
from mwlmc_data.inference.shells import WHOLE
from mwlmc_data.inference.targets import TARGETS, TOTAL, make_prior
from mwlmc_data.simulator.reflex import Shell, name_shell

NAME = "deconvolved travel velocity"
#: Version of the training: a network of another version is trained again.
VERSION = 1
SEED = 0
HIDDEN = (128, 128, 128)
N_COMPONENTS = 6
COVARIANCE = tuple(f"cov_v{a}_v{b}" for a, b in ("xx", "xy", "xz", "yy", "yz", "zz"))
_UPPER = np.triu_indices(3)


@dataclass(frozen=True)
class Rows:
    """Simulations as input of the training, with the fits to the stars of one shell.

    Attributes
    ----------
    theta : ndarray, shape (n, 3)
        What is inferred, in the catalogue's units.
    lmc : ndarray, shape (n, 6)
        The LMC's vector [kpc, km/s].
    vector : ndarray, shape (n, 3)
        Fitted travel velocities [km/s].
    covariance : ndarray, shape (n, 3, 3)
        Covariance of each fit [km^2/s^2].
    """

    theta: Float64Array
    lmc: Float64Array
    vector: Float64Array
    covariance: Float64Array

    @classmethod
    def of(cls, table: Mapping[str, NDArray], shell: Shell = WHOLE, targets: str = TOTAL) -> Rows:
        """Take the columns `list_columns` of a table."""
        chosen = (np.stack([np.asarray(table[c], np.float64) for c in names], axis=1) for names in
                  (TARGETS[targets], LMC_VECTOR, *_fitted(shell)))  # fmt: skip
        theta, lmc, vector, upper = chosen
        covariance = np.empty((len(upper), 3, 3))
        covariance[:, _UPPER[0], _UPPER[1]] = covariance[:, _UPPER[1], _UPPER[0]] = upper
        return cls(theta, lmc, vector, covariance)

    @classmethod
    def load(cls, split: str, config: str, shell: Shell = WHOLE, targets: str = TOTAL) -> Rows:
        """Load a split of an embedded set."""
        columns = list_columns(shell, targets)
        return cls.of(load_catalogue(split, config=config, columns=columns, format="numpy"), shell, targets)

    def where(self, chosen: NDArray[np.bool_] | slice) -> Rows:
        """Select rows."""
        return Rows(self.theta[chosen], self.lmc[chosen], self.vector[chosen], self.covariance[chosen])

    def first(self, n: int) -> Rows:
        """Select the first n rows."""
        return self.where(slice(n))

    def __len__(self) -> int:
        return len(self.theta)


def list_columns(shell: Shell = WHOLE, targets: str = TOTAL) -> list[str]:
    """Names of the columns that `Rows` takes."""
    return [*TARGETS[targets], *LMC_VECTOR, *(name for names in _fitted(shell) for name in names)]


def _fitted(shell: Shell) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of a shell's travel velocity and of its covariance."""
    travel, covariance = (tuple(f"{n}{name_shell(*shell)}" for n in names) for names in (TRAVEL, COVARIANCE))
    return travel, covariance


def train(
    training: Rows,
    validation: Rows,
    config: str,
    seed: int = SEED,
    effort: Effort | None = None,
    targets: str = TOTAL,
) -> tuple[DeconvolvedLikelihood, Trained]:
    """Train a network.

    Parameters
    ----------
    training, validation : Rows
        To learn from, and to choose the best weights by.
    config : str
        Set whose prior the parameters have.
    seed : int
        Seed of the initial weights and of the order of the rows.
    effort : Effort, optional
    targets : str
        What the rows' parameters are.

    Returns
    -------
    likelihood : DeconvolvedLikelihood
    outcome : Trained
        Losses for the standardised vector.
    """
    import torch

    effort = effort or Effort()
    names = TARGETS[targets]
    scores, lmc = Scores(make_prior(config, names)), Inputs.from_data(training.lmc, LMC_VECTOR)
    centre, width = training.vector.mean(axis=0), training.vector.std(axis=0)

    def pair(rows: Rows) -> loop.Pair:
        noise = (rows.covariance / np.outer(width, width))[:, _UPPER[0], _UPPER[1]]
        values = np.concatenate([(rows.vector - centre) / width, noise], axis=1)
        given = np.concatenate([scores.forward(rows.theta), lmc(rows.lmc)], axis=1)
        return loop.to_tensor(values, effort.device), loop.to_tensor(given, effort.device)

    setting = default_training(len(training))
    setting = setting.shorten(effort.scale_epochs) if effort.fast else setting
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        n_given = len(names) + len(LMC_VECTOR)
        net = define_network()((n_given, *HIDDEN), N_COMPONENTS, 3, mdn.dropout(len(training))).to(effort.device)
        outcome = loop.train(net, pair(training), pair(validation), setting, effort.progress)
    mixture = DeconvolvedMixture.from_state(loop.state_of(net), 3)
    halo = training.covariance.mean(axis=0)
    return DeconvolvedLikelihood(mixture, lmc, centre, width, halo, scores), outcome


@cache
def define_network() -> type[Any]:
    """Define `DeconvolvedMixture` of three dimensions as a module of torch, which is imported only here."""
    import torch

    class DeconvolutionModule(mdn.define_network()):  # type: ignore[misc]
        def loss(self, u: Any, x: Any) -> Any:
            """Compute minus the log density; `u` holds the vector and the upper triangle of its covariance."""
            logit, mean, log_diagonal, below = self.gaussians(x)
            away, noise = u[:, None, :3] - mean, u[:, None, 3:]
            # S = L L^T and T = S + C, then T = M M^T and M z = away, element by element
            (xx, yy, zz), (yx, zx, zy) = torch.exp(log_diagonal).unbind(-1), below.unbind(-1)
            c_xx, c_xy, c_xz, c_yy, c_yz, c_zz = noise.unbind(-1)
            m_xx = torch.sqrt(c_xx + xx * xx)
            m_yx, m_zx = (c_xy + xx * yx) / m_xx, (c_xz + xx * zx) / m_xx
            m_yy = torch.sqrt((c_yy + yx * yx + yy * yy - m_yx * m_yx).clamp_min(_MIN_VARIANCE))
            m_zy = (c_yz + yx * zx + yy * zy - m_yx * m_zx) / m_yy
            m_zz = torch.sqrt((c_zz + zx * zx + zy * zy + zz * zz - m_zx * m_zx - m_zy * m_zy).clamp_min(_MIN_VARIANCE))
            x_, y_, z_ = away.unbind(-1)
            a = x_ / m_xx
            b = (y_ - m_yx * a) / m_yy
            c = (z_ - m_zx * a - m_zy * b) / m_zz
            log_normal = -0.5 * (a * a + b * b + c * c + 3 * math.log(2.0 * math.pi)) - torch.log(m_xx * m_yy * m_zz)
            return -torch.logsumexp(torch.log_softmax(logit, dim=-1) + log_normal, dim=-1)

    return DeconvolutionModule


#: Floor below any variance of a fit in standardised units, which rounding in single precision might cancel.
_MIN_VARIANCE = 1e-8


def get(
    folder: Path,
    config: str,
    shell: Shell = WHOLE,
    targets: str = TOTAL,
    seed: int = SEED,
    effort: Effort | None = None,
) -> Path:
    """Find the network of a set, a shell and targets in a folder, or train it there.

    Parameters
    ----------
    folder : Path
        Created if missing. A network of another training, version or seed in it is replaced.
    config : str
        Set to learn from.
    shell : (float, float)
        Shell of the fitted stars [kpc], one of those of the catalogue.
    targets : str
        What it infers, of `mwlmc_data.inference.targets.TARGETS`.
    seed, effort
        As for `train`.

    Returns
    -------
    Path
        File of arrays, for `DeconvolvedLikelihood.from_state`, with their description.
    """
    effort = effort or Effort()
    wanted = identity(config, shell, targets, seed, effort)
    path = folder / f"{name_network(config, shell, targets)}-s{seed}.safetensors"
    if path.exists():
        about = models.read_about(path)
        if {key: about.get(key) for key in wanted} == wanted:
            return path
    loop.use_one_thread()
    start = models.cpu_seconds()
    training, validation = (Rows.load(split, config, shell, targets) for split in ("train", "validation"))
    likelihood, outcome = train(training, validation, config, seed, effort, targets)
    about = {
        **wanted,
        "simulations": len(training),
        "n_parameters": likelihood.mixture.size,
        "history": [[round(value, 4) for value in each] for each in outcome.history],
        "cpu_seconds": round(models.cpu_seconds() - start, 1),
    }
    models.write(path, likelihood.state(), about)
    return path


def identity(config: str, shell: Shell, targets: str, seed: int, effort: Effort) -> dict[str, Any]:
    """Return what must agree for a trained network to be usable; no outer radius is None."""
    data, (r_min, r_max) = release.get_entry(config)["sha256"], shell
    return {"network": NAME, "version": VERSION, "config": config, "r_min": r_min,
            "r_max": None if math.isinf(r_max) else r_max, "theta_names": list(TARGETS[targets]), "data_sha256": data,
            "seed": seed, "fast": effort.fast}  # fmt: skip
