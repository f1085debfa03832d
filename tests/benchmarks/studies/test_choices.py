"""The numbers behind the choices of the fit, measured on a few haloes and printed."""

import re

import pytest

from benchmarks.__main__ import main


def test_the_program_prints_the_documented_numbers(capsys):
    assert main(["choices", "--simulations", "3", "--seed", "4"]) == 0
    out = capsys.readouterr().out
    speeds = [float(value) for value in re.findall(r"v_travel ([\d.]+) \+-", out)]
    assert speeds == [pytest.approx(20, abs=6), pytest.approx(41, abs=6), pytest.approx(58.5, abs=7)]
    reported = re.findall(r"beta0 (\S+) *: (.*)", out)
    ratios = {float(beta): [float(value) for value in values.split(",")] for beta, values in reported}
    assert list(ratios) == [0.0, 0.3, 0.6, 0.76, 0.85]
    assert all(los == pytest.approx(1, abs=0.1) for los, _, _ in ratios.values())
    assert ratios[0.0][1:] == pytest.approx([1.05, 1.05], abs=0.15)
    assert ratios[0.6][1:] == pytest.approx([1.4, 1.4], abs=0.3)
    assert ratios[0.85][1:] == pytest.approx([2.0, 2.0], abs=0.5)
