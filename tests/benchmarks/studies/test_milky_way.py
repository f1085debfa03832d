"""The studies of the real sky and of surveys, on small surveys and few mocks."""

import re

import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from benchmarks import __main__ as command
from benchmarks.studies import milky_way, survey_moments
from mwlmc_data.inference import mock_simulations
from mwlmc_data.rewinding import survey

ROWS = ("x", "y", "z", "vx", "vy", "vz", "l", "b", "distance", "v_los", "pm_l", "pm_b", "err_distance", "err_v_los",
        "err_pm_l", "err_pm_b", "corr_pm")  # fmt: skip


@pytest.fixture(scope="module")
def giants():
    """A survey that stands for the K giants."""
    halo = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0), seed=5, n_stars=8000).halo
    errors = {"distance": 0.1, "v_los": 5.0, "pm_l": 0.1, "pm_b": 0.1, "corr": 0.1}
    return mw.mock_survey(halo, selection=mw.Selection(r_max=125), errors=errors, n=60, seed=1)


@pytest.fixture
def reference(giants, tmp_path):
    (tmp_path / "reflex").mkdir()
    table = giants.assign(**dict.fromkeys(ROWS[:6], 0.0))[list(ROWS)].to_numpy().T
    np.savetxt(tmp_path / "reflex" / milky_way.FILE, table)
    return tmp_path


