"""Data flows one way: a layer imports only the layers below it."""

import ast
from pathlib import Path

import pytest

import colbench

PACKAGE = Path(colbench.__file__).parent
LAYERS = [
    {
        *("digests", "errors", "files", "hits", "locks", "progress", "records", "settings"),
        *("timing", "validation", "vectors"),
    },
    {"collection"},
    {"encoder"},
    {"index"},
    {"run"},
    {"measures"},
    {"retriever"},
    {"results"},
    {"report"},
    {"gate"},
    {"config"},
    {"experiment"},
    {"compare", "explain", "reproduce", "sweep", "train"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer_of(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "colbench" and len(parts) > 1 else None


def imported_layers(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {layer_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
            found |= {layer_of(name) for name in names}
    return {name for name in found if name in LEVEL}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_imports_no_layer_above_its_own(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in LEVEL, f"{own} is not a known layer: add it to LAYERS in its place"
    above = {name for name in imported_layers(path) if LEVEL[name] > LEVEL[own]}
    assert not above, f"{own} imports {above}"
