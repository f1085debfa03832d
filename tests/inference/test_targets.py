"""Masses within 50 kpc and anisotropy as what is inferred: their prior, their networks, and draws that follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

import mwlmc_data as mw
from benchmarks.embedded.deconvolution import Rows
from mwlmc_data.inference import predictive
from mwlmc_data.inference.networks import NETWORKS, list_configs, load_network
from mwlmc_data.inference.shells import TRAINED_SHELLS
from mwlmc_data.inference.targets import TARGETS, make_prior
from mwlmc_data.priors import MARGINALS, Prior
from mwlmc_data.priors.enclosed import DRAWN_FOR_WITHIN_50, WITHIN_50, EnclosedPrior
from mwlmc_data.storage import embedded
from tests.helpers.motions import VECTOR, quiet

#: Training sets and shells that have a network of the masses within 50 kpc.
THERE = [(config, shell) for shell in TRAINED_SHELLS for config in list_configs(shell, "within-50")]


@pytest.fixture(scope="module")
def prior():
    return EnclosedPrior("gaussian")


class TestPrior:
    def test_the_catalogue_follows_it(self, prior):
        """Scores of 10,000 rows are standard normal numbers, independent of each other."""
        table = mw.load_catalogue("test", columns=list(WITHIN_50), format="numpy")
        scores = prior.to_normal_scores(np.stack([table[name] for name in WITHIN_50], axis=1))
        assert all(kstest(column, "norm").pvalue > 1e-3 for column in scores.T)
        assert np.abs(np.corrcoef(scores.T) - np.eye(3)).max() < 0.04

    def test_densities_are_normalised_and_are_those_of_the_catalogue(self, prior):
        table = mw.load_catalogue("test", columns=list(WITHIN_50), format="numpy")
        for name, marginal in prior.marginals.items():
            values = np.linspace(marginal.low, marginal.high, 20_001)
            density = np.exp(marginal.log_pdf(values))
            assert np.trapezoid(density, values) == pytest.approx(1.0, abs=1e-4)
            edges = np.quantile(table[name], np.linspace(0.05, 0.95, 10))
            counts = np.histogram(table[name], edges)[0] / len(table[name])
            for low, high, part in zip(edges[:-1], edges[1:], counts, strict=True):
                inside = np.linspace(low, high, 200)
                expected = np.trapezoid(np.exp(marginal.log_pdf(inside)), inside)
                assert part == pytest.approx(expected, abs=4 * math.sqrt(expected / len(table[name])))
            assert np.isneginf(marginal.log_pdf([0.99 * marginal.low - 0.01, 1.01 * marginal.high])).all()

    @pytest.mark.parametrize("config", sorted(MARGINALS))
    @given(u=st.floats(1e-6, 1.0 - 1e-6))
    def test_quantiles_invert_probabilities(self, config, u):
        for marginal in EnclosedPrior(config).marginals.values():
            assert float(marginal.cdf(marginal.quantile(u))) == pytest.approx(u, rel=1e-6, abs=1e-9)

    def test_draws_are_those_of_the_drawn_parameters(self, prior):
        drawn = Prior("gaussian", DRAWN_FOR_WITHIN_50).sample(50, seed=3, start=7)
        found = prior.sample(50, seed=3, start=7)
        masses = mw.enclosed_masses(drawn)
        np.testing.assert_allclose(found[["m_mw_50", "m_lmc_50"]], masses, rtol=1e-6)
        np.testing.assert_array_equal(found["beta0"], drawn["beta0"])
        assert list(found.columns) == list(prior.parameters) == list(WITHIN_50)

    def test_tables_and_arrays_have_the_same_density(self, prior):
        drawn = prior.sample(20, seed=1)
        found = prior.log_prob(drawn)
        np.testing.assert_allclose(found, prior.log_prob(drawn.to_numpy(float)), rtol=1e-6)
        assert np.isfinite(found).all()
        with pytest.raises(ValueError, match="table lacks beta0"):
            prior.log_prob(drawn.drop(columns="beta0"))
        with pytest.raises(ValueError, match=r"config = 'galaxy': allowed is"):
            EnclosedPrior("galaxy")
        with pytest.raises(TypeError, match="allowed is a Prior of drawn parameters"):
            prior.from_uniforms(np.full((1, 12), 0.5))

    def test_names_choose_the_prior(self):
        assert isinstance(make_prior("wide", TARGETS["within-50"]), EnclosedPrior)
        assert not isinstance(make_prior("wide", TARGETS["total"]), EnclosedPrior)


def test_every_shell_has_a_network():
    assert {shell for _, shell in THERE} == set(TRAINED_SHELLS)


@pytest.mark.parametrize("config, shell", THERE)
class TestNetworks:
    def test_it_describes_itself_and_is_small(self, config, shell):
        about = load_network(config, shell, "within-50").about
        assert tuple(about["theta_names"]) == WITHIN_50 and about["config"] == config and about["fast"] is False
        assert (about["r_min"], about["r_max"] or math.inf) == shell
        assert embedded.load_registry()[NETWORKS[config, shell, "within-50"]]["bytes"] < 200_000

    def test_the_evidence_of_a_motion_is_that_of_the_other_network(self, config, shell):
        """Both average the same density of the motion over the prior: each by its own network.

        Those of `wide` have a quarter of the simulations for a larger space, and agree less well in its tails.
        """
        rows = Rows.load("test", config, shell).where(slice(3, 400, 20))
        found = []
        for targets in TARGETS:
            likelihood = load_network(config, shell, targets).likelihood
            found.append([
                likelihood.grid(rows.vector[i], rows.covariance[i], rows.lmc[i]).log_evidence for i in range(len(rows))
            ])  # fmt: skip
        apart = np.subtract(*found)
        assert abs(np.median(apart)) < 0.06 and np.quantile(np.abs(apart), 0.8) < 0.3
        assert config == "wide" or np.abs(apart).max() < 0.6

    def test_posteriors_and_p_values_are_calibrated_on_rows_that_it_never_saw(self, config, shell):
        likelihood = load_network(config, shell, "within-50").likelihood
        rows = Rows.load("test", config, shell, "within-50").where(slice(5, 245, 10))
        u, ranks, p_values = likelihood.scores.forward(rows.theta), [], []
        for i in range(len(rows)):
            measured = rows.vector[i], rows.covariance[i], rows.lmc[i]
            grid = likelihood.grid(*measured)
            ranks.append([grid.cumulative(k, u[i, k]) for k in range(3)])
            p_values.append(predictive.p_value(likelihood, *measured, seed=(i,)))
        for values in (*np.transpose(ranks), p_values):
            assert kstest(values, "uniform").pvalue > 1e-3
            assert abs(np.mean(np.abs(np.array(values) - 0.5) < 0.34) - 0.68) < 4 * math.sqrt(0.68 * 0.32 / len(rows))


class TestInfer:
    def test_masses_within_50_kpc_and_anisotropy_are_drawn(self):
        found = quiet(VECTOR, n=2000, targets="within-50")
        assert list(found.samples.columns) == list(WITHIN_50)
        support = EnclosedPrior(found.config).support
        for name, (low, high) in support.items():
            assert found.samples[name].between(low, high).all()
        assert "m_lmc_50" in str(found) and "1e10 Msun" in str(found)
        assert len(found.plot(prior=True).axes) == 9 and np.isfinite(found.log_prob(found.samples[:5])).all()

    def test_the_milky_ways_mass_is_that_of_the_total_masses(self):
        """m_mw_50 follows from m200_mw: two networks, one answer."""
        total, within = (quiet(VECTOR, n=4000, targets=targets) for targets in TARGETS)
        lmc = {"m_lmc": np.full(4000, 1.5e11), "m_lmc_8p7": np.full(4000, 1.7e10)}
        of_total = mw.enclosed_masses({"m200_mw": total.samples["m200_mw"].to_numpy(), **lmc})["m_mw_50"]
        width = of_total.std()
        assert abs(np.median(of_total) - np.median(within.samples["m_mw_50"])) < 0.15 * width
        assert within.samples["m_mw_50"].std() == pytest.approx(width, rel=0.15)
        assert within.p_value == pytest.approx(total.p_value, abs=0.06)
        assert within.log_evidence == pytest.approx(total.log_evidence, abs=0.3)

    def test_an_lmc_with_errors_widens_the_answer(self):
        exact, wide = (quiet(VECTOR, n=500, targets="within-50", lmc=lmc)
                       for lmc in (None, mw.observations.load_lmc()))  # fmt: skip
        assert wide.lmc_samples is not None and exact.lmc_samples is None

    def test_other_targets_are_refused(self):
        with pytest.raises(ValueError, match="targets = 'masses': allowed is 'total', 'within-50'"):
            mw.infer(VECTOR, targets="masses")

    def test_a_network_that_this_version_lacks_is_named(self, monkeypatch):
        lacking = {name: each for name, each in embedded.load_registry().items() if "within-50" not in name}
        monkeypatch.setattr("mwlmc_data.inference.networks.embedded.load_registry", lambda: lacking)
        with pytest.raises(ValueError, match="config = None for targets 'within-50' and stars beyond 50 kpc: allowed"):
            mw.infer(VECTOR, targets="within-50")
