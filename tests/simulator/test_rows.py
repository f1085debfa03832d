"""Tables that users simulate: every container gives the same rows, and no column or cell is silently misread."""

import re
import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.dataset import schema
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import many
from mwlmc_data.simulator.frames import sky_to_galactocentric
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, SKY_NAMES, rounded_limits
from mwlmc_data.simulator.potentials import AGREEMENT, concentration, lmc_scale_radius
from mwlmc_data.simulator.rows import _differences, read_row, read_table
from tests.helpers.containers import CONTAINERS

DRAWS = mw.Prior("gaussian").sample(40, seed=3)
MASSES = {"m200_mw": 9.1e11, "m_lmc": 2.3e11, "log10_lambda_df": 0.7}


def rows_of(table, **options):
    """Rows and ids of a table, read without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_table("table", table, options.get("derived", "checked"))


@pytest.fixture(scope="module")
def catalogue():
    return mw.load_catalogue("test")


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same_rows(container):
    table = DRAWS.astype(float).assign(sim_id=np.arange(7, 47))
    rows, ids = rows_of(CONTAINERS[container](table))
    assert ids.tolist() == list(range(7, 47))
    expected, _ = rows_of(table)
    assert [list(row) for row in rows] == [list(row) for row in expected]
    np.testing.assert_allclose([list(r.values()) for r in rows], [list(r.values()) for r in expected], rtol=1e-13)
    if "units" not in container:
        assert rows == expected


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 4),
    config=st.sampled_from(["gaussian", "flat", "wide"]),
    left_out=st.sets(st.sampled_from(["beta0", "r_dehnen", "m_lmc_8p7"])),
    as_vector=st.booleans(),
    pair=st.tuples(st.sampled_from(sorted(CONTAINERS)), st.sampled_from(sorted(CONTAINERS))),
)
def test_a_random_table_is_the_same_in_any_two_containers(seed, n, config, left_out, as_vector, pair):
    table = mw.Prior(config).sample(n, seed=seed).astype(float).drop(columns=sorted(left_out))
    if as_vector:
        vectors = sky_to_galactocentric(*(table[name].to_numpy() for name in SKY_NAMES))
        table = table.drop(columns=[*SKY_NAMES]).assign(**dict(zip(CARTESIAN_NAMES, vectors.T, strict=True)))
    first, second = (rows_of(CONTAINERS[container](table))[0] for container in pair)
    assert [list(row) for row in first] == [list(row) for row in second] == [[*table]] * n
    np.testing.assert_allclose([[*r.values()] for r in first], [[*r.values()] for r in second], rtol=1e-12)


def test_units_in_the_metadata_of_arrow_are_converted():
    """As in the files of this package, which state the units of the schema."""
    table = pa.table({**{n: [v] for n, v in MASSES.items()}, "r_dehnen": [11000.0]})
    field = pa.field("r_dehnen", pa.float64(), metadata={"unit": "pc"})
    given = table.set_column(3, field, table["r_dehnen"])
    assert rows_of(given)[0] == [MASSES | {"r_dehnen": 11.0}]
    wrong = table.set_column(3, field.with_metadata({"unit": "km/s"}), table["r_dehnen"])
    with pytest.raises(ValueError, match=r"table\['r_dehnen'\] = numbers in km/s: allowed is a unit of length"):
        rows_of(wrong)
    hidden = table.set_column(3, field, pa.array([None], pa.float64()))
    with pytest.raises(ValueError, match=r"table\['r_dehnen'\] = 1 masked or missing value"):
        rows_of(hidden)


def test_polars_and_xarray_where_they_are_installed():
    polars, xarray = pytest.importorskip("polars"), pytest.importorskip("xarray")
    expected, _ = rows_of(DRAWS)
    assert rows_of(polars.from_pandas(DRAWS))[0] == expected
    assert rows_of(xarray.Dataset.from_dataframe(DRAWS))[0] == expected


@pytest.mark.parametrize("format", ["pandas", "arrow", "datasets", "numpy", "torch"])
def test_a_catalogue_is_a_table_as_it_is_loaded(format):
    if format == "torch":
        pytest.importorskip("torch")
    rows, ids = rows_of(mw.load_catalogue("train", budget=1000, format=format))
    assert len(rows) == 1000 and ids[0] == 20
    assert set(rows[0]) == {*schema.DRAWN, "c200", "a_lmc"}


@pytest.mark.parametrize("config", ["gaussian", "flat", "wide"])
def test_no_row_of_a_catalogue_is_contradictory(config):
    table = mw.load_catalogue(config=config)
    rows, _ = rows_of(table)
    for name in ("c200", "a_lmc", *SKY_NAMES):
        np.testing.assert_array_equal([row[name] for row in rows], table[name].to_numpy())


WRONG = {
    "NaN": (lambda x: np.nan, "nan"),
    "infinite": (lambda x: np.inf, "inf"),
    "too large": (lambda x: 1e30, "1e+30"),
    "None": (lambda x: None, ""),
    "text": (lambda x: str(x), ""),
    "a boolean": (lambda x: True, "True"),
    "complex": (lambda x: x + 1j, ""),
    "masked": (lambda x: np.ma.masked, "masked"),
}


@given(
    i=st.integers(0, len(DRAWS) - 1),
    name=st.sampled_from(schema.DRAWN),
    wrong=st.sampled_from(sorted(WRONG)),
    container=st.sampled_from(["a list of rows", "pandas", "a dict of lists", "arrow", "astropy", "numpy, masked"]),
)
def test_one_bad_cell_is_always_refused_by_column_and_row(i, name, wrong, container):
    """For any fault of one cell and any container."""
    change, _ = WRONG[wrong]
    values = DRAWS[name].astype(float).tolist()
    bad = [*values[:i], change(values[i]), *values[i + 1 :]]
    columns = {n: DRAWS[n].astype(float).tolist() for n in DRAWS}
    if container == "pandas":
        table = DRAWS.assign(**{name: pd.Series([np.nan if x is np.ma.masked else x for x in bad], dtype=object)})
    elif container in ("arrow", "astropy", "numpy, masked") and wrong in ("NaN", "infinite", "too large", "masked"):
        hidden = np.arange(len(bad)) == i
        column = np.array([values[i] if x is np.ma.masked else x for x in bad])
        mask = hidden if wrong == "masked" else np.zeros_like(hidden)
        if container == "arrow":
            table = pa.table(columns).set_column(0, name, pa.array(column, mask=mask))
            table = (
                table.select([name, *(n for n in columns if n != name)])
                if name == "m200_mw"
                else (pa.table({**{n: pa.array(v) for n, v in columns.items()}, name: pa.array(column, mask=mask)}))
            )
        elif container == "astropy":
            table = Table({**columns, name: MaskedColumn(column, mask=mask)})
        else:
            table = np.ma.array(DRAWS.astype(float).to_records(index=False))
            table[name] = np.ma.array(column, mask=mask)
    elif container == "a list of rows":
        table = [{**{n: v[k] for n, v in columns.items()}, name: bad[k]} for k in range(len(bad))]
    else:
        table = columns | {name: bad}
    with pytest.raises(ValueError) as error:
        mw.simulate_many(table, n_stars=600, workers=1, progress=False)
    said = str(error.value)
    assert name in said and (f"[{i}]" in said or f"sim_id = {i} " in said), said


@given(st.data())
def test_a_column_by_another_name_is_refused_with_the_nearest(data):
    name = data.draw(st.sampled_from(schema.DRAWN))
    other = data.draw(st.sampled_from([name.upper(), name + "_", name[:-1], name.title()]))
    with pytest.raises(ValueError, match=f"parameters_table holds '{other}': allowed is sim_id, m200_mw") as error:
        mw.simulate_many(DRAWS.rename(columns={name: other}), progress=False)
    assert "do you mean" in str(error.value)


@pytest.mark.parametrize("name", ["m200_mw", "m_lmc", "log10_lambda_df"])
def test_columns_without_a_default_are_required(name):
    with pytest.raises(ValueError, match=f"parameters_table lacks {name}: allowed is all of m200_mw, m_lmc, log10"):
        mw.simulate_many(DRAWS.drop(columns=name), progress=False)


def test_columns_with_a_default_may_be_missing_but_not_empty():
    (row,), _ = rows_of([MASSES])
    assert row == MASSES
    assert mw.Parameters(**row).r_dehnen == 12.5
    with pytest.raises(ValueError, match=r"parameters_table\['r_dehnen'\]\[0\] = nan: allowed is a finite number"):
        mw.simulate_many([MASSES | {"r_dehnen": None}], progress=False)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "parameters_table = None: allowed is a table of pandas"),
        ("m_lmc", "parameters_table = 'm_lmc': allowed is a table"),
        (DRAWS.iloc[0], "allowed is a table"),
        (DRAWS.to_numpy(), "allowed is a table"),
        ([], "parameters_table = []: allowed is a table"),
        ([1.0], "parameters_table = [1.0]: allowed is a table"),
        (MASSES, "parameters_table['m200_mw'] = a number: allowed is the shape (n,)"),
        ({**MASSES, "m_lmc": [1e11, 2e11], "m200_mw": [1e12]}, "allowed is the shape (1,)"),
        ([MASSES, MASSES | {"beta0": 0.1}], "parameters_table[1] differs from the first row in the columns ['beta0']"),
        (pd.concat([DRAWS, DRAWS["m_lmc"]], axis=1), "has the column 'm_lmc' more than once"),
        (DRAWS.rename(columns={"m_lmc": 5}), "has a column 5: allowed are column names that are text"),
        (pd.DataFrame({("a", "b"): [1.0]}), "has a column ('a', 'b')"),
        (QTable({**{n: [v] for n, v in MASSES.items()}, "r_dehnen": [1.0] * u.km / u.s}), "numbers in km / s: allowed"),
        (DRAWS.drop(columns=["ra_lmc", "dec_lmc"]), "lacks ra_lmc, dec_lmc: allowed is all of the LMC's"),
        (pd.DataFrame([MASSES | {"x_lmc": 1.0}]), "lacks y_lmc, z_lmc, vx_lmc, vy_lmc, vz_lmc: allowed is all"),
    ],
)
def test_what_is_not_a_table_of_parameters_is_refused_by_name(table, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        mw.simulate_many(table, progress=False)
    assert str(error.value).startswith("parameters_table")


def test_ids_are_returned_as_given():
    for ids, dtype in (([2**31 - 1, 0], "int32"), ([2**31, 1], "int64"), ([2**62 + 1, 1], "int64")):
        made = mw.simulate_many(DRAWS[:2].assign(sim_id=ids), n_stars=600, workers=1, progress=False)
        assert made["sim_id"].tolist() == ids and made["sim_id"].dtype == dtype
    for ids, says in (
        ([1.2, 1.7], "parameters_table['sim_id'][0] = 1.2"),
        ([0, -1], "parameters_table['sim_id'][1] = -1"),
        ([True, False], "parameters_table['sim_id'][0] = True"),
        ([2**63, 0], f"parameters_table['sim_id'][0] = {2**63}"),
        ([1, None], "parameters_table['sim_id'][1] = nan"),
        ([3, 3], "sim_id = 3 repeats: allowed is each once"),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            mw.simulate_many(DRAWS[:2].assign(sim_id=ids), progress=False)
    with pytest.raises(ValueError, match=re.escape("['sim_id'] = 3 numbers: allowed is one for each of the 2 rows")):
        mw.simulate_many(DRAWS[:2].to_dict("list") | {"sim_id": [1, 2, 3]}, progress=False)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a", "a"], name="which"),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"]),
        pd.Index([7, 3]),
        pd.RangeIndex(2),
    ],
)
def test_the_index_is_kept(index):
    made = mw.simulate_many(DRAWS[:2].set_index(index), n_stars=600, workers=1, progress=False)
    pd.testing.assert_index_equal(made.index, index, exact="equiv")
    assert made["sim_id"].tolist() == [0, 1]


def test_containers_simulate_to_the_same_stars(catalogue):
    rows = catalogue.iloc[:2]
    made = [
        mw.simulate_many(CONTAINERS[name](table), n_stars=600, workers=1, progress=False)
        for table in (rows.drop(columns=["split", "simulator_version"]), rows[[*schema.DRAWN, "sim_id"]])
        for name in ("pandas", "arrow", "astropy", "a list of rows")
    ]
    for other in made[1:]:
        pd.testing.assert_frame_equal(other.reset_index(drop=True), made[0].reset_index(drop=True))


def row_of(table, i=3):
    return table.iloc[[i]]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"m_lmc": 3e11}, "a_lmc"),
        ({"m_lmc_8p7": 1e10}, "a_lmc"),
        ({"a_lmc": 30.0}, "a_lmc"),
        ({"m200_mw": 8e11}, "c200"),
        ({"c200": 9.0}, "c200"),
        ({"coulomb_log": 3.0}, "coulomb_log"),
    ],
)
def test_derived_values_of_a_changed_row_are_recomputed(catalogue, change, column):
    row = row_of(catalogue).assign(**change)
    place = f"parameters_table['{column}']"
    with pytest.warns(UserWarning, match=re.escape(place)) as caught:
        made = mw.simulate_many(row, n_stars=600, workers=1, progress=False).iloc[0]
    assert caught[0].filename == __file__
    masses = {name: np.float32(row[name].iloc[0]) for name in ("m200_mw", "m_lmc", "m_lmc_8p7")}
    assert made["c200"] == pytest.approx(concentration(float(masses["m200_mw"])), rel=1e-6)
    assert made["a_lmc"] == pytest.approx(lmc_scale_radius(masses["m_lmc"], masses["m_lmc_8p7"]), rel=1e-6)
    with pytest.warns(UserWarning, match=re.escape(f"row['{column}']")):
        assert mw.Parameters.from_row(row.iloc[0]).a_lmc == pytest.approx(made["a_lmc"], rel=1e-6)


def test_several_contradictions_are_counted_and_the_first_is_named(catalogue):
    table = catalogue[:5].assign(m_lmc=lambda t: np.where(t["sim_id"] > 1, 3e11, t["m_lmc"]))
    with pytest.warns(UserWarning, match=re.escape("table['a_lmc'][2] = ")) as caught:
        rows, _ = read_table("table", table, "checked")
    assert len(caught) == 1 and "(and 2 more of 5)" in str(caught[0].message)
    assert ["a_lmc" in row for row in rows] == [True, True, False, False, False]


def test_a_scale_radius_of_zero_is_refused_by_its_name_beside_a_coulomb_logarithm():
    table = [MASSES | {"a_lmc": 0.0, "coulomb_log": 1.0}]
    assert rows_of(table)[0] == [MASSES | {"a_lmc": 0.0}]
    with pytest.raises(ValueError, match=r"sim_id = 0 .*a_lmc = 0\.?0?: allowed is"):
        mw.simulate_many(table, progress=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"beta0": -0.1}, "beta0 = -0.1"),
        ({"beta0": 1.1}, "beta0 = 1.1"),
        ({"m_lmc_8p7": 2.4e11}, "m_lmc_8p7"),
        ({"m_lmc_8p7": 2.3e11}, "m_lmc_8p7"),
    ],
)
def test_values_that_are_not_allowed_are_refused_before_the_first_simulation(monkeypatch, change, says):
    monkeypatch.setattr(many, "_map", lambda *_: pytest.fail("a simulation began"))
    good = MASSES | {"beta0": 0.5, "m_lmc_8p7": 1.7e10}
    with pytest.raises(ValueError, match=f"sim_id = 2 .*{re.escape(says)}"):
        mw.simulate_many([good, good, good | change], workers=1, progress=False)


@pytest.mark.parametrize("mass", [1e7, 1e12])
def test_an_inner_mass_at_its_limit_is_recomputed_from_a_scale_radius_that_counts(mass):
    assert rounded_limits("m_lmc_8p7") == (1e7, 1e12)
    given = MASSES | {"a_lmc": 20.0}
    assert rows_of([given | {"m_lmc_8p7": mass}], derived="given")[0] == [given]


def test_derived_values_count_where_the_caller_says_so(catalogue):
    row = row_of(catalogue).assign(c200=9.0, a_lmc=30.0).drop(columns="coulomb_log")
    (kept,), _ = rows_of(row, derived="given")
    assert (kept["c200"], kept["a_lmc"]) == (9.0, 30.0)
    assert mw.Parameters.from_row(row.iloc[0], derived="given").c200 == 9.0
    with pytest.raises(ValueError, match="derived = 'keep': allowed is 'checked', 'given'"):
        mw.simulate_many(row, derived="keep", progress=False)


def test_a_users_table_may_give_scales_but_not_twice():
    table = [MASSES | {"c200": 11.0, "a_lmc": 20.0}]
    made = mw.simulate_many(table, n_stars=600, workers=1, progress=False).iloc[0]
    assert (made["c200"], made["a_lmc"]) == (11.0, 20.0)
    assert lmc_scale_radius(made["m_lmc"], made["m_lmc_8p7"]) == pytest.approx(20.0, rel=1e-5)
    twice = [table[0] | {"m_lmc_8p7": 1.7e10}]
    says = "parameters_table['a_lmc'][0] = 20 where m_lmc = 2.3e+11 and m_lmc_8p7 = 1.7e+10 give 23.3"
    with pytest.raises(ValueError, match=re.escape(says)):
        mw.simulate_many(twice, progress=False)
    assert rows_of(twice, derived="given")[0] == table  # m_lmc_8p7 is recomputed from a_lmc, which counts
    with pytest.raises(ValueError, match=r"m_lmc_8p7 = -1.0: allowed is"):
        mw.Parameters(**rows_of([table[0] | {"m_lmc_8p7": -1.0}], derived="given")[0][0])


@pytest.mark.parametrize("a_lmc", [10.0, 23.3, 33.0])
def test_scales_given_twice_to_parameters_are_refused_unless_they_agree(a_lmc):
    both = MASSES | {"m_lmc_8p7": 1e10, "a_lmc": a_lmc}
    says = f"a_lmc = {a_lmc:g} kpc where m_lmc = 2.3e+11 and m_lmc_8p7 = 1e+10 give 33.0"
    with pytest.raises(ValueError, match=re.escape(says)):
        mw.Parameters(**both)
    right = lmc_scale_radius(2.3e11, 1e10)
    assert mw.Parameters(**both | {"a_lmc": right}).a_lmc == right


def test_released_rows_hold_both_scales_and_are_accepted(catalogue):
    for row in catalogue[["m200_mw", "m_lmc", "log10_lambda_df", "m_lmc_8p7", "a_lmc"]].to_dict("records"):
        assert mw.Parameters(**row).a_lmc == row["a_lmc"]


TWO, IDS = DRAWS[:2], (5, 3)


@pytest.fixture(scope="module")
def of_ids():
    return mw.simulate_many(TWO.assign(sim_id=IDS), n_stars=600, workers=1, progress=False)


class TestIdsInTheIndex:
    @pytest.mark.parametrize(
        "index",
        [
            pd.Index(IDS, name="sim_id"),
            pd.MultiIndex.from_arrays([["a", "b"], IDS], names=["group", "sim_id"]),
        ],
    )
    @pytest.mark.parametrize("with_column", [False, True])
    def test_a_level_called_sim_id_keys_the_streams(self, of_ids, index, with_column):
        table = TWO.set_index(index)
        table = table.assign(sim_id=IDS) if with_column else table
        for each in (table, dict(table)):
            made = mw.simulate_many(each, n_stars=600, workers=1, progress=False)
            assert made.index.equals(index) and made.index.names == index.names
            pd.testing.assert_frame_equal(made.reset_index(drop=True), of_ids)

    def test_an_index_without_that_name_is_not_an_id(self):
        _, ids = read_table("table", TWO.set_index(pd.Index(IDS)), "checked")
        assert ids is None

    def test_a_column_that_differs_is_refused(self):
        table = TWO.set_index(pd.Index(IDS, name="sim_id")).assign(sim_id=[3, 5])
        with pytest.raises(ValueError, match="parameters_table = a column and an index sim_id that differ: allowed is"):
            mw.simulate_many(table, progress=False)

    def test_an_index_that_does_not_hold_ids_is_refused_by_its_name(self):
        table = TWO.set_index(pd.Index([0.5, 1.0], name="sim_id"))
        with pytest.raises(ValueError, match=re.escape("table.index['sim_id'][0] = 0.5: allowed is whole")):
            mw.simulate_many(table, progress=False)


def test_columns_of_other_indices_are_refused():
    table = dict(DRAWS[:3]) | {"m_lmc": DRAWS["m_lmc"][:3][::-1]}
    with pytest.raises(ValueError, match=r"parameters_table\[.*\] = rows with another index than those of"):
        mw.simulate_many(table, progress=False)


CHANGES = st.sampled_from([*SKY_NAMES, *CARTESIAN_NAMES])


@given(i=st.integers(0, 9), name=CHANGES, by=st.floats(0.02, 0.3) | st.floats(-0.3, -0.02))
def test_the_lmc_of_a_catalogue_moves_with_any_one_number_that_is_changed(catalogue, i, name, by):
    row = catalogue.iloc[[i]]
    scale = {"x": 50.0, "y": 50.0, "z": 50.0}.get(name[0], 300.0) if name in CARTESIAN_NAMES else abs(row[name].iloc[0])
    changed = row.assign(**{name: row[name].astype(float) + by * scale})
    mine, other = (SKY_NAMES, CARTESIAN_NAMES) if name in SKY_NAMES else (CARTESIAN_NAMES, SKY_NAMES)
    with pytest.warns(UserWarning, match=f"at two places.*: {name} changed and {', '.join(mine)} count"):
        ((got,), _) = read_table("table", changed, "checked")
    assert {n: got[n] for n in mine} == {n: float(changed[n].iloc[0]) for n in mine}
    assert not set(other) & set(got)


@settings(max_examples=40)
@given(
    place=st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-80, 80), st.floats(20, 200)),
    motion=st.tuples(st.floats(50, 400) | st.floats(-400, -50), st.floats(-3, 3), st.floats(-3, 3)),
    by=st.floats(3, 30) | st.floats(-30, -3),
    name=st.sampled_from(["v_los_lmc", "pm_ra_lmc", "pm_dec_lmc", "distance_lmc", *CARTESIAN_NAMES]),
)
def test_an_lmc_given_twice_agrees_to_single_precision_wherever_it_goes(place, motion, by, name):
    """Also where it approaches us; and a number that is off by three to thirty tolerances is noticed."""
    sky = dict(zip(SKY_NAMES, [*place, *motion], strict=True))
    vector = sky_to_galactocentric(*(np.array([x]) for x in sky.values()))[0].astype(np.float32)
    both = MASSES | sky | dict(zip(CARTESIAN_NAMES, vector.tolist(), strict=True))
    assert {n: rows_of([both])[0][0][n] for n in SKY_NAMES} == sky
    speed = np.linalg.norm(vector[3:] - const.SUN_VELOCITY)
    units = dict.fromkeys(CARTESIAN_NAMES[:3], np.linalg.norm(vector[:3]))
    units |= dict.fromkeys(CARTESIAN_NAMES[3:], np.linalg.norm(vector[3:]))
    units |= {"distance_lmc": place[2], "v_los_lmc": speed}
    units |= dict.fromkeys(("pm_ra_lmc", "pm_dec_lmc"), speed / (const.KMS_PER_MASYR_KPC * place[2]))
    changed = both | {name: both[name] + by * AGREEMENT * units[name]}
    found = _differences({n: np.array([x]) for n, x in changed.items()}, SKY_NAMES, CARTESIAN_NAMES)
    names, off = (SKY_NAMES, found[1]) if name in SKY_NAMES else (CARTESIAN_NAMES, found[0])
    assert off[0].tolist() == [n == name for n in names]


def test_an_lmc_at_two_places_is_refused_where_it_is_unclear_which_is_meant(catalogue):
    other = catalogue.iloc[[8]]
    for change in (
        {n: other[n].to_numpy() for n in CARTESIAN_NAMES},  # another frame, for example
        {n: other[n].to_numpy() for n in ("v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")},
        {"x_lmc": 30.0, "distance_lmc": 40.0},
    ):
        row = row_of(catalogue).assign(**change)
        with pytest.raises(
            ValueError, match=r"parameters_table = the LMC at two places in row 0, by .*allowed is one of"
        ):
            mw.simulate_many(row, progress=False)
        with pytest.raises(ValueError, match="row = the LMC at two places in it, by x_lmc"):
            mw.Parameters.from_row(row.iloc[0])
    part = row_of(catalogue).drop(columns=["y_lmc"])
    assert set(SKY_NAMES) <= set(rows_of(part)[0][0])
    with pytest.raises(ValueError, match="at two places"):
        read_table("table", part.assign(x_lmc=30.0), "checked")


@pytest.mark.parametrize(
    "row",
    [
        MASSES,
        pd.Series(MASSES),
        pd.DataFrame([MASSES]).iloc[0],
        Table([MASSES])[0],
        QTable({"m200_mw": [9.1e11] * u.Msun, "m_lmc": [2.3e11] * u.Msun, "log10_lambda_df": [0.7]})[0],
        pd.DataFrame([MASSES]).to_records(index=False)[0],
        next(pd.DataFrame([MASSES]).itertuples(index=False)),
        {name: pa.scalar(value) for name, value in MASSES.items()},
    ],
)
def test_a_row_may_come_from_any_table(row):
    assert mw.Parameters.from_row(row) == mw.Parameters(**MASSES)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (MASSES | {"m_smc": 1e9}, "row holds 'm_smc'"),
        ({"m_lmc": 1e11, "m200_mw": 1e12}, "row lacks log10_lambda_df"),
        (MASSES | {"c200": float("nan")}, "row['c200'] = nan: allowed is a finite number"),
        (MASSES | {"m_lmc": "2.3e11"}, "row['m_lmc'] = '2.3e11': allowed is a finite number"),
        (MASSES | {"m_lmc": np.ma.masked}, "row['m_lmc'] = 1 masked"),
        (MASSES | {"m_lmc": 2 * u.kpc}, "row['m_lmc'] = numbers in kpc: allowed is a unit of mass such as Msun"),
        (MASSES | {"m_lmc": [1e11, 2e11]}, "row['m_lmc'] = an array of shape (2,): allowed is one number"),
        (DRAWS, "allowed is a row of a table"),
        ([1.0], "row = [1.0]: allowed is a row of a table"),
        (None, "row = None: allowed is a row of a table"),
    ],
)
def test_what_is_not_a_row_of_parameters_is_refused_by_name(row, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        mw.Parameters.from_row(row)


def test_a_row_of_the_released_haloes_is_a_row_of_parameters():
    """Its stars are ignored."""
    row = DRAWS.iloc[0].astype(float).to_dict()
    stars = {"positions": np.zeros((3, 3)), "velocities": np.zeros((3, 3)), "sim_id": 3, "split": "test"}
    assert read_row(row | stars, "checked") == row


@pytest.mark.parametrize("progress", ["no", 0, None, []])
def test_progress_that_is_not_a_boolean_is_refused(progress):
    with pytest.raises(ValueError, match=re.escape(f"progress = {progress!r}: allowed is True or False")):
        mw.simulate_many(DRAWS[:1], progress=progress)


def test_too_few_stars_are_reported_with_the_requested_number():
    with pytest.raises(ValueError, match=r"stars = [0-9]+ of 22 at 50 < r < (inf|100|300) kpc: allowed are 20"):
        mw.simulate_many(DRAWS[:1], n_stars=22, workers=1, progress=False)


def test_a_row_in_place_of_parameters_is_refused_in_one_line(catalogue):
    with pytest.raises(ValueError, match=r"^parameters = .*: allowed is a mwlmc_data.Parameters") as error:
        mw.simulate(catalogue.iloc[0])
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)


@pytest.mark.parametrize(("rows", "workers", "asked"), [(17, None, (None, 2)), (7, None, (None, 0)), (17, 3, (3, 17))])
def test_a_process_is_started_for_every_eight_rows(monkeypatch, rows, workers, asked):
    class StopError(Exception):
        pass

    def count_processes(*arguments):
        assert arguments == asked
        raise StopError

    monkeypatch.setattr(many, "count_processes", count_processes)
    with pytest.raises(StopError):
        mw.simulate_many(DRAWS[:rows], workers=workers, progress=False)
