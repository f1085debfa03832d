"""The program that makes the stored live runs."""

import pytest

import generation.live as module
from generation.__main__ import main
from mwlmc_data.live import garavito
from mwlmc_data.live.simulation import load_live
from mwlmc_data.storage import embedded


@pytest.fixture
def short(monkeypatch):
    """Published runs of three rows, in this process."""
    runs = {name: run._replace(rows=3) for name, run in garavito.RUNS.items()}
    monkeypatch.setattr(garavito, "RUNS", runs)
    monkeypatch.setattr(module, "RUNS", runs)


def test_runs_are_made_once_and_kept(short, tmp_path, monkeypatch, capsys):
    words = ["live", "--out", str(tmp_path), "--runs", "gc19-lmc1", "gc19-lmc3", "--particles", "30000"]
    assert main([*words, "--workers", "1"]) == 0
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["gc19-lmc1.npz", "gc19-lmc3.npz"]
    assert load_live(tmp_path / "gc19-lmc3.npz").parameters.m_lmc == pytest.approx(1.8e11)
    assert "bytes" in capsys.readouterr().out
    monkeypatch.setattr(module, "run_live", None)
    assert main([*words, "--workers", "1"]) == 0
    assert main([*words[:-1], "40000", "--workers", "1"]) == 2
    assert "has 30000 particles and seed 0: allowed are 40000 and 0" in capsys.readouterr().err


def test_runs_are_embedded_with_their_hashes(short, tmp_path):
    (path,) = module.make_runs(tmp_path / "runs", ["gc19-lmc2"], 30_000, workers=1)
    data = tmp_path / "data"
    (target,) = module.embed_runs([path], data)
    assert target == data / "live" / "gc19-lmc2.npz"
    assert target.read_bytes() == path.read_bytes()
    entry = embedded.load_registry(data)["gc19-lmc2"]
    assert (entry["file"], entry["rows"], entry["bytes"]) == ("live/gc19-lmc2.npz", 4, path.stat().st_size)
    assert embedded.verify_file("gc19-lmc2", data) == target
    (tmp_path / "other.npz").write_bytes(b"no run")
    with pytest.raises(ValueError, match="other"):
        module.embed_runs([tmp_path / "other.npz"], data)


def test_unknown_runs_are_refused(tmp_path, capsys):
    assert main(["live", "--out", str(tmp_path), "--runs", "gc19-lmc9"]) == 2
    assert "runs holds 'gc19-lmc9'" in capsys.readouterr().err
