"""The networks that the package embeds, one for each set of simulations that one was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.display import Displayed
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import embedded
from mwlmc_data.storage.errors import DamagedFileError

NETWORKS = {"gaussian": "posterior-gaussian", "wide": "posterior-wide"}
"""Names of the embedded networks in the registry, by the set that each was trained on."""
_ABOUT = "about"


@dataclass(frozen=True, repr=False)
class Network(Displayed):
    """A trained network and what is said of it.

    Attributes
    ----------
    likelihood : DeconvolvedLikelihood
    about : mapping
        What it is: its training set, seed, size, and how it was trained.
    """

    likelihood: DeconvolvedLikelihood
    about: Mapping[str, Any]


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

    path = embedded.verified(NETWORKS[as_choice("config", config, tuple(NETWORKS))])
    if path is None:
        raise ValueError(f"this version of the package embeds no network for config {config!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            state = {name: file.get_tensor(name) for name in file.keys()}
        likelihood = DeconvolvedLikelihood.restored(state, Prior(config, about["theta_names"]))
        return Network(likelihood, MappingProxyType(about))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFileError(path, "weights of a likelihood network", f"another file ({error!r})") from error
