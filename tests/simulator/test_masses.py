"""Masses within a sphere about each galaxy: exact profiles, every table, no silent guess of the LMC's scale radius."""

import itertools
import re
import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad

import mwlmc_data as mw
from mwlmc_data.dataset import schema
from mwlmc_data.priors import ENCLOSED_MASS
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import potentials
from mwlmc_data.simulator.masses import name_masses
from tests.helpers.containers import CONTAINERS

DRAWS = mw.Prior("gaussian").sample(12, seed=5).astype(float)
MASSES = {"m200_mw": 9.1e11, "m_lmc": 2.3e11, "m_lmc_8p7": 1.7e10}


def quietly(table, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return mw.enclosed_masses(table, *arguments, **options)


class TestProfiles:
    @pytest.mark.parametrize("radius", [1e-3, 0.2, 2.0, 30.0])
    def test_the_discs_mass_is_the_integral_of_its_sheets(self, radius):
        def column(z):
            edge = np.sqrt(radius**2 - z**2) / 3.0
            within = edge**2 / 2 - edge**3 / 3 + edge**4 / 8 if edge < 1e-3 else 1 - (1 + edge) * np.exp(-edge)
            return within / np.cosh(z / 0.8) ** 2 / 1.6

        pieces = [0, *[p for p in (0.2, 0.8, 3.0) if p < radius], radius]
        within = sum(quad(column, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in itertools.pairwise(pieces))
        assert potentials.disc_mass(radius) == pytest.approx(5e10 * 2 * within, rel=1e-10)

    def test_the_discs_mass_is_that_of_its_density(self):
        def density(R, z):
            return 2 * np.pi * R * float(potentials.disc_density([[R, 0.0, z]])[0])

        mass, _ = dblquad(density, 0.0, 2.0, 0.0, lambda z: np.sqrt(4.0 - z * z), epsrel=1e-8)
        assert potentials.disc_mass(2.0) == pytest.approx(2 * mass, rel=1e-7)

    @pytest.mark.parametrize("radius", [0.5, 8.3, 50.0])
    def test_the_discs_mass_is_the_flux_of_its_force(self, radius):
        """Gauss's theorem, with panels that are narrow near the plane."""
        nodes, weights = np.polynomial.legendre.leggauss(12)
        edges = np.unique(np.r_[0.0, np.minimum(np.geomspace(0.008, 50.0, 20) / radius, 1.0), 1.0])
        half = 0.5 * np.diff(edges)[:, None]
        cosine = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel()
        sine = np.sqrt(1 - cosine**2)
        normal = np.column_stack([sine, np.zeros_like(sine), cosine])
        flux = -np.sum((half * weights).ravel() * (potentials.disc_acceleration(radius * normal) * normal).sum(axis=1))
        assert radius**2 * flux / const.G == pytest.approx(potentials.disc_mass(radius), rel=1e-7)

    def test_the_discs_mass_in_the_limits(self):
        assert potentials.disc_mass(0.0) == 0.0
        centre = 4 / 3 * np.pi * float(potentials.disc_density([[0.0, 0.0, 0.0]])[0])
        assert potentials.disc_mass(1e-6) == pytest.approx(centre * 1e-18, rel=1e-6, abs=0)
        assert potentials.disc_mass([[50.0], [1e3]]) == pytest.approx(np.array([[5e10], [5e10]]), rel=2e-6)

    @pytest.mark.parametrize("radius", [5.0, 50.0, 400.0])
    def test_halo_bulge_and_lmc_pull_as_their_masses(self, radius):
        x = [[0.0, 0.6 * radius, -0.8 * radius]]
        (found,) = mw.enclosed_masses([MASSES | {"c200": 12.0, "a_lmc": 23.3}], radius, derived="given").to_numpy()
        sphere = potentials.nfw_acceleration(x, 9.1e11, 12.0) + potentials.bulge_acceleration(x)
        pull = [np.linalg.norm(each) for each in (sphere, potentials.hernquist_acceleration(x, 2.3e11, 23.3))]
        expected = np.array(pull) * radius**2 / const.G + [potentials.disc_mass(radius), 0.0]
        assert found == pytest.approx(expected, rel=1e-12)


class TestCatalogue:
    def test_a_row_has_what_the_function_gives(self):
        made = mw.simulate_many(DRAWS[:3], n_stars=600, workers=1, progress=False)
        again = quietly(made)
        for name in ("m_mw_50", "m_lmc_50"):
            assert made[name].dtype == np.float32
            assert made[name].to_numpy() == pytest.approx(again[name].to_numpy(), rel=1e-7)
        parameters = mw.Parameters.from_row(DRAWS.iloc[1])
        a = parameters.a_lmc
        assert again["m_lmc_50"][1] == pytest.approx(parameters.m_lmc * 2500 / (50 + a) ** 2, rel=1e-6)

    def test_columns_of_the_catalogue_are_the_default_radius(self):
        assert list(mw.enclosed_masses(DRAWS)) == list(name_masses(const.ENCLOSED_RADIUS)) == ["m_mw_50", "m_lmc_50"]
        assert {"m_mw_50", "m_lmc_50"} < set(schema.DERIVED)

    def test_they_are_results_that_simulating_again_ignores(self):
        table = DRAWS[:1].assign(m_mw_50=1.0, m_lmc_50=np.nan)
        made = mw.simulate_many(table, n_stars=600, workers=1, progress=False)
        pd.testing.assert_frame_equal(made, mw.simulate_many(DRAWS[:1], n_stars=600, workers=1, progress=False))

    def test_the_covariances_of_the_shells_are_those_of_their_fits(self):
        simulation = mw.simulate(mw.Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7), n_stars=1500)
        row, halo = simulation.row(), simulation.halo
        for shell, outer in (("", np.inf), ("_50_100", 100.0), ("_50_300", 300.0)):
            fit = mw.fit_reflex(halo.positions, halo.velocities, 50.0, outer)
            found = [row[f"cov_v{a}_v{b}{shell}"] for a, b in ("xx", "xy", "xz", "yy", "yz", "zz")]
            assert found == pytest.approx(fit.covariance[:3, :3][np.triu_indices(3)], rel=1e-6, abs=1e-6)
            assert row[f"n_stars_fit{shell}"] == fit.n_stars
        assert row["cov_vz_vz_50_100"] > row["cov_vz_vz_50_300"] > row["cov_vz_vz"] > 0  # from fewer stars


class TestTables:
    @pytest.mark.parametrize("container", CONTAINERS)
    def test_every_container_gives_the_same_masses(self, container):
        table = DRAWS[["m200_mw", "m_lmc", "m_lmc_8p7"]]
        found = quietly(CONTAINERS[container](table))
        assert found.to_numpy() == pytest.approx(quietly(table).to_numpy(), rel=1e-12)

    @given(
        seed=st.integers(0, 2**32),
        config=st.sampled_from(["gaussian", "flat", "wide"]),
        radius=st.floats(1e-3, 900.0),
        has_scale=st.booleans(),
        has_concentration=st.booleans(),
    )
    def test_masses_are_those_of_the_parameters(self, seed, config, radius, has_scale, has_concentration):
        """A draw, and the derived parameters of Parameters in its place, give the same; larger spheres hold more."""
        drawn = mw.Prior(config).sample(2, seed=seed).astype(float)
        each = [mw.Parameters.from_row(row) for _, row in drawn.iterrows()]
        table = drawn[["m200_mw", "m_lmc"]].assign(
            **({"a_lmc": [p.a_lmc for p in each]} if has_scale else {"m_lmc_8p7": drawn["m_lmc_8p7"]}),
            **({"c200": [p.c200 for p in each]} if has_concentration else {}),
        )
        found = quietly(table, radius).to_numpy()
        assert found == pytest.approx(quietly(drawn, radius).to_numpy(), rel=1e-9)
        assert (found[:, 1] < drawn["m_lmc"]).all() and (found > 0).all()
        assert (quietly(drawn, 1.1 * radius).to_numpy() > found).all()

    def test_the_index_is_kept(self):
        index = pd.MultiIndex.from_tuples([(7, "a"), (3, "b")], names=["sim_id", "kind"])
        found = mw.enclosed_masses(DRAWS[:2].set_index(index))
        assert found.index.equals(index) and DRAWS[:2].set_index(index).join(found).notna().all(axis=None)

    def test_no_rows_give_no_rows(self):
        found = mw.enclosed_masses(DRAWS[:0])
        assert found.shape == (0, 2) and list(found) == ["m_mw_50", "m_lmc_50"]

    @pytest.mark.parametrize(
        ("radius", "name"),
        [
            (50, "50"), (50.0, "50"), (8.7, "8p7"), (np.float32(8.7), "8p7"), (1000, "1000"), (0.05, "0p05"),
            (0.1 + 0.2, "0p3"), (100 * u.kpc, "100"), (12500 * u.pc, "12p5"), (np.array(20), "20"), (1e-7, "0p0000001"),
        ],
    )  # fmt: skip
    def test_names_follow_the_radius(self, radius, name):
        assert list(mw.enclosed_masses([MASSES], radius)) == [f"m_mw_{name}", f"m_lmc_{name}"]

    def test_at_8p7_kpc_it_is_the_drawn_mass(self):
        found = mw.enclosed_masses(DRAWS, 8.7)
        assert found["m_lmc_8p7"].to_numpy() == pytest.approx(DRAWS["m_lmc_8p7"].to_numpy(), rel=1e-12)

    def test_its_own_results_do_not_change_what_counts(self):
        """A c200 of the user counts also where masses of another radius stand beside it."""
        table = pd.DataFrame([MASSES | {"c200": 8.0}])
        first = quietly(table)
        both = table.join(first).join(quietly(table.join(first), 123.4))
        pd.testing.assert_frame_equal(quietly(both), first)


class TestRefusals:
    @pytest.mark.parametrize(
        "radius", [0, -50, np.nan, np.inf, 1000.1, [50.0, 100.0], None, "50", True, 3 * u.km / u.s]
    )
    def test_a_radius_is_one_length(self, radius):
        with pytest.raises(ValueError, match=r"^r = .*: allowed is"):
            mw.enclosed_masses([MASSES], radius)

    def test_draws_of_a_posterior_are_refused_and_what_to_add_is_said(self):
        posterior = mw.infer({"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}, n=200, seed=1)
        with pytest.raises(ValueError, match=r"^table lacks a_lmc and m_lmc_8p7: allowed is .* posterior") as error:
            mw.enclosed_masses(posterior.samples)
        assert "mwlmc_data.priors.ENCLOSED_MASS.quantile(u, m_lmc)" in str(error.value)
        samples = posterior.samples
        drawn = ENCLOSED_MASS.quantile(np.random.default_rng(2).uniform(size=200), samples["m_lmc"])
        found = quietly(samples.assign(m_lmc_8p7=drawn))
        assert found.shape == (200, 2) and (found["m_lmc_50"] < samples["m_lmc"]).all()

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"m200_mw": None}, "table['m200_mw']"),
            ({"m_lmc": np.nan}, "table['m_lmc'][1] = nan"),
            ({"m_lmc_8p7": 3e11}, "table['m_lmc_8p7'][1] = 300000000000.0: allowed is less than m_lmc in its row"),
            ({"m_lmc_8p7": 2.3e11}, "table['m_lmc_8p7'][1] = 230000000000.0: allowed is less than m_lmc in its row"),
            ({"m_lmc_8p7": 2.29e11}, "a_lmc from the masses of table[1] = 0.01"),
            ({"m_lmc": 1e7}, "table['m_lmc'][1] = 10000000.0: allowed is a finite number from 1e+08"),
            ({"m200_mw": 1e10}, "table['m200_mw'][1] = 10000000000.0: allowed is a finite number from 1e+11"),
        ],
    )
    def test_bad_cells_are_named(self, change, says):
        with pytest.raises(ValueError, match="^" + re.escape(says)):
            mw.enclosed_masses([MASSES, MASSES | change])

    @pytest.mark.parametrize(
        ("table", "says"),
        [
            ({"m_lmc": [2e11], "a_lmc": [20.0]}, "table lacks m200_mw"),
            ({"m200_mw": [1e12], "a_lmc": [20.0]}, "table lacks m_lmc"),
            ({"m200_mw": [1e12], "m_lmc": [2e11], "m_lmc_50": [1e11]}, "table lacks a_lmc and m_lmc_8p7"),
            ({"m200_mw": [1e12], "m_lmc": [2e11], "a_lcm": [20.0]}, "table holds 'a_lcm'"),
            ({"m200_mw": [1e12], "m_lmc": [2e11], "a_lmc": [20.0, 21.0]}, "table['a_lmc'] = an array of shape (2,)"),
            (7.0, "table = 7.0: allowed is a table"),
        ],
    )
    def test_bad_tables_are_named(self, table, says):
        with pytest.raises(ValueError, match=re.escape(says)):
            mw.enclosed_masses(table)


