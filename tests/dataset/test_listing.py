"""Files that come and go while haloes are read: one listing decides, and a healthy file is never called damaged."""

import threading

import numpy as np
import pytest

import mwlmc_data
from mwlmc_data.dataset import library, release, store
from mwlmc_data.dataset.haloes import load_haloes
from mwlmc_data.dataset.library import MissingHaloError
from mwlmc_data.dataset.verification import verify
from tests.helpers.halo_folders import copy_of_mini, with_checksums

TEST, TRAIN = (f"haloes/haloes-{split}-00000-of-00001.parquet" for split in ("test", "train"))


@pytest.fixture(scope="module")
def stars():
    """The stars of the few haloes of the package, by sim_id."""
    return {i: mwlmc_data.load_halo(i, source="store").positions for i in (0, 7, 21, 30)}


@pytest.fixture
def local(stars, tmp_path, monkeypatch):
    """The few haloes in a local store, and nowhere else."""
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    made = with_checksums(copy_of_mini(tmp_path / release.DATA_VERSION))
    monkeypatch.setattr(library, "MINI", tmp_path / "nowhere")
    library._decode.cache_clear()
    yield made
    library._decode.cache_clear()


@pytest.fixture
def flickering(local):
    """The first file of the manifest comes and goes continually."""
    path, aside, stop = local.root / TEST, local.root / "aside", threading.Event()

    def flicker():
        while not stop.is_set():
            path.rename(aside)
            aside.rename(path)

    thread = threading.Thread(target=flicker)
    thread.start()
    yield local
    stop.set()
    thread.join()


def test_one_look_at_the_files_decides(local, monkeypatch):
    looks = []
    plain = library._list_files

    def files(*arguments):
        looks.append(arguments)
        found = plain(*arguments)
        # a second listing finds one file fewer
        return found[len(looks) - 1 :]

    monkeypatch.setattr(library, "_list_files", files)
    chunks = list(library.make_chunks(np.array([7, 21, 30]), "gaussian", None, "auto"))
    assert len(looks) == 1
    assert [chunk.entry.path for chunk in chunks] == [TEST, TRAIN, TRAIN]
    batches = load_haloes([7, 21, 30], shuffle=3, progress=False)
    looks.clear()
    windows = batches.make_windows(0)
    assert len(looks) == 1
    assert sorted(i for window in windows for chunk in window for i in chunk.sim_ids) == [7, 21, 30]
    assert all(chunk.is_stored for window in windows for chunk in window)


def test_healthy_files_are_not_called_damaged_while_another_comes_and_goes(flickering, stars):
    for _ in range(50):
        library._decode.cache_clear()
        for sim_id in (21, 30):
            assert (mwlmc_data.load_halo(sim_id, source="store").positions == stars[sim_id]).all()
    batch = load_haloes([21, 30], streaming=False, source="store", progress=False, workers=0)
    assert (batch["positions"][1] == stars[30]).all()


def test_the_file_that_comes_and_goes_is_read_or_missing(flickering, stars):
    seen = set()
    for _ in range(50):
        library._decode.cache_clear()
        try:
            seen.add((mwlmc_data.load_halo(7, source="store").positions == stars[7]).all())
        except MissingHaloError:
            seen.add("missing")
    assert seen <= {True, "missing"}


@pytest.fixture
def removed_when_read(local, monkeypatch):
    """The file of the test haloes vanishes between listing and reading."""
    plain = store.verify_file

    def verify_file(root, entry):
        if entry.path == TEST:
            (root / TEST).unlink(missing_ok=True)
        return plain(root, entry)

    monkeypatch.setattr(store, "verify_file", verify_file)
    return local


def test_haloes_of_a_file_that_vanishes_before_it_is_read_are_simulated(removed_when_read, stars):
    halo = mwlmc_data.load_halo(7)
    assert halo.source == "simulation"
    assert np.median(np.abs(halo.positions - stars[7])) < 1e-3
    assert halo.parameters is not None


def test_they_are_simulated_in_batches_too(removed_when_read, stars):
    batch = load_haloes([0, 7, 21], streaming=False, progress=False, workers=0)
    assert batch["sim_id"].tolist() == [0, 7, 21]
    for i, sim_id in enumerate((0, 7, 21)):
        assert np.median(np.abs(batch["positions"][i] - stars[sim_id])) < 1e-3


def test_they_are_not_simulated_where_only_files_are_wanted(removed_when_read):
    with pytest.raises(MissingHaloError, match="sim_id 7"):
        mwlmc_data.load_halo(7, source="store")


def test_batches_of_files_alone_say_what_is_missing(removed_when_read):
    with pytest.raises(MissingHaloError, match="sim_id 0"):
        load_haloes([0, 21], streaming=False, source="store", progress=False, workers=0)


def test_a_file_that_vanishes_during_listing_is_not_listed(local, monkeypatch):
    plain = library._get_group_ends

    def group_ends(root, entry):
        if entry.path == TEST:
            (root / TEST).unlink(missing_ok=True)
        return plain(root, entry)

    monkeypatch.setattr(library, "_get_group_ends", group_ends)
    library._read_group_ends.cache_clear()
    assert library.locate(np.array([7, 21]), "gaussian", None, "auto").place.tolist() == [-1, 1]


def test_verification_names_a_file_that_vanishes_meanwhile(local, monkeypatch):
    plain = store.Store.list_present

    def list_present(self, *arguments):
        found = plain(self, *arguments)
        (self.root / TEST).unlink(missing_ok=True)
        return found

    monkeypatch.setattr(store.Store, "list_present", list_present)
    assert f"{TEST}: it is missing, and was present when verification began" in verify(local.root, sample=0).problems
