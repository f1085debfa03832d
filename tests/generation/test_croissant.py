"""The Croissant description: complete, without errors, true of the folder, and readable by mlcroissant."""

import dataclasses
import itertools
import json
import shutil
import socket

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from generation import croissant, responsible
from generation.tables import CONFIG_COLUMNS, TEST_ALONE, splits_of
from mwlmc_data.dataset import release, schema, store
from mwlmc_data.storage.hashing import sha256_of

mlcroissant = pytest.importorskip("mlcroissant")

# According to the standard, sections "Required" and "Modified and Added Properties"; the validator lets them be absent.
REQUIRED = {"@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished"}
REQUIRED |= {"distribution"}
RECOMMENDED = {"keywords", "version", "citeAs", "inLanguage"}
TYPES = {"int32": np.int32, "float32": np.float32, "string": bytes}


@pytest.fixture(scope="module")
def description(published):
    return json.loads((published / "croissant.json").read_text())


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test here may reach a network."""

    def refuse(*arguments):
        raise OSError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def dataset(published):
    return mlcroissant.Dataset(published / "croissant.json")


def by_id(nodes):
    found = {node["@id"]: node for node in nodes}
    assert len(found) == len(nodes)
    return found


def plain(value):
    return value.decode() if isinstance(value, bytes) else value


class TestDescription:
    def test_every_required_property_is_present(self, description):
        missing = {name for name in REQUIRED | RECOMMENDED if not description.get(name)}
        assert missing == set()
        assert description["@type"] == "sc:Dataset"
        assert description["conformsTo"] == [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ]
        assert description["license"] == "https://creativecommons.org/licenses/by/4.0/"
        assert description["version"] == release.DATA_VERSION
        assert description["datePublished"] == "2026-02-03"
        assert all(creator["name"] for creator in description["creator"])

    def test_responsible_use_is_what_the_card_says(self, description, repository):
        assert {name for name in responsible.REQUIRED if not description.get(name)} == set()
        card = " ".join((repository / "DATASET_CARD.md").read_text(encoding="utf-8").split())
        texts = ["rai:dataBiases", "rai:personalSensitiveInformation", "rai:dataSocialImpact", "rai:dataUseCases"]
        for text in [*(description[name] for name in texts), *description["rai:dataLimitations"]]:
            assert len(text) > 40 and text in card
        assert len(description["rai:dataLimitations"]) == 8
        assert description["rai:hasSyntheticData"] is True
        assert description["prov:wasDerivedFrom"] == "https://arxiv.org/abs/2507.10667"
        assert "4,500 stars" in description["prov:wasGeneratedBy"]["sc:description"]

    def test_mlcroissant_understands_the_responsible_use(self, dataset, description):
        read = dataset.metadata
        assert read.data_biases == [description["rai:dataBiases"]]
        assert sorted(read.data_limitations) == sorted(description["rai:dataLimitations"])
        assert read.personal_sensitive_information == [description["rai:personalSensitiveInformation"]]
        assert read.data_social_impact == description["rai:dataSocialImpact"]

    def test_a_card_without_a_statement_is_refused(self, repository):
        card = (repository / "DATASET_CARD.md").read_text(encoding="utf-8")
        with pytest.raises(ValueError, match="allowed is also Social impact"):
            responsible.describe_use(card.replace("**Social impact.**", ""), "here")
        with pytest.raises(ValueError, match="without 'Uses and limits'"):
            responsible.describe_use(card.replace("## Uses and limits", "## Uses"), "here")

    def test_it_says_that_the_folder_is_a_part(self, description):
        assert "this folder holds 14" in description["description"]

    def test_no_address_is_invented(self, published, description):
        assert (published / description["url"]).is_file(), "until there is a page, the card beside it"
        assert description["isBasedOn"] == "https://arxiv.org/abs/2507.10667"
        assert "@misc{mwlmcdata" in description["citeAs"]
        assert "eprint = {2507.10667}" in description["citeAs"]
        assert "doi" not in description["citeAs"]

    def test_files_are_those_of_the_manifest(self, published, description):
        entries = {entry.name: entry for entry in store.Store(published).manifest.files}
        nodes = by_id(description["distribution"])
        objects = {name: node for name, node in nodes.items() if node["@type"] == "cr:FileObject"}
        assert objects.keys() == entries.keys()
        for name, node in objects.items():
            path = published / node["contentUrl"]
            assert path.name == node["name"] == name
            assert node["sha256"] == sha256_of(path)
            assert node["contentSize"] == f"{path.stat().st_size} B"
            assert node["encodingFormat"] == "application/x-parquet"

    def test_sets_of_files_hold_all_files_of_a_config(self, published, description):
        sets = [node for node in description["distribution"] if node["@type"] == "cr:FileSet"]
        assert {node["@id"] for node in sets} == {f"{c}-files" for c in CONFIG_COLUMNS if len(splits_of(c)) > 1}
        for node in sets:
            config = node["@id"].removesuffix("-files")
            found = {path.relative_to(published).as_posix() for path in published.glob(node["includes"])}
            assert found == {entry.path for entry in store.Store(published).manifest.select(config)}

    def test_record_sets_have_the_columns_of_the_schema(self, description):
        records = by_id(description["recordSet"])
        assert records.keys() == {"splits", *CONFIG_COLUMNS}
        for config, columns in CONFIG_COLUMNS.items():
            fields = by_id(records[config]["field"])
            assert list(fields) == [f"{config}/{column.name}" for column in columns]
            key = records[config]["key"]
            assert {node["@id"] for node in (key if isinstance(key, list) else [key])} <= fields.keys()
            for field, column in zip(fields.values(), columns, strict=True):
                unit = f" [{column.unit}]" if column.unit else ""
                assert field["description"] == column.description + unit
                assert field["name"] == column.name

    def test_stars_are_arrays(self, description):
        fields = by_id(by_id(description["recordSet"])["haloes"]["field"])
        for name in ("positions", "velocities"):
            field = fields[f"haloes/{name}"]
            assert (field["dataType"], field["isArray"], field["arrayShape"]) == ("cr:Float32", True, "4500,3")

    def test_it_is_the_same_for_the_same_files(self, published, repository):
        facts = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
        manifest = store.Store(published).manifest
        shuffled = dataclasses.replace(manifest, files=manifest.files[::-1])
        texts = [croissant.describe(m, facts, "2026-01-31", "README.md") for m in (manifest, shuffled)]
        assert texts[0] == texts[1]

    def test_persons_among_the_authors(self, published):
        facts = {
            "title": "t",
            "abstract": "a",
            "keywords": ["k"],
            "authors": [{"family-names": "Lovelace", "given-names": "Ada"}],
        }
        text = croissant.describe(store.Store(published).manifest, facts, "2026-01-31", "README.md")
        assert json.loads(text)["creator"] == [{"@type": "sc:Person", "name": "Ada Lovelace"}]

    def test_a_folder_of_two_sets_has_these_alone(self, published, repository):
        facts = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
        manifest = store.Store(published).manifest
        some = [entry for entry in manifest.files if entry.config in ("flat", "validation")]
        text = croissant.describe(dataclasses.replace(manifest, files=some), facts, "2026-01-31", "README.md")
        described = json.loads(text)
        assert [node["@id"] for node in described["recordSet"]] == ["splits", "flat", "validation"]
        assert {node["@id"] for node in described["distribution"]} == {*(entry.name for entry in some), "flat-files"}

    def test_text_is_not_escaped(self, published):
        facts = {"title": "Größe", "abstract": "π ± σ", "keywords": ["k"], "authors": [{"name": "Weiß"}]}
        text = croissant.describe(store.Store(published).manifest, facts, "2026-01-31", "README.md")
        assert '\n  "name": "Größe",\n  "description": "π ± σ",\n' in text and '"name": "Weiß"' in text


class TestReading:
    def test_there_are_no_errors_or_warnings(self, dataset):
        assert dataset.metadata.issues.errors == set()
        assert dataset.metadata.issues.warnings == set()
        assert str(dataset.metadata.ctx.conforms_to.value) == "http://mlcommons.org/croissant/1.1"

    def test_required_properties_are_read(self, dataset):
        metadata = dataset.metadata
        for name in ("name", "description", "license", "url", "creators", "date_published", "version", "cite_as"):
            assert getattr(metadata, name), name
        assert str(metadata.date_published).startswith("2026-02-03")

    def compare(self, records, table, config):
        rows = table.to_pylist()
        assert len(records) == len(rows) > 0
        for record, row in zip(records, rows, strict=True):
            assert record.keys() == {f"{config}/{column.name}" for column in CONFIG_COLUMNS[config]}
            for column in CONFIG_COLUMNS[config]:
                value = record[f"{config}/{column.name}"]
                if column in schema.STARS:
                    np.testing.assert_array_equal(np.array(value, np.float32), np.array(row[column.name], np.float32))
                    continue
                assert plain(value) == row[column.name], column.name
                assert value is None or type(value) is TYPES[column.dtype]

    def test_validation_cases(self, published, dataset):
        table = pq.read_table(published / "validation/validation-test.parquet")
        self.compare(list(dataset.records("validation")), table, "validation")

    @pytest.mark.parametrize("config", ["gaussian", "flat", "wide"])
    @pytest.mark.parametrize("split", schema.SPLITS)
    def test_catalogues_by_split(self, published, dataset, config, split):
        records = dataset.records(config, filters={f"{config}/split": split})
        table = pq.read_table(published / f"{config}/{config}-{split}.parquet").slice(0, 50)
        self.compare(list(itertools.islice(records, 50)), table, config)

    def test_a_whole_catalogue(self, published, dataset):
        ids = [record["flat/sim_id"] for record in dataset.records("flat")]
        assert sorted(ids) == list(range(4096))

    def test_haloes_by_split(self, published, dataset):
        for split in schema.SPLITS:
            # A filter stays with the dataset: a new one each time.
            dataset = mlcroissant.Dataset(published / "croissant.json")
            paths = sorted(published.glob(f"haloes/haloes-{split}-*.parquet"))
            records = dataset.records("haloes", filters={"haloes/split": split})
            self.compare(list(records), pq.read_table(paths), "haloes")

    def test_all_haloes(self, dataset):
        assert sorted(record["haloes/sim_id"] for record in dataset.records("haloes")) == list(range(8, 22))

    def test_the_splits_are_read(self, dataset):
        reported = {record["splits/name"]: record["splits/url"] for record in dataset.records("splits")}
        assert reported == {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}

    def test_a_damaged_file_is_refused_where_hashes_are_compared(self, published, tmp_path):
        shutil.copytree(published, tmp_path / "folder")
        path = tmp_path / "folder/validation/validation-test.parquet"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(Exception, match=r"Download\(validation-test\.parquet\)") as caught:
            list(mlcroissant.Dataset(tmp_path / "folder/croissant.json").records("validation"))
        assert "is not identical with the reference" in str(caught.value.__cause__)


def test_every_config_has_its_splits():
    assert {config: splits_of(config) for config in CONFIG_COLUMNS} == {
        **dict.fromkeys(("gaussian", "flat", "wide", "haloes"), ("train", "validation", "test")),
        **dict.fromkeys(TEST_ALONE, ("test",)),
    }
