"""Reading and running the notebooks of `docs/`, as a kernel does."""

from __future__ import annotations

import ast
import json


def cells(notebook, kind):
    """Return the sources of all cells of a kind."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def check_stripped(notebook):
    """Assert that a notebook is small, valid Python, and without outputs."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert notebook.stat().st_size < 15_000
    assert (content["nbformat"], content["metadata"]["language_info"]["name"]) == (4, "python")
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for source in cells(notebook, "code"):
        ast.parse(source)


def run(notebook, names):
    """Run all cells in one namespace; return what a notebook would show of their last lines."""
    shown = (_shown(source, names, str(notebook)) for source in cells(notebook, "code"))
    return [page for page in shown if page is not None]


def _shown(source, names, file):
    *statements, last = ast.parse(source).body
    exec(compile(ast.Module(statements, []), file, "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), file, "exec"), names)
        return None
    value = eval(compile(ast.Expression(last.value), file, "eval"), names)
    page = getattr(value, "_repr_html_", None)
    return page() if page is not None else repr(value)
