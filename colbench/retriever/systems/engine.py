"""A late-interaction engine of others, in a Python environment of its own.

It is given the token vectors of the documents as files to map into memory, and those of each query
through a pipe. Its process is the one whose memory is reported, and its own clock, around the call
of the engine, is that of the search: the pipe does not count.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from colbench.digests import sha256_file
from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError, DataError, PackagesUnavailable
from colbench.files import atomic_write, write_npy
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.measures.machine import peak_rss_bytes
from colbench.paths import remove_made
from colbench.processes import threads_of_this_process
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.chunks import Chunks, best_chunks
from colbench.retriever.engines.declaration import Declaration, engine_declaration
from colbench.retriever.engines.process import EngineProcess, Limits
from colbench.retriever.exact import exact_hits
from colbench.timing import Stopwatch
from colbench.vectors import Vectors

_BLOCK = 65_536
"""Vectors that are copied at a time."""


class EngineSystemSettings(SystemSettings):
    """Which engine, what its index is built of and how it is searched."""

    search_keys: ClassVar[frozenset[str]] = frozenset({"search"})

    engine: str = Field(
        description="fast_plaid or xtr_warp, or a file of your own, such as ./my_engine.py"
    )
    python: Path | None = Field(
        None,
        description="Python of the environment that has the engine; default: that of "
        "$COLBENCH_ENGINE_NAME, or of the folder engines/NAME in the user's cache for colbench",
    )
    encoder: EncoderSettings = Field(description="the late-interaction model")
    build: dict[str, Any] = Field({}, description="the engine's own settings of a build")
    search: dict[str, Any] = Field({}, description="the engine's own settings of a search")
    seed: int = Field(0, ge=0, description="of everything random in the engine")
    build_timeout_seconds: float = Field(7200.0, gt=0, description="seconds that a build may take")
    timeout_seconds: float = Field(60.0, gt=0, description="seconds that a query may take")
    memory_gb: float | None = Field(
        None,
        gt=0,
        description="gigabytes that the engine's process may hold besides mapped files; default: "
        "nine tenths of the machine's memory",
    )

    @field_validator("engine")
    @classmethod
    def _is_one(cls, engine: str) -> str:
        try:
            engine_declaration(engine)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return engine

    @field_validator("build", "search")
    @classmethod
    def _are_its(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "engine" in info.data:
            part: Any = info.field_name
            engine_declaration(info.data["engine"]).check(part, given)
        return given

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Token vectors of all documents."""
        return [(self.encoder, Form.TOKENS)]

    def look_for_packages(self) -> None:
        """Look for the Python of the engine.

        Raises:
            PackagesUnavailable: there is none; the message says how to make it.
        """
        self.declaration_and_python()

    def outside(self) -> dict[str, Any]:
        """The engine's file, the Python that runs it and what is installed beside that."""
        declared = engine_declaration(self.engine)
        python = declared.find_python(self.python)
        installed = None if python is None else _installed(python, declared.package)
        return {
            "file_sha256": {declared.file.name: sha256_file(declared.file)},
            "python": None if python is None else str(python),
            "installed": installed,
        }

    def announcement(self) -> str | None:
        """Say whose code runs, where it is not of an engine that comes with colbench."""
        declared = engine_declaration(self.engine)
        own = [] if declared.builtin else [f"the code of {declared.file} runs"]
        named = [] if self.python is None else [f"the program {self.python} runs"]
        return " and ".join([*own, *named]) or None

    def declaration_and_python(self) -> tuple[Declaration, Path]:
        """Return what the engine declares, and the Python that it runs in.

        Raises:
            PackagesUnavailable: there is no such Python.
        """
        declared = engine_declaration(self.engine)
        python = declared.find_python(self.python)
        if python is None:
            where = f"no program {self.python}" if self.python else "no Python for it"
            raise PackagesUnavailable(f"{declared.name}: {where}; {declared.advice()}")
        return declared, python


