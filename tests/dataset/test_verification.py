"""`mwlmc verify`: every kind of damage is found and named, and a good folder passes."""

import dataclasses
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mwlmc_data import cli
from mwlmc_data.dataset import library, release, sameness, store
from mwlmc_data.dataset.sameness import compare_haloes
from mwlmc_data.dataset.verification import verify
from mwlmc_data.simulator import Halo
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.halo_folders import copy_of_mini

#: Version of the simulator that made the embedded files.
MADE_WITH = release.get_entry("gaussian")["simulator_version"]


@pytest.fixture
def mini(tmp_path):
    return copy_of_mini(tmp_path / "store")


def rewrite(mini, change, split="test"):
    """Change the table of a shard and describe it again, as the author of a wrong file would."""
    (entry,) = mini.manifest.select("haloes", split)
    path = mini.path(entry)
    pq.write_table(change(pq.read_table(path)), path)
    table = pq.read_metadata(path)
    new = store.describe_file(mini.root, entry.path, entry.config, entry.split, table.num_rows, entry.sim_ids)
    files = tuple(new if old == entry else old for old in mini.manifest.files)
    text = dataclasses.replace(mini.manifest, files=files).to_json()
    (mini.root / store.MANIFEST).write_text(text)


def set_column(name, values):
    def change(table):
        i = table.column_names.index(name)
        field = table.schema.field(i)
        return table.set_column(i, field, pa.array(values(table[name]), field.type))

    return change


def said(name, value):
    return lambda table: table.replace_schema_metadata({**table.schema.metadata, name.encode(): value.encode()})


def with_stars(change):
    def values(column):
        flat = column.combine_chunks().flatten().flatten().to_numpy().reshape(-1, 4500, 3).copy()
        change(flat)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), 3)
        return pa.FixedSizeListArray.from_arrays(vectors, 4500)

    def table(old):
        i = old.column_names.index("positions")
        return old.set_column(i, old.schema.field(i), values(old["positions"]))

    return table


def moved(stars):
    stars[:, :, 0] += 1.0


def with_a_nan(stars):
    stars[3, 17, 2] = np.nan


def test_the_embedded_haloes_verify():
    found = verify(library.MINI, sample=6)
    assert found.problems == []
    assert (found.files, found.rows, found.simulated) == (3, 32, 6)
    assert found.bytes == sum(entry.bytes for entry in store.Store(library.MINI).manifest.files)


def flipped(mini):
    path = mini.path(mini.manifest.files[0])
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def cut(mini):
    path = mini.path(mini.manifest.files[0])
    path.write_bytes(path.read_bytes()[:-5])


def removed(mini):
    mini.path(mini.manifest.files[0]).unlink()


def error_page(mini):
    mini.path(mini.manifest.files[0]).write_text("<html>503</html>")


@pytest.mark.parametrize(
    ("damage", "match"),
    [(flipped, "SHA-256 is .* not"), (cut, "bytes, not"), (removed, "is missing"), (error_page, "16 bytes, not")],
)
def test_damaged_files_are_found_whatever_a_stamp_says(mini, damage, match):
    for entry in mini.manifest.files:
        mini.verify(entry)
    damage(mini)
    found = verify(mini.root, sample=0)
    assert len(found.problems) == 1
    assert re.search(match, found.problems[0])
    assert mini.manifest.files[0].path in found.problems[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda table: table.drop_columns(["beta0"]), "schema differs in ['beta0']"),
        (set_column("m_lmc", lambda column: pc.multiply(column, pa.scalar(2, pa.float32()))), "['m_lmc'] are not"),
        (set_column("split", lambda column: ["train"] * len(column)), "['split'] are not"),
        (said("seed", "7"), "its metadata give seed '7', not '20250710'"),
        (said("config", "wide"), "its metadata give config 'wide', not 'gaussian'"),
        (said("simulator_version", "0.9"), f"its metadata give simulator_version '0.9', not '{MADE_WITH}'"),
        (set_column("sim_id", lambda column: column.to_pylist()[::-1]), "sim_id are not those of the test split"),
        (lambda table: table.slice(1), "has 9 rows"),
        (with_stars(with_a_nan), "positions are not all finite in row group 0"),
        (with_stars(moved), "haloes simulated again differ"),
    ],
    ids=["schema", "parameters", "split", "seed", "set", "simulator", "order", "rows", "nan", "stars"],
)
def test_wrong_contents_under_a_right_hash_are_found(mini, change, match):
    before = mini.manifest
    rewrite(mini, change)
    if match == "has 9 rows":
        text = (mini.root / store.MANIFEST).read_text().replace('"rows": 9', '"rows": 10')
        (mini.root / store.MANIFEST).write_text(text)
    assert store.Store(mini.root).manifest != before
    found = verify(mini.root, sample=10)
    assert found.problems
    assert all(match in problem for problem in found.problems[:1]), found.problems


def say(mini, **changes):
    text = dataclasses.replace(mini.manifest, **changes).to_json()
    (mini.root / store.MANIFEST).write_text(text)


def part_of_three(entry):
    return dataclasses.replace(entry, path=entry.path.replace("of-00001", "of-00003"))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"data_version": "9.9.9"}, "data version 9.9.9 is not known to this package"),
        ({"seeds": {"gaussian": 1}}, "the seed of gaussian is 1 in the manifest, not 20250710"),
        ({"seeds": {"gaussian": 20250710, "narrow": 2}}, "the seed of narrow is 2 in the manifest, not None"),
    ],
)
def test_a_manifest_that_the_package_cannot_compare_with_is_refused(mini, changes, match):
    say(mini, **changes)
    (problem,) = verify(mini.root, sample=0).problems
    assert match in problem


