"""From source files to named prose: packages, harvest, naming, docstring."""

from pathlib import Path

import pytest

from colbench.collection.pydocs import pydocs_versions
from colbench.collection.pydocs.docstring import take_apart
from colbench.collection.pydocs.harvest import read_module
from colbench.collection.pydocs.naming import public_names
from colbench.collection.pydocs.packages import PACKAGES, Package, source_files, versions
from colbench.errors import DataError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write files into a package `shelf` and return what colbench finds in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(files: dict[str, str]) -> dict[str, str]:
        for name, source in {"__init__.py": "", **files}.items():
            path = tmp_path / "shelf" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        modules = [read_module(source) for source in source_files(Package("shelf", "shelf", True))]
        return {
            name: found.docstring
            for name, found in public_names(module for module in modules if module)
        }

    return write


def test_an_object_is_named_by_its_shortest_public_path(package):
    found = package(
        {
            "__init__.py": "from .books import *",
            "books/__init__.py": "from ._impl import lend, hidden\n__all__ = ['lend']",
            "books/_impl.py": "def lend():\n    'Lend.'\ndef hidden():\n    'Hide.'",
        }
    )
    assert found == {"shelf.lend": "Lend."}


def test_a_method_follows_its_class_to_the_public_name(package):
    found = package(
        {
            "__init__.py": "from shelf._impl import Box as Case",
            "_impl.py": "class Box:\n    'A box.'\n    def open(self):\n        'Open.'",
        }
    )
    assert found == {"shelf.Case": "A box.", "shelf.Case.open": "Open."}


def test_modules_that_import_each_other_are_resolved(package):
    found = package(
        {
            "a.py": "from .b import *\nfrom .b import ghost\ndef one():\n    'One.'",
            "b.py": "from .a import *\nfrom .a import ghost\ndef two():\n    'Two.'",
        }
    )
    assert found == {"shelf.a.one": "One.", "shelf.b.two": "Two."}


def test_private_deprecated_and_undocumented_objects_are_left_out(package):
    source = """
def _private():
    'Private.'
def bare():
    pass
@deprecated('soon')
def old():
    'Old.'
class Kept:
    'Kept.'
    def _hidden(self):
        'Hidden.'
    def __init__(self):
        'Init.'
"""
    assert package({"a.py": source}) == {"shelf.a.Kept": "Kept."}


def test_tests_vendored_copies_and_files_that_do_not_parse_are_not_read(package):
    documented = "def f():\n    'F.'"
    found = package(
        {
            "tests/helper.py": documented,
            "externals/copy.py": documented,
            "test_shelf.py": documented,
            "broken.py": "def f(:\n",
            "read.py": documented,
        }
    )
    assert found == {"shelf.read.f": "F."}


def test_sources_are_parsed_and_never_run(package):
    assert package({"a.py": "def f():\n    'F.'\nraise RuntimeError"}) == {"shelf.a.f": "F."}


def test_docstrings_attached_to_compiled_functions_are_read(package):
    found = package(
        {
            "a.py": "solve = _add_docstr(_C.solve, 'Solve.' + r' \\\\o/')",
            "_docs.py": (
                "add_docstr(shelf.a.near, '''Near {x} {{y}}.'''.format(**common))\n"
                "add_newdoc('shelf.a', 'Far', 'Far.')\n"
                "add_newdoc('shelf.a', 'Far', ('away', 'Away.'))\n"
                "add_newdoc('shelf.a', 'computed', text)\n"
            ),
        }
    )
    assert found == {
        "shelf.a.solve": "Solve. \\\\o/",
        "shelf.a.near": "Near \ufffc {y}.",
        "shelf.a.Far": "Far.",
        "shelf.a.Far.away": "Away.",
    }


def test_a_package_that_is_not_installed_is_named_with_the_remedy():
    absent = Package("no_such_package", "no-such-package", small=False)
    with pytest.raises(DataError, match=r"no-such-package, .* pip install no-such-package"):
        versions([absent])
    with pytest.raises(DataError, match="pip install no-such-package"):
        list(source_files(absent))