class EngineSystem(Retriever):
    """An engine of others over the token vectors of an encoder."""

    Settings = EngineSystemSettings
    concurrent = True
    _chunks: Chunks
    _embeddings: Embeddings
    _encoder: Encoder
    _numbers: NDArray[np.int64]
    _files: Mapping[str, int]

    def __init__(
        self, name: str, settings: EngineSystemSettings, bench: Workbench, folder: Path
    ) -> None:
        super().__init__(name, settings, bench, folder)
        self._process: EngineProcess | None = None
        self._uncounted = 0
        self._pipe = threading.Lock()
        self._own_peak = 0

    @property
    def _engine(self) -> EngineProcess:
        assert self._process is not None, "built before"
        return self._process

    def prepare(self) -> None:
        """Start the engine, load the model and write the documents' vectors for the engine.

        Raises:
            PackagesUnavailable: the engine's environment is not there, or lacks the engine.
            DataError: no document has a token.
        """
        declared, python = self.settings.declaration_and_python()
        memory = self.settings.memory_gb
        self._process = EngineProcess(
            declared,
            python,
            threads=threads_of_this_process(),
            seed=self.settings.seed,
            limits=Limits(
                build_seconds=self.settings.build_timeout_seconds,
                query_seconds=self.settings.timeout_seconds,
                memory_bytes=None if memory is None else int(memory * 1e9),
            ),
        )
        self._encoder = self.bench.encoder(self.settings.encoder, Form.TOKENS)
        self._chunks = self.bench.chunks(self.settings.encoder, Form.TOKENS)
        self._embeddings = self.bench.embed(self.settings.encoder, Form.TOKENS)
        if not self._embeddings.total_vectors:
            raise DataError("no document has a token: there is nothing to index")
        self._write_vectors()

    @property
    def _index(self) -> Path:
        return self.folder / "index"

    @property
    def _vectors(self) -> Path:
        return self.folder / "vectors.npy"

    @property
    def _lengths(self) -> Path:
        return self.folder / "lengths.npy"

    def _write_vectors(self) -> None:
        """Write the vectors in the order of the documents, those without a token left out."""
        found = self._embeddings
        self._numbers = np.flatnonzero(found.lengths)
        shape = (found.total_vectors, found.dims)
        with atomic_write(self._vectors, "wb") as stream:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for _, _, block in found.blocks(_BLOCK):
                stream.write(np.ascontiguousarray(block, dtype="<f2").data)
        write_npy(self._lengths, found.lengths[self._numbers])

    def build(self) -> None:
        """Let the engine build its index and open it; what it took is on the engine's clock."""
        remove_made(self._index, inside=self.folder)
        built = self._engine.build(self._vectors, self._lengths, self._index, self.settings.build)
        for file in (self._vectors, self._lengths):
            remove_made(file, inside=self.folder)
        opened, self._files = self._engine.open(self._index)
        self.counted_build_seconds = built + opened
        self.process = self._engine.pid

    def encode(self, queries: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        """Return the documents that the engine finds, at most k, ordered by its scores."""
        return [self._found(query, k) for query in queries]

    def _found(self, query: Vectors, k: int) -> Hits:
        """Search one query; where documents are split, until chunks of k of them are found."""
        count, owners = len(self._numbers), self._chunks.owners
        if not len(query):  # matches nothing
            return Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        wanted = min(self._chunks.depth(k), count)
        while True:
            with self._pipe:  # its process answers one query after the other
                watch = Stopwatch()
                answer = self._engine.search(query, wanted, self.settings.search, documents=count)
                self._uncounted += max(watch.nanoseconds - answer.nanoseconds, 0)
            chunks = self._numbers[answer.docs]
            hits = best_chunks(chunks, answer.scores, k, owners, self.bench.ranks)
            if owners is None or len(hits) >= k or len(answer.docs) < wanted or wanted == count:
                return hits
            wanted = min(2 * wanted, count)

    def uncounted_nanoseconds(self) -> int:
        """The pipe to the engine and back."""
        return self._uncounted

    def stages(self, queries: Sequence[Vectors], k: int) -> dict[str, list[Hits]]:
        """Return what exact MaxSim finds with the same vectors, and what the engine does."""
        exact = exact_hits(
            self.bench,
            self.settings.encoder,
            self._embeddings,
            queries,
            k,
            folder=self.folder / "exact",
            device=self.bench.search_device,
        )
        return {"exact": exact, "engine": self.search(queries, k)}

    def size(self) -> IndexSize:
        """Bytes of the files that a search reads."""
        found = self._embeddings
        files = dict(self._files)
        return IndexSize(found.total_vectors, found.dims, sum(files.values()), files)

    def peak_memory(self) -> int | None:
        """Peak memory of the engine's process alone."""
        self._own_peak = peak_rss_bytes()
        return super().peak_memory()

    def metadata(self) -> dict[str, Any]:
        """Versions of the engine and of what it runs on, and all its settings."""
        engine = self._engine.engine
        settings = self.settings
        return {
            "engine": engine.name,
            "versions": self._engine.versions,
            "build": engine.settings("build", settings.build),
            "search": engine.settings("search", settings.search),
            **({} if engine.builtin else {"file_sha256": sha256_file(engine.file)}),
        }

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say where the model's memory is, and that another version was tried."""
        engine = self._engine.engine
        other = engine.other_version(self._engine.versions.get(engine.package))
        said = [] if other is None else [f"{self.name}: {other}"]
        if self._own_peak:
            said.append(
                f"{self.name}: its peak memory is that of the engine's process; the model ran in "
                f"another one, of {self._own_peak / 1e6:,.0f} MB"
            )
        return said

    def close(self) -> None:
        """End the engine."""
        if self._process is not None:
            self._process.close()


def _installed(python: Path, package: str) -> list[str]:
    """Return the names of the folders that tell which versions of an engine and of torch are there.

    Nothing is run: it is looked for where Python's environments have their packages.
    """
    stems = {name.lower().replace("-", "_") for name in (package, "torch") if name}
    folders = (python.parent.parent / "lib").glob("python3*/site-packages/*.dist-info")
    return sorted(one.name for one in folders if one.name.lower().partition("-")[0] in stems)


SYSTEM = EngineSystem
