"""The engine of agama where agama is installed, and the error where it is not."""

import importlib.util

import numpy as np
import pytest

import mwlmc_data as mw

P = mw.Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7, beta0=0.5, r_dehnen=11.5)
installed = importlib.util.find_spec("agama") is not None


@pytest.mark.agama
@pytest.mark.skipif(not installed, reason="agama is not installed: its engine is tested where it is")
def test_agama_agrees():
    """The orbit within 0.01 kpc and km/s, the reflex motion within 4 errors of the difference."""
    theirs, ours = (mw.simulate(P, seed=4, n_stars=3000, engine=e) for e in ("agama", "numba"))
    assert np.abs(theirs.orbit.relative - ours.orbit.relative).max() < 0.02
    error = np.sqrt(np.diag(theirs.reflex.covariance + ours.reflex.covariance))
    assert np.all(np.abs(theirs.reflex.values - ours.reflex.values) < 4 * error)
    again = mw.simulate(P, seed=4, n_stars=3000, engine="agama")
    assert np.array_equal(again.halo.positions, theirs.halo.positions)


@pytest.mark.skipif(installed, reason="agama is installed")
def test_without_agama_the_error_says_so():
    with pytest.raises(ImportError, match='engine = "agama" needs the package agama'):
        mw.simulate(P, n_stars=100, engine="agama")
