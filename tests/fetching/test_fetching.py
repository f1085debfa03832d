"""Fetching from mirrors into the store: which files, from where, and that nothing is done twice or out of order."""

import errno
import gzip
import json
import os
import re
import shutil
import socket
import threading

import numpy as np
import pytest

import mwlmc_data
from mwlmc_data.dataset import library, release, schema, store
from mwlmc_data.fetching import FetchError, downloading, manifest, mirrors
from mwlmc_data.fetching.errors import format_size
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.release_server import SHARDS, TRAIN, files_in, moved, small_release, write_manifest

MANIFEST = store.MANIFEST


def same_bytes(paths, original, root):
    return bool(paths) and all(path.read_bytes() == (original / path.relative_to(root)).read_bytes() for path in paths)


def names_of(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


class TestWhatIsFetched:
    def test_fetch_is_a_public_name(self):
        assert mwlmc_data.fetch is not None
        assert "fetch" in mwlmc_data.__all__

    def test_haloes_are_fetched_by_default(self, fetch, server, original, root):
        paths = fetch(mirrors=server.url)
        assert names_of(paths, root) == list(SHARDS)
        assert same_bytes(paths, original, root)
        assert files_in(root) == sorted([*SHARDS, MANIFEST])
        assert (root / MANIFEST).read_bytes() == (original / MANIFEST).read_bytes()
        assert [server.count(name) for name in (MANIFEST, *SHARDS)] == [1] * 5

    def test_what_is_fetched_is_the_local_store(self, fetch, server):
        fetch(mirrors=server.url)
        local = store.open_local_store()
        assert [entry.path for entry in local.list_present("haloes")] == list(SHARDS)

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ({"split": "train"}, TRAIN),
            ({"config": "gaussian", "split": "test"}, ["gaussian/gaussian-test.parquet"]),
            ({"config": "validation"}, ["validation/validation-test.parquet"]),
            ({"sim_ids": [0]}, [SHARDS[0]]),
            ({"sim_ids": [20, 127, 21]}, [TRAIN[0]]),
            ({"sim_ids": range(127, 129)}, [SHARDS[0], TRAIN[0]]),
            ({"sim_ids": (i for i in (10, 255))}, [TRAIN[1], SHARDS[3]]),
            ({"sim_ids": schema.ids_of("train", 0, 256)}, TRAIN),
            ({"sim_ids": range(128, 256), "split": "train"}, [TRAIN[1]]),
            ({"sim_ids": []}, []),
        ],
    )
    def test_some_of_the_files(self, fetch, server, original, root, options, names):
        paths = fetch(mirrors=server.url, **options)
        assert names_of(paths, root) == list(names)
        assert not paths or same_bytes(paths, original, root)
        assert files_in(root) == sorted([*names, MANIFEST])

    def test_everything(self, fetch, server, original, root):
        assert same_bytes(fetch(None, mirrors=server.url), original, root)
        assert files_in(root) == files_in(original)

    def test_of_everything_only_some_shards(self, fetch, server, root):
        names = names_of(fetch(None, mirrors=server.url, sim_ids=[0]), root)
        assert [name for name in names if name.startswith("haloes")] == [SHARDS[0]]
        assert len(names) == 5

    @pytest.mark.parametrize("jobs", [1, 2, 16])
    def test_any_number_of_jobs(self, fetch, server, original, root, jobs):
        assert same_bytes(fetch(mirrors=server.url, jobs=jobs), original, root)
        assert not [t for t in threading.enumerate() if t.name.startswith(downloading.THREADS)]

    @pytest.mark.parametrize(
        ("options", "reported"),
        [
            ({"config": "halos"}, r"'halos'.*allowed is .*haloes"),
            ({"split": "training"}, r"'training'.*allowed is 'test', 'train', 'validation'"),
            ({"config": "validation", "split": "train"}, r"'train'.*allowed is 'test'"),
            ({"sim_ids": [3, 256]}, r"256.*allowed is 0 to 255"),
            ({"sim_ids": [-1]}, r"sim_ids\[0\] = -1: allowed"),
            ({"sim_ids": [0.5]}, r"sim_ids\[0\] = 0\.5: allowed is whole numbers"),
            ({"sim_ids": [[1, 2]]}, r"sim_ids = an array of shape \(1, 2\)"),
            ({"sim_ids": [True, False]}, r"sim_ids\[0\] = True"),
            ({"sim_ids": np.ma.masked_array([1, 2], [True, False])}, "sim_ids = 1 masked or missing value of 2"),
            ({"sim_ids": [0], "split": "train"}, r"0 to 0.*'train'"),
            ({"sim_ids": [0], "config": "gaussian"}, r"'gaussian'.*haloes"),
            ({"version": "9.9.9"}, rf"'9\.9\.9'.*allowed is '{release.DATA_VERSION}'"),
            ({"jobs": 0}, "jobs = 0: allowed is a whole number from 1"),
            ({"jobs": "4"}, "jobs = '4': allowed is a whole number"),
            ({"mirrors": "gopher://x"}, "'gopher://x'.*allowed"),
        ],
    )
    def test_what_does_not_exist_is_refused_by_name(self, fetch, server, root, options, reported):
        with pytest.raises(ValueError, match=reported):
            fetch(**{"mirrors": server.url, **options})
        assert [name for name in files_in(root) if name != MANIFEST] == []


