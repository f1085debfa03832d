"""The study of how ln P depends on the parameters: derivatives of counts that are known."""

import numpy as np
import pytest

from benchmarks.studies import selection as module
from mwlmc_data.inference.free_parameters import FREE


def test_derivatives_are_those_of_the_counts():
    rng = np.random.default_rng(2)
    x = rng.uniform(-0.5, 0.5, (20_000, 3)) + np.array([3.0, 0.0, -1.0])
    apart = x - x.mean(axis=0)
    bend = np.array([[-0.4, 0.1, 0.0], [0.1, 0.0, 0.2], [0.0, 0.2, 0.3]])
    slope = np.array([0.7, -0.1, 0.0])
    log_mean = np.log(1500.0) + apart @ slope + 0.5 * np.einsum("ni,ij,nj->n", apart, bend, apart)
    found, error, bends, bend_error = module.fit_counts(x, rng.poisson(np.exp(log_mean)))
    assert (np.abs(found - slope) < 4.5 * error).all() and (error < 2e-3).all()
    assert np.array_equal(bends, bends.T) and (np.abs(bends - bend) < 4.5 * bend_error).all()
    assert (bend_error < 0.01).all() and (bend_error > 1e-4).all()


def test_the_tables_name_parameters_and_shells():
    d = len(FREE)
    numbers = (np.arange(d) / 10.0, np.full(d, 0.01), np.eye(d) / 4.0, np.full((d, d), 0.02))
    text = module.describe([module.Dependence("n_stars_fit", 1234, *numbers)])
    assert "n_stars_fit, 1,234 simulations" in text and text.count(" ± ") == d * (d + 1)
    line = next(line for line in text.splitlines() if line.startswith("slope"))
    assert line.split()[1] == "+0.000" and line.split()[-3:] == ["+0.500", "±", "0.010"]
    assert pytest.approx(0.25) == float(text.splitlines()[-1].split()[-3])
