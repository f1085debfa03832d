"""The dataset card says what the package does, and its machine-readable parts are derived from the schema."""

import re

import datasets
import numpy as np
import pytest
import yaml
from huggingface_hub import DatasetCard

import mwlmc_data as mw
from generation import card
from generation.tables import CONFIG_COLUMNS, files_of, splits_of
from mwlmc_data.dataset import release, sameness, schema
from mwlmc_data.validation import VALIDATION_COLUMNS


@pytest.fixture(scope="module")
def text():
    return card.CARD.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def front(text):
    """Front matter of the published card."""
    return yaml.safe_load(card.add_configs(text).split("---\n", 2)[1])


def in_one_line(text):
    return " ".join(text.split())


class TestDerivedParts:
    def test_they_agree_with_the_schema(self, text):
        assert card.refresh(text) == text, "python -m generation card rewrites them"

    def test_every_table_is_present(self, text):
        for columns in (schema.COLUMNS, schema.HALO_COLUMNS, VALIDATION_COLUMNS):
            assert schema.markdown_table(columns) in text
        assert card.TABLES == {
            "the catalogues": schema.COLUMNS,
            "the haloes": schema.HALO_COLUMNS,
            "the validation cases": VALIDATION_COLUMNS,
        }

    @pytest.mark.parametrize("column", VALIDATION_COLUMNS, ids=lambda c: c.name)
    def test_columns_of_the_cases_can_stand_in_a_table(self, column):
        assert "|" not in column.description
        assert len(column.description) > 15

    def test_manual_changes_are_overwritten(self, text):
        changed = text.replace("| `m_lmc` | float32 | Msun |", "| `m_lmc` | float64 | kg |")
        changed = changed.replace("license: cc-by-4.0", "license: mit").replace("- benchmark\n", "")
        assert changed != text
        assert card.refresh(changed) == text

    def test_a_card_without_front_matter_gets_one(self, text):
        assert card.refresh(text.split("---\n", 2)[2]) == text

    @pytest.mark.parametrize("marker", ["<!-- columns of the haloes -->", "<!-- end of columns -->"])
    def test_a_missing_marker_is_named(self, text, marker):
        with pytest.raises(ValueError, match=re.escape(marker)):
            card.refresh(text.replace(marker, ""))

    def test_the_file_is_written_only_where_it_changes(self, text, tmp_path):
        path = tmp_path / "CARD.md"
        path.write_text(text, encoding="utf-8")
        before = path.stat().st_mtime_ns
        assert not card.refresh_card(path)
        assert path.stat().st_mtime_ns == before
        path.write_text(text.replace("cc-by-4.0", "mit"), encoding="utf-8")
        assert card.refresh_card(path)
        assert path.read_text(encoding="utf-8") == text

    def test_a_notice_needs_front_matter(self, text):
        assert "---\n\n> **Notice**: part\n\n# Dataset card" in card.add_notice(text, "part")
        with pytest.raises(ValueError, match="front matter"):
            card.add_notice("# Card\n", "part")


