"""The comparison of posteriors given stars with those of 24 numbers by simulations: its rows and its statistics."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import __main__ as command
from benchmarks.references import checks
from benchmarks.references import folders as folders_module
from benchmarks.references.folders import ReferenceFolders
from benchmarks.star_references.rows import list_rows
from benchmarks.studies import brute_force as module
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.reference_columns import THETA


def write_table(path, rows):
    """A table of references with these rows."""
    path.parent.mkdir(exist_ok=True)
    columns = {"name": [row.name for row in rows], "kind": ["test"] * len(rows),
               "sim_id": np.array([row.sim_id for row in rows], np.int32)}  # fmt: skip
    for name in THETA:
        columns[f"samples_{name}"] = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(4 * len(rows), "f4")), 4)
    columns |= {"log_prob_truth": np.zeros(len(rows)), "certified": [True] * len(rows), "reasons": [""] * len(rows)}
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def folders(tmp_path):
    """Twelve rows given stars, of which the first has none given numbers, and the second none by simulations alone."""
    rows, found = list_rows()[:12], ReferenceFolders(tmp_path / "stars", tmp_path / "numbers")
    write_table(found.of_stars, rows)
    write_table(found.of_numbers, rows[1:])
    for row in rows[2:]:
        path = found.numbers / "checked" / f"{row.name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return found


@pytest.fixture
def known(monkeypatch):
    """Posteriors of rows as statistics wants them, those given stars off by `error` of those given numbers."""

    def know(error, n_simulations=20_000):
        rng = np.random.default_rng(4)

        def weigh(out, row, n):
            points = np.random.default_rng(row.number).standard_normal((n_simulations, 6))
            return checks.WeighedPoints(points, np.full(n_simulations, 1 / n_simulations))

        def infer_whole(out, row):
            return np.sqrt(0.75) * rng.standard_normal(6) + error + 0.5 * rng.standard_normal((4000, 6))

        monkeypatch.setattr(module.checks, "weigh", weigh)
        monkeypatch.setattr(module, "infer_whole", infer_whole)

    return know


def list_p(text):
    """The p-values of a described comparison."""
    line = next(line for line in text.splitlines() if line.startswith("p of chi-squared"))
    return [float(word) for word in line.split()[3:]]


def test_rows_that_are_missing_are_named(folders, known, capsys):
    known(0.0)
    rows, words = list_rows()[:13], ["--stars", str(folders.stars), "--numbers", str(folders.numbers), "--rows", "13"]
    assert command.main(["brute-force", *words]) == 0
    text = capsys.readouterr().out
    assert f"1 rows lack a reference given stars (star-references): {rows[12].name}\n" in text
    names = f"{rows[0].name}, {rows[12].name}\n"
    assert f"2 rows lack a reference given 24 numbers (references --task summary-24): {names}" in text
    assert f"--stage check): {rows[1].name}\n" in text
    assert "\n10 rows whose posterior" in text and rows[2].name in text


def test_without_tables_all_rows_are_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(folders_module, "load_references", lambda **_: None)
    words = ["--stars", str(tmp_path), "--numbers", str(tmp_path)]
    assert command.main(["brute-force", *words]) == 0
    text = capsys.readouterr().out
    assert text.startswith("10 rows lack a reference given stars") and "10 rows lack a reference given 24" in text


def test_the_references_of_the_package_stand_in_for_a_folder_that_is_not_there(folders, tmp_path):
    """Of the stars' references; the rows given 24 numbers are the folder's."""
    found = ReferenceFolders(tmp_path / "nowhere", folders.numbers)
    assert len(found.read_of_stars()) == 100 and len(found.read_of_numbers()) == 11
    chosen, missing = module.find_rows(found, list_rows()[:12])
    assert [row.name for row in chosen] == [row.name for row in list_rows()[2:12]] and missing.of_stars == ()


def test_posteriors_that_belong_together_agree(folders, known):
    known(0.0)
    chosen, _ = module.find_rows(folders, list_rows())
    found = module.compare(folders.stars, folders.numbers, chosen)
    assert len(found) == 10
    assert np.array([each.ratio for each in found]) == pytest.approx(0.25, rel=0.15)
    text = module.describe(found)
    assert len(list_p(text)) == 6 and min(list_p(text)) > 0.002 and "100%" in text


def test_a_posterior_that_is_off_is_seen(folders, known):
    known(2.0)
    chosen, _ = module.find_rows(folders, list_rows())
    assert max(list_p(module.describe(module.compare(folders.stars, folders.numbers, chosen)))) < 1e-3


def test_rows_of_few_simulations_do_not_count(folders, known):
    known(0.0, n_simulations=50)
    chosen, _ = module.find_rows(folders, list_rows())
    text = module.describe(module.compare(folders.stars, folders.numbers, chosen))
    assert text.count("does not count") == 10 and "p of chi-squared" not in text


def test_the_posterior_given_all_stars_and_their_number_is_kept(tmp_path, monkeypatch):
    row, asked = list_rows()[0], []

    def infer(row, stars, selection, seed, n, n_total):
        asked.append((len(stars), n_total))
        return type("Found", (), {"samples": pd.DataFrame([row.truth] * n)})

    monkeypatch.setattr(module.from_stars, "infer", infer)
    monkeypatch.setattr(module, "load_halo", lambda sim_id: np.zeros((7, 6)))
    first, again = module.infer_whole(tmp_path, row), module.infer_whole(tmp_path, row)
    assert asked == [(7, 4500)] and np.array_equal(first, again)
    assert first.shape == (1000, 6) and first[0].tolist() == [row.truth[name] for name in FREE]
    monkeypatch.setattr(module, "VERSION", 99)
    with pytest.raises(ValueError, match="version is 2 there and 99 now"):
        module.infer_whole(tmp_path, row)
