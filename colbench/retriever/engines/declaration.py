"""What an engine's file declares, read without running it: its imports are not to be had here.

Four constants at the top of the file, each a literal, beside the class `Engine`:

    PACKAGE = "fast-plaid"                    # distribution whose version results name; optional
    REQUIREMENT = "fast-plaid==1.7.0.2110"    # what pip installs; optional
    BUILD = {"nbits": 4}                      # settings of a build and their defaults
    SEARCH = {"n_ivf_probe": 8}               # settings of a search and their defaults
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from colbench.errors import ConfigError, did_you_mean
from colbench.retriever.user_modules import is_file_kind, module_folders

_BUILTIN = Path(__file__).resolve().parent / "builtin"
_LARGEST = 1 << 20
"""Bytes of an engine's file: it is read whole."""

_Part = Literal["build", "search"]


def builtin_engines() -> list[str]:
    """Names of the engines that come with colbench.

    >>> builtin_engines()
    ['fast_plaid', 'xtr_warp']
    """
    return sorted(path.stem for path in _BUILTIN.glob("[!_]*.py"))


@dataclass(frozen=True)
class Declaration:
    """What an engine's file says of it.

    Attributes:
        name: of the engine: its file's.
        file: that defines it.
        package: distribution whose version results name; empty for none.
        requirement: what pip installs; empty for nothing.
        build: setting of a build → default; None where the engine chooses.
        search: the same of a search.
    """

    name: str
    file: Path
    package: str
    requirement: str
    build: Mapping[str, Any]
    search: Mapping[str, Any]

    def check(self, part: _Part, given: Mapping[str, Any]) -> None:
        """Refuse settings that the engine does not have.

        Raises:
            ValueError: an unknown setting, or a value of another type than the default.
        """
        declared: Mapping[str, Any] = getattr(self, part)
        for key, value in given.items():
            if key not in declared:
                hint = did_you_mean(key, declared) if declared else "it has none"
                raise ValueError(f"the engine {self.name} has no {part} setting '{key}': {hint}")
            if not _fits(value, declared[key]):
                kind = type(declared[key]).__name__
                raise ValueError(
                    f"{key} is {value!r}, and its default {declared[key]!r}: set it to another "
                    f"{kind}, or to null for the engine's own choice"
                )

    def settings(self, part: _Part, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the engine is called with: what is given, and the defaults of the rest."""
        declared: Mapping[str, Any] = getattr(self, part)
        return {key: value for key, value in {**declared, **given}.items() if value is not None}

    @property
    def builtin(self) -> bool:
        """Whether it comes with colbench."""
        return self.file.parent == _BUILTIN

    @property
    def variable(self) -> str:
        """Environment variable that names the Python of the engine's environment.

        >>> engine_declaration("fast_plaid").variable
        'COLBENCH_ENGINE_FAST_PLAID'
        """
        plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.name)
        return f"COLBENCH_ENGINE_{plain.upper()}"

    def find_python(self, named: Path | None = None) -> Path | None:
        """Return the Python that the engine runs in; None where there is none.

        Args:
            named: by the user. Otherwise it is the one that `variable` names, that of
                `environment_folder`, or for a file of the user's this one.
        """
        variable = os.environ.get(self.variable)
        chosen = named or (Path(variable) if variable else None)
        if chosen is not None:
            python = chosen.expanduser()
            return python if os.access(python, os.X_OK) and python.is_file() else None
        python = environment_folder(self.name) / "bin" / "python"
        if python.is_file():
            return python
        return None if self.builtin else Path(sys.executable)

    def advice(self) -> str:
        """Say how the engine's environment is made."""
        folder = environment_folder(self.name)
        wanted = self.requirement or self.package or "numpy"
        return (
            f"make its environment with: python3.11 -m venv {folder} && {folder}/bin/pip install "
            f"{wanted}; or name the Python of one with 'python' or ${self.variable}"
        )

    def other_version(self, installed: str | None) -> str | None:
        """Say that another version is installed than the one that was tried; None if not."""
        _, exact, wanted = self.requirement.partition("==")
        if not exact or installed is None or installed == wanted.strip():
            return None
        return f"{self.name} is version {installed}, and {wanted.strip()} was tried"


def environment_folder(name: str) -> Path:
    """Return the folder where the environment of an engine is looked for."""
    from platformdirs import user_cache_path

    return user_cache_path("colbench") / "engines" / name


def engine_declaration(engine: str) -> Declaration:
    """Read what an engine declares.

    Args:
        engine: one of `builtin_engines`, or the path of a file, looked for as kinds of systems are.

    Raises:
        ConfigError: no such engine, or its file declares none.
    """
    if not is_file_kind(engine):
        if engine not in builtin_engines():
            hint = did_you_mean(engine, builtin_engines())
            raise ConfigError(f"unknown engine '{engine}': {hint}; or name a file, ./{engine}.py")
        return _declared(_BUILTIN / f"{engine}.py")
    places = [folder / Path(engine).expanduser() for folder in module_folders()]
    file = next((place.resolve() for place in places if place.is_file()), None)
    if file is None:
        folders = ", ".join(map(str, module_folders()))
        raise ConfigError(f"there is no engine '{engine}' in {folders}: name its file")
    return _declared(file)


def _declared(file: Path) -> Declaration:
    values: dict[str, Any] = {"PACKAGE": "", "REQUIREMENT": "", "BUILD": {}, "SEARCH": {}}
    has_engine = False
    for node in _body(file):
        has_engine = has_engine or (isinstance(node, ast.ClassDef) and node.name == "Engine")
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in values:
                values[target.id] = _literal(file, target.id, value, values[target.id])
    if not has_engine:
        raise ConfigError(f"{file} defines no class 'Engine': see docs/engines.md")
    package, requirement, build, search = values.values()
    return Declaration(file.stem, file, package, requirement, build, search)


def _body(file: Path) -> list[ast.stmt]:
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigError(f"{file} is no engine: it is larger than a megabyte")
        return ast.parse(file.read_bytes(), str(file)).body
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}") from None
    except SyntaxError as error:
        raise ConfigError(f"{file}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file} is no Python file: {error}") from None


def _literal(file: Path, name: str, node: ast.expr, like: Any) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ConfigError(f"{file}, line {node.lineno}: {name} must be a literal") from None
    plain = (str, int, float, bool, type(None))
    if not isinstance(value, type(like)) or (
        isinstance(value, dict)
        and not all(isinstance(k, str) and isinstance(v, plain) for k, v in value.items())
    ):
        what = "a dictionary of names and plain values" if like == {} else "a string"
        raise ConfigError(f"{file}, line {node.lineno}: {name} must be {what}")
    return value


def _fits(value: Any, default: Any) -> bool:
    """Return whether a value is of the default's type: an int passes for a float, no bool does."""
    if value is None or default is None:
        return True
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, (int, float) if isinstance(default, float) else type(default))
