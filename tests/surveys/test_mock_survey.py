"""A halo as a survey sees it: the sky, distances, errors and gaps of a table or of a selection, reproducibly."""

import math

import astropy.units as u
import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding.observed import observe_stars, take_observed
from mwlmc_data.simulator.constants import SUN_POSITION
from mwlmc_data.simulator.frames import sky_basis
from mwlmc_data.surveys import measure_moments
from mwlmc_data.surveys.mock import make_table, take_errors

ERRORS = {"distance": 0.1, "v_los": 5.0, "pm_l": 0.1, "pm_b": 0.12, "corr": 0.3}
TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.8e11, "log10_lambda_df": 0.0, "beta0": 0.5, "r_dehnen": 12.0}


def north(l, b):
    return b > 30.0


@pytest.fixture(scope="module")
def halo():
    return mw.simulate(mw.Parameters(**TRUTH), seed=1, n_stars=12_000).halo


@pytest.fixture(scope="module")
def table(halo):
    """A survey of the north, of which some stars lack a velocity."""
    made = mw.mock_survey(
        halo, selection=mw.Selection(r_min=50, r_max=150, footprint=north), errors=ERRORS, n=200, seed=3
    )
    made.loc[:39, ["v_los", "err_v_los"]] = np.nan
    made.loc[30:59, ["pm_l", "pm_b", "err_pm_l", "err_pm_b", "corr_pm"]] = np.nan
    return made


def chords(one, other):
    apart = sky_basis(one["l"], one["b"])[:, 0] - sky_basis(other["l"], other["b"])[:, 0]
    return np.linalg.norm(apart, axis=1)


class TestLike:
    def test_the_mock_has_the_sky_distances_errors_and_gaps_of_the_table(self, halo, table):
        mock = mw.mock_survey(halo, like=table, seed=5)
        assert len(mock) == len(table) and list(mock.columns) == list(table.columns)
        offset = np.hypot(chords(mock, table), np.log(mock["distance"] / table["distance"]))
        assert np.median(offset) < 0.15 and np.quantile(offset, 0.9) < 0.35
        for name in ("v_los", "pm_l", "pm_b", "err_v_los", "err_pm_l", "corr_pm"):
            np.testing.assert_array_equal(mock[name].isna(), table[name].isna())
        np.testing.assert_allclose(mock["err_v_los"], table["err_v_los"])
        np.testing.assert_allclose(mock["err_distance"] / mock["distance"], 0.1, rtol=1e-6)

    def test_stars_are_drawn_without_replacement_and_are_those_of_the_halo(self, halo, table):
        mock = mw.mock_survey(halo, like=table, seed=5)
        assert mock["star"].is_unique and mock["star"].min() >= 0
        true = halo.positions[mock["star"]].astype(float) - SUN_POSITION
        direction = true / np.linalg.norm(true, axis=1)[:, None]
        np.testing.assert_allclose(direction, sky_basis(mock["l"], mock["b"])[:, 0], atol=1e-6)
        score = np.log(mock["distance"] / np.linalg.norm(true, axis=1)) / 0.1
        assert 0.7 < score.std() < 1.3

    def test_it_is_reproducible(self, halo, table):
        one, same, other = (mw.mock_survey(halo, like=table, seed=s) for s in (5, 5, 6))
        pd.testing.assert_frame_equal(one, same)
        assert not one["star"].equals(other["star"])

    def test_fewer_stars_may_be_wanted(self, halo, table):
        mock = mw.mock_survey(halo, like=table, n=50)
        assert len(mock) == 50
        assert take_observed(mock).positions.shape == (50, 3)

    def test_velocities_are_the_halos_with_errors(self, halo):
        exact = {"distance": 0.0, "v_los": 0.0, "pm_l": 0.0, "pm_b": 0.0}
        every = mw.mock_survey(halo, selection=mw.Selection(r_min=60), errors=exact)
        mock = mw.mock_survey(halo, like=every.iloc[:100])
        stars = np.hstack([halo.positions, halo.velocities]).astype(float)[mock["star"]]
        seen = observe_stars(stars, take_errors(exact)[np.zeros(100, int)], np.random.default_rng(0))
        np.testing.assert_allclose(mock["v_los"], seen.v_los, atol=0.01)  # the least error of a table is 1 m/s
        assert mock["star"].tolist() == every["star"].iloc[:100].tolist()  # each is its own nearest

    def test_a_halo_with_too_few_stars_is_refused(self, halo, table):
        with pytest.raises(ValueError, match="halo = 100 stars for a mock with 200 of them: allowed are as many"):
            mw.mock_survey(np.hstack([halo.positions, halo.velocities])[:100], like=table)


