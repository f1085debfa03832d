"""The program that fits the disc's terms."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from generation import disc
from generation.__main__ import main
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import potentials, tables

SHIPPED = Path(str(resources.files("mwlmc_data.simulator") / "disc.npz"))


def test_shipped_terms_meet_the_goals():
    """5e-4 of the total force beyond 1 kpc, 1e-4 beyond 10 kpc, for every halo of the priors."""
    sample = disc.make_sample()
    relative = np.linalg.norm(disc.compute_errors(disc.load(SHIPPED), sample), axis=1) / sample.total
    radius = np.hypot(sample.R, sample.z)
    assert relative.max() < 1e-3
    assert relative[radius > 1].max() < 5e-4
    assert relative[radius > 10].max() < 1e-4


def test_masses_add_up():
    """The shipped table is that of the shipped terms: bulge and disc without them, at every node."""
    terms, static = disc.load(SHIPPED), tables.load_static()
    assert static.baryon_mass == pytest.approx(disc.tabulate_baryons(terms), rel=1e-8)
    for i in (400, 600, 700):
        radius = static.radius[i, 1]
        missing = potentials.disc_mass(radius) - disc.compute_terms_mass(terms, radius)
        assert static.baryon_mass[i, 1] == pytest.approx(potentials.bulge_mass(radius) + missing, rel=1e-6)


def test_a_term_has_its_nominal_mass():
    single = disc.Terms(np.array([3e10]), np.array([2.0]), np.array([0.1]), 0.4)
    assert disc.compute_terms_mass(single, 1e4) == pytest.approx(3e10, rel=1e-3)


def test_the_program_improves_on_its_start(tmp_path, capsys):
    """Three terms from nothing in a second or two: written, read back, reported."""
    out = tmp_path / "disc.npz"
    assert main(["disc", "--out", str(out), "--terms", "3", "--seconds", "1", "--seed", "1"]) == 0
    assert "beyond   10 kpc" in capsys.readouterr().out
    terms = disc.load(out)
    assert len(terms.mass) == 3
    sample = disc.make_sample()
    lone = disc.Terms(np.array([const.DISC_MASS]), np.array([3.0]), np.array([0.0]), 0.4)
    worst = [np.max(np.linalg.norm(disc.compute_errors(t, sample), axis=1) * sample.weight) for t in (terms, lone)]
    assert worst[0] < 0.5 * worst[1]


def test_the_program_passes_its_options_on(tmp_path, monkeypatch):
    single, seen = disc.Terms(np.array([3e10]), np.array([2.0]), np.array([0.1]), 0.4), []

    def fit(*arguments):
        seen.append(arguments)
        return single, 1.0

    monkeypatch.setattr(disc, "fit", fit)
    out = tmp_path / "disc.npz"
    assert main(["disc", "--out", str(out), "--terms", "1", "--seconds", "2", "--seed", "7"]) == 0
    assert main(["disc", "--out", str(tmp_path / "other.npz"), "--terms", "2", "--start", str(out)]) == 0
    assert seen[0] == (1, 2.0, 7, None)
    assert seen[1][:3] == (2, 600, 0) and all(np.array_equal(a, b) for a, b in zip(seen[1][3], single, strict=True))


def test_bad_input(tmp_path, capsys):
    assert main(["disc", "--out", str(tmp_path / "x.npz"), "--terms", "0"]) == 2
    assert "--terms = 0: allowed is 1 or more" in capsys.readouterr().err
    assert main(["disc", "--out", str(tmp_path / "x.npz"), "--terms", "3", "--start", str(SHIPPED)]) == 2
    assert "start = 11 terms: allowed are at most 3" in capsys.readouterr().err
