"""The door for a user's numbers: every kind of array that carries more than numbers, and every way to be wrong."""

import decimal
import re

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.coordinates import Angle
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.arguments import arrays

PLAIN = [1.0, 2.5, -3.0]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (PLAIN, "kpc"),
        (tuple(PLAIN), None),
        (np.array(PLAIN, dtype=np.float32), "kpc"),
        (np.array(PLAIN, dtype=object), "kpc"),
        (np.array(PLAIN) * u.kpc, "kpc"),
        (np.array(PLAIN) * 1e3 * u.pc, "kpc"),
        ([1.0 * u.kpc, 2.5 * u.kpc, -3e3 * u.pc], "kpc"),
        (Column(PLAIN, unit="kpc"), "kpc"),
        (Column(np.multiply(PLAIN, 1e3), unit="pc"), "kpc"),
        (Column(PLAIN), "kpc"),
        (MaskedColumn(PLAIN, unit="kpc"), "kpc"),
        (MaskedColumn(np.multiply(PLAIN, 1e3), unit="pc"), "kpc"),
        (Masked(np.array(PLAIN) * u.kpc), "kpc"),
        (np.ma.masked_array(PLAIN), "kpc"),
        (np.array(PLAIN) * 1e3 * u.m / u.s, "km/s"),
        (np.array(PLAIN) * u.solMass, "Msun"),
        (Angle(PLAIN, u.deg).to(u.rad), "deg"),
        ((np.array(PLAIN) * u.mas / u.yr).to(u.rad / u.s), "mas/yr"),
        (np.array(PLAIN) * u.one, ""),
        (np.array(PLAIN) * 100 * u.percent, None),
        (u.Dex(PLAIN), "dex"),
        (pd.Series(PLAIN), "kpc"),
        (pd.Series(PLAIN, dtype="Float64"), "kpc"),
        (pd.Series(PLAIN, dtype="float64[pyarrow]"), "kpc"),
        (pa.array(PLAIN), "kpc"),
        (pa.chunked_array([PLAIN[:1], PLAIN[1:]]), "kpc"),
        (pa.array(PLAIN).dictionary_encode(), "kpc"),
        (pd.Series(PLAIN).astype("category"), "kpc"),
        (pd.Series(PLAIN, index=["unit", "units", "mask"]), "kpc"),
        (np.array(PLAIN, dtype=">f8"), "kpc"),
        (np.array(PLAIN) * u.pc / u.pc, ""),
        ([pa.scalar(x) for x in PLAIN], None),
        ([decimal.Decimal("1"), decimal.Decimal("2.5"), -3], None),
    ],
)
def test_every_kind_of_array_gives_its_numbers(value, unit):
    got = arrays.as_floats("x", value, unit=unit, shape=("n",))
    assert got.dtype == np.float64 and type(got) is np.ndarray and got.flags.c_contiguous
    np.testing.assert_allclose(got, PLAIN, rtol=1e-6 if getattr(value, "dtype", None) == np.float32 else 1e-14)


MASK = [False, True, False]


@pytest.mark.parametrize(
    "value",
    [
        np.ma.masked_array([1.0, -999.0, 3.0], MASK),
        MaskedColumn([1.0, -999.0, 3.0], mask=MASK, unit="kpc"),
        Masked(np.array([1.0, -999.0, 3.0]) * u.kpc, mask=MASK),
        Masked(np.array([1.0, -999.0, 3.0]), mask=MASK),
        pd.Series([1.0, None, 3.0], dtype="Float64"),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, None, 3.0], dtype="float64[pyarrow]"),
        pa.array([1.0, None, 3.0]),
        pa.chunked_array([[1.0, None], [3.0]]),
    ],
)
def test_masked_and_null_values_are_refused_or_become_nan(value):
    with pytest.raises(ValueError, match=r"x = 1 masked or missing value of 3: allowed"):
        arrays.as_floats("x", value, unit="kpc")
    with pytest.raises(ValueError, match=r"x = 1 masked or missing value of 3: allowed"):
        arrays.as_ids("x", value)
    got = arrays.as_floats("x", value, unit="kpc", allow_nan=True)
    np.testing.assert_array_equal(got, [1.0, np.nan, 3.0])


