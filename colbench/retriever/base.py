"""The contract every system fulfils, and the bench it stands on while it is measured.

Encoding a query and searching are separate calls because they are timed apart: `encode` turns query
texts into whatever the system searches with, `search` does everything after that.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.collection.model import Collection
from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import (
    EmbeddingCache,
    Embeddings,
    EncodeStats,
    embed_documents,
    embed_in_both_forms,
)
from colbench.encoder.cut_off import CutOff
from colbench.encoder.given import GivenEncoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.hits import Hits, tie_ranks
from colbench.index.device import search_device
from colbench.index.size import IndexSize
from colbench.measures.machine import peak_rss_bytes, peak_rss_bytes_of
from colbench.retriever.chunks import Chunks
from colbench.retriever.kept import given_index
from colbench.run.model import Run
from colbench.settings import Settings


class SystemSettings(Settings):
    """What all systems have in common."""

    search_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that only a search looks at: systems that differ in nothing else share an index."""
    in_process: ClassVar[bool] = False
    """Whether it lives in the process that starts a run, and can be measured in no other."""

    searched: ClassVar[bool] = True
    """Whether colbench searches with it: not where the ranking was made elsewhere."""

    kind: str = Field(description="module of colbench.retriever.systems that implements it")
    about: str = Field("", description="one line for lists and reports")

    def fewer_are_first(self) -> bool:
        """Return whether a search for fewer documents finds the first ones of one for more."""
        return False

    def build_key(self) -> str:
        """Return what the index depends on; equal for settings that can share one."""
        excluded: dict[str, Any] = {"encoder": {"trained_on"}, "cross_encoder": {"trained_on"}}
        return self.model_dump_json(
            exclude={"about": True, **dict.fromkeys(self.search_keys, True), **excluded}
        )

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Document vectors this system itself needs; they are encoded before it is measured."""
        return []

    def models(self) -> list[EncoderSettings | CrossEncoderSettings]:
        """Every model this system itself needs."""
        return [encoder for encoder, _ in self.encodings()]

    def models_used(self, *, given: bool) -> list[EncoderSettings | CrossEncoderSettings]:
        """Return the models that it uses.

        Args:
            given: whether the collection gives token vectors: then no encoder of tokens is used.
        """
        idle = [encoder for encoder, form in self.encodings() if given and form is Form.TOKENS]
        return [model for model in self.models() if model not in idle]

    def look_for_packages(self) -> None:
        """Look for packages that systems of this kind alone need, without importing them.

        Raises:
            PackagesUnavailable: one is not installed; the message says how to get it.
        """
        return

    def parts(self) -> list[str]:
        """Names of the other systems this one is composed of."""
        return []

    def outside(self) -> dict[str, Any]:
        """Return what a result depends on besides the settings, such as digests of named files.

        What was measured is not taken for finished where it has changed. Plain JSON.

        Raises:
            ColbenchError: a file that is named cannot be read.
        """
        return {}

    def announcement(self) -> str | None:
        """Return whose code runs, or where queries go, where it is not colbench's; told once.

        Raises:
            ConfigError: there is no such code.
        """
        return None

    def reads_texts(self) -> bool:
        """Return whether it searches the texts of documents, and cannot do with vectors alone."""
        return any(form is Form.DENSE for _, form in self.encodings())


@dataclass
class Workbench:
    """What a system is given to work with.

    Attributes:
        collection: the documents to index.
        folder: where indexes are written, one subfolder a system.
        cache: where document vectors come from.
        systems: settings of every configured system, for those composed of others.
        memory_bytes: bound on what a system may hold in memory beyond its model.
        spare_hits: documents that are dropped from a result afterwards at most (the query's own
            document under the rule of identical ids); a first stage proposes as many more.
        shared_folder: where indexes are kept that other runs search too; None for this run's own.
        device: where MaxSim scans and index builds run, as `search_device` takes it.
        encodings: filled while systems are built: what encoding their documents took.
    """

    collection: Collection
    folder: Path
    cache: EmbeddingCache
    systems: Mapping[str, SystemSettings]
    memory_bytes: int
    spare_hits: int = 0
    shared_folder: Path | None = None
    device: str = "cpu"
    encodings: list[EncodeStats] = field(default_factory=list)
    _encoders: dict[tuple[str, Form], Encoder] = field(default_factory=dict)
    _chunks: dict[tuple[str, Form], Chunks] = field(default_factory=dict)

    @property
    def shared(self) -> Path:
        """Folder of indexes that several systems, or several runs, search.

        Nothing is written beside an index that is given as `index_dir`.
        """
        if self.shared_folder is None or self.given_index is not None:
            return self.folder / "shared"
        return self.shared_folder

    @cached_property
    def given_index(self) -> Path | None:
        """The ColBERT index that `index_dir` is or holds, to be searched as it stands."""
        return given_index(self.shared_folder)

    @cached_property
    def search_device(self) -> str:
        """What `device` stands for here: `cpu`, or the name of a CUDA device.

        Looked up where a system asks for it, for that loads torch, and once for all of them.

        Raises:
            ConfigError: it is not here.
        """
        return search_device(self.device)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """`tie_ranks` of the collection."""
        return tie_ranks(self.collection.doc_ids)

    @cached_property
    def all_docs(self) -> NDArray[np.int64]:
        """Every document number."""
        return np.arange(len(self.collection.documents), dtype=np.int64)

    def encoder(self, settings: EncoderSettings, form: Form) -> Encoder:
        """Load an encoder, once for all systems of this process.

        Where the collection gives token vectors they stand in for every encoder of tokens.

        Raises:
            WeightsUnavailable: the weights are not here and cannot be had.
        """
        if self.is_given(form):
            return self._given_encoder
        key = (settings.model_dump_json(), form)
        if key not in self._encoders:
            self._encoders[key] = load_encoder(
                settings,
                form,
                query_length=self.collection.query_length,
                cache_root=self.cache.root,
            )
        return self._encoders[key]

    def is_given(self, form: Form) -> bool:
        """Return whether the collection gives the vectors of this form."""
        return form is Form.TOKENS and self.collection.given is not None

    @cached_property
    def _given_encoder(self) -> GivenEncoder:
        return GivenEncoder(self.collection)

    def chunks(self, settings: EncoderSettings, form: Form) -> Chunks:
        """Return what is embedded: the documents, or where the settings say so chunks of them.

        Raises:
            ConfigError: the documents cannot be split with these settings.
        """
        if self.is_given(form):
            return Chunks(self.collection.texts, self.collection.doc_ids)
        key = (settings.model_dump_json(), form)
        if key not in self._chunks:
            encoder = self.encoder(settings, form)
            self._chunks[key] = Chunks.of(self.collection, encoder, settings)
        return self._chunks[key]

    def embed(self, settings: EncoderSettings, form: Form) -> Embeddings:
        """Return the vectors of `chunks`, from the cache where they are there, or those given."""
        if self.is_given(form):
            return self._noted(settings, form, self._given_encoder.embeddings())
        embeddings = embed_documents(
            self.encoder(settings, form),
            self.chunks(settings, form).texts,
            self.cache,
            description=f"{settings.name} {form.value}: documents",
        )
        return self._noted(settings, form, embeddings)

    def embed_in_both_forms(
        self, first: tuple[EncoderSettings, Form], second: tuple[EncoderSettings, Form]
    ) -> tuple[Embeddings, Embeddings] | None:
        """Return the same for two forms of one model, each document read once.

        Returns:
            None where the two do not read the same tokens, and have to be encoded one by one.
        """
        one, two = self.encoder(*first), self.encoder(*second)
        texts = self.chunks(*first).texts
        if not one.shares_passes(two) or self.chunks(*second).texts != texts:
            return None
        description = f"{first[0].name}, {first[1].value} and {second[1].value}: documents"
        found = embed_in_both_forms(one, two, texts, self.cache, description=description)
        return self._noted(*first, found[0]), self._noted(*second, found[1])

    def _noted(self, settings: EncoderSettings, form: Form, embeddings: Embeddings) -> Embeddings:
        """Keep what it took to get them, with what of the documents and queries is read."""
        split = settings.long_documents == "chunk" and not self.is_given(form)
        chunks = len(self.chunks(settings, form)) if split else None
        queries = self.read_of_queries(self.encoder(settings, form))
        stats = embeddings.stats.model_copy(
            update={
                "chunks": chunks,
                "queries": queries.texts,
                "query_tokens": queries.tokens,
                "truncated_queries": queries.truncated,
                "truncated_query_tokens": queries.truncated_tokens,
            }
        )
        self.encodings.append(stats)
        return dataclasses.replace(embeddings, stats=stats)

    def read_of_queries(self, encoder: Encoder) -> CutOff:
        """Return how much of the collection's distinct queries an encoder reads."""
        texts: Sequence[str] = [query.text for query in self.collection.queries]
        if not isinstance(encoder, GivenEncoder):  # to which equal texts are different queries
            texts = list(dict.fromkeys(texts))
        return CutOff.of(encoder.count_query_tokens(texts), encoder.query_limit)