class TestSources:
    def test_a_folder_is_copied(self, fetch, original, root):
        assert same_bytes(fetch(mirrors=original), original, root)

    def test_a_folder_without_folders(self, fetch, original, root, tmp_path):
        (tmp_path / "flat").mkdir()
        for name in (MANIFEST, *SHARDS):
            shutil.copy(original / name, tmp_path / "flat")
        assert same_bytes(fetch(mirrors=tmp_path / "flat"), original, root)

    def test_zenodo_holds_all_files_in_one_folder(self, fetch, serve, original, root, monkeypatch):
        server = serve(prefix="/records/77/files", flat=True)
        monkeypatch.setattr(mirrors, "ZENODO", server.host)
        assert same_bytes(fetch(mirrors="doi:10.5281/zenodo.77"), original, root)
        assert {seen.query for seen in server.seen} == {"download=1"}

    def test_redirects_of_hugging_face_are_followed(self, fetch, serve, original, root, monkeypatch):
        content, hub = serve(), serve(prefix="/datasets/some/data/resolve/v1.0.0")
        monkeypatch.setattr(mirrors, "HUGGING_FACE", hub.host)
        for name in SHARDS:
            hub.always[name] = moved(f"{content.url}/{name}")
        assert same_bytes(fetch(mirrors="hf:some/data@v1.0.0"), original, root)
        assert content.count(SHARDS[0]) == hub.count(SHARDS[0]) == 1

    def test_a_server_that_compresses_what_it_sends(self, fetch, serve, original, root):
        server, name = serve(), "validation/validation-test.parquet"
        for path in (MANIFEST, name):
            server.always[path] = lambda handler, content: handler.answer(
                200, gzip.compress(content), Content_Encoding="gzip"
            )
        assert same_bytes(fetch("validation", mirrors=server.url), original, root)
        assert server.count(name) == 1

    def test_a_mirror_whose_manifest_lacks_the_split_gives_way(self, fetch, published, original, root):
        """It has files of the config and files of the split, but no file of both."""
        lacking = [entry for entry in entries_of(original) if (entry.config, entry.split) != ("haloes", "test")]
        write_manifest(published, lacking)
        assert names_of(fetch(mirrors=[published, original], split="test"), root) == [SHARDS[0]]
        assert (root / MANIFEST).read_bytes() == (original / MANIFEST).read_bytes()

    def test_if_no_manifest_has_the_request_the_first_says_what_there_is(
        self, fetch, published, original, root
    ):
        write_manifest(published, [entry for entry in entries_of(original) if entry.config != "validation"])
        for order, known in (([published, original], "'haloes'"), ([original, published], "'haloes', 'validation'")):
            with pytest.raises(ValueError, match=rf"'haloes-wide': allowed is 'gaussian', {known}(?!,)"):
                fetch("haloes-wide", mirrors=order)
            shutil.rmtree(root)

    def test_the_registered_mirror_serves_if_none_is_given(self, fetch, server, root, registered, original):
        registered(mirrors=[server.url])
        assert same_bytes(fetch(), original, root)

    def test_the_environment_comes_before_the_registry(self, fetch, serve, monkeypatch, registered):
        one, other = serve(), serve()
        registered(mirrors=[one.url])
        monkeypatch.setenv(mirrors.VARIABLE, other.url)
        fetch(split="test")
        assert (len(one.seen), len(other.seen)) == (0, 2)

    def test_requests_carry_a_user_agent(self, fetch, server):
        fetch(mirrors=server.url, split="test")
        for seen in server.seen:
            assert seen.headers["User-Agent"] == f"mwlmc-data/{mwlmc_data.__version__}"
            assert seen.headers["Accept-Encoding"] == "identity"

    def test_a_directory_can_be_chosen(self, fetch, server, original, root, tmp_path):
        own = tmp_path / "own" / "place"
        assert same_bytes(fetch(mirrors=server.url, directory=str(own)), original, own)
        assert not root.exists()


