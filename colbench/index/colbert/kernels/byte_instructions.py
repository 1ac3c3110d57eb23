"""The machine instructions `bytes_vnni` is made of: products of bytes and tables in registers."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir

from colbench.index.colbert.kernels.llvm import (
    I8,
    I32,
    LANES,
    call,
    filled,
    integer_procedure,
    load,
    loop,
    number,
    spread,
    store,
    vector,
)

ROWS = 8
"""Tokens unpacked together and multiplied with one load of the query."""

_SUMS, _BYTES = vector(I32, LANES), vector(I8, 64)
_NEEDED = ("avx512vnni", "avx512vbmi", "avx512bw", "avx512vl")


def available() -> bool:
    """Return whether this processor has the instructions and numba's LLVM knows them by name."""
    features = llvmlite.binding.get_host_cpu_features()
    known = llvmlite.binding.llvm_version_info[0] >= 22  # older ones take the bytes as int32
    return known and all(features.get(name, False) for name in _NEEDED)


def _products(
    builder: ir.IRBuilder, sums: ir.Value, unsigned: ir.Value, signed: ir.Value
) -> ir.Value:
    """Add to each int32 lane the products of its four unsigned with its four signed bytes."""
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", _SUMS, [sums, unsigned, signed])


def _dot_bytes(
    builder: ir.IRBuilder,
    rows: ir.Value,
    stride: ir.Value,
    query: ir.Value,
    quads: ir.Value,
    start: ir.Value,
    out: ir.Value,
) -> None:
    begins = [builder.add(rows, builder.mul(stride, number(row))) for row in range(ROWS)]

    def step(quad: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        tokens = load(builder, builder.add(query, builder.mul(quad, number(4 * LANES))), _BYTES)
        offset = builder.mul(quad, number(4))
        four = [load(builder, builder.add(begin, offset), I32) for begin in begins]
        return [
            _products(builder, total, builder.bitcast(spread(builder, f, LANES), _BYTES), tokens)
            for f, total in zip(four, sums, strict=True)
        ]

    sums = loop(builder, quads, [load(builder, start, _SUMS)] * ROWS, step)
    for row, total in enumerate(sums):
        store(builder, total, builder.add(out, number(4 * LANES * row)))


dot_bytes = integer_procedure(6, _dot_bytes)
"""(rows uint8, stride, query int8 (quads, 16, 4), quads, start int32 (16,), out int32 (8, 16))"""


def _token_terms(
    builder: ir.IRBuilder, row: ir.Value, centroid: ir.Value, blocks: ir.Value, out: ir.Value
) -> None:
    middle = filled(_BYTES, 128)

    def step(block: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        offset = builder.mul(block, number(64))
        unsigned = load(builder, builder.add(row, offset), _BYTES)
        signed = builder.xor(unsigned, middle)
        other = load(builder, builder.add(centroid, offset), _BYTES)
        pairs = [(unsigned, other), (unsigned, signed), (middle, signed)]
        return [_products(builder, s, u, w) for s, (u, w) in zip(sums, pairs, strict=True)]

    cross, square, shift = loop(builder, blocks, [filled(_SUMS, 0)] * 3, step)
    for place, lanes in enumerate((cross, builder.sub(square, shift))):
        total = call(builder, "llvm.vector.reduce.add.v16i32", I32, [lanes])
        store(builder, total, builder.add(out, number(4 * place)))


token_terms = integer_procedure(4, _token_terms)
"""(row of uint8, centroid of int8, blocks of 64, out int32 (2,)): Σ(w+128)·c and Σw²"""


def _look_up(builder: ir.IRBuilder, table: ir.Value, index: ir.Value) -> ir.Value:
    """Replace each byte below 16 by that entry of a table repeated every 16 bytes."""
    name = {64: "avx512.pshuf.b.512", 32: "avx2.pshuf.b", 16: "ssse3.pshuf.b.128"}
    width = index.type.count
    return call(builder, f"llvm.x86.{name[width]}", index.type, [table, index])


def _unpacker(nbits: int, width: int) -> Any:
    """Make (packed, count, table, out, plane): bytes → 8/nbits planes of one byte a dimension."""
    kind = vector(I8, width)

    def emit(
        builder: ir.IRBuilder,
        packed: ir.Value,
        count: ir.Value,
        table: ir.Value,
        out: ir.Value,
        plane: ir.Value,
    ) -> None:
        entries = load(builder, table, kind)

        def step(position: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            offset = builder.mul(position, number(width))
            values = load(builder, builder.add(packed, offset), kind)
            for place in range(8 // nbits):
                shifted = builder.lshr(values, filled(kind, 8 - nbits * (place + 1)))
                index = builder.and_(shifted, filled(kind, (1 << nbits) - 1))
                target = builder.add(out, builder.add(offset, builder.mul(plane, number(place))))
                store(builder, _look_up(builder, entries, index), target)
            return []

        loop(builder, count, [], step)

    return integer_procedure(5, emit)


def _unpack_whole_bytes(
    builder: ir.IRBuilder,
    packed: ir.Value,
    count: ir.Value,
    table: ir.Value,
    out: ir.Value,
    plane: ir.Value,
) -> None:
    """As `_unpacker`, for 8 bits: a table of 256 bytes lies in four registers."""
    parts = [load(builder, builder.add(table, number(64 * part)), _BYTES) for part in range(4)]

    def step(position: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        offset = builder.mul(position, number(64))
        index = load(builder, builder.add(packed, offset), _BYTES)
        name = "llvm.x86.avx512.vpermi2var.qi.512"
        low = call(builder, name, _BYTES, [parts[0], index, parts[1]])
        high = call(builder, name, _BYTES, [parts[2], index, parts[3]])
        upper = builder.icmp_signed("<", index, filled(_BYTES, 0))
        store(builder, builder.select(upper, high, low), builder.add(out, offset))
        return []

    loop(builder, count, [], step)


unpack_1_64, unpack_1_16 = _unpacker(1, 64), _unpacker(1, 16)
unpack_2_64, unpack_2_16 = _unpacker(2, 64), _unpacker(2, 16)
unpack_4_64, unpack_4_16 = _unpacker(4, 64), _unpacker(4, 16)
unpack_8_64 = integer_procedure(5, _unpack_whole_bytes)
