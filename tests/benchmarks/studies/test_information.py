"""The study of what a halo's numbers lose: widths, and wrong distances."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__ as command
from benchmarks.references import folders
from benchmarks.star_references.rows import list_rows
from benchmarks.studies import information as module
from mwlmc_data import Prior
from mwlmc_data.scoring.reference_columns import THETA
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.simulator import constants as const


def references(rows, width, log_prob):
    """Gaussian posteriors about the truths, `width` of the prior's standard deviation wide."""
    sigma = np.array([m.std for m in Prior("gaussian", THETA).marginals.values()])
    rng, truth = np.random.default_rng(3), np.array([[row.truth[name] for name in THETA] for row in rows])
    samples = truth[:, None] + width * sigma * rng.standard_normal((len(rows), 800, 3))
    ids = np.array([row.sim_id for row in rows])
    names = tuple(row.name for row in rows)
    certified = np.ones(len(rows), bool)
    return ReferenceSet(names, ("test",) * len(rows), ids, samples, np.full(len(rows), log_prob), certified)


def test_widths_are_those_of_the_common_rows():
    rows = list_rows()[:5]
    found = module.compare_widths({"few": references(rows, 0.5, -66.0), "many": references(rows[1:], 0.1, -60.0)})
    assert set(found.names) == {row.name for row in rows[1:]} and (np.diff(found.beta0) > 0).all()
    assert found.sigmas["few"] == pytest.approx(0.5, rel=0.05) and found.sigmas["many"] == pytest.approx(0.1, rel=0.05)
    assert found.gains["many"] - found.gains["few"] == pytest.approx(6.0)
    by_name = {row.name: row for row in rows}
    truth = np.array([[by_name[name].truth[parameter] for parameter in THETA] for name in found.names])
    assert found.gains["few"] == pytest.approx(-66.0 - Prior("gaussian", THETA).log_prob(truth))
    text = module.describe_widths(found)
    assert text.startswith("4 rows;") and "\nmany " in text and f"{found.names[0]}, beta0" in text
    with pytest.raises(ValueError, match="no row in common"):
        module.compare_widths({"few": references(rows[:1], 0.5, 0.0), "many": references(rows[1:], 0.1, 0.0)})


def test_wrong_distances_keep_what_is_measured_besides():
    rng = np.random.default_rng(5)
    stars = np.hstack([rng.normal(0, 60, (50, 3)), rng.normal(0, 100, (50, 3))])
    moved = module.scale_distances(stars, 1.03)
    assert module.scale_distances(stars, 1.0) == pytest.approx(stars)
    (x, v), (y, w) = ((s[:, :3] - const.SUN_POSITION, s[:, 3:] - const.SUN_VELOCITY) for s in (stars, moved))
    d, e = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    assert e == pytest.approx(1.03 * d) and y / e[:, None] == pytest.approx(x / d[:, None])
    assert np.einsum("ni,ni->n", w, y) / e == pytest.approx(np.einsum("ni,ni->n", v, x) / d)
    assert np.cross(y, w) / e[:, None] ** 2 == pytest.approx(np.cross(x, v) / d[:, None] ** 2)


def test_a_halo_with_wrong_distances_is_kept_and_described(tmp_path, monkeypatch):
    row, asked = list_rows()[0], []

    def infer(row, stars, *settings):
        asked.append(float(np.linalg.norm(stars[:, :3] - const.SUN_POSITION, axis=1).mean()))
        return SimpleNamespace(samples=pd.DataFrame([row.truth] * 10), p_value=0.25)

    monkeypatch.setattr(module.from_stars, "infer", infer)
    first = list(module.disturb(tmp_path, row, (0.0, 0.02)))
    again = list(module.disturb(tmp_path, row, (0.0, 0.02)))
    assert len(asked) == 2 and asked[1] == pytest.approx(1.02 * asked[0])
    assert [each.error for each in again] == [0.0, 0.02] and again[1].p_value == first[1].p_value == 0.25
    text = module.describe_disturbed(row, again)
    assert row.name in text and "\n+2% " in text and "0.250" in text


def test_many_rows_are_averaged_by_anisotropy():
    rows = list_rows()[:30]
    found = module.compare_widths({"few": references(rows, 0.5, -66.0), "many": references(rows, 0.1, -60.0)})
    text = module.describe_widths(found)
    below = sum(row.truth["beta0"] < 0.3 for row in rows)
    assert text.startswith("30 rows;") and f"\n{below} rows at beta0 0 to 0.3\n  few " in text
    assert "test-" not in text and text.count("\n  many ") == 4


def test_embedded_references_stand_in_for_folders_that_are_not_there(tmp_path, capsys):
    words = ["information", "--stars", str(tmp_path), "--numbers", str(tmp_path), "--out", str(tmp_path)]
    assert command.main([*words, "--disturbed", "0"]) == 0
    text = capsys.readouterr().out
    assert "nine numbers" in text and "1,024 stars" in text


def test_nothing_to_compare_is_refused(tmp_path, capsys, monkeypatch):
    for each in (module, folders):
        monkeypatch.setattr(each, "load_references", lambda **_: None)
    words = ["information", "--stars", str(tmp_path), "--numbers", str(tmp_path), "--out", str(tmp_path)]
    assert command.main(words) == 2
    assert "allowed are folders with collected references" in capsys.readouterr().err
