"""Fetching by programs: killed, interrupted, several at once, on a full disk, and from the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from mwlmc_data import cli, fetching
from mwlmc_data.dataset import release, store
from mwlmc_data.fetching import FetchError, mirrors
from mwlmc_data.fetching.downloading import get_partial
from mwlmc_data.fetching.errors import format_size
from tests.helpers.release_server import SHARDS, TRAIN, files_in, is_complete, stalled, status, wait_for

MANIFEST = store.MANIFEST

CLIENT = """
import sys
from mwlmc_data import fetching
from mwlmc_data.fetching import transfer, retrying

def locked(root, name, halt):
    print("locks", name, flush=True)
    return plain(root, name, halt)

plain, transfer.hold_lock = transfer.hold_lock, locked
retrying.PATIENCE = retrying.Patience(first=0.01, longest=0.02)
url, directory, jobs = sys.argv[1:]
print("started", flush=True)
print(len(fetching.fetch(mirrors=url, directory=directory, jobs=int(jobs), progress=False)))
"""

# The check before the start believes that there is space, so that the disk fills while files are written.
ON_A_FULL_DISK = """
import resource, sys
from mwlmc_data import fetching
url, directory, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
fetching.files.get_free_space = lambda folder: 10**15
try:
    fetching.fetch(mirrors=url, directory=directory, jobs=1, progress=False)
except fetching.FetchError as error:
    print(error)
