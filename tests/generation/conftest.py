"""Fixtures of the tests of generation: a stand-in for the simulator, and the bytes of a run with it."""

import contextlib

import pytest

from tests.helpers.stand_in_simulator import StandInSimulator, make, plan_for


@pytest.fixture
def stand_in(tmp_path):
    return StandInSimulator(tmp_path / "calls.txt")


@pytest.fixture
def whole(tmp_path, stand_in):
    """The bytes of an uninterrupted run in one process."""
    content = make(plan_for(tmp_path / "whole"), stand_in).read_bytes()
    stand_in.made()
    return content


@pytest.fixture
def start_cluster(tmp_path_factory, repository):
    """Function that starts a scheduler without workers; ends all of them after the test."""
    pytest.importorskip("distributed", reason="distributed is not installed: it comes with the extra 'generation'")
    from tests.helpers.dask_cluster import DaskCluster

    with contextlib.ExitStack() as stack:

        def start(**environment):
            started = DaskCluster(tmp_path_factory.mktemp("dask"), repository, **environment)
            stack.callback(started.stop)
            return started

        yield start


@pytest.fixture(scope="session")
def halo_run(tmp_path_factory):
    """Folder of a run of the haloes: 14 real ones, in several shards."""
    from generation.haloes import HaloPlan, make_haloes
    from mwlmc_data.simulator import SIMULATOR_VERSION

    out = tmp_path_factory.mktemp("haloes") / "run"
    return make_haloes(HaloPlan(out, "gaussian", range(8, 22), 4, SIMULATOR_VERSION), progress=False).root


@pytest.fixture(scope="session")
def published(halo_run, tmp_path_factory):
    """A published folder, which tests do not change."""
    from generation.folder import make_release

    return make_release(tmp_path_factory.mktemp("release") / "folder", halo_run, date="2026-02-03", progress=False)
