"""SIMD vectors as Numba types: the lanes' float32, int32 and truth values, each one LLVM vector.

Arithmetic on them reads like arithmetic on numbers (``x * x + y * y``), and each operation becomes one LLVM instruction
on all lanes. The compiler has no loop to recognise and vectorise, and since a vector here is twice as long as the
processor's, each operation is two independent instructions: one computes while the other waits for its operands.

Every function of this module also takes single numbers, and then means the same for one star. The step of the
integrator is therefore one source for the processor's lanes and a GPU's threads: what a number writes as
``a if c else b``, min, max, abs and sqrt, it writes as ``select``, ``smaller``, ``larger``,
``magnitude`` and ``root``.

The state of the lanes is an array (rows, ``LANES``), of which ``load`` reads a row as one vector; the state of a
single star is an array (rows,), of which it reads one number.

Nothing is converted silently: a number is a float32, and a float64 is an error at compile time. Whole numbers alone are
Numba's, whose int32 become int64 in a sum; ``to_floats`` and ``bits_float`` take their lower 32 bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

_F32, _I32, _I64, _I1 = ir.FloatType(), ir.IntType(32), ir.IntType(64), ir.IntType(1)


def list_features() -> frozenset[str]:
    """List the instructions that compiled code may use: by Numba's environment variables, otherwise the host's."""
    chosen = config.CPU_FEATURES  # type: ignore[attr-defined]
    text = get_host_cpu_features() if chosen is None else chosen
    return frozenset(name[1:] for name in text.split(",") if name.startswith("+"))


_FEATURES = list_features()
#: Stars at once: two vectors of AVX-512, or of AVX (and four of SSE and NEON).
LANES = 32 if "avx512f" in _FEATURES else 16
#: Whether ``estimate_inverse_root`` is good to 2^-14; otherwise to 1.5 * 2^-12.
IS_FINE = "avx512f" in _FEATURES
#: Bytes to which the tables and the state must be aligned.
ALIGNMENT = 64


class Vector(types.Type):
    """One value per lane."""

    def __init__(self, kind: str, element: ir.Type, scalar: types.Type) -> None:
        self.element, self.scalar = element, scalar
        super().__init__(name=f"{kind}x{LANES}")


floats = Vector("float32", _F32, types.float32)
integers = Vector("int32", _I32, types.int32)
truths = Vector("bool", _I1, types.boolean)


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(fe_type.element, LANES))


def _broadcast(builder: ir.IRBuilder, value: ir.Value, element: ir.Type) -> ir.Value:
    """Put a number into all lanes; a vector stays as it is."""
    if isinstance(value.type, ir.VectorType):
        return value
    if isinstance(value, ir.Constant):
        return ir.Constant(ir.VectorType(element, LANES), [value.constant] * LANES)
    vector = ir.VectorType(element, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _I32(0))
    order = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)


# ------------------------------------------------------------------------------------- operators


def _define(operation: Callable, vector: Vector, result: Vector, build: Callable) -> None:
    """Define an operator between vectors, and between a vector and a number."""
    scalar = vector.scalar

    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            if len(args) == 2 and vector in args and all(a in (vector, scalar) for a in args):
                return signature(result, *args)
            return None

    def lower(context, builder, sig, args):
        return build(builder, *(_broadcast(builder, a, vector.element) for a in args))

    for pair in ((vector, vector), (vector, scalar), (scalar, vector)):
        lower_builtin(operation, *pair)(lower)


_define(operator.add, floats, floats, ir.IRBuilder.fadd)
_define(operator.sub, floats, floats, ir.IRBuilder.fsub)
_define(operator.mul, floats, floats, ir.IRBuilder.fmul)
_define(operator.truediv, floats, floats, ir.IRBuilder.fdiv)
_define(operator.lt, floats, truths, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_define(operator.gt, floats, truths, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.add, integers, integers, ir.IRBuilder.add)
_define(operator.sub, integers, integers, ir.IRBuilder.sub)
_define(operator.mul, integers, integers, ir.IRBuilder.mul)
_define(operator.rshift, integers, integers, ir.IRBuilder.ashr)
_define(operator.lshift, integers, integers, ir.IRBuilder.shl)
_define(operator.and_, integers, integers, ir.IRBuilder.and_)
_define(operator.or_, truths, truths, ir.IRBuilder.or_)


@infer_global(operator.neg)
class _Negation(AbstractTemplate):
    def generic(self, args, kws):
        return signature(floats, floats) if args[0] is floats else None


@lower_builtin(operator.neg, floats)
def _negate(context, builder, sig, args):
    return builder.fneg(args[0])


# ------------------------------------------------------------------------ functions of each lane


def _elementwise(*arguments: types.Type) -> tuple[types.Type, tuple[types.Type, ...], Callable]:
    """Types of the result and the arguments of a function of floats, and what turns an argument into the result's."""
    for kind in arguments:
        _check(kind in (floats, types.float32), "argument", kind, f"{floats} or float32")
    if floats in arguments:
        return floats, arguments, lambda builder, value: _broadcast(builder, value, _F32)
    return types.float32, arguments, lambda builder, value: value


