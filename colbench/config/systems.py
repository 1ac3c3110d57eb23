"""The systems of a configuration: from plain values to checked settings, once and in one place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from colbench.config.annotations import annotations_of
from colbench.config.models import NAMED_GROUPS, named_settings
from colbench.errors import ConfigError, did_you_mean
from colbench.paths import check_name
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import say_whose_code_runs, system_class, system_settings


class Systems(Mapping[str, SystemSettings]):
    """Settings of every system that can run, by name.

    A system is checked when it is first asked for, and stays as it is from then on: of those that
    nobody asks for, neither module nor model has to be here.

    Args:
        values: name → plain values, interpolations resolved. A model, an index or a search may be
            a name of `conf/`.
        changes: (path below `system`, value) of the command line, put in one after the other. A
            value may be a function of the types that the system's class has for it.
        scope: top-level values that an option of `conf/` may refer to, such as `seed`.
        folders: further configuration folders.

    Raises:
        ConfigError: a system is no group of keys, or a change names an unknown system or option.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        changes: Iterable[tuple[Sequence[str], Any]] = (),
        scope: Mapping[str, Any] | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        self._scope, self._folders = dict(scope or {}), list(folders)
        self._checked: dict[str, SystemSettings] = {}
        self._values: dict[str, dict[str, Any]] = {}
        for name, system in values.items():
            if not isinstance(system, dict):
                raise ConfigError(f"'system.{name}' is {system!r}: it is a group of keys")
            if str(name) in self._values:  # 1 and '1', which are two keys of YAML
                raise ConfigError(f"two systems have the name '{name}': rename one")
            self._values[str(name)] = system
        for (name, *keys), value in changes:
            if keys == ["kind"]:  # makes a system that no file describes
                self._values.setdefault(name, {})
            if not keys:
                self._known(name)
                raise ConfigError(
                    f"system.{name} is a group of keys: set one, as in system.{name}.KEY=…"
                )
            values = self._known(name)
            if callable(value):
                value = value(self._annotations(values, keys))
            self._set(values, keys, value)
        for name in self._values:
            check_name(name, "a system")

    def __getitem__(self, name: str) -> SystemSettings:
        """Return the settings of a system.

        Raises:
            ConfigError: an unknown system, or a key in it that is unknown, missing or wrong.
        """
        if name not in self._checked:
            self._checked[name] = self._check(name, self._known(name))
        return self._checked[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def with_parts(self, names: Iterable[str]) -> dict[str, SystemSettings]:
        """Return the settings of systems and of every system they are made of.

        Raises:
            ConfigError: an unknown system, a wrong key in one, or systems made of each other.
        """
        found: dict[str, SystemSettings] = {}

        def visit(name: str, parents: tuple[str, ...]) -> None:
            if name in parents:
                chain = " → ".join((*parents, name))
                raise ConfigError(f"system '{name}' is made of itself: {chain}")
            if parents:
                self._known(name, f" (needed by '{parents[-1]}')")
            found[name] = self[name]
            for part in found[name].parts():
                visit(part, (*parents, name))

        for name in names:
            visit(name, ())
        return found

    def check(self, names: Iterable[str]) -> None:
        """Check systems, whether they run or not.

        Raises:
            ConfigError: an unknown system, or a wrong key in one.
        """
        for name in names:
            self.__getitem__(name)

    def changed(self, name: str, changes: Mapping[str, Any]) -> SystemSettings:
        """Return the settings of a system with some of them changed; the system stays as it is.

        Args:
            name: of the system.
            changes: dotted path of a key → value.

        Raises:
            ConfigError: an unknown system, group or option, or a value that is not valid.
        """
        values = copy.deepcopy(self._known(name))
        for path, value in changes.items():
            self._set(values, path.split("."), value, missing_groups=False)
        return self._check(name, values)

    def _annotations(self, values: Mapping[str, Any], keys: Sequence[str]) -> list[Any]:
        kind = values.get("kind")
        if not isinstance(kind, str) or keys == ["kind"]:
            return [Path] if keys == ["kind"] else []
        return annotations_of([system_class(kind).Settings], keys)

    def _known(self, name: str, where: str = "") -> dict[str, Any]:
        if name not in self._values:
            hint = did_you_mean(name, self._values)
            raise ConfigError(f"unknown system '{name}'{where}: {hint}")
        return self._values[name]

    def _check(self, name: str, values: dict[str, Any]) -> SystemSettings:
        self._resolve_names(values)
        settings = system_settings(name, values)
        say_whose_code_runs(name, settings)
        return settings

    def _set(
        self,
        values: dict[str, Any],
        keys: Sequence[str],
        value: Any,
        *,
        missing_groups: bool = True,
    ) -> None:
        """Set a key; an unknown one is made here and refused by the system's class."""
        self._resolve_names(values)
        for key in keys[:-1]:
            if not isinstance(values.get(key), dict):
                if not missing_groups:
                    raise ConfigError(f"{'.'.join(keys)}: the system has no group '{key}'")
                values[key] = {}
            values = values[key]
        values[keys[-1]] = value

    def _resolve_names(self, values: dict[str, Any]) -> None:
        """Let a system name its model, index or search: `system.colbert.search=k100`."""
        kind = values.get("kind")
        fields = system_class(kind).Settings.model_fields if isinstance(kind, str) else {}
        for group, settings in NAMED_GROUPS.items():
            annotation = fields[group].annotation if group in fields else None
            takes_it = annotation is settings or settings in get_args(annotation)
            if takes_it and isinstance(values.get(group), str):
                values[group] = named_settings(group, values[group], self._folders, self._scope)
