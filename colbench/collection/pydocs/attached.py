"""Docstrings that a call attaches to a compiled function.

torch, numpy and scipy.special document what they write in C in calls to `add_docstr` and
`add_newdoc`. Only literal texts are read.
"""

from __future__ import annotations

import ast
import string

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
