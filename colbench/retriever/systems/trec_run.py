"""A run that another system has made, as a row beside those that are measured here.

It has effectiveness, significance and overlap, and no costs: what it took is not known. It can be
the first stage of a reranker, or be fused; what is looked up then costs next to nothing, which the
notes say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from colbench.collection.raw import examples
from colbench.digests import sha256_file
from colbench.errors import DataError, StorageError
from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.user_modules import find_file
from colbench.run.formats import Format, read_run
from colbench.run.model import Ranking, Run


class TrecRunSettings(SystemSettings):
    """Which run is taken."""

    searched: ClassVar[bool] = False

    path: Path = Field(
        description="file of the run: TREC, MTEB's predictions, sentence-transformers'"
    )
    format: Format = Field(
        "auto", description="trec, mteb, sentence_transformers or json; auto tells by the content"
    )
    subset: str | None = Field(None, description="of MTEB's predictions; null for the only one")
    split: str | None = Field(None, description="of MTEB's predictions; null for the only one")

    def outside(self) -> dict[str, Any]:
        """The digest of the file, nothing where there is none."""
        try:
            return {"run_sha256": sha256_file(find_file(self.path))}
        except OSError:  # told when it is read
            return {}


class TrecRun(Retriever):
    """Looks up what the file says."""

    Settings = TrecRunSettings
    memory_is_known = False
    _run: Run
    _digest: str
    _notes: Sequence[str] = ()

    def prepare(self) -> None:
        """Read the file and hold its ids against the collection.

        Raises:
            StorageError: it cannot be read.
            DataError: its content is not a run, or not one of this collection.
        """
        settings: TrecRunSettings = self.settings
        path = find_file(settings.path)
        found = read_run(path, settings.format, settings.subset, settings.split)
        try:
            self._digest = sha256_file(path)
        except OSError as error:
            raise StorageError(f"cannot read run {path}: {error.strerror or error}") from error
        self._run, self._notes = _checked(found, self, path)
        self._by_text = {
            query.text: self._run.rankings[query.id] for query in self.bench.collection.queries
        }
        self._numbers = {name: n for n, name in enumerate(self.bench.collection.doc_ids)}

    def build(self) -> None:
        """Nothing: there is no index."""

    def finished_run(self) -> Run:
        """The run, of the collection's queries and documents."""
        return self._run

    def encode(self, queries: Sequence[str]) -> list[str]:
        """Hand the texts on, by which the run is looked up."""
        return list(queries)

    def search(self, queries: Sequence[str], k: int) -> list[Hits]:
        """Look up each query by its text; one that the run lacks finds nothing."""
        return [self._hits(self._by_text.get(query), k) for query in queries]

    def _hits(self, ranking: Ranking | None, k: int) -> Hits:
        names = () if ranking is None else ranking.doc_ids
        docs = np.array([self._numbers[name] for name in names], dtype=np.int64)
        scores = np.empty(0, np.float32) if ranking is None else ranking.scores
        return top_k(docs, scores, k, self.bench.ranks)

    def size(self) -> IndexSize | None:
        """None: it is not known."""
        return None

    def metadata(self) -> dict[str, Any]:
        """Which file it was, whatever stands there now."""
        return {"run_sha256": self._digest, "run_name": self._run.name}

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say what of the file counts, and that its costs are not known."""
        return [
            f"{self.name}: the run of a file; what its searches cost is not known, and is in no "
            "row that it is part of",
            *self._notes,
        ]


def _checked(found: Run, system: TrecRun, path: Path) -> tuple[Run, list[str]]:
    """Return what of a run is of the collection, and what had to be left out, in words."""
    collection = system.bench.collection
    documents = set(collection.doc_ids)
    wanted = {query.id for query in collection.queries}
    foreign = [query for query in found.rankings if query not in wanted]
    if len(foreign) == len(found.rankings):
        raise DataError(
            f"{path} has no query of the collection: its own are like {examples(found.rankings)}, "
            f"the collection's like {examples(sorted(wanted))}"
            if foreign
            else f"{path} has no result"
        )
    drop = collection.ignore_identical_ids
    rankings: dict[str, Ranking] = {}
    unknown: list[str] = []
    kept = 0
    for query in collection.queries:
        ranking = found.rankings.get(query.id, Ranking.sort([], []))
        places = []
        for place, doc in enumerate(ranking.doc_ids):
            if doc not in documents:
                unknown.append(doc)
            elif not (drop and doc == query.id):
                places.append(place)
        kept += len(places)
        rankings[query.id] = Ranking(
            tuple(ranking.doc_ids[place] for place in places), ranking.scores[places]
        )
    if unknown and not kept:
        raise DataError(
            f"{path} names no document of the collection: its own are like {examples(unknown)}, "
            f"the collection's like {examples(collection.doc_ids)}"
        )
    missing = [query for query in wanted if query not in found.rankings]
    notes = []
    if missing:
        notes.append(
            f"{system.name}: {len(missing)} of {len(wanted)} queries are not in the run and count "
            f"as without results, such as {examples(sorted(missing))}"
        )
    if foreign:
        notes.append(
            f"{system.name}: queries of the run that the collection lacks, left out: {len(foreign)}"
        )
    if unknown:
        notes.append(
            f"{system.name}: results of documents that the collection lacks, such as "
            f"{examples(unknown)}, left out: {len(unknown)}"
        )
    return Run(found.name, rankings), notes


SYSTEM = TrecRun
