"""What the service costs beside the library: one index, the same searches, through `kind: http`.

    python -m benchmarks.serve_overhead results/serve_overhead

`library` calls `Colbert.search` in a process of its own, `service` asks `colbench serve` over HTTP;
both return texts and metadata of the 10 best of 500 documents of SciFact. The difference of
their p50 and p99 is the cost of HTTP, JSON and checks. `colbert` is the system of any run over the
same index: its nDCG@10 has to be that of the other two.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import colbench

SAMPLE = {"docs": 500}
DATASET, ENCODER, K = "beir/scifact", "minilm", 10
_COMMAND = "import sys; from colbench.cli.main import main; sys.exit(main())"


class Library:
    """`Colbert.search` as a system of kind python."""

    concurrent = True

    def __init__(self, folder: str) -> None:
        self._index = colbench.Colbert.open(folder)

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        """Return ids and scores; texts and metadata are looked up too."""
        return [(found.id, found.score) for found in self._index.search(query, k=k)]


def main(output: Path) -> None:
    """Make an index, serve it, and measure both."""
    collection = colbench.load_collection(DATASET, sample=SAMPLE)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        colbench.Colbert.from_pretrained(ENCODER).index(
            (document.text for document in collection.documents),
            folder,
            ids=collection.doc_ids,
            metadata=({"title": document.title} for document in collection.documents),
        )
        server = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "serve", str(folder), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None, "the service did not start"
            system: dict[str, Any] = {
                "library": {
                    "kind": "python",
                    "target": f"{Path(__file__)}:Library",
                    "arguments": {"folder": str(folder)},
                },
                "service": {
                    "kind": "http",
                    "url": f"{address[0]}/search",
                    "body": {"query": "{query}", "k": "{k}"},
                    "ids": "results[].id",
                    "scores": "results[].score",
                },
            }
            results = colbench.run(
                dataset=collection,
                systems=["colbert", *system],
                system=system,
                encoder={"long_documents": "chunk"},
                index_dir=folder,
                k=K,
                measures=["ndcg@10"],
                latency={"clients": [1, 2, 4]},
                output_dir=output,
            )
        finally:
            server.terminate()
            server.wait()
    print(results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
