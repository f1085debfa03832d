"""Files of arrays from elsewhere: read correctly or refused by name; never unpickled, never a decompression bomb."""

import functools
import io
import os
import pickle
import struct
import subprocess
import sys
import tokenize
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mwlmc_data import cli
from mwlmc_data.storage import npz
from mwlmc_data.storage.npz import NpzError, load_columns, load_members, read_members, replace_npz, write_npz

ARRAYS = {"x": np.linspace(0.0, 1.0, 60).reshape(3, 20), "m": np.arange(7, dtype=np.int32)}


def npy(header, data=b"", version=1):
    """A member with any text for a header."""
    text = header if isinstance(header, bytes) else header.encode()
    form = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(text)) + text + data


def archive(path, *members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def load(path):
    return load_members(path, read_members(path).values())


@functools.cache
def valid_bytes(compressed):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **ARRAYS)
    return out.getvalue()


class TestGoodFiles:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_arrays_of_numpy_are_read_in_c_order_and_native_byte_order(self, tmp_path, save):
        arrays = {
            **ARRAYS, "fortran": np.asfortranarray(ARRAYS["x"]), "big": ARRAYS["x"].astype(">f4"), "none": np.empty(0),
            "flag": np.array([True, False]), "one": np.array(3.5), "cube": np.arange(24).reshape(2, 3, 4)[:, ::-1],
        }  # fmt: skip
        save(tmp_path / "a.npz", **arrays)
        found = load(tmp_path / "a.npz")
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert np.array_equal(found[name], array) and found[name].shape == array.shape
            assert found[name].flags.c_contiguous and found[name].flags.writeable and found[name].dtype.isnative

    def test_numpy_reads_what_is_written_and_the_bytes_are_reproducible(self, tmp_path):
        for name in ("a", "b"):
            with open(tmp_path / name, "wb") as file:
                write_npz(file, {**ARRAYS, "allow_pickle": np.zeros(2), "text": "words"})
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        with np.load(tmp_path / "a", allow_pickle=False) as file:
            assert file.files == ["x", "m", "allow_pickle", "text"] and str(file["text"]) == "words"
            assert all(np.array_equal(file[name], array) for name, array in ARRAYS.items())

    def test_fortran_order_is_written_in_c_order(self, tmp_path):
        with open(tmp_path / "a", "wb") as file:
            write_npz(file, {"x": np.asfortranarray(ARRAYS["x"])})
        assert not read_members(tmp_path / "a")["x"].in_fortran_order

    def test_objects_are_never_written(self, tmp_path):
        with open(tmp_path / "a", "wb") as file, pytest.raises(ValueError, match="allow_pickle=False"):
            write_npz(file, {"x": np.array([{}], dtype=object)})

    def test_columns_leave_out_text_and_tables(self, tmp_path):
        np.savez(tmp_path / "a.npz", v=np.arange(3.0), name=np.array(["a", "b", "c"]), c=np.eye(2), about="text")
        assert list(load_columns(tmp_path / "a.npz")) == ["v"]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_is_replaced_completely_or_not_at_all(tmp_path, compressed):
    path, content = tmp_path / "x.npz", io.BytesIO()
    replace_npz(path, {"old": np.arange(3)})
    replace_npz(path, ARRAYS, compressed)
    write_npz(content, ARRAYS, compressed)
    assert path.read_bytes() == content.getvalue()
    with pytest.raises(ValueError, match="Object arrays"):
        replace_npz(path, {"x": ARRAYS["x"], "y": np.array([{}], dtype=object)})
    assert path.read_bytes() == content.getvalue() and list(tmp_path.iterdir()) == [path]


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }\n"
BAD_MEMBERS = {
    "more than there is": (npy(HEADER % "(1000000000000000,)"), "x has .* bytes: allowed are 8000000000000"),
    "sizes whose product overflows": (npy(HEADER % "(4294967296, 4294967296, 4294967296)"), "x has .* bytes: allowed"),
    "a size with 400 digits": (npy(HEADER % f"({'9' * 400},)"), "x has .* bytes: allowed"),
    "a negative size": (npy(HEADER % "(-1, -8)", bytes(64)), "its shape is .*allowed are up to 32 sizes from 0"),
    "40 axes": (npy(HEADER % f"({'1, ' * 40})", bytes(8)), "its shape is"),
    "sizes that are none": (npy(HEADER % "('a',)"), "x is not an array"),
    "unfinished tokens": (npy(b"{'descr': '<f8', 'shape': (1L"), "x is not an array"),
    "an unfinished text": (npy(b"'''"), "x is not an array"),
    "deep brackets": (npy(b"[" * 9000), "x is not an array"),
    "deep signs": (npy(b"-" * 9000 + b"1"), "x is not an array"),
    "a NUL": (npy(b"{\0}"), "x is not an array"),
    "not UTF-8": (npy(b"\xff\xfe\xfd" * 9), "x is not an array"),
    "another type": (npy("{'descr': [('a', 5)], 'fortran_order': False, 'shape': (1,), }"), "x is not an array"),
    "a type of no size": (npy("{'descr': '|V0', 'fortran_order': False, 'shape': (9,), }"), r"x is of type \|V0: all"),
    "a list": (npy("[1, 2]"), "x is not an array"),
    "an unknown version": (npy(HEADER % "(1,)", bytes(8), version=7), "its format is"),
    "a header of a gigabyte": (b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 30) + b" " * 999, "its header has 1073741824"),
    "a bomb for a header": (npy(b" " * 5_000_000, version=2), "its header has 5000000 bytes"),
    "nothing": (b"", "x is not an array"),
    "half a header": (b"\x93NUMPY\1\0\xff", "x is not an array"),
    "no array": (b"words" * 99, "x is not an array"),
    "too little": (npy(HEADER % "(9,)", bytes(71)), "x has .* bytes: allowed"),
    "too much": (npy(HEADER % "(9,)", bytes(73)), "x has .* bytes: allowed"),
}


