"""What a manifest may say: impossible, inconsistent or dangerous content is refused before anything is done."""

import copy
import dataclasses
import json
import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mwlmc_data.dataset import library, schema, store
from mwlmc_data.dataset.manifest import Manifest
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.bad_manifests import BAD, good

SHARED = good()


def read(text):
    return Manifest.from_json(text, "manifest.json")


def test_the_good_one_is_good():
    manifest = read(json.dumps(SHARED))
    assert [entry.rows for entry in manifest.files] == [226, 10, 108, 108, 10]
    assert json.loads(manifest.to_json())["files"] == sorted(SHARED["files"], key=lambda entry: entry["path"])
    assert read(manifest.to_json()).to_json() == manifest.to_json()
    embedded = (library.MINI / store.MANIFEST).read_text()
    assert read(embedded).to_json() == embedded


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused(name):
    with pytest.raises(DamagedFileError, match=r"manifest\.json is not the file of the release: .*other") as caught:
        read(BAD[name])
    assert len(str(caught.value)) < 1000, "the fault is named, not quoted at length"


def test_many_bad_manifests_are_tried():
    assert len(BAD) >= 90
    assert len(set(BAD.values())) == len(BAD)


def with_entry(entry):
    """The good manifest with one file more."""
    content = copy.deepcopy(SHARED)
    content["files"].append({"sha256": "f" * 64, "bytes": 12} | entry)
    return json.dumps(content)


def catalogue(**facts):
    return with_entry({"path": "flat/flat-test.parquet", "config": "flat", "split": "test", "rows": 10} | facts)


def halo(sim_id):
    split = str(schema.split_of(sim_id))
    path = f"haloes-flat/haloes-flat-{split}-00000-of-00001.parquet"
    numbers = {"first_sim_id": sim_id, "last_sim_id": sim_id, "rows": 1}
    return with_entry({"path": path, "config": "haloes-flat", "split": split} | numbers)


def files(count):
    entries = [
        {"path": f"flat/flat-test-{i:05d}-of-{count:05d}.parquet", "sha256": f"{i:064x}", "rows": 1, "bytes": 12}
        for i in range(count)
    ]
    return json.dumps(SHARED | {"files": [{"config": "flat", "split": "test"} | entry for entry in entries]})


def seed(number):
    return json.dumps(SHARED | {"seeds": {"gaussian": number}})


def config(length):
    name = "x" * length
    return with_entry({"path": f"{name}/{name}-test.parquet", "config": name, "split": "test", "rows": 1})


#: By what has an edge: the last that is allowed, and the first that is not.
EDGES = {
    "seed": (seed(2**63 - 1), seed(2**63)),
    "least seed": (seed(0), seed(-1)),
    "rows": (catalogue(rows=10_000_000), catalogue(rows=10_000_001)),
    "least rows": (catalogue(rows=1), catalogue(rows=0)),
    "bytes": (catalogue(bytes=11 << 20), catalogue(bytes=(11 << 20) + 1)),
    "least bytes": (catalogue(bytes=12), catalogue(bytes=11)),
    "sim_id": (halo(2**31 - 1), halo(2**31)),
    "least sim_id": (halo(0), halo(0).replace('_sim_id": 0', '_sim_id": -1')),
    "files": (files(10_000), files(10_001)),
    "config": (config(40), config(41)),
    "title": (json.dumps(SHARED | {"title": "x" * 1000}), json.dumps(SHARED | {"title": "x" * 1001})),
    "simulator": (
        json.dumps(SHARED | {"simulator_version": "1" * 40}),
        json.dumps(SHARED | {"simulator_version": "1" * 41}),
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_limits_are_inclusive(name):
    allowed, refused = EDGES[name]
    assert read(allowed).data_version == "1.0.0"
    with pytest.raises(DamagedFileError):
        read(refused)


TEXT = st.text(max_size=12) | st.sampled_from(["haloes", "train", "gaussian/gaussian-test.parquet", "a" * 64, "1.0.0"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXT, parts, max_size=4),
    max_leaves=8,
)


@given(junk=JUNK, where=st.sampled_from(sorted({*SHARED, *SHARED["files"][2], "an entry", "all", "a name"})), key=TEXT)
@example(junk=True, where="rows", key="")
@example(junk=math.nan, where="rows", key="")
def test_whatever_one_place_holds_is_accepted_or_refused(junk, where, key):
    """No other error is possible; and what is accepted equals what was there before, or is like it."""
    content = copy.deepcopy(SHARED)
    if where == "all":
        content = junk
    elif where == "an entry":
        content["files"][2] = junk
    elif where == "a name":
        content["files"][2][key] = junk
    else:
        (content if where in content else content["files"][2])[where] = junk
    try:
        manifest = read(json.dumps(content))
    except DamagedFileError:
        return
    for entry in manifest.files:
        assert type(entry.rows) is type(entry.bytes) is int
        if entry.first_sim_id is not None:
            assert len(entry.sim_ids) == entry.rows
        assert entry.path in {known["path"] for known in SHARED["files"]}


@given(st.text() | st.binary().map(lambda content: content.decode(errors="replace")))
@example("\ufeff{}")
def test_any_text_is_refused(text):
    with pytest.raises(DamagedFileError):
        read(text)


@pytest.mark.parametrize("depth", [10, 1000, sys.getrecursionlimit() + 10, 500_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"files":', "}")])
def test_any_depth_of_nesting_is_refused(depth, opened, closed):
    with pytest.raises(DamagedFileError):
        read(opened * depth + "1" + closed * depth)


@given(
    split=st.sampled_from(schema.SPLITS),
    start=st.integers(0, 600),
    length=st.integers(0, 600),
)
def test_simulations_are_counted_as_they_are_listed(split, start, length):
    assert schema.count_ids(split, start, start + length) == len(schema.ids_of(split, start, start + length))


def test_the_manifest_of_a_local_folder_obeys_the_same_rules(tmp_path):
    (tmp_path / store.MANIFEST).write_text(BAD["rows: one more than its sim_id"])
    with pytest.raises(DamagedFileError, match=rf"{tmp_path}.*rows = 109 .* allowed is 108"):
        store.Store(tmp_path)


def test_manifests_that_the_package_writes_are_accepted(tmp_path):
    ids = schema.ids_of("test", 0, 300)
    path = "haloes-wide/haloes-wide-test-00000-of-00001.parquet"
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_bytes(b"PAR1" * 4)
    entry = store.describe_file(tmp_path, path, "haloes-wide", "test", len(ids), ids)
    manifest = store.Manifest("1.0.0", "1.0.0", {"wide": 20250712}, (entry,))
    assert read(manifest.to_json()) == manifest
    with pytest.raises(DamagedFileError):
        read(dataclasses.replace(manifest, files=()).to_json())
