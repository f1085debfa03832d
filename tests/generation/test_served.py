"""A published folder served over loopback: fetched completely despite faults, verified, and loaded."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import library, store
from mwlmc_data.dataset.verification import verify
from mwlmc_data.fetching import retrying
from tests.helpers import release_server


@pytest.fixture
def server(published, tmp_path, monkeypatch):
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(retrying, "PATIENCE", retrying.Patience(first=0.01, longest=0.02))
    started = release_server.ReleaseServer(published)
    yield started
    started.close()


def test_the_whole_release_comes_through_faults(server, published, tmp_path, monkeypatch):
    haloes = [entry.path for entry in store.Store(published).manifest.select("haloes")]
    server.faults[haloes[0]] = [release_server.page(503)]
    server.faults[haloes[1]] = [release_server.cut(5000)]
    server.faults["gaussian/gaussian-test.parquet"] = [release_server.status(429, Retry_After="0")]
    paths = mw.fetch(None, mirrors=server.url, progress=False)
    here = store.get_data_dir()
    assert verify(here, sample=2).problems == []
    assert len(paths) == len(store.Store(published).manifest.files)
    for path in paths:
        assert path.read_bytes() == (published / path.relative_to(here)).read_bytes()
    # the haloes are loaded from there only
    monkeypatch.setattr(library, "MINI", tmp_path / "nothing")
    monkeypatch.setattr(library, "simulate_rows", lambda rows, seed: pytest.fail("simulated"))
    stars = mw.load_haloes(range(8, 22), source="store", streaming=False, columns=["m_lmc"])
    assert stars["sim_id"].tolist() == list(range(8, 22))
    assert np.isfinite(stars["positions"]).all()


def test_only_the_shards_of_some_simulations_are_fetched(server, published):
    paths = mw.fetch(sim_ids=[9, 20], mirrors=server.url, progress=False)
    asked = {entry.name for entry in store.Store(published).manifest.files if {9, 20} & _ids(entry)}
    assert {path.name for path in paths} == asked
    assert mw.load_halo(20).source == "store"
    found = verify(store.get_data_dir(), sample=2, partial=True)
    assert found.problems == []
    assert found.files == len(asked)
    assert found.absent
    assert verify(store.get_data_dir(), sample=0).problems


def _ids(entry):
    return set() if entry.first_sim_id is None else set(entry.sim_ids.tolist())
