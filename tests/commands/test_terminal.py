"""What the command lines share: numbers, encodings, files that are written."""

import argparse
import io
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import __main__ as benchmarks
from generation import __main__ as generation
from mwlmc_data import cli, terminal

PARSERS = {"mwlmc": cli._make_parser, "generation": generation._make_parser, "benchmarks": benchmarks.parser}


def commands(parser, words=()):
    """Every command of a parser, with the words that lead to it."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield list(words), parser
    for action in below:
        for name, child in action.choices.items():
            yield from commands(child, (*words, name))


def number_options():
    for program, parser in PARSERS.items():
        for words, command in commands(parser()):
            needed = [a.option_strings[0] for a in command._actions if a.required and a.option_strings]
            places = [a for a in command._actions if a.required and not a.option_strings]
            for action in command._actions:
                if action.type is float:
                    yield program, words, action, needed, len(places)


OPTIONS = list(number_options())


@pytest.mark.parametrize("program", PARSERS)
def test_every_option_takes_every_negative_number(program):
    parser = PARSERS[program]()
    for _, words, action, needed, places in (option for option in OPTIONS if option[0] == program):
        others = [word for name in needed if name not in action.option_strings for word in (name, "1")]
        line = [*words, *["7"] * places, *others, action.option_strings[0]]
        for text in ("-6e1", "-6E+1", "-.6e2", "-6_0e0", "-inf", "-60", "-60.0"):
            assert getattr(parser.parse_args([*line, text]), action.dest) == float(text)


def test_options_that_take_numbers_are_found():
    assert {program for program, *_ in OPTIONS} == set(PARSERS) and len(OPTIONS) > 40


@given(st.floats(max_value=-1e-300, allow_nan=False))
def test_numbers_as_python_and_c_write_them(number):
    parser = terminal.Parser()
    parser.add_argument("--b-apex", type=float)
    parser.add_argument("--json", action="store_true")
    for text in (repr(number), f"{number:.17e}", f"{number:.17G}"):
        assert parser.parse_args(["--json", "--b-apex", text]).b_apex == number
    assert parser.parse_args([f"--b-apex={number!r}", "--json"]).b_apex == number


def test_what_is_not_a_number_stays_an_option():
    parser = terminal.Parser()
    parser.add_argument("--b-apex", type=float)
    parser.add_argument("--infer", action="store_true")
    parser.add_argument("-e", action="store_true")
    with pytest.raises(SystemExit):
        parser.parse_args(["--b-apex", "-e"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--b-apex", "--infer"])
    assert parser.parse_args(["--b-apex", "-1e1", "--infer", "-e"]).infer


def test_a_sky_in_scientific_notation(capsys):
    words = ["infer", "--v-travel", "4e1", "--l-apex", "3e1", "--n", "50", "--json", "--b-apex"]
    outputs = []
    for text in ("-4e1", "-40", "-0.4E2"):
        assert cli.main([*words, text]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] == outputs[2]


class TestEncodings:
    """Terminals that know only ASCII, as in many containers and batch jobs."""

    ASCII = ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})

    @staticmethod
    def run(*words, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, timeout=100, env=clean | paths | environment
        )

    @pytest.mark.parametrize("environment", ASCII, ids=["ascii", "C"])
    def test_references_are_readable(self, environment):
        done = self.run("mwlmc_data", "cite", "--style", "text", **environment)
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode("ascii")
        assert "A Simulation Based Inference Approach" in text and "357-362" in text
        full = self.run("mwlmc_data", "cite", "--style", "text", PYTHONIOENCODING="utf-8").stdout.decode()
        assert len(full.splitlines()) == len(text.splitlines()) and not full.isascii()

    @pytest.mark.parametrize("environment", ASCII, ids=["ascii", "C"])
    @pytest.mark.parametrize("program", ["mwlmc_data", "generation", "benchmarks"])
    def test_help_and_errors(self, program, environment):
        assert self.run(program, "--help", **environment).returncode == 0
        done = self.run(program, "Straße−", **environment)
        assert done.returncode == 2 and b"Traceback" not in done.stderr

    def test_every_command_prints_what_an_ascii_terminal_shows(self, monkeypatch, tmp_path):
        lines = [
            ["info"],
            ["cite", "--style", "text"],
            ["cite"],
            ["infer", "--case", "rigid", "--n", "50"],
            ["halo", "7"],
            ["plot", "corner", "m_lmc", "--rows", "9", "--out", str(tmp_path / "Größe.png")],
            *([*words, "--help"] for words, _ in commands(cli._make_parser())),
        ]
        for line in lines:
            stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
            monkeypatch.setattr(sys, "stdout", stream)
            try:
                assert cli.main(line) == 0
            except SystemExit as stop:
                assert stop.code == 0
            stream.flush()
            assert stream.buffer.getvalue().isascii() and stream.buffer.getvalue()
            assert stream.errors == "strict"  # as it was

    @pytest.mark.parametrize(
        ("text", "plain"),
        [("10 ± 2", "10 +- 2"), ("−40°", "-40 deg"), ("Lhoest–Mañé", "Lhoest-Mane"), ("λ", "\\u03bb"), ("ﬁt", "fit")],
    )
    def test_symbols_become_ascii(self, monkeypatch, text, plain):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        with terminal.tolerate_encodings():
            print(text, end="")
        stream.flush()
        assert stream.buffer.getvalue().decode() == plain

    def test_a_utf8_terminal_gets_the_symbols(self, monkeypatch):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", stream)
        with terminal.tolerate_encodings():
            print("σ ± Mañé \udce9", end="")  # the last is a byte of a file name that is not valid UTF-8
        stream.flush()
        assert stream.buffer.getvalue() == "σ ± Mañé \\udce9".encode()


WRITERS = {
    "halo": (["halo", "7"], ".npz"),
    "simulate": (
        ["simulate", "--m200-mw", "1e12", "--m-lmc", "1e11", "--log10-lambda-df", "0", "--n-stars", "1500"],
        ".parquet",
    ),
    "infer": (["infer", "--case", "rigid", "--n", "50"], ".csv"),
    "plot halo": (["plot", "halo", "7"], ".png"),
    "plot corner": (["plot", "corner", "m_lmc", "--rows", "50"], ".svg"),
}


class TestOut:
    def test_every_command_that_writes_has_both_options(self):
        for parser in (cli._make_parser(), generation._make_parser()):
            for words, command in commands(parser):
                out = [a for a in command._actions if "--out" in a.option_strings and a.metavar == "FILE"]
                if out:
                    assert any("--overwrite" in a.option_strings for a in command._actions), words

    @pytest.mark.parametrize("command", WRITERS)
    def test_an_existing_file_is_replaced_only_on_request(self, command, tmp_path, capsys):
        words, suffix = WRITERS[command]
        path = tmp_path / f"mine{suffix}"
        path.write_text("precious")
        assert cli.main([*words, "--out", str(path)]) == 2
        said = capsys.readouterr()
        assert said.out == "" and str(path) in said.err and "--overwrite" in said.err
        assert path.read_text() == "precious"
        assert cli.main([*words, "--out", str(path), "--overwrite"]) == 0
        assert path.stat().st_size > 100
        assert [p.name for p in tmp_path.iterdir()] == [path.name]

    @pytest.mark.parametrize("command", WRITERS)
    def test_it_is_refused_before_the_work(self, command, tmp_path, capsys, monkeypatch):
        words, suffix = WRITERS[command]
        loaders = "dataset.haloes.load_halo", "dataset.catalogue.load_catalogue"
        for name in ("simulator.simulate", "inference.infer", *loaders):
            monkeypatch.setattr(f"mwlmc_data.{name}", lambda *_, **__: pytest.fail("worked before it refused"))
        (tmp_path / f"mine{suffix}").touch()
        (tmp_path / f"folder{suffix}").mkdir()
        (tmp_path / f"link{suffix}").symlink_to(tmp_path / "nowhere")
        for name in (f"mine{suffix}", f"folder{suffix}", f"link{suffix}", "mine.doc", f"none/mine{suffix}"):
            assert cli.main([*words, "--out", str(tmp_path / name)]) == 2
            assert name in capsys.readouterr().err

    def test_overwrite_alone_is_an_error(self, capsys):
        assert cli.main(["halo", "7", "--overwrite"]) == 2
        assert "--out" in capsys.readouterr().err

    def test_the_fit_of_the_disc(self, tmp_path, capsys):
        (tmp_path / "disc.npz").write_text("precious")
        assert generation.main(["disc", "--out", str(tmp_path / "disc.npz"), "--seconds", "1e-9"]) == 2
        assert "--overwrite" in capsys.readouterr().err
        assert (tmp_path / "disc.npz").read_text() == "precious"


def test_the_package_is_a_command():
    done = TestEncodings.run("mwlmc_data", "info", "--json")
    assert done.returncode == 0 and done.stdout.startswith(b"{")
    done = TestEncodings.run("mwlmc_data")
    assert done.returncode == 2 and done.stderr.startswith(b"mwlmc: error:")


def test_infinity_is_a_number_to_the_parser():
    parser = terminal.Parser()
    parser.add_argument("--r-max", type=float)
    assert parser.parse_args(["--r-max", "-inf"]).r_max == -math.inf
