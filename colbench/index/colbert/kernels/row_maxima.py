"""The largest value of chosen rows of a table, lane by lane, kept in registers: any processor."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from colbench.index.colbert.kernels.llvm import (
    F32,
    I64,
    LANES,
    integer_procedure,
    load,
    loop,
    number,
    store,
    vector,
)


def _row_maxima(code_bits: int, groups: int) -> Any:
    """Make (codes, count, table, stride, out): out[lane] = max(out[lane], table[code, lane], …).

    Args:
        code_bits: of a row number, 16 or 32.
        groups: of 16 lanes.
    """
    lanes = vector(F32, LANES)

    def emit(
        builder: ir.IRBuilder,
        codes: ir.Value,
        count: ir.Value,
        table: ir.Value,
        stride: ir.Value,
        out: ir.Value,
    ) -> None:
        places = [builder.add(out, number(4 * LANES * group)) for group in range(groups)]

        def step(item: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
            address = builder.add(codes, builder.mul(item, number(code_bits // 8)))
            code = builder.zext(load(builder, address, ir.IntType(code_bits)), I64)
            row = builder.add(table, builder.mul(code, stride))
            following = []
            for group, held in enumerate(best):
                new = load(builder, builder.add(row, number(4 * LANES * group)), lanes)
                larger = builder.fcmp_ordered(">", new, held)
                following.append(builder.select(larger, new, held))
            return following

        start = [load(builder, place, lanes) for place in places]
        for place, best in zip(places, loop(builder, count, start, step), strict=True):
            store(builder, best, place)

    return integer_procedure(5, emit)


row_maxima_16_1, row_maxima_16_2 = _row_maxima(16, 1), _row_maxima(16, 2)
row_maxima_32_1, row_maxima_32_2 = _row_maxima(32, 1), _row_maxima(32, 2)
"""(codes uint16 or uint32, how many, at least one, table float32, bytes of a row, out float32)"""
