"""Observed stars: their tables, their errors, and the selection by observed distance."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.table import QTable
from scipy.stats import norm

import mwlmc_data as mw
from mwlmc_data.rewinding.observed import ObservedStars, observe_stars, take_observed
from mwlmc_data.rewinding.probability_fit import count_points, fit_probability
from mwlmc_data.rewinding.selection import keep_observed, smear_positions
from mwlmc_data.rewinding.simulated import draw_blocks
from mwlmc_data.rewinding.survey import simulate_survey
from mwlmc_data.simulator.constants import SUN_POSITION
from mwlmc_data.simulator.frames import ICRS_TO_GALACTIC, galactocentric_to_sky
from tests.helpers.observed_stars import make_errors, to_table
from tests.rewinding.test_probability import CENTRE, NAMES, make_design

STARS = np.array([[60.0, 10.0, -20.0, 30.0, -80.0, 120.0], [-30.0, 50.0, 40.0, 10.0, 20.0, -150.0]])


def test_without_errors_observables_are_those_of_astronomers():
    """The frames' own conversion to ICRS, turned to Galactic axes."""
    seen = observe_stars(STARS, make_errors(2, 0.0, 0.0, 0.0), np.random.default_rng(0))
    sky = galactocentric_to_sky(STARS)
    ra, dec = np.radians(sky[:, 0]), np.radians(sky[:, 1])
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    assert seen.basis[:, 0] == pytest.approx(direction @ ICRS_TO_GALACTIC.T)
    assert seen.distance == pytest.approx(sky[:, 2]) and seen.v_los == pytest.approx(sky[:, 3])
    assert np.hypot(seen.pm_l, seen.pm_b) == pytest.approx(np.hypot(sky[:, 4], sky[:, 5]))
    assert seen.positions == pytest.approx(STARS[:, :3])


def test_errors_have_the_sizes_and_the_correlation_that_the_table_states():
    n = 40_000
    errors = make_errors(n, 0.1, 7.0, 0.05, corr=0.6)
    seen = observe_stars(np.repeat(STARS[:1], n, axis=0), errors, np.random.default_rng(1))
    exact = observe_stars(STARS[:1], make_errors(1, 0.0, 0.0, 0.0), np.random.default_rng(0))
    assert np.std(np.log(seen.distance)) == pytest.approx(0.1, rel=0.02)
    assert np.mean(np.log(seen.distance / exact.distance)) == pytest.approx(0.0, abs=0.002)
    assert np.std(seen.v_los) == pytest.approx(7.0, rel=0.02)
    assert np.cov(seen.pm_l, seen.pm_b) == pytest.approx(0.05**2 * np.array([[1.0, 0.6], [0.6, 1.0]]), rel=0.05)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("v_los", "vlos", "table has err_v_los and no v_los"), ("corr_pm", "pm_corr", "table has a column 'pm_corr'")],
)
def test_columns_that_would_be_ignored_in_silence_are_refused(old, new, words):
    frame = to_table(observe_stars(STARS, make_errors(2, 0.1, 1e-3, 0.05, corr=0.5), np.random.default_rng(0)))
    with pytest.raises(ValueError, match=words):
        take_observed(frame.rename(columns={old: new}))


def test_tables_of_any_library_give_the_same_stars():
    seen = observe_stars(STARS, make_errors(2, 0.1, 1e-3, 0.05, missing=(0,)), np.random.default_rng(0))
    frame = to_table(seen)
    motion = u.mas / u.yr
    units = {"l": u.deg, "b": u.deg, "distance": u.kpc, "v_los": u.km / u.s, "pm_l": motion, "pm_b": motion}
    names = [name for name in frame if name != "corr_pm"]
    other = QTable({name: frame[name].to_numpy() * units[name.removeprefix("err_")] for name in names})
    other["distance"] = other["distance"].to(u.pc)
    for table in (frame, other, frame.drop(columns=["v_los", "err_v_los"]), frame.assign(name="star")):
        taken = take_observed(table)
        assert taken.to_array() == pytest.approx(seen.to_array(), nan_ok=True)
    assert ObservedStars.from_array(seen.to_array())[1:].pm_l == pytest.approx(seen.pm_l[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"err_distance": None}, "table lacks err_distance: allowed are observables with their errors"),
        ({"err_pm_b": None}, "table lacks err_pm_b"),
        ({"distance": [50.0, np.nan]}, r"table\['distance'\]\[1\] = nan"),
        ({"distance": [50.0, -1.0]}, r"table\['distance'\]\[1\] = -1"),
        ({"b": [91.0, 0.0]}, r"table\['b'\]\[0\] = 91"),
        ({"err_v_los": [np.nan, 1.0]}, r"table\['err_v_los'\]\[0\] = nan: allowed is a finite number where v_los is"),
        ({"err_v_los": [-1.0, 1.0]}, r"table\['err_v_los'\]\[0\] = -1"),
        ({"v_los": [1e7, 0.0]}, r"table\['v_los'\]\[0\] = 10000000\.0: allowed is a speed"),
        ({"corr_pm": [0.0, 1.0]}, r"table\['corr_pm'\]\[1\] = 1: allowed is -0\.999 to 0\.999"),
        ({"pm_l": np.ma.masked_invalid([np.nan, 1.0])}, r"table\['pm_l'\].*mask"),
    ],
)
def test_tables_that_are_not_observed_stars_are_refused(change, words):
    columns = dict(to_table(observe_stars(STARS, make_errors(2, 0.1, 5.0, 0.05), np.random.default_rng(0))).items())
    columns = {name: np.asarray(column) for name, column in columns.items()} | change
    columns = {name: column for name, column in columns.items() if column is not None}
    with pytest.raises(ValueError, match=words):
        take_observed(columns)