def test_versions_are_told_for_every_package_that_is_read():
    assert set(pydocs_versions("full")) == {package.distribution for package in PACKAGES}
    assert set(pydocs_versions("small")) < set(pydocs_versions("full"))
    assert all(version[0].isdigit() for version in pydocs_versions().values())


def test_source_files_come_in_order_and_without_what_is_skipped():
    sympy = Package("sympy", "sympy", small=False, skip=("sympy.polys",))
    names = [source.module for source in source_files(sympy)]
    assert names == sorted(names)
    assert "sympy.sets.sets" in names
    assert not [name for name in names if name.startswith("sympy.polys") or ".tests" in name]
    assert all(Path(source.path).suffix == ".py" for source in source_files(sympy))


def body(docstring: str) -> str:
    prose = take_apart("Summary.\n\n" + docstring)
    assert prose is not None
    assert prose.summary == "Summary."
    return prose.body


def test_the_summary_is_the_first_sentence_and_the_body_what_follows():
    prose = take_apart("Sort values, e.g. numbers,\nin place. It is stable.\n\nMore.")
    assert prose == ("Sort values, e.g. numbers, in place.", "It is stable. More.")


@pytest.mark.parametrize(
    "signature",
    ["f(x, *, out=None) -> Tensor\n\n", "f(x)\n", ".. function:: f(x,\n    y)\n\n", "m.f(x)\n\n"],
)
def test_a_leading_signature_is_not_taken_for_the_summary(signature):
    assert take_apart(signature + "Do it.\n\nThen rest.") == ("Do it.", "Then rest.")


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        (":func:`~numpy.fft.fft` of ``x``", "numpy.fft.fft of x"),
        (":class:`the text <a.b>` and `page <https://x.org>`_", "the text and page"),
        (":py:meth:`run` :math:`x^2`", "run x^2"),
        ("[`~Trainer`] and [a page](https://x.org)", "Trainer and a page"),
        ("*very* **important**, 2 * 3 * 4", "very important, 2 * 3 * 4"),
        ("As shown [1]_ by Knuth [Knuth97]_.", "As shown by Knuth."),
    ],
)
def test_markup_becomes_plain_text(markup, plain):
    assert body(markup) == plain


@pytest.mark.parametrize(
    ("block", "left"),
    [
        ("Before.\n\n>>> f(1)\n2\n\nAfter.", "Before. After."),
        ("Like so::\n\n    code()\n\n    more()\n\nAfter.", "Like so: After."),
        ("Before.\n\n```python\ncode()\n\n```\nAfter.", "Before. After."),
        (".. math::\n\n    x^2\n\nAfter.", "After."),
        (".. versionadded:: 1.2\n    Words.\n\nAfter.", "After."),
        (".. note:: Mind\n    this.\n\nAfter.", "Mind this. After."),
        ("==  ==\na   b\n==  ==\n\nAfter.", "a b After."),
        ("Parameters\n----------\nx : int\n    A number.", "Parameters x : int A number."),
        ("See Also\n--------\ng : Other.\n\nNotes\n-----\nKept.", "Notes Kept."),
        ("References\n----------\n.. [1] Book.", ""),
    ],
)
def test_blocks_that_are_no_prose_go_and_prose_stays(block, left):
    assert body(block) == left


def test_a_field_on_a_line_of_its_own_goes_and_one_within_a_sentence_spoils_the_docstring():
    assert take_apart("Sum.\n\nArgs:\n    %(input)s\n\nEnd.") == ("Sum.", "Args: End.")
    assert take_apart("Return the %(what)s.\n\nEnd.") is None


def test_deprecated_and_empty_docstrings_are_refused():
    assert take_apart("Sum.\n\n.. deprecated:: 1.0\n   Use plus.") is None
    assert take_apart("f(x) -> y") is None
    assert take_apart(">>> f(x)") is None
