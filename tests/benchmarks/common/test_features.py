"""Tables to arrays and back, and the prior in the estimator's units."""

import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks.common.features import DATA, SCALE, THETA, ScaledPrior, scale_theta, tabulate_theta
from benchmarks.common.sets import SimulationSet, box_of
from mwlmc_data import Prior
from mwlmc_data.inference.encoding import Inputs, Scores, expand
from tests.helpers.synthetic_catalogue import synthetic_catalogue


def test_theta_survives_a_round_trip():
    table = synthetic_catalogue(50)
    back = tabulate_theta(scale_theta(table))
    np.testing.assert_allclose(back[list(THETA)], table[list(THETA)], rtol=1e-12)
    assert scale_theta(table).max() < 200


def row(**changed):
    """One observation of nine data."""
    return np.array([list(({name: 1.0 for name in DATA} | changed).values())])


def test_data_are_continuous_across_the_edge_of_longitude():
    east, west = (expand(row(l_apex=value), DATA) for value in (179.999, -179.999))
    np.testing.assert_allclose(east, west, atol=1e-4)
    north = [expand(row(b_apex=90.0, l_apex=value), DATA) for value in (0.0, 120.0)]
    np.testing.assert_allclose(*north, atol=1e-12)


def test_inputs_hold_the_data_and_a_unit_vector_and_are_standardised():
    x = synthetic_catalogue(200)[list(DATA)].to_numpy()
    expanded = expand(x, DATA)
    assert expanded.shape == (200, 10)
    np.testing.assert_array_equal(expanded[:, :7], x[:, :7])
    np.testing.assert_allclose(np.linalg.norm(expanded[:, 7:], axis=1), 1.0)
    inputs = Inputs.from_data(x, DATA)(x)
    np.testing.assert_allclose(inputs.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(inputs.std(axis=0), 1.0, atol=1e-6)
    np.testing.assert_array_equal(expand(x[:, :6], DATA[:6]), x[:, :6])


@pytest.mark.parametrize(
    "x, words",
    [(row(v_travel=np.nan), r"v_travel\[0\] = nan"), (np.ones((2, 8)), r"\(2, 8\): allowed is the shape \(n, 9\)")],
)
def test_bad_data_are_named(x, words):
    with pytest.raises(ValueError, match=words):
        expand(x, DATA)


@pytest.mark.parametrize("config", ["gaussian", "flat"])
def test_scores_make_the_prior_a_standard_normal(config):
    prior = Prior(config, THETA)
    scores = Scores(prior)
    theta = prior.sample(20_000, seed=1)[list(THETA)].to_numpy(float)
    u = scores.forward(theta)
    assert min(stats.kstest(column, "norm").pvalue for column in u.T) > 1e-3
    np.testing.assert_allclose(scores.inverse(u), theta, rtol=1e-6, atol=1e-5)
    # of the standard normal itself the density is that of the prior
    log_normal = stats.norm.logpdf(u).sum(axis=1)
    np.testing.assert_allclose(scores.log_density(log_normal, theta), prior.log_prob(theta), rtol=1e-12)
    low, high = np.array(list(prior.support.values())).T
    ends = scores.inverse(np.array([[-40.0] * 3, [40.0] * 3]))
    assert (ends >= low).all() and (ends <= high).all() and np.isfinite(scores.forward(np.stack([low, high]))).all()


def test_scaled_prior_is_a_density_in_scaled_units():
    prior = ScaledPrior("gaussian")
    middle = prior.sample(4000, seed=2)
    low, high = (end / SCALE for end in box_of(prior.prior))
    assert ((middle >= low) & (middle <= high)).all()
    np.testing.assert_allclose(middle.var(axis=0), prior.variance, rtol=0.1)
    at = middle.mean(axis=0)

    def along_m_lmc(value):
        return np.exp(prior.log_prob(np.array([[value, at[1], at[2]]])))[0]

    # The marginal of m_lmc integrates to the density of the other two, which are independent of it.
    mass = integrate.quad(along_m_lmc, low[0], high[0], points=[15.0], limit=200)[0]
    others = prior.prior.marginals
    expected = others["m200_mw"].log_pdf(at[1] * SCALE[1]) + others["log10_lambda_df"].log_pdf(at[2])
    assert mass == pytest.approx(float(np.exp(expected)) * SCALE[1], rel=1e-4)


def test_a_set_needs_every_split_and_rows_inside_the_prior():
    table = synthetic_catalogue(256)
    with pytest.raises(ValueError, match="rows of the test split = 0"):
        SimulationSet("gaussian", table[table["split"] != "test"])
    table.loc[100, "m_lmc"] = 2e12
    with pytest.raises(ValueError, match="allowed by the gaussian prior"):
        SimulationSet("gaussian", table)
