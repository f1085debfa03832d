"""The reflex fit from observables: against an independent maximiser, with missing data, on skies of little use."""

import inspect

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import QTable
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import fit_reflex, fit_reflex_observed, observed_columns, reflex_observed
from mwlmc_data.simulator.frames import galactocentric_basis, sky_basis
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from tests.helpers.mock_survey import TRUTH, mock, observe

NAMES = ("l", "b", "distance", "v_los", "pm_l", "pm_b", "errors")
VELOCITIES = NAMES[3:6]


def sky(n, seed, truth=TRUTH, e_v=5.0, e_pm=0.05, stated=1.0, corr=0.3):
    """Observables of `n` stars of the model, with errors that are stated too large by the factor `stated`."""
    x, v = mock(truth, n, seed)
    l, b, d, v_los, pm_l, pm_b, _ = observe(x, v, seed, scale=0.0)
    rng = np.random.default_rng(seed + 1)
    rho = rng.uniform(-corr, corr, n)
    z = rng.normal(size=(3, n))
    stars = {"l": l, "b": b, "distance": d, "v_los": v_los + e_v * z[0], "pm_l": pm_l + e_pm * z[1]}
    stars["pm_b"] = pm_b + e_pm * (rho * z[1] + np.sqrt(1 - rho**2) * z[2])
    one = np.full(n, stated)
    stars["errors"] = {"distance": 0.0 * one, "v_los": e_v * one, "pm_l": e_pm * one, "pm_b": e_pm * one, "corr": rho}
    return stars


def without(stars, **missing):
    """The stars with NaN where a mask, by name, says that a datum is not measured."""
    return stars | {name: np.where(mask, np.nan, stars[name]) for name, mask in missing.items()}


def objective(stars):
    """Minus the log-likelihood of the observables as written in the papers, by kinds of stars: what is measured."""
    l, b, d, errors = stars["l"], stars["b"], stars["distance"], stars["errors"]
    k = const.KMS_PER_MASYR_KPC * d
    basis = sky_basis(l, b)
    galactic = galactocentric_basis(const.SUN_POSITION + d[:, None] * basis[:, 0])
    seen = np.stack([stars[name] for name in VELOCITIES], axis=1)
    scale = np.stack([np.ones_like(d), k, k], axis=1)
    noise = np.zeros((len(d), 3, 3))
    for i, name in enumerate(VELOCITIES):
        noise[:, i, i] = errors[name] ** 2 + (i > 0) * (errors["distance"] * seen[:, i] / d) ** 2
    noise[:, 1, 2] = noise[:, 2, 1] = errors["pm_l"] * errors["pm_b"] * errors["corr"]
    kinds = [(kind, (~np.isnan(seen) == kind).all(axis=1)) for kind in np.unique(~np.isnan(seen), axis=0)]

    def negative_log_likelihood(p):
        rest = -p[:3] + np.einsum("k,nki->ni", p[3:6], galactic) - const.SUN_VELOCITY
        residual = seen - np.einsum("nki,ni->nk", basis, rest) / scale
        covariance = noise + np.einsum("nk,kj->nkj", (p[6:] / scale) ** 2, np.eye(3))
        total = 0.0
        for kind, rows in kinds:
            part, r = covariance[rows][:, kind][:, :, kind], residual[rows][:, kind]
            total += 0.5 * np.einsum("ni,ni->", r, np.linalg.solve(part, r[..., None])[..., 0])
            total += 0.5 * np.linalg.slogdet(2 * np.pi * part)[1].sum()
        return total

    return negative_log_likelihood


def best(function, *starts):
    """The deepest minimum that scipy finds from several starts, in velocities and squared dispersions."""

    def unpacked(q):
        return np.r_[q[:6], 10 * np.sqrt(q[6:])]

    bounds = [(None, None)] * 6 + [(0, None)] * 3
    options = {"maxiter": 3000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-6}
    begin = [np.r_[start[:6], (start[6:] / 10) ** 2] for start in starts]
    runs = [minimize(lambda q: function(unpacked(q)), q, bounds=bounds, options=options) for q in begin]
    run = min(runs, key=lambda run: run.fun)
    return unpacked(run.x), run.fun


