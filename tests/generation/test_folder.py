"""The published folder: its contents, refusals, that it is reproducible, and that the next run repairs a killed one."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from generation import folder
from generation.card import CARD, add_configs
from generation.folder import StrangerError, make_release
from generation.tables import CONFIG_COLUMNS, LIVE, TEST_ALONE
from mwlmc_data.dataset import release, schema, store
from mwlmc_data.dataset.verification import verify
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.validation import validation_cases, validation_schema
from tests.helpers.folder_contents import contents, files_in

DATE = "2026-02-03"
TEXTS = {"README.md", "manifest.json", "croissant.json", ".zenodo.json", "SHA256SUMS", *folder.COPIED}
TABLES = {f"{c}/{c}-{s}.parquet" for c in ("gaussian", "flat", "wide") for s in schema.SPLITS}
SINGLE = {f"{c}/{c}-test.parquet" for c in TEST_ALONE}
SHARDS = {
    "haloes/haloes-train-00000-of-00001.parquet",
    *(f"haloes/haloes-validation-0000{i}-of-00003.parquet" for i in range(3)),
    "haloes/haloes-test-00000-of-00001.parquet",
}


def make(out, haloes, **options):
    return make_release(out, haloes, **({"date": DATE, "progress": False} | options))


def states(out):
    return {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in files_in(out).items()}


@pytest.fixture
def copied_run(halo_run, tmp_path):
    """A run of haloes that a test may damage."""
    shutil.copytree(halo_run, tmp_path / "work")
    return tmp_path / "work"


def rewrite_manifest(root, **changes):
    path = root / store.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite_shard(root, change):
    """Replace the shard of the test split by a changed table, and list it in the manifest."""
    manifest = json.loads((root / store.MANIFEST).read_text())
    (entry,) = (entry for entry in manifest["files"] if entry["split"] == "test")
    path = root / entry["path"]
    pq.write_table(change(pq.read_table(path)), path)
    entry |= {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    rewrite_manifest(root, files=manifest["files"])


def double(table, name):
    doubled = pc.multiply(table[name], pa.scalar(2.0, pa.float32()))
    return table.set_column(table.column_names.index(name), table.schema.field(name), doubled)


class TestContents:
    def test_it_holds_exactly_these_files(self, published):
        assert set(files_in(published)) == TEXTS | TABLES | SHARDS | SINGLE

    def test_it_fits_into_a_zenodo_record(self, published):
        """A record has no folders and holds up to 100 files. The full release has 33 shards."""
        names = [name.rpartition("/")[2] for name in files_in(published)]
        assert len(set(names)) == len(names)
        assert len(names) - len(SHARDS) + 33 == 54 + len(LIVE) < 100
        assert all(name.count("/") <= 1 for name in files_in(published))

    def test_the_sums_list_every_other_file_and_sha256sum_agrees(self, published):
        listed = [line.split("  ", 1)[1] for line in (published / "SHA256SUMS").read_text().splitlines()]
        assert listed == sorted(set(files_in(published)) - {"SHA256SUMS"})
        program = shutil.which("sha256sum")
        if program is None:
            pytest.skip("no sha256sum on this machine")
        command = [program, "--check", "--strict", "SHA256SUMS"]
        done = subprocess.run(command, cwd=published, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [f"{name}: OK" for name in listed]

    def test_the_manifest_is_that_of_a_store_that_verifies(self, published, tmp_path):
        shutil.copytree(published, tmp_path / "folder")
        found = verify(tmp_path / "folder", sample=2)
        assert found.problems == []
        assert found.files == len(TABLES | SHARDS | SINGLE)
        manifest = store.Store(published).manifest
        assert (manifest.data_version, manifest.simulator_version) == (release.DATA_VERSION, SIMULATOR_VERSION)
        assert manifest.seeds == release.CATALOGUE_SEEDS
        assert {entry.config for entry in manifest.files} == set(CONFIG_COLUMNS)

    @pytest.mark.parametrize("config", ["gaussian", "flat", "wide"])
    def test_the_splits_together_are_the_embedded_set(self, published, config):
        parts = {split: pq.read_table(published / f"{config}/{config}-{split}.parquet") for split in schema.SPLITS}
        for split, part in parts.items():
            assert set(part["split"].to_pylist()) == {split}
            assert pc.all(pc.equal(part["sim_id"].sort(), part["sim_id"])).as_py()
        embedded = pq.read_table(release.verify_embedded(config))
        assert pa.concat_tables(parts.values()).sort_by("sim_id").equals(embedded)
        for part in parts.values():
            assert part.schema.equals(parquet.mark_schema(embedded.schema), check_metadata=True)

    @pytest.mark.parametrize("config", TEST_ALONE[1:])
    def test_the_files_of_the_benchmark_are_the_embedded_ones(self, published, config):
        table = pq.read_table(published / f"{config}/{config}-test.parquet")
        wanted = pq.read_table(embedded.verify_file(config))
        assert table.equals(wanted) and table.schema.metadata == wanted.schema.metadata
        assert [field.metadata for field in table.schema] == [field.metadata for field in wanted.schema]

    def test_the_tables_are_written_like_the_embedded_ones(self, published):
        chunks = [
            pq.ParquetFile(path).metadata.row_group(0).column(i)
            for path in (published / "gaussian/gaussian-test.parquet", release.verify_embedded("gaussian"))
            for i in range(len(schema.COLUMNS))
        ]
        forms = [(c.path_in_schema, c.compression, c.encodings, c.has_column_index, c.has_offset_index) for c in chunks]
        assert forms[: len(schema.COLUMNS)] == forms[len(schema.COLUMNS) :]

    def test_the_validation_cases(self, published):
        table = pq.read_table(published / "validation/validation-test.parquet")
        assert table.schema.equals(parquet.mark_schema(validation_schema()), check_metadata=True)
        assert table.column_names == [column.name for column in CONFIG_COLUMNS["validation"]]
        assert table.schema.field("truth_m_lmc").metadata[b"unit"] == b"Msun"
        cases = validation_cases()
        rows = table.to_pylist()
        assert [row["name"] for row in rows] == list(cases)
        for row, case in zip(rows, cases.values(), strict=True):
            assert (row["kind"], row["source"]) == (case.kind, case.source)
            for name, value in case.observation.items():
                assert row[name] == np.float32(value)
            quoted = {name: row[f"truth_{name}"] for name in case.truth}
            assert quoted == {name: np.float32(value) for name, value in case.truth.items()}
            reported = {name for name in row if name.startswith("truth_") and row[name] is not None}
            assert reported == {f"truth_{name}" for name in case.truth}
            for name, value in case.in_support.items():
                assert row[f"sigmas_{name}"] == np.float32(value)
            assert tuple(filter(None, row["outside"].split(", "))) == case.outside

    def test_the_sky_of_a_case_is_where_its_sigmas_say(self, published):
        row = pq.read_table(published / "validation/validation-test.parquet").to_pylist()[1]
        assert (row["distance_lmc"] - 49.6) / 5 == pytest.approx(row["sigmas_distance_lmc"], abs=1e-5)
        assert (row["v_los_lmc"] - 262.2) / 10 == pytest.approx(row["sigmas_v_los_lmc"], abs=1e-5)

    def test_shards_are_hard_links(self, published, halo_run):
        for name in SHARDS:
            assert (published / name).samefile(halo_run / name)

    def test_the_readme_is_the_card_with_a_notice_on_top(self, published):
        before, front, rest = add_configs(CARD.read_text()).split("---\n", 2)
        assert before == ""
        readme = (published / "README.md").read_text()
        start = f"---\n{front}---\n\n> **Notice**: "
        assert readme.startswith(start)
        notice, _, body = readme[len(start) :].partition("\n\n")
        assert notice.startswith("Of the 128,000 haloes this folder holds 14, those of sim_id 8 to 21")
        assert body == rest

    def test_there_is_no_notice_if_nothing_is_missing(self):
        def entry(split, first, last):
            return store.ListedFile(f"haloes/{split}", "haloes", split, 1, 1, "0" * 64, first, last)

        whole = [entry("test", 0, 127_881), entry("validation", 10, 127_891), entry("train", 20, 127_999)]
        assert folder._write_notice(whole) is None
        part = [entry("test", 0, 127_881), entry("validation", 10, 19), entry("train", 20, 127_999)]
        assert "holds 118,010, those of sim_id 0 to 137, 148 to 265," in folder._write_notice(part)
        but_one = [entry("test", 0, 127_881), entry("validation", 11, 127_891), entry("train", 20, 127_999)]
        assert "holds 127,999, those of sim_id 0 to 9, 11 to 127999;" in folder._write_notice(but_one)

    @pytest.mark.parametrize(("name", "source"), [("CITATION.cff", "CITATION.cff"), ("LICENSE", "LICENSE-DATA")])
    def test_files_of_the_repository_are_copied(self, published, repository, name, source):
        """The folder holds only data, so its licence is that of the data."""
        assert (published / name).read_bytes() == (repository / source).read_bytes()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "reported"),
        [
            ({"data_version": "0.9.0"}, rf"data version '0\.9\.0', not '{release.DATA_VERSION}'"),
            ({"simulator_version": "7.0.0"}, rf"simulator version '7\.0\.0', not '{SIMULATOR_VERSION}'"),
            ({"seeds": {"gaussian": 5}}, r"seeds \{'gaussian': 5\}, not \{'gaussian': 20250710\}"),
        ],
    )
    def test_haloes_of_another_release(self, copied_run, tmp_path, changes, reported):
        rewrite_manifest(copied_run, **changes)
        with pytest.raises(ValueError, match=reported):
            make(tmp_path / "out", copied_run)
        assert not (tmp_path / "out").exists()

    def test_a_damaged_shard_is_found_despite_its_stamp(self, copied_run, tmp_path):
        path = copied_run / "haloes/haloes-test-00000-of-00001.parquet"
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=times)
        with pytest.raises(DamagedFileError, match=r"haloes-test-00000.*expected SHA-256"):
            make(tmp_path / "out", copied_run)
        assert not (tmp_path / "out").exists()

    def test_a_missing_shard(self, copied_run, tmp_path):
        (copied_run / "haloes/haloes-test-00000-of-00001.parquet").unlink()
        with pytest.raises(DamagedFileError, match=r"haloes-test-00000.*no such file"):
            make(tmp_path / "out", copied_run)

    @pytest.mark.parametrize(
        ("change", "reported"),
        [
            (lambda table: table.drop_columns(["beta0"]), "other columns: allowed"),
            (lambda table: double(table, "m_lmc"), "other haloes: allowed"),
            (lambda table: table.slice(1), "other haloes: allowed"),
            (lambda table: table.replace_schema_metadata({}), "config None, not 'gaussian'"),
            (lambda table: table.replace_schema_metadata(table.schema.metadata | {b"seed": b"5"}), "seed '5', not"),
        ],
        ids=["a column lacks", "other parameters", "a row lacks", "no label", "another seed"],
    )
    def test_a_shard_that_does_not_belong_to_the_catalogue(self, copied_run, tmp_path, change, reported):
        rewrite_shard(copied_run, change)
        with pytest.raises(ValueError, match=reported):
            make(tmp_path / "out", copied_run)

    def test_haloes_without_one_of_the_splits(self, copied_run, tmp_path):
        files = json.loads((copied_run / store.MANIFEST).read_text())["files"]
        rewrite_manifest(copied_run, files=[entry for entry in files if entry["split"] != "train"])
        with pytest.raises(ValueError, match="without the split train: allowed is"):
            make(tmp_path / "out", copied_run)

    def test_files_that_are_not_haloes(self, copied_run, tmp_path):
        files = json.loads((copied_run / store.MANIFEST).read_text())["files"]
        stranger = {"path": "haloes-flat/haloes-flat-test.parquet", "config": "haloes-flat", "split": "test"}
        numbers = {"rows": 1, "first_sim_id": 0, "last_sim_id": 0, "bytes": 2000, "sha256": "0" * 64}
        rewrite_manifest(copied_run, files=[*files, stranger | numbers])
        with pytest.raises(ValueError, match="allowed is haloes/haloes-SPLIT"):
            make(tmp_path / "out", copied_run)

    def test_a_folder_that_is_not_a_run(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no manifest\.json"):
            make(tmp_path / "out", tmp_path)

    def test_the_folder_of_the_haloes_itself(self, copied_run):
        before = contents(copied_run)
        with pytest.raises(ValueError, match="allowed is another folder than that of the haloes"):
            make(copied_run, copied_run)
        assert contents(copied_run) == before

    @pytest.mark.parametrize("date", ["yesterday", "2026", "2026-02-30", "03.02.2026"])
    def test_what_is_not_a_date(self, halo_run, tmp_path, date):
        with pytest.raises(ValueError, match="a day such as 2026-01-31"):
            make(tmp_path / "out", halo_run, date=date)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("stranger", ["notes.txt", "gaussian/all.parquet", "old/data.parquet", ".git/HEAD"])
    def test_unknown_files_are_named_before_anything_is_written(self, halo_run, tmp_path, stranger):
        path = tmp_path / "out" / stranger
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        with pytest.raises(StrangerError, match=stranger.split("/", 1)[0]):
            make(tmp_path / "out", halo_run)
        assert contents(tmp_path / "out") == {stranger: b"mine"}

    def test_five_unknown_files_are_named_and_the_others_counted(self, tmp_path):
        for i in range(7):
            (tmp_path / f"stranger-{i}").touch()
        with pytest.raises(StrangerError, match=r"holds 'stranger-0', .*'stranger-4' and 2 more, not part"):
            folder._check_folder(tmp_path, {"README.md"})
        for i in (5, 6):
            (tmp_path / f"stranger-{i}").unlink()
        with pytest.raises(StrangerError, match=r"'stranger-3', 'stranger-4', not part"):
            folder._check_folder(tmp_path, {"README.md"})

    def test_half_written_files_are_leftovers_if_they_are_of_this_release(self, tmp_path):
        assert folder._check_folder(tmp_path / "nothing", {"README.md"}) == []
        (tmp_path / "flat").mkdir()
        names = {"README.md", "flat/flat-test.parquet"}
        left = [tmp_path / f"{name}.{'0f' * 16}.tmp" for name in sorted(names)]
        for path in (*left, tmp_path / "README.md"):
            path.touch()
        assert sorted(folder._check_folder(tmp_path, names)) == left
        stranger = tmp_path / f"notes.txt.{'0f' * 16}.tmp"
        stranger.touch()
        with pytest.raises(StrangerError, match=stranger.name):
            folder._check_folder(tmp_path, names)

    def test_shards_of_an_earlier_partition_are_unknown_files(self, halo_run, tmp_path):
        old = tmp_path / "out/haloes/haloes-train-00000-of-00027.parquet"
        old.parent.mkdir(parents=True)
        old.write_bytes(b"old")
        with pytest.raises(StrangerError, match="haloes-train-00000-of-00027"):
            make(tmp_path / "out", halo_run)


class TestSecondRun:
    def test_a_second_run_changes_nothing(self, published, halo_run):
        before = states(published)
        make_release(published, halo_run, progress=False)  # the date is kept too
        assert states(published) == before

    def test_date_and_page_are_kept_until_new_ones_are_given(self, halo_run, tmp_path):
        def date_and_page():
            description = json.loads((tmp_path / "out/croissant.json").read_text())
            return description["datePublished"], description["url"]

        make(tmp_path / "out", halo_run, url="https://example.org/page")
        assert date_and_page() == (DATE, "https://example.org/page")
        make_release(tmp_path / "out", halo_run, progress=False)
        assert date_and_page() == (DATE, "https://example.org/page")
        make(tmp_path / "out", halo_run, date="2026-03-04", url="README.md")
        assert date_and_page() == ("2026-03-04", "README.md")

    def test_the_date_of_another_version_is_not_kept(self, halo_run, tmp_path, monkeypatch):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/croissant.json").write_text('{"version": "0.9.0", "datePublished": "2020-01-01", "url": "x"}')
        make_release(tmp_path / "out", halo_run, progress=False)
        assert json.loads((tmp_path / "out/croissant.json").read_text())["datePublished"] > "2026"

    def test_damaged_files_are_repaired_and_the_others_kept(self, published, halo_run, tmp_path):
        make(tmp_path / "out", halo_run)
        before = states(tmp_path / "out")
        damaged = ["flat/flat-test.parquet", "manifest.json", "LICENSE"]
        for name in damaged:
            (tmp_path / "out" / name).write_bytes(b"damaged")
        (tmp_path / "out/haloes/haloes-test-00000-of-00001.parquet").unlink()
        make(tmp_path / "out", halo_run)
        assert contents(tmp_path / "out") == contents(published)
        changed = {name for name, state in states(tmp_path / "out").items() if state != before[name]}
        assert changed == set(damaged)

    def test_partial_files_of_a_killed_run_are_removed(self, published, halo_run, tmp_path):
        (tmp_path / "out/flat").mkdir(parents=True)
        for name in ("manifest.json", "flat/flat-test.parquet"):
            (tmp_path / "out" / f"{name}.{'0f' * 16}.tmp").write_bytes(b"half")
        make(tmp_path / "out", halo_run)
        assert set(files_in(tmp_path / "out")) == set(files_in(published))
        assert contents(tmp_path / "out") == contents(published)

    def test_shards_are_copied_where_no_link_can_be_made(self, published, halo_run, tmp_path, monkeypatch):
        def fail(source, target):
            raise OSError("Invalid cross-device link")

        monkeypatch.setattr(os, "link", fail)
        make(tmp_path / "out", halo_run)
        assert contents(tmp_path / "out") == contents(published)
        assert not any((tmp_path / "out" / name).samefile(halo_run / name) for name in SHARDS)
        before = states(tmp_path / "out")
        make(tmp_path / "out", halo_run)
        assert states(tmp_path / "out") == before

    def test_a_bad_copy_is_not_kept(self, halo_run, tmp_path, monkeypatch):
        def fail(source, target):
            raise OSError("Invalid cross-device link")

        monkeypatch.setattr(os, "link", fail)
        monkeypatch.setattr(shutil, "copyfile", lambda source, target: target.write_bytes(b"half"))
        with pytest.raises(DamagedFileError):
            make(tmp_path / "out", halo_run)
        assert not list((tmp_path / "out").rglob("haloes-*"))
        assert not (tmp_path / "out/SHA256SUMS").exists()

    def test_files_of_users_and_tools_are_left_alone_and_not_listed(self, published, halo_run, tmp_path):
        left = [".stamps/a.json", ".locks/b.lock", ".cache/huggingface/c"]
        for name in left:
            (tmp_path / "out" / name).parent.mkdir(parents=True)
            (tmp_path / "out" / name).write_text("left")
        make(tmp_path / "out", halo_run)
        assert contents(tmp_path / "out") == contents(published) | dict.fromkeys(left, b"left")

    def test_progress_is_shown(self, halo_run, tmp_path, capfd):
        make(tmp_path / "out", halo_run, progress=True)
        reported = capfd.readouterr().err
        assert "checking the haloes" in reported
        assert "placing the haloes" in reported
        assert "100%" in reported


# Kills itself halfway through writing the file of the given number.
DRIVER = """
import os, pathlib, signal, sys
from generation import folder
from mwlmc_data.storage import writing
from mwlmc_data.storage.writing import replace_file

out, haloes, date, last = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
written = 0

def replace_until_killed(path, write):
    def write_half(temporary):
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    global written
    written += 1
    replace_file(path, write_half if written == last else write)

writing.replace_file = folder.replace_file = replace_until_killed
folder.make_release(out, haloes, date=date, progress=False)
"""


@pytest.mark.parametrize("last", [1, 8, 15, 19, 24], ids=["first", "table", "shard", "text", "last"])
def test_the_next_run_repairs_a_killed_one(published, halo_run, repository, tmp_path, last):
    out = tmp_path / "out"
    command = [sys.executable, "-c", DRIVER, str(out), str(halo_run), DATE, str(last)]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    left = files_in(out)
    assert sum(name.endswith(".tmp") for name in left) == 1
    assert len(left) == last
    assert "SHA256SUMS" not in left
    make(out, halo_run)
    assert contents(out) == contents(published)
