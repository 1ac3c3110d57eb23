"""`colbench.evaluate`: a run of any system, judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.api.given import Folders
from colbench.api.load import Dataset, load_collection
from colbench.api.shown import Shown, frame
from colbench.collection.model import Collection
from colbench.collection.raw import examples, short
from colbench.errors import ConfigError, DataError
from colbench.measures.catalogue import DEFAULT_MEASURES, check_measures
from colbench.measures.effectiveness import evaluate as values_of
from colbench.measures.effectiveness import mean_scores
from colbench.report.formats import counted, fraction
from colbench.report.table import (
    Block,
    Bullets,
    Document,
    Paragraph,
    Section,
    Table,
    names,
    numbers,
)
from colbench.run.formats import read_run
from colbench.run.model import Ranking, Run

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

AnyRun = (
    str
    | Path
    | Run
    | Mapping[str, Mapping[str, float] | Sequence[tuple[str, float]] | Sequence[str]]
    | Iterable[tuple[str, str, float]]
)
"""The file of a run, plain or `.gz`; query id → documents, with scores or best first; or tuples of
query id, document id and score."""


class Scores(Shown):
    """What `evaluate` found.

    Attributes:
        measures: measure → mean over queries.
        per_query: measure → query id → value, in the order of the collection's queries.
        notes: what a reader must know.

    >>> import colbench
    >>> run = {"q1": ["paris", "berlin"], "q2": ["tides"]}
    >>> scores = colbench.evaluate(run, dataset="my_folder", measures=["recall@10"])
    >>> scores.per_query["recall@10"]
    {'q1': 1.0, 'q2': 1.0}
    """

    def __init__(
        self, name: str, per_query: dict[str, dict[str, float]], notes: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.per_query = per_query
        self.measures = mean_scores(per_query)
        self.notes = list(notes)

    def to_frame(self) -> pandas.DataFrame:
        """Return a row for each query, columns the measures.

        Raises:
            PackagesUnavailable: pandas is not installed.
        """
        queries = next(iter(self.per_query.values()), {})
        rows = [
            {"query": query, **{name: values[query] for name, values in self.per_query.items()}}
            for query in queries
        ]
        return frame(rows, ["query"])

    def document(self) -> Document:
        """Return the means as a report."""
        queries = len(next(iter(self.per_query.values()), {}))
        columns = [*names("measure"), *numbers(fraction, "mean")]
        table = Table("Means", columns, [[name, mean] for name, mean in self.measures.items()])
        told = Bullets(self.notes, minor=True)
        caption = Paragraph(f"{self.name}: {counted(queries, 'query', 'queries')}", "caption")
        blocks: list[Block] = [table, told] if self.notes else [table]
        return Document("", [caption], [Section("Effectiveness", blocks)])


def evaluate(
    run: AnyRun,
    dataset: Dataset,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    *,
    split: str | None = None,
    config_dirs: Folders = (),
) -> Scores:
    """Judge a run by the relevance judgments of a collection.

    The order of a run comes from its scores, equal ones broken by document id, as in trec_eval. A
    query of the collection that the run lacks counts 0.

    Args:
        run: a file: TREC, predictions of MTEB or of sentence-transformers, or JSON, plain
            or compressed; or a mapping of query id to documents, which are
            a mapping of document id to score, pairs of these, or ids, best first; or tuples of
            query id, document id and score.
        dataset: as `load_collection` takes it.
        measures: `colbench list measures` has them all.
        split: as of `load_collection`.
        config_dirs: as of `load_collection`.

    Raises:
        ConfigError: an unknown measure or dataset; says what is near.
        DataError: the run is not of this form or has no query of the collection, or no document.
        StorageError: its file cannot be read.

    >>> import colbench
    >>> run = [("q1", "berlin", 2.0), ("q1", "paris", 1.0), ("q2", "tides", 1.0)]
    >>> scores = colbench.evaluate(run, dataset="my_folder", measures=["mrr@10", "recall@100"])
    >>> scores.measures
    {'mrr@10': 0.75, 'recall@100': 1.0}
    """
    chosen = [measures] if isinstance(measures, str) else list(measures)
    if not chosen:
        raise ConfigError("measures is empty: name one, such as ndcg@10")
    check_measures(chosen)
    collection = (
        dataset
        if isinstance(dataset, Collection) and split is None
        else load_collection(dataset, split=split, config_dirs=config_dirs)
    )
    found = run_of(run)
    judged, notes = known(found, collection)
    return Scores(found.name, values_of(collection.qrels, judged, chosen), notes)


def run_of(run: Any) -> Run:
    """Return a run, whatever form it has.

    Raises:
        DataError: it has none of them.
        StorageError: its file cannot be read.
    """
    if isinstance(run, Run):
        return run
    if isinstance(run, str | Path):
        return read_run(Path(run).expanduser())
    scores: dict[str, dict[str, float]] = {}
    if isinstance(run, Mapping):
        for query, documents in run.items():
            scores[_id(query, "query")] = _documents(documents, str(query))
    elif isinstance(run, Iterable):
        for line in run:
            if not isinstance(line, Sequence) or isinstance(line, str) or len(line) != 3:
                raise DataError(f"the run has {line!r}: write (query id, document id, score)")
            query, document, score = line
            _add(scores.setdefault(_id(query, "query"), {}), document, score, str(query))
    else:
        raise DataError(
            f"a run of type {type(run).__name__}: give the path of a TREC file, a mapping of query "
            "id to documents, or tuples (query id, document id, score)"
        )
    return Run(
        "run",
        {query: Ranking.sort(list(found), list(found.values())) for query, found in scores.items()},
    )


def _documents(documents: Any, query: str) -> dict[str, float]:
    if isinstance(documents, Ranking):
        return dict(documents)
    items = list(documents.items() if isinstance(documents, Mapping) else documents)
    found: dict[str, float] = {}
    for rank, item in enumerate(items, start=1):
        if isinstance(item, str):
            _add(found, item, 1 / rank, query)
        elif isinstance(item, Sequence) and len(item) == 2:
            _add(found, item[0], item[1], query)
        else:
            raise DataError(
                f"query {short(query)} has {item!r}: write (document id, score), or ids alone"
            )
    return found


def _add(found: dict[str, float], document: Any, score: Any, query: str) -> None:
    name = _id(document, "document")
    try:
        value = float(score)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value) or isinstance(score, str | bytes):
        raise DataError(
            f"query {short(query)}, document {short(name)}: the score {score!r} is no number"
        )
    if name in found:
        raise DataError(
            f"document {short(name)} is listed twice for query {short(query)}; keep one of the two"
        )
    found[name] = value


def _id(value: Any, what: str) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"the {what} id {value!r} is of type {type(value).__name__}: ids are strings")


def known(run: Run, collection: Collection) -> tuple[Run, list[str]]:
    """Return what of a run is of a collection, under its rule of identical ids, and notes.

    Documents that the collection lacks are left out and told.

    Raises:
        DataError: none of the queries, or of the documents, is in the collection.
    """
    queries = {query.id for query in collection.queries}
    docs = set(collection.doc_ids)
    others = [query for query in run.rankings if query not in queries]
    if run.rankings and len(others) == len(run.rankings):
        raise DataError(
            f"none of the {counted(len(others), 'query', 'queries')} of the run is in "
            f"{collection.name}, for example {examples(others)}; its own are like "
            f"{examples(query.id for query in collection.queries)}"
        )
    missing = [query.id for query in collection.queries if query.id not in run.rankings]
    rankings, strange, total = {}, [], 0
    for query, ranking in run.rankings.items():
        if query not in queries:
            continue
        total += len(ranking)
        unknown = [doc for doc in ranking.doc_ids if doc not in docs]
        strange += unknown
        dropped = set(unknown) | ({query} if collection.ignore_identical_ids else set())
        if dropped.isdisjoint(ranking.doc_ids):
            rankings[query] = ranking
            continue
        kept = [(doc, score) for doc, score in ranking if doc not in dropped]
        rankings[query] = Ranking.sort([doc for doc, _ in kept], [score for _, score in kept])
    if strange and len(strange) == total:
        raise DataError(
            f"none of the documents of the run is in {collection.name}, for example "
            f"{examples(strange)}; its own are like {examples(collection.doc_ids)}"
        )
    notes = []
    if others:
        notes.append(
            f"{counted(len(others), 'query', 'queries')} of the run without judgments are left "
            f"out, for example {examples(others)}"
        )
    if missing:
        notes.append(
            f"{len(missing)} of {counted(len(queries), 'query', 'queries')} are not in the run and "
            f"count 0, for example {examples(missing)}"
        )
    if strange:
        notes.append(
            f"{counted(len(strange), 'result')} left out, of documents that the collection lacks, "
            f"such as {examples(strange)}"
        )
    return Run(run.name, rankings), notes