def test_every_published_measurement_has_a_line(capsys):
    assert command.main(["milky-way"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = mw.observations.load_observations()
    assert {line.split(":")[0].split(",")[0] for line in lines} == set(names)
    giants = [line for line in lines if line.startswith("yaaqib24-50,")]
    assert len(giants) == 2 and "LMC of kallivayalil13" in giants[0] and "LMC of vasiliev" in giants[1]
    for line in giants:
        assert "stars 50 to inf kpc, to 200 kpc" in line
        assert re.search(r"m_lmc [\d.]+ \([\d.]+ to [\d.]+\), .* p (<|0\.)", line) and line.endswith("sigma")
    assert any("not inferred" in line and "allowed is" in line for line in lines if line.startswith("bystrom25"))


def test_masses_within_50_kpc_stand_beside_the_published_ones(capsys):
    assert command.main(["milky-way", "--parts", "masses"]) == 0
    lines = capsys.readouterr().out.splitlines()
    published = [line for line in lines if "as published" in line]
    assert [line.split(",")[0] for line in published] == ["brooks25", "brooks26", "brooks26-v1"]
    assert "m_mw_50 3.36 +0.15 -0.15, m_lmc_50 8.76 +1.94 -1.77, beta0 0.68 +0.02 -0.02" in published[1]
    assert "arXiv:2603.08788v2" in published[1] and "beta0" not in published[0]
    inferred = [line for line in lines if line.startswith("yaaqib24-50,")]
    assert len(inferred) == 1 and re.search(r"m_lmc_50 [\d.]+ \([\d.]+ to [\d.]+\), beta0 0\.\d+", inferred[0])
    assert inferred[0].endswith("sigma") and lines[-1].startswith("prior: m_mw_50 5.4")


def test_stars_are_read_and_refused_elsewhere(giants, reference, tmp_path):
    read = milky_way.read_stars(reference)
    pd.testing.assert_frame_equal(read[list(ROWS[6:])], giants[list(ROWS[6:])], check_exact=False, rtol=1e-9)
    with pytest.raises(ValueError, match="allowed is a folder with reflex/kgiants"):
        milky_way.read_stars(tmp_path / "reflex")


def test_giants_are_inferred_step_by_step(giants, tmp_path, monkeypatch):
    monkeypatch.setattr(mock_simulations, "_LEAST", 400)
    monkeypatch.setattr(survey, "_FIRST", 2000)
    monkeypatch.setattr(mock_simulations, "_FOR_EACH", 1)
    lines = list(milky_way.describe_giants(giants, tmp_path, 250, 1))
    assert lines[0].startswith("60 K giants: fitted vector") and (tmp_path / "mocks-giants.npz").exists()
    assert [line.split(":")[0] for line in lines[1:4]] == [
        "whole sky, all beyond 50 kpc, errors of 4,500 exact stars",
        "the same, with the fit's errors",
        "stars at 50 to 100 kpc, with the fit's errors",
    ]
    assert "the travel velocity, by mocks like them" in lines[4]
    assert "3 moments of 60 stars" in lines[5] and "in the 68% intervals of 50 mocks held out" in lines[5]
    assert "the travel velocity, masses within 50 kpc: m_mw_50" in lines[7] and "m_lmc_50" in lines[8]
    assert "all nine moments, by mocks like them" in lines[9] and "9 moments of 60 stars" in lines[10]
    assert "all nine moments, masses within 50 kpc: m_mw_50" in lines[12]


def test_shifts_are_measured_from_the_whole_shell():
    vectors = {"beyond 50 kpc": np.zeros((9, 3)), "as the survey sees them": np.tile([[1.0, -20.0, 5.0]], (9, 1))}
    vectors["as the survey sees them"][::3] += 3.0
    found = list(milky_way.describe_selection(vectors))
    assert "shift +0.0 +- 0.0" in found[0] and "y -19.0 (scatter 1.5), shift -19.0 +- 0.5" in found[1]


def test_haloes_are_seen_in_three_ways(giants, monkeypatch):
    monkeypatch.setattr(milky_way, "N_STARS", 3000)

    class Posterior:
        config = "gaussian"
        samples = pd.DataFrame({"m_lmc": [1.5e11] * 3, "m200_mw": [1.1e12] * 3, "log10_lambda_df": [0.0] * 3})

    found = milky_way.measure_selection(giants, Posterior(), 2)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("beyond 50 kpc", "at 50 to 125 kpc", "as the survey sees them"), (2, 3)
    )
    assert np.isfinite(np.concatenate(list(found.values()))).all()


def test_a_part_that_does_not_exist_is_refused(capsys):
    assert command.main(["milky-way", "--parts", "published,stars"]) == 2
    assert "--parts holds stars: allowed is published, masses, giants, selection" in capsys.readouterr().err


class TestSurveyMoments:
    def test_the_survey_is_inferred_with_its_calibration(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(mock_simulations, "_LEAST", 400)
        monkeypatch.setattr(survey, "_FIRST", 2000)
        monkeypatch.setattr(mock_simulations, "_FOR_EACH", 1)
        monkeypatch.setattr(survey_moments, "N_STARS", 60)
        monkeypatch.setattr(survey_moments, "N_SIMULATED", 8000)
        assert command.main(["survey-moments", "--out", str(tmp_path), "--workers", "1", "--mocks", "250"]) == 0
        text = capsys.readouterr().out
        assert "truth of m_lmc: 1.6e+11, at" in text and "inside_68" in text
        assert "all parameters within their 68% intervals" in text and (tmp_path / "mocks-survey.npz").exists()

    def test_a_survey_with_a_stream_is_inferred_with_it_and_without(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(mock_simulations, "_LEAST", 400)
        monkeypatch.setattr(survey, "_FIRST", 2000)
        monkeypatch.setattr(mock_simulations, "_FOR_EACH", 1)
        monkeypatch.setattr(survey_moments, "N_STARS", 60)
        options = ["--out", str(tmp_path), "--workers", "1", "--mocks", "350", "--parts", "stream"]
        assert command.main(["survey-moments", *options]) == 0
        text = capsys.readouterr().out
        assert "stream-as-component" in text and "contaminated by stream" in text and "part_stream" in text
        assert "truth of part_stream: 0.2, at" in text and text.count("truth of m_lmc") == 2
        assert (tmp_path / "mocks-stream-unknown.npz").exists()
        assert command.main(["survey-moments", "--out", str(tmp_path), "--parts", "stars"]) == 2

    def test_a_folder_without_the_table_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="allowed is a folder with reflex/mock_live_s14"):
            survey_moments.read_nbody(tmp_path)

    def test_the_survey_is_as_stated(self):
        table = survey_moments.make_survey()
        assert len(table) == 250 and mw.observations.in_legacy_surveys(table["l"], table["b"]).all()