def assert_best(stars, **options):
    """The fit is no worse than what an independent maximiser finds, and at the same place."""
    fit = fit_reflex_observed(**stars, **options)
    function = objective(stars)
    found = np.isfinite(fit.values)
    values = np.where(found, fit.values, 0.0)
    general, least = best(function, values + np.r_[5, -5, 5, 5, -5, 5, 10, 10, 10], np.r_[np.zeros(6), 60, 60, 60])
    assert function(np.where(found, values, general)) <= least + 1e-5
    errors = np.sqrt(np.diag(fit.covariance_plain))
    assert np.all(np.abs(fit.values - general)[np.isfinite(errors)] < 0.02 * errors[np.isfinite(errors)])
    assert np.all(general[values == 0] < 3) or not fit.at_zero
    return fit


def test_same_optimum_as_scipy():
    stars = sky(400, 1)
    stars["errors"]["distance"] = 0.1 * stars["distance"]
    fit = assert_best(stars, r_min=0.0)
    assert fit.n_measured == (400, 400, 400)
    assert fit.undetermined == fit.at_zero == ()
    per_km_s = -2 * np.log(const.KMS_PER_MASYR_KPC * stars["distance"]).sum()
    assert fit.log_likelihood == pytest.approx(-objective(stars)(fit.values) + per_km_s)


@pytest.mark.parametrize(("n", "e_pm", "stated", "seeds"), [(150, 1.0, 1.0, 5), (200, 0.2, 1.5, 2), (40, 0.3, 1.0, 20)])
def test_dispersions_that_are_best_at_zero(n, e_pm, stated, seeds):
    """Some of many fits of noisy proper motions have dispersions at zero, and all agree with scipy."""
    held = 0
    for seed in range(seeds):
        stars = sky(n, seed, e_pm=e_pm)
        stars["errors"] |= {name: stated * stars["errors"][name] for name in ("pm_l", "pm_b")}
        fit = assert_best(stars)
        held += bool(fit.at_zero)
        on_edge = np.r_[np.zeros(6, bool), fit.dispersions == 0]
        assert fit.at_zero == tuple(np.array(REFLEX_NAMES)[on_edge])
        for covariance in (fit.covariance, fit.covariance_plain):
            assert np.isnan(covariance[on_edge]).all() and np.isnan(covariance[:, on_edge]).all()
            rest = covariance[np.ix_(~on_edge, ~on_edge)]
            assert np.all(np.linalg.eigvalsh(rest) > 0)
        assert [name for name, error in fit.errors.items() if np.isnan(error)] == list(fit.at_zero)
    assert held == seeds if stated > 1 else 0 < held < seeds


def test_the_other_parameters_have_the_covariance_of_a_fit_without_the_held_dispersion():
    """Inverse of the information of the other eight parameters, from derivatives of the model by differences."""
    fit = None
    for seed in range(30):
        stars = sky(60, seed, e_pm=0.3)
        fit = fit_reflex_observed(**stars)
        if fit.at_zero == ("sigma_v_b",):
            break
    assert fit.at_zero == ("sigma_v_b",)
    k = const.KMS_PER_MASYR_KPC * stars["distance"]
    basis = sky_basis(stars["l"], stars["b"])
    galactic = galactocentric_basis(const.SUN_POSITION + stars["distance"][:, None] * basis[:, 0])
    design = np.concatenate([-basis, np.einsum("nki,nji->nkj", basis, galactic)], axis=2)
    noise = np.zeros((60, 3, 3))
    noise[:, 0, 0] = stars["errors"]["v_los"] ** 2
    noise[:, 1, 1], noise[:, 2, 2] = ((k * stars["errors"][name]) ** 2 for name in ("pm_l", "pm_b"))
    noise[:, 1, 2] = noise[:, 2, 1] = k**2 * 0.3**2 * stars["errors"]["corr"]
    weight = np.linalg.inv(noise + np.diag(fit.dispersions**2))
    information = np.zeros((8, 8))
    information[:6, :6] = np.einsum("nki,nkl,nlj->ij", design, weight, design)
    for i in range(2):
        for j in range(2):
            change = [np.zeros((3, 3)), np.zeros((3, 3))]
            change[0][i, i], change[1][j, j] = 2 * fit.dispersions[i], 2 * fit.dispersions[j]
            product = weight @ change[0] @ weight @ change[1]
            information[6 + i, 6 + j] = 0.5 * np.trace(product, axis1=1, axis2=2).sum()
    assert fit.covariance_plain[:8, :8] == pytest.approx(np.linalg.inv(information), rel=1e-6, abs=1e-9)


