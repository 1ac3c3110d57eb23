"""What the machine can do, and what a stage of a search would take at that rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.index_speed.record import Machine, StageCost
from benchmarks.index_speed.vectors import VectorFiles
from colbench.index.colbert.kernels.llvm import LANES
from colbench.measures.machine import gemm_gflops
from colbench.timing import repeated

_SIZE = 3072
_COPIED = 1 << 29
_ROWS = 16_384


def measure_machine(files: VectorFiles, timed: int, trials: int) -> Machine:
    """Time products and copies, and the products of all documents with the timed queries."""
    source = np.ones(_COPIED // 8)
    target = np.empty_like(source)
    copies = repeated(lambda: np.copyto(target, source), least=trials)
    fp32 = gemm_gflops("fp32", side=_SIZE, least=trials, seconds=0)
    assert fp32 is not None  # torch multiplies float32 everywhere
    return Machine(
        fp32_gigaops=fp32,
        int8_gigaops=gemm_gflops("int8", side=_SIZE, least=trials, seconds=0),
        gigabytes_per_second=2 * source.nbytes / min(copies) / 1e9,
        product_fp32_ms=_products(files, timed, torch.float32, trials),
        product_bf16_ms=_products(files, timed, torch.bfloat16, trials),
    )


def _products(files: VectorFiles, timed: int, dtype: torch.dtype, trials: int) -> float:
    """Return milliseconds a query of the bare product with every document token."""
    vectors = np.load(files.vectors, mmap_mode="r", allow_pickle=False)
    columns = (
        torch.from_numpy(np.concatenate(files.read_queries()[:timed])).to(dtype).T.contiguous()
    )
    rows = [
        torch.from_numpy(vectors[start : start + _ROWS].astype(np.float32)).to(dtype)
        for start in range(0, len(vectors), _ROWS)
    ]

    def multiply() -> None:
        for block in rows:
            torch.mm(block, columns)

    return min(repeated(multiply, least=trials)) / timed * 1e3


@dataclass(frozen=True)
class IndexShape:
    """What the floors of a search follow from."""

    centroids: int
    dims: int
    tokens: int
    documents: int
    code_bytes: int


def stage_costs(
    stages: dict[str, dict[str, Any]], shape: IndexShape, query_tokens: float, machine: Machine
) -> list[StageCost]:
    """Set the bytes and operations each stage cannot do without beside its time.

    Documents are taken to be of average length and query tokens to fill their lanes of 16. The
    scores of the centroids are read once; that the interaction reads a row of them for every token
    is its own doing.
    """
    lanes = -(-query_tokens // LANES) * LANES
    a_document = shape.tokens / shape.documents
    table = 4 * shape.centroids * lanes
    id_bytes = 2 if shape.centroids <= 1 << 16 else 4
    items = {stage: cost["items"] or 0.0 for stage, cost in stages.items()}
    entering = {"prune": items.get("candidates", 0.0)}
    entering["interact"] = items.get("prune", entering["prune"])
    costs = []
    for stage, cost in stages.items():
        moved, operations, rate = 0.0, 0.0, machine.fp32_gigaops
        if stage == "centroid scores":
            moved = 2.0 * shape.centroids * shape.dims + table
            operations = 2.0 * shape.centroids * shape.dims * lanes
        elif stage == "probe":
            moved = table
        elif stage == "candidates":
            moved = id_bytes * items["probe"] * shape.tokens / shape.centroids
        elif stage in entering:
            tokens = entering[stage] * a_document
            moved = table + id_bytes * tokens
            operations = tokens * lanes
        elif stage == "score":
            tokens = items["score"] * a_document
            moved = tokens * (shape.code_bytes + id_bytes)
            operations = 2.0 * tokens * shape.dims * lanes
            rate = machine.int8_gigaops or rate
        seconds = max(moved / machine.gigabytes_per_second, operations / rate) / 1e9
        costs.append(
            StageCost(
                stage=stage,
                ms=cost["ms"],
                items=cost["items"],
                megabytes=moved / 1e6,
                megaoperations=operations / 1e6,
                floor_ms=seconds * 1e3,
            )
        )
    return costs
