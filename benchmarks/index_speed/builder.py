"""Builds our index, in a process of its own."""

from __future__ import annotations

import time

import torch

from benchmarks.index_speed.task import BuildReply, BuildTask
from benchmarks.index_speed.vectors import VectorFiles
from colbench.index.colbert.build import build_index
from colbench.index.colbert.index import ColbertIndex
from colbench.measures.machine import peak_rss_bytes


def build(task: BuildTask) -> BuildReply:
    """Build the index and say what that took."""
    torch.set_num_threads(task.threads)
    documents = VectorFiles(task.vectors).documents(first=task.documents)
    started = time.perf_counter()
    build_index(task.folder, documents, task.settings, encoder=task.encoder)
    seconds = time.perf_counter() - started
    index = ColbertIndex.open(task.folder, checksums=False)
    size = index.size()
    return BuildReply(
        seconds=seconds,
        peak_rss_bytes=peak_rss_bytes(),
        index_bytes=size.bytes,
        bytes_per_vector=size.vector_bytes / size.vectors,
        tokens=size.vectors,
        documents=index.documents,
        centroids=index.manifest.centroids,
        dims=index.manifest.dims,
        code_bytes=index.segments[0].residuals.itemsize * index.segments[0].residuals.shape[1],
    )