def test_errors_may_be_a_table():
    stars = sky(60, 11)
    expected = fit_reflex_observed(**stars)
    for table in (pd.DataFrame(stars["errors"]), QTable(stars["errors"])):
        assert fit_reflex_observed(**stars | {"errors": table}).values == pytest.approx(expected.values)
    table["v_los"].unit = u.km / u.s
    table["distance"].unit = u.kpc
    assert fit_reflex_observed(**stars | {"errors": table}).values == pytest.approx(expected.values)


@pytest.mark.parametrize("n", [60, 400])
def test_data_that_are_not_measured_are_left_out_of_the_likelihood(n):
    rng = np.random.default_rng(n)
    missing = {name: rng.random(n) < 0.4 for name in VELOCITIES}
    stars = without(sky(n, n, corr=0.9), **missing)
    fit = assert_best(stars)
    nothing = np.all(list(missing.values()), axis=0)
    assert fit.n_stars == n - nothing.sum() > 0
    assert fit.n_measured == tuple(n - missing[name].sum() for name in VELOCITIES)
    # the error of a datum that is not measured is not read
    errors = {name: np.where(missing.get(name, False), np.nan, e) for name, e in stars["errors"].items()}
    errors["corr"] = np.where(missing["pm_l"] | missing["pm_b"], np.nan, errors["corr"])
    again = fit_reflex_observed(**stars | {"errors": errors})
    assert np.array_equal(again.values, fit.values) and np.array_equal(again.covariance, fit.covariance)
    kept = {name: value[~nothing] for name, value in stars.items() if name != "errors"}
    kept["errors"] = {name: value[~nothing] for name, value in stars["errors"].items()}
    assert fit_reflex_observed(**kept).values == pytest.approx(fit.values)


def test_null_is_not_measured_and_a_mask_is_refused():
    stars = sky(60, 5)
    missing = np.arange(60) % 3 == 0
    expected = fit_reflex_observed(**without(stars, v_los=missing))
    values = [None if gone else float(value) for gone, value in zip(missing, stars["v_los"], strict=True)]
    for column in (pa.array(values), pd.array(values, dtype="Float64"), pd.Series(values)):
        assert fit_reflex_observed(**stars | {"v_los": column}).values == pytest.approx(expected.values)
    hidden = np.ma.masked_array(np.where(missing, -9999.0, stars["v_los"]), missing)
    for column in (hidden, Masked(hidden.data, hidden.mask) * u.km / u.s):
        with pytest.raises(ValueError, match=r"v_los = 20 masked .* of 60: .* write NaN for what is not measured"):
            fit_reflex_observed(**stars | {"v_los": column})


def test_lines_of_sight_alone_give_what_they_constrain():
    """The travel velocity and <v_r>; <v_phi> and <v_theta> are known less well than from one star, and are named."""
    stars = sky(300, 6) | {"pm_l": None, "pm_b": None}
    stars["errors"] = {name: stars["errors"][name] for name in ("distance", "v_los")}
    fit = fit_reflex_observed(**stars)
    assert fit.undetermined == ("mean_v_phi", "mean_v_theta", "sigma_v_l", "sigma_v_b")
    assert fit.n_measured == (300, 0, 0)
    known = np.isfinite(fit.values)
    assert (np.abs(fit.values - TRUTH)[known] < 4 * np.sqrt(np.diag(fit.covariance)[known])).all()
    assert np.isfinite([fit.errors[name] for name in ("v_travel", "l_apex", "b_apex", "mean_v_r", "sigma_v_los")]).all()
    # errors of the rest are marginalised over what is undetermined: larger than at known <v_phi>, <v_theta>
    basis = sky_basis(stars["l"], stars["b"])
    galactic = galactocentric_basis(const.SUN_POSITION + stars["distance"][:, None] * basis[:, 0])
    design = np.c_[-basis[:, 0], np.einsum("ni,nji->nj", basis[:, 0], galactic)]
    variance = fit.dispersions[0] ** 2 + 25.0
    marginal = np.linalg.inv(design.T @ design / variance)[:4, :4]
    assert fit.covariance_plain[:4, :4] == pytest.approx(marginal, rel=1e-9)
    assert marginal[1, 1] > 1.5 * np.linalg.inv(design[:, :4].T @ design[:, :4] / variance)[1, 1]


