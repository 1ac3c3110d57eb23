"""Builds our index: `python -m benchmarks.index_speed.builder JOB.json`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from benchmarks.index_speed.vectors import VectorFiles
from colbench.files import write_json
from colbench.index.colbert.build import build_index
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.measures.memory import peak_rss_bytes


def main(job_file: str) -> None:
    """Do the job and write the reply.

    The job holds: vectors (folder), documents (how many, the first ones), folder, settings (of the
    index), encoder (fingerprint), threads, reply (path).
    """
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    documents = VectorFiles(Path(job["vectors"])).documents(first=job["documents"])
    settings = IndexSettings.model_validate(job["settings"])
    started = time.perf_counter()
    build_index(Path(job["folder"]), documents, settings, encoder=job["encoder"])
    seconds = time.perf_counter() - started
    index = ColbertIndex.open(Path(job["folder"]), checksums=False)
    size = index.size()
    reply = {
        "seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(),
        "index_bytes": size.bytes,
        "bytes_per_vector": size.vector_bytes / size.vectors,
        "tokens": size.vectors,
        "documents": index.documents,
        "centroids": index.manifest.centroids,
        "dims": index.manifest.dims,
        "code_bytes": index.segments[0].residuals.itemsize * index.segments[0].residuals.shape[1],
    }
    write_json(Path(job["reply"]), reply)


if __name__ == "__main__":
    main(sys.argv[1])
