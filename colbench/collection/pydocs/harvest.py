"""Docstrings and re-exports of a module, read from its source without importing it."""

from __future__ import annotations

import ast
import inspect
import string
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from colbench.collection.pydocs.packages import SourceFile

PLACEHOLDER = "\ufffc"
"""Stands in a docstring for a field that only the running package can fill in."""


def attached_docstring(module: str, statement: ast.stmt) -> tuple[str, str, str] | None:
    """Return (module, qualified name, docstring) if the statement attaches one, else None.

    Understood are, as statements of `module`:

    * `name = _add_docstr(_C.function, "…")`: torch.linalg, torch.nn.functional and others;
    * `add_docstr(torch.function, "…")`: torch;
    * `add_docstr_all("method", "…")`: torch.Tensor;
    * `add_newdoc("module", "name", "…")`, `(…, ("method", "…"))`: numpy;
    * `add_newdoc("name", "…")`: scipy.special.
    """
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    function, arguments = call.func.id, call.args
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        if function != "_add_docstr" or len(arguments) != 2 or not isinstance(target, ast.Name):
            return None
        return _checked(module, target.id, arguments[1])
    if function == "add_docstr" and len(arguments) == 2:
        where, _, name = ast.unparse(arguments[0]).rpartition(".")
        return _checked(where, name, arguments[1])
    if function == "add_docstr_all" and len(arguments) == 2:
        return _checked("torch", f"Tensor.{_text(arguments[0])}", arguments[1])
    if function == "add_newdoc" and len(arguments) == 2:
        return _checked("scipy.special", _text(arguments[0]), arguments[1])
    if function == "add_newdoc" and len(arguments) == 3:
        place, documented = _text(arguments[0]), arguments[2]
        owner = _text(arguments[1])
        if isinstance(documented, ast.Tuple) and len(documented.elts) == 2:
            owner = f"{owner}.{_text(documented.elts[0])}"
            documented = documented.elts[1]
        return _checked(place, owner, documented)
    return None


def _checked(module: str | None, name: str | None, node: ast.expr) -> tuple[str, str, str] | None:
    text = _text(node)
    return (module, name, text) if module and name and text else None


def _text(node: ast.expr) -> str | None:
    """Return a literal string, `.format(…)` fields replaced by the placeholder."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        template = _text(node.func.value)
        if template is not None and node.func.attr == "format":
            return _unformatted(template)
    return None


def _unformatted(template: str) -> str | None:
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError:
        return None
    return "".join(
        literal + (PLACEHOLDER if name is not None else "") for literal, name, _, _ in pieces
    )


class Documented(NamedTuple):
    """One object that has a docstring.

    Attributes:
        module: the module whose source defines it.
        qualname: its name there, `function`, `Class` or `Class.method`.
        docstring: as written, without its indentation.
    """

    module: str
    qualname: str
    docstring: str


@dataclass
class Module:
    """What one source file says.

    Attributes:
        name: dotted module name.
        is_package: whether the file is an `__init__.py`.
        objects: public documented objects, in source order, each name once.
        imports: local name → (module, name there) of every `from … import …`.
        stars: modules imported with `*`.
        exported: content of `__all__`, None where there is none or it is computed.
    """

    name: str
    is_package: bool
    objects: list[Documented] = field(default_factory=list)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    exported: set[str] | None = None


Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_module(source: SourceFile) -> Module | None:
    """Parse one file; None where this Python cannot (a template, say)."""
    with warnings.catch_warnings():
        # Invalid escapes in other people's docstrings.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source.path.read_bytes())
        except (SyntaxError, ValueError):
            return None
    module = Module(source.module, source.is_package)
    seen: set[tuple[str, str]] = set()
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ImportFrom):
            _add_import(module, statement)
        elif isinstance(statement, ast.Assign | ast.AugAssign):
            _add_exports(module, statement)
        for documented in _documented(source.module, statement):
            if (documented.module, documented.qualname) not in seen:
                seen.add((documented.module, documented.qualname))
                module.objects.append(documented)
    return module


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, those under `if`, `try`, `with` and `for` included, in source order."""
    for statement in body:
        yield statement
        if not isinstance(statement, Function | ast.ClassDef):
            for name in ("body", "handlers", "orelse", "finalbody"):
                for child in getattr(statement, name, []):
                    inner = child.body if isinstance(child, ast.ExceptHandler) else [child]
                    yield from _statements(inner)


def _documented(module: str, statement: ast.stmt) -> Iterator[Documented]:
    if isinstance(statement, Function | ast.ClassDef):
        yield from _defined(module, "", statement)
    elif isinstance(statement, ast.Assign | ast.Expr):
        attached = attached_docstring(module, statement)
        if attached is not None:
            where, qualname, docstring = attached
            if _is_public(qualname):
                yield Documented(where, qualname, inspect.cleandoc(docstring))


def _defined(module: str, prefix: str, node: Function | ast.ClassDef) -> Iterator[Documented]:
    if not _is_public(node.name) or _is_deprecated(node):
        return
    docstring = ast.get_docstring(node)
    if docstring:
        yield Documented(module, f"{prefix}{node.name}", docstring)
    if isinstance(node, ast.ClassDef) and not prefix:
        for child in _statements(node.body):
            if isinstance(child, Function):
                yield from _defined(module, f"{node.name}.", child)


def _is_public(qualname: str) -> bool:
    return not any(part.startswith("_") for part in qualname.split("."))


def _is_deprecated(node: Function | ast.ClassDef) -> bool:
    """Whether a decorator says so; `.. deprecated::` in the text is looked at elsewhere."""
    called = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any("deprecated" in ast.unparse(decorator) for decorator in called)


def _add_import(module: Module, statement: ast.ImportFrom) -> None:
    origin = statement.module or ""
    if statement.level:
        parts = module.name.split(".")
        up = statement.level - 1 if module.is_package else statement.level
        base = ".".join(parts[: len(parts) - up])
        origin = f"{base}.{origin}" if origin else base
    for alias in statement.names:
        if alias.name == "*":
            module.stars.append(origin)
        else:
            module.imports.setdefault(alias.asname or alias.name, (origin, alias.name))


def _add_exports(module: Module, statement: ast.Assign | ast.AugAssign) -> None:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
        return
    try:
        names = set(ast.literal_eval(statement.value))
    except (ValueError, TypeError):
        return
    module.exported = (module.exported or set()) | names
