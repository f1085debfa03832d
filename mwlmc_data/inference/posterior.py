"""The posterior of an observation, by a network that the package embeds: no torch, no training, no waiting.

The network is a likelihood of the travel velocity (`mwlmc_data.inference.likelihood`) that ``python -m benchmarks``
trained on a set of simulations, the baseline "nle"; how it scores beside others is told in LEADERBOARD.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.inference.likelihood import TravelLikelihood
from mwlmc_data.priors import Prior
from mwlmc_data.release import DamagedFileError
from mwlmc_data.schema import LMC_VECTOR, REFLEX
from mwlmc_data.scoring import embedded
from mwlmc_data.simulator.frames import sky_to_galactocentric
from mwlmc_data.simulator.parameters import OBSERVED_LMC, SKY_NAMES
from mwlmc_data.validation import support

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = {"gaussian": "posterior-gaussian", "wide": "posterior-wide"}
"""Names of the embedded networks in the registry, by the set that each was trained on."""
PERCENTS = (16, 50, 84)
_ABOUT = "about"


@dataclass(frozen=True)
class Network:
    """A trained network and what is told of it.

    Attributes
    ----------
    likelihood : TravelLikelihood
    about : mapping
        What it is: baseline, task, seed, and how it was trained.
    """

    likelihood: TravelLikelihood
    about: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A posterior of the parameters given one observation.

    Attributes
    ----------
    samples : DataFrame
        Draws: m_lmc, m200_mw [Msun], log10_lambda_df.
    observation : mapping
        What it is given: x_lmc ... vz_lmc [kpc, km/s], v_travel [km/s], l_apex, b_apex [deg].
    in_support : mapping
        Sigmas of each datum from the training set (`mwlmc_data.validation.support`).
    outside : tuple of str
        Data beyond the prior of the LMC's place and motion: the network extrapolates there, and its answer is a guess.
    config : str
        Set of simulations that the network was trained on.
    """

    samples: pd.DataFrame
    observation: Mapping[str, float]
    in_support: Mapping[str, float]
    outside: tuple[str, ...]
    config: str
    _likelihood: TravelLikelihood
    _log_evidence: float

    def percentiles(self, percents: tuple[float, ...] = PERCENTS) -> pd.DataFrame:
        """Percentiles of each parameter.

        Parameters
        ----------
        percents : tuple of float
            From 0 to 100.

        Returns
        -------
        DataFrame
            A row a parameter, columns such as p16.
        """
        import pandas as pd

        values = np.percentile(self.samples.to_numpy(), percents, axis=0)
        columns = {f"p{percent:g}": row for percent, row in zip(percents, values, strict=True)}
        return pd.DataFrame(columns, index=self.samples.columns)

    def log_prob(self, theta: pd.DataFrame | NDArray) -> NDArray[np.float64]:
        """Log density of parameters.

        Parameters
        ----------
        theta : DataFrame or ndarray, shape (n, 3)
            m_lmc, m200_mw [Msun], log10_lambda_df, in this order if an array.

        Returns
        -------
        ndarray, shape (n,)
            Per unit of theta [nats]; -inf outside the prior.
        """
        names = list(self.samples.columns)
        values = np.asarray(theta, dtype=np.float64) if isinstance(theta, np.ndarray) else theta[names].to_numpy(float)
        likelihood = self._likelihood
        return likelihood.log_prob(values, _row(self.observation, likelihood.x_names), self._log_evidence)


