"""Which installed packages the collection is made from, and which of their files are read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from colbench.errors import DataError


@dataclass(frozen=True)
class Package:
    """One source of documentation.

    Attributes:
        module: what is imported, for example `sklearn`.
        distribution: what is installed, for example `scikit-learn`.
        small: whether the `small` collection reads it too.
        skip: dotted prefixes that are left out, because they are internal by convention.
    """

    module: str
    distribution: str
    small: bool
    skip: tuple[str, ...] = ()


PACKAGES = (
    Package("matplotlib", "matplotlib", True, ("matplotlib.backends", "matplotlib.sphinxext")),
    Package("networkx", "networkx", True),
    Package("numpy", "numpy", True, ("numpy.f2py",)),
    Package("pandas", "pandas", True, ("pandas.core.internals", "pandas.compat")),
    Package("scipy", "scipy", True, ("scipy._lib", "scipy.misc")),
    Package("sentence_transformers", "sentence-transformers", True),
    Package("sklearn", "scikit-learn", True),
    Package("sympy", "sympy", False, ("sympy.sandbox",)),
    # Inductor, dynamo and their kin are the compiler's insides: large, and not documented for use.
    Package(
        "torch",
        "torch",
        False,
        (
            *("torch._dynamo", "torch._inductor", "torch._functorch", "torch._export"),
            *("torch._refs", "torch._prims", "torch._numpy", "torch._decomp", "torch._subclasses"),
            *("torch._higher_order_ops", "torch.utils.hipify", "torch.distributed"),
        ),
    ),
    # "One model, one file" is that library's policy: its models' files copy each other on purpose.
    Package("transformers", "transformers", False, ("transformers.models", "transformers.cli")),
)
"""All are hard dependencies of colbench's own, directly or through `sentence-transformers` (which
brings scikit-learn and scipy), `torch` (networkx, sympy) and `ranx` (pandas, matplotlib)."""

SKIPPED_PARTS = frozenset(
    {
        *("test", "tests", "testing", "_testing", "conftest", "benchmarks", "setup"),
        *("externals", "extern", "vendor", "_vendor", "vendored"),
        # numpy ships these on Python 3.11 only; the collection must not depend on that.
        "distutils",
    }
)
"""Folders and modules left out wherever they appear."""


class SourceFile(NamedTuple):
    """One module's source."""

    module: str
    path: Path
    is_package: bool


def chosen_packages(*, small: bool) -> list[Package]:
    """Return the packages a size of the collection reads, in a fixed order."""
    return [package for package in PACKAGES if package.small or not small]


def versions(packages: list[Package]) -> dict[str, str]:
    """Return distribution → installed version.

    Raises:
        DataError: a package is not installed.
    """
    installed = {}
    for package in packages:
        try:
            installed[package.distribution] = importlib.metadata.version(package.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise _missing(package) from None
    return installed


def source_files(package: Package) -> Iterator[SourceFile]:
    """Yield a package's modules in the order of their names; nothing is imported.

    Raises:
        DataError: the package is not installed, or is installed without its sources.
    """
    spec = importlib.util.find_spec(package.module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise _missing(package)
    root = Path(spec.origin).parent
    modules = []
    for path in root.rglob("*.py"):
        parts = (package.module, *path.relative_to(root).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        parts = parts[:-1] if is_package else parts
        if not _is_skipped(parts, package.skip):
            modules.append(SourceFile(".".join(parts), path, is_package))
    yield from sorted(modules)


def _is_skipped(parts: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
    if not SKIPPED_PARTS.isdisjoint(parts) or parts[-1].startswith(("test_", "testing_")):
        return True
    name = ".".join(parts)
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _missing(package: Package) -> DataError:
    return DataError(
        f"pydocs reads the documentation of {package.distribution}, which is not installed "
        f"with its sources; run: pip install {package.distribution}"
    )
