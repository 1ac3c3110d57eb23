"""An explanation as JSON, with every number unrounded."""

from __future__ import annotations

from typing import Any

from colbench.explain.record import ExplainedDocument, Explanation
from colbench.explain.wording import summary


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Return plain values.

    Keys: `query` (`id`, `text`, `tokens`), `collection`, `encoder`, `documents`, and of two
    documents `comparison`. A document has `id`, `title`, `score`, `judged`, `grade`, `chunk`
    (which of how many is aligned, from 1; null where the document is not split), `tokens`, one
    entry of `contributions` a query token (`query_token`, `document_token`, `position`, from 0,
    `similarity`, `share`) and `similarities`, query tokens × document tokens. The comparison has
    the `difference` of the scores, the `differences` by query token, in the query's order, and the
    `summary`. Tokens are the tokenizer's own.
    """
    first = explanation.documents[0].alignment
    values: dict[str, Any] = {
        "query": {
            "id": explanation.query_id,
            "text": explanation.query,
            "tokens": list(first.query_tokens),
        },
        "collection": explanation.collection,
        "encoder": explanation.encoder,
        "documents": [_document(document) for document in explanation.documents],
    }
    if len(explanation.documents) > 1:
        values["comparison"] = {
            "difference": float(explanation.differences.sum()),
            "differences": explanation.differences.tolist(),
            "summary": summary(explanation),
        }
    return values


def _document(document: ExplainedDocument) -> dict[str, Any]:
    alignment = document.alignment
    shares = alignment.shares
    return {
        "id": document.id,
        "title": document.title,
        "score": alignment.score,
        "judged": document.grade is not None if document.judged else None,
        "grade": document.grade,
        "chunk": list(document.chunk) if document.part else None,
        "tokens": list(alignment.document_tokens),
        "contributions": [
            {
                "query_token": token,
                "document_token": alignment.document_tokens[winner],
                "position": winner,
                "similarity": similarity,
                "share": None if shares is None else float(shares[row]),
            }
            for row, (token, winner, similarity) in enumerate(
                zip(
                    alignment.query_tokens,
                    alignment.winners.tolist(),
                    alignment.contributions.tolist(),
                    strict=True,
                )
            )
        ],
        "similarities": alignment.similarities.tolist(),
    }
