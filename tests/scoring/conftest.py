"""Fixtures of the tests of tasks: each embedded task once, with few draws, and a Gaussian fitted to it."""

import pytest

import mwlmc_data as mw
from mwlmc_data.scoring import task as task_module
from tests.helpers.example_entries import SHORT, Gaussian, list_own_tasks


@pytest.fixture(scope="session")
def loaded():
    """Each task whose data the package embeds once, with few draws per observation."""
    tasks = {name: mw.get_task(name) for name in list_own_tasks()}
    tasks = {name: task for name, task in tasks.items() if not task.on_demand}
    for task in tasks.values():
        task.n_draws = SHORT
    tasks["summary-6@1.0"].n_reference_draws = 4 * SHORT
    return tasks


@pytest.fixture(scope="session")
def gaussians(loaded):
    return {name: Gaussian(task) for name, task in loaded.items()}


@pytest.fixture
def summary9(loaded):
    return loaded["summary-9@1.0"]


@pytest.fixture
def shift(loaded):
    return loaded["shift@1.0"]


@pytest.fixture
def without_references(monkeypatch):
    monkeypatch.setattr(task_module, "load_references", lambda *_, **__: None)
