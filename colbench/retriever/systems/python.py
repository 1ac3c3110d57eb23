"""A function or object of Python's that ranks documents: the retriever of somebody else's code.

    def mine(query: str, k: int) -> list[tuple[str, float]]

An object, or a class that makes one, has `search(query, k)`, and may have

* `index(collection)`, called once and timed as the build; with a parameter `folder` it is given a
  folder for its files, whose bytes are then the size of the index,
* `search_many(queries, k)`, called instead where several queries are searched at once,
* `close()`, called at the end,
* `concurrent = True`, where several threads may search at once.

An answer is anything that `outside.ranked` takes. It is sorted here, and ties broken.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, cast

from pydantic import Field

from colbench.collection.raw import short
from colbench.errors import ConfigError, DataError
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.retriever.base import SystemSettings
from colbench.retriever.outside import OutsideSystem, ranked
from colbench.retriever.user_modules import load_target, module_digests


class PythonSettings(SystemSettings):
    """What is called."""

    verbatim: ClassVar[frozenset[str]] = frozenset({"target"})

    target: str = Field(
        description="module:name or ./file.py:name of a function (query, k), or of an object or "
        "class with search(query, k)"
    )
    arguments: dict[str, Any] = Field(
        {}, description="keyword arguments of the class, or of each call of the function"
    )

    def called(self) -> Any:
        """Return what is called."""
        return load_target(self.target)[0]

    def outside(self) -> dict[str, Any]:
        """The files of the module."""
        return module_digests(load_target(self.target)[1])

    def announcement(self) -> str | None:
        """Whose code runs."""
        found, module = load_target(self.target)
        check_called(self.target, found, self.arguments)
        return f"the code of {getattr(module, '__file__', None) or module.__name__} runs"


class PythonSystem(OutsideSystem):
    """Calls a function, or the methods of an object."""

    Settings = PythonSettings
    _object: Any = None
    _search: Callable[[str, int], object]
    _takes_folder = False

    def prepare(self) -> None:
        """Import the module, and make the object of a class."""
        settings: PythonSettings = self.settings
        found = settings.called()
        check_called(settings.target, found, settings.arguments)
        if inspect.isclass(found):
            self._object = found(**settings.arguments)
            check_called(settings.target, self._object, {})
        elif hasattr(found, "search"):
            self._object = found
        if self._object is None:
            self._search = functools.partial(found, **settings.arguments)
        else:
            self._search = getattr(self._object, "search", self._object)

    def build(self) -> None:
        """Let the object index the documents, where it does."""
        index = getattr(self._object, "index", None)
        if index is None:
            return
        collection = self.bench.collection
        # Documents are numbered by their place, which no sorting of the user's may change.
        given = dataclasses.replace(
            collection, documents=tuple(collection.documents), queries=tuple(collection.queries)
        )
        self._takes_folder = "folder" in _parameters(index)
        if self._takes_folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            index(given, folder=self.folder)
        else:
            index(given)

    def search(self, queries: Sequence[str], k: int) -> list[Hits]:
        """Search one by one, or all at once where the object can."""
        together = getattr(self._object, "search_many", None)
        if together is None or len(queries) == 1:
            return super().search(queries, k)
        answers = together(list(queries), k)
        if not isinstance(answers, Iterable) or isinstance(answers, str | dict):
            raise DataError(f"search_many returned {type(answers).__name__}: return a list")
        answers = list(answers)
        if len(answers) != len(queries):
            raise DataError(
                f"search_many returned {len(answers)} answers to {len(queries)} queries: return "
                "one each, in their order"
            )
        return [self._hits(q, answer, k) for q, answer in zip(queries, answers, strict=True)]

    def ask(self, query: str, k: int) -> Hits:
        """Call it for one query."""
        return self._hits(query, self._search(query, k), k)

    def _hits(self, query: str, answer: object, k: int) -> Hits:
        if inspect.iscoroutine(answer):
            answer.close()
            raise DataError(f"{self.settings.target} is a coroutine: wrap it in asyncio.run")
        try:
            ids, scores = ranked(answer)
        except ValueError as error:
            raise DataError(f"the answer to the query {short(query)}: {error}") from None
        return self.answers.hits(query, ids, scores, k)

    @property
    def concurrent(self) -> bool:
        """Where the object says so."""
        return getattr(self._object, "concurrent", False) is True

    def size(self) -> IndexSize | None:
        """What the object has written to its folder; None where it was given none."""
        return IndexSize.of_folder(self.folder) if self._takes_folder else None

    def close(self) -> None:
        """Close the object, where it can be."""
        close = getattr(self._object, "close", None)
        if callable(close):
            close()

    def metadata(self) -> dict[str, Any]:
        """The sha256 of the files of the module."""
        return {"module_sha256": self.settings.outside()}


def check_called(target: str, found: Any, arguments: dict[str, Any]) -> None:
    """Refuse what cannot be called as a retriever is, before any work."""
    method = found if inspect.isclass(found) else getattr(found, "search", found)
    if not callable(method):
        raise ConfigError(
            f"target '{target}' is a {type(found).__name__} without search(query, k), and no "
            "function"
        )
    is_function = method is found and not inspect.isclass(found)
    if arguments and method is not found:
        raise ConfigError(
            f"target '{target}' is an object that is there already: arguments are for a class or a "
            "function"
        )
    given: tuple[Any, ...] = () if inspect.isclass(found) else ("query", 10)
    try:
        inspect.signature(method).bind(*given, **arguments)
    except TypeError as error:
        wanted = "(query, k)" if given else f"the arguments {sorted(arguments)}"
        what = "the function" if is_function else "search" if given else "the class"
        raise ConfigError(f"target '{target}': {what} must take {wanted}: {error}") from None
    except ValueError:  # of a built-in one, which does not say what it takes
        return


def _parameters(method: Any) -> Iterable[str]:
    try:
        return inspect.signature(cast(Callable[..., object], method)).parameters
    except (TypeError, ValueError):
        return ()


SYSTEM = PythonSystem
