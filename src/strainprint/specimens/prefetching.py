"""Memory that is fetched while the processor computes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_TO_WRITE, _NEAREST_CACHE, _DATA = 1, 3, 1


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, matrix: Any, i: Any, j: Any) -> Any:
    """Have the cache line of ``matrix[i, j]`` fetched while the processor goes on.

    Where it waits for one line at a time, most of it is idle: a pair takes less time to compute
    than one of its lines to come from memory. Places outside the matrix are no error.
    """
    byte = ir.IntType(8).as_pointer()
    number = ir.IntType(32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        item = cgutils.get_item_pointer(
            context, builder, kind, array, arguments[1:], wraparound=False
        )
        of_llvm = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, of_llvm, "llvm.prefetch.p0i8")
        how = [number(_TO_WRITE), number(_NEAREST_CACHE), number(_DATA)]
        builder.call(function, [builder.bitcast(item, byte), *how])
        return context.get_dummy_value()

    return types.none(matrix, types.intp, types.intp), generate
