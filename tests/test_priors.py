"""Draws and densities of the priors."""

import pickle
import re

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from mwlmc_data.dataset.schema import DRAWN
from mwlmc_data.priors import MARGINALS, Prior
from mwlmc_data.priors.enclosed import EnclosedPrior
from tests.helpers.prior_laws import LAWS, enclosed_law

CONFIGS = sorted(MARGINALS)


@pytest.fixture(scope="module", params=CONFIGS)
def draws(request):
    return request.param, Prior(request.param).sample(20_000, seed=5)


@given(
    config=st.sampled_from(CONFIGS),
    seed=st.integers(0, 2**64 - 1),
    start=st.integers(0, 10**6),
    n=st.integers(0, 40),
    cut=st.integers(0, 40),
)
def test_rows_do_not_depend_on_chunks(config, seed, start, n, cut):
    prior = Prior(config)
    cut = min(cut, n)
    whole = prior.sample(n, seed=seed, start=start)
    parts = [prior.sample(cut, seed=seed, start=start), prior.sample(n - cut, seed=seed, start=start + cut)]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))


@given(names=st.lists(st.sampled_from(DRAWN), min_size=1, unique=True), seed=st.integers(0, 1000))
def test_a_subset_has_the_draws_of_the_full_set(names, seed):
    whole = Prior("gaussian").sample(5, seed=seed)
    pd.testing.assert_frame_equal(Prior("gaussian", names).sample(5, seed=seed), whole[names])


def test_seeds_and_rows_give_different_draws():
    prior = Prior("gaussian")
    values = pd.concat([prior.sample(1000, seed=1), prior.sample(1000, seed=2)])
    for name in DRAWN:
        assert values[name].nunique() > 1990


def test_draws_of_a_seed_do_not_change():
    """The catalogue is reproducible from its seed: the draws of a seed are part of the release."""
    row = Prior("gaussian").sample(1, seed=20250710, start=77).iloc[0]
    words = np.random.Philox(key=np.array([20250710, 0], dtype=np.uint64)).random_raw(16 * 78)[16 * 77 :]
    u = ((words >> np.uint64(11)) + 0.5) / 2.0**53
    m_lmc = LAWS["gaussian"]["m_lmc"].ppf(u[1])
    again = {
        "m200_mw": LAWS["gaussian"]["m200_mw"].ppf(u[0]),
        "m_lmc": m_lmc,
        "log10_lambda_df": LAWS["gaussian"]["log10_lambda_df"].ppf(u[2]),
        "m_lmc_8p7": enclosed_law(m_lmc).ppf(u[11]),
    }
    noted = {
        "m200_mw": 2064569335808.0,
        "m_lmc": 82251096064.0,
        "log10_lambda_df": -1.1201612949371338,
        "m_lmc_8p7": 14691788800.0,
    }
    for name in noted:
        assert row[name] == noted[name]
        assert row[name] == pytest.approx(again[name], rel=1e-7)


@pytest.mark.parametrize("name", DRAWN[:-1])
def test_marginals_follow_table_1(draws, name):
    config, table = draws
    assert stats.kstest(table[name], LAWS[config][name].cdf).pvalue > 1e-3


def test_the_enclosed_mass_follows_its_distribution_given_the_mass(draws):
    _, table = draws
    u = enclosed_law(table["m_lmc"]).cdf(table["m_lmc_8p7"])
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_parameters_are_drawn_independently_of_each_other(draws):
    _, table = draws
    u = table.rank().to_numpy() / len(table)
    correlation = np.corrcoef(u.T) - np.eye(len(DRAWN))
    linked = DRAWN.index("m_lmc"), DRAWN.index("m_lmc_8p7")
    correlation[linked] = correlation[linked[::-1]] = 0.0
    assert np.abs(correlation).max() < 5.0 / np.sqrt(len(table))


def test_draws_are_stored_precision_and_inside_the_support(draws):
    config, table = draws
    assert set(table.dtypes) == {np.dtype(np.float32)}
    for name, (low, high) in Prior(config).support.items():
        assert table[name].astype(float).between(low, high).all()
    assert (table["m_lmc_8p7"].astype(float) <= 0.8 * table["m_lmc"].astype(float)).all()
    assert np.isfinite(Prior(config).log_prob(table)).all()


def test_extreme_uniforms_stay_inside_after_rounding():
    for config in CONFIGS:
        prior = Prior(config)
        for edge in (2.0**-54, 1.0 - 2.0**-53):
            row = prior.from_uniforms(np.full((1, 16), edge))
            assert np.isfinite(prior.log_prob(row)).all(), (config, edge)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", DRAWN[:-1])
