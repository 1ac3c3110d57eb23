"""What exact MaxSim finds: the first stage of every system whose vectors are compressed or pruned.

It is searched once for all systems of a run that have the same vectors.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from colbench.digests import text_digest
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.hits import Hits
from colbench.index.maxsim import MaxSimScanner
from colbench.paths import remove_made
from colbench.retriever.base import Workbench
from colbench.retriever.exhaustive import build_token_index, read_hits, search_all, write_hits
from colbench.vectors import Vectors


def relevant_to(bench: Workbench, encoder: EncoderSettings, *more: str) -> str:
    """Return what stands for the vectors of the documents, and what else matters.

    Args:
        bench: with the documents.
        encoder: of their vectors.
        more: what else the content of a shared file or folder depends on.
    """
    of = bench.encoder(encoder, Form.TOKENS).document_fingerprint
    parts = [of, bench.collection.fingerprint, *more]
    if bench.chunks(encoder, Form.TOKENS).owners is not None:
        parts.append(f"chunk_overlap={encoder.chunk_overlap}")
    return " ".join(parts)


def elsewhere(device: str) -> list[str]:
    """Return what tells files made on another device than the CPU from those made there."""
    return [] if device == "cpu" else [device.partition(":")[0]]


def exact_hits(
    bench: Workbench,
    encoder: EncoderSettings,
    embeddings: Embeddings,
    queries: Sequence[Vectors],
    k: int,
    *,
    folder: Path,
    device: str,
) -> list[Hits]:
    """Search the uncompressed vectors, or recall what another system of this run found.

    Args:
        bench: with the documents.
        encoder: of their token vectors.
        embeddings: these vectors, fp16.
        queries: float32 (tokens, dims) each.
        k: documents wanted for each.
        folder: for the time of the search, inside that of the system.
        device: that scans.
    """
    fingerprint = bench.encoder(encoder, Form.TOKENS).fingerprint
    relevant = relevant_to(bench, encoder, fingerprint, str(k), *elsewhere(device))
    name = f"exact-{text_digest(relevant)[:16]}"
    digest = hashlib.sha256(name.encode())
    for query in queries:
        digest.update(query.tobytes())
    file = bench.shared / f"exact-{digest.hexdigest()[:16]}.hits"
    found = read_hits(file, len(queries), len(bench.collection.documents))
    if found is None:
        index = build_token_index(embeddings, folder, in_place=True)
        scanner = MaxSimScanner(index, bench.memory_bytes, device)
        owners = bench.chunks(encoder, Form.TOKENS).owners
        found = search_all(scanner, queries, k, bench.ranks, owners)
        remove_made(folder, inside=folder.parent)
        if os.access(file.parent, os.W_OK):
            write_hits(file, found)
    return found
