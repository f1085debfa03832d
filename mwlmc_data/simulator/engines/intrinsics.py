"""Machine operations that the lanes need and Numba does not provide.

LLVM turns a loop into SIMD instructions only if it knows that the loop does not read what it writes. Numba cannot
declare this for two arrays. Here loads from tables form one alias scope, and loads and stores of the lanes' state are
marked as never touching that scope (LLVM language reference, "noalias and alias.scope metadata").
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def float_bits(typingctx, value):
    """The bits of a float32 as int32."""

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return types.int32(types.float32), codegen


@intrinsic
def bits_float(typingctx, bits):
    """The float32 with these bits (int32)."""

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return types.float32(types.int32), codegen


def _tables_scope(builder: ir.IRBuilder) -> ir.values.MDValue:
    module = builder.module
    domain = module.add_metadata(["lanes"])
    return module.add_metadata([module.add_metadata(["tables", domain])])


def _element(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def load_table(typingctx, array, index):
    """``array[index]`` of a table that the loop never writes."""

    def codegen(context, builder, signature, arguments):
        value = builder.load(_element(context, builder, signature, arguments))
        value.set_metadata("alias.scope", _tables_scope(builder))
        return value

    return array.dtype(array, index), codegen


@intrinsic
def load_state(typingctx, array, index):
    """``array[index]`` of the lanes' state, which no table overlaps."""

    def codegen(context, builder, signature, arguments):
        value = builder.load(_element(context, builder, signature, arguments))
        value.set_metadata("noalias", _tables_scope(builder))
        return value

    return array.dtype(array, index), codegen


@intrinsic
def store_state(typingctx, array, index, value):
    """``array[index] = value`` of the lanes' state, which no table overlaps."""

    def codegen(context, builder, signature, arguments):
        store = builder.store(arguments[2], _element(context, builder, signature, arguments))
        store.set_metadata("noalias", _tables_scope(builder))
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), codegen
