"""Lists that name what is discovered: tasks, baselines and studies."""

import argparse
import pkgutil
import re

import pytest

import benchmarks.baselines as baselines_package
from benchmarks import __main__ as command
from benchmarks import studies
from benchmarks.baselines.base import find_baselines, list_baselines
from mwlmc_data import cli, list_tasks
from mwlmc_data.scoring import tasks as tasks_package


def names_in(docstring):
    """First words of the lines of a table between rules of equals signs."""
    _, table, _ = re.split(r"^=+ +=+$", docstring, flags=re.MULTILINE)
    return [line.split()[0] for line in table.strip().splitlines()]


def commands_of(parser):
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return set(action.choices)


def test_docstrings_name_what_is_found():
    # a task with two versions is a line
    assert names_in(tasks_package.__doc__) == list(dict.fromkeys(name.partition("@")[0] for name in list_tasks()))
    found = names_in(baselines_package.__doc__)
    assert len(found) == len(set(found)) and set(found) == set(find_baselines())
    assert names_in(studies.__doc__) == sorted(module.name for module in pkgutil.iter_modules(studies.__path__))


def test_every_study_is_a_command():
    known = commands_of(command.parser())
    assert {name.replace("_", "-") for name in names_in(studies.__doc__)} - known == {"published-stars"}


def test_the_suite_lists_tasks_and_baselines_and_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["suite", "--list"]) == 0
    out = capsys.readouterr().out
    tasks, baselines = out.split("\n\n")
    assert [line.split(maxsplit=1) for line in tasks.splitlines()[1:]] == [list(item) for item in list_tasks().items()]
    lines = [line.split(maxsplit=1) for line in baselines.splitlines()[1:]]
    assert dict(lines) == list_baselines()
    assert all(cls.title in list_baselines()[name] for name, cls in find_baselines().items())
    assert list(tmp_path.iterdir()) == []


def test_info_lists_the_tasks(capsys):
    assert cli.main(["info"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert all([name, question] in lines for name, question in list_tasks().items())


@pytest.mark.parametrize("words", [["suite", "--seeds", "0"], ["loading", "--haloes", "9"], ["cuda", "--workers", "x"]])
def test_integers_are_checked_when_they_are_read(words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(words)
    assert stop.value.code == 2 and f"{words[-1]!r}: allowed is an integer of at least" in capsys.readouterr().err