"""


@pytest.fixture
def start(repository):
    """Function that starts a program in the repository and stops it after the test."""
    processes = []

    def run(*command):
        process = subprocess.Popen(
            [str(word) for word in command], cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def partials(root):
    """Size of each temporary file."""
    return {path.name: path.stat().st_size for path in root.rglob(".*.partial/*")}


def has_begun(root, name=TRAIN[1]):
    """Whether a megabyte of a file has been written."""
    folder = get_partial(root / name)

    def begun():
        try:
            return any(path.stat().st_size >= 1 << 20 for path in folder.glob("*"))
        except FileNotFoundError:
            return False

    return begun


class TestKilled:
    def test_only_incomplete_files_are_fetched_again(self, start, server, fetch, original, root):
        server.always[TRAIN[1]] = stalled(server, 1_500_000)
        client = start(sys.executable, "-c", CLIENT, server.url, root, 4)
        others = [name for name in SHARDS if name != TRAIN[1]]
        wait_for(has_begun(root))
        wait_for(lambda: all((root / store.STAMPS / f"{os.path.basename(name)}.json").exists() for name in others))
        client.send_signal(signal.SIGKILL)
        client.wait()
        assert len(partials(root)) == 1
        assert not (root / TRAIN[1]).exists()
        server.always.clear()
        fetch(mirrors=server.url)
        assert is_complete(root, original)
        assert [server.count(name) for name in (MANIFEST, *others, TRAIN[1])] == [1, 1, 1, 1, 2]

    def test_leftovers_are_removed_when_no_process_holds_them(self, start, server, fetch, root):
        server.always[TRAIN[1]] = stalled(server, 1_500_000)
        client = start(sys.executable, "-c", CLIENT, server.url, root, 1)
        wait_for(has_begun(root))
        fetch(mirrors=server.url, split="test")
        assert len(partials(root)) == 1
        client.send_signal(signal.SIGKILL)
        client.wait()
        fetch(mirrors=server.url, split="test")
        assert partials(root) == {}
        assert list(root.rglob("*.partial")) == []

    def test_an_interrupted_program_ends_at_once_and_leaves_nothing(self, start, server, root):
        for name in TRAIN:
            server.always[name] = stalled(server, 1_500_000)
        command = [sys.executable, "-m", "mwlmc_data", "fetch", "--mirror", server.url, "--directory", root]
        client = start(*command)
        for name in TRAIN:
            wait_for(has_begun(root, name))
        client.send_signal(signal.SIGINT)
        # The server stalls for ever, and the client would wait a minute.
        out, err = client.communicate(timeout=40)
        assert client.returncode == 130
        assert out == ""
        assert "Traceback" not in err
        assert partials(root) == {}
        assert not any((root / name).exists() for name in TRAIN)

    def test_it_ends_at_once_while_a_server_does_not_answer(self, start, server, root):
        for name in SHARDS:
            server.always[name] = lambda handler, content: server.released.wait()
        client = start(sys.executable, "-m", "mwlmc_data", "fetch", "--mirror", server.url, "--directory", root)
        wait_for(lambda: len(server.seen) == 5)
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=40)
        assert client.returncode == 130


class TestSeveralAtOnce:
    def assert_each_came_once(self, clients, server, original, root):
        for client in clients:
            out, err = client.communicate(timeout=120)
            assert (client.returncode, out.splitlines()[-1], err) == (0, "4", "")
        assert is_complete(root, original)
        assert [server.count(name) for name in (MANIFEST, *SHARDS)] == [1] * 5
        assert list(root.rglob("*.partial")) == []

    def test_programs_that_start_together_fetch_each_file_once(self, start, server, original, root):
        for name in (MANIFEST, *SHARDS):
            server.always[name] = stalled(server, 100)
        clients = [start(sys.executable, "-c", CLIENT, server.url, root, 2) for _ in range(3)]
        for client in clients:
            assert client.stdout.readline() == "started\n"
        server.released.set()
        self.assert_each_came_once(clients, server, original, root)

    def test_a_program_that_waited_for_a_file_finds_it(self, start, server, original, root):
        server.always[SHARDS[0]] = stalled(server, 100)
        clients = [start(sys.executable, "-c", CLIENT, server.url, root, 1) for _ in range(3)]
        for client in clients:
            assert client.stdout.readline() == "started\n"
            assert client.stdout.readline() == f"locks {SHARDS[0].partition('/')[2]}\n"
        wait_for(lambda: server.count(SHARDS[0]))
        server.released.set()
        self.assert_each_came_once(clients, server, original, root)

    def test_a_waiting_program_takes_over_from_a_killed_one(self, start, server, original, root):
        server.faults[TRAIN[0]] = [stalled(server, 1_500_000)]
        first = start(sys.executable, "-c", CLIENT, server.url, root, 4)
        wait_for(has_begun(root, TRAIN[0]))
        second = start(sys.executable, "-c", CLIENT, server.url, root, 4)
        assert second.stdout.readline() == "started\n"
        first.send_signal(signal.SIGKILL)
        out, err = second.communicate(timeout=120)
        assert (second.returncode, out.splitlines()[-1], err) == (0, "4", "")
        assert is_complete(root, original)
        assert server.count(TRAIN[0]) == 2


class TestFullDisk:
    def test_a_full_disk_is_noticed_before_the_start(self, fetch, server, original, root, monkeypatch):
        needed = sum((original / name).stat().st_size for name in SHARDS)
        usage = shutil.disk_usage(root.anchor)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
        with pytest.raises(FetchError) as caught:
            fetch(mirrors=server.url)
        for part in (f"needs {format_size(needed)} in", f"{format_size(needed - 1)} are free", str(root), "directory"):
            assert part in str(caught.value)
        assert [seen.path for seen in server.seen] == [MANIFEST]
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
        assert len(fetch(mirrors=server.url)) == 4

    def test_files_of_other_programs_need_no_more_space(self, start, server, fetch, original, root, monkeypatch):
        server.always[TRAIN[1]] = stalled(server, 1_500_000)
        client = start(sys.executable, "-c", CLIENT, server.url, root, 4)
        wait_for(lambda: len(list((root / store.STAMPS).glob("haloes*.json"))) == 3)
        wait_for(has_begun(root))
        usage = shutil.disk_usage(root)

        def nearly_full(_):
            server.released.set()
            return usage._replace(free=(original / TRAIN[1]).stat().st_size - 1_000_000)

        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
        assert len(fetch(mirrors=server.url)) == 4
        client.communicate(timeout=120)
        assert server.count(TRAIN[1]) == 1

    def test_present_files_need_no_space(self, fetch, server, root, monkeypatch):
        paths = fetch(mirrors=server.url)
        usage = shutil.disk_usage(root)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
        assert fetch(mirrors=server.url) == paths

    def assert_stopped(self, client, server, root, kept):
        out, err = client.communicate(timeout=120)
        assert err == ""
        assert "the disk is full" in out
        assert " needs " in out
        assert " are free" in out
        assert str(root) in out
        # One job: nothing after the file that did not fit was requested.
        assert [seen.path for seen in server.seen] == [MANIFEST, *kept, TRAIN[len(kept) - 1]]
        return out

    @pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of a file")
    def test_a_limit_on_the_size_of_files(self, start, server, root):
        client = start(sys.executable, "-c", ON_A_FULL_DISK, server.url, root, 1_000_000)
        self.assert_stopped(client, server, root, [SHARDS[0]])
        assert files_in(root) == sorted([MANIFEST, SHARDS[0]])

    def on_a_small_disk(self, start, folder, *command):
        """Start a program that sees a private disk of 4 MB in a folder, and list what remains there."""
        alone = ["unshare", "-rm"]
        if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
            pytest.skip("mounting a small disk is not permitted here")
        folder.mkdir()
        script = 'mount -t tmpfs -o size=4m none "$0" && { "$@"; status=$?; find "$0" -type f; exit $status; }'
        return start(*alone, "sh", "-c", script, folder, *command)

    def test_a_disk_that_fills(self, start, server, original, tmp_path):
        disk = tmp_path / "disk"
        client = self.on_a_small_disk(start, disk, sys.executable, "-c", ON_A_FULL_DISK, server.url, disk / "store", 0)
        out = self.assert_stopped(client, server, disk / "store", [SHARDS[0], TRAIN[0]])
        left = [line.removeprefix(f"{disk}/store/") for line in out.splitlines()[1:]]
        assert sorted(name for name in left if not name.startswith(".")) == sorted([MANIFEST, SHARDS[0], TRAIN[0]])
        assert not [name for name in left if "partial" in name]
        needed = sum((original / name).stat().st_size for name in SHARDS[2:])
        assert f"needs {format_size(needed)} in" in out

    def test_a_disk_that_is_too_small(self, start, server, original, tmp_path):
        disk = tmp_path / "disk"
        command = [sys.executable, "-m", "mwlmc_data", "fetch", "--quiet", "--mirror", server.url]
        client = self.on_a_small_disk(start, disk, *command, "--directory", disk)
        _, err = client.communicate(timeout=120)
        needed = sum((original / name).stat().st_size for name in SHARDS)
        assert client.returncode == 1
        assert f"needs {format_size(needed)} in" in err
        assert " MB are free" in err
        assert [seen.path for seen in server.seen] == [MANIFEST]

    @pytest.mark.parametrize(
        ("size", "text"),
        [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_300_000, "2.3 MB"), (13_824_000_000, "13.8 GB")],
    )
    def test_sizes_are_given_with_their_unit(self, size, text):
        assert format_size(size) == text


def test_a_folder_that_cannot_be_made_is_named(fetch, original, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match=rf"cannot write to '{tmp_path}/file/store'.*directory"):
        fetch(mirrors=original, directory=tmp_path / "file" / "store")


def test_a_file_that_cannot_be_put_in_its_place_is_an_error(fetch, original, root):
    (root / SHARDS[0] / "in the way").mkdir(parents=True)
    with pytest.raises(FetchError, match="cannot write to"):
        fetch(mirrors=original)
    assert list(root.rglob("*.partial")) == []


class TestCommand:
    @pytest.fixture
    def run(self, capsys):
        """Function that runs the command and gives its status, output and errors."""

        def run(*words):
            try:
                code = cli.main(["fetch", *(str(word) for word in words)])
            except SystemExit as stop:
                code = stop.code
            captured = capsys.readouterr()
            return code, captured.out, captured.err

        return run

    def test_it_prints_the_files(self, run, server, original, root):
        code, out, err = run("--mirror", server.url)
        assert code == 0
        *paths, summary = out.splitlines()
        assert paths == [str(root / name) for name in SHARDS]
        assert summary.startswith("4 files, ")
        assert summary.endswith(", 4 verified now")
        assert "100%" in err
        assert is_complete(root, original)

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["haloes", "--split", "train"], TRAIN),
            (["--sims", "0:11"], [SHARDS[0], SHARDS[3]]),
            (["validation", "--jobs", "1"], ["validation/validation-test.parquet"]),
        ],
    )
    def test_json(self, run, server, original, tmp_path, words, names):
        code, out, err = run(*words, "--quiet", "--json", "--mirror", server.url, "--directory", tmp_path / "here")
        assert (code, err) == (0, "")
        content = json.loads(out)
        sizes = [(original / name).stat().st_size for name in names]
        assert content == {
            "data_version": release.DATA_VERSION,
            "files": [
                {"path": str(tmp_path / "here" / name), "bytes": size, "verified": "now"}
                for name, size in zip(names, sizes, strict=True)
            ],
            "bytes": sum(sizes),
        }

    def test_all_is_every_file(self, run, server, original, root):
        assert run("all", "--quiet", "--mirror", server.url)[0] == 0
        assert files_in(root) == files_in(original)

    def test_several_mirrors(self, run, serve):
        bad, good = serve(), serve()
        bad.always[SHARDS[0]] = status(404)
        assert run("--quiet", "--mirror", bad.url, "--mirror", good.url)[0] == 0
        assert [seen.path for seen in good.seen] == [SHARDS[0]]

    @pytest.mark.parametrize(
        ("words", "reported"),
        [
            (["halos"], "'halos'"),
            (["--split", "training"], "'training'"),
            (["--sims", "5"], "--sims = '5': allowed is A:B"),
            (["--sims", "5:5"], "'5:5'"),
            (["--sims", "-1:5"], "--sims"),
            (["--sims", "0:257"], "256"),
            (["--jobs", "0"], "jobs = 0"),
            (["--jobs", "many"], "many"),
            (["--mirror", "gopher://x"], "'gopher://x'"),
        ],
    )
    def test_bad_input_is_status_2(self, run, server, words, reported):
        code, out, err = run("--quiet", "--mirror", server.url, *words)
        assert (code, out) == (2, "")
        assert err.startswith("mwlmc: error: ")
        assert reported in err
        assert len(err.splitlines()) == 1

    def test_status_is_1_if_nothing_can_be_fetched(self, run, server):
        code, out, err = run("--quiet")
        assert (code, out) == (1, "")
        assert "no mirror" in err
        server.always[MANIFEST] = status(404)
        code, out, err = run("--quiet", "--mirror", server.url)
        assert (code, out) == (1, "")
        assert "HTTP 404" in err
        assert len(err.splitlines()) == 1

    def test_the_environment_names_mirrors(self, run, server, monkeypatch):
        monkeypatch.setenv(mirrors.VARIABLE, server.url)
        assert run("--quiet")[0] == 0

    def test_an_interruption_is_status_130(self, run, monkeypatch):
        def interrupt(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(fetching, "fetch_files", interrupt)
        assert run() == (130, "", "")
