"""Reading arrays from an untrusted .npz file: first what it declares, then its contents.

Nothing is unpickled. Headers are read without decompressing more than a few kilobytes, and an array is read only if the
size that it declares is the size that the file holds, so that a file's own size limits the memory it takes.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.storage.writing import replace_file

#: Longest allowed header [bytes]; those of plain arrays take 128.
_MAX_HEADER = 1 << 14
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
#: Largest size of the arrays: this many times the size of their file, plus this many bytes. Measured numbers deflate
#: to a quarter at best, repeated ones to a thousandth.
_MAX_RATIO, _FREE = 100, 1 << 20
#: Encoding of a header's length, by version of the format.
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}
_EPOCH = (1980, 1, 1, 0, 0, 0)


class NpzError(ValueError):
    """A file is not a readable file of arrays.

    Parameters
    ----------
    path : Path
        The file.
    problems : sequence of str
        Everything that is wrong with the file, each with the value and what is allowed.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: {'; '.join(problems)}")
        self.path, self.problems = path, tuple(problems)

    def __reduce__(self) -> tuple[type[NpzError], tuple[Path, tuple[str, ...]]]:
        # a pool of processes pickles what a worker raises
        return type(self), (self.path, self.problems)


@dataclass(frozen=True)
class Member:
    """An array in a file, as its header declares it.

    Attributes
    ----------
    name : str
        Name of the array.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    in_fortran_order : bool
        Whether its first axis runs fastest in the file.
    start : int
        Bytes of the header.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    in_fortran_order: bool
    start: int

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_members(path: Path) -> dict[str, Member]:
    """Read what a file of arrays declares, and check it against what the file holds.

    Parameters
    ----------
    path : Path
        File as `numpy.savez` or `numpy.savez_compressed` writes it.

    Returns
    -------
    dict of str to Member
        By name.

    Raises
    ------
    NpzError
        If it is not such a file, a name occurs twice, or an array is encrypted, damaged, or of another size than
        declared; a ValueError that lists every problem.
    OSError
        If the file cannot be opened or read.
    """
    found: dict[str, Member] = {}
    problems: list[str] = []
    with _open(path) as archive:
        infos = archive.infolist()
        names = [info.filename.removesuffix(".npy") for info in infos]
        for name, info in zip(names, infos, strict=True):
            if not info.filename.endswith(".npy"):
                problem = f"there is an entry {info.filename[:80]!r} in the file"
                problems.append(f"{problem}: allowed are names that end in .npy")
            elif names.count(name) > 1:
                problems.append(f"{name} occurs {names.count(name)} times: allowed is once")
            else:
                try:
                    found[name] = _read_member(archive, info, name)
                except _BadMember as error:
                    problems.append(str(error))
                except (zlib.error, zipfile.BadZipFile, EOFError) as error:
                    problems.append(f"{path.name} is damaged ({error})")
    if problems:
        raise NpzError(path, sorted(set(problems)))
    return found


def load_members(path: Path, members: Iterable[Member]) -> dict[str, NDArray]:
    """Load arrays of numbers.

    Parameters
    ----------
    path : Path
        The file.
    members : iterable of Member
        Arrays to load, of those that `read_members` found.

    Returns
    -------
    dict of str to ndarray
        By name; in C order and the byte order of this machine.

    Raises
    ------
    NpzError
        If an array holds anything but numbers or is damaged, or the arrays are larger than the file's size allows.
    OSError
        If the file cannot be opened or read.
    """
    wanted = list(members)
    for member in wanted:
        if member.dtype.hasobject:
            problem = f"{member.name} holds Python objects, which are never loaded: allowed are numbers"
            raise NpzError(path, [problem])
        if member.dtype.kind not in "biufc":
            raise NpzError(path, [f"{member.name} is of type {member.dtype}: allowed are numbers"])
    total, allowed = sum(member.size for member in wanted), _FREE + _MAX_RATIO * path.stat().st_size
    if total > allowed:
        problem = f"its arrays take {total} bytes: allowed are {allowed}, {_MAX_RATIO} times the size of the file"
        raise NpzError(path, [problem])
    with _open(path) as archive:
        return {member.name: _load(archive, member, path) for member in wanted}


def load_columns(path: Path) -> dict[str, NDArray]:
    """Load all columns of numbers: the one-dimensional arrays of a file, text left out.

    Parameters
    ----------
    path : Path
        File as `numpy.savez` writes it.

    Returns
    -------
    dict of str to ndarray, shape (n,)

    Raises
    ------
    NpzError
        If the file cannot be read, holds Python objects, or its columns are of several lengths.
    """
    columns = [member for member in read_members(path).values() if len(member.shape) == 1]
    numbers = [member for member in columns if member.dtype.hasobject or member.dtype.kind in "biuf"]
    if len({member.shape for member in numbers}) > 1:
        lengths = ", ".join(f"{member.name} {member.shape[0]}" for member in numbers)
        raise NpzError(path, [f"its columns have the lengths {lengths}: allowed is one length"])
    return load_members(path, numbers)


def write_npz(file: IO[bytes], arrays: Mapping[str, ArrayLike], compressed: bool = False) -> None:
    """Write arrays as `numpy.savez` does, but never as a pickle, and the same arrays always as the same bytes.

    `numpy.savez(allow_pickle=False)` refuses pickles only from NumPy 2.2 on; before, it writes an array of that name.

    Parameters
    ----------
    file : binary file
        Open for writing.
    arrays : mapping of str to array_like
        By name; stored in C order.
    compressed : bool
        Compress, as `numpy.savez_compressed` does.

    Raises
    ------
    ValueError
        If an array holds Python objects.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(values, order="C"), allow_pickle=False)


