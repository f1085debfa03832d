"""Work on several processes: every call is made, and an error of one ends the others or not, as is asked for."""

import pytest

from benchmarks.common.parallel import run_calls


def write(folder, number):
    if number == 1:
        raise RuntimeError("no posterior")
    (folder / str(number)).touch()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_forgiven_error_is_named_and_the_others_go_on(tmp_path, capsys, workers):
    run_calls([(write, (tmp_path, i)) for i in range(4)], workers, "infer", names=[f"row {i}" for i in range(4)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2", "3"]
    assert capsys.readouterr().out == "infer: not done: row 1: no posterior\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_without_names_an_error_ends_the_run(tmp_path, workers):
    with pytest.raises(RuntimeError, match="no posterior"):
        run_calls([(write, (tmp_path, i)) for i in range(4)], workers, "infer")


def test_other_errors_are_not_forgiven(tmp_path):
    with pytest.raises(TypeError):
        run_calls([(write, (tmp_path,)), (write, (tmp_path, 2))], 1, "infer", names=["a", "b"])