class TestSecondFetch:
    def test_nothing_is_requested_or_hashed(self, fetch, server, root, forgotten, monkeypatch):
        paths = fetch(mirrors=server.url)
        requests = len(server.seen)
        forgotten()
        for module in (store, release):
            monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail(f"{path} is hashed again"))
        monkeypatch.setattr(
            manifest, "FileLock", lambda path: pytest.fail("a lock needs a folder to write to")
        )
        assert fetch(mirrors=server.url) == paths
        assert fetch(mirrors=[]) == paths
        assert len(server.seen) == requests

    def test_without_its_stamp_a_file_is_hashed_and_kept(self, fetch, server, root, forgotten, monkeypatch):
        paths = fetch(mirrors=server.url)
        requests = len(server.seen)
        forgotten()
        (root / store.STAMPS / f"{paths[1].name}.json").unlink()
        hashed = []
        monkeypatch.setattr(store, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
        assert fetch(mirrors=server.url) == paths
        assert hashed == [paths[1]]
        assert len(server.seen) == requests

    def test_only_missing_files_are_fetched(self, fetch, server, original, root):
        first = fetch(mirrors=server.url, split="train")
        first[1].unlink()
        assert same_bytes(fetch(mirrors=server.url), original, root)
        assert [server.count(name) for name in (MANIFEST, *SHARDS)] == [1, 1, 1, 2, 1]

    @pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"?"])
    def test_a_damaged_file_is_replaced(self, fetch, server, original, root, damage):
        path = fetch(mirrors=server.url)[0]
        content = path.read_bytes()
        path.write_bytes(damage(content))
        os.utime(path, ns=(1, 1))
        assert same_bytes(fetch(mirrors=server.url), original, root)
        assert server.count(SHARDS[0]) == 2

    def test_a_damaged_file_without_a_mirror_is_named(self, fetch, server):
        path = fetch(mirrors=server.url)[0]
        path.write_bytes(b"x" * path.stat().st_size)
        with pytest.raises(FetchError, match=rf"{path.name} \(damaged\).*no mirror"):
            fetch()

    def test_another_mirror_is_asked_for_its_manifest(self, fetch, serve):
        one, other = serve(), serve()
        fetch(mirrors=one.url)
        fetch(mirrors=other.url)
        assert [seen.path for seen in other.seen] == [MANIFEST]

    def test_fetched_files_are_readable_by_other_users(self, fetch, server, root):
        before = os.umask(0o022)
        try:
            path = fetch(mirrors=server.url, split="test")[0]
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o644