class TestSelection:
    def test_stars_are_in_the_selection_by_observed_distance(self, halo):
        chosen = mw.Selection(r_min=60, r_max=120, footprint=north)
        mock = mw.mock_survey(halo, selection=chosen, errors=ERRORS, seed=2)
        seen = take_observed(mock)
        radius = np.linalg.norm(seen.positions, axis=1)
        assert radius.min() > 60 and radius.max() < 120 and (mock["b"] > 30).all()
        true = np.linalg.norm(halo.positions[mock["star"]], axis=1)
        assert (true < 60).any() and (true > 120).any()

    def test_a_footprint_alone_is_beyond_50_kpc(self, halo):
        mock = mw.mock_survey(halo, footprint=north, errors=ERRORS, n=100)
        assert len(mock) == 100 and np.linalg.norm(take_observed(mock).positions, axis=1).min() > 50.0

    def test_a_random_part_is_kept(self, halo):
        whole = mw.mock_survey(halo, selection=mw.Selection(), errors=ERRORS)
        part = mw.mock_survey(halo, selection=mw.Selection(fraction=0.3), errors=ERRORS)
        assert len(part) / len(whole) == pytest.approx(0.3, abs=0.04)

    def test_errors_are_of_the_size_that_is_stated(self, halo):
        mock = mw.mock_survey(halo, selection=mw.Selection(r_min=70), errors=ERRORS, seed=4)
        stars = np.hstack([halo.positions, halo.velocities]).astype(float)[mock["star"]]
        exact = observe_stars(
            stars, take_errors({**ERRORS, "distance": 0.0})[np.zeros(len(mock), int)], np.random.default_rng(0)
        )
        assert (mock["v_los"] - exact.v_los).std() == pytest.approx(math.hypot(5.0, 5.0), rel=0.1)
        assert (mock["pm_b"] - exact.pm_b).std() == pytest.approx(math.hypot(0.12, 0.12), rel=0.1)

    def test_a_velocity_without_an_error_is_not_measured(self, halo):
        mock = mw.mock_survey(halo, footprint=north, errors={"distance": 0.1, "v_los": 5.0}, n=60)
        assert mock[["pm_l", "pm_b", "err_pm_l", "corr_pm"]].isna().all(axis=None) and mock["v_los"].notna().all()

    def test_errors_of_a_table_are_those_of_whole_stars(self, halo, table):
        mock = mw.mock_survey(halo, footprint=north, errors=table, n=300, seed=1)
        lacking = mock["v_los"].isna()
        assert lacking.mean() == pytest.approx(0.2, abs=0.08)
        assert (mock["v_los"].isna() & mock["pm_l"].isna()).mean() == pytest.approx(0.05, abs=0.05)

    def test_the_moments_are_those_of_the_fit(self, halo):
        mock = mw.mock_survey(halo, selection=mw.Selection(), errors={**ERRORS, "distance": 0.01}, seed=1)
        moments = measure_moments(take_observed(mock))
        fit = mw.fit_reflex(halo.positions, halo.velocities)
        assert moments.names == ("vx_travel", "vy_travel", "vz_travel", "mean_v_r", "mean_v_phi", "mean_v_theta",
                                 "sigma_v_los", "sigma_v_l", "sigma_v_b")  # fmt: skip
        assert np.abs(moments.values[:3] - fit.vector).max() < 12.0
        assert f"{moments.n_stars:,} stars" in repr(moments)


