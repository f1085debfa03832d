"""Every operator and function of the lanes' vectors against NumPy, and of single numbers against the lanes.

A function below is compiled twice: for a state (rows, LANES), whose rows are vectors, and for a state (rows,), whose
rows are numbers. Row k of its results must be that of NumPy in every lane, to the bit.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit, types
from numba.core.errors import TypingError

from mwlmc_data.simulator.engines import vectors
from mwlmc_data.simulator.engines.vectors import (
    LANES,
    bits_float,
    estimate_inverse_root,
    float_bits,
    get_element,
    get_lanes,
    larger,
    load,
    load_four,
    magnitude,
    root,
    select,
    smaller,
    store,
    to_floats,
    truncate,
)
from tests.helpers.lane_states import align

F, I = np.float32, np.int32
ONE, ZERO = F(1), F(0)
LARGEST = float(np.finfo(F).max)
AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2"}
SSE = {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"}

lanes_of_floats = arrays(
    F,
    LANES,
    elements=st.one_of(
        st.floats(width=32), st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, LARGEST, 2.0**-149])
    ),
)
lanes_of_integers = arrays(
    I, LANES, elements=st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, -1, 2**31 - 1, -(2**31)]))
)
some_float = st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan])).map(F)


def compute(function, rows, results, *arguments):
    """Rows of results (results, LANES) in lanes, and of every lane's numbers alone; both from the same source."""
    state, out = align(np.array(rows).view(F)), align(np.zeros((results, LANES)))
    bits = function(state, out, *arguments)
    alone = np.empty_like(out)
    single = np.zeros(results, F)
    bit_alone = []
    for k in range(LANES):
        bit_alone.append(function(np.ascontiguousarray(state[:, k]), single, *arguments))
        alone[:, k] = single
    if bits is not None:
        for bit, lane in zip(bit_alone, range(LANES), strict=True):
            assert [(b >> lane) & 1 for b in bits] == list(bit)
    return out, alone


def same(found, expected):
    """Equal to the bit, but for the payload of NaN."""
    found, expected = np.asarray(found, F), np.asarray(expected, F)
    both_nan = np.isnan(found) & np.isnan(expected)
    return np.array_equal(np.where(both_nan, 0, found.view(I)), np.where(both_nan, 0, expected.view(I)))


# ---------------------------------------------------------------------------------------- floats


@njit(error_model="numpy")
def arithmetic(state, out, c):
    a, b = load(state, 0), load(state, 1)
    store(out, 0, a + b)
    store(out, 1, a - b)
    store(out, 2, a * b)
    store(out, 3, a / b)
    store(out, 4, a + c)
    store(out, 5, a - c)
    store(out, 6, a * c)
    store(out, 7, a / c)
    store(out, 8, c + a)
    store(out, 9, c - a)
    store(out, 10, c * a)
    store(out, 11, c / a)
    store(out, 12, -a)
    store(out, 13, magnitude(a))
    store(out, 14, root(a))
    store(out, 15, a)
    store(out, 16, c)


@given(lanes_of_floats, lanes_of_floats, some_float)
def test_arithmetic(a, b, c):
    with np.errstate(all="ignore"):
        expected = [
            a + b, a - b, a * b, a / b, a + c, a - c, a * c, a / c, c + a, c - a, c * a, c / a,
            -a, np.abs(a), np.sqrt(a), a, np.full(LANES, c),
        ]  # fmt: skip
    for found in compute(arithmetic, [a, b], 17, c):
        assert [k for k in range(17) if not same(found[k], expected[k])] == []


@njit
def comparisons(state, out, c):
    a, b = load(state, 0), load(state, 1)
    less, more = a < b, a > b
    store(out, 0, select(less, a, b))
    store(out, 1, select(more, a, b))
    store(out, 2, select(less | more, ONE, ZERO))
    store(out, 3, select(a < c, ONE, b))
    store(out, 4, select(c < a, a, ZERO))
    store(out, 5, select(a > c, ONE, ZERO))
    store(out, 6, select(c > a, ONE, ZERO))
    store(out, 7, smaller(a, b))
    store(out, 8, larger(a, b))
    store(out, 9, smaller(a, c))
    store(out, 10, larger(a, c))
    store(out, 11, smaller(c, a))
    store(out, 12, larger(c, a))
    store(out, 13, select(c > ZERO, a, b))
    return get_lanes(less), get_lanes(more), get_lanes(less | more), get_lanes(a < c)


