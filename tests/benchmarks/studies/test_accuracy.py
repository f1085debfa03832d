"""The table of the simulator's accuracy."""

import pytest

from benchmarks.__main__ import main
from benchmarks.studies import accuracy


def test_the_figures_of_the_readme(reference):
    """README: orbit 0.01, stars 0.006 kpc from agama's in the median, reflex vector 0.01 km/s."""
    result = accuracy.compare(reference)
    assert set(result) == {"paper_rigid", "light", "heavy"}
    for case in result.values():
        assert case["orbit [kpc]"] < 0.01
        assert case["orbit [km/s]"] < 0.01
        assert case["median to agama [kpc]"] < 0.0065
        assert case["median to float64 [kpc]"] < 1e-3
        assert case["99% to float64 [kpc]"] < 0.1
        assert case["travel vector [km/s]"] < 0.01
    assert accuracy.describe(result).count("\n") == 7


def test_without_the_reference_numbers(tmp_path, capsys):
    assert main(["accuracy", "--reference", str(tmp_path)]) == 2
    assert "summary.json" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["accuracy"], ["accuracy", "--reference"]])
def test_a_missing_folder_name_is_refused(words):
    with pytest.raises(SystemExit):
        main(words)
