"""The model card of a trained model: `README.md` beside its weights, as the hub reads it.

The front matter follows the hub's metadata specification
(https://github.com/huggingface/hub-docs/blob/main/modelcard.md). No licence is claimed: that of the
base model and of the data decides, and neither is known here. A card travels with the model, so no
folder of the machine that trained it is named.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from colbench.encoder.loading.weights import EMBEDDED
from colbench.files import atomic_write
from colbench.report.markdown import render_markdown
from colbench.report.table import (
    Block,
    Code,
    Document,
    Link,
    Listing,
    Paragraph,
    Prose,
    Section,
)
from colbench.train.naming import (
    KINDS,
    base_label,
    base_model,
    base_of,
    load_overrides,
    updated,
    without_folders,
)
from colbench.train.record import Train
from colbench.train.report import protected_list, result, sources_table, stopped

FILE_NAME = "README.md"

_TAGS = {
    "colbert": ["sentence-transformers", "ColBERT", "multi-vector", "late-interaction"],
    "bi_encoder": ["sentence-transformers", "sentence-similarity", "feature-extraction", "dense"],
    "cross_encoder": ["sentence-transformers", "cross-encoder", "reranker"],
}
_WHAT = {
    "colbert": "a ColBERT model: it makes one vector of each token, and a document scores as the "
    "sum over the query's tokens of their highest similarity to one of its own (MaxSim)",
    "bi_encoder": "a bi-encoder: it makes one vector of a text, and a document scores as the "
    "similarity of its vector to the query's",
    "cross_encoder": "a cross-encoder: it reads a query and a document together and scores the "
    "pair, to rerank what another system found",
}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_REMOVED = (
    "found: examples in the source; duplicates and what belongs to a protected split, by id or by "
    "text, were removed; held out: kept for development."
)
_SNIPPETS = {
    "colbert": """\
from sentence_transformers import MultiVectorEncoder

model = MultiVectorEncoder("MODEL")
queries = model.encode_query(["what moves the sea"])
documents = model.encode_document(["The moon pulls the sea.", "Bread is baked."])
print(model.similarity(queries, documents))""",
    "bi_encoder": """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("MODEL")
queries = model.encode_query(["what moves the sea"])
documents = model.encode_document(["The moon pulls the sea.", "Bread is baked."])
print(model.similarity(queries, documents))""",
    "cross_encoder": """\
from sentence_transformers import CrossEncoder

model = CrossEncoder("MODEL")
print(model.rank("what moves the sea", ["The moon pulls the sea.", "Bread is baked."]))""",
}


def write_card(results: Train, folder: Path) -> None:
    """Write `README.md` into the folder of the saved model, in place of one that is there.

    Raises:
        StorageError: the folder cannot be written.
    """
    with atomic_write(folder / FILE_NAME) as stream:
        stream.write(render_card(results))


def render_card(results: Train) -> str:
    """Return the card: YAML front matter, then GitHub-flavoured Markdown."""
    front = _yaml(_front_matter(results))
    results = without_folders(results)
    base = base_of(results)
    document = Document(
        f"{KINDS[results.kind]} from {base}, trained for {results.collection.name}",
        [*stopped(results), Paragraph(_about(results, base))],
        [
            Section(
                "Data", [sources_table(results), Paragraph(_REMOVED), *protected_list(results)]
            ),
            Section(
                "Recipe",
                [
                    Listing(_yaml(results.config["train"]).rstrip(), "yaml"),
                    Paragraph(_recipe(results)),
                ],
            ),
            Section("Scores", [result(results), Paragraph(_scores(results))]),
            Section("Use", _use(results)),
        ],
    )
    return f"---\n{front}---\n\n{render_markdown(document)}"


def _yaml(value: Any) -> str:
    dumped: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return dumped


def _front_matter(results: Train) -> dict[str, Any]:
    base = _hub_name(results)
    reranks = results.kind == "cross_encoder"
    return {
        "library_name": "sentence-transformers",
        "pipeline_tag": "text-ranking" if reranks else "sentence-similarity",
        "tags": [*_TAGS[results.kind], "colbench"],
        **({} if base is None else {"base_model": base}),
    }


def _hub_name(results: Train) -> str | None:
    """Return the base's name on the hub; None where it is a folder."""
    name = base_model(results)
    if name.startswith(EMBEDDED):  # the published weights, or an update of them
        return "sentence-transformers/all-MiniLM-L6-v2"
    is_hub = _HUB_NAME.fullmatch(name) is not None and base_label(name) == name
    return name if is_hub else None


def _about(results: Train, base: str) -> Prose:
    sizes = results.parameters
    dims = "" if sizes.dims is None else f" Its vectors have {sizes.dims:,} dimensions."
    return (
        f"This is {_WHAT[results.kind]}. It was trained from ",
        Code(base),
        f" on {results.examples:,} examples with ",
        Link("sentence-transformers", "https://sbert.net"),
        f"' trainer: {updated(results)}, {sizes.trained:,} of {sizes.total:,} parameters.{dims}",
    )


def _recipe(results: Train) -> Prose:
    parts: list[str] = [f"Seed {results.environment.seed}, {results.steps:,} steps. "]
    if results.mining is not None:
        mined = f"Hard negatives: {results.mining.negatives:,}, found by "
        parts += [mined, Code(results.mining.system), ". "]
    if results.teacher is not None:
        teacher = results.teacher
        scored = (
            f", {teacher.pairs:,} pairs scored; in {teacher.agreement:.1%} of the examples it "
            "scores the positive highest. "
        )
        parts += ["Teacher: ", Code(base_label(teacher.model)), scored]
    versions = results.environment.packages
    known = [f"{n} {versions[n]}" for n in ("sentence-transformers", "torch") if n in versions]
    made = ", ".join([f"colbench {results.colbench_version}", *known])
    return (*parts, f"Made with {made}: ", Code(results.command))


def _scores(results: Train) -> Prose:
    dev = results.development
    return (
        "This development part was held out of the source ",
        Code(dev.source),
        f" ({dev.collection}) and decided which checkpoint was kept. It is not a test: the best of "
        "several checkpoints looks better on it than on new queries, and it searches few "
        "documents, so its values are not comparable with those of a whole collection.",
    )


def _use(results: Train) -> list[Block]:
    command = " ".join(["colbench run dataset=DATASET", *load_overrides(results.kind, "MODEL")])
    return [
        Paragraph("MODEL is the folder of this file, or the name under which it was uploaded."),
        Listing(_SNIPPETS[results.kind], "python"),
        Paragraph("With colbench, beside other systems on a test collection:"),
        Listing(command, "sh"),
    ]