def entries_of(folder):
    return list(store.Store(folder).manifest.files)


class TestManifest:
    def refused(self, fetch, folder, root, *reported):
        with pytest.raises(FetchError) as caught:
            fetch(mirrors=folder)
        for part in (MANIFEST, str(folder), *reported):
            assert part in str(caught.value)
        assert files_in(root) == []

    @pytest.mark.parametrize("path", ["../evil.parquet", "/tmp/evil.parquet", "a\\..\\evil.parquet", "c:evil", ""])
    def test_a_path_outside_the_folder_is_refused(self, fetch, published, root, path):
        content = json.loads((published / MANIFEST).read_text())
        content["files"][0]["path"] = path
        (published / MANIFEST).write_text(json.dumps(content))
        self.refused(fetch, published, root, "allowed is a path in the folder")

    @pytest.mark.parametrize(
        ("content", "reported"),
        [
            (b"", "no valid"),
            (b"{", "no valid"),
            (b'{"files": []}', "no valid"),
            (b'\xff\xfe{"files": []}', "not text"),
            (b"<html>moved</html>", "HTML page"),
        ],
    )
    def test_another_text_is_refused(self, fetch, published, root, content, reported):
        (published / MANIFEST).write_bytes(content)
        self.refused(fetch, published, root, reported)

    def test_another_version_is_refused(self, fetch, published, root):
        write_manifest(published, entries_of(published), "7.0.0")
        self.refused(fetch, published, root, "7.0.0", release.DATA_VERSION)

    def test_a_full_disk_is_reported_with_the_space_that_the_request_needs(self, fetch, original, root, monkeypatch):
        """It counts the files of the config and split, and no others."""

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(manifest, "write_bytes", full)
        size = (original / SHARDS[0]).stat().st_size
        with pytest.raises(FetchError, match=rf"disk is full .* needs {re.escape(format_size(size))} in '{root}'"):
            fetch(mirrors=original, split="test")

    def test_it_must_be_the_registered_manifest(self, fetch, published, original, root, registered):
        registered(manifest=sha256_of(original / MANIFEST))
        write_manifest(published, entries_of(published)[1:])
        self.refused(fetch, published, root, "SHA-256", sha256_of(original / MANIFEST))
        assert same_bytes(fetch(mirrors=[published, original]), original, root)

    def test_the_registered_manifest_is_known_without_a_mirror(self, fetch, original, root, registered):
        registered(manifest=sha256_of(original / MANIFEST))
        shutil.copytree(original, root)
        assert len(fetch()) == 4

    def test_a_manifest_that_was_not_fetched_is_not_taken_for_the_release(self, fetch, original, root):
        shutil.copytree(original, root)
        with pytest.raises(FetchError, match="no mirror"):
            fetch()

    @pytest.mark.parametrize("version", [release.DATA_VERSION, "0.9.0"])
    def test_other_files_of_the_same_name_are_not_mixed(self, fetch, original, root, version):
        small_release(root, seed=5, version=version)
        before = {name: (root / name).read_bytes() for name in files_in(root)}
        with pytest.raises(FetchError) as caught:
            fetch(mirrors=original)
        for part in (str(root), version, "directory", store.DATA_DIR_VARIABLE, "remove"):
            assert part in str(caught.value)
        assert {name: (root / name).read_bytes() for name in files_in(root)} == before

    def test_files_that_the_release_lacks_are_not_mixed(self, fetch, original, published, root):
        shutil.copytree(original, root)
        write_manifest(published, [entry for entry in entries_of(original) if entry.path != TRAIN[0]])
        with pytest.raises(FetchError, match=TRAIN[0].partition("/")[2]):
            fetch(mirrors=published)

    def test_the_same_files_of_a_smaller_store_are_kept(self, fetch, server, original, root):
        (root / "haloes").mkdir(parents=True)
        shutil.copy(original / TRAIN[0], root / TRAIN[0])
        write_manifest(root, [entry for entry in entries_of(original) if entry.path == TRAIN[0]])
        assert same_bytes(fetch(mirrors=server.url), original, root)
        assert [server.count(name) for name in SHARDS] == [1, 0, 1, 1]

    @pytest.mark.parametrize("content", [b"{", b"\xff", None])
    def test_a_manifest_without_files_is_replaced(self, fetch, original, root, content):
        if content is None:
            small_release(root, seed=5)
            shutil.rmtree(root / "haloes")
            shutil.rmtree(root / "gaussian")
            shutil.rmtree(root / "validation")
        else:
            root.mkdir(parents=True)
            (root / MANIFEST).write_bytes(content)
        assert same_bytes(fetch(mirrors=original), original, root)