@pytest.mark.parametrize("dtype", ["boolean", "string"])
def test_nullable_columns_that_are_not_numeric_are_not_read_as_numbers(dtype):
    """pandas itself turns True and "1" into 1.0 where a value is missing."""
    value = pd.Series([True if dtype == "boolean" else "1", None], dtype=dtype)
    with pytest.raises(ValueError, match=r"x\[0\] = .*: allowed is a real number"):
        arrays.as_floats("x", value, allow_nan=True)


def test_infinite_numbers_are_allowed_only_where_they_mean_something():
    assert arrays.as_floats("x", [np.inf, -np.inf], allow_infinite=True).tolist() == [np.inf, -np.inf]
    with pytest.raises(ValueError, match=r"x\[0\] = nan: allowed is a number"):
        arrays.as_floats("x", [np.nan], allow_infinite=True)


def test_a_table_with_columns_named_like_attributes_is_an_array():
    frame = pd.DataFrame({"unit": [1.0], "mask": [2.0], "dtype": [3.0]})
    assert arrays.as_floats("x", frame).tolist() == [[1.0, 2.0, 3.0]]


def test_a_list_of_masked_arrays_keeps_their_masks():
    rows = [np.ma.masked_array([1.0, 2.0], [False, True]), np.ma.masked_array([3.0, 4.0])]
    with pytest.raises(ValueError, match=re.escape("x[0] = 1 masked")):
        arrays.as_floats("x", rows)


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [
        (np.array(PLAIN) * u.kpc, "km/s", "x = numbers in kpc: allowed is a unit of"),
        (np.array(PLAIN) * u.kpc, None, "allowed is a pure number"),
        (np.array(PLAIN) * u.kpc, "", "allowed is a pure number"),
        (np.array(PLAIN) * u.one, "kpc", "allowed is a unit of length such as kpc"),
        (Column(PLAIN, unit="km/s"), "kpc", "numbers in km / s"),
        ([1.0 * u.kpc, 2.0 * u.s], "kpc", "x[1] = numbers in s"),
        (np.array([1 + 2j]), None, "allowed is an array of real numbers, not complex numbers"),
        (["1", "2"], None, "x[0] = '1': allowed is a real number"),
        (np.array([b"1"]), None, "allowed is an array of real numbers"),
        ([True, False], None, "x[0] = True: allowed is a real number"),
        ([1.0, 2.0, "a"], None, "x[2] = 'a': allowed is a real number"),
        ([1.0, 2j], None, "x[1] = 2j: allowed is a real number"),
        ([1.0, True], None, "x[1] = True: allowed is a real number"),
        ([[1.0, 2.0], [3, np.False_]], None, "x[1, 1] = "),
        (np.array([1.0, True], dtype=object), None, "x[1] = True: allowed is a real number"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), None, "allowed is an array of real numbers"),
        ({"a": 1}, None, "x = {'a': 1}: allowed is an array of real numbers"),
        ("12", None, "x = '12': allowed is an array of real numbers"),
        (None, None, "x = None: allowed is an array of real numbers"),
        ([[1, 2], [3]], None, "all rows of equal length"),
        ([np.arange(2.0) * u.kpc, np.arange(3.0) * u.kpc], "kpc", "allowed are rows of one shape"),
        ([1.0, np.nan, np.nan], None, "x[1] = nan (and 1 more of 3): allowed is a finite number"),
        ([1.0, None], None, "x[1] = nan: allowed is a finite number"),
        (np.array([1.0, 2.0]) * u.mag, "kpc", "x = numbers in mag: allowed is a unit of length"),
        (u.Magnitude([1.0]), None, "x = numbers in mag: allowed is a pure number"),
        (0.7 * u.dex, "", "x = numbers in dex: allowed is a pure number"),
        (Column([0.7], unit="dex"), "", "x = numbers in dex: allowed is a pure number"),
        (pd.Series([True, False], dtype="boolean"), None, "allowed is an array of real numbers, not booleans"),
        (pd.Series([1.0, True]), None, "x[1] = True: allowed is a real number"),
        (pd.Series(["1", "2"]), None, "x[0] = '1': allowed is a real number"),
        (pd.Series(["1", "2"]).astype("category"), None, "x[0] = '1': allowed is a real number"),
        (pd.to_datetime(["2020-01-01"]), "Gyr", "not dates"),
        ([pd.Timestamp("2020-01-01")], "Gyr", "allowed is a real number"),
        (pd.Series([1.0 * u.kpc]), "kpc", "x[0] = <Quantity 1. kpc>: allowed is a real number"),
        (pa.array([True]), None, "not booleans"),
        (pa.array(["1"]), None, "x[0] = '1'"),
        (pa.array([[1.0, 2.0]]), None, "allowed is a real number"),
        (pa.scalar(None, pa.float64()), None, "x = None"),
        (np.array([(1.0, 2.0)], dtype="f8,f8"), None, "not rows of several columns"),
        (np.ma.array([(1.0, 2.0)], dtype="f8,f8"), None, "not rows of several columns"),
        (bytearray(b"12"), None, "allowed is an array of real numbers"),
        (iter([1.0]), None, "allowed is a real number"),
        ([10**400], None, "allowed is a real number"),
        ([decimal.Decimal("sNaN")], None, "x[0] = Decimal('sNaN'): allowed is a real number"),
        (np.array([np.finfo(np.longdouble).max]), None, "x[0] = inf: allowed is a finite number"),
        (np.array([1.0, np.inf], dtype=np.float16), None, "x[1] = inf: allowed is a finite number, in a precision"),
    ],
)
def test_what_is_not_an_array_of_numbers_is_refused_by_name(value, unit, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        arrays.as_floats("x", value, unit=unit)
    assert str(error.value).startswith("x")


def test_the_range_is_checked_at_both_ends_and_named():
    assert arrays.as_floats("d", [0.0, 10.0], minimum=0, maximum=10).tolist() == [0.0, 10.0]
    with pytest.raises(ValueError, match=re.escape("d[1] = -1.0: allowed is a finite number from 0 kpc up")):
        arrays.as_floats("d", [3.0, -1.0], unit="kpc", minimum=0)
    with pytest.raises(ValueError, match=re.escape("d = 0.0: allowed is a finite number above 0 kpc")):
        arrays.as_float("d", 0.0, unit="kpc", above=0)
    with pytest.raises(ValueError, match=re.escape("d = 11.0: allowed is a finite number from 0 to 10")):
        arrays.as_float("d", 11, minimum=0, maximum=10)
    with pytest.raises(ValueError, match=re.escape("d[0] = inf: allowed is NaN (not measured) or a finite number")):
        arrays.as_floats("d", [np.inf], allow_nan=True)
    got = arrays.as_floats("d", [np.nan, 2.0], allow_nan=True, minimum=0)
    np.testing.assert_array_equal(got, [np.nan, 2.0])


def test_shapes_are_checked_and_never_broadcast():
    assert arrays.as_floats("x", np.zeros((4, 3)), shape=("n", 3)).shape == (4, 3)
    with pytest.raises(ValueError, match=re.escape("x = an array of shape (3, 4): allowed is the shape (n, 3)")):
        arrays.as_floats("x", np.zeros((3, 4)), shape=("n", 3))
    with pytest.raises(ValueError, match=re.escape("sun_position = a number: allowed is the shape (3,)")):
        arrays.as_floats("sun_position", -8.3, shape=(3,))
    with pytest.raises(ValueError, match=re.escape("allowed is the shape (n, n)")):
        arrays.as_floats("c", np.zeros((2, 3)), shape=("n", "n"))
    with pytest.raises(ValueError, match=re.escape("x = an array of shape (1,): allowed is one number")):
        arrays.as_float("x", [1.0])
    np.testing.assert_array_equal(arrays.as_floats("e", 2.0, shape=(3,), broadcast=True), [2.0] * 3)
    with pytest.raises(ValueError, match=re.escape("e = an array of shape (1,): allowed is the shape (3,)")):
        arrays.as_floats("e", [2.0], shape=(3,), broadcast=True)


def test_fortran_order_becomes_c_order():
    given_ = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    got = arrays.as_floats("x", given_)
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, given_)


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.uint64(3), np.float32(3), np.array(3)])
def test_integers_of_many_types_are_accepted(value):
    assert arrays.as_whole("n", value) == 3 and type(arrays.as_whole("n", value)) is int


