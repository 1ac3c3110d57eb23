"""A system as a model of MTEB: the `SearchProtocol` of 2.26 over any system of colbench."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from colbench.api.given import Folders, folders_of, settings_from
from colbench.collection.model import Collection
from colbench.config.folder import options, read_yaml
from colbench.encoder.cache.store import EmbeddingCache, default_root
from colbench.errors import ConfigError, DataError, PackagesUnavailable, did_you_mean
from colbench.hits import Hits
from colbench.mteb.meta import model_meta
from colbench.mteb.texts import documents_of, queries_of
from colbench.progress import note, quieted
from colbench.results.mteb_tasks import TASKS
from colbench.retriever.base import Retriever, Workbench
from colbench.retriever.registry import make_system

_SETTINGS = (
    *("cache_dir", "cross_encoder", "device", "encoder", "index", "index_dir", "memory_gb"),
    *("search", "seed", "system"),
)
"""Keys of the configuration that say what a system is; of the rest MTEB decides."""


class SearchModel:
    """A system of colbench that `mteb.evaluate` takes as a model.

    It indexes the documents of a task and searches its queries all at once, as a run does, with
    the query length that is published for ColBERT checkpoints where colbench knows the test set
    (`encoder={"query_length": N}` sets another). MTEB's scores round to five digits.

    Args:
        system: its name in the configuration; a mapping of the name to settings changes some, or
            defines a system: `{"bm25": {"k1": 1.2}}`, `{"mine": {"kind": "python", …}}`.
        name: what MTEB calls it; default: `colbench/` and the system's name.
        config_dirs: folders like `conf/` with systems or encoders of your own.
        verbose: whether progress and notes are shown on standard error.
        **settings: those of the configuration that say what a system is, as `colbench.run` takes
            them: `encoder="colbertv2"`, `index={"nbits": 2}`, `**{"search.nprobe": 8}`.

    Raises:
        ConfigError: an unknown system, key, option or value.

    >>> model = SearchModel(system={"bm25": {"k1": 1.2}})
    >>> corpus = [{"id": "d1", "text": "cats sleep"}, {"id": "d2", "text": "dogs bark"}]
    >>> of = dict(task_metadata=None, hf_split="test", hf_subset="default", encode_kwargs={})
    >>> model.index(corpus, **of)
    >>> list(model.search([{"id": "q", "text": "what cats do"}], top_k=10, **of)["q"])
    ['d1']
    """

    def __init__(
        self,
        system: str | Mapping[str, Mapping[str, Any]] = "colbert",
        *,
        name: str | None = None,
        config_dirs: Folders = (),
        verbose: bool = False,
        **settings: Any,
    ) -> None:
        for key in settings:
            if (top := key.split(".")[0]) not in _SETTINGS:
                raise ConfigError(
                    f"SearchModel takes no '{top}': {did_you_mean(top, _SETTINGS)}"
                    " (documents, queries and measures are MTEB's)"
                )
        changed = {system: {}} if isinstance(system, str) else dict(system)
        if len(changed) != 1:
            raise ConfigError(f"system={system!r}: name one system, such as system='colbert'")
        ((self._name, own),) = changed.items()
        given = {**settings, "systems": [self._name]}
        given |= {f"system.{self._name}.{key}": value for key, value in own.items()}
        self._quiet = not verbose
        self._folders = folders_of(config_dirs)
        with quieted(self._quiet):
            found = settings_from(given, self._folders)
        self._settings = found
        self._systems = found.system.with_parts([self._name])
        self._shown_name = name
        self._retriever: Retriever | None = None
        self._end: weakref.finalize[Any, Any] | None = None

    @property
    def mteb_model_meta(self) -> Any:
        """The `mteb.ModelMeta` of the system; its revision changes with any setting.

        Raises:
            PackagesUnavailable: MTEB is not installed.
        """
        try:
            from mteb.models.model_meta import ModelMeta  # type: ignore[import-not-found]
        except ImportError as error:
            raise PackagesUnavailable(
                f"MTEB cannot be imported ({error}): pip install 'colbench[mteb]'"
            ) from error
        settings = {one: s.model_dump(mode="json") for one, s in self._systems.items()}
        fields = model_meta(self._name, settings)
        if self._shown_name is not None:
            fields["name"] = self._shown_name
        return ModelMeta(loader=None, **fields)

    def index(
        self,
        corpus: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        encode_kwargs: Any = None,
        num_proc: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Index the documents of a task, in place of those that were indexed before.

        Args:
            corpus: rows with `id`, `text` and perhaps `title`.
            task_metadata: of the task.
            hf_split: for messages.
            hf_subset: for messages.
            encode_kwargs: of no effect: settings of encoders are those of colbench.
            num_proc: of no effect.
            **kwargs: of no effect.

        Raises:
            DataError: the documents are no texts, or their ids are not unique.
            ColbenchError: whatever else keeps the system from being built.
        """
        del encode_kwargs, num_proc, kwargs
        self.close()
        task = _task_name(task_metadata)
        collection = Collection(
            name=f"{task}/{hf_subset}/{hf_split}",
            documents=documents_of(corpus, task),
            queries=(),
            qrels={},
            ignore_identical_ids=False,  # MTEB drops them itself, where a task wants that
            query_length=_published_query_length(task, self._folders),
        )
        folder = tempfile.TemporaryDirectory(prefix="colbench-mteb-")
        settings = self._settings
        bench = Workbench(
            collection=collection,
            folder=Path(folder.name),
            cache=EmbeddingCache(settings.cache_dir or default_root()),
            systems=self._systems,
            memory_bytes=int(settings.memory_gb * 1e9),
            shared_folder=settings.index_dir,
            device=settings.device,
        )
        system = make_system(self._name, bench)
        self._end = weakref.finalize(self, _end, system, folder)
        try:
            with quieted(self._quiet):
                system.prepare()
                system.build()
                if system.finished_run() is not None:
                    raise ConfigError(
                        f"{self._name} is the run of a system that searched elsewhere: it cannot "
                        "be searched by MTEB"
                    )
        except BaseException:
            self.close()
            raise
        self._retriever = system

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: Any = None,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        num_proc: int | None = None,
        **kwargs: Any,
    ) -> dict[str, dict[str, float]]:
        """Search the queries of a task.

        Args:
            queries: rows with `id`, `text` and perhaps `instruction`.
            task_metadata: of the task.
            hf_split: of no effect.
            hf_subset: of no effect.
            top_k: documents of each query at most.
            encode_kwargs: of no effect.
            top_ranked: of a reranking task: query id → ids of its candidates. Everything is
                searched, and what are no candidates is left out; candidates that the search of the
                system does not reach are missing, and told in a note.
            num_proc: of no effect.
            **kwargs: of no effect.

        Returns:
            Query id → document id → score, float32 values, best first.

        Raises:
            DataError: nothing is indexed, the queries are no texts, or a candidate is unknown.
        """
        del hf_split, hf_subset, encode_kwargs, num_proc, kwargs
        task = _task_name(task_metadata)
        system = self._retriever
        if system is None:
            raise DataError(f"{task}: search before index: there are no documents yet")
        if top_k < 1:
            raise DataError(f"{task}: top_k={top_k}: at least 1 is needed")
        asked = queries_of(queries, task)
        with quieted(self._quiet):
            encoded = system.encode([query.text for query in asked])
            ids = system.bench.collection.doc_ids
            if top_ranked is None:
                found = system.search(encoded, min(top_k, len(ids)))
                return {
                    query.id: _scores(hits, ids) for query, hits in zip(asked, found, strict=True)
                }
            reranked, missing = {}, 0
            numbers = {doc_id: number for number, doc_id in enumerate(ids)}
            for place, query in enumerate(asked):
                wanted = _candidates(top_ranked.get(query.id, ()), numbers, query.id, task)
                (hits,) = system.search(encoded[place : place + 1], len(ids))
                kept = np.isin(hits.docs, wanted)
                missing += len(wanted) - int(kept.sum())
                best = Hits(hits.docs[kept][:top_k], hits.scores[kept][:top_k])
                reranked[query.id] = _scores(best, ids)
            if missing:
                note(f"{task}: the search of {self._name} did not reach {missing} candidates")
            return reranked

    def close(self) -> None:
        """End what was started for the searches, and remove the index."""
        self._retriever = None
        if self._end is not None:
            self._end()
            self._end = None