def _check(allowed: bool, name: str, kind: types.Type, description: str) -> None:
    """Raise an error that names the type of an argument, where Numba would convert it silently or misread memory."""
    if not allowed:
        raise TypingError(f"{name} = {kind}: allowed is {description}")


def _is_flat(kind: types.Type, *dimensions: int) -> bool:
    """Whether a type is a contiguous array of float32 with one of these numbers of dimensions."""
    return (
        isinstance(kind, types.Array)
        and kind.dtype == types.float32
        and kind.ndim in dimensions
        and kind.layout == "C"
    )


def _call(builder: ir.IRBuilder, name: str, args: Sequence[ir.Value]) -> ir.Value:
    """Call an LLVM intrinsic by its whole name; its result is of the type of its first argument."""
    kind = ir.FunctionType(args[0].type, [a.type for a in args])
    module = builder.module
    function = module.globals[name] if name in module.globals else ir.Function(module, kind, name)
    return builder.call(function, args)


@intrinsic
def select(typingctx, condition, a, b):
    """`a` where the condition holds, otherwise `b`."""
    _check(condition in (truths, types.boolean), "condition", condition, f"{truths} or bool")
    result, (a, b), convert = _elementwise(a, b)
    if condition is truths:
        result, _, convert = _elementwise(floats)

    def codegen(context, builder, sig, args):
        return builder.select(args[0], convert(builder, args[1]), convert(builder, args[2]))

    return result(condition, a, b), codegen


def _extreme(description: str, comparison: str) -> Callable:
    """Define a function that selects the first of two floats where the comparison holds."""

    def function(typingctx, a, b):
        result, arguments, convert = _elementwise(a, b)

        def codegen(context, builder, sig, args):
            x, y = (convert(builder, value) for value in args)
            return builder.select(builder.fcmp_ordered(comparison, x, y), x, y)

        return signature(result, *arguments), codegen

    function.__doc__ = description
    return intrinsic(function)


smaller = _extreme("The smaller of two floats; the second where either is NaN.", "<")
larger = _extreme("The larger of two floats; the second where either is NaN.", ">")


def _call_of_target(context: Any, builder: ir.IRBuilder, function: Callable, args: Sequence[ir.Value]) -> ir.Value:
    """Call a function of one number as its target defines it: a GPU has neither LLVM's root nor its magnitude."""
    return context.get_function(function, types.float32(types.float32))(builder, args)


def _of_one(description: str, name: str, of_number: Callable) -> Callable:
    """Define a function of one float: LLVM's of this name for lanes, that of the target for a number."""

    def function(typingctx, a):
        result, arguments, _ = _elementwise(a)

        def codegen(context, builder, sig, args):
            if result is floats:
                return _call(builder, f"llvm.{name}.v{LANES}f32", args)
            return _call_of_target(context, builder, of_number, args)

        return signature(result, *arguments), codegen

    function.__doc__ = description
    return intrinsic(function)


magnitude = _of_one("Absolute value.", "fabs", math.fabs)
root = _of_one("Square root.", "sqrt", math.sqrt)


@intrinsic
def estimate_inverse_root(typingctx, a):
    """``1 / sqrt(a)`` to 2^-14 or 1.5 * 2^-12 (``IS_FINE``): the processor's estimate, or from the float's bits."""
    result, arguments, _ = _elementwise(a)

    def codegen(context, builder, sig, args):
        if result is not floats:
            return builder.fdiv(_F32(1.0), _call_of_target(context, builder, math.sqrt, args))
        if "avx512f" in _FEATURES:
            return _join(builder, [_estimate_avx512(builder, piece) for piece in _split(builder, args[0], 16)])
        if "avx" in _FEATURES:
            pieces = _split(builder, args[0], 8)
            return _join(builder, [_call(builder, "llvm.x86.avx.rsqrt.ps.256", [piece]) for piece in pieces])
        return _estimate_from_bits(builder, args[0])

    return signature(result, *arguments), codegen