@pytest.mark.parametrize(
    "value", [1.9, True, np.True_, "3", None, np.nan, np.inf, 1e300, [3], 3 + 0j, 3 * u.kpc, np.ma.masked, -1]
)
def test_what_is_not_an_integer_is_refused(value):
    with pytest.raises(ValueError, match=r"^seed = .*: allowed is a whole number from 0 to 18446744073709551615"):
        arrays.as_seed("seed", value)


def test_ranges_of_integers_include_their_ends():
    assert arrays.as_whole("n", 1e3, minimum=1, maximum=1000) == 1000
    assert arrays.as_seed("seed", 2**64 - 1) == 2**64 - 1
    with pytest.raises(ValueError, match=re.escape("n = 1001: allowed is a whole number from 1 to 1000")):
        arrays.as_whole("n", 1001, minimum=1, maximum=1000)
    with pytest.raises(ValueError, match=re.escape("n = 0: allowed is a whole number from 1 up")):
        arrays.as_whole("n", 0, minimum=1)


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_ids_are_returned_as_given(ids):
    for form in (ids, tuple(ids), np.array(ids, dtype=np.int64), (i for i in ids), pd.Series(ids, dtype="int64")):
        got = arrays.as_ids("sim_id", form)
        assert got.dtype == np.int64 and got.tolist() == ids


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1.2, 1.7], "sim_id[0] = 1.2 (and 1 more of 2): allowed is whole numbers from 0 to 100"),
        ([1, -1], "sim_id[1] = -1"),
        ([101], "sim_id[0] = 101"),
        ([2**64], f"sim_id[0] = {2**64}"),
        ([np.nan], "sim_id[0] = nan"),
        ([True], "sim_id[0] = True"),
        ([1, True], "sim_id[1] = True"),
        (["1"], "sim_id[0] = '1'"),
        ([[1, 2]], "sim_id = an array of shape (1, 2): allowed is the shape (n,)"),
        ([1, None], "sim_id[1] = None"),
        ("12", "sim_id = '12'"),
        (np.array([1, 2]) * u.kpc, "sim_id = numbers in kpc: allowed is a pure number"),
    ],
)
def test_invalid_ids_are_refused_before_use(value, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        arrays.as_ids("sim_id", value, maximum=100)


def test_ranges_and_floats_of_integer_value_are_ids():
    assert arrays.as_ids("sim_id", range(3)).tolist() == [0, 1, 2]
    assert arrays.as_ids("sim_id", [1.0, 2.0]).tolist() == [1, 2]
    assert arrays.as_ids("sim_id", []).tolist() == []


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    arrays.check_names("errors", ["v_los"], ["v_los", "distance"], needed=["v_los"])
    with pytest.raises(ValueError, match=re.escape("errors holds 'V_LOS': allowed is v_los, distance; do you mean")):
        arrays.check_names("errors", ["V_LOS"], ["v_los", "distance"])
    with pytest.raises(ValueError, match=re.escape("errors lacks distance: allowed is all of distance")):
        arrays.check_names("errors", ["v_los"], ["v_los", "distance"], needed=["distance"])
    with pytest.raises(ValueError, match="more than once"):
        arrays.check_names("columns", ["x", "x"], ["x"])
    assert arrays.as_choice("config", "wide", ["gaussian", "wide"]) == "wide"
    with pytest.raises(ValueError, match=re.escape("config = 'Wide': allowed is 'gaussian', 'wide'; do you mean")):
        arrays.as_choice("config", "Wide", ["gaussian", "wide"])


def test_names_are_a_sequence_of_text():
    assert arrays.as_names("free", ["m_lmc", "beta0"]) == ("m_lmc", "beta0") and arrays.as_names("free", ()) == ()
    for names, words in (
        ("m_lmc", r"free = 'm_lmc': allowed is a sequence of names, such as \['m_lmc'\]"),
        (5, "free = 5: allowed is a sequence of names"),
        (None, "free = None: allowed is a sequence of names"),
        ([["m_lmc"]], r"free holds \['m_lmc'\]: allowed are names"),
    ):
        with pytest.raises(ValueError, match=words):
            arrays.as_names("free", names)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("columns", lambda names: mw.load_catalogue(columns=names)),
        ("columns", lambda names: mw.load_haloes([0], columns=names)),
        ("parameters", lambda names: mw.Prior("gaussian", names)),
        ("free", lambda names: mw.infer_stars(np.empty((0, 6)), free=names)),
        ("moments", lambda names: mw.infer_stars(np.empty((0, 6)), method="moments", moments=names)),
    ],
)
def test_what_is_no_sequence_of_names_is_refused_wherever_names_are_taken(name, call):
    for names in (5, "m_lmc", [["m_lmc"]]):
        with pytest.raises(ValueError, match=f"{name} (=|holds) .*: allowed"):
            call(names)


