"""`colbench explain`: which document token each query token found, and why A outranks B."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from colbench.console import add_folders, open_console, tell
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


_ABOUT = """\
Show what the MaxSim score of a document is made of: the document token that each query token finds,
as a heat map and as a table. Of two documents: why one outranks the other.

examples:
  colbench explain dataset=beir/scifact --query-id 3 --doc 14717500
  colbench explain dataset=beir/scifact --query "sunlight makes vitamin D" --doc 275294 --doc 520579
  colbench explain dataset=beir/scifact --query-id 3        the two best documents, from the cache
  colbench explain encoder=colbertv2 --query "what do cats eat" --text "Cats eat fish."
"""

_SUFFIXES = (".svg", ".png")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "explain",
        help="show which document tokens a score comes from",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="configuration (Hydra): dataset and encoder count",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--query", metavar="TEXT", help="a query of your own")
    asked.add_argument("--query-id", metavar="ID", help="a query of the collection")
    parser.add_argument(
        "--doc",
        action="append",
        default=[],
        metavar="ID",
        help="a document of the collection; twice to compare two; left out, the best two are "
        "taken if all document vectors are cached",
    )
    parser.add_argument(
        "--text", action="append", default=[], help="a document of your own, in place of a --doc"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="show every document token, and the heat maps of two documents too",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw it: .svg or .png")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number")
    add_folders(parser, "encoders or datasets")
    parser.set_defaults(action=explain)


def explain(options: argparse.Namespace) -> int:
    """Compose the configuration, align, print and write what was asked for."""
    from colbench.config.compose import compose_run
    from colbench.errors import ConfigError
    from colbench.explain.compute import Question
    from colbench.explain.compute import explain as explained
    from colbench.explain.terminal import print_explanation
    from colbench.files import write_json

    picture: Path | None = options.picture
    if picture is not None and picture.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"--picture {picture}: end the name in {' or '.join(_SUFFIXES)}")
    settings = compose_run(options.overrides, options.config_dir)
    question = Question(options.query, options.query_id, tuple(options.doc), tuple(options.text))
    explanation = explained(settings, question)
    console = open_console(160)
    print_explanation(explanation, console, everything=options.all)
    if picture is not None:
        from colbench.explain.picture import write_picture

        write_picture(explanation, picture, everything=options.all)
        tell(console, "picture", picture)
    if options.json is not None:
        write_json(options.json, as_json(explanation))
        tell(console, "json", options.json)
    return 0
