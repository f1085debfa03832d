"""How exact the density of rewound stars is: measured on two draws, and printed."""

import math

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import rewinding
from mwlmc_data import Prior


@pytest.fixture(scope="module")
def found():
    rows = Prior("gaussian").sample(5, seed=1).to_dict("records")
    return [rewinding.measure_errors((row, 1, i)) for i, row in enumerate(rows)]


def test_the_likelihood_is_conserved_where_the_density_itself_is_lost(found):
    for errors in found:
        assert [e.beta0 for e in errors] == list(rewinding.ANISOTROPIES)
        assert all(e.n_stars > 900 for e in errors)
        assert max(abs(e.outer) for e in errors if e.beta0 <= 0.7) < 0.1
        assert max(abs(e.pointwise) for e in errors if e.beta0 <= 0.3) < 0.1
        assert abs(errors[-1].pointwise) > 50
        radial = [e.radial for e in errors]
        assert radial == sorted(radial) and radial[0] < 0.002 and 0.2 < radial[-1] < 0.5
        assert all(abs(e.ratio - 1) < 5 * e.ratio_error for e in errors if e.beta0 <= 0.5)


def test_single_radial_stars_apart_it_holds_at_every_anisotropy(found):
    """One star in some thousand loses a tenth of a nat; which one depends on the processor."""
    for of_beta0 in zip(*found, strict=True):
        assert np.median([abs(e.outer) for e in of_beta0]) < 0.1


def test_sines_are_those_of_the_angle_to_the_radius():
    stars = np.array([[3.0, 0, 0, 0, 5, 0], [3, 0, 0, -5, 0, 0], [0, 2, 0, 0, math.sqrt(3), 1]])
    assert rewinding.compute_sines(stars) == pytest.approx([1.0, 0.0, 0.5])


def test_the_program_prints_a_line_for_each_anisotropy(capsys):
    main(["rewinding", "--simulations", "2", "--workers", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert "2 haloes at every beta0" in lines[0]
    assert [float(line.split()[0]) for line in lines[-8:]] == list(rewinding.ANISOTROPIES)
