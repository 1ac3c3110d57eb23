"""A program of any language that ranks documents, asked over its standard input.

For each query it reads a line `{"id": 7, "query": "…", "k": 10}` and writes a line
`{"id": 7, "results": [["d3", 2.5], …]}`; results may be anything that `outside.ranked` takes. Its
process is the one whose memory is measured, and the times are those of a query and its answer.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from colbench.digests import sha256_file
from colbench.files import atomic_write
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.retriever.base import SystemSettings
from colbench.retriever.outside import OutsideSystem, ranked
from colbench.retriever.program import Program
from colbench.retriever.user_modules import find_file

_DOCUMENTS, _FOLDER, _PYTHON = "{documents}", "{folder}", "{python}"


class CommandSettings(SystemSettings):
    """What is started."""

    verbatim: ClassVar[frozenset[str]] = frozenset({"command", "build"})

    command: list[str] = Field(
        min_length=1,
        description="program and arguments, or one text that is split as a shell does; {documents} "
        "is a file of the documents as JSON lines, {folder} a folder for an index, {python} the "
        "Python that colbench runs in, and ./FILE is looked for as modules are",
    )
    build: list[str] | None = Field(
        None, description="program that makes the index first, timed as the build"
    )
    cwd: Path | None = Field(None, description="folder where they run; null for the working folder")
    env: dict[str, str] = Field(
        {}, description="further variables of their environment; part of the results"
    )
    ready: str | None = Field(
        None, description="line with which the program says that it can be asked; null for none"
    )
    startup_seconds: float = Field(
        60.0, gt=0, description="until that line; without one, more for the first answer"
    )
    timeout_seconds: float = Field(30.0, gt=0, description="of one answer")
    build_timeout_seconds: float = Field(3600.0, gt=0, description="of the build")

    @field_validator("command", "build", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, list) and len(value) == 1 and " " in str(value[0]):
            value = value[0]  # of the command line, where a list needs no brackets
        try:
            return shlex.split(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"cannot be split: {error}") from None

    @field_validator("command", "build")
    @classmethod
    def _is_no_null(cls, words: list[str] | None) -> list[str] | None:
        if any("\0" in word for word in words or []):
            raise ValueError("a word holds a null character")
        return words

    @property
    def words(self) -> list[str]:
        """Every word of both commands."""
        return [*self.command, *(self.build or [])]

    def outside(self) -> dict[str, Any]:
        """The files that the commands name."""
        programs = [words[0] for words in (self.command, self.build) if words]
        files = [*map(Path, filter(None, map(shutil.which, programs)))]
        files += [Path(_resolved(word)) for word in self.words if not word.startswith("{")]
        if self.cwd is not None:
            files += [find_file(self.cwd) / word for word in self.words]
        found = {}
        for file in dict.fromkeys(files):
            try:
                if file.is_file():
                    found[file.name] = sha256_file(file)
            except OSError:  # a word that is no path
                continue
        return {"file_sha256": found} if found else {}

    def announcement(self) -> str:
        """Which program runs."""
        started = [words for words in (self.build, self.command) if words]
        return f"the program {' and '.join(shlex.join(words) for words in started)} runs"


class CommandSystem(OutsideSystem):
    """Asks a program, one query after the other."""

    Settings = CommandSettings
    _program: Program | None = None
    _asked = 0
    _build_peak = 0

    def prepare(self) -> None:
        """Write the documents, where they are asked for."""
        settings: CommandSettings = self.settings
        self._index = self.folder / "index"
        self._documents = self.folder / "documents.jsonl"
        words = "\n".join(settings.words)
        if _FOLDER in words:
            self._index.mkdir(parents=True, exist_ok=True)
        if _DOCUMENTS in words:
            with atomic_write(self._documents) as stream:
                for document in self.bench.collection.documents:
                    record = {"id": document.id, "title": document.title, "text": document.body}
                    stream.write(json.dumps(record) + "\n")

    def build(self) -> None:
        """Let the index be made, and start the program.

        Raises:
            ProgramError: one of them fails.
        """
        settings: CommandSettings = self.settings
        folder = None if settings.cwd is None else find_file(settings.cwd)
        if settings.build is not None:
            maker = Program(self._filled(settings.build), folder, settings.env, asked=False)
            try:
                self._build_peak = maker.finish(settings.build_timeout_seconds)
            finally:
                maker.close(at_once=True)
        self._program = Program(self._filled(settings.command), folder, settings.env)
        self.process = self._program.pid
        if settings.ready is not None:
            self._program.wait_until_ready(settings.ready, settings.startup_seconds)

    def _filled(self, words: Sequence[str]) -> list[str]:
        filled = []
        for word in words:
            word = _resolved(word).replace(_PYTHON, sys.executable)
            word = word.replace(_DOCUMENTS, str(self._documents))
            filled.append(word.replace(_FOLDER, str(self._index)))
        return filled

    def ask(self, query: str, k: int) -> Hits:
        """Send a query and check the answer."""
        settings: CommandSettings = self.settings
        assert self._program is not None
        self._asked += 1
        seconds = settings.timeout_seconds
        if self._asked == 1 and settings.ready is None:
            seconds += settings.startup_seconds
        question = {"id": self._asked, "query": query, "k": k}
        answer = self._program.ask(question, seconds)
        if not isinstance(answer, dict) or "results" not in answer:
            told = f": {answer['error']}" if isinstance(answer, dict) and "error" in answer else ""
            self._program.fail(f"an answer without results{told}")
        if str(answer.get("id")) != str(self._asked):
            self._program.fail(f"an answer to the query {answer.get('id')!r}, not {self._asked}")
        try:
            ids, scores = ranked(answer["results"])
        except ValueError as error:
            self._program.fail(f"{error}")
        return self.answers.hits(query, ids, scores, k)

    def size(self) -> IndexSize | None:
        """The files of the folder it was given; None where it was given none."""
        if _FOLDER not in "\n".join(self.settings.words):
            return None
        return IndexSize.of_folder(self._index)

    def peak_memory(self) -> int | None:
        """The larger of the program's and of what built its index."""
        searching = super().peak_memory()
        return None if searching is None else max(searching, self._build_peak)

    def close(self) -> None:
        """End the program."""
        if self._program is not None:
            self._program.close()

    def metadata(self) -> dict[str, Any]:
        """The digests of the files that the commands name."""
        settings: CommandSettings = self.settings
        return settings.outside()


def _resolved(word: str) -> str:
    """Return the path of a word that begins with `./`, looked for as modules are."""
    return str(find_file(Path(word))) if word.startswith("./") else word


SYSTEM = CommandSystem
