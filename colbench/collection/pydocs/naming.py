"""The name by which users know an object, found by following re-exports in the sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from colbench.collection.pydocs.harvest import Documented, Module

Place = tuple[str, str]
"""A module and a name in it."""


def public_names(modules: Iterable[Module]) -> Iterator[tuple[str, Documented]]:
    """Yield (public name, object) for every object that can be reached without an underscore.

    Of several public paths the one with the fewest parts is taken, then the shortest, then the
    first by spelling: `scipy.signal.butter`, not `scipy.signal._filter_design.butter`.
    """
    exports = _Exports({module.name: module for module in modules})
    best: dict[Place, str] = {}
    for module in exports.modules.values():
        if _is_private(module.name):
            continue
        for name in exports.offered(module):
            place = exports.origin(module.name, name)
            candidate = f"{module.name}.{name}"
            if place and (place not in best or _rank(candidate) < _rank(best[place])):
                best[place] = candidate
    taken: set[str] = set()
    for module in exports.modules.values():
        for documented in module.objects:
            owner, dot, rest = documented.qualname.partition(".")
            place = exports.origin(documented.module, owner)
            if place in best:
                name = f"{best[place]}{dot}{rest}"
                if name not in taken:
                    taken.add(name)
                    yield name, documented


def _rank(name: str) -> tuple[int, int, str]:
    return name.count("."), len(name), name


def _is_private(dotted: str) -> bool:
    return any(part.startswith("_") for part in dotted.split("."))


class _Exports:
    """Resolves a name in a module to the place that defines it."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        # An attached docstring may describe a name of another module (`torch.abs`).
        self._defined = {
            (documented.module, documented.qualname.partition(".")[0])
            for module in modules.values()
            for documented in module.objects
            if "." not in documented.qualname
        }
        self._by_module: dict[str, list[str]] = {}
        for where, name in sorted(self._defined):
            self._by_module.setdefault(where, []).append(name)
        self._namespaces: dict[str, dict[str, Place]] = {}

    def offered(self, module: Module) -> list[str]:
        """Names a module offers its users."""
        if module.exported is not None:
            names = set(module.exported) | set(self._by_module.get(module.name, []))
        elif module.is_package:
            names = set(self._namespace(module.name))
        else:
            # What an ordinary module imports it uses; what it defines it offers.
            names = set(self._by_module.get(module.name, []))
        return sorted(name for name in names if not name.startswith("_"))

    def origin(self, module: str, name: str) -> Place | None:
        """Return where `module.name` is defined, None if in none of the modules read."""
        visited: set[Place] = set()
        place: Place | None = (module, name)
        while place is not None and place not in visited:
            if place in self._defined:
                return place
            visited.add(place)
            place = self._namespace(place[0]).get(place[1])
        return None

    def _namespace(self, name: str) -> dict[str, Place]:
        """Name → the place one step nearer to its definition."""
        if name in self._namespaces:
            return self._namespaces[name]
        places: dict[str, Place] = {}
        # Entered before it is filled, so that modules that import each other end the recursion.
        self._namespaces[name] = places
        module = self.modules.get(name)
        if module is not None:
            for star in module.stars:
                for imported in self._starred(star):
                    places.setdefault(imported, (star, imported))
            places.update(module.imports)
        places.update({own: (name, own) for own in self._by_module.get(name, [])})
        return places

    def _starred(self, name: str) -> list[str]:
        module = self.modules.get(name)
        if module is not None and module.exported is not None:
            return sorted(module.exported)
        return [own for own in self._namespace(name) if not own.startswith("_")]
