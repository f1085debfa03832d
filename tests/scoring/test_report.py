"""The report: a mapping that JSON can hold, and an aligned table."""

import json
import math

import pytest

from mwlmc_data.scoring.report import Entry, Report, Section

THREE = ("m_lmc", "m200_mw", "log10_lambda_df")


def by_parameter(*values):
    return dict(zip(THREE, values, strict=True))


@pytest.fixture
def report():
    headline = {
        "energy_score": Entry(0.61234, 0.0123, "less is better"),
        "contraction": Entry(by_parameter(0.69, -0.0001, 0.32), right="0: as wide as the prior", digits=2),
    }
    calibration = {
        "rank_ks_pvalue": Entry(by_parameter(0.5, 0.0004, math.nan), is_pvalue=True),
        "hits_68": Entry(by_parameter(0.7, 0.66, 0.5), by_parameter(0.0148, 0.0149, 0.0152), "0.68"),
        "shifted": Entry(by_parameter(0.7, 0.6, 0.5), by_parameter(0.01, 0.02, 0.03), digits=2),
    }
    grid = [
        Section(name, {"z": Entry(z, digits=1), "auroc": Entry(math.nan)}, in_grid=True)
        for name, z in (("test", 1.04), ("noise-2", 2.26))
    ]
    notes = ["log_prob_truth was not given. " + "A long sentence that has to be wrapped somewhere. " * 4]
    sections = [Section("calibration", calibration), *grid]
    return Report("summary-9@1.0", Section("headline", headline), sections, notes, THREE)


def test_it_is_a_mapping(report):
    assert dict(report) == report.to_dict()
    keys = ["task", "headline", "scores", "notes", "not_possible", "observations", "submission"]
    assert list(report) == keys and len(report) == 7
    assert report["task"] == "summary-9@1.0"
    assert report["headline"]["energy_score"] == {"value": 0.61234, "error": 0.0123, "right": "less is better"}
    assert report["scores"]["calibration"]["hits_68"]["error"]["m_lmc"] == 0.0148
    with pytest.raises(KeyError):
        report["score"]


def test_it_is_written_as_json_with_nan_as_null(report):
    again = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert again == report.to_dict()
    assert again["scores"]["calibration"]["rank_ks_pvalue"]["value"]["log10_lambda_df"] is None
    assert again["scores"]["test"]["auroc"]["value"] is None


def test_the_table(report):
    lines = str(report).splitlines()
    assert lines[:2] == ["summary-9@1.0", "values with strokes are of m_lmc / m200_mw / log10_lambda_df"]
    table = "\n".join(lines)
    assert "  energy score  0.612 ± 0.012       less is better\n" in table
    assert "  contraction   0.69 / 0.00 / 0.32  0: as wide as the prior\n" in table
    assert "0.500 / <.001 / -" in table
    assert "0.700 / 0.660 / 0.500 ± 0.015            0.68\n" in table
    assert "0.70 ± 0.01 / 0.60 ± 0.02 / 0.50 ± 0.03" in table
    assert "\n         z    auroc\ntest     1.0  -\nnoise-2  2.3  -\n" in table
    assert all(len(line) <= 120 and line == line.rstrip() for line in lines)
    assert next(line for line in lines if line.startswith("- ")).startswith("- log_prob_truth was not given.")


def test_a_section_can_be_added_and_a_submission_named(report):
    more = report.with_section(Section("classifier", {"c2st": Entry(0.5, 0.01)})).with_submission({"method": "NSF"})
    assert more["scores"]["classifier"]["c2st"]["value"] == 0.5
    assert more["submission"] == {"method": "NSF"}
    assert str(more).startswith("summary-9@1.0: NSF\n")
    assert "classifier" not in report["scores"] and not report["submission"]
    assert "calibration" in repr(more)


def test_neighbours_with_other_metrics_are_tables_of_their_own(report):
    grid = [Section(name, {metric: Entry(1.0)}, in_grid=True) for name, metric in (("a", "z"), ("b", "z"), ("c", "y"))]
    text = str(Report("t@1.0", report.headline, grid))
    assert "   z\na  1.000\nb  1.000\n\n   y\nc  1.000" in text


def test_an_empty_section_has_no_heading(report):
    assert "reference" not in str(report.with_section(Section("reference", {})))


def test_the_suffix_chooses_the_format(report, tmp_path):
    report.write(tmp_path / "report.json")
    report.write(tmp_path / "report.txt")
    assert json.loads((tmp_path / "report.json").read_text()) == report.to_dict()
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == str(report) + "\n"
    with pytest.raises(ValueError, match=r"report\.csv': allowed is .*\.json or \.txt"):
        report.write(tmp_path / "report.csv")
