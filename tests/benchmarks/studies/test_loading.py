"""The benchmark of loading, on a small set that it makes."""

import json
import re

import pytest

from benchmarks.__main__ import main
from benchmarks.studies import loading
from mwlmc_data.dataset import release, store


@pytest.mark.slow
def test_a_set_is_made_verified_and_loaded_in_every_way(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path / "elsewhere"))
    monkeypatch.setattr(loading, "SIMULATED", 16)
    out = tmp_path / "out"
    assert main(["loading", "--out", str(out), "--haloes", "64", "--rounds", "1"]) == 0
    text = capsys.readouterr().out
    found = json.loads((out / "results.json").read_text())
    made = store.Store(out / release.DATA_VERSION)
    assert found["bytes"] == sum(entry.bytes for entry in made.manifest.files)
    assert sum(entry.rows for entry in made.manifest.files) == 64
    assert found["simulated_again"] == found["identical"] == 16
    assert 50 < found["made"]["largest_process_mb"] < 2000
    rates = found["rates"]
    assert set(rates) == set(re.findall(r"^(.*?) +\d+ haloes/s +[\d.]+ million stars/s$", text, re.MULTILINE))
    assert all(rate > 0 for rate in rates.values())
    assert 0 <= found["training"]["waiting_share"] < 1
    # the set is kept, and not used for another number of haloes
    assert main(["loading", "--out", str(out), "--haloes", "65"]) == 2
    assert "holds 64 haloes: not 65" in capsys.readouterr().err
