"""How the initial conditions affect the stars: measured on a few draws, and printed."""

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import equilibrium
from mwlmc_data import Prior
from mwlmc_data.simulator import constants as const


@pytest.fixture(scope="module")
def found():
    rows = Prior("gaussian").sample(12, seed=1).to_dict("records")
    return [equilibrium.measure_drift((row, 1, i)) for i, row in enumerate(rows)]


def test_bulge_and_disc_draw_the_outer_halo_in(found):
    """They add G M t / r^2 of speed where a star has not yet turned round in 2.2 Gyr, and nothing far outside."""
    mean, error = equilibrium.average_drifts(found)
    count = np.sum([drift.count[1] for drift in found], axis=0)
    assert count.min() > 500
    assert mean[3, 2] == pytest.approx(-4.8, abs=1.2)
    assert 0.1 < error[3, 2] < 0.5
    speed = const.G * (const.BULGE_MASS + const.DISC_MASS) * const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    assert -speed / 300**2 < mean[3, 2] < -speed / 1000**2
    assert -speed / 1000**2 < mean[3, 3] < 0


def test_in_the_nfw_halo_alone_nothing_moves(found):
    mean, error = equilibrium.average_drifts(found)
    assert np.all(np.abs(mean[2]) < 4 * error[2] + 0.5)
    fitted = np.array([drift.fitted[2] for drift in found])
    assert abs(fitted.mean()) < 4 * fitted.std(ddof=1) / np.sqrt(len(fitted))


def test_errors_are_those_of_repeated_measurement():
    rng = np.random.default_rng(0)
    means, errors, shares, share_errors = [], [], [], []
    for _ in range(200):
        count = rng.poisson([[400, 700, 300, 100]] * 3, size=(20, 3, 4))
        mean = rng.normal(-5.0, 100 / np.sqrt(count))
        made = [equilibrium.Drift(1e12, c, m, np.zeros(3)) for c, m in zip(count, mean, strict=True)]
        value, error = equilibrium.average_drifts(made)
        means.append(value)
        errors.append(error)
        share, share_error = equilibrium.measure_wings(made)
        shares.append(share)
        share_errors.append(share_error)
    assert np.mean(means, axis=0)[:3] == pytest.approx(-5.0, abs=1.0)
    assert np.std(means, axis=0) == pytest.approx(np.mean(errors, axis=0), rel=0.2)
    assert np.mean(shares) == pytest.approx(100 / 1500, rel=0.02)
    assert np.std(shares) == pytest.approx(np.mean(share_errors), rel=0.2)


def test_the_program_prints_the_table(capsys):
    assert main(["equilibrium", "--simulations", "6", "--workers", "1", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24].strip() for line in lines[2:6]] == list(equilibrium._ROWS)
    share, error = (float(part.strip("% ")) for part in lines[-1].partition("data:")[2].split("+-"))
    assert share == pytest.approx(7.2, abs=1.5) and 0 < error < 1


def test_bad_input_is_one_line(capsys):
    assert main(["equilibrium", "--config", "cubic"]) == 2
    assert "'cubic'" in capsys.readouterr().err
