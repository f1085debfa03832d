"""Parts of the cluster code that need no cluster."""

import dataclasses
from types import SimpleNamespace

import pytest

from generation import cluster
from generation.cluster import ClusterLostError, ClusterSetupError, Expected, get_versions
from mwlmc_data.storage.hashing import sha256_of


@pytest.fixture
def expected(tmp_path):
    mark = tmp_path / "run.json"
    mark.write_text("{}")
    return Expected(mark, sha256_of(mark), get_versions())


def test_no_fault_is_found_here(expected):
    assert expected.find_faults() == "" and cluster._find_faults(expected) == ""
    assert set(expected.versions) == {"simulator", "mwlmc_data", "numpy", "scipy", "numba"}


def test_a_different_file_and_a_missing_one_are_reported(expected):
    other = dataclasses.replace(expected, digest="0" * 64)
    share = "the folder of the run must be on a file system that all machines share"
    assert other.find_faults() == f"{expected.mark} is another file there than here: {share}"
    expected.mark.unlink()
    assert "No such file" in expected.find_faults() and expected.find_faults().endswith(share)


@pytest.mark.parametrize("name", ["simulator", "mwlmc_data", "numpy", "scipy", "numba"])
def test_each_different_version_is_reported(expected, name):
    found = expected.versions[name]
    other = dataclasses.replace(expected, versions=expected.versions | {name: "0.0.1"})
    assert other.find_faults() == f"{name} is {found!r} there and '0.0.1' here"
    unknown = dataclasses.replace(expected, versions=expected.versions | {"cupy": "9"})
    assert unknown.find_faults() == "cupy is None there and '9' here"
    assert cluster._find_faults(other).startswith("on ") and cluster._find_faults(other).endswith(other.find_faults())


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_is_positive(timeout):
    with pytest.raises(ValueError, match=rf"timeout = {timeout}: allowed is more than 0 s"):
        cluster._connect("tcp://127.0.0.1:1", timeout)