def replace_npz(path: Path, arrays: Mapping[str, ArrayLike], compressed: bool = False) -> None:
    """Create or replace a file of arrays: `write_npz`, completely or not at all.

    Raises
    ------
    ValueError
        If an array holds Python objects. The old file stays, as it does with the error that follows.
    WriteError
        If the disk is full or read-only, or permission is denied.
    """

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            write_npz(file, arrays, compressed)

    replace_file(path, write)


class _BadMember(Exception):
    """What is wrong with one array."""


@contextlib.contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; errors caused by its bytes become NpzError, those of the disk stay OSError."""
    with open(path, "rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
            raise NpzError(path, [f"{path.name} is not a file of numpy.savez (it holds one array and no names)"])
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except NpzError:
            raise
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # a seek to an impossible position is the file's own fault
                raise
            raise NpzError(path, [_explain(path, error)]) from error
        except Exception as error:
            # arbitrary bytes raise a dozen kinds of errors in zipfile, zlib and struct
            raise NpzError(path, [_explain(path, error)]) from error


def _explain(path: Path, error: Exception) -> str:
    return f"{path.name} is not a file of numpy.savez ({' '.join(str(error).split())[:200] or type(error).__name__})"


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Member:
    """Read and check the header of one array."""
    if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
        raise _BadMember(
            f"{name} is encrypted or compressed by method {info.compress_type}: allowed is stored, or deflated (8)"
        )
    try:
        with archive.open(info) as stream:
            member = _read_header(stream, name)
    except (zlib.error, zipfile.BadZipFile, EOFError):
        raise
    except Exception as error:  # NumPy's parser of headers evaluates Python literals
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise _BadMember(f"{name} is not an array: {text}") from error
    expected = member.start + member.size
    if not member.dtype.hasobject and info.file_size != expected:
        raise _BadMember(f"{name} has {info.file_size} bytes: allowed are {expected}")
    return member


def _read_header(stream: IO[bytes], name: str) -> Member:
    """Parse the header of an array; raise ValueError, or whatever NumPy's parser raises, if it is not one."""
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    if version not in _LENGTHS:
        raise ValueError(f"its format is {version}: allowed are (1, 0) and (2, 0)")
    form = _LENGTHS[version]
    prefix = stream.read(struct.calcsize(form))
    (length,) = struct.unpack(form, prefix)
    # NumPy reads all of a header before it checks the length
    if length > _MAX_HEADER:
        raise ValueError(f"its header has {length} bytes: allowed are at most {_MAX_HEADER}")
    text = stream.read(length)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers that Python 2 wrote raise one, and are still readable
        shape, in_fortran_order, dtype = read(io.BytesIO(prefix + text), max_header_size=_MAX_HEADER)
    if len(shape) > 32 or any(size < 0 for size in shape):
        raise ValueError(f"its shape is {str(shape)[:80]}: allowed are up to 32 sizes from 0")
    magic = np.lib.format.MAGIC_LEN
    return Member(name, tuple(map(int, shape)), dtype, bool(in_fortran_order), magic + len(prefix) + len(text))


def _load(archive: zipfile.ZipFile, member: Member, path: Path) -> NDArray:
    """Load all numbers of one array, or raise an error."""
    try:
        with archive.open(f"{member.name}.npy") as stream:
            stream.read(member.start)
            content = stream.read(member.size)
            rest = stream.read(1)  # zipfile compares the checksum at the end
    except OSError:
        raise
    except Exception as error:
        raise NpzError(path, [f"{path.name} is damaged ({error})"]) from error
    if len(content) != member.size or rest:
        raise NpzError(path, [f"{path.name} is damaged ({member.name} does not end where its header says)"])
    flat = np.frombuffer(content, dtype=member.dtype) if content else np.empty(0, dtype=member.dtype)
    array = flat.reshape(member.shape, order="F" if member.in_fortran_order else "C")
    return np.array(array, dtype=member.dtype.newbyteorder("="), order="C")