class Retriever(ABC):
    """One system over one collection. Prepared and built once, then searched many times."""

    Settings: ClassVar[type[SystemSettings]]
    counted_build_seconds: float | None = None
    """What building takes, set by `build` where that is not the time it took: it found the index,
    or what the index is made of, already built."""
    process: int | None = None
    """Id of the process that builds and searches, set by `build` where that is not this one: its
    memory and processor time, and those of its children, are the system's."""
    memory_is_known: bool = True
    """Whether the memory of what searches can be read: not that of a server."""

    def __init__(self, name: str, settings: Any, bench: Workbench, folder: Path) -> None:
        self.name = name
        self.settings = settings
        self.bench = bench
        self.folder = folder

    @property
    def concurrent(self) -> bool:
        """Whether `encode` and `search` may run in several threads at once, asked after searches.

        Where they may not, as long as a kind does not say otherwise, queries under load are
        answered one at a time, in the thread that has built the system.
        """
        return False

    def use(self, settings: Any) -> None:
        """Search with these settings from now on; they differ in `search_keys` alone."""
        self.settings = settings

    def prepare(self) -> None:
        """Load models and open the cached document vectors, before the build is timed."""
        return

    @abstractmethod
    def build(self) -> None:
        """Make the index under `self.folder`, from texts or from what `prepare` opened."""

    @abstractmethod
    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        """Turn query texts into what `search` takes, one item per query."""

    @abstractmethod
    def search(self, queries: Sequence[Any], k: int) -> list[Hits]:
        """Return the k best documents of each encoded query; fewer where fewer match."""

    def stages(self, queries: Sequence[Any], k: int) -> dict[str, list[Hits]]:
        """Return searches cut off after each stage, for the loss attribution.

        In order, the first being the reference the others are held against; the last is what
        `search` returns. Called after everything else was measured: it may take long and may hold
        as much as `search` does besides.

        Args:
            queries: what `encode` returned.
            k: documents wanted for each query; fewer where a stage reaches fewer.

        Returns:
            Stage → one result a query, as of `search`; nothing for a system that is not taken
            apart, as here.
        """
        return {}

    @abstractmethod
    def size(self) -> IndexSize | None:
        """What a search needs on disk; None where that cannot be known, as of a server."""

    def finished_run(self) -> Run | None:
        """Return the run of a system that searched elsewhere, asked for once it is built.

        Such a system is neither searched nor timed: its row has effectiveness and no costs. Every
        query of the collection is in the run, with no documents where it found none.
        """
        return None

    def composed_of(self) -> Sequence[Retriever]:
        """Return the systems this one is composed of, once it is built."""
        return ()

    def peak_memory(self) -> int | None:
        """Return the peak resident memory of all that builds and searches, in bytes.

        None where it cannot be known, as of a server.
        """
        if not self.memory_is_known:
            return None
        if self.process is not None:
            return peak_rss_bytes_of(self.process)
        peaks: list[int | None] = [peak_rss_bytes()]
        elsewhere = [
            p for p in self.composed_of() if p.process is not None or not p.memory_is_known
        ]
        peaks += [part.peak_memory() for part in elsewhere]
        known = [peak for peak in peaks if peak is not None]
        return sum(known) if len(known) == len(peaks) else None

    def uncounted_nanoseconds(self) -> int:
        """Return what of the searches so far was no work of the system's, and counts in no time.

        That is the way to a process of its own and back, where that process tells what its own work
        took.
        """
        return sum(part.uncounted_nanoseconds() for part in self.composed_of())

    def close(self) -> None:
        """End what was started for the searches, such as a process; called once, at the end."""
        for part in self.composed_of():
            part.close()

    def metadata(self) -> dict[str, Any]:
        """Choices the system made itself and a reader of the results should know."""
        return {}

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Return what a reader must know of these queries and the documents, a line each.

        Such as what was left out of them; nothing as a rule. A system composed of others hands on
        theirs.
        """
        return []