def test_a_timeout_of_half_a_second_passes_without_an_answer():
    pytest.importorskip("distributed")
    with pytest.raises(ClusterSetupError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 within 0\.5 s"):
        cluster._connect("tcp://127.0.0.1:9", 0.5)


class Asked:
    """A cluster whose workers give these answers."""

    def __init__(self, answers):
        self.answers = answers

    def run(self, function, argument, on_error):
        assert on_error == "return"
        return {f"tcp://{i}": answer for i, answer in enumerate(self.answers)}


@pytest.mark.parametrize("answers", [["", ""], ["", OSError("it died")]])
def test_workers_that_can_do_the_work_are_taken(expected, answers, capsys):
    pytest.importorskip("cloudpickle")
    cluster._check(Asked(answers), "tcp://s", expected)
    assert capsys.readouterr().err == ""


def test_a_run_without_workers_waits_for_the_first(expected, capsys):
    pytest.importorskip("cloudpickle")
    cluster._check(Asked([]), "tcp://s", expected)
    assert capsys.readouterr().err == "the scheduler tcp://s has no worker yet: waiting for the first\n"


@pytest.mark.parametrize(
    ("answers", "reported"),
    [
        (["", "on a: numpy differs"], "worker tcp://1 on a: numpy differs"),
        (["on a: x", "", "on b: y"], "worker tcp://0 on a: x (and 1 more)"),
        (["on a: x", ImportError("no module"), "on b: y"], "worker tcp://0 on a: x (and 2 more)"),
        ([ImportError("no module")], f"worker tcp://0 cannot load the program: no module; {cluster.START}"),
    ],
)
def test_the_first_unfit_worker_is_named_and_the_others_counted(expected, answers, reported):
    pytest.importorskip("cloudpickle")
    with pytest.raises(ClusterSetupError) as caught:
        cluster._check(Asked(answers), "tcp://s", expected)
    assert str(caught.value) == reported


class Client:
    """Hands tasks back in the order in which they came, and notes how many are open."""

    loop = None

    def __init__(self):
        self.open, self.most, self.keys = 0, 0, []

    def submit(self, function, argument, key, pure):
        assert not pure
        self.open += 1
        self.most = max(self.most, self.open)
        self.keys.append(key)
        client = self

        class Done:
            status = "finished"

            def result(self, timeout):
                assert timeout == cluster.FETCH_SECONDS
                client.open -= 1
                return 3

        return Done()


class Completed(list):
    """Tasks in the order in which they were handed in."""

    def __init__(self, tasks, loop):
        super().__init__(tasks)

    def __iter__(self):
        while self:
            yield self.pop(0)

    def add(self, task):
        self.append(task)


class Bar:
    made = 0

    def advance(self, n):
        self.made += n


@pytest.fixture
def distributed(monkeypatch):
    pytest.importorskip("cloudpickle")
    library = pytest.importorskip("distributed")
    monkeypatch.setattr(library, "as_completed", Completed)
    return library


def test_no_more_shards_are_handed_in_than_the_window_holds(monkeypatch, expected, distributed):
    monkeypatch.setattr(cluster, "WINDOW", 4)
    client, bar = Client(), Bar()
    cluster._run_shards(client, expected, print, (), range(11), bar)
    assert client.most == 4 and len(client.keys) == 11 and bar.made == 33
    assert [key.split("-")[1] for key in client.keys] == [f"{i:05d}" for i in range(11)]
    assert len({key.split("-", 2)[2] for key in client.keys}) == 1


class Failing:
    """A cluster whose second task fails, or is only late if the next try succeeds."""

    loop = None

    def __init__(self, error, status, tries=1):
        self.error, self.status, self.tries, self.keys = error, status, tries, []

    def submit(self, function, argument, key, pure):
        self.keys.append(key)
        client, is_second = self, len(self.keys) == 2

        class Task:
            status = self.status if is_second else "finished"

            def result(self, timeout):
                if is_second and client.tries > 0:
                    client.tries -= 1
                    raise client.error
                return 3

        return Task()


@pytest.mark.parametrize(
    ("error", "status", "kind", "reported"),
    [
        (ImportError("no module"), "error", ClusterSetupError, "joined later cannot load the program: no module; s"),
        ("KilledWorker", "error", ClusterLostError, "shard-1.*died.*Finished shards are kept"),
        ("CancelledError", "cancelled", ClusterLostError, "the scheduler was lost"),
        (OSError("closed"), "lost", ClusterLostError, "the scheduler was lost"),
        (OSError("no space"), "error", OSError, "^no space"),
        (TimeoutError("its own"), "error", TimeoutError, "its own"),
        (ValueError("a draw"), "error", ValueError, "a draw"),
    ],
)
def test_each_kind_of_failure_has_its_own_error(expected, distributed, error, status, kind, reported):
    if error == "KilledWorker":
        error = distributed.KilledWorker("shard-1", SimpleNamespace(address="tcp://w"), 3)
    elif error == "CancelledError":
        error = distributed.CancelledError("shard-1")
    bar = Bar()
    with pytest.raises(kind, match=reported):
        cluster._run_shards(Failing(error, status), expected, print, (), range(5), bar)
    assert bar.made == 3


def test_a_late_result_is_requested_again(expected, distributed):
    bar = Bar()
    cluster._run_shards(Failing(TimeoutError(), "pending", tries=2), expected, print, (), range(5), bar)
    assert bar.made == 15


def test_a_worker_makes_a_shard_and_says_how_many_it_made(expected):
    seen = []

    def make_shard(first, shard, advance):
        seen.append((first, shard))
        advance(4)
        advance(3)

    assert cluster._make(expected, make_shard, ("plan",), 5) == 7 and seen == [("plan", 5)]


def test_a_worker_that_differs_makes_nothing(expected, distributed, monkeypatch):
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(address="tcp://w"))
    other = dataclasses.replace(expected, digest="0" * 64)
    with pytest.raises(ClusterSetupError, match=r"^worker tcp://w on .*run\.json is another file there than here"):
        cluster._make(other, lambda *_: pytest.fail("made"), (), 5)
