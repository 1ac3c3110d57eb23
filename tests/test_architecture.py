"""The plan of the house: the core flows one way, features stand on it side by side, cli on top."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import colbench

PACKAGE = Path(colbench.__file__).parent
CORE = (
    *("collection", "encoder", "index", "run", "measures", "retriever", "results", "report"),
    *("config", "experiment"),
)
"""From the ground up, above the modules that lie in `colbench` itself."""

FEATURES = ("compare", "gate", "sweep", "reproduce", "explain", "train", "token_vectors")
FEATURES += ("application", "serve", "vespa")
ALLOWED = {("gate", "compare"), ("application", "explain"), ("serve", "application")}
ALLOWED |= {("vespa", "application")}
"""Features of which the first imports the second; no other imports a sibling."""

LEVEL = {
    **{name: level for level, name in enumerate(CORE, start=1)},
    **dict.fromkeys(FEATURES, len(CORE) + 1),
    "cli": len(CORE) + 2,
    "api": len(CORE) + 2,
    "integrations": len(CORE) + 2,  # of an application in frameworks of others
    "mteb": len(CORE) + 3,  # a feature that is called from Python, and so stands on `api`
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# `colbench` itself is left out: it names what is public, and imports it when it is asked for.
MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
del MODULES[PACKAGE.name]


def imports_of(module: str) -> Iterator[str]:
    """The modules of colbench that a module imports, in functions as well as at its head."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in whole]
        else:
            continue
        yield from (name for name in names if name in MODULES and name != module)


GRAPH = {module: set(imports_of(module)) for module in MODULES}


def area(module: str) -> str:
    """The folder a module lies in; empty for one of the ground floor."""
    parts = module.split(".")
    return parts[1] if (PACKAGE / parts[1]).is_dir() else ""


def allowed(above: str, below: str) -> bool:
    """Whether a module of one area may import one of another."""
    levels = [LEVEL.get(name, 0) for name in (above, below)]
    return above == below or levels[0] > levels[1] or (above, below) in ALLOWED


def test_core_flows_one_way_and_features_stand_on_it_side_by_side():
    known = {area(module) for module in MODULES} - {""}
    assert known == LEVEL.keys(), "a new folder has its place in CORE or among FEATURES"
    wrong = [
        f"{module} imports {imported}"
        for module, found in GRAPH.items()
        for imported in sorted(found)
        if not allowed(area(module), area(imported))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    order = tuple(graphlib.TopologicalSorter(GRAPH).static_order())  # CycleError names a circle
    assert set(order) == GRAPH.keys()
