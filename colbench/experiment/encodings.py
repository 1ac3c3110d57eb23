"""What encoding the documents of a system took, as its results hold it."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from colbench.encoder.cache.store import EncodeStats
from colbench.measures.gemm import gemm_gflops
from colbench.results.schema import EncodingInfo


def encoding_infos(stats: Iterable[EncodeStats], *, fresh: bool = False) -> list[EncodingInfo]:
    """Return one entry for each encoder, form, arithmetic and way of cutting documents.

    The product that its speed is held against is timed here, once in the life of this process: call
    this where nothing is being measured.

    Args:
        stats: of each use of an encoder.
        fresh: whether another process of this run encoded the documents; where neither did, the
            speed is one of another time and has no such product beside it.
    """
    distinct: dict[tuple[object, ...], EncodeStats] = {}
    for one in stats:
        key = (one.label, one.form, one.arithmetic, one.tokens, one.truncated_tokens, one.chunks)
        kept = distinct.setdefault(key, one)
        if one.encoded > kept.encoded:
            distinct[key] = one
    # Vectors from the cache were encoded at another time, perhaps on another machine.
    return [_info(one, timed=fresh or one.encoded > 0) for one in distinct.values()]


def _info(stats: EncodeStats, *, timed: bool) -> EncodingInfo:
    backend, precision, device = stats.arithmetic
    flops = stats.flops_per_second
    return EncodingInfo(
        encoder=stats.label,
        form=stats.form.value,
        backend=backend,
        precision=precision,
        device=device,
        docs_per_second=stats.docs_per_second,
        tokens_per_second=stats.tokens_per_second,
        gflops=None if flops is None else flops / 1e9,
        gemm_gflops=machine_gemm_gflops(precision, device) if timed else None,
        devices=stats.devices,
        tokens=stats.tokens,
        truncated_docs=stats.truncated,
        truncated_tokens=stats.truncated_tokens,
        chunks=stats.chunks,
        cosine=stats.cosine,
    )


@functools.cache
def machine_gemm_gflops(precision: str, device: str) -> float | None:
    """Return `gemm_gflops`, measured once in the life of this process."""
    return gemm_gflops(precision, device)


def cut_off_note(
    name: str,
    *,
    limit: int,
    documents: int,
    truncated: int,
    tokens: int,
    truncated_tokens: int,
) -> str | None:
    """Say how much of the documents an encoder did not read; None where it read everything.

    Args:
        name: of the encoder.
        limit: tokens of a document that are read.
        documents: distinct documents.
        truncated: those whose end was cut off.
        tokens: tokens read.
        truncated_tokens: tokens cut off.

    >>> told = cut_off_note(
    ...     "minilm", limit=256, documents=5183, truncated=812, tokens=990, truncated_tokens=10
    ... )
    >>> told.partition(";")[0]
    'minilm: 812 of 5,183 documents are longer than 256 tokens'
    >>> told.partition("; ")[2]
    '10 tokens (1.0 %) were cut off (encoder.long_documents=chunk keeps them)'
    """
    if not truncated:
        return None
    share = truncated_tokens / (tokens + truncated_tokens)
    return (
        f"{name}: {truncated:,} of {documents:,} documents are longer than {limit:,} tokens; "
        f"{truncated_tokens:,} tokens ({100 * share:.1f} %) were cut off "
        "(encoder.long_documents=chunk keeps them)"
    )
