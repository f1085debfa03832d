"""Where the simulations behind the references are placed, and for which observations."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.references import rows
from benchmarks.references.design import DIMENSIONS, NUISANCES, THETA, central_box, draw_design
from mwlmc_data import load_catalogue
from mwlmc_data.dataset import schema
from mwlmc_data.priors import ENCLOSED_MASS, MARGINALS, Prior


@pytest.fixture(scope="module")
def points():
    return draw_design(2048, (1, 2))


def half_and_half(name, values):
    """Distribution function of half the prior and half a uniform over its central 99.9%."""
    marginal = MARGINALS["gaussian"][name]
    low, high = central_box()[THETA.index(name)]
    total = stats.truncnorm(
        *((np.array([marginal.low, marginal.high]) - marginal.loc) / marginal.scale), marginal.loc, marginal.scale
    )
    return 0.5 * total.cdf(values) + 0.5 * np.clip((values - low) / (high - low), 0, 1)


@pytest.mark.parametrize("name", ["m_lmc", "m200_mw"])
def test_masses_are_half_prior_and_half_uniform(points, name):
    fractions = half_and_half(name, points[1][:, DIMENSIONS.index(name)].astype(float))
    # A Sobol sequence fills each axis evenly: one point in each of 2,048 equal cells, but for rounding to float32.
    assert np.abs(np.sort(fractions) - (np.arange(2048) + 0.5) / 2048).max() < 1.5 / 2048


def test_points_are_allowed_and_fill_the_ranges(points):
    unit, values = points
    table = {name: values[:, i].astype(float) for i, name in enumerate(DIMENSIONS)}
    assert ((unit > 0) & (unit < 1)).all() and values.dtype == np.float32
    assert (table["m_lmc_8p7"] < 0.8000001 * table["m_lmc"]).all() and (table["m_lmc_8p7"] > 0.2999e10).all()
    assert table["log10_lambda_df"].min() < -2.99 and table["log10_lambda_df"].max() > 0.99
    assert np.isfinite(Prior("gaussian", [*THETA, *NUISANCES]).log_prob(table)).mean() > 0.999


def test_enclosed_mass_reaches_as_far_as_its_prior(points):
    """Half its prior given m_lmc: the design holds the prior's tails more often than the prior does."""
    values = points[1].astype(float)
    cut = ENCLOSED_MASS.quantile(np.full(len(values), 0.99), values[:, 0])
    assert 0.01 < np.mean(values[:, 3] > cut) < 0.25


def test_a_seed_makes_the_same_design_and_another_one_another(points):
    assert np.array_equal(draw_design(2048, (1, 2))[1], points[1])
    assert not np.array_equal(draw_design(2048, (1, 3))[1], points[1])


@pytest.mark.parametrize("n", [0, -4, 1000])
def test_a_design_size_that_is_not_a_power_of_two_is_refused(n):
    with pytest.raises(ValueError, match=f"n = {n}: allowed is a power of two"):
        draw_design(n, (1,))


def test_rows_are_the_cases_and_every_hundredth_test_row():
    found = rows.all_rows()
    assert [row.name for row in found[:3]] == ["rigid", "gc19-fiducial", "fire-m12b"]
    ids = [row.sim_id for row in found[3:]]
    assert sorted(ids) == np.sort(schema.ids_of("test", 0, 128_000))[::100].tolist()
    assert len({row.number for row in found}) == len({row.name for row in found}) == 103


def test_a_test_row_comes_from_the_catalogue():
    row = next(row for row in rows.all_rows() if row.kind == "test")
    table = load_catalogue("test").set_index("sim_id")
    kept = table.loc[row.sim_id]
    assert row.observation == tuple(float(kept[f"v{a}_travel"]) for a in "xyz")
    assert row.truth == tuple(float(kept[name]) for name in THETA)
    assert row.lmc == {name: float(kept[name]) for name in row.lmc} and len(row.lmc) == 6


def test_a_case_is_observed_as_a_vector():
    case = rows.case_rows()[1]
    assert np.linalg.norm(case.observation) == pytest.approx(27.9)
    assert np.degrees(np.arctan2(case.observation[1], case.observation[0])) == pytest.approx(-49.1)
    assert np.isnan(case.truth[2]) and case.truth[:2] == (18e10, 10.3e11)


def test_the_first_rows_of_a_partial_run_are_spread():
    first = [row.number for row in rows.all_rows()[3:11]]
    assert sorted(first)[-1] > 70 and min(np.diff(sorted(first))) >= 6
