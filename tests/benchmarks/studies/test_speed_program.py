"""Tables and figure of the speed benchmark, and a fast pass of the program."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no figures")

from benchmarks.__main__ import main
from benchmarks.studies.speed import curve, printout, scaling
from benchmarks.studies.speed.figure import work_precision
from benchmarks.studies.speed.ours import RELEASED
from tests.helpers.speed_curves import synthetic_curve


@pytest.fixture
def results():
    """Made-up results of a run."""
    shorter = {"median": [1e-1, 1e-2], "p99": [1.0, 0.3], "seconds": [5.0, 6.0], "tolerances": [1e-3, 1e-4]}
    curves = [
        synthetic_curve(RELEASED, 0.05, "ours"),
        synthetic_curve("agama", 3.0),
        synthetic_curve("gala, Milky Way at rest", 1.0, "gala", whole=False),
        synthetic_curve("galpy", 10.0, "galpy", **shorter),
    ]
    part = {"problem": "made for a test", "n_stars": 100, "waiting": 1.5, "missing": {"other": "not installed: pip"}}
    part |= {"curves": [vars(c) for c in curves], "ratios": curve.compute_ratios(curves)}
    summary = {"mean": 0.05, "median": 0.049, "max": 0.06}
    memory = {"counts": [40, 400], "bytes": [300_000_000, 301_000_000], "growth": 1_000_000}
    machine = {"cpu": "a processor", "cpu_of_the_compiler": "znver5", "features": ["avx2"], "cores": 2, "system": "any"}
    machine |= {"python": "3.11", "versions": {"numpy": "2"}, "load_at_the_start": 0.1, "load_at_the_end": 1.0}
    line = scaling.fit_line([1, 2], [1.0, 2.0])
    simulation = {"n": 32, "whole": summary, "row": summary, "travel_vector": 1e-4, "waiting": 1.0}
    return {
        "fast": False,
        "repeats": 3,
        "machine": machine,
        "curve": part,
        "simulation": simulation | {"stages": {"fit": 0.001}, "agama": 5.0},
        "likelihood": {
            "n": 16,
            "n_stars": [1270, 1300],
            "stages": {"reversed field": 2.5e-4, "density": 3e-4, "evaluation": 1.94e-3},
            "batch": {"one": 500.0, "all": 950.0, "gain": 1.9},
            "curve": part | {"problem": "rewound"},
        },
        "scaling": {
            "simulations": line,
            "stars": line,
            "cores": {"one": 20, "two": 39, "gain": 1.95},
            "memory": memory,
        },
        "startup": {
            "cold": {"numba": 0.2, "imports": 0.3, "total": 8.8, "processor": 8.5},
            "warm": {"numba": 0.2, "imports": 0.3, "total": 0.46, "processor": 0.4},
        },
        "instructions": {
            "n": 8,
            "n_errors": 12,
            "sets": {
                "AVX2": {
                    "before": {"compiling": 9.0, "stars": [0.06, 0.06], "whole": [0.066, 0.066], "row": [0.026, 0.026]},
                    "now": {"compiling": 9.7, "stars": [0.03, 0.03], "whole": [0.033, 0.033], "row": [0.0104, 0.0104]},
                }
            },
            "errors": {which: {"all": [8e-4, 3.3e-2], "far": [1.5e-4, 1.2e-2]} for which in ("before", "now")},
        },
    }


def test_the_tables_hold_what_was_measured(results):
    text = printout.describe(results)
    ratio_of_agama = next(line for line in text.splitlines() if line.startswith("agama") and "60.0" in line)
    assert ratio_of_agama.split()[1:4] == ["60.0", "60.0", "60.0"]
    galpy = [line for line in text.splitlines() if line.startswith("galpy")][-1]
    assert galpy.split()[1:4] == ["-", "-", "-"]  # its curve does not reach that far
    said = ("BUSY MACHINE: wall-clock 1.50", "lower bound", "other", "1.95 times", "301 MB after 400")
    for words in (*said, "0.46 s (goal 0.5)"):
        assert words in text
    row = next(line for line in text.splitlines() if "catalogue row" in line)
    assert row.split()[-3:] == ["26.00", "10.40", "2.50"]
    assert "8.0e-04 and 3.3e-02; 1.5e-04 and 1.2e-02" in text
    assert "one evaluation: 1.94 ms (goal 2.5); its field: 0.25 ms (goal 0.4)" in text
    assert "500 parameters a second on one thread, 950 on all cores: 1.90 times" in text
    assert "WORK-PRECISION: rewound" in text


def test_parts_that_were_not_measured_are_left_out(results):
    results["scaling"]["cores"], results["instructions"] = None, None
    del results["curve"], results["simulation"], results["likelihood"]
    text = printout.describe(results)
    assert "this process may use only one" in text
    assert "only on x86-64" in text
    assert "WORK-PRECISION" not in text


def test_the_figure_names_every_curve(results, tmp_path):
    figure = work_precision(results["curve"])
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    (ax,) = figure.axes
    written = {text.get_text() for text in ax.texts}
    assert {c["name"] for c in results["curve"]["curves"]} | {"the release"} == written
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--parts", "curve,memory"], "'memory'"), (["--reference", "nowhere", "--parts", "curve"], "summary.json")],
)
def test_bad_input_is_one_line(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.studies.speed.machine.use_one_thread", lambda: None)  # it would last
    assert main(["speed", "--out", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_fast_pass(repository, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "speed", "--fast", "--repeats", "1", "--out", str(tmp_path)]
    ended = subprocess.run(
        command, cwd=repository, env=os.environ | {"MPLBACKEND": "Agg"}, capture_output=True, text=True, timeout=590
    )
    assert ended.returncode == 0, ended.stderr
    for words in ("WORK-PRECISION", "AT EQUAL ERROR", "ONE SIMULATION", "SCALING", RELEASED, "a fast pass"):
        assert words in ended.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results) == {"fast", "repeats", "machine", "curve", "simulation", "likelihood", "scaling", "startup"}
    for name in ("agama", "gala", "galpy"):
        measured = name in {found["family"] for found in results["curve"]["curves"]}
        assert measured != (name in results["curve"]["missing"])
    assert all(error > 0 for found in results["curve"]["curves"] for error in found["median"])
    assert results["simulation"]["travel_vector"] < 1e-3
    stages = results["likelihood"]["stages"]
    assert stages["evaluation"] > stages["field and stars"] > stages["reversed field"] > 0
    assert results["scaling"]["memory"]["bytes"][-1] < scaling.GOAL_MEMORY
    assert (tmp_path / "work_precision.png").read_bytes().startswith(b"\x89PNG")