@given(lanes_of_floats, lanes_of_floats, some_float)
def test_comparisons_and_choices(a, b, c):
    """NaN is neither smaller nor larger than anything: `smaller` and `larger` then return their second argument."""
    less, more = a < b, a > b
    expected = [
        np.where(less, a, b),
        np.where(more, a, b),
        less | more,
        np.where(a < c, ONE, b),
        np.where(c < a, a, ZERO),
        a > c,
        c > a,
        np.where(less, a, b),
        np.where(more, a, b),
        np.where(a < c, a, c),
        np.where(a > c, a, c),
        np.where(c < a, c, a),
        np.where(c > a, c, a),
        a if c > 0 else b,
    ]
    for found in compute(comparisons, [a, b], 14, c):
        assert [k for k in range(14) if not same(found[k], expected[k])] == []
    state = align(np.array([a, b]))
    lanes = [sum(1 << k for k in range(LANES) if holds[k]) for holds in (less, more, less | more, a < c)]
    assert list(comparisons(state, align(np.zeros((14, LANES))), c)) == lanes


def test_nan_gives_way_to_a_limit():
    nan, a = np.full(LANES, np.nan, F), np.arange(LANES, dtype=F)
    for found in compute(comparisons, [nan, a], 14, F(7)):
        assert np.array_equal(found[7:9], [a, a])
        assert (found[9:11] == 7).all()
        assert np.isnan(found[11:13]).all()


# -------------------------------------------------------------------------------------- integers


@njit
def whole(state, out, c, bits):
    a, b = float_bits(load(state, 0)), float_bits(load(state, 1))
    store(out, 0, bits_float(a + b))
    store(out, 1, bits_float(a - b))
    store(out, 2, bits_float(a * b))
    store(out, 3, bits_float(a & b))
    store(out, 4, bits_float(a + c))
    store(out, 5, bits_float(c - a))
    store(out, 6, bits_float(a * c))
    store(out, 7, bits_float(a & c))
    store(out, 8, bits_float(a >> bits))
    store(out, 9, bits_float(a << bits))
    store(out, 10, to_floats(a))
    store(out, 11, to_floats(a + b))


@given(lanes_of_integers, lanes_of_integers, st.integers(-(2**31), 2**31 - 1).map(I), st.integers(0, 31).map(I))
@example(np.full(LANES, 2**31 - 1, I), np.full(LANES, 1, I), I(-(2**31)), I(31))
def test_integers_wrap_around(a, b, c, bits):
    with np.errstate(over="ignore"):
        expected = [a + b, a - b, a * b, a & b, a + c, c - a, a * c, a & c, a >> bits, a << bits]
        as_floats = [a.astype(F), (a + b).astype(F)]
    for found in compute(whole, [a, b], 12, c, bits):
        assert [k for k in range(10) if not np.array_equal(found[k].view(I), expected[k])] == []
        assert np.array_equal(found[10:], as_floats)


@njit
def conversions(state, out):
    a = load(state, 0)
    store(out, 0, to_floats(truncate(a)))
    store(out, 1, bits_float(truncate(a)))
    store(out, 2, bits_float(float_bits(a)))


@given(arrays(F, LANES, elements=st.floats(-(2.0**31), 2147483520.0, width=32)))
def test_conversions(a):
    """The fraction is cut off towards zero; bits come back as they were."""
    for found in compute(conversions, [a], 3):
        assert np.array_equal(found[0], np.trunc(a))
        assert np.array_equal(found[1].view(I), a.astype(I))
        assert np.array_equal(found[2].view(I), a.view(I))


# ------------------------------------------------------------------------------- state and tables