def test_log_prob_of_one_parameter_agrees_with_scipy(config, name):
    law = LAWS[config][name]
    x = law.ppf(np.linspace(0.001, 0.999, 101))
    np.testing.assert_allclose(
        Prior(config, [name]).log_prob(x[:, None]), law.logpdf(x), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", ["m200_mw", "m_lmc", "beta0", "pm_ra_lmc"])
def test_density_of_one_parameter_integrates_to_one(config, name):
    prior = Prior(config, [name])
    marginal = MARGINALS[config][name]
    low = max(marginal.low, marginal.mean - 12 * marginal.std) if hasattr(marginal, "low") else -np.inf
    high = min(marginal.high, marginal.mean + 12 * marginal.std)
    total, _ = integrate.quad(
        lambda x: float(np.exp(prior.log_prob(np.array([x])))), low, high, points=[marginal.mean], epsabs=0
    )
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("config", CONFIGS)
def test_joint_density_of_both_lmc_masses_integrates_to_one(config):
    prior = Prior(config, ["m_lmc", "m_lmc_8p7"])
    m = np.linspace(2.5e10, 1e12, 2001)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    # The inner range ends at 0.8 m or where the Gaussian is negligible, whichever comes first.
    high = np.minimum(0.8 * m, 1.7e10 + 9 * 0.7e10)[:, None]
    inner = 0.3e10 + (high - 0.3e10) * 0.5 * (nodes + 1.0)
    density = np.exp(prior.log_prob({"m_lmc": np.broadcast_to(m[:, None], inner.shape), "m_lmc_8p7": inner}))
    over_enclosed = (density * weights).sum(axis=1) * 0.5 * (high[:, 0] - 0.3e10)
    assert integrate.simpson(over_enclosed, x=m) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_joint_log_prob_is_the_sum_of_scipys(config):
    table = Prior(config).sample(200, seed=9).astype(float)
    expected = sum(LAWS[config][name].logpdf(table[name]) for name in DRAWN[:-1])
    expected += enclosed_law(table["m_lmc"]).logpdf(table["m_lmc_8p7"])
    np.testing.assert_allclose(Prior(config).log_prob(table), expected, rtol=1e-9)


def test_log_prob_takes_tables_arrays_and_single_rows():
    prior = Prior("gaussian", ["beta0", "m_lmc", "m_lmc_8p7"])
    table = prior.sample(4, seed=1)
    expected = prior.log_prob(table)
    np.testing.assert_array_equal(prior.log_prob(table.to_numpy()), expected)
    np.testing.assert_array_equal(prior.log_prob(Prior("gaussian").sample(4, seed=1)), expected)
    np.testing.assert_array_equal(prior.log_prob(dict(table)), expected)
    assert prior.log_prob(table.to_numpy()[2]) == expected[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [("m200_mw", 9e10), ("m200_mw", 1.01e13), ("beta0", -0.01), ("m_lmc_8p7", 0.81), ("ra_lmc", np.inf)],
)
def test_density_is_zero_outside_the_support(name, value):
    row = Prior("gaussian").sample(1, seed=0).astype(float)
    row[name] = value * row["m_lmc"] if name == "m_lmc_8p7" else value
    assert Prior("gaussian").log_prob(row)[0] == -np.inf


def test_means_and_widths_are_those_of_scipy():
    for config in CONFIGS:
        for name, marginal in MARGINALS[config].items():
            law = LAWS[config][name]
            assert marginal.mean == pytest.approx(law.mean(), rel=1e-9)
            assert marginal.std == pytest.approx(law.std(), rel=1e-9)


@pytest.mark.parametrize("config", CONFIGS)
def test_cdf_is_that_of_scipy_and_undoes_the_quantile(config):
    u = np.linspace(0.001, 0.999, 101)
    for name, marginal in MARGINALS[config].items():
        law = LAWS[config][name]
        np.testing.assert_allclose(marginal.cdf(law.ppf(u)), u, atol=1e-12)
        np.testing.assert_allclose(marginal.cdf(marginal.quantile(u)), u, atol=1e-12)
        lowest, highest = marginal.quantile([0.0, 1.0])
        assert (lowest, highest) == pytest.approx((marginal.low, marginal.high)), "1 is no infinite mass"
        assert marginal.cdf(np.array([law.ppf(0) - 1.0, law.ppf(1) + 1.0])).tolist() == pytest.approx([0, 1])


class TestBadInput:
    def test_config(self):
        with pytest.raises(ValueError, match=r"'gauss'.*'gaussian', 'flat', 'wide'"):
            Prior("gauss")

    @pytest.mark.parametrize("names", [["m_lmc", "mass"], [], ["beta0", "beta0"], "beta0"])
    def test_parameters(self, names):
        with pytest.raises(ValueError, match="parameters"):
            Prior("gaussian", names)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"n": -1},
            {"n": 1.5},
            {"n": 1, "seed": -1},
            {"n": 1, "seed": 2**64},
            {"n": 1, "start": -3},
            {"n": True},
        ],
    )
    def test_sample(self, arguments):
        with pytest.raises(ValueError, match=r"^(n|seed|start) = .*: allowed is a whole number from 0 to"):
            Prior("gaussian").sample(**arguments)

    def test_conditional_parameter_alone_has_no_density(self):
        prior = Prior("gaussian", ["m_lmc_8p7", "beta0"])
        assert len(prior.sample(3)) == 3
        with pytest.raises(ValueError, match="'m_lmc_8p7' only with 'm_lmc'"):
            prior.log_prob(prior.sample(3))
        pytest.importorskip("torch")
        with pytest.raises(ValueError, match="'m_lmc_8p7' only with 'm_lmc'"):
            prior.to_torch()

    @pytest.mark.parametrize("scale", [(1.0,), (1.0, 0.0), (1.0, -2.0), (1.0, np.nan), "mass"])
    def test_scale_of_the_torch_prior(self, scale):
        pytest.importorskip("torch")
        with pytest.raises(ValueError, match="scale"):
            Prior("gaussian", ["m_lmc", "beta0"]).to_torch(scale)

    def test_missing_column(self):
        with pytest.raises(ValueError, match="m200_mw"):
            Prior("gaussian").log_prob(pd.DataFrame({"m_lmc": [1e11]}))

    def test_shape(self):
        with pytest.raises(ValueError, match=r"table = an array of shape \(3, 2\): allowed is the shape \(n, 1\)"):
            Prior("gaussian", ["beta0"]).log_prob(np.zeros((3, 2)))

    @pytest.mark.parametrize(
        ("bad", "says"),
        [
            (np.array([[np.nan]]), "table[0, 0] = nan: allowed is a number"),
            (np.ma.masked_array([[2e11], [1e11]], [[True], [False]]), "table = 1 masked or missing value of 2"),
            (np.array([[2e11]]) * u.Msun, "table = numbers in solMass: allowed is a pure number"),
            ([["2e11"]], "table[0, 0] = '2e11'"),
            ([[True]], "table"),
            (2e11, "table = an array of shape (): allowed is the shape (n, 1) or (1,)"),
            ({"m_lmc": [2e11, np.nan]}, "table['m_lmc'][1] = nan: allowed is a number in Msun"),
            ({"m_lmc": np.ma.masked_array([2e11], [True])}, "table['m_lmc'] = 1 masked or missing value of 1"),
            (pd.DataFrame({"m_lmc": pd.array([2e11, None], dtype="Float64")}), "table['m_lmc'] = 1 masked"),
            (pa.table({"m_lmc": [2e11, None]}), "table['m_lmc'] = 1 masked or missing"),
            (QTable({"m_lmc": [2.0] * u.kpc}), "table['m_lmc'] = numbers in kpc: allowed is a unit of mass"),
            ({"M_LMC": [2e11]}, "table lacks m_lmc: allowed is all of m_lmc"),
            ([{"m_lmc": 2e11}, {"m_lmc": "heavy"}], "table['m_lmc'][1] = 'heavy'"),
        ],
    )
    def test_values(self, bad, says):
        with pytest.raises(ValueError, match=re.escape(says)):
            Prior("gaussian", ["m_lmc"]).log_prob(bad)

    def test_columns_of_different_lengths(self):
        prior = Prior("gaussian", ["m_lmc", "beta0"])
        with pytest.raises(ValueError, match=r"table = columns of shapes \[\(2,\), \(3,\)\]: allowed is one shape"):
            prior.log_prob({"m_lmc": [1e11, 2e11], "beta0": [0.1, 0.2, 0.3]})
        both = prior.log_prob({"m_lmc": [1e11, 2e11], "beta0": 0.1})
        np.testing.assert_array_equal(both, prior.log_prob([[1e11, 0.1], [2e11, 0.1]]))

    @pytest.mark.parametrize("marginal", [MARGINALS["gaussian"]["m_lmc"], MARGINALS["flat"]["m_lmc"]])
    def test_marginals(self, marginal):
        masked = np.ma.masked_array([1e11, 2e11], [True, False])
        for function in (marginal.log_pdf, marginal.cdf):
            with pytest.raises(ValueError, match="x = 1 masked or missing value of 2"):
                function(masked)
            with pytest.raises(ValueError, match=r"x\[0\] = nan"):
                function([np.nan])
        assert marginal.cdf([-np.inf, np.inf]).tolist() == [0.0, 1.0]
        assert marginal.log_pdf(np.inf) == -np.inf
        with pytest.raises(ValueError, match=r"u\[1\] = 1\.5: allowed is a finite number from 0 to 1"):
            marginal.quantile([0.5, 1.5])

    def test_uniforms(self):
        with pytest.raises(ValueError, match="uniforms = 3 columns: allowed are 12 or more"):
            Prior("gaussian").from_uniforms(np.full((2, 3), 0.5))
        with pytest.raises(ValueError, match=r"uniforms\[0, 0\] = 2\.0"):
            Prior("gaussian").from_uniforms(np.full((2, 12), 2.0))


