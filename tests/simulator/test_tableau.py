"""The coefficients of the Runge-Kutta-Nystroem pair."""

import numpy as np
import pytest

from mwlmc_data.simulator.engines import tableau


def test_rows_are_consistent():
    assert tableau.A.sum(axis=1) == pytest.approx(tableau.C**2 / 2, abs=1e-14)
    assert np.all(np.triu(tableau.A) == 0)
    assert tableau.A[8] == pytest.approx(tableau.B[:8])


@pytest.mark.parametrize("k", range(8))
def test_quadrature_conditions_of_order_8(k):
    """x'' = t^k is integrated exactly: velocity to t^8 / 8, position to t^8 / 56."""
    assert tableau.B_PRIME @ tableau.C**k == pytest.approx(1 / (k + 1), abs=1e-13)
    if k <= 6:
        assert tableau.B @ tableau.C**k == pytest.approx(1 / ((k + 1) * (k + 2)), abs=1e-13)


@pytest.mark.parametrize("k", range(6))
def test_embedded_solution_has_order_6(k):
    assert tableau.E_PRIME @ tableau.C**k == pytest.approx(0, abs=1e-13)
    if k <= 4:
        assert tableau.E @ tableau.C**k == pytest.approx(0, abs=1e-13)


def step(x, v, h, force):
    f = np.zeros((9, len(x)))
    for i in range(9):
        f[i] = force(x + tableau.C[i] * h * v + h * h * tableau.A[i] @ f[:8])
    return x + h * v + h * h * tableau.B @ f, v + h * tableau.B_PRIME @ f


def test_order_on_a_kepler_orbit():
    """Halving the step cuts the error after a quarter of an eccentric orbit by 2^8."""

    def force(x):
        return -x / np.linalg.norm(x) ** 3

    def run(n):
        x, v = np.array([1.5, 0.0]), np.array([0.0, 0.6])
        for _ in range(n):
            x, v = step(x, v, 3.0 / n, force)
        return np.r_[x, v]

    exact = run(640)
    errors = [np.linalg.norm(run(n) - exact) for n in (20, 40)]
    assert 2**7.3 < errors[0] / errors[1] < 2**9.5
