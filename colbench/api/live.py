"""Functions and objects of the calling process as systems: their names, and what is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from colbench.collection.model import Collection
from colbench.errors import ConfigError
from colbench.retriever.systems.live import Held


@runtime_checkable
class SearchFunction(Protocol):
    """A function that ranks documents for a query.

    It may answer with pairs of id and score in any order, a mapping of id to score, or ids alone,
    best first.
    """

    def __call__(self, query: str, k: int, /) -> Iterable[Any]:
        """Return at most the k best documents."""
        ...


@runtime_checkable
class SearchObject(Protocol):
    """An object that ranks documents; it may have `index(collection)` too, called once."""

    def search(self, query: str, k: int, /) -> Iterable[Any]:
        """Return at most the k best documents, as a `SearchFunction` does."""
        ...


@runtime_checkable
class IndexingObject(SearchObject, Protocol):
    """A `SearchObject` that is shown the collection before it searches."""

    def index(self, collection: Collection, /) -> object:
        """Prepare to search the documents; timed as the build of the system."""
        ...


System = str | SearchFunction | SearchObject | type[SearchObject]
"""What can be compared: a system of the configuration by its name, a function, an object, or a
class that is made without arguments."""


def named_systems(
    systems: System | Iterable[System] | Mapping[str, System],
) -> tuple[list[str], dict[str, Held]]:
    """Return the names of systems in order, and the functions and objects among them by name.

    Args:
        systems: names, functions and objects; or a mapping of the name that a system is to have
            to the system.

    Raises:
        ConfigError: two have one name, a name stands for another system, or one is no system.
    """
    if isinstance(systems, Mapping):
        pairs = [(str(name), system) for name, system in systems.items()]
    elif isinstance(systems, str) or not isinstance(systems, Iterable) or is_live(systems):
        pairs = [(_name(systems), systems)]
    else:
        pairs = [(_name(system), system) for system in systems]
    names: list[str] = []
    held: dict[str, Held] = {}
    for name, system in pairs:
        if isinstance(system, str):
            if name != system:
                raise ConfigError(
                    f"systems: '{name}' is to be '{system}', which has a name: a copy of a system "
                    f"under another name is set as system={{'{name}': {{'kind': …}}}}"
                )
        elif name in names:
            raise ConfigError(
                f"systems: two are called '{name}': name them, as in "
                f"systems={{'{name}': …, '{name}_2': …}}"
            )
        else:
            held[name] = Held(system)
        names.append(name)
    return names, held


def is_live(system: object) -> bool:
    """Return whether something can search: a function, or an object with `search`."""
    return callable(system) or callable(getattr(system, "search", None))


def _name(system: Any) -> str:
    if isinstance(system, str):
        return system
    if not is_live(system):
        raise ConfigError(
            f"systems: {system!r} is no system: give names, functions (query, k), or objects with "
            "search(query, k)"
        )
    inner = getattr(system, "func", system)  # of functools.partial
    name = getattr(inner, "__name__", None) or type(system).__name__
    return str(name).strip("<>")


def described(held: Held) -> str:
    """Return what a function or object is, in words, for results."""
    found = held.system
    kind = found if isinstance(found, type) else getattr(found, "func", found)
    name = getattr(kind, "__qualname__", None) or type(found).__qualname__
    module = getattr(kind, "__module__", None) or type(found).__module__
    what = "function" if hasattr(kind, "__code__") else "class" if kind is found else "object"
    if not hasattr(kind, "__qualname__"):
        what = "object of class"
    return f"{what} {name} of {module}, in the calling process"