def test_from_the_centre_lines_of_sight_do_not_see_rotation():
    """With the Sun at the centre the columns of <v_phi> and <v_theta> are zero, and the rest is an exact regression."""
    stars = sky(100, 7) | {"pm_l": np.full(100, np.nan), "pm_b": None}
    fit = fit_reflex_observed(**stars, sun_position=np.zeros(3), sun_velocity=np.zeros(3), r_min=0)
    direction = sky_basis(stars["l"], stars["b"])[:, 0]
    expected = np.linalg.lstsq(np.c_[-direction, np.ones(100)], stars["v_los"], rcond=None)[0]
    assert fit.values[:4] == pytest.approx(expected, rel=1e-6)
    assert fit.undetermined == ("mean_v_phi", "mean_v_theta", "sigma_v_l", "sigma_v_b")


def test_proper_motions_alone_and_one_of_them():
    stars = sky(300, 8)
    fit = fit_reflex_observed(**stars | {"v_los": None})
    assert fit.undetermined == ("mean_v_r", "sigma_v_los")
    assert (np.abs(fit.vector - TRUTH[:3]) < 4 * np.sqrt(np.diag(fit.covariance)[:3])).all()
    with pytest.raises(ValueError, match=r"leave 1\.00 vz_travel open \(they do not constrain it\)"):
        fit_reflex_observed(**stars | {"v_los": None, "pm_b": None})


@pytest.mark.parametrize("name", VELOCITIES)
@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_a_component_that_few_stars_have_is_left_out(name, count):
    """The result is the fit without it: a handful of stars give a dispersion that is too small, with a small error."""
    stars = without(sky(300, 12 + count), **{name: np.arange(300) >= count + 5})
    # stars inside the fitted shell's inner radius do not count
    radius = np.linalg.norm(
        const.SUN_POSITION + stars["distance"][:, None] * sky_basis(stars["l"], stars["b"])[:, 0], axis=1
    )
    order = np.argsort(radius)
    stars[name] = np.where(np.isin(np.arange(300), order[: count + 5]), sky(300, 12 + count)[name], np.nan)
    r_min = float(radius[order[4:6]].mean())
    with pytest.warns(UserWarning, match=f"^{name} = measured for {count} of 295 stars: allowed is 20 or more"):
        fit = fit_reflex_observed(**stars, r_min=r_min)
    nothing = np.full(300, np.nan)
    expected = fit_reflex_observed(**stars | {name: nothing}, r_min=r_min)
    assert fit.n_measured == expected.n_measured
    assert fit.n_measured[VELOCITIES.index(name)] == 0
    assert fit.undetermined == expected.undetermined
    assert f"sigma_{ {'v_los': 'v_los', 'pm_l': 'v_l', 'pm_b': 'v_b'}[name]}" in fit.undetermined
    assert np.array_equal(fit.values, expected.values, equal_nan=True)
    assert np.array_equal(fit.covariance, expected.covariance, equal_nan=True)


def test_a_component_that_enough_stars_have_is_fitted(recwarn):
    fit = fit_reflex_observed(**without(sky(300, 12), v_los=np.arange(300) >= 20))
    assert fit.n_measured == (20, 300, 300) and fit.undetermined == ()
    assert not recwarn.list


def test_stars_whose_components_are_all_rare_are_too_few():
    few = np.arange(30) >= 15
    stars = without(sky(30, 3), v_los=few, pm_l=~few, pm_b=~few)
    with (
        pytest.warns(UserWarning, match="pm_b = measured for 15 of 30"),
        pytest.raises(ValueError, match=r"stars = 0 of 30 at .* with a velocity component that 20 stars have"),
    ):
        fit_reflex_observed(**stars)


def biased(seed, fraction, n=2000):
    """Stars of the model from 70 to 110 kpc, whose distances have a fractional error."""
    x, v = mock(TRUTH, n, seed, r_min=70, r_max=110)
    l, b, d, v_los, pm_l, pm_b, errors = observe(x, v, seed)
    d = d * (1 + fraction * np.clip(np.random.default_rng(seed).normal(size=n), -3, 3))
    columns = {"l": l, "b": b, "distance": d, "v_los": v_los, "pm_l": pm_l, "pm_b": pm_b}
    return columns | {"errors": errors | {"distance": fraction * d}}


