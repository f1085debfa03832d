"""The networks that the package embeds, one for each training set, shell of stars and kind of targets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.display import Displayed
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.shells import TRAINED_SHELLS, WHOLE, require_trained_shell
from mwlmc_data.inference.targets import TARGETS, TOTAL, make_prior
from mwlmc_data.simulator.reflex import Shell, describe_shell, name_shell
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError

#: Training sets that have networks.
CONFIGS = ("gaussian", "wide")
#: Training set, shell of stars and targets of a network.
Key = tuple[str, Shell, str]


def name_network(config: str, shell: Shell, targets: str) -> str:
    """Name a network by what it is trained on."""
    return f"{config}{name_shell(*shell).replace('_', '-')}{'' if targets == TOTAL else f'-{targets}'}"


#: Names of the networks in the registry. A version may lack one (`list_configs`).
NETWORKS: dict[Key, str] = {
    (config, shell, targets): f"posterior-{name_network(config, shell, targets)}"
    for targets in TARGETS
    for config in CONFIGS
    for shell in TRAINED_SHELLS
}
_ABOUT = "about"


@dataclass(frozen=True, repr=False)
class Network(Displayed):
    """A trained network and its description.

    Attributes
    ----------
    likelihood : DeconvolvedLikelihood
    about : mapping
        Its training set, shell, targets, seed, size, and how it was trained.
    """

    likelihood: DeconvolvedLikelihood
    about: Mapping[str, Any]


def list_configs(shell: Shell = WHOLE, targets: str = TOTAL) -> tuple[str, ...]:
    """Training sets that have an embedded network for a shell and targets, the preferred one first.

    Raises
    ------
    ValueError
        If no network is trained on this shell.
    """
    require_trained_shell("shell", "stars", *shell)
    embedded_here = embedded.load_registry()
    return tuple(config for config in CONFIGS if NETWORKS[config, shell, targets] in embedded_here)


def choose_config(config: str | None, shell: Shell, targets: str = TOTAL) -> str:
    """The training set that a user names, or the preferred one; refuse one without such a network."""
    if config is not None:
        as_choice("config", config, CONFIGS)
    there = list_configs(shell, targets)
    if not there or (config is not None and config not in there):
        named = " or ".join(repr(name) for name in there) or "none, as this version lacks them"
        raise ValueError(f"config = {config!r} for {_describe(shell, targets)}: allowed is {named}")
    return there[0] if config is None else config


def _describe(shell: Shell, targets: str) -> str:
    return f"{'' if targets == TOTAL else f'targets {targets!r} and '}stars{describe_shell(*shell)}"


def load_network(config: str, shell: Shell = WHOLE, targets: str = TOTAL) -> Network:
    """Load an embedded network.

    Parameters
    ----------
    config : str
        Training set of the network.
    shell : (float, float)
        Shell of the stars, one of `TRAINED_SHELLS` [kpc].
    targets : str
        What it infers, of `TARGETS`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If there is no network for this set, shell and targets.
    DamagedFileError
        If its file is not the released one.
    """
    from safetensors import SafetensorError, safe_open

    require_trained_shell("shell", "stars", *shell)
    as_choice("targets", targets, tuple(TARGETS))
    path = embedded.verify_file(NETWORKS[as_choice("config", config, CONFIGS), shell, targets])
    if path is None:
        raise ValueError(
            f"config = {config!r} for {_describe(shell, targets)}: allowed is a set with an embedded network, which "
            "this version lacks"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            state = {name: file.get_tensor(name) for name in file.keys()}
        likelihood = DeconvolvedLikelihood.from_state(state, make_prior(config, about["theta_names"]))
        return Network(likelihood, MappingProxyType(about))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFileError(path, "weights of a likelihood network", f"another file ({error!r})") from error
