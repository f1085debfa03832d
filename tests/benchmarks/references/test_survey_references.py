"""References given surveys: their rows, their certificate, and the table that tasks read."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.references.agreement import Agreement
from benchmarks.survey_references import posterior, results, run
from benchmarks.survey_references.rows import SurveyRow, list_rows
from mwlmc_data import Parameters, get_task, simulate
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.rewinding import marginal
from mwlmc_data.rewinding.observed import observe_stars
from mwlmc_data.scoring.reference_columns import COLUMNS_OF_SURVEY
from mwlmc_data.scoring.references import read_references
from mwlmc_data.scoring.star_surveys import PATTERNS, get_selection
from tests.helpers.observed_stars import make_errors, to_table

GOOD = {"n_effective": 520.0, "p_value": 0.4, "edge": 0.0, "n_stars": 200, "n_draws": 64, "n_evaluations": 9000,
        "cpu_seconds": 200.0, "log_evidence": -2000.0, **{f"error_{part}": 0.1 for part in posterior.PARTS},
        **{f"rank_{name}": 0.4 for name in FREE}}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return list_rows(12)


def make_reference(row, rerun=None, **changes):
    samples = np.random.default_rng(row.number).normal([row.truth[name] for name in FREE], 0.1, (1100, 6))
    return posterior.SurveyReference(row, samples, {**GOOD, **changes}, rerun)


def test_rows_take_the_patterns_in_turn_and_are_those_with_references(rows):
    assert [row.pattern for row in rows] == list(PATTERNS) * 3 and len({row.sim_id for row in rows}) == 12
    seen = get_task("stars-survey").observations
    assert all(seen.group[row.number] == "reference" and seen.sim_id[row.number] == row.sim_id for row in rows)
    assert np.float32(rows[0].truth["m_lmc"]) == seen.theta[rows[0].number, 0]
    assert [row.name for row in list_rows(5)] == [row.name for row in rows[:5]]
    assert len(list_rows(100)) == 100
    with pytest.raises(ValueError, match="rows = 101: allowed is a whole number from 1 to 100"):
        list_rows(101)


def test_rows_of_some_patterns_keep_their_order(rows):
    chosen = list_rows(6, ("mixed", "complete"))
    assert [row.name for row in chosen] == [row.name for row in rows if row.pattern in ("mixed", "complete")]
    with pytest.raises(ValueError, match="patterns = 'radial': allowed is"):
        list_rows(6, ("radial",))
    with pytest.raises(ValueError, match="rows = 90: allowed is a whole number from 1 to "):
        list_rows(90, ("mixed",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"n_effective": 240.0}, ["n_effective 240, at least 250"]),
        ({"p_value": 0.0}, ["p_value 0, at least 0.001"]),
        ({"error_draws": 0.31, "edge": 0.2}, ["error_draws 0.31, at most 0.3", "edge 0.2, at most 0.05"]),
        ({"error_selection": 0.4}, ["error_selection 0.4, at most 0.3"]),
        ({"rerun": Agreement(0.05, 0.3, 1.1)}, ["rerun: shift 0.300, at most 0.2"]),
        ({"rerun": Agreement(0.05, 0.1, 1.1)}, []),
    ],
)
def test_a_certificate_says_what_is_not_passed(rows, changes, words):
    assert list(results.find_failures(make_reference(rows[0], **changes))) == words


def test_the_table_is_read_as_all_references_are(rows, tmp_path):
    found = [make_reference(rows[0]), make_reference(rows[1], p_value=0.0)]
    path = results.write(tmp_path, found)
    held = read_references(path)
    assert held.names == (rows[0].name, rows[1].name) and held.certified.tolist() == [True, False]
    assert held.samples.shape == (2, 500, 3) and held.other_names == FREE[3:4] + FREE[4:]
    assert held.samples[1, 7, 2] == pytest.approx(found[1].samples[7, 2], abs=0.1 / 128)
    assert np.isnan(held.log_prob_truth).all() and held.places([rows[0].sim_id, rows[1].sim_id]).tolist() == [0, -1]
    table = pq.read_table(path)
    assert table.column_names == [column.name for column in COLUMNS_OF_SURVEY]
    assert table["n_draws"].to_pylist() == [64, 64] and table["rerun_shift"].to_pylist() == [None, None]
    assert table["pattern"].to_pylist() == [rows[0].pattern, rows[1].pattern]
    assert table["reasons"].to_pylist() == ["", "p_value 0, at least 0.001"]
    text = results.describe(found)
    assert text.startswith("1 of 2 references given surveys are certified") and "not certified: p_value 0" in text


def test_a_posterior_is_made_once_and_read_again(tmp_path, monkeypatch, capsys):
    """Few stars and one free parameter."""
    truth = {"m_lmc": 1.4e11, "m200_mw": 1.1e12, "log10_lambda_df": 0.0, "m_lmc_8p7": 1.7e10, "beta0": 0.3,
             "r_dehnen": 12.0}  # fmt: skip
    parameters = Parameters(**truth)
    halo = simulate(parameters, n_stars=150, seed=3).halo
    stars = np.hstack([halo.positions, halo.velocities])
    seen = observe_stars(stars, make_errors(len(stars), 0.05, 5.0, 0.05), np.random.default_rng(0))
    seen = seen[get_selection().compute_completeness(seen.positions) > 0.0]
    lmc = {name: getattr(parameters, name) for name in ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")}
    table = {name: column.to_numpy() for name, column in to_table(seen).items()}
    row = SurveyRow("test-000007", 7, 3, lmc, truth, "complete", table)
    monkeypatch.setattr(run, "list_rows", lambda n, patterns: [row])
    monkeypatch.setattr(run, "load_stars", lambda rows: rows)
    monkeypatch.setattr(marginal, "_FIRST", 2)
    free = ("m200_mw",)
    run.main(tmp_path, ("infer",), 1, 1, 50, free)
    monkeypatch.setattr(posterior, "infer", lambda *a: pytest.fail("it was computed again"))
    run.main(tmp_path, ("infer",), 1, 1, 50, free)
    found = posterior.load(tmp_path, row, 50, free)
    assert found.samples.shape == (50, 1) and found.numbers["n_stars"] == len(seen) and found.rerun is None
    assert abs(found.samples.mean() - truth["m200_mw"]) < 4.0 * found.samples.std()
    assert not list((tmp_path / "unfinished").iterdir())
    with pytest.raises(ValueError, match="draws is 50 there and 60 now"):
        posterior.load(tmp_path, row, 60, free)
    assert posterior.load(tmp_path, dataclasses.replace(row, name="test-000008"), 50, free) is None
    with pytest.raises(ValueError, match="stage = draw: allowed is infer, check, collect"):
        run.main(tmp_path, ("draw",), 1, 1)
    with pytest.raises(ValueError, match="which holds no posterior of these rows"):
        run.main(tmp_path / "empty", ("collect",), 1, 1, 50, free)