@pytest.mark.filterwarnings("ignore:errors.'distance'")
@pytest.mark.parametrize(("fraction", "low", "high"), [(0.02, -1, 1), (0.05, -2, 0), (0.1, -6, -3), (0.2, -20, -12)])
def test_errors_of_the_distance_bias_the_fit(fraction, low, high):
    """The figures of the docstring and of the warning: by how much vy_travel is too low, to 0.6 km/s."""
    fits = [fit_reflex_observed(**biased(seed, fraction), r_min=0) for seed in range(8)]
    shift = np.mean([fit.values for fit in fits], axis=0) - TRUTH
    assert low < shift[1] < high
    assert np.abs(shift[[0, 2]]).max() < 4
    if fraction == 0.2:
        assert shift[1] < -5 * fits[0].errors["vy_travel"]
        assert shift[7] < -3 and shift[8] < -3


def test_the_bias_gives_a_warning(recwarn):
    fit_reflex_observed(**biased(0, 0.02, 200))
    fit_reflex_observed(**biased(0, 0.05, 200))
    stars = biased(0, 0.1, 200)
    # lines of sight do not contain the distance, and stars that are not fitted do not count
    fit_reflex_observed(**stars | {"pm_l": None, "pm_b": None})
    near = np.arange(200) < 150
    stars["errors"]["distance"] = np.where(near, stars["errors"]["distance"], 0.01)
    fit_reflex_observed(**without(stars, pm_l=near, pm_b=near))
    assert not recwarn.list
    reported = r"errors\['distance'\] = 10 per cent .* towards the Sun's rest frame .* 13 to 18"
    with pytest.warns(UserWarning, match=reported):
        fit_reflex_observed(**biased(0, 0.1, 200))


def test_a_far_star_is_no_faster_than_light_within_its_errors():
    """A simulated halo has stars beyond 1e6 kpc, where the error of a proper motion is a speed above that of light."""
    stars = sky(60, 6)
    stars["distance"] = np.r_[2e6, stars["distance"][1:]]
    fit = fit_reflex_observed(**stars)
    expected = fit_reflex_observed(**without(stars, **{name: np.arange(60) == 0 for name in ("pm_l", "pm_b")}))
    assert fit.n_stars == 60 and fit.values == pytest.approx(expected.values, abs=0.01)
    stars["errors"]["pm_l"] = np.full(60, 1e-4)
    with pytest.raises(ValueError, match=r"pm_l\[0\] = .*that of light, within errors"):
        fit_reflex_observed(**stars)


def test_errors_of_what_is_not_measured_may_be_none():
    stars = sky(60, 5)
    expected = fit_reflex_observed(**stars | {"v_los": None})
    errors = stars["errors"] | {"v_los": None}
    assert np.array_equal(
        fit_reflex_observed(**stars | {"v_los": None, "errors": errors}).values, expected.values, equal_nan=True
    )
    with pytest.raises(ValueError, match=r"errors\['v_los'\] = None"):
        fit_reflex_observed(**stars | {"errors": errors})


@pytest.mark.parametrize("name", ["distance", *VELOCITIES])
def test_the_largest_errors_are_fitted(name):
    """A datum with the largest allowed error has no weight: the fit is as without it."""
    stars = sky(60, 6)
    error = np.array(stars["errors"][name])
    error[0] = observed_columns.MAX_ERRORS[name]
    fit = fit_reflex_observed(**stars | {"errors": stars["errors"] | {name: error}})
    of = ("pm_l", "pm_b") if name == "distance" else (name,)
    expected = fit_reflex_observed(**without(stars, **{key: np.arange(60) == 0 for key in of}))
    assert fit.values == pytest.approx(expected.values, abs=0.01)


@pytest.mark.parametrize("e_pm", [0.02, 0.3])
def test_errors_are_the_scatter_of_the_fits(e_pm):
    """200 skies of 200 stars, with a third of each observable missing: the scatter is known to 5 per cent."""
    fits = []
    for seed in range(200):
        rng = np.random.default_rng(seed + 1000)
        missing = {name: rng.random(200) < 1 / 3 for name in VELOCITIES}
        fits.append(fit_reflex_observed(**without(sky(200, seed, e_pm=e_pm), **missing)))
    values = np.array([fit.values for fit in fits])
    errors = np.array([np.sqrt(np.diag(fit.covariance)) for fit in fits])
    count = 6 if e_pm > 0.1 else 9
    ratio = np.sqrt(np.nanmean(errors**2, axis=0)) / values.std(axis=0, ddof=1)
    assert ratio[:count] == pytest.approx(1.0, abs=0.2)
    pull = (values - TRUTH)[:, :6].mean(axis=0) / values[:, :6].std(axis=0, ddof=1) * np.sqrt(200)
    assert np.abs(pull).max() < 4
    v_travel = np.array([fit.v_travel for fit in fits])
    assert np.mean([fit.errors["v_travel"] for fit in fits]) == pytest.approx(v_travel.std(ddof=1), rel=0.2)