def test_quantities_of_other_libraries_are_converted_or_refused():
    class Pint:
        """As pint's arrays look: numbers in `magnitude`, a unit in `units`."""

        magnitude, units = np.array([1000.0]), "pc"

    assert arrays.as_floats("x", Pint(), unit="kpc").tolist() == [1.0]
    Pint.magnitude = np.ma.masked_array([1000.0, 1.0], [True, False])
    with pytest.raises(ValueError, match=r"x = 1 masked or missing value of 2.*the first is x\[0\]"):
        arrays.as_floats("x", Pint(), unit="kpc")
    with pytest.raises(ValueError, match="x = numbers in pc: allowed is a pure number"):
        arrays.as_ids("x", type("Pint", (), {"magnitude": np.array([1]), "units": "pc"})())
    Pint.magnitude, Pint.units = np.array([1000.0]), "dimensionless"
    assert arrays.as_floats("x", Pint(), unit="").tolist() == [1000.0]
    Pint.units = "parsec_per_fortnight"
    with pytest.raises(ValueError, match="x = numbers in parsec_per_fortnight"):
        arrays.as_floats("x", Pint(), unit="kpc")


def test_components_go_by_position_and_an_index_that_names_them_is_refused():
    assert arrays.as_vector("place", pd.Series([1.0, 2.0, 3.0]), 3).tolist() == [1.0, 2.0, 3.0]
    for index in ("zyx", (2, 1, 0)):
        with pytest.raises(ValueError, match=r"^place = rows with an index of their own: allowed is an array without"):
            arrays.as_vector("place", pd.Series([1.0, 2.0, 3.0], index=list(index)), 3)
    with pytest.raises(ValueError, match=r"place = an array of shape \(2,\): allowed is the shape \(3,\)"):
        arrays.as_vector("place", [1.0, 2.0], 3)