def _end(system: Retriever, folder: tempfile.TemporaryDirectory[str]) -> None:
    with suppress(Exception):
        system.close()
    folder.cleanup()


def _scores(hits: Hits, ids: Sequence[str]) -> dict[str, float]:
    return {
        ids[number]: score
        for number, score in zip(hits.docs.tolist(), hits.scores.tolist(), strict=True)
    }


def _candidates(
    wanted: Iterable[str], numbers: Mapping[str, int], query: str, task: str
) -> list[int]:
    found = list(dict.fromkeys(wanted))
    unknown = [doc_id for doc_id in found if doc_id not in numbers]
    if unknown:
        raise DataError(
            f"{task}: {len(unknown)} candidates of query '{query}' are no documents of the corpus, "
            f"for example '{unknown[0]}'"
        )
    return [numbers[doc_id] for doc_id in found]


def _task_name(metadata: Any) -> str:
    return str(getattr(metadata, "name", None) or "the task")


def _published_query_length(task: str, folders: Sequence[Path]) -> int | None:
    """Return the query length that colbench's own dataset of a task has; None without one."""
    sources = {source for source, one in TASKS.items() if one.name == task}
    if not sources:
        return None
    for path in options("dataset", folders).values():
        values = read_yaml(path)
        if values.get("id") in sources and isinstance(values.get("query_length"), int):
            return int(values["query_length"])
    return None