def test_without_errors_the_observed_fit_is_the_plain_one():
    x, v = mock(TRUTH, 600, 3)
    l, b, d, v_los, pm_l, pm_b, errors = observe(x, v, seed=4, scale=1e-6)
    observed = fit_reflex_observed(l, b, d, v_los, pm_l, pm_b, errors)
    plain = fit_reflex(x, v)
    assert observed.n_stars == plain.n_stars
    assert (observed.r_min, observed.r_max) == (plain.r_min, plain.r_max)
    assert observed.values == pytest.approx(plain.values, abs=1e-3)
    assert observed.covariance == pytest.approx(plain.covariance, rel=1e-3, abs=1e-3)
    assert observed.covariance_plain == pytest.approx(plain.covariance_plain, rel=1e-3, abs=1e-3)
    none = dict.fromkeys(("distance", "v_los", "pm_l", "pm_b"), 0.0)
    exact = fit_reflex_observed(*observe(x, v, seed=4, scale=0.0)[:6], none)
    assert exact.values == pytest.approx(plain.values, abs=1e-6)


def test_both_fits_have_the_same_defaults():
    of = [inspect.signature(function).parameters for function in (fit_reflex, fit_reflex_observed)]
    for name in ("r_min", "r_max"):
        assert of[0][name].default == of[1][name].default


UNITS = {
    "l": (u.deg, u.rad, u.arcmin),
    "b": (u.deg, u.rad, u.arcsec),
    "distance": (u.kpc, u.pc, u.Mpc),
    "v_los": (u.km / u.s, u.m / u.s, u.pc / u.Myr),
    "pm_l": (u.mas / u.yr, u.arcsec / u.Gyr, u.rad / u.s),
    "pm_b": (u.mas / u.yr, u.deg / u.Gyr, u.uas / u.day),
}


@settings(max_examples=30)
@given(st.data())
def test_units_order_and_columns_without_a_number_do_not_change_the_fit(data):
    """Quantities in any unit, stars in any order, and additional stars without any velocity."""
    stars = without(sky(40, 9), v_los=np.arange(40) % 5 == 0, pm_b=np.arange(40) % 7 == 0)
    fit = fit_reflex_observed(**stars)
    order = np.array(data.draw(st.permutations(range(40))))
    changed, errors = {}, {"corr": stars["errors"]["corr"][order]}
    for name, (unit, *others) in UNITS.items():
        other = data.draw(st.sampled_from([None, unit, *others]))
        column = stars[name][order]
        changed[name] = column if other is None else (column * unit).to(other)
        if name in stars["errors"]:
            other = data.draw(st.sampled_from([None, unit, *others]))
            error = stars["errors"][name][order]
            errors[name] = error if other is None else (error * unit).to(other)
    again = fit_reflex_observed(**changed, errors=errors, sun_position=const.SUN_POSITION * u.kpc)
    assert again.values == pytest.approx(fit.values, rel=1e-6, abs=1e-6)
    assert again.covariance == pytest.approx(fit.covariance, rel=1e-5, abs=1e-4)
    assert again.n_measured == fit.n_measured