def _estimate_avx512(builder: ir.IRBuilder, piece: ir.Value) -> ir.Value:
    nothing, all_lanes = ir.Constant(piece.type, None), ir.Constant(ir.IntType(16), 0xFFFF)
    return _call(builder, "llvm.x86.avx512.rsqrt14.ps.512", [piece, nothing, all_lanes])


def _estimate_from_bits(builder: ir.IRBuilder, a: ir.Value) -> ir.Value:
    """Halve the exponent in the float's bits, then two Newton steps (relative error 5e-6)."""
    bits, number = ir.VectorType(_I32, LANES), ir.VectorType(_F32, LANES)
    half = builder.lshr(builder.bitcast(a, bits), ir.Constant(bits, [1] * LANES))
    y = builder.bitcast(builder.sub(ir.Constant(bits, [0x5F375A86] * LANES), half), number)
    for _ in range(2):
        square = builder.fmul(ir.Constant(number, [0.5] * LANES), builder.fmul(a, builder.fmul(y, y)))
        y = builder.fmul(y, builder.fsub(ir.Constant(number, [1.5] * LANES), square))
    return y


# -------------------------------------------------------------------------------- floats and bits


def _conversion(description: str, source: Vector, target: Vector, build: Callable) -> Callable:
    def function(typingctx, a):
        is_vector = a is source
        # sums of int32 are int64 in Numba
        is_number = isinstance(a, types.Integer) if source is integers else a == source.scalar
        _check(is_vector or is_number, "argument", a, f"{source} or {source.scalar}")
        argument, result = (source, target) if is_vector else (source.scalar, target.scalar)

        def codegen(context, builder, sig, args):
            return build(builder, args[0], ir.VectorType(target.element, LANES) if is_vector else target.element)

        return signature(result, argument), codegen

    function.__doc__ = description
    return intrinsic(function)


float_bits = _conversion("The bits of float32 as int32.", floats, integers, ir.IRBuilder.bitcast)
bits_float = _conversion("The float32 that have these bits (int32).", integers, floats, ir.IRBuilder.bitcast)
truncate = _conversion("Floats without their fraction, as int32.", floats, integers, ir.IRBuilder.fptosi)
to_floats = _conversion("Whole numbers (int32) as float32.", integers, floats, ir.IRBuilder.sitofp)


@intrinsic
def get_lanes(typingctx, condition):
    """The lanes where a condition holds, as the bits of an integer; 1 or 0 of a single condition."""
    _check(condition in (truths, types.boolean), "condition", condition, f"{truths} or bool")

    def codegen(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(LANES)) if sig.args[0] is truths else args[0]
        return builder.zext(bits, _I64)

    return types.uint64(condition), codegen


# -------------------------------------------------------------------------------- state and tables


def _address(context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value, index: ir.Value) -> ir.Value:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _row(context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value, row: ir.Value) -> ir.Value:
    """Address of a row of the state: of one vector if the state has two axes, otherwise of one number."""
    if kind.ndim == 1:
        return _address(context, builder, kind, array, row)
    first = _address(context, builder, kind, array, builder.mul(row, ir.Constant(row.type, LANES)))
    return builder.bitcast(first, ir.VectorType(_F32, LANES).as_pointer())


def _check_state(state: types.Type, row: types.Type) -> None:
    _check(_is_flat(state, 1, 2), "state", state, "array(float32, 2d, C) or array(float32, 1d, C)")
    _check(isinstance(row, types.Integer), "row", row, "an integer")


@intrinsic
def load(typingctx, state, row):
    """Row `row` of the state."""
    _check_state(state, row)

    def codegen(context, builder, sig, args):
        address = _row(context, builder, sig.args[0], *args)
        return builder.load(address, align=ALIGNMENT if state.ndim == 2 else 4)

    return signature(floats if state.ndim == 2 else types.float32, state, row), codegen


@intrinsic
def store(typingctx, state, row, value):
    """Set row `row` of the state."""
    _check_state(state, row)
    kind = floats if state.ndim == 2 else types.float32
    description = f"{floats} or float32" if kind is floats else "float32"
    _check(value in (kind, types.float32), "value", value, description)

    def codegen(context, builder, sig, args):
        address = _row(context, builder, sig.args[0], *args[:2])
        builder.store(_broadcast(builder, args[2], _F32) if kind is floats else args[2], address,
                      align=ALIGNMENT if kind is floats else 4)  # fmt: skip
        return context.get_dummy_value()

    return types.void(state, row, value), codegen