class TestFrontMatter:
    def test_metadata_for_the_hub(self, front):
        assert front["license"] == "cc-by-4.0" == schema.LICENCE.lower()
        assert front["pretty_name"] == schema.TITLE
        # Legal values: huggingface.js, packages/tasks/src/pipelines.ts; hub-docs, datasetcard.md.
        assert front["task_categories"] == ["tabular-regression"]
        rows = sum(release.get_entry(config)["rows"] for config in release.CATALOGUE_SEEDS)
        assert 100_000 < rows < 1_000_000
        assert front["size_categories"] == ["100K<n<1M"]
        assert {"astronomy", "benchmark", "simulation-based-inference", "arxiv:2507.10667"} <= set(front["tags"])
        assert front["language"] == ["en"]

    def test_the_card_of_the_repository_has_the_same_without_the_configs(self, text, front):
        short = text.split("---\n", 2)[1]
        assert short.count("\n") < 25
        assert yaml.safe_load(short) == {name: front[name] for name in front if name not in ("configs", "dataset_info")}
        assert card.add_configs(text).split("---\n", 2)[2] == text.split("---\n", 2)[2]

    def test_the_hub_reads_the_columns_that_stand_there_once(self, text):
        read = DatasetCard(card.add_configs(text)).data.to_dict()
        features = {info["config_name"]: info["features"] for info in read["dataset_info"]}
        assert features["gaussian"] == features["flat"] == features["wide"] and len(features["wide"]) == 74
        assert card.write_front_matter().count("name: distance_lmc_start") == 1

    def test_configs_and_their_files(self, front):
        assert [config["config_name"] for config in front["configs"]] == list(CONFIG_COLUMNS)
        assert [config["config_name"] for config in front["configs"] if config.get("default")] == ["gaussian"]
        for config in front["configs"]:
            name = config["config_name"]
            assert config["data_files"] == [{"split": s, "path": files_of(name, s)} for s in splits_of(name)]
        assert files_of("gaussian", "test") == "gaussian/gaussian-test.parquet"
        assert files_of("haloes", "test") == "haloes/haloes-test-*.parquet"

    def test_features_are_those_that_datasets_understands(self, front):
        assert [info["config_name"] for info in front["dataset_info"]] == list(CONFIG_COLUMNS)
        for info in front["dataset_info"]:
            features = datasets.Features._from_yaml_list(info["features"])
            columns = CONFIG_COLUMNS[info["config_name"]]
            assert list(features) == [column.name for column in columns]
            for column in columns:
                wanted = {0: datasets.Value(column.base), 2: datasets.Array2D(column.shape, column.base)}
                wanted[1] = datasets.List(datasets.Value(column.base), length=sum(column.shape))
                assert features[column.name] == wanted[len(column.shape)]


class TestText:
    def test_version_and_sizes_match_the_embedded_files(self, text):
        assert f"| Version | {release.DATA_VERSION} |" in text
        assert f"`gaussian`: {len(mw.load_catalogue()):,} simulations" in text
        assert f"`flat`: {release.get_entry('flat')['rows']:,} with" in text
        assert f"`wide`: {release.get_entry('wide')['rows']:,} with" in text

    @pytest.mark.parametrize(
        ("config", "set_of"), [("gaussian", "gaussian"), ("flat", "flat"), ("wide", "wide"), ("haloes", "gaussian")]
    )
    def test_rows_of_the_splits(self, text, config, set_of):
        parts = schema.split_of(np.arange(release.get_entry(set_of)["rows"]))
        numbers = " | ".join(f"{np.count_nonzero(parts == split):,}" for split in schema.SPLITS)
        row = next(line for line in text.splitlines() if line.startswith(f"| `{config}`") and line.count("|") == 6)
        assert row.endswith(f"| {numbers} |")

    def test_bounds_of_the_same_halo(self, text):
        reported = in_one_line(text)
        assert f"at least {sameness.NEAR_SHARE:.0%} within {sameness.NEAR} kpc" in reported
        assert f"{sameness.FAR_SHARE:.1%} within {sameness.FAR} kpc and {sameness.FAST:.0f} km/s" in reported
        assert f"within {sameness.TRAVEL} km/s in nine haloes of ten" in reported
        assert sameness.TRAVEL_SHARE == 0.9
        assert f"within {sameness.MAX_TRAVEL} km/s in all" in reported
        assert f"beyond {sameness.OUTER:.0f} kpc" in reported

    def test_out_of_distribution_cases_are_named(self, text):
        cases = mw.validation_cases()
        assert {name for name, case in cases.items() if case.extrapolates} == {"gc19-fiducial", "fire-m12b"}
        reported = in_one_line(text)
        assert "line-of-sight velocity 8 sigma above and 17 below" in reported
        assert round(cases["fire-m12b"].in_support["pm_dec_lmc"]) == -10
        assert "10 sigma below in `pm_dec_lmc`" in reported

    def test_no_identifier_is_invented(self, text):
        assert "there is no DOI yet" in text
        assert set(re.findall(r"https?://\S+", text)) == set()

    def test_errata_are_those_of_the_registry(self, text):
        retracted = [version for version, record in release.load_registry().items() if record["retracted"]]
        assert ("No errata so far." in text) == (not retracted)
        assert all(version in text for version in retracted)