def places(name):
    """Positions of stars that do not constrain six velocities."""
    rng = np.random.default_rng(0)
    if name == "one place":
        return np.repeat([[60.0, 20.0, -40.0]], 60, axis=0)
    if name == "two places":
        return np.repeat([[60.0, 20.0, -40.0], [-30.0, 70.0, 10.0]], 30, axis=0)
    if name == "a cluster":
        return np.array([60.0, 20.0, -40.0]) + 1e-3 * rng.normal(size=(60, 3))
    if name == "a small field":
        return np.array([60.0, 20.0, -40.0]) * (1 + rng.uniform(0, 1, (60, 1))) + 0.5 * rng.normal(size=(60, 3))
    if name == "the z axis":
        return np.c_[np.zeros((60, 2)), np.linspace(60, 100, 60)]
    if name == "a line":
        return np.outer(np.linspace(60, 160, 60), [0.6, 0.0, 0.8])
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["one place", "two places", "a cluster", "a small field", "the z axis", "a line"])
@pytest.mark.parametrize("errors", [None, 1.0])
def test_skies_that_do_not_constrain_the_travel_velocity_are_refused(name, errors):
    x = places(name)
    v = np.random.default_rng(1).normal(0, 80, (60, 3))
    with pytest.raises(ValueError, match=r"positions = stars that leave .*(_travel|mean).* open \(.*\): allowed are"):
        fit_reflex(x, v) if errors is None else fit_reflex_observed(*observe(x, v, 2))


def test_many_stars_of_one_field_constrain_it():
    """A fifth of the sphere and 3,000 stars: the errors are large, and agree with the scatter."""
    rng = np.random.default_rng(3)
    l, b = rng.uniform(100, 160, 3000), rng.uniform(20, 60, 3000)
    x = const.SUN_POSITION + rng.uniform(60, 120, (3000, 1)) * sky_basis(l, b)[:, 0]
    fits = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 80, (3000, 3))
        fits.append(fit_reflex(x, noise - TRUTH[:3]))
    scatter = np.std([fit.vector for fit in fits], axis=0)
    assert scatter.max() > 3 * 80 / np.sqrt(3000)
    assert np.mean([np.sqrt(np.diag(fit.covariance))[:3] for fit in fits], axis=0) == pytest.approx(scatter, rel=0.4)


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("still", ["at rest", "along the model"])
def test_stars_without_scatter_are_refused(observed, still):
    x, _ = mock(TRUTH, 100, 4)
    v = np.zeros((100, 3))
    if still == "along the model":
        v = v - TRUTH[:3] + np.einsum("k,nki->ni", TRUTH[3:6], galactocentric_basis(x))
    with pytest.raises(ValueError, match="scatter"):
        if observed:
            l, b, d, *velocities, _ = observe(x, v, 5, scale=0.0)
            fit_reflex_observed(l, b, d, *velocities, dict.fromkeys(("distance", "v_los", "pm_l", "pm_b"), 0.0))
        else:
            fit_reflex(x, v)


def test_fits_of_few_stars_with_large_errors_converge():
    """In some of these, plain Fisher scoring oscillates for ever."""
    for seed in range(60):
        for e_pm in (0.5, 3.0):
            fit = fit_reflex_observed(**sky(20, seed, e_pm=e_pm))
            assert np.isfinite(fit.vector).all()


@pytest.mark.parametrize("correlation", [-0.99, 0.0, 0.7])
def test_the_likelihood_of_a_star_is_that_of_a_normal_distribution(correlation):
    """For variances 1, 4 and 9 and two dispersions; a singular covariance has no likelihood."""
    design = np.random.default_rng(1).normal(size=(1, 3, 6))
    theta, data = np.arange(6.0), np.array([[3.0, -1.0, 2.0]])
    noise, everything = np.array([[1.0, 4.0, 9.0]]), np.ones((1, 3), bool)

    def value(correlation, noise, variance):
        mixed = correlation * np.sqrt(noise[:, 1] * noise[:, 2])
        problem = reflex_observed._Problem(design, data, noise, mixed, everything, np.ones(3))
        state = reflex_observed._evaluate(problem, theta, np.array(variance))
        return None if state is None else state.value

    for variance in ([0.0, 0.0, 0.0], [25.0, 16.0, 0.0]):
        covariance = np.diag(noise[0] + variance)
        covariance[1, 2] = covariance[2, 1] = 6.0 * correlation
        expected = multivariate_normal.logpdf(data[0] - design[0] @ theta, cov=covariance)
        assert value(correlation, noise, variance) == pytest.approx(expected)
    for singular in (-1.0, 1.0):
        assert value(singular, noise, [1.0, 0.0, 0.0]) is None
        assert value(singular, noise, [1.0, 0.1, 0.0]) is not None
    for k in range(3):
        assert value(correlation, noise * (np.arange(3) != k), np.zeros(3)) is None


