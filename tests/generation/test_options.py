"""Options of the program and their defaults."""

import importlib
import os
from pathlib import Path

import pytest

from generation import __main__ as program
from generation import card
from generation.__main__ import _make_parser

MACHINES = {"workers": None, "scheduler": None, "scheduler_timeout": 30.0}
DEFAULTS = {
    "catalogue --simulations 9 --out D": {
        "simulations": 9,
        "config": "gaussian",
        "out": Path("D"),
        "seed": None,
        "shard_size": 128,
        "embed": False,
        **MACHINES,
    },
    "haloes --out D": {
        "config": "gaussian",
        "out": Path("D"),
        "sims": None,
        "shard_size": 4000,
        "keep_sums": False,
        **MACHINES,
    },
    "release --out D": {
        "out": Path("D"),
        "haloes": None,
        "sims": None,
        "date": None,
        "url": None,
        "config": "gaussian",
        "shard_size": 4000,
        **MACHINES,
    },
    "card": {},
    "live-set --simulations 9 --out D": {
        "simulations": 9,
        "out": Path("D"),
        "particles": 500_000,
        "aiming_particles": 70_000,
        "seed": 20250713,
        "from_embedded": False,
        "embed": False,
        "keep": False,
        **MACHINES,
    },
    "disc --out D.npz": {
        "out": Path("D.npz"),
        "terms": 11,
        "seconds": 600,
        "seed": 0,
        "start": None,
        "overwrite": False,
        "suffixes": (".npz",),
        "takes_folder": False,
    },
}
GIVEN = {
    "catalogue --simulations 9 --out D --config wide --seed 5 --shard-size 7 --embed --workers 3": {
        "config": "wide",
        "seed": 5,
        "shard_size": 7,
        "embed": True,
        "workers": 3,
    },
    "haloes --out D --sims 5:9 --scheduler tcp://a:1 --scheduler-timeout 2.5": {
        "sims": range(5, 9),
        "scheduler": "tcp://a:1",
        "scheduler_timeout": 2.5,
    },
    "live-set --simulations 9 --out D --particles 5000 --aiming-particles 400 --seed 3 --from-embedded --embed": {
        "particles": 5000,
        "aiming_particles": 400,
        "seed": 3,
        "from_embedded": True,
        "embed": True,
    },
    "live-set --simulations 9 --out D --keep": {"keep": True},
    "disc --out D.npz --terms 3 --seconds 1.5 --seed 4 --start S.npz": {
        "terms": 3,
        "seconds": 1.5,
        "seed": 4,
        "start": Path("S.npz"),
    },
}


@pytest.mark.parametrize("words", DEFAULTS)
def test_defaults(words):
    found = vars(_make_parser().parse_args(words.split()))
    assert {name: value for name, value in found.items() if name != "run"} == DEFAULTS[words]


@pytest.mark.parametrize("words", GIVEN)
def test_given_options(words):
    found = vars(_make_parser().parse_args(words.split()))
    assert {name: found[name] for name in GIVEN[words]} == GIVEN[words]


@pytest.mark.parametrize(
    "words",
    ["", "catalogue --out D", "catalogue --simulations 9", "haloes", "release", "live-set --out D", "disc"],
)
def test_required_options(words, capsys):
    with pytest.raises(SystemExit) as stop:
        _make_parser().parse_args(words.split())
    assert stop.value.code == 2 and "required" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["5", "5:", ":9", "5-9", "a:b", "-1:9", "5:9:2"])
def test_a_range_is_two_numbers(text, capsys):
    with pytest.raises(SystemExit):
        _make_parser().parse_args(["haloes", "--out", "D", f"--sims={text}"])
    assert f"{text!r}: allowed is A:B" in capsys.readouterr().err


def test_libraries_use_one_thread_unless_the_user_says_otherwise(monkeypatch):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    importlib.reload(program)
    assert [os.environ[name] for name in names] == ["1", "1", "3"]


@pytest.mark.parametrize(
    ("error", "status", "reported"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),  # it has no shards that could be kept
        (ValueError("no card"), 2, "error: no card"),
        (RuntimeError("lost"), 1, "error: lost"),
    ],
)
def test_exit_status_of_a_program(monkeypatch, capsys, error, status, reported):
    def fail():
        raise error

    monkeypatch.setattr(card, "refresh_card", fail)
    assert program.main(["card"]) == status
    assert capsys.readouterr().err.startswith(reported)


@pytest.mark.parametrize(("is_new", "reported"), [(True, "updated"), (False, "up to date")])
def test_the_card_says_whether_it_changed(monkeypatch, capsys, is_new, reported):
    monkeypatch.setattr(card, "refresh_card", lambda: is_new)
    assert program.main(["card"]) == 0
    assert capsys.readouterr().out == f"{card.CARD}: {reported}\n"
