"""Modules of the user's own that implement a system: named, or files beside the user.

A kind that is a path (`./mine.py`) is that file, and a kind without a dot (`mine`) is `mine.py`,
both looked for in the folders of `--config-dir` and their `system/`, then in the working folder.
Any other kind is the dotted name of a module that can be imported, from these folders too.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from colbench.digests import sha256_file
from colbench.errors import ConfigError, did_you_mean

_FOLDERS: list[Path] = []


def search_modules_in(folders: Iterable[Path]) -> None:
    """Look for modules in these folders from now on, and in the working folder after them."""
    _FOLDERS[:] = dict.fromkeys(folder.absolute() for folder in folders)


@contextlib.contextmanager
def modules_kept() -> Iterator[None]:
    """Look for modules afterwards where they were looked for before."""
    before = list(_FOLDERS)
    try:
        yield
    finally:
        _FOLDERS[:] = before


def module_folders() -> list[Path]:
    """Return the folders where modules are looked for, absolute and in order."""
    return list(dict.fromkeys([*_FOLDERS, Path.cwd()]))


def is_file_kind(kind: str) -> bool:
    """Return whether a kind names a file.

    >>> is_file_kind("./mine.py"), is_file_kind("mine"), is_file_kind("package.mine")
    (True, False, False)
    """
    return kind.endswith(".py") or "/" in kind


def load_module(kind: str, what: str = "system kind") -> ModuleType | None:
    """Import the module of a kind; None where there is none.

    Args:
        kind: that names it.
        what: the name is, for messages.

    Raises:
        ConfigError: it cannot be imported, with the reason; or the name stands for several files.
    """
    file = _file(kind, what)
    try:
        if file is not None:
            return _from_file(file)
        if is_file_kind(kind) or not all(part.isidentifier() for part in kind.split(".")):
            return None
        _search_like_python(kind)
        return importlib.import_module(kind)
    except ConfigError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if file is None and (kind == missing or kind.startswith(f"{missing}.")):
            return None
        raise ConfigError(_why(f"{what} '{kind}'", error)) from None
    except (Exception, SystemExit) as error:  # whatever the module does
        raise ConfigError(_why(f"{what} '{kind}'", error)) from None


def module_digests(module: ModuleType) -> dict[str, str]:
    """Return the sha256 of a module's file, first, and of what it has imported from beside it."""
    name = getattr(module, "__file__", None)
    if name is None:
        return {}
    file = Path(name)
    top = file.parent
    for _ in range(module.__name__.count(".") - 1):  # of a package the whole of it
        top = top.parent
    imported = (getattr(one, "__file__", None) for one in list(sys.modules.values()))
    beside = {Path(one) for one in imported if one and Path(one).is_relative_to(top)}
    files = [file, *sorted(one for one in beside - {file} if one.suffix == ".py")]
    return {str(one.relative_to(top)): sha256_file(one) for one in files if one.is_file()}


def load_target(target: str) -> tuple[Any, ModuleType]:
    """Return what a target names, and the module that it is in.

    Args:
        target: `module:name` or `./file.py:name`; the module is looked for as that of a kind, and
            the name may be dotted.

    Raises:
        ConfigError: there is no such module or nothing of that name in it, or the module cannot be
            imported, with the reason.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(
            f"the target '{target}' is not MODULE:NAME or ./FILE.py:NAME, with a function or class "
            "of that module"
        )
    module = load_module(place, "target")
    if module is None:
        places = ", ".join(map(str, module_folders()))
        raise ConfigError(f"target '{target}': there is no module or file '{place}' in {places}")
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [one for one in dir(found) if not one.startswith("_")]
            raise ConfigError(f"target '{target}': no '{part}' there: {did_you_mean(part, public)}")
        found = getattr(found, part)
    return found, module


def find_file(path: Path) -> Path:
    """Return where a relative path leads to, from the folders where modules are looked for.

    The first one that is there; that of the working folder where there is none.
    """
    path = path.expanduser()
    places = [folder / path for folder in module_folders()]
    return next((place for place in places if place.exists()), Path.cwd() / path)


def _file(kind: str, what: str) -> Path | None:
    if "." in kind and not is_file_kind(kind):
        return None
    name = kind if is_file_kind(kind) else f"{kind}.py"
    places = [folder / Path(name).expanduser() for folder in module_folders()]
    found = list(dict.fromkeys(path.resolve() for path in places if path.is_file()))
    if len({sha256_file(path) for path in found}) > 1:
        names = " and ".join(map(str, found))
        raise ConfigError(f"{what} '{kind}' is {names}, which differ: name one by its path")
    return found[0] if found else None


def _from_file(file: Path) -> ModuleType:
    """Import a file under a name that goes with its content."""
    name = f"colbench_kind_{file.stem}_{sha256_file(file)[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} is no Python file: name it *.py")
    module = importlib.util.module_from_spec(spec)
    _append(file.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _search_like_python(kind: str) -> None:
    """Let Python look in our folders too, after all others, where they hold the module."""
    top = kind.partition(".")[0]
    for folder in module_folders():
        if (folder / f"{top}.py").is_file() or (folder / top).is_dir():
            _append(folder)


def _append(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: no module here may shadow one of a library
        importlib.invalidate_caches()


def _why(what: str, error: BaseException) -> str:
    """Say in one line why a module cannot be imported, and where in it."""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}: "
        return f"{what} cannot be imported: {where}{error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    where = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    return f"{what} cannot be imported: {where}{type(error).__name__}: {error}"