def test_smeared_distances_are_on_the_same_line_of_sight():
    rng = np.random.default_rng(3)
    near = smear_positions(np.repeat(STARS[:, :3], 5000, axis=0), np.array([0.1, 0.2]), rng) - SUN_POSITION
    true = np.repeat(STARS[:, :3], 5000, axis=0) - SUN_POSITION
    ratio = np.linalg.norm(near, axis=1) / np.linalg.norm(true, axis=1)
    assert near / np.linalg.norm(near, axis=1)[:, None] == pytest.approx(true / np.linalg.norm(true, axis=1)[:, None])
    assert np.std(np.log(ratio)) == pytest.approx(np.sqrt(0.5 * (0.1**2 + 0.2**2)), rel=0.03)


def test_the_selection_acts_on_observed_distances_and_keeps_true_ones():
    """Numbers of stars from each side of the radius, against the Gaussian chance of ln distance of each star."""
    errors, selection, rng = np.array([0.1, 0.3]), mw.Selection(r_min=60.0), np.random.default_rng(2)
    stars = np.vstack(list(draw_blocks(mw.Parameters(**CENTRE), 20_000, rng, outskirts=False))).astype(float)
    kept = keep_observed(stars, selection, rng, errors)[1]
    apart = stars[:, :3] - SUN_POSITION
    distance = np.linalg.norm(apart, axis=1)
    along = apart @ np.array(SUN_POSITION) / distance
    border = -along + np.sqrt(along**2 + 60.0**2 - np.square(SUN_POSITION).sum())
    chance = norm.cdf(np.log(distance / border)[:, None] / errors).mean(axis=1)
    inside = np.linalg.norm(stars[:, :3], axis=1) < 60.0
    for part in (inside, ~inside):
        assert abs(kept[part].sum() - chance[part].sum()) < 4.0 * np.sqrt((chance * (1.0 - chance))[part].sum())
    assert kept[inside].sum() > 300 and (~kept[~inside]).sum() > 300


def test_the_probability_of_a_selection_by_observed_distance_is_that_of_counted_surveys():
    """At a point that is not of the design."""
    errors = np.array([0.1, 0.3])
    selection = mw.Selection(r_min=60.0)
    fitted = fit_probability(make_design(count_points(2)), NAMES, selection, 8_000, (1, 2), relative_errors=errors)
    there = mw.Parameters(**{**CENTRE, "m200_mw": 1.28e12, "r_dehnen": 12.8})
    survey = make_errors(2, 1.0, 1.0, 1.0)
    survey.e_distance[:] = errors
    # one block of 20,000 stars is simulated
    p = len(simulate_survey(there, selection, survey, 1, (9,))) / 20_000
    error = np.hypot(np.sqrt((1 - p) / (20_000 * p)), np.hypot(fitted.log_p_error, 2e-3))
    assert fitted.log_probability(there) == pytest.approx(np.log(p), abs=4.0 * error)


def test_a_survey_repeats_the_errors_and_the_missing_data_of_whole_stars():
    errors = make_errors(2, 0.1, 5.0, 0.05)
    errors.v_los[0], errors.e_distance[0] = np.nan, 0.2
    seen = simulate_survey(mw.Parameters(**CENTRE), mw.Selection(), errors, 3_000, (4,))
    assert len(seen) >= 3_000 and np.linalg.norm(seen.positions, axis=1).min() > 50.0
    assert np.array_equal(np.isnan(seen.v_los), seen.e_distance == 0.2) and 0.4 < np.isnan(seen.v_los).mean() < 0.65
    again = simulate_survey(mw.Parameters(**CENTRE), mw.Selection(), errors, 3_000, (4,))
    pd.testing.assert_frame_equal(to_table(again), to_table(seen))
