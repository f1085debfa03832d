"""The predictive check: the right parameters enter the simulator, and the comparison is right."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.paper.predictive import (
    check_all_predictions,
    check_predictions,
    draw_nuisances,
    summarise_predictions,
    tabulate_draws,
    tabulate_quoted,
)
from tests.helpers.synthetic_cases import SyntheticCase, synthetic_cases
from tests.helpers.synthetic_catalogue import add_reflex


def test_nuisances_follow_the_prior_given_the_lmc():
    m_lmc = np.full(4000, 3e10)
    drawn = draw_nuisances("gaussian", m_lmc, seed=1)
    assert drawn["m_lmc_8p7"].max() <= 0.8 * 3e10 and drawn["m_lmc_8p7"].min() >= 0.3e10
    edges = (np.array([0.3e10, 2.4e10]) - 1.7e10) / 0.7e10
    assert stats.kstest(drawn["m_lmc_8p7"], stats.truncnorm(*edges, loc=1.7e10, scale=0.7e10).cdf).pvalue > 1e-3
    assert stats.kstest(drawn["beta0"], stats.uniform(0, 0.9).cdf).pvalue > 1e-3
    # The three are independent: they must not share their random numbers.
    correlation = np.corrcoef([drawn["beta0"], drawn["r_dehnen"], drawn["m_lmc_8p7"]])
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.06


def test_parameters_are_the_draws_at_the_observed_present_day():
    case = synthetic_cases()["rigid"]
    draws = np.array([[18.0, 13.0, 0.2], [5.0, 20.0, -2.0]])
    table = tabulate_draws(draws, case.observation, "gaussian", seed=0)
    np.testing.assert_allclose(table["m_lmc"], [18e10, 5e10])
    np.testing.assert_allclose(table["m200_mw"], [13e11, 20e11])
    assert (table["x_lmc"] == case.observation["x_lmc"]).all() and (table["vz_lmc"] == case.observation["vz_lmc"]).all()


def test_quoted_parameters_are_kept_and_the_others_drawn():
    case = synthetic_cases()["far"]
    table = tabulate_quoted(case, 30, seed=2)
    assert (table["m_lmc"] == 21e10).all() and table["log10_lambda_df"].nunique() == 30
    assert "c200" not in table
    case.truth = {**case.truth, "c200": 11.0, "beta0": 0.3}
    table = tabulate_quoted(case, 3)
    assert (table["c200"] == 11.0).all() and (table["beta0"] == 0.3).all()
    with pytest.raises(ValueError, match="'bare' does not quote"):
        tabulate_quoted(SyntheticCase("bare", "rigid", case.observation, {}), 3)


def test_check_passes_the_truth_and_fails_a_wrong_mass():
    case = synthetic_cases()["rigid"]
    given = {}

    def stand_in(table, seed, **options):
        given.update(options)
        return add_reflex(table, seed)

    right = tabulate_quoted(case, 400)
    passed = check_predictions(right, case.observation, seed=9, simulate_many=stand_in, workers=3)
    assert given == {"workers": 3}
    assert all(p.tail > 0.01 for p in passed.values())
    wrong = right.assign(m_lmc=60e10)
    assert check_predictions(wrong, case.observation, seed=9, simulate_many=stand_in)["v_travel"].tail < 0.02


def test_cases_with_the_same_columns_are_simulated_together_and_each_keeps_its_own():
    rigid, far = synthetic_cases().values()
    sizes = []

    def stand_in(table, seed):
        """v_travel names the row, so that a mix-up of cases shows."""
        assert not table.isna().any(axis=None)
        sizes.append(len(table))
        return table.assign(v_travel=table["m_lmc"] / 1e10, l_apex=0.0, b_apex=table["beta0"])

    tables = {"rigid": tabulate_quoted(rigid, 30), "one": tabulate_quoted(far, 20).assign(c200=10.0)}
    tables["far"] = tabulate_quoted(far, 40)
    seen = {name: (far if name == "far" else rigid).observation for name in tables}
    found = check_all_predictions(tables, seen, simulate_many=stand_in)
    assert sizes == [70, 20] and list(found) == list(tables)
    for name, table in tables.items():
        np.testing.assert_array_equal(found[name]["v_travel"].draws, table["m_lmc"] / 1e10)
        np.testing.assert_array_equal(found[name]["b_apex"].draws, table["beta0"])
        assert found[name]["v_travel"].observed == seen[name]["v_travel"]


def test_longitude_is_compared_around_the_circle():
    rng = np.random.default_rng(0)
    values = (180.0 + 5 * rng.standard_normal(500) + 180.0) % 360.0 - 180.0
    p = summarise_predictions(values, -178.0, circular=True)
    assert p.tail > 0.5 and np.ptp(p.draws) < 60 and abs(p.observed - np.median(p.draws)) < 10
    assert summarise_predictions(values, -90.0, circular=True).tail < 0.01
