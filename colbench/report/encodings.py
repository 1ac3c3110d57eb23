"""How documents were encoded: a row an encoder, the same in Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from colbench.report.rows import Cell, number
from colbench.results.schema import EncodingInfo, Results

HEADING = "Encoders"
WORDS = ("encoder", "form", "backend", "precision")
"""Titles of the columns that hold words."""

NUMBERS = ("docs/s", "GFLOP/s", "of GEMM peak", "documents cut off", "tokens cut off")
"""Titles of the columns that hold numbers; `OPTIONAL` follow where there is something to show."""

OPTIONAL = ("chunks", "cosine to fp32")

TOLD = (
    "docs/s: when the documents were encoded. GFLOP/s: of the forward passes, padding not counted; "
    "of GEMM peak: as a share of a large matrix product in the same precision, where this run "
    "encoded."
)
"""How to read it."""


@dataclass(frozen=True)
class EncodingTable:
    """Cells of the table.

    Attributes:
        titles: of the columns with numbers.
        lines: (words, numbers) of each encoder, in the order in which systems use them.
    """

    titles: list[str]
    lines: list[tuple[list[str], list[Cell]]]


def encoding_table(results: Results) -> EncodingTable | None:
    """Return a row for each encoder in each form and arithmetic.

    None where no system has an encoder, or the results are older than this record.
    """
    found: dict[tuple[str, ...], EncodingInfo] = {}
    for system in results.systems:
        for info in system.encodings or []:
            key = (info.encoder, info.form, info.backend, info.precision, info.device)
            found.setdefault((*key, str(info.tokens)), info)
    if not found:
        return None
    optional = [[_count(info.chunks), _cosine(info.cosine)] for info in found.values()]
    kept = [place for place in range(len(OPTIONAL)) if any(row[place].text for row in optional)]
    lines = [
        (
            [info.encoder, info.form, info.backend, info.precision],
            [*_numbers(info, results.collection.docs), *(extra[place] for place in kept)],
        )
        for info, extra in zip(found.values(), optional, strict=True)
    ]
    return EncodingTable([*NUMBERS, *(OPTIONAL[place] for place in kept)], lines)


def _numbers(info: EncodingInfo, docs: int) -> list[Cell]:
    return [
        _shown(info.docs_per_second),
        _shown(info.gflops),
        gemm_share(info.gflops, info.gemm_gflops and info.gemm_gflops * info.devices),
        _part(info.truncated_docs, docs),
        _part(info.truncated_tokens, info.tokens + info.truncated_tokens),
    ]


def gemm_share(gflops: float | None, gemm_gflops: float | None) -> Cell:
    """Return a rate as a share of the GEMM peak; empty where one of them is not known.

    Nor is the peak known where the encoder exceeds it: torch emulates products there, as of int8
    without instructions for them, which another backend does a hundred times faster.

    >>> gemm_share(120.0, 400.0).text, gemm_share(None, 400.0).text, gemm_share(90.0, 2.0).text
    ('30 %', '', '')
    """
    if gflops is None or not gemm_gflops or gflops > gemm_gflops:
        return Cell("")
    share = gflops / gemm_gflops
    return Cell(f"{100 * share:.0f} %", value=share)


def _part(count: int, of: int) -> Cell:
    share = f" ({100 * count / of:.1f} %)" if count and of else ""
    return Cell(f"{count:,}{share}", value=count)


def _shown(value: float | None) -> Cell:
    return Cell(number(value), value=value)


def _count(value: int | None) -> Cell:
    return Cell("" if value is None else f"{value:,}", value=value)


def _cosine(value: float | None) -> Cell:
    return Cell("" if value is None else f"{value:.4f}", value=value)
