"""Arguments are paired by names and indices: rows by their index, components by name."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import QTable

import mwlmc_data as mw
from mwlmc_data.simulator import fit_reflex, fit_reflex_observed
from mwlmc_data.simulator.stars import Halo

N = 300
_RNG = np.random.default_rng(5)
_DIRECTION = _RNG.normal(size=(N, 3))
X = _DIRECTION / np.linalg.norm(_DIRECTION, axis=1)[:, None] * _RNG.uniform(60, 200, N)[:, None]
V = _RNG.normal(0.0, 80.0, (N, 3))
POSITIONS, VELOCITIES = pd.DataFrame(X, columns=["x", "y", "z"]), pd.DataFrame(V, columns=["vx", "vy", "vz"])
INDEX = "with another index than those of"
FIT = fit_reflex(X, V)


def same(fit):
    np.testing.assert_allclose(fit.values, FIT.values, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("velocities", [VELOCITIES[::-1], VELOCITIES.set_index(np.arange(N) + 1)])
def test_positions_and_velocities_of_other_indices_are_refused(velocities):
    for take in (fit_reflex, Halo):
        with pytest.raises(ValueError, match=f"velocities = rows {INDEX} positions: allowed"):
            take(POSITIONS, velocities)
    with pytest.raises(ValueError, match=f"weights = rows {INDEX} positions"):
        fit_reflex(POSITIONS, V, weights=pd.Series(np.ones(N))[::-1])
    same(fit_reflex(POSITIONS[::-1].loc[VELOCITIES.index], VELOCITIES, weights=pd.Series(np.ones(N))))
    same(fit_reflex(POSITIONS.set_index(np.arange(N) + 1), V))


def test_columns_of_an_observed_fit_of_other_indices_are_refused():
    l, b = (pd.Series(values) for values in (np.degrees(np.arctan2(X[:, 1], X[:, 0])), np.linspace(-80.0, 80.0, N)))
    errors = {"distance": 1.0, "v_los": 5.0, "pm_l": 0.1, "pm_b": 0.1}
    rest = pd.Series(np.full(N, 90.0)), pd.Series(V[:, 0]), V[:, 1] / 400, V[:, 2] / 400
    fit = fit_reflex_observed(l, b, *rest, errors)
    arrays = fit_reflex_observed(*(np.asarray(c) for c in (l, b, *rest)), errors)
    assert np.array_equal(fit.values, arrays.values, equal_nan=True)
    with pytest.raises(ValueError, match=f"distance = rows {INDEX} l"):
        fit_reflex_observed(l, b, rest[0][::-1], *rest[1:], errors)
    with pytest.raises(ValueError, match=rf"errors\['v_los'\] = rows {INDEX} l"):
        fit_reflex_observed(l, b, *rest, errors | {"v_los": pd.Series(np.ones(N), index=np.arange(N)[::-1])})


@pytest.mark.parametrize(
    "table",
    [
        POSITIONS,
        POSITIONS[["z", "x", "y"]],
        pa.Table.from_pandas(POSITIONS),
        pa.Table.from_pandas(POSITIONS[["y", "z", "x"]]),
        QTable({name: X[:, i] * u.kpc for i, name in enumerate("xyz")}),
        QTable({name: X[:, i] * 1e3 * u.pc for i, name in ((2, "z"), (0, "x"), (1, "y"))}),
        np.rec.fromarrays(X.T, names="x,y,z"),
        {"z": X[:, 2], "y": X[:, 1], "x": X[:, 0]},
        pd.DataFrame(X),
        pd.DataFrame(X, columns=["X_gal", "Y_gal", "Z_gal"]),
        X * u.kpc,
        X.tolist(),
        [row for _, row in pd.DataFrame(X).iterrows()],
    ],
)
def test_components_go_by_their_names(table):
    same(fit_reflex(table, VELOCITIES[["vy", "vx", "vz"]]))
    np.testing.assert_allclose(Halo(table, V).positions, X, rtol=1e-6)


@pytest.mark.parametrize("columns", [["x", "y", "vx"], ["y", "x", "r"], ["x", "x", "y"]])
def test_names_that_are_not_all_of_the_components_are_refused(columns):
    with pytest.raises(ValueError, match=r"positions = columns .*: allowed are x, y, z"):
        fit_reflex(pd.DataFrame(X, columns=columns), V)
    with pytest.raises(ValueError, match=r"positions = columns x, y, z, vx, vy, vz: allowed are x, y, z"):
        fit_reflex(pd.concat([POSITIONS, VELOCITIES], axis=1), V)
    with pytest.raises(ValueError, match="positions = 2 columns: allowed are three, x, y, z"):
        fit_reflex(pd.DataFrame(X[:, :2]), V)


OBSERVED = {"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}


class TestLmcOfAnInference:
    def test_the_parameters_of_a_simulation_are_its_lmc(self):
        parameters = mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0, distance_lmc=52.0, ra_lmc=78.0,
                                   dec_lmc=-69.0, v_los_lmc=262.0, pm_ra_lmc=1.9, pm_dec_lmc=0.23)  # fmt: skip
        place = {name: getattr(parameters, name) for name in ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")}
        by_parameters = mw.infer(OBSERVED, lmc=parameters, n=20)
        for lmc in (place, pd.Series(place)):
            assert by_parameters.samples.equals(mw.infer(OBSERVED, lmc=lmc, n=20).samples)
        assert not by_parameters.samples.equals(mw.infer(OBSERVED, n=20).samples)

    @pytest.mark.parametrize("lmc", [5, "observed", [1.0] * 6, np.zeros(6), object()])
    def test_what_is_not_an_lmc_is_refused_by_name(self, lmc):
        with pytest.raises(ValueError, match=r"^lmc = .*: allowed is"):
            mw.infer(OBSERVED, lmc=lmc)
