"""A small release, servers of it, and a store to fetch it into."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mwlmc_data import fetching
from mwlmc_data.dataset import release, store
from mwlmc_data.fetching import mirrors, retrying
from tests.helpers.release_server import ReleaseServer, small_release


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """The small release, which tests do not change."""
    return small_release(tmp_path_factory.mktemp("original"))


@pytest.fixture
def published(original, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(original, tmp_path / "published"))


@pytest.fixture
def serve(original):
    """Function that starts a server, which ends with the test."""
    servers = []

    def start(folder=original, **options):
        servers.append(ReleaseServer(folder, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def root(tmp_path) -> Path:
    """The local store, which does not exist yet."""
    return tmp_path / "cache" / release.DATA_VERSION


@pytest.fixture
def patience():
    """The usual number of tries, without the usual pauses."""
    return retrying.Patience(first=0.005, longest=0.02, connect=5.0, read=20.0)


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch, tmp_path, patience):
    """No long pauses, no mirror or folder of the user who runs the tests, no proxy."""
    monkeypatch.setattr(retrying, "PATIENCE", patience)
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(mirrors.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """Function that adds its arguments to the registry."""

    def register(**facts):
        record = json.loads((release.DATA_DIR / "registry.json").read_text(encoding="utf-8"))
        record["versions"][release.DATA_VERSION].update(facts)
        (tmp_path / "registry.json").write_text(json.dumps(record), encoding="utf-8")
        monkeypatch.setattr(release, "DATA_DIR", tmp_path)

    return register


@pytest.fixture
def forgotten(monkeypatch):
    """Function that makes the process forget what it verified, as if a new one began."""
    return lambda: monkeypatch.setattr(store, "_VERIFIED", {})


@pytest.fixture
def fetch():
    """The function, without its bar."""

    def run(config="haloes", **options):
        return fetching.fetch(config, progress=False, **options)

    return run