def test_log_prob_takes_any_table_and_converts_units():
    names = ["m_lmc", "log10_lambda_df", "distance_lmc", "pm_ra_lmc"]
    prior = Prior("gaussian", names)
    table = prior.sample(5, seed=2).astype(float)
    expected = prior.log_prob(table)
    units = QTable(
        {
            "m_lmc": (table["m_lmc"].to_numpy() * u.Msun).to(u.kg),
            "log10_lambda_df": table["log10_lambda_df"].to_numpy() * u.dex,
            "distance_lmc": table["distance_lmc"].to_numpy() * 1e3 * u.pc,
            "pm_ra_lmc": (table["pm_ra_lmc"].to_numpy() * u.mas / u.yr).to(u.deg / u.Myr),
            "name": ["a"] * 5,
        }
    )
    np.testing.assert_allclose(prior.log_prob(units), expected, rtol=1e-12)
    tables = [pa.Table.from_pandas(table), Table.from_pandas(table), table.to_records(index=False)]
    rows = [table.to_dict("list"), table.to_dict("records"), table.to_numpy(), table.to_numpy().tolist()]
    for other in (*tables, *rows):
        np.testing.assert_array_equal(prior.log_prob(other), expected)


SUBSETS = [
    DRAWN,
    ("m_lmc", "m200_mw", "log10_lambda_df"),
    ("distance_lmc", "pm_ra_lmc"),
    ("m_lmc_8p7", "m200_mw", "m_lmc"),
    ("pm_dec_lmc", "beta0"),
    ("r_dehnen",),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("names", SUBSETS, ids=lambda names: "-".join(names)[:30])
class TestTorch:
    @pytest.fixture
    def both(self, config, names):
        pytest.importorskip("torch", reason="torch is not installed")
        prior = Prior(config, names)
        return prior, prior.to_torch()

    def test_log_prob_agrees_with_numpy(self, both):
        import torch

        prior, distribution = both
        table = prior.sample(500, seed=2)
        found = distribution.log_prob(torch.tensor(table.to_numpy()))
        np.testing.assert_allclose(found, prior.log_prob(table), atol=3e-5)

    def test_outside_the_support_it_is_minus_infinity(self, both):
        import torch
        from sbi.utils.torchutils import set_validate_args

        _, distribution = both
        set_validate_args(distribution, False)
        far = distribution.sample((20,)) * torch.tensor(-1e6)
        unbounded = not np.isfinite(list(distribution.prior.support.values())).any()
        assert (torch.isfinite(distribution.log_prob(far)) == unbounded).all()
        assert (distribution.support.check(far) == unbounded).all()

    def test_samples_follow_the_prior(self, both):
        import torch

        prior, distribution = both
        torch.manual_seed(1)
        samples = distribution.sample((4000,))
        assert samples.dtype == torch.float32
        assert samples.shape == (4000, len(prior.parameters))
        assert distribution.support.check(samples).all()
        expected = prior.sample(4000, seed=3)
        for i, name in enumerate(prior.parameters):
            assert stats.ks_2samp(samples[:, i], expected[name]).pvalue > 1e-4
        assert distribution.sample((2, 3)).shape == (2, 3, len(prior.parameters))
        assert distribution.event_shape == (len(prior.parameters),)

    def test_support_maps_to_the_whole_space_and_back(self, both):
        import torch
        from torch.distributions import biject_to

        _, distribution = both
        transform = biject_to(distribution.support)
        torch.manual_seed(1)
        theta = distribution.sample((50,)).double()
        free = transform.inv(theta)
        assert torch.isfinite(free).all()
        np.testing.assert_allclose(transform(free), theta, rtol=1e-5)
        row = free[0]
        jacobian = torch.autograd.functional.jacobian(transform, row)
        expected = torch.linalg.slogdet(jacobian).logabsdet
        np.testing.assert_allclose(transform.log_abs_det_jacobian(row, transform(row)), expected, rtol=1e-4)

    def test_sbi_accepts_it(self, both):
        checks = pytest.importorskip("sbi.utils.user_input_checks", reason="sbi is not installed")
        from sbi.utils.sbiutils import mcmc_transform, within_support

        prior, distribution = both
        processed, n, returns_numpy = checks.process_prior(distribution)
        assert processed is distribution, "sbi should need no wrapper"
        assert n == len(prior.parameters)
        assert not returns_numpy
        theta = processed.sample((10,))
        assert within_support(processed, theta).shape == (10,)
        assert within_support(processed, theta).all()
        mcmc_transform(processed)(theta)

    def test_the_law_is_the_same_in_units_of_a_scale(self, both):
        import torch
        from torch.distributions import biject_to

        prior, distribution = both
        scale = np.geomspace(0.3, 3e10, len(prior.parameters))
        scaled = prior.to_torch(scale)
        torch.manual_seed(1)
        u = scaled.sample((2000,))
        assert u.dtype == torch.float32 and scaled.support.check(u).all()
        torch.manual_seed(1)
        theta = distribution.sample((2000,))
        np.testing.assert_allclose(u.numpy() * scale, theta, rtol=1e-6)
        inside = distribution.log_prob(theta.double()) + np.log(scale).sum()
        np.testing.assert_allclose(scaled.log_prob(theta.double() / torch.tensor(scale)), inside, atol=1e-4)
        far = u.double() * torch.tensor(-1e6)
        assert torch.equal(scaled.support.check(far), distribution.support.check(far * torch.tensor(scale)))
        if "m_lmc_8p7" in prior.parameters:
            above = u.clone()
            above[:, prior.parameters.index("m_lmc_8p7")] *= 30
            expected = distribution.support.check(above.double() * torch.tensor(scale))
            assert torch.equal(scaled.support.check(above), expected) and not expected.all()
        else:
            np.testing.assert_allclose(scaled.mean.numpy() * scale, distribution.mean, rtol=1e-5)
            np.testing.assert_allclose(scaled.variance.numpy() * scale**2, distribution.variance, rtol=1e-5)
        transform = biject_to(scaled.support)
        np.testing.assert_allclose(transform(transform.inv(u.double())), u, rtol=1e-4)

    def test_density_is_differentiable(self, both):
        import torch

        _, distribution = both
        theta = distribution.sample((5,)).requires_grad_()
        distribution.log_prob(theta).sum().backward()
        assert torch.isfinite(theta.grad).all()

    def test_it_can_be_pickled(self, both):
        _, distribution = both
        theta = distribution.sample((3,))
        copied = pickle.loads(pickle.dumps(distribution))
        np.testing.assert_array_equal(copied.log_prob(theta), distribution.log_prob(theta))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_repeated_draws_are_the_same(seed):
    pd.testing.assert_frame_equal(Prior("flat").sample(3, seed=seed), Prior("flat").sample(3, seed=seed))


def test_what_a_prior_cannot_do_is_refused_by_name():
    with pytest.raises(ValueError, match="allowed are those without 'm_lmc_8p7'"):
        Prior("gaussian", ["m_lmc_8p7", "m_lmc"]).to_normal_scores(np.ones((3, 2)))
    with pytest.raises(ValueError, match=re.escape("theta = shape (3, 2): allowed is (..., 1)")):
        Prior("gaussian", ["m_lmc"]).to_normal_scores(np.ones((3, 2)))
    enclosed = EnclosedPrior("gaussian")
    assert "m_mw_50" in enclosed._repr_html_()
    with pytest.raises(TypeError, match=r"EnclosedPrior\.to_torch: allowed is that of a Prior of drawn parameters"):
        enclosed.to_torch()