class TestBadFiles:
    @pytest.mark.parametrize("case", BAD_MEMBERS)
    def test_members_are_refused_by_name(self, tmp_path, case):
        content, words = BAD_MEMBERS[case]
        path = archive(tmp_path / "a.npz", ("x.npy", content), method=zipfile.ZIP_DEFLATED)
        with pytest.raises(NpzError, match=words) as caught:
            load(path)
        assert str(path) in str(caught.value) and isinstance(caught.value, ValueError)

    def test_any_error_of_numpy_becomes_a_value_error(self, tmp_path, monkeypatch):
        """Its parser of headers raised tokenize.TokenError, MemoryError and AttributeError in turn."""
        for error in (tokenize.TokenError("EOF"), MemoryError(), AttributeError("x"), RecursionError(), KeyError("k")):
            def fail(*arguments, error=error, **options):
                raise error

            monkeypatch.setattr(npz.np.lib.format, "read_array_header_1_0", fail)
            path = archive(tmp_path / "a.npz", ("x.npy", npy(HEADER % "(1,)", bytes(8))))
            with pytest.raises(NpzError, match="x is not an array"):
                read_members(path)

    def test_pickles_are_never_opened(self, tmp_path):
        trap = tmp_path / "opened"

        class Trap:
            def __reduce__(self):
                return open, (str(trap), "w")

        np.savez(tmp_path / "a.npz", x=np.array([Trap()], dtype=object))
        with pytest.raises(NpzError, match="x holds Python objects, which are never loaded"):
            load(tmp_path / "a.npz")
        with pytest.raises(NpzError, match="Python objects"):
            load_columns(tmp_path / "a.npz")
        (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
        with pytest.raises(NpzError, match=r"b\.npz is not a file of numpy\.savez"):
            load(tmp_path / "b.npz")
        assert not trap.exists()

    @pytest.mark.parametrize("dtype", ["U5", "S5", "V8", "M8[s]", [("a", "f4")]])
    def test_other_types_are_refused(self, tmp_path, dtype):
        np.savez(tmp_path / "a.npz", x=np.zeros(2, dtype=dtype))
        with pytest.raises(NpzError, match=r"x is of type .*: allowed are numbers"):
            load(tmp_path / "a.npz")

    def test_repeated_names(self, tmp_path):
        content = npy(HEADER % "(1,)", bytes(8))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive(tmp_path / "a.npz", ("x.npy", content), ("x.npy", content))
        with pytest.raises(NpzError, match="x occurs 2 times: allowed is once"):
            read_members(tmp_path / "a.npz")

    def test_columns_of_several_lengths(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.zeros(3), y=np.zeros(4))
        with pytest.raises(NpzError, match="its columns have the lengths x 3, y 4: allowed is one length"):
            load_columns(tmp_path / "a.npz")

    def test_a_decompression_bomb_takes_no_memory(self, tmp_path):
        """300 MB of zeros in 300 kB, with an honest header."""
        path = archive(tmp_path / "a.npz", ("x.npy", npy(HEADER % "(37500000,)", bytes(300_000_000))),
                       method=zipfile.ZIP_DEFLATED)  # fmt: skip
        assert path.stat().st_size < 400_000
        tracemalloc.start()
        with pytest.raises(NpzError, match=r"its arrays take 300000000 bytes: allowed are \d+, 100 times the size"):
            load_columns(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000

    @pytest.mark.parametrize("content", [b"", b"PK\5\6", b"PK\5\6" + b"\xff" * 18, b"\x93NUMPY\1\0" + bytes(90)])
    def test_what_is_not_an_archive(self, tmp_path, content):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(NpzError, match=r"a\.npz is not a file of numpy\.savez"):
            read_members(tmp_path / "a.npz")

    def test_faults_of_the_disk_are_not_bad_input(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            read_members(tmp_path / "none.npz")
        with pytest.raises(OSError):
            read_members(tmp_path)

    def test_errors_can_be_pickled(self):
        error = NpzError(Path("a.npz"), ["x", "y"])
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error) == "a.npz: x; y" and again.problems == ("x", "y")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    compressed=st.booleans(),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_changed_bytes_give_the_arrays_or_an_error_that_names_the_file(tmp_path, compressed, edits, cut):
    content = bytearray(valid_bytes(compressed))
    for place, new in edits:
        place %= len(content)
        content[place : place + len(new)] = new
    path = tmp_path / "fuzzed.npz"
    path.write_bytes(content[: cut % (len(content) + 1)] if cut is not None else content)
    try:
        found = load(path)
    except NpzError as error:
        assert "fuzzed.npz" in str(error)
        return
    # In a file that is read, numbers match the checksum: only names and shapes can differ.
    written = sorted(array.tobytes() for array in ARRAYS.values())
    assert all(array.tobytes() in written for array in found.values() if array.size)


def test_the_command_refuses_them_in_one_line(tmp_path, capsys):
    for i, (content, _) in enumerate(BAD_MEMBERS.values()):
        path = archive(tmp_path / f"{i}.npz", ("x.npy", content), method=zipfile.ZIP_DEFLATED)
        assert cli.main(["reflex", str(path)]) == 2
        reported = capsys.readouterr().err
        assert path.name in reported and len(reported.splitlines()) == 1


def test_it_imports_numpy_alone():
    heavy = ("scipy", "pandas", "pyarrow", "numba")
    code = f"import sys, mwlmc_data.storage.npz; print([m for m in {heavy} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "[]"
