"""Tables to arrays and back, and the prior in the estimator's units."""

import numpy as np
import pytest
from scipy import integrate

from benchmarks.features import (
    DATA,
    SCALE,
    THETA,
    Logit,
    Problem,
    ScaledPrior,
    features,
    theta_array,
    theta_table,
)
from tests.benchmarks.synthetic import synthetic_catalogue


def test_theta_goes_there_and_back():
    table = synthetic_catalogue(50)
    back = theta_table(theta_array(table))
    np.testing.assert_allclose(back[list(THETA)], table[list(THETA)], rtol=1e-12)
    assert theta_array(table).max() < 200


def test_features_are_continuous_across_the_edge_of_longitude():
    row = {name: 1.0 for name in DATA}
    east, west = ({**row, "l_apex": value} for value in (179.999, -179.999))
    np.testing.assert_allclose(features(east), features(west), atol=1e-4)
    north = [features({**row, "b_apex": 90.0, "l_apex": value}) for value in (0.0, 120.0)]
    np.testing.assert_allclose(*north, atol=1e-12)


def test_features_hold_the_data_and_a_unit_vector():
    x = features(synthetic_catalogue(20))
    assert x.shape == (20, 10)
    np.testing.assert_allclose(np.linalg.norm(x[:, 7:], axis=1), 1.0)


@pytest.mark.parametrize("name, value, words", [("l_apex", None, "lack.*l_apex"), ("v_travel", np.nan, "v_travel")])
def test_bad_data_are_named(name, value, words):
    row = {n: 1.0 for n in DATA} | {name: value}
    if value is None:
        del row[name]
    with pytest.raises(ValueError, match=words):
        features(row)


def test_scaled_prior_is_a_density_in_scaled_units():
    prior = ScaledPrior("gaussian")
    middle = prior.sample(4000, seed=2)
    assert ((middle >= prior.low) & (middle <= prior.high)).all()
    np.testing.assert_allclose(middle.var(axis=0), prior.variance, rtol=0.1)
    at = middle.mean(axis=0)

    def along_m_lmc(value):
        return np.exp(prior.log_prob(np.array([[value, at[1], at[2]]])))[0]

    # The marginal of m_lmc integrates to the density of the other two, which are independent of it.
    mass = integrate.quad(along_m_lmc, prior.low[0], prior.high[0], points=[15.0], limit=200)[0]
    others = prior.prior.marginals
    expected = others["m200_mw"].log_pdf(at[1] * SCALE[1]) + others["log10_lambda_df"].log_pdf(at[2])
    assert mass == pytest.approx(float(np.exp(expected)) * SCALE[1], rel=1e-4)


def test_problem_needs_every_split_and_rows_inside_the_prior():
    table = synthetic_catalogue(256)
    with pytest.raises(ValueError, match="'test' has 0 rows"):
        Problem.from_table(table[table["split"] != "test"])
    table.loc[100, "m_lmc"] = 2e12
    with pytest.raises(ValueError, match="outside the prior 'gaussian'"):
        Problem.from_table(table)


def test_logit_and_its_jacobian():
    box = Logit(np.array([2.5, -3.0]), np.array([100.0, 1.0]))
    theta = np.random.default_rng(0).uniform(box.low + 0.1, box.high - 0.1, (20, 2))
    np.testing.assert_allclose(box.inverse(box.forward(theta)), theta, rtol=1e-9)
    step = 1e-5
    slopes = (box.forward(theta + step) - box.forward(theta - step)) / (2 * step)
    np.testing.assert_allclose(box.log_jacobian(box.forward(theta)), np.log(slopes).sum(axis=1), atol=1e-6)
    walls = box.forward(np.stack([box.low, box.high]))
    assert np.isfinite(walls).all() and (walls[0] < walls[1]).all()
