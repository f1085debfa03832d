"""The study of what a halo's numbers lose: widths, the agreement with 24 numbers, and wrong distances."""

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.references import checks as number_checks
from benchmarks.star_references.rows import list_rows
from benchmarks.studies import information as module
from mwlmc_data import Prior
from mwlmc_data.inference.free_parameters import FREE
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


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Ten rows whose two posteriors are as statistics wants them, and then one that is not."""

    def make(error):
        rows = list_rows()[:10]
        rng = np.random.default_rng(4)
        numbers = tmp_path / "numbers"
        for row in rows:
            path = numbers / "checked" / f"{row.name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

        def weigh(out, row, n):
            points = np.random.default_rng(row.number).standard_normal((20_000, 6))
            return number_checks.WeighedPoints(points, np.full(20_000, 1 / 20_000))

        def infer_whole(out, row):
            centre = np.sqrt(0.75) * rng.standard_normal(6) + error
            return centre + 0.5 * rng.standard_normal((4000, 6))

        monkeypatch.setattr(module.checks, "weigh", weigh)
        monkeypatch.setattr(module, "infer_whole", infer_whole)
        return module.compare_with_24(tmp_path, numbers, list_rows())

    return make


def test_posteriors_that_belong_together_agree(compared):
    found = compared(0.0)
    assert len(found) == 10
    assert np.array([each.ratio for each in found]) == pytest.approx(0.25, rel=0.15)
    text = module.describe_agreement(found)
    p = [float(word) for word in text.splitlines()[-1].split()[3:]]
    assert len(p) == 6 and min(p) > 0.002 and "100%" in text


def test_a_posterior_that_is_off_is_seen(compared):
    text = module.describe_agreement(compared(2.0))
    assert max(float(word) for word in text.splitlines()[-1].split()[3:]) < 1e-3


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

    def infer(stars, row, n_total=None):
        asked.append(float(np.linalg.norm(stars[:, :3] - const.SUN_POSITION, axis=1).mean()))
        return np.tile([row.truth[name] for name in FREE], (10, 1)), 0.25

    monkeypatch.setattr(module, "_infer", infer)
    first = list(module.disturb(tmp_path, row, (0.0, 0.02)))
    again = list(module.disturb(tmp_path, row, (0.0, 0.02)))
    assert len(asked) == 2 and asked[1] == pytest.approx(1.02 * asked[0])
    assert [each.error for each in again] == [0.0, 0.02] and again[1].p_value == first[1].p_value == 0.25
    text = module.describe_disturbed(row, again)
    assert row.name in text and "\n+2% " in text and "0.250" in text


def test_nothing_to_compare_is_refused(tmp_path, capsys):
    words = ["information", "--stars", str(tmp_path), "--numbers", str(tmp_path), "--out", str(tmp_path)]
    assert command.main(words) == 2
    assert "allowed are folders with collected references" in capsys.readouterr().err
