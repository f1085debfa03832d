"""Files are synced and renamed into place, and errors of the disk are readable sentences."""

import contextlib
import errno
import os
import pickle
import sys
import threading

import pytest

from mwlmc_data import cli
from mwlmc_data.storage import writing
from mwlmc_data.storage.errors import DamagedFileError, WriteError, exit_status
from mwlmc_data.storage.writing import create_file, make_folder, remove_leftovers, replace_file
from tests.helpers.read_only_disk import read_only


@pytest.fixture
def calls(monkeypatch):
    """What reaches the disk, in order: the names of synced files, and of renames."""
    seen, names = [], {}
    plain = {name: getattr(os, name) for name in ("open", "fsync", "replace", "link")}

    def open_(path, *arguments, **options):
        descriptor = plain["open"](path, *arguments, **options)
        names[descriptor] = os.path.basename(path)
        return descriptor

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "fsync", lambda number: seen.append(("fsync", names[number])) or plain["fsync"](number))
    for name in ("replace", "link"):
        monkeypatch.setattr(
            os,
            name,
            lambda old, new, name=name: seen.append((name, os.path.basename(new))) or plain[name](old, new),
        )
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be put on the disk there")
@pytest.mark.parametrize("how", ["replace", "link"])
def test_a_file_is_synced_before_its_rename_and_the_folder_after(tmp_path, calls, how):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    write = {"replace": writing.write_bytes, "link": create_file}[how]
    write(path, b"content")
    assert path.read_bytes() == b"content"
    (first, temporary), renamed, last = calls
    assert (first, renamed, last) == ("fsync", (how, "file"), ("fsync", "folder"))
    assert temporary.startswith("file.") and temporary.endswith(".tmp")
    assert os.listdir(path.parent) == ["file"]


def test_one_of_several_processes_makes_a_file(tmp_path):
    together, made = threading.Barrier(8), []

    def work(i):
        together.wait()
        if create_file(tmp_path / "file", b"%d" % i):
            made.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (tmp_path / "file").read_bytes() == b"%d" % made[0]
    assert os.listdir(tmp_path) == ["file"]


def test_one_process_makes_a_file_where_links_are_impossible(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", fail)
    assert create_file(tmp_path / "file", b"first")
    assert not create_file(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_cannot_be_written_to_is_named(tmp_path, number):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    reported = rf"^cannot write '{path}': {os.strerror(number)}$"
    with read_only(tmp_path, number):
        for write in (writing.write_bytes, create_file):
            with pytest.raises(WriteError, match=reported) as caught:
                write(path, b"after")
            assert (caught.value.errno, exit_status(caught.value)) == (number, 1)
            again = pickle.loads(pickle.dumps(caught.value))
            assert (str(again), again.errno) == (str(caught.value), number)
        with pytest.raises(WriteError, match=f"cannot write '{tmp_path / 'new' / 'below'}'"):
            make_folder(tmp_path / "new" / "below")
        make_folder(tmp_path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_of_another_file_is_not_blamed_on_this_one(tmp_path):
    def write(temporary):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input")

    with pytest.raises(PermissionError, match="/elsewhere/input") as caught:
        replace_file(tmp_path / "file", write)
    assert not isinstance(caught.value, WriteError)


def test_leftovers_stay_if_the_disk_is_read_only_or_they_are_fresh(tmp_path):
    for name in ("file.0a.tmp", "file.0b.tmp"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / "file.0a.tmp", (1, 1))
    with read_only(tmp_path):
        remove_leftovers(tmp_path)
    assert len(os.listdir(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["file.0b.tmp"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be put on the disk there")
@pytest.mark.parametrize(("number", "is_told"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path, monkeypatch, number, is_told):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(number)) if is_told else contextlib.nullcontext():
        writing.put_folder_on_disk(tmp_path)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "full"), 1),
        (OSError(errno.EROFS, "read-only"), 1),
        (OSError(errno.EIO, "failing"), 1),
        (DamagedFileError("x", "one", "another"), 1),
        (WriteError("x", errno.EACCES), 1),
        (FileNotFoundError(errno.ENOENT, "no such file"), 2),
        (IsADirectoryError(errno.EISDIR, "a folder"), 2),
        (PermissionError(errno.EACCES, "an input that may not be read"), 2),
    ],
    ids=str,
)
def test_the_status_distinguishes_bad_input_from_bad_disks(error, status):
    assert exit_status(error) == status


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize(("words", "suffix"), [(["halo", "7"], ".npz"), (["plot", "halo", "7"], ".png")], ids=str)
def test_a_command_on_such_a_disk_ends_with_status_1_and_leaves_nothing(tmp_path, capsys, words, suffix, number):
    if words[0] == "plot":
        pytest.importorskip("matplotlib")
    path = tmp_path / f"out{suffix}"
    with read_only(tmp_path, number):
        assert cli.main([*words, "--out", str(path)]) == 1
    assert f"mwlmc: error: cannot write '{path}': {os.strerror(number)}" in capsys.readouterr().err
    assert cli.main([*words, "--out", str(path)]) == 0
    assert os.listdir(tmp_path) == [path.name]