@pytest.fixture(scope="module")
def stream():
    """Stars on one great circle that move together."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 3000)
    x = 70.0 * np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=1)
    v = 250.0 * np.stack([-np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1)
    return np.hstack([x, v])


class TestContamination:
    def test_a_part_of_the_stars_is_of_the_stream(self, halo, stream, table):
        for options in ({"selection": mw.Selection(), "errors": ERRORS, "n": 400}, {"like": table}):
            mock = mw.mock_survey(halo, contamination={"stream": (stream, 0.25)}, seed=8, **options)
            assert len(mock) == (400 if "n" in options else len(table))
            assert (mock["star"] == -1).mean() == pytest.approx(0.25, abs=0.09)
            assert mock.loc[mock["star"] >= 0, "star"].is_unique

    def test_it_moves_the_moments_and_the_cut_takes_it_out(self, halo):
        """A stream in the plane of Sagittarius, a fifth of the stars: the cut leaves what the halo alone gives."""
        angle = np.random.default_rng(1).uniform(0, 2 * np.pi, 4000)
        pole = sky_basis(93.75, 13.46)[0]
        first = np.cross(pole, [0.0, 0.0, 1.0]) / np.linalg.norm(np.cross(pole, [0.0, 0.0, 1.0]))
        second = np.cross(pole, first)
        along = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
        stream = np.hstack([SUN_POSITION + 80.0 * along, 300.0 * np.cross(pole, along)])
        options = {"selection": mw.Selection(), "errors": {**ERRORS, "distance": 0.02}, "seed": 2}
        clean, dirty = (mw.mock_survey(halo, n=2500, contamination=c, **options) for c in (None, {"s": (stream, 0.2)}))
        off = dirty[mw.observations.off_sagittarius(dirty["l"], dirty["b"])]
        assert (off["star"] >= 0).all() and 0.4 < len(off) / len(dirty) < 0.8
        of_clean, of_dirty, of_off = (measure_moments(take_observed(t)).values for t in (clean, dirty, off))
        assert np.abs(of_dirty - of_clean).max() > 30.0
        assert np.abs(of_off - of_clean).max() < 20.0

    def test_components_have_parts_of_their_own(self, halo, stream, table):
        """Stars on a circle across the motion of the Sun, and others there that move outwards, away from it."""
        outwards = np.hstack([stream[:, :3], stream[:, :3] * 200.0 / 70.0])
        components = {"around": (stream, 0.3), "outwards": (outwards, 0.2)}
        for options in ({"selection": mw.Selection(), "errors": ERRORS, "n": 600}, {"like": table}):
            mock = mw.mock_survey(halo, contamination=components, seed=8, **options)
            alone = mw.mock_survey(halo, contamination={"around": (stream, 1.0)}, seed=8, **options)
            others = mock["star"] == -1
            assert others.mean() == pytest.approx(0.5, abs=0.1) and (alone["star"] == -1).all()
            assert len(mock) == len(alone) == (600 if "n" in options else len(table))
            assert (mock.loc[others, "v_los"].dropna() > 120.0).mean() == pytest.approx(0.4, abs=0.15)
            assert (alone["v_los"].dropna().abs() < 80.0).all()

    def test_no_component_gives_the_bits_of_none(self, halo, stream, table):
        for options in ({"selection": mw.Selection(), "errors": ERRORS, "n": 300}, {"like": table}):
            clean = mw.mock_survey(halo, seed=8, **options)
            pd.testing.assert_frame_equal(mw.mock_survey(halo, contamination={}, seed=8, **options), clean)
            without = mw.mock_survey(halo, contamination={"stream": (stream, 0.0)}, seed=8, **options)
            assert (without["star"] >= 0).all() and len(without) == len(clean)

    @pytest.mark.parametrize(
        "make, words",
        [
            (lambda stream: (stream, 0.1), "allowed is a mapping of names to pairs"),
            (lambda stream: {"stream": stream}, r"contamination\['stream'\] = .*: allowed is a pair of stars"),
            (lambda stream: {"stream": (stream, 1.5)}, r"contamination\['stream'\]\[1\] = 1.5"),
            (lambda stream: {"stream": (stream, (0.0, 0.2))}, r"contamination\['stream'\]\[1\]"),
            (lambda stream: {"the stream": (stream, 0.1)}, "contamination holds 'the stream'"),
            (lambda stream: {"a": (stream, 0.6), "b": (stream, 0.6)}, "contamination = 1.2 of the stars in all"),
            (lambda stream: {"a": (stream[:, :5], 0.6)}, r"contamination\['a'\]"),
        ],
    )
    def test_bad_contamination_is_refused(self, halo, stream, make, words):
        with pytest.raises(ValueError, match=words):
            mw.mock_survey(halo, footprint=north, errors=ERRORS, contamination=make(stream))

    def test_a_component_outside_the_selection_is_refused(self, halo):
        with pytest.raises(ValueError, match="contamination = 10 stars, none of them in the selection"):
            mw.mock_survey(
                halo,
                footprint=lambda l, b: b < -60,
                errors=ERRORS,
                n=50,
                contamination={"north": (np.tile([0.0, 0.0, 60.0, 1.0, 1.0, 1.0], (10, 1)), 0.5)},
            )


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "like, footprint and selection = none: allowed is one of"),
        ({"footprint": north, "selection": mw.Selection()}, "footprint and selection = given: allowed is one of"),
        ({"footprint": north}, "errors = None: allowed is a mapping of distance, v_los, pm_l, pm_b"),
        ({"footprint": lambda l, b: b > 90.0, "errors": ERRORS}, "halo = 12000 stars, none of them in the selection"),
        ({"footprint": north, "errors": {**ERRORS, "distance": 5.0}}, r"errors\['distance'\] = 5.0: allowed is"),
        ({"footprint": north, "errors": {**ERRORS, "distance": 5.0 * u.kpc}}, r"errors\['distance'\] = numbers in kpc"),
        ({"footprint": north, "errors": {**ERRORS, "v_los": 5.0 * u.mas}}, r"errors\['v_los'\] = numbers in mas"),
        ({"footprint": north, "errors": {"v_los": 5.0}}, "errors lacks distance"),
        ({"footprint": north, "errors": {"distance": 0.1}}, "errors = those of the distance alone"),
        ({"footprint": north, "errors": {**ERRORS, "vlos": 5.0}}, "errors holds 'vlos': .* do you mean 'v_los'"),
        ({"footprint": north, "errors": 5.0}, "errors = 5.0: allowed is a mapping or a table"),
        ({"footprint": north, "errors": ERRORS, "n": 50_000}, "n = 50000 stars of halo, of which .* are observed"),
        ({"footprint": north, "errors": ERRORS, "seed": -1}, "seed = -1"),
        ({"selection": "north", "errors": ERRORS}, "selection = 'north': allowed is a mwlmc_data.Selection"),
        ({"like": {"ra": [1.0], "dec": [2.0]}}, r"table\['l'\]|table lacks"),
        ({"like": "table", "errors": ERRORS}, "errors = given beside like"),
        ({"like": "table", "n": 201}, "n = 201"),
    ],
)
def test_bad_input_is_named(halo, table, options, words):
    if isinstance(options.get("like"), str):
        options = {**options, "like": table}
    with pytest.raises(ValueError, match=words):
        mw.mock_survey(halo, **options)


def test_a_table_of_other_columns_is_refused(halo, table):
    with pytest.raises(ValueError, match="table lacks err_distance"):
        mw.mock_survey(halo, like=table.drop(columns="err_distance"))
    with pytest.raises(ValueError, match="halo lacks x, y, z"):
        mw.mock_survey(table, like=table)


def test_the_table_of_errors_is_that_of_the_mock(halo, table):
    seen = take_observed(table)
    made = make_table(seen, table["star"].to_numpy())
    pd.testing.assert_frame_equal(made, table, check_exact=False, rtol=1e-9)


def test_a_template_without_stars_is_refused_and_a_star_at_the_sun_is_not_preferred():
    halo = mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0), n_stars=300, seed=1).halo
    like = mw.mock_survey(halo, selection=mw.Selection(), errors={"distance": 0.1, "v_los": 5.0}, n=20, seed=2)
    with pytest.raises(ValueError, match="like = no stars: allowed is one or more"):
        mw.mock_survey(halo, like={name: np.asarray(values)[:0] for name, values in like.items()})
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    at_the_sun = np.vstack([[*SUN_POSITION, 0.0, 0.0, 0.0], stars])
    found = mw.mock_survey(at_the_sun, like=like, seed=3)
    assert len(found) == 20 and np.asarray(found["distance"]).min() > 1.0
