"""What the vectors need of Numba beyond its documented interface: the same in the oldest and the newest allowed."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.core.datamodel import default_manager
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from mwlmc_data.simulator.compiling import FASTMATH
from mwlmc_data.simulator.engines import vectors
from mwlmc_data.simulator.engines.vectors import LANES, load, load_four, store

STATE = types.Array(types.float32, 2, "C")


def test_features_are_a_text_of_names_with_signs():
    """``+avx2,-avx512f`` and so on, of the host; Numba's variable comes first, also if it is empty."""
    assert config.CPU_FEATURES is None or isinstance(config.CPU_FEATURES, str)
    host = get_host_cpu_features()
    assert all(name[0] in "+-" for name in host.split(",") if name)
    program = "from mwlmc_data.simulator.engines.vectors import *; print(sorted(list_features()), LANES, IS_FINE)"
    for given, expected in (
        ("+sse4.2,-avx", "['sse4.2'] 16 False"),
        ("+avx512f,+avx2", "['avx2', 'avx512f'] 32 True"),
        ("", "[] 16 False"),
    ):
        environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": given}
        result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert result.stdout.strip() == expected, result.stderr
    if config.CPU_FEATURES is None:
        assert vectors.list_features() == {name[1:] for name in host.split(",") if name.startswith("+")}


def test_a_type_is_one_llvm_vector():
    """`register_model` with a primitive model: no structure, no memory."""
    for kind, element in (
        (vectors.floats, ir.FloatType()),
        (vectors.integers, ir.IntType(32)),
        (vectors.truths, ir.IntType(1)),
    ):
        assert default_manager[kind].get_value_type() == ir.VectorType(element, LANES)
        assert isinstance(default_manager[kind], models.PrimitiveModel)


class Pair(types.Type):
    """Two float32, for these tests."""

    def __init__(self):
        super().__init__(name="two float32")


pair = Pair()


@register_model(Pair)
class _PairModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(ir.FloatType(), 2))


def join_two(a, b):
    """Stand-in for an operator; only its types and code count."""


@infer_global(join_two)
class _JoinTyping(AbstractTemplate):
    def generic(self, args, kws):
        return signature(pair, *args) if args == (types.float32, types.float32) else None


@lower_builtin(join_two, types.float32, types.float32)
def _join(context, builder, sig, args):
    nothing = ir.Constant(ir.VectorType(ir.FloatType(), 2), ir.Undefined)
    whole = builder.insert_element(nothing, args[0], ir.IntType(32)(0))
    return builder.insert_element(whole, args[1], ir.IntType(32)(1))


@intrinsic(prefer_literal=True)
def part(typingctx, whole, k):
    """Number k of a pair."""
    if not isinstance(k, types.IntegerLiteral):
        raise TypingError(f"k = {k}: allowed is a literal")
    place = k.literal_value

    def codegen(context, builder, sig, args):
        return builder.extract_element(args[0], ir.IntType(32)(place))

    return types.float32(whole, k), codegen


@njit
def _second(a, b):
    return part(join_two(a, b), 1)


@njit
def _any(a, b, k):
    return part(join_two(a, b), k)


def test_types_operators_and_intrinsics_can_be_added():
    """A template by `infer_global` with `lower_builtin`; None from it refuses; literal arguments reach an intrinsic."""
    assert _second(np.float32(2), np.float32(3)) == 3
    with pytest.raises(TypingError, match=r"(?s)join_two.*float64, float64"):
        _second(2.0, 3.0)
    with pytest.raises(TypingError, match="k = int64: allowed is a literal"):
        _any(np.float32(2), np.float32(3), 1)


def test_a_constant_in_a_loop_is_no_literal():
    """`load_four` needs its offset when it is compiled: a variable of a loop is refused, not taken for a constant."""

    def looped(table, k):
        total = np.float32(0)
        for j in range(k):
            total = total + load_four(table, np.int32(0), j)[0]
        return total

    with pytest.raises(TypingError, match="offset = int64: allowed is a literal integer"):
        njit(looped).compile((types.Array(types.float32, 1, "C"), types.int64))


def _fused(state):
    store(state, 0, load(state, 0) * load(state, 1) + load(state, 2))


def _assembly(**options):
    compiled = njit(_fused, **options)
    compiled.compile((STATE,))
    return compiled.inspect_llvm(compiled.signatures[0]), compiled.inspect_asm(compiled.signatures[0])


def test_fastmath_reaches_vectors():
    """Its flags stand at the vectors' operations, and fuse a multiplication with an addition where there is FMA."""
    code, assembly = _assembly(fastmath=FASTMATH)
    (product,) = set(re.findall(rf"fmul (.*)<{LANES} x float>", code))
    (total,) = set(re.findall(rf"fadd (.*)<{LANES} x float>", code))
    assert {"contract", "reassoc", "arcp", "nsz", "afn"} == set(product.split()) == set(total.split())
    plain, plain_assembly = _assembly()
    assert re.findall(rf"fmul (.*)<{LANES} x float>", plain) == [""]
    assert "fmadd" not in plain_assembly
    if "fma" in vectors.list_features():
        assert re.search(r"vfm(add|sub)\d+ps", assembly)
        assert "vmulps" not in assembly


def test_forced_inlining_leaves_no_call():
    """`forceinline` merges a function into its caller: vectors stay in registers between functions."""

    @njit(forceinline=True, fastmath=FASTMATH)
    def inner(a, b):
        return a * a + b

    @njit(fastmath=FASTMATH)
    def outer(state):
        store(state, 0, inner(inner(load(state, 0), load(state, 1)), load(state, 2)))

    outer.compile((STATE,))
    (code,) = outer.inspect_llvm().values()
    body = code[code.index("define") :]
    assert not re.search(r"call .*inner", body[: body.index("\n}")])