def test_a_star_is_fitted_at_nearly_the_speed_of_light_and_refused_above_it():
    stars = sky(50, 10)
    light = stars["v_los"].copy()
    light[0] = -2.9e5
    assert np.isfinite(fit_reflex_observed(**stars | {"v_los": light}).v_travel)
    light[0] = -3.1e5
    with pytest.raises(ValueError, match=r"v_los\[0\] = .*at most 299792 km/s"):
        fit_reflex_observed(**stars | {"v_los": light})


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(reflex_observed, "MAX_STEPS", 2)
    with pytest.raises(ValueError, match="does not converge in 2 steps"):
        fit_reflex_observed(**sky(50, 9))


GOOD = sky(50, 10)
ERRORS = {"distance": 1.0, "v_los": 1.0, "pm_l": 1.0, "pm_b": 1.0}
MASKED = np.ma.masked_array(np.ones(50), np.arange(50) < 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({name: 5.0}, f"{name} = a number: allowed is the shape") for name in VELOCITIES),
        ({"v_los": np.nan}, "v_los = a number: allowed is the shape"),
        ({"errors": ERRORS | {"v_los": 1e100}}, r"errors\['v_los'\].* = 1e\+100.* allowed is .* to 100000 km/s"),
        ({"errors": ERRORS | {"pm_b": 1.1e4}}, r"errors\['pm_b'\].* = 11000.* to 10000 mas/yr"),
        ({"errors": ERRORS | {"distance": 1e200}}, r"errors\['distance'\].* = 1e\+200.* to 1e\+20 kpc"),
        ({"distance": GOOD["distance"] * 1e100}, r"distance\[0\] = .*: allowed is .* to 1e\+20 kpc"),
        ({"v_los": GOOD["v_los"] - 4e5}, r"v_los\[0\] = .*at most 299792 km/s, that of light"),
        ({"pm_l": GOOD["pm_l"] + 1e4}, r"pm_l\[0\] = .*a speed at this distance of at most 299792 km/s"),
        ({"sun_velocity": [0, 3e5, 0]}, r"sun_velocity\[1\] = 300000"),
        ({"errors": {"distance": 1.0}}, "errors lacks v_los, pm_l, pm_b"),
        ({"errors": 5.0}, "errors = 5.0: allowed is a mapping"),
        ({"errors": {"distance": 1.0}, "v_los": None}, "errors lacks pm_l, pm_b"),
        ({"errors": ERRORS | {"speed": 1.0}}, "errors holds 'speed'"),
        ({"errors": ERRORS | {"v_los": -2}}, r"errors\['v_los'\].* = -2"),
        ({"errors": ERRORS | {"v_los": np.where(np.arange(50) == 4, np.nan, 1)}}, r"errors\['v_los'\]\[4\] = nan"),
        ({"errors": ERRORS | {"pm_l": MASKED}}, r"errors\['pm_l'\] = 3 masked"),
        ({"errors": ERRORS | {"pm_l": np.ones(4)}}, r"errors\['pm_l'\] = an array of shape \(4,\)"),
        ({"errors": ERRORS | {"corr": 1.5}}, r"errors\['corr'\].* = 1.5"),
        ({"errors": ERRORS | {"distance": 3 * u.deg}}, r"errors\['distance'\] = numbers in deg"),
        ({"l": np.full(50, np.nan)}, r"l\[0\] = nan"),
        ({"l": MASKED}, "l = 3 masked"),
        ({"b": np.full(50, 95.0)}, r"b\[0\] = 95"),
        ({"distance": np.full(50, -1.0)}, r"distance\[0\] = -1"),
        ({"distance": np.full(50, np.nan)}, r"distance\[0\] = nan"),
        ({"distance": GOOD["distance"] * u.mas}, "distance = numbers in mas"),
        ({"pm_l": np.full(50, np.inf)}, r"pm_l\[0\] = inf"),
        ({"v_los": np.ones(3)}, r"v_los = an array of shape \(3,\)"),
        ({"r_min": 1e4}, "stars = 0 of 50"),
        ({"r_min": 60 * u.deg}, "r_min = numbers in deg"),
        ({"sun_position": -8.3}, "sun_position = a number"),
        ({"sun_velocity": [11.1, np.nan, 7.2]}, r"sun_velocity\[1\] = nan"),
        ({"v_los": None, "pm_l": None, "pm_b": None}, "stars = 0 of 50 at .* with a measured velocity"),
        ({"v_los": GOOD["v_los"] * 1e200}, r"v_los\[0\] = .* that of light"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        fit_reflex_observed(**(GOOD | change))