@njit
def four_at_every_offset(state, out, table):
    place = float_bits(load(state, 0))
    first, second, third = load_four(table, place, 0), load_four(table, place, 4), load_four(table, place, 8)
    fourth, fifth, sixth = load_four(table, place, 12), load_four(table, place, 16), load_four(table, place, 20)
    row = 0
    for four in (first, second, third, fourth, fifth, sixth):
        for number in four:
            store(out, row, number)
            row += 1


@given(arrays(I, LANES, elements=st.integers(0, 25)), st.integers(0, 2**32 - 1))
def test_four_neighbours_of_a_table(index, seed):
    """Every lane its own place; the first and last of the table too."""
    table = align(np.random.default_rng(seed).normal(size=4 * 25 + 24 + 4))
    for found in compute(four_at_every_offset, [4 * index], 24, table):
        assert np.array_equal(found, table[4 * index + np.arange(24)[:, None]])


@njit
def elements(state, out, table):
    total = load(state, 0) * ZERO
    for j in range(len(table)):
        total = total + get_element(table, j)
        store(out, j, total)


@njit
def copied(state, out):
    for row in range(state.shape[0]):
        store(out, row, load(state, state.shape[0] - 1 - row))


def test_rows_and_elements():
    rng = np.random.default_rng(0)
    rows, table = rng.normal(size=(5, LANES)).astype(F), rng.normal(size=7).astype(F)
    sums = [np.full(LANES, total) for total in np.cumsum(table)]
    for found in compute(elements, [rows[0]], 7, table):
        assert np.array_equal(found, sums)
    for found in compute(copied, rows, 5):
        assert np.array_equal(found, rows[::-1])


def test_a_row_leaves_its_neighbours_alone():
    state = align(np.zeros((3, LANES)))

    @njit
    def set_middle(state):
        store(state, 1, load(state, 1) + ONE)

    set_middle(state)
    assert np.array_equal(state, [[0] * LANES, [1] * LANES, [0] * LANES])


# ------------------------------------------------------------------------------------ inverse root


@njit
def estimates(state, out):
    store(out, 0, estimate_inverse_root(load(state, 0)))


#: Squares of distances [kpc^2] in the kernel: from TINY to those of stars beyond 1e9 kpc.
SQUARES = np.exp(np.random.default_rng(5).uniform(np.log(1e-20), np.log(1e20), 64 * LANES)).astype(F)


def test_precision_of_the_inverse_root():
    """2^-14 with AVX-512, 1.5 * 2^-12 with AVX, 5e-6 from the bits; a number alone is exact to rounding."""
    edges = np.array([1e-20, 1e20, 1, 2, 4, np.nextafter(F(1), F(0)), np.nextafter(F(4), F(0)), 2.0**-60], F)
    worst = [0.0, 0.0]
    for squares in [*SQUARES.reshape(-1, LANES), np.resize(edges, LANES)]:
        exact = squares.astype(float) ** -0.5
        errors = [np.abs(found[0] / exact - 1).max() for found in compute(estimates, [squares], 1)]
        worst = [max(pair) for pair in zip(worst, errors, strict=True)]
    features = vectors.list_features()
    if "avx512f" in features:
        assert vectors.IS_FINE and worst[0] < 2.0**-14
    else:
        assert not vectors.IS_FINE and worst[0] < (1.5 * 2.0**-12 if "avx" in features else 5e-6)
    assert worst[1] < 2e-7


# ------------------------------------------------------------------------------------ wrong types

