"""The networks that the package embeds, one for each training set."""

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
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError

#: Names of the embedded networks in the registry, by training set.
NETWORKS = {"gaussian": "posterior-gaussian", "wide": "posterior-wide"}
_ABOUT = "about"


@dataclass(frozen=True, repr=False)
class Network(Displayed):
    """A trained network and its description.

    Attributes
    ----------
    likelihood : DeconvolvedLikelihood
    about : mapping
        Its training set, seed, size, and how it was trained.
    """

    likelihood: DeconvolvedLikelihood
    about: Mapping[str, Any]


def load_network(config: str) -> Network:
    """Load an embedded network.

    Parameters
    ----------
    config : str
        Training set of the network.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If there is no network for this set.
    DamagedFileError
        If its file is not the released one.
    """
    from safetensors import SafetensorError, safe_open

    path = embedded.verify_file(NETWORKS[as_choice("config", config, tuple(NETWORKS))])
    if path is None:
        raise ValueError(f"config = {config!r}: allowed is a set with an embedded network, which this version lacks")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            state = {name: file.get_tensor(name) for name in file.keys()}
        likelihood = DeconvolvedLikelihood.from_state(state, Prior(config, about["theta_names"]))
        return Network(likelihood, MappingProxyType(about))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFileError(path, "weights of a likelihood network", f"another file ({error!r})") from error
