"""The likelihood of a set of stars: the selection, the number of stars, and batches of parameters."""

import math
import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import mwlmc_data as mw
from mwlmc_data.rewinding import likelihood

FIDUCIAL = {"m200_mw": 1.2e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}
P = mw.Parameters(**FIDUCIAL)
NAMES = ["x", "y", "z", "vx", "vy", "vz"]


@pytest.fixture(scope="module")
def halo():
    return mw.simulate(P, seed=5, n_stars=400).halo


@pytest.fixture(scope="module")
def outer(halo):
    """The terms of the stars beyond 50 kpc."""
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    return likelihood.log_density_stars(stars[np.linalg.norm(stars[:, :3], axis=1) > 50], P)


def test_likelihood_is_conditional_on_the_number_of_stars(halo, outer):
    found = mw.log_likelihood(halo, P, log_probability=-1.1)
    assert len(outer) > 100 and found == pytest.approx(outer.sum() + 1.1 * len(outer), rel=1e-12)


def test_the_number_of_stars_counts_if_the_total_is_known(halo, outer):
    given_n = mw.log_likelihood(halo, P, log_probability=-1.1)
    expected = given_n + binom(400, math.exp(-1.1)).logpmf(len(outer))
    assert mw.log_likelihood(halo, P, log_probability=-1.1, n_total=400) == pytest.approx(expected, rel=1e-12)


def test_all_stars_need_no_probability(halo):
    with pytest.warns(UserWarning, match=r"r_min = 0 kpc takes \d+ stars within 20 kpc, for which ln L is not exact"):
        found = mw.log_likelihood(halo, P, r_min=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mw.log_likelihood(halo, P, r_min=20.0, log_probability=-0.5)
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    assert found == pytest.approx(likelihood.log_density_stars(stars, P).sum(), rel=1e-12)
    with pytest.warns(UserWarning, match="not exact"):
        assert mw.log_likelihood(halo, P, r_min=0.0, n_total=400) == found


def test_every_form_of_stars_gives_the_same(halo):
    expected = mw.log_likelihood(halo, P, r_min=60.0, log_probability=-1.0)
    array = np.hstack([halo.positions, halo.velocities])
    table = pd.DataFrame(array, columns=NAMES).assign(name="a")[["name", *reversed(NAMES)]]
    columns = {"x": array[:, 0].astype(float) * u.kpc} | {name: array[:, i] for i, name in enumerate(NAMES) if i}
    for stars in (array, table, columns):
        assert mw.log_likelihood(stars, P, r_min=60.0, log_probability=-1.0) == expected
    assert mw.log_likelihood(halo, P, r_min=0.06 * u.Mpc, log_probability=-1.0) == expected


def test_batches_are_the_same_bits_and_share_rewound_stars(halo, monkeypatch):
    many = [mw.Parameters(**FIDUCIAL | {"m_lmc": m_lmc, "beta0": beta, "r_dehnen": r})
            for m_lmc in (1.5e11, 1.2e11) for beta, r in [(0.1, 12.0), (0.3, 12.0), (0.3, 14.0)]]  # fmt: skip
    single = [mw.log_likelihood(halo, p, log_probability=-1.0) for p in many]
    rewound = []

    def rewind_and_note(stars, parameters):
        rewound.append(parameters)
        return rewind_stars(stars, parameters)

    rewind_stars = likelihood.rewind_stars
    monkeypatch.setattr(likelihood, "rewind_stars", rewind_and_note)
    for workers in (1, 2, None):
        rewound.clear()
        found = mw.log_likelihood(halo, many, log_probability=-1.0, workers=workers)
        assert found.tolist() == single and len(set(single)) == 6
        assert len(rewound) == 2


def test_the_probability_may_depend_on_the_parameters(halo, outer):
    class Given:
        def log_probability(self, parameters):
            return -1.0 - parameters.beta0

    isotropic = mw.Parameters(**FIDUCIAL | {"beta0": 0.0})
    found = mw.log_likelihood(halo, [P, isotropic], log_probability=Given())
    assert found[0] == pytest.approx(outer.sum() + 1.3 * len(outer), rel=1e-12)
    assert found[1] == mw.log_likelihood(halo, isotropic, log_probability=-1.0)


def test_a_counted_probability_says_how_wrong_it_is(halo, outer, monkeypatch):
    monkeypatch.setattr(likelihood, "_N_COUNTED", 40_000)
    with pytest.warns(UserWarning, match=r"ln P is counted from 40,000 simulated stars; its error adds [0-9.]+ to"):
        found = mw.log_likelihood(halo, P)
    log_p = (outer.sum() - found) / len(outer)
    # of the 4,500 stars of this model 33.2% lie beyond 50 kpc
    assert math.exp(log_p) == pytest.approx(0.332, abs=0.012)


def test_an_impossible_star_makes_the_set_impossible(halo):
    stars = np.hstack([halo.positions, halo.velocities])
    stars[0] = [0.0, 0.0, 90.0, 0.0, 0.0, 1000.0]
    assert mw.log_likelihood(stars, P, log_probability=-1.0) == -math.inf


def test_no_stars_say_nothing():
    assert mw.log_likelihood(np.empty((0, 6)), P, log_probability=-1.0) == 0.0
    assert mw.log_likelihood(np.empty((0, 6)), [], log_probability=-1.0).shape == (0,)


def test_no_parameters_are_no_numbers(halo):
    assert mw.log_likelihood(halo, []).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stars": [[1.0, 2.0, 3.0]]}, r"stars = an array of shape \(1, 3\): allowed is the shape \(n, 6\)"),
        ({"stars": {"x": [1.0], "y": [1.0]}}, "stars lacks z, vx, vy, vz: allowed is a table with x, y, z, vx, vy, vz"),
        ({"stars": [[60.0, 0.0, math.nan, 0.0, 0.0, 0.0]]}, r"stars\[0, 2\] = nan"),
        ({"parameters": {"m_lmc": 1e11}}, "parameters = .*: allowed is a mwlmc_data.Parameters"),
        ({"parameters": [P, None]}, "parameters = None: allowed is a mwlmc_data.Parameters"),
        ({"r_min": -1.0}, "r_min = -1.0: allowed is"),
        ({"log_probability": 0.5}, "log_probability = 0.5: allowed is"),
        ({"log_probability": math.nan}, "log_probability = nan: allowed is"),
        ({"n_total": 1}, "n_total = 1: allowed is a whole number from 2 up"),
        ({"workers": 0}, "workers = 0: allowed is a whole number from 1"),
    ],
)
def test_what_is_not_allowed_is_refused(change, message):
    star = [60.0, 0.0, 10.0, 0.0, 90.0, 40.0]
    options = {"stars": [star, star], "parameters": P, "log_probability": -1.0} | change
    with pytest.raises(ValueError, match=message):
        mw.log_likelihood(**options)


def test_errors_given_to_the_angular_momenta_hardly_change_a_likelihood(halo, outer):
    """A star's term moves by a few percent; the number of stars, the parameters and their order do not matter."""
    far = np.linalg.norm(halo.positions.astype(float), axis=1) > 50
    plain = mw.log_density(halo.positions[far], halo.velocities[far], P)
    assert 1e-3 < np.median(np.abs(outer - plain)) < 0.02
    assert abs((outer - plain).sum()) < 3.0