def test_real_haloes_can_be_loaded_once_they_are_fetched(fetch, serve, tmp_path, monkeypatch):
    """The few haloes of the package, as if they were a release."""
    few = library.MINI
    expected = mwlmc_data.load_halo(3, source="store")
    monkeypatch.setattr(library, "MINI", tmp_path / "nowhere")
    with pytest.raises(library.MissingHaloError, match="mwlmc fetch haloes"):
        mwlmc_data.load_halo(3, source="store")
    paths = fetch(mirrors=serve(few).url, sim_ids=[3])
    halo = mwlmc_data.load_halo(3, source="store")
    assert halo.source == "store"
    assert [path.name.split("-")[1] for path in paths] == ["test"]
    assert (halo.positions == expected.positions).all()
    assert (halo.velocities == expected.velocities).all()


class TestNoMirror:
    @pytest.mark.parametrize("config", ["haloes", "haloes-flat", "gaussian", "validation", None])
    def test_the_error_says_what_is_missing_and_how_to_get_it(self, fetch, root, config):
        with pytest.raises(FetchError) as caught:
            fetch(config)
        text = str(caught.value)
        reported = [str(root), release.DATA_VERSION, "no deposit of this version is registered"]
        if config != "haloes-flat":  # no published folder holds these
            reported += [f"mwlmc fetch {config or 'all'} --mirror", mirrors.VARIABLE]
        reported += [f"config {config!r}"] if config else ["every config"]
        if config is None or config.startswith("haloes"):
            reported += ["python -m generation haloes --out DIR", "load_halo"]
        reported += ["load_catalogue(config='gaussian')"] if config == "gaussian" else []
        reported += ["--config flat"] if config == "haloes-flat" else []
        for part in reported:
            assert part in text
        assert "\n" not in text

    def test_the_number_of_missing_files_is_reported(self, fetch, server, root):
        fetch(mirrors=server.url, split="train")
        with pytest.raises(FetchError, match="2 of 4 files of config 'haloes'"):
            fetch()

    def test_a_registered_deposit_is_named(self, fetch, registered):
        registered(mirrors=["https://example.org/data"])
        with pytest.raises(FetchError, match="no mirror was given"):
            fetch(mirrors=[])

    def test_no_connection(self, fetch, serve, root):
        gone = serve()
        gone.close()
        with pytest.raises(FetchError, match=r"offline.*Connection refused.*load_halo"):
            fetch(mirrors=gone.url)
        assert files_in(root) == []

    def test_no_name_server_and_a_folder_that_is_not_there(self, fetch, monkeypatch, tmp_path):
        def fail(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(FetchError, match=r"offline.*example\.org.*not known.*hf:a/b"):
            fetch(mirrors=["https://example.org/data", "hf:a/b"])
        with pytest.raises(FetchError, match=r"example\.org.*not known.*missing.*No such file"):
            fetch(mirrors=["https://example.org/data", tmp_path / "missing"])

    def test_the_connection_is_lost_between_two_files(self, fetch, serve, original, root):
        server = serve()
        fetch(mirrors=server.url, split="test")
        server.close()
        with pytest.raises(FetchError, match=r"3 of 4 files.*offline"):
            fetch(mirrors=server.url)
        assert files_in(root) == sorted([SHARDS[0], MANIFEST])