class TestContradictions:
    def test_in_a_table_without_results_they_are_an_error(self):
        table = [MASSES | {"a_lmc": 20.0}]
        says = r"^table\['a_lmc'\]\[0\] = 20 where m_lmc = 2.3e\+11 and m_lmc_8p7 = 1.7e\+10 give 23.3"
        with pytest.raises(ValueError, match=says):
            mw.enclosed_masses(table)
        given = quietly(table, derived="given")
        assert given["m_lmc_50"][0] == pytest.approx(2.3e11 * 2500 / 70**2)
        with pytest.raises(ValueError, match="derived = 'keep'"):
            mw.enclosed_masses(table, derived="keep")

    def test_a_changed_mass_of_a_catalogue_is_computed_again_with_a_warning(self):
        made = mw.simulate_many(DRAWS[:2], n_stars=600, workers=1, progress=False)
        changed = made.assign(m200_mw=made["m200_mw"] * [1.0, 1.5], m_lmc=made["m_lmc"] * [2.0, 1.0])
        with pytest.warns(UserWarning) as seen:
            found = mw.enclosed_masses(changed)
        assert {warning.filename for warning in seen} == {__file__}
        text = " ".join(str(warning.message) for warning in seen)
        assert "table['c200'][1]" in text and "table['a_lmc'][0]" in text
        bare = changed[["m200_mw", "m_lmc", "m_lmc_8p7"]]
        pd.testing.assert_frame_equal(found, quietly(bare), rtol=1e-7)
        kept = quietly(changed, derived="given")
        assert kept["m_mw_50"][1] != pytest.approx(found["m_mw_50"][1], rel=1e-2)
