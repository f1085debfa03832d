"""The main job on the synthetic catalogue with the real simulator, and its command line."""

import dataclasses
import functools
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.common import sets
from benchmarks.common.sets import SimulationSet
from benchmarks.paper import document, run, shells, summary
from benchmarks.paper.evaluate import CaseResult
from benchmarks.paper.text import WIDTH
from mwlmc_data import load_catalogue
from tests.helpers.synthetic_cases import synthetic_cases
from tests.helpers.synthetic_catalogue import synthetic_catalogue

TINY = run.Settings(100, 400, 3, 12, 1, 3, 4)


@pytest.fixture(scope="module")
def outcome():
    pytest.importorskip("sbi", reason="sbi is not installed: the estimator cannot be trained")
    cases = synthetic_cases()
    # Far enough outside to be labelled, near enough to be simulated.
    cases["far"].observation.update(x_lmc=8.0, vx_lmc=40.0, v_travel=90.0)
    problem = SimulationSet("gaussian", synthetic_catalogue(640))
    return run.run(problem, cases, TINY, seed=2, workers=1, quiet=True)


def test_results_are_plain_json_with_every_part(outcome):
    found = json.loads(json.dumps(outcome.as_dict(), allow_nan=False))
    assert found["rows"] == {"train": 540, "validation": 50, "test": 50}
    assert set(found["estimators"]) == {"paper", "bounded"}
    paper = found["estimators"]["paper"]
    assert set(paper["cases"]) == set(found["check_predictions"]) == set(found["simulated_at_quoted_truth"])
    assert found["check_predictions"]["rigid"]["v_travel"]["n"] == 3
    assert paper["cases"]["rigid"]["posterior"]["m_lmc"]["truth"] == pytest.approx(18e10)
    assert paper["cases"]["far"]["posterior"]["log10_lambda_df"]["truth"] is None
    assert found["estimators"]["bounded"]["scores"]["leakage"]["largest"] == 0
    assert found["settings"] == dataclasses.asdict(TINY) and found["versions"]["sbi"]
    assert found["friction"] == {}
    assert [result["r_max"] for result in found["shells"]["rigid"]] == [None, 100.0, 300.0]
    assert found["shells"]["rigid"][0]["haloes"] == 12


def test_report_is_one_page_that_needs_nothing_else(outcome):
    html = document.render(outcome)
    assert not re.search(r'(src|href)="(?!data:image/png;base64,|#)', html)
    assert "<script" not in html and "@import" not in html and "url(" not in html
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert anchors and all(f'id="{anchor}"' in html for anchor in anchors)
    assert html.count("data:image/png;base64,") == 8
    for sentence in summary.collect_misses(outcome):
        assert sentence.replace("'", "&#x27;") in html
    assert "The published orbit was not available" in html
    for name, results in outcome.shells.items():
        assert shells.describe(outcome.main.cases[name].case, results) in html


def test_terminal_table_fits_and_names_every_case(outcome):
    text = summary.format_summary(outcome)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "rigid: inside the prior" in text and "far: outside the prior (x_lmc +12.3σ)" in text
    assert f"{outcome.main.evaluation.log_score.mean:.3f}" in text


def test_a_case_without_a_posterior_is_reported_and_not_drawn(outcome):
    entry = outcome.main
    far = entry.cases["far"].case
    empty = CaseResult(far, np.empty((0, 3)), 1e-4, {})
    starved = dataclasses.replace(entry, cases={**entry.cases, "far": empty})
    changed = dataclasses.replace(outcome, entries={**outcome.entries, "paper": starved})
    changed.predictions = {"rigid": outcome.predictions["rigid"]}
    changed.bands = {"rigid": outcome.bands["rigid"]}
    html, text = document.render(changed), summary.format_summary(changed)
    assert "no posterior: only 0.01% of" in html and "no posterior: only 0.01% of" in text
    assert html.count("data:image/png;base64,") == 7


def test_sky_and_orbits_belong_to_the_case(outcome):
    assert outcome.sky.n_stars > 200 and outcome.bands["rigid"].relative.shape[0] == 3
    observed = outcome.main.cases["rigid"].case.observation
    assert outcome.bands["rigid"].relative[0, -1, 0] == pytest.approx(observed["x_lmc"], abs=1e-3)
    assert outcome.bands["rigid"].quoted is not None and outcome.bands["far"].quoted is None


def test_main_writes_the_report_from_the_embedded_catalogue(tmp_path, monkeypatch, capsys):
    """The command itself, on a cut of the real catalogue and with the real cases."""
    table = load_catalogue().iloc[:1280]
    monkeypatch.setattr(
        sets.SimulationSet, "__init__", functools.partialmethod(sets.SimulationSet.__init__, table=table)
    )
    monkeypatch.setattr(run.Settings, "fast", classmethod(lambda cls: TINY))
    assert command.main(["paper", "--out", str(tmp_path / "new" / "report"), "--fast", "--workers", "1"]) == 0
    found = json.loads((tmp_path / "new" / "report" / "results.json").read_text())
    cases = found["estimators"]["paper"]["cases"]
    assert set(cases) == {"rigid", "gc19-fiducial", "fire-m12b"}
    assert cases["gc19-fiducial"]["extrapolates"] and not cases["rigid"]["extrapolates"]
    text = capsys.readouterr().out
    assert "report.html" in text and "gc19-fiducial: the quoted motion (27.9 km/s" in text
    # the deforming case is judged as what it is: stars at 50 to 100 kpc
    of_gc19 = [line for line in text.splitlines() if line.startswith("  - gc19-fiducial")]
    assert all("as stars at 50 to 100 kpc" in line for line in of_gc19)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["paper", "--config", "gausian"], "'gausian'"),
        (["paper", "--reference", "nowhere"], "'nowhere'"),
        (["friction", "--orbit", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("option, value", [("--workers", "0"), ("--seed", "-1"), ("--seed", "one")])
def test_bad_numbers_are_refused_before_anything_runs(option, value, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["paper", option, value])
    assert stop.value.code == 2 and f"{value!r}: allowed is an integer" in capsys.readouterr().err


def test_help_needs_no_torch():
    code = "import sys, benchmarks.__main__ as m; m.parser(); print({'torch', 'sbi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
