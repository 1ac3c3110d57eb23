"""LlamaIndex's ColbertRerank beside ours: one checkpoint, one first stage, two ways to read it.

    pip install --no-deps llama-index-postprocessor-colbert-rerank==0.6.0
    python -m benchmarks.llama_index_rerank results/llama_index_rerank

ColbertRerank takes the hidden states of the transformer for token vectors: it leaves out the
projection of the checkpoint, its markers and its mask, reads 512 tokens whatever the checkpoint
says, and scores the mean of the maxima. Both rerank the 20 best documents of `bm25`, for 60 of the
queries of SciFact's test split.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colbench
from colbench.config.models import named_settings
from colbench.encoder.models import LoadedEncoder, load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.integrations.llama_index import ColbertPostprocessor
from colbench.progress import bar
from colbench.run.formats import read_run

RANKINGS = Path("results/runs/llama_index_rerank")
SAMPLE = {"queries": 60}
DATASET, ENCODER, DEPTH = "beir/scifact", "minilm_colbert", 20


def main(output: Path) -> None:
    """Rerank with both, and measure the rankings as runs of other systems."""
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.colbert_rerank import ColbertRerank

    collection = colbench.load_collection(DATASET, sample=SAMPLE)
    texts = {document.id: document.text for document in collection.documents}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        RANKINGS.mkdir(parents=True, exist_ok=True)
        colbench.run(dataset=collection, systems=["bm25"], output_dir=work / "first")
        found = read_run(work / "first" / "runs" / "bm25.trec")
        encoder = load_encoder(
            EncoderSettings.model_validate(named_settings("encoder", ENCODER, (), {})), Form.TOKENS
        )
        assert isinstance(encoder, LoadedEncoder)
        checkpoint = str(work / "checkpoint")
        encoder._model.save_pretrained(checkpoint)
        rerankers = {
            "colbench_rerank": ColbertPostprocessor(
                model=colbench.Colbert.from_pretrained(encoder)
            ),
            "llama_index_rerank": ColbertRerank(
                top_n=DEPTH, model=checkpoint, tokenizer=checkpoint, device="cpu"
            ),
        }
        for name, reranker in rerankers.items():
            lines = []
            for query in bar(collection.queries, description=name, unit="query"):
                best = found.rankings[query.id].doc_ids[:DEPTH]
                nodes = [
                    NodeWithScore(node=TextNode(id_=doc, text=texts[doc]), score=1.0)
                    for doc in best
                ]
                ranked = reranker.postprocess_nodes(nodes, query_str=query.text)
                lines += list(_lines(query.id, ranked, name))
            (RANKINGS / f"{name}.trec").write_text("".join(lines), encoding="utf-8")
        first = (work / "first" / "runs" / "bm25.trec").read_text(encoding="utf-8")
        (RANKINGS / "bm25_first.trec").write_text(first, encoding="utf-8")
        names = ["bm25_first", *rerankers]  # all of them rankings: what they took is not measured
        system: dict[str, Any] = {
            name: {"kind": "trec_run", "path": str(RANKINGS / f"{name}.trec")} for name in names
        }
        results = colbench.run(
            dataset=collection,
            systems=names,
            system=system,
            reference="colbench_rerank",
            k=DEPTH,
            measures=["ndcg@10", "mrr@10", "recall@10"],
            output_dir=output,
        )
    print(results)


def _lines(query: str, ranked: list[Any], name: str) -> Iterator[str]:
    for rank, node in enumerate(ranked, start=1):
        yield f"{query} Q0 {node.node.node_id} {rank} {node.score:.7f} {name}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
