"""What the networks make of live galaxies: the numbers of the tables, and that a run goes on where it was."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies import live_inference as study
from benchmarks.studies.live_inference import LiveInference
from mwlmc_data.inference.shells import WHOLE
from tests.helpers.live_set import embed_live_set


def made_up(n=200, bias=0.5):
    """Posteriors two of each simulation, too high by `bias` of the prior in m_lmc; every fourth without a friction."""
    rng = np.random.default_rng(0)
    truth = np.column_stack([rng.uniform(0.5e11, 3e11, n), rng.uniform(5e11, 2e12, n), rng.uniform(-1.0, 1.0, n)])
    truth = np.repeat(truth[::2], 2, axis=0)
    truth[np.repeat(np.arange(n // 2) % 4 == 0, 2), 2] = np.nan
    width = np.broadcast_to(0.3 * study.SCALE, (n, 3))
    noise = 0.3 * study.SCALE * rng.standard_normal((n, 3))
    mean = truth + noise
    mean[:, 0] += bias * study.SCALE[0]
    mean[:, 2] = np.nan_to_num(mean[:, 2])
    rank = np.where(np.isnan(truth), np.nan, rng.uniform(size=(n, 3)))
    simulation = np.repeat(np.arange(n // 2), 2)
    return LiveInference("gaussian", WHOLE, simulation, truth, mean, width, rank, rng.uniform(size=n))


def truths_of(found):
    lmc, mw = found.truth[::2, 0], found.truth[::2, 1]
    return pd.DataFrame({
        "live_id": found.simulation[::2], "m_lmc_infall": lmc, "m_lmc_bound": lmc / 2, "m_lmc_50_today": lmc / 2,
        "m_lmc_8p7_today": lmc / 9, "m200_mw_today": mw, "m_mw_50_today": mw / 3,
    })  # fmt: skip


def test_bias_z_and_hits_are_found():
    found = study.summarise(made_up())
    assert found.bias[0] == pytest.approx([0.5, 0.0, 0.0], abs=0.1)
    assert found.z[0] == pytest.approx([np.hypot(1.0, 0.5 / 0.3), 1.0, 1.0], rel=0.15)
    assert found.hits[0][0] == pytest.approx([0.68] * 3, abs=0.15)
    assert (found.bias[1] > 0).all() and found.bias[1, 0] == pytest.approx(0.3 / np.sqrt(200), rel=0.4)


def test_the_tables_say_which_mass_is_found():
    found = made_up(bias=0.0)
    lines = list(study.describe([found], truths_of(found)))
    cells = [line.strip("| ").split(" | ") for line in lines]
    of_mass = {row[3]: float(row[5].split(" ")[0]) for row in cells if len(row) == 7 and row[2] == "m_lmc"}
    assert of_mass["m_lmc_bound"] == pytest.approx(2 * of_mass["m_lmc"], abs=0.02)
    assert of_mass["m_lmc_8p7_today"] == pytest.approx(9 * of_mass["m_lmc"], abs=0.1)
    bins = [row for row in cells if len(row) == 9 and row[2] != "all" and row[4] == "m_lmc"]
    assert [row[2] for row in bins] == ["0 to 1e11", "1 to 2e11", "> 2e11"]
    assert sum(int(row[3]) for row in bins) == 100
    all_friction = next(row for row in cells if len(row) == 9 and row[2] == "all" and row[4] == "log10_lambda_df")
    assert all_friction[3] == "75"


def test_a_figure_is_drawn(tmp_path):
    found = made_up()
    study.draw([found], truths_of(found)).savefig(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_rows_are_inferred_once(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    embed_live_set(folder, monkeypatch, numbers=(0, 1, 2))
    monkeypatch.setattr(study, "TRAINED_SHELLS", (WHOLE,))
    monkeypatch.setattr(study, "N_DRAWS", 200)
    (first,) = study.measure(tmp_path / "out", ["gaussian"], 2, 1, 1)
    monkeypatch.setattr(study, "infer_rows", None)
    (again,) = study.measure(tmp_path / "out", ["gaussian"], 2, 1, 1)
    np.testing.assert_array_equal(first.mean, again.mean)
    with monkeypatch.context() as patch:
        patch.setattr(study, "N_DRAWS", 100)
        with pytest.raises(TypeError):  # other draws are inferred anew
            study.measure(tmp_path / "out", ["gaussian"], 2, 1, 1)
    assert first.simulation.tolist() == [1, 2] and np.isfinite(first.truth[:, :2]).all()
    assert ((first.rank[:, :2] > 0) & (first.rank[:, :2] < 1)).all()
    # of rigid rows the truths lie within the posteriors
    assert (np.abs(first.mean - first.truth)[:, :2] < 5 * first.width[:, :2]).all()