def infer(observation: Mapping[str, float], n: int = 10_000, seed: int = 0, config: str = "gaussian") -> Posterior:
    """Draw the posterior of the LMC's mass, the Milky Way's mass and the friction, given a measured reflex motion.

    Parameters
    ----------
    observation : mapping
        v_travel [km/s], l_apex, b_apex [deg]: the reflex motion of stars beyond 50 kpc, as `fit_reflex` gives it; and
        the LMC's present day, either on the sky (ra_lmc ... pm_dec_lmc) or as x_lmc ... vz_lmc [kpc, km/s]. Without it
        the observed LMC is taken (`Parameters`). Other keys are passed over.
    n : int
        Draws.
    seed : int
        Of the draws.
    config : str
        Training set of the network: "gaussian", whose LMC is the observed one within its errors, or "wide".

    Returns
    -------
    Posterior

    Raises
    ------
    ValueError
        If a datum is missing, given twice or not finite, `n` is not positive, or there is no network of that set.
    DamagedFileError
        If an embedded file is not what was released.

    Notes
    -----
    The answer holds for a Milky Way and an LMC that do not deform, a fit without outer radius, and errors of the reflex
    motion like those of 4,500 stars; what an outer radius or a deforming halo changes is told in the dataset card.

    Examples
    --------
    >>> posterior = infer({"v_travel": 50.0, "l_apex": 40.0, "b_apex": -60.0}, n=1000)
    >>> posterior.samples.shape, posterior.outside
    ((1000, 3), ())
    """
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise ValueError(f"n is {n!r}; allowed: a whole number from 1 up")
    likelihood, data = load_network(config).likelihood, complete(observation)
    grid = likelihood.grid(_row(data, likelihood.x_names)[0])
    import pandas as pd

    theta = likelihood.scores.inverse(grid.sample(int(n), (int(seed),)))
    samples = pd.DataFrame(theta, columns=list(likelihood.scores.prior.parameters))
    sigmas, outside = support(data, config)
    known = MappingProxyType(data), MappingProxyType(sigmas)
    return Posterior(samples, *known, outside, config, likelihood, grid.log_evidence)


def complete(observation: Mapping[str, float]) -> dict[str, float]:
    """The nine data of an observation: the LMC's Galactocentric vector, and the reflex motion.

    Parameters
    ----------
    observation : mapping
        As for `infer`.

    Returns
    -------
    dict of str to float

    Raises
    ------
    ValueError
        If a datum is missing, given twice or not finite.
    """
    missing = [name for name in REFLEX if name not in observation]
    sky = [name for name in SKY_NAMES if name in observation]
    cartesian = [name for name in LMC_VECTOR if name in observation]
    if sky and not cartesian:
        missing += [name for name in SKY_NAMES if name not in sky]
    if cartesian:
        missing += [name for name in LMC_VECTOR if name not in cartesian]
    if missing:
        raise ValueError(f"the observation lacks {', '.join(missing)}; needed: {', '.join(REFLEX)}, and of the LMC all "
                         f"of {', '.join(SKY_NAMES)}, or all of {', '.join(LMC_VECTOR)}, or nothing")  # fmt: skip
    if sky and cartesian:
        raise ValueError(f"the LMC's present day is given twice, by {', '.join(sky)} and by {', '.join(cartesian)}; "
                         "allowed: one of the two")  # fmt: skip
    names = LMC_VECTOR if cartesian else SKY_NAMES
    given = {name: float(observation[name]) for name in (*REFLEX, *names) if name in observation}
    for name, value in given.items():
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}; allowed: a finite number")
    if given["v_travel"] < 0.0:
        raise ValueError(f"v_travel is {given['v_travel']} km/s; allowed: a speed from 0 up")
    if not cartesian:
        on_sky = [given[name] for name in SKY_NAMES] if sky else OBSERVED_LMC
        given |= dict(zip(LMC_VECTOR, sky_to_galactocentric(*on_sky).tolist(), strict=True))
    return {name: given[name] for name in (*LMC_VECTOR, *REFLEX)}


def load_network(config: str) -> Network:
    """Load an embedded network.

    Parameters
    ----------
    config : str
        Set that it was trained on.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If there is none of that set.
    DamagedFileError
        If its file is not what was released.
    """
    from safetensors import SafetensorError, safe_open

    if config not in NETWORKS:
        raise ValueError(f"no network is embedded for config {config!r}; allowed: {', '.join(NETWORKS)}")
    path = embedded.verified(NETWORKS[config])
    if path is None:
        raise ValueError(f"this version of the package embeds no network for config {config!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            state = {name: file.get_tensor(name) for name in file.keys()}
        likelihood = TravelLikelihood.restored(state, Prior(config, about["theta_names"]), about["x_names"])
        return Network(likelihood, MappingProxyType(about))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFileError(path, "weights of a likelihood network", f"another file ({error!r})") from error


def _row(data: Mapping[str, float], names: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([[data[name] for name in names]])
