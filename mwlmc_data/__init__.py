"""A dataset of Milky Way-LMC simulations, the simulator that makes it, and the benchmark that scores inference on it.

Names are loaded when they are first used, so that ``import mwlmc_data`` takes milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mwlmc_data._version import __version__

if TYPE_CHECKING:
    from mwlmc_data import observations, snapshots
    from mwlmc_data.citation import cite
    from mwlmc_data.dataset.catalogue import load_catalogue
    from mwlmc_data.dataset.haloes import load_halo, load_haloes
    from mwlmc_data.fetching import fetch
    from mwlmc_data.inference import Posterior, infer, infer_stars
    from mwlmc_data.live import LiveSimulation, load_live, load_live_truths, simulate_live
    from mwlmc_data.plotting.corners import corner_plot
    from mwlmc_data.priors import Prior
    from mwlmc_data.rewinding import Selection, log_density, log_likelihood, rewind
    from mwlmc_data.scoring.task import get_task, list_tasks
    from mwlmc_data.simulator import (
        Halo,
        Orbit,
        Parameters,
        Reflex,
        Simulation,
        enclosed_masses,
        fit_reflex,
        fit_reflex_observed,
        integrate_orbit,
        simulate,
        simulate_many,
    )
    from mwlmc_data.simulator.astropy_frame import galactocentric_frame
    from mwlmc_data.surveys import mock_survey
    from mwlmc_data.validation import Case, validation_cases

#: Module of each public name; a name that is its own home is a package.
_HOME = {
    "Case": "validation",
    "Halo": "simulator",
    "LiveSimulation": "live",
    "Orbit": "simulator",
    "Parameters": "simulator",
    "Posterior": "inference",
    "Prior": "priors",
    "Reflex": "simulator",
    "Selection": "rewinding",
    "Simulation": "simulator",
    "cite": "citation",
    "corner_plot": "plotting.corners",
    "enclosed_masses": "simulator",
    "fetch": "fetching",
    "fit_reflex": "simulator",
    "fit_reflex_observed": "simulator",
    "galactocentric_frame": "simulator.astropy_frame",
    "get_task": "scoring.task",
    "infer": "inference",
    "infer_stars": "inference",
    "integrate_orbit": "simulator",
    "list_tasks": "scoring.task",
    "load_catalogue": "dataset.catalogue",
    "load_halo": "dataset.haloes",
    "load_haloes": "dataset.haloes",
    "load_live": "live",
    "load_live_truths": "live",
    "log_density": "rewinding",
    "log_likelihood": "rewinding",
    "mock_survey": "surveys",
    "observations": "observations",
    "rewind": "rewinding",
    "simulate": "simulator",
    "simulate_live": "live",
    "simulate_many": "simulator",
    "snapshots": "snapshots",
    "validation_cases": "validation",
}

__all__ = [
    "Case",
    "Halo",
    "LiveSimulation",
    "Orbit",
    "Parameters",
    "Posterior",
    "Prior",
    "Reflex",
    "Selection",
    "Simulation",
    "__version__",
    "cite",
    "corner_plot",
    "enclosed_masses",
    "fetch",
    "fit_reflex",
    "fit_reflex_observed",
    "galactocentric_frame",
    "get_task",
    "infer",
    "infer_stars",
    "integrate_orbit",
    "list_tasks",
    "load_catalogue",
    "load_halo",
    "load_haloes",
    "load_live",
    "load_live_truths",
    "log_density",
    "log_likelihood",
    "mock_survey",
    "observations",
    "rewind",
    "simulate",
    "simulate_live",
    "simulate_many",
    "snapshots",
    "validation_cases",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {__all__}")
    home = importlib.import_module(f".{_HOME[name]}", __name__)
    value = home if _HOME[name] == name else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