@intrinsic
def get_element(typingctx, table, index):
    """``table[index]``, the same number for all lanes; an index counts from the start only."""
    _check(_is_flat(table, 1), "table", table, "array(float32, 1d, C)")
    _check(isinstance(index, types.Integer), "index", index, "an integer")

    def codegen(context, builder, sig, args):
        return builder.load(_address(context, builder, sig.args[0], *args))

    return types.float32(table, index), codegen


@intrinsic(prefer_literal=True)
def load_four(typingctx, table, index, offset):
    """Four neighbouring numbers of a table from ``index + offset`` on, of each lane: a tuple of four.

    ``index + offset`` must be a multiple of four. One load of 16 bytes for each lane and a transposition cost a quarter
    of four gathers.
    """
    is_vector = index is integers
    _check(_is_flat(table, 1), "table", table, "array(float32, 1d, C)")
    _check(is_vector or isinstance(index, types.Integer), "index", index, f"{integers} or an integer")
    _check(isinstance(offset, types.IntegerLiteral), "offset", offset, "a literal integer")
    constant = offset.literal_value

    def codegen(context, builder, sig, args):
        if is_vector:
            rows = [
                _load_row(context, builder, sig.args[0], args[0], builder.extract_element(args[1], _I32(k)), constant)
                for k in range(LANES)
            ]
            columns = _transpose(builder, rows)
        else:
            first = builder.add(builder.sext(args[1], _I64), _I64(constant))
            columns = [
                builder.load(_address(context, builder, sig.args[0], args[0], builder.add(first, _I64(k))))
                for k in range(4)
            ]
        return context.make_tuple(builder, sig.return_type, columns)

    number, place = (floats, integers) if is_vector else (types.float32, types.int32)
    return signature(types.UniTuple(number, 4), table, place, offset), codegen


def _load_row(
    context: Any, builder: ir.IRBuilder, kind: types.Array, table: ir.Value, index: ir.Value, offset: int
) -> ir.Value:
    first = builder.gep(_address(context, builder, kind, table, builder.zext(index, _I64)), [_I64(offset)])
    return builder.load(builder.bitcast(first, ir.VectorType(_F32, 4).as_pointer()), align=16)


def _transpose(builder: ir.IRBuilder, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """Four vectors of all lanes from one vector of four for each lane, in blocks of 16 lanes."""
    parts = []
    for first in range(0, LANES, 16):
        block = rows[first : first + 16]
        a, b, c, d = (_join(builder, [block[m + step] for step in (0, 4, 8, 12)]) for m in range(4))
        e, f = _pick(builder, a, b, (0, 4, 1, 5)), _pick(builder, a, b, (2, 6, 3, 7))
        g, h = _pick(builder, c, d, (0, 4, 1, 5)), _pick(builder, c, d, (2, 6, 3, 7))
        parts.append(
            [_pick(builder, *pair, order) for pair in ((e, g), (f, h)) for order in ((0, 1, 4, 5), (2, 3, 6, 7))]
        )
    return [_join(builder, [part[m] for part in parts]) for m in range(4)]


def _pick(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: Sequence[int]) -> ir.Value:
    """Shuffle each four lanes of a and the same four of b (numbered from 4 on) in the same order."""
    index = [group * 4 + (k if k < 4 else k - 4 + 16) for group in range(4) for k in order]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, 16), index))


def _split(builder: ir.IRBuilder, vector: ir.Value, width: int) -> Iterator[ir.Value]:
    """Yield a vector in pieces of `width` lanes."""
    undefined = ir.Constant(vector.type, ir.Undefined)
    for first in range(0, LANES, width):
        index = ir.Constant(ir.VectorType(_I32, width), list(range(first, first + width)))
        yield builder.shuffle_vector(vector, undefined, index)


def _join(builder: ir.IRBuilder, pieces: Sequence[ir.Value]) -> ir.Value:
    """Join pieces of one width, a power of two of them."""
    while len(pieces) > 1:
        width = pieces[0].type.count
        index = ir.Constant(ir.VectorType(_I32, 2 * width), list(range(2 * width)))
        pieces = [builder.shuffle_vector(a, b, index) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]
