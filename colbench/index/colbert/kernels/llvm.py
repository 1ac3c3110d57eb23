"""A thin layer over llvmlite: what the machine-code kernels are written with.

numba compiles loops over scalars well, but gives no access to the instructions that carry a
late-interaction index: products of bytes (VNNI) and table look-ups in a register. The functions
here build a few lines of LLVM's intermediate language that numba inlines into its own code.
Addresses are passed as integers (`array.ctypes.data`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
LANES = 16
"""Query tokens that share one vector register: int32 or float32 lanes of 512 bits."""


def vector(element: ir.Type, length: int) -> ir.VectorType:
    """Return the type of a vector."""
    return ir.VectorType(element, length)


def number(value: int) -> ir.Constant:
    """Return a 64-bit integer constant."""
    return ir.Constant(I64, value)


def filled(kind: ir.VectorType, value: int | float) -> ir.Constant:
    """Return a vector constant of equal elements."""
    return ir.Constant(kind, [value] * kind.count)


def load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    """Read a value at an unaligned address."""
    return builder.load(builder.inttoptr(address, ir.PointerType()), typ=kind, align=1)


def store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    """Write a value to an unaligned address."""
    builder.store(value, builder.inttoptr(address, ir.PointerType()), align=1)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, args: Sequence[ir.Value]) -> ir.Value:
    """Call an LLVM intrinsic."""
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(result, [argument.type for argument in args])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, args)


def spread(builder: ir.IRBuilder, value: ir.Value, length: int) -> ir.Value:
    """Return a vector with `value` in every lane."""
    kind = vector(value.type, length)
    undefined = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, undefined, filled(vector(I32, length), 0))


def loop(
    builder: ir.IRBuilder,
    count: ir.Value,
    initial: Sequence[ir.Value],
    body: Callable[[ir.Value, list[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """Build `for i in range(count)` that carries values in registers; `count` is at least 1.

    Args:
        builder: at the place of the loop.
        count: 64-bit integer.
        initial: values before the first round.
        body: takes the round's number and the values, returns the values for the next.

    Returns:
        The values after the last round.
    """
    before = builder.block
    inside, after = builder.append_basic_block(), builder.append_basic_block()
    builder.branch(inside)
    builder.position_at_end(inside)
    counter = builder.phi(I64)
    carried = [builder.phi(value.type) for value in initial]
    results = body(counter, carried)
    following = builder.add(counter, number(1))
    for phi, first, later in zip(
        [counter, *carried], [number(0), *initial], [following, *results], strict=True
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(later, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
    builder.position_at_end(after)
    return results


def integer_procedure(arguments: int, emit: Callable[..., None]) -> Any:
    """Make a function that numba code calls with integers (addresses, counts) for its effect.

    Args:
        arguments: how many it takes.
        emit: called with the builder and the argument values; builds the body.
    """
    signature = types.void(*[types.intp] * arguments)

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: Sequence[ir.Value]) -> Any:
        emit(builder, *values)
        return context.get_dummy_value()

    def typing(_: Any, *__: Any) -> Any:
        return signature, codegen

    # numba passes arguments by the names in the signature; `*` alone would make them one tuple.
    names = ["context", *(f"value{position}" for position in range(arguments))]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in names]
    typing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return intrinsic(typing)