STATE, TABLE = types.Array(types.float32, 2, "C"), types.Array(types.float32, 1, "C")
STRIDED, DOUBLE = types.Array(types.float32, 1, "A"), types.Array(types.float64, 1, "C")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (lambda s: load(s, 0) + 1.0, (STATE,), r"add.*float32x\d+.*float64"),
        (lambda s: 2 * load(s, 0), (STATE,), r"mul.*int.*float32x\d+"),
        (lambda s: load(s, 0) + float_bits(load(s, 0)), (STATE,), r"float32x\d+, int32x\d+"),
        (lambda s: load(s, 0) - np.float64(1), (STATE,), r"float32x\d+, float64"),
        (lambda s: float_bits(load(s, 0)) / ONE, (STATE,), r"truediv.*int32x\d+"),
        (lambda s: -float_bits(load(s, 0)), (STATE,), r"neg.*int32x\d+"),
        (lambda s: smaller(load(s, 0), 1.0), (STATE,), r"argument = float64: allowed is float32x\d+ or float32"),
        (lambda s: larger(1, load(s, 0)), (STATE,), r"argument = .*int.*: allowed is float32x\d+ or float32"),
        (lambda s: magnitude(float_bits(load(s, 0))), (STATE,), r"argument = int32x\d+: allowed is float32x"),
        (lambda s: root(load(s, 0) > ZERO), (STATE,), r"argument = boolx\d+: allowed is float32x"),
        (lambda x: estimate_inverse_root(x), (types.float64,), r"argument = float64: allowed is float32x"),
        (lambda s: select(load(s, 0), ONE, ZERO), (STATE,), r"condition = float32x\d+: allowed is boolx\d+ or bool"),
        (lambda s: select(True, 1.0, load(s, 0)), (STATE,), r"argument = float64: allowed is float32x"),
        (lambda s: get_lanes(load(s, 0)), (STATE,), r"condition = float32x\d+: allowed is boolx\d+ or bool"),
        (lambda x: float_bits(x), (types.float64,), r"argument = float64: allowed is float32x\d+ or float32"),
        (lambda s: float_bits(float_bits(load(s, 0))), (STATE,), r"argument = int32x\d+: allowed is float32x"),
        (lambda s: to_floats(load(s, 0)), (STATE,), r"argument = float32x\d+: allowed is int32x\d+ or int32"),
        (lambda x: bits_float(x), (types.float32,), r"argument = float32: allowed is int32x\d+ or int32"),
        (lambda s: truncate(float_bits(load(s, 0))), (STATE,), r"argument = int32x\d+: allowed is float32x"),
        (lambda s: load(s, 0), (STRIDED,), r"state = .*1d, A.*: allowed is array\(float32, 2d, C\)"),
        (lambda s: load(s, ZERO), (STATE,), r"row = float32: allowed is an integer"),
        (lambda s: store(s, 0, load(s, 0)), (DOUBLE,), r"state = .*float64, 1d, C"),
        (lambda s: store(s, 0, 1.0), (STATE,), r"value = float64: allowed is float32x\d+ or float32"),
        (lambda s, n: store(n, 0, load(s, 0)), (STATE, TABLE), r"value = float32x\d+: allowed is float32(?! or)"),
        (lambda t: get_element(t, 0), (STRIDED,), r"table = .*1d, A.*: allowed is array\(float32, 1d, C\)"),
        (lambda t: get_element(t, ONE), (TABLE,), r"index = float32: allowed is an integer"),
        (lambda t: load_four(t, np.int32(4), 0), (DOUBLE,), r"table = .*float64, 1d, C"),
        (lambda t: load_four(t, ONE, 0), (TABLE,), r"index = float32: allowed is int32x\d+ or an integer"),
        (lambda t, k: load_four(t, np.int32(4), k), (TABLE, types.int64), r"offset = int64: allowed is a literal"),
    ],
)
def test_wrong_types_are_named(function, arguments, message):
    """Numba may not convert an argument silently: it would compute in float64, or misread memory."""
    with pytest.raises(TypingError, match=f"(?s){message}"):
        njit(function).compile(arguments)


# --------------------------------------------------------------------------- other instruction sets


@pytest.mark.slow
@pytest.mark.parametrize("environment", [AVX2, SSE], ids=["AVX2", "SSE4.2"])
def test_other_instructions(environment, repository):
    """Everything above compiled for an older processor; what is compiled follows from Numba's variables."""
    if "avx2" not in vectors.list_features():
        pytest.skip("this processor has no AVX2")
    program = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", __file__]
    result = subprocess.run(
        program, env=os.environ | environment, cwd=repository, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout[-3000:]