def test_a_series_must_be_complete(mini):
    for entry in mini.manifest.files:
        mini.path(entry).rename(mini.root / part_of_three(entry).path)
    say(mini, files=tuple(map(part_of_three, mini.manifest.files)))
    problems = verify(mini.root, sample=0).problems
    assert len(problems) == 3
    assert problems[0] == "the manifest lists 1 of the 3 files of haloes-test: number 1 is not among them"


def test_a_manifest_must_be_the_published_one_once_that_is_known(mini, monkeypatch):
    digest = sha256_of(mini.root / store.MANIFEST)
    registry = release.load_registry()
    monkeypatch.setattr(release, "load_registry", lambda directory=None: registry)
    registry[release.DATA_VERSION]["manifest"] = "0" * 64
    mixed = [store.ListedFile("gaussian/gaussian-test.parquet", "gaussian", "test", 10, 2000, "0" * 64)]
    assert verify(mini.root, sample=0).problems == [], "haloes made here are not the published ones"
    say(mini, files=(*mini.manifest.files, *mixed))
    (problem, *_) = [p for p in verify(mini.root, sample=0).problems if p.startswith(store.MANIFEST)]
    assert digest not in problem and "not that of the published one, 000000" in problem


def test_a_part_may_be_absent_on_request(mini):
    removed(mini)
    found = verify(mini.root, sample=0, partial=True)
    assert found.problems == []
    assert found.absent == [mini.manifest.files[0].path]


def test_haloes_of_another_simulator_cannot_be_checked(mini):
    text = dataclasses.replace(mini.manifest, simulator_version="0.9").to_json()
    (mini.root / store.MANIFEST).write_text(text)
    (problem,) = verify(mini.root, sample=1).problems
    assert "0.9" in problem


def test_documents_are_checked_by_their_sums(mini):
    (mini.root / "README.md").write_text("text")
    lines = [f"{sha256_of(mini.root / 'README.md')}  README.md"]
    lines += [f"{entry.sha256}  {entry.path}" for entry in mini.manifest.files]
    (mini.root / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    assert verify(mini.root, sample=0).problems == []
    (mini.root / "README.md").write_text("other text")
    assert verify(mini.root, sample=0).problems == ["README.md: its SHA-256 is not that of SHA256SUMS"]
    (mini.root / "README.md").unlink()
    assert verify(mini.root, sample=0).problems == ["README.md is missing"]
    lines[1] = "0" * 64 + lines[1][64:]
    (mini.root / "SHA256SUMS").write_text("\n".join(lines[1:]) + "\n")
    (problem,) = verify(mini.root, sample=0).problems
    assert "disagree" in problem


def test_the_command_reports_and_exits_accordingly(mini, capsys, tmp_path):
    assert cli.main(["verify", str(mini.root), "--sample", "2"]) == 0
    assert "2 haloes simulated again" in capsys.readouterr().out
    flipped(mini)
    assert cli.main(["verify", str(mini.root), "--sample", "0", "--json"]) == 1
    reported = json.loads(capsys.readouterr().out)
    assert reported["rows"] == 32
    assert len(reported["problems"]) == 1
    assert cli.main(["verify", str(mini.root), "--sample", "-1"]) == 2
    assert "sample = -1" in capsys.readouterr().err
    assert cli.main(["verify", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def halo(positions, velocities):
    return Halo(positions.astype(np.float32), velocities.astype(np.float32))


@pytest.fixture(scope="module")
def stars():
    stored = library.simulate_rows([library.get_recipe(library.Chunk((0,)), "gaussian", None)[0][0]], 20250710)
    return stored[0][0], stored[1][0]


def test_bounds_of_the_same_halo(stars):
    """A few stars may move, many may not; inner ones are ignored; the travel vector must agree."""
    positions, velocities = stars
    same = halo(positions, velocities)
    assert compare_haloes([same], [same]).identical == 1
    radius = np.linalg.norm(positions, axis=1)
    outer = np.flatnonzero(radius > sameness.OUTER)

    def shifted(which, kpc=0.0, kms=0.0, n=1):
        there, then = positions.copy(), velocities.copy()
        there[which, 0] += kpc
        then[which, 0] += kms
        return compare_haloes([same] * n, [halo(there, then)] * n)

    assert shifted(radius < 15, kpc=1.0, kms=50.0).problems == []
    assert shifted(outer, kpc=0.005).problems == []
    few = outer[: int(0.02 * len(outer))]
    assert shifted(few, kpc=0.05).problems == []
    assert "0.97" in shifted(outer[: int(0.05 * len(outer))], kpc=0.05).problems[0]
    assert "0.999" in shifted(few, kpc=0.0, kms=3.0).problems[0]
    assert any("travel vector" in problem for problem in shifted(outer, kms=0.02, n=4).problems)
    assert any("more than 0.5" in problem for problem in shifted(outer, kms=0.9).problems)
    with pytest.raises(ValueError, match="haloes = 1 and 0: allowed"):
        compare_haloes([same], [])


@pytest.mark.parametrize(
    ("within", "haloes", "found"), [(7, 8, 0), (5, 6, 0), (3, 8, 1), (890, 1000, 0), (850, 1000, 1)]
)
def test_of_a_few_haloes_chance_may_take_some(within, haloes, found):
    """On another processor nine haloes of ten agree: seven of eight is no fault, 850 of 1,000 is one."""
    travel = np.where(np.arange(haloes) < within, 1e-3, 0.05)
    problems = sameness.Sameness(haloes, near=1.0, far=1.0, travel=travel, identical=0).problems
    assert len(problems) == found and all(f"in {within} of {haloes} haloes, not in 90% of all" in p for p in problems)
