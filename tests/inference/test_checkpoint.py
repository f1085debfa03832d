"""Results kept in a file, so that an interrupted run continues."""

import numpy as np
import pytest

from mwlmc_data.inference.checkpoint import Checkpoint
from mwlmc_data.storage.npz import NpzError

KEY, OTHER = "ab" * 32, "cd" * 32


def run(path, n, key=KEY):
    """Ask for n results; return them, and which were computed."""
    computed = []

    def compute(i):
        computed.append(i)
        return {"square": np.array(i * i), "below": np.arange(i, dtype=float)}

    checkpoint = Checkpoint(path, key)
    return [checkpoint.get(lambda i=i: compute(i)) for i in range(n)], computed


def test_what_a_file_holds_is_not_computed_again(tmp_path):
    path = tmp_path / "run.npz"
    assert run(path, 3)[1] == [0, 1, 2]
    results, computed = run(path, 12)  # with two digits, in the order of numbers
    assert computed == list(range(3, 12))
    assert [int(r["square"]) for r in results] == [i * i for i in range(12)]
    assert results[2]["below"].tolist() == [0.0, 1.0] and run(path, 12)[1] == []


def test_without_a_file_all_is_computed():
    assert run(None, 2)[1] == [0, 1]


def test_a_file_of_other_settings_is_refused_and_kept(tmp_path):
    path = tmp_path / "run.npz"
    run(path, 2)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"resume = .*allowed is a file of the same stars, settings and versions"):
        run(path, 2, OTHER)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a file", None])
def test_a_damaged_file_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "run.npz"
    run(path, 2)
    content = path.read_bytes()[:-100] if content is None else content
    path.write_bytes(content)
    with pytest.raises(NpzError):
        run(path, 2)
    assert path.read_bytes() == content


def test_another_file_of_arrays_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, stars=np.ones(3))
    with pytest.raises(ValueError, match="allowed is a file of the same stars"):
        run(path, 1)


def test_a_path_that_cannot_be_written_is_found_before_the_work(tmp_path):
    with pytest.raises(OSError):
        Checkpoint(tmp_path / "no folder" / "run.npz", KEY)
