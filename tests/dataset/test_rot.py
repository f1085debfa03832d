"""Files that rotted after they were hashed: what is read from them is right, or an error."""

import collections
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mwlmc_data
from mwlmc_data.dataset import library, release, schema, store
from mwlmc_data.dataset.verification import verify
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.halo_folders import copy_of_mini, rot, with_checksums

PATH = "haloes/haloes-test-00000-of-00001.parquet"


def shard(root, checksums=True):
    """A shard of few stars, and the table that it holds."""
    ids = schema.ids_of("test", 0, 300)
    numbers = np.random.default_rng(0).normal(size=len(ids) * 300).astype(np.float32)
    stars = pa.FixedSizeListArray.from_arrays(numbers, 300)
    table = pa.table({"sim_id": ids.astype(np.int32), "split": ["test"] * len(ids), "positions": stars})
    (root / PATH).parent.mkdir(parents=True)
    schema_there, writing = (parquet.mark_schema(table.schema), parquet.WRITING) if checksums else (table.schema, {})
    pq.write_table(table.cast(schema_there), root / PATH, row_group_size=16, use_dictionary=["split"], **writing)
    return table, store.describe_file(root, PATH, "haloes", "test", len(ids), ids)


def rotted(path, places, read):
    """The results of reading after flipping each of some bits, one at a time."""
    found = collections.Counter()
    for place in places:
        rot(path, place // 8, place % 8)
        try:
            found["the same" if read() else "something else"] += 1
        except DamagedFileError:
            found["an error"] += 1
        rot(path, place // 8, place % 8)
    return found


@pytest.fixture
def forget(monkeypatch):
    """Function that makes the process forget what it verified and read, as if a new one began."""

    def forget():
        monkeypatch.setattr(store, "_VERIFIED", {})
        library._decode.cache_clear()
        library._read_group_ends.cache_clear()

    forget()
    yield forget
    library._decode.cache_clear()
    library._read_group_ends.cache_clear()


@pytest.mark.parametrize("part", ["anywhere", "in the footer"])
def test_no_flipped_bit_changes_the_numbers(tmp_path, forget, part):
    table, entry = shard(tmp_path)
    path = store.verify_file(tmp_path, entry)

    def read():
        forget()
        with parquet.open_file(store.verify_file(tmp_path, entry)) as file:
            return file.read().equals(table)

    size, footer = 8 * path.stat().st_size, 8 * len(parquet.read_footer(path))
    begin = 0 if part == "anywhere" else size - footer
    places = np.random.default_rng(1).integers(begin, size, 400).tolist()
    found = rotted(path, places, read)
    assert found["something else"] == 0
    assert found["an error"] > 300
    assert read()


def test_without_checksums_flipped_bits_change_the_numbers(tmp_path):
    """Shows what the test above can see: the same bits, in a file without checksums that is read without hashing."""
    table, entry = shard(tmp_path, checksums=False)
    path = tmp_path / entry.path

    def read():
        with parquet.open_file(path) as file:
            return file.read().equals(table)

    places = np.random.default_rng(1).integers(0, 8 * path.stat().st_size, 100).tolist()
    assert rotted(path, places, read)["something else"] > 50


def test_a_file_says_whether_its_pages_have_checksums(tmp_path):
    for checksums in (True, False):
        root = tmp_path / str(checksums)
        _, entry = shard(root, checksums)
        assert parquet.has_checksums(root / entry.path) is checksums
        with pytest.raises(DamagedFileError, match=r"PATH|x\.parquet"):
            (root / "x.parquet").write_bytes(b"PAR1")
            parquet.has_checksums(root / "x.parquet")


def test_a_file_without_them_is_hashed_by_every_process(tmp_path, forget, monkeypatch):
    _, entry = shard(tmp_path, checksums=False)
    hashed = []
    monkeypatch.setattr(store, "sha256_of", lambda path: hashed.append(path.name) or sha256_of(path))
    for _ in range(2):
        forget()
        store.verify_file(tmp_path, entry)
        store.verify_file(tmp_path, entry)
    assert hashed == [entry.name] * 2
    rot(tmp_path / entry.path, 3000)
    forget()
    with pytest.raises(DamagedFileError, match=entry.sha256):
        store.verify_file(tmp_path, entry)


def test_a_file_with_them_is_hashed_once(tmp_path, forget, monkeypatch):
    _, entry = shard(tmp_path)
    store.verify_file(tmp_path, entry)
    monkeypatch.setattr(store, "sha256_of", lambda path: pytest.fail(f"{path} is hashed again"))
    for _ in range(2):
        forget()
        assert store.is_stamped(tmp_path, entry)
        store.verify_file(tmp_path, entry)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"{}", b"[]"], ids=len)
def test_a_bad_stamp_is_ignored(tmp_path, forget, content):
    _, entry = shard(tmp_path)
    store.verify_file(tmp_path, entry)
    stamp = tmp_path / store.STAMPS / f"{entry.name}.json"
    stamp.write_bytes(content)
    forget()
    assert not store.is_stamped(tmp_path, entry)
    store.verify_file(tmp_path, entry)
    assert json.loads(stamp.read_bytes())["sha256"] == entry.sha256


@pytest.fixture
def local(tmp_path, monkeypatch):
    """The few haloes of the package as a local store with checksums, and no others."""
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    made = with_checksums(copy_of_mini(tmp_path / release.DATA_VERSION))
    monkeypatch.setattr(library, "MINI", tmp_path / "nowhere")
    return made


def test_haloes_of_a_rotted_file_are_not_loaded(local, forget):
    entry = local.manifest.select("haloes", "test")[0]
    before = mwlmc_data.load_halo(9, source="store")
    path = local.path(entry)
    with parquet.open_file(path) as file:
        column = file.metadata.row_group(0).column(file.metadata.num_columns - 1)
    rot(path, column.data_page_offset + column.total_compressed_size // 2)
    forget()
    with pytest.raises(DamagedFileError, match=rf"{entry.name}.*CRC"):
        mwlmc_data.load_halo(1, source="store")
    with pytest.raises(DamagedFileError, match="CRC"):
        mwlmc_data.load_haloes(range(4), streaming=False, source="store", progress=False, workers=0)
    # the pages of other haloes are intact
    assert (mwlmc_data.load_halo(9, source="store").positions == before.positions).all()
    assert [problem for problem in verify(local.root, sample=0).problems if entry.path in problem]
