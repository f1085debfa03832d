"""The program that makes the stored live runs."""

import pytest

import generation.live as module
from generation.__main__ import main
from mwlmc_data.live import garavito
from mwlmc_data.live.simulation import load_live


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


def test_unknown_runs_are_refused(tmp_path, capsys):
    assert main(["live", "--out", str(tmp_path), "--runs", "gc19-lmc9"]) == 2
    assert "runs holds 'gc19-lmc9'" in capsys.readouterr().err
