"""What is killed, interrupted and starved in these tests: each way colbench has of writing.

An operation works in a folder of its own. `PREPARE` brings the folder into the state before it,
`OPERATIONS` does it, and doing it again after it was stopped is what a user would do.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fake_encoder import FakeEncoder

from colbench.cli.main import main
from colbench.encoder.cache import filling
from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.writer import IndexWriter
from colbench.progress import quieted

DIMS = 16
FINGERPRINT = "5" * 64
TEXTS = [f"{number} " + "word " * (number % 9) for number in range(120)]
WORDS = ("moon", "sea", "tide", "bread", "flour", "water", "cat", "dog", "house", "night")
SYSTEMS = "[bm25,colbert]"


class HashEncoder(FakeEncoder):
    """An encoder whose vectors are a hash of the text: equal on every machine, in no time."""

    settings = EncoderSettings(name="hash", model="hash")
    batch_tokens = 64
    form = Form.TOKENS
    dims = DIMS
    fingerprint = document_fingerprint = FINGERPRINT

    def encode_documents(self, texts):
        return [matrix(text) for text in texts]

    encode_queries = encode_documents


def matrix(text: str) -> np.ndarray:
    """Return one to six unit rows that depend on the text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    rows = rng.standard_normal((1 + digest[8] % 6, DIMS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def documents(first: int, end: int, version: str = "") -> Documents:
    """Return documents of the synthetic index."""
    ids = [f"d{number}" for number in range(first, end)]
    return Documents.of(ids, [matrix(f"{name}{version}") for name in ids], DIMS)


def _encode(folder: Path) -> None:
    filling.SHARD_BYTES = 1  # a commit after every batch
    embed_documents(HashEncoder(), TEXTS, EmbeddingCache(folder / "cache"), description="encode")


def _build(folder: Path) -> None:
    settings = IndexSettings(nbits=2, centroids=32, chunk_tokens=256, pooling=2)
    build_index(folder / "index", documents(0, 300), settings, encoder=FINGERPRINT)


def _built(folder: Path) -> None:
    _build(folder)
    with IndexWriter.open(folder / "index") as writer:
        writer.add(documents(300, 320))
        writer.delete([f"d{number}" for number in range(0, 320, 40)])


def _add(folder: Path) -> None:
    with IndexWriter.open(folder / "index", encoder=FINGERPRINT) as writer:
        if "d320" not in writer.index.numbers:
            writer.add(documents(320, 500))


def _delete(folder: Path) -> None:
    with IndexWriter.open(folder / "index", encoder=FINGERPRINT) as writer:
        if "d1" in writer.index.numbers:
            writer.delete([f"d{number}" for number in range(1, 300, 3) if number % 40])


def _update(folder: Path) -> None:
    with IndexWriter.open(folder / "index", encoder=FINGERPRINT) as writer:
        if writer.index.manifest.change == 3:
            writer.update(documents(41, 79, "new"))


def _compact(folder: Path) -> None:
    with IndexWriter.open(folder / "index", encoder=FINGERPRINT) as writer:
        if len(writer.index.segments) > 1:
            writer.compact()


def command(folder: Path, *overrides: str) -> list[str]:
    """Return the words of a small run, which writes to `out` and keeps vectors in `cache`."""
    return [
        *("run", "--quiet", "dataset=beir_dir", f"dataset.path={folder / 'data'}"),
        *(
            f"output_dir={folder / 'out'}",
            f"cache_dir={folder / 'cache'}",
            "encoder.precision=fp32",
            "threads=1",
        ),
        *("latency.queries=2", "latency.warmup=1", "keep_indexes=true", "attribution=false"),
        *(f"systems={SYSTEMS}", "measures=[ndcg@10,recall@10]", "k=10", "index.centroids=16"),
        *overrides,
    ]


def _run(folder: Path) -> None:
    raise SystemExit(main(command(folder)))


def _report(folder: Path) -> None:
    raise SystemExit(main(["report", str(folder / "out")]))


def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def collection(folder: Path) -> None:
    """Write a BEIR folder of forty documents and three queries."""
    data = folder / "data"
    (data / "qrels").mkdir(parents=True)
    texts = [" ".join(WORDS[(n * k) % 10] for k in range(1, 9)) for n in range(40)]
    rows = [{"_id": f"d{n:02d}", "title": "", "text": text} for n, text in enumerate(texts)]
    _lines(data / "corpus.jsonl", rows)
    queries = ("the moon and the sea", "bread from flour", "a dog at night")
    _lines(data / "queries.jsonl", [{"_id": f"q{n}", "text": t} for n, t in enumerate(queries)])
    judged = "query-id\tcorpus-id\tscore\nq0\td01\t2\nq0\td11\t1\nq1\td03\t1\nq2\td07\t1\n"
    (data / "qrels" / "test.tsv").write_text(judged, encoding="utf-8")


def _lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


PREPARE: dict[str, Callable[[Path], None]] = {
    "encode": _nothing,
    "build": _nothing,
    "add": _built,
    "delete": _built,
    "update": _built,
    "compact": _built,
    "run": collection,
    "report": collection,
}
OPERATIONS: dict[str, Callable[[Path], None]] = {
    "encode": _encode,
    "build": _build,
    "add": _add,
    "delete": _delete,
    "update": _update,
    "compact": _compact,
    "run": _run,
    "report": _report,
}


def perform(name: str, folder: Path) -> None:
    """Do an operation, or prepare for it, as its name begins with `prepare-`."""
    with quieted():
        if name.startswith("prepare-"):
            PREPARE[name.removeprefix("prepare-")](folder)
        else:
            OPERATIONS[name](folder)


def carry_out(name: str, folder: str) -> int:
    """Do an operation as a command does: an error of the library is a line and a status."""
    try:
        perform(name, Path(folder))
    except ColbenchError as error:
        print(f"colbench: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def opened(folder: Path) -> ColbertIndex:
    """Open the synthetic index, every checksum compared."""
    return ColbertIndex.open(folder / "index", encoder=FINGERPRINT)
