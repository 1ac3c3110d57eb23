"""The LaTeX table: its structure, its marks, and that no text can break out of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.report.latex import latex, render_latex
from colbench.results.schema import SweepInfo

HOSTILE = [
    "a & b",
    "100 % \\input{x}",
    "$x^2$ ~ #1 _y_ {z}",
    "[h] *star*",
    "``x'' -- --- <<>> ?` \"q\"",
    "\\end{tabular}",
    "line\nbreak",
    "p ≤ 0.05 × †",
]


def rows_of(text):
    """The cells between the rules, a list per row, the header first."""
    body = text.partition("\\toprule")[2].partition("\\bottomrule")[0]
    lines = [line.strip() for line in body.splitlines() if line.strip().endswith("\\\\")]
    return [re.split(r"(?<!\\) ?& ?", line.removesuffix("\\\\").strip()) for line in lines]


def plain(text):
    """What is printed: the inverse of escaping, written from LaTeX's rules."""
    names = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
    }
    maths = {"dagger": "†", "leq": "≤", "times": "×"}
    token = re.compile(
        r"\\symbol\{34\}|\$\^?\\(?P<maths>[a-z]+)\$|\\(?P<name>[a-z]+)\{\}|\\(?P<one>[^a-z])"
        r"|\{(?P<group>[\[*]?)\}|(?P<other>[^\\$&%#_^~{}])"
    )
    printed, place = "", 0
    while place < len(text):
        found = token.match(text, place)
        assert found, f"not LaTeX for text: {text[place:]!r}"
        place = found.end()
        printed += (
            maths[found["maths"]] if found["maths"]
            else names[found["name"]] if found["name"]
            else found["one"] or found["group"] or found["other"]
            or ('"' if "symbol" in found[0] else "")
        )  # fmt: skip
    return printed


@given(st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE))
def test_any_text_is_printed_as_it_is_on_one_line(value):
    printable = "".join(c if c.isprintable() else " " for c in value)
    assert plain(latex(value)) == " ".join(printable.split())


@given(st.text("-'`,?!a", max_size=8))
def test_no_two_characters_become_a_ligature(value):
    assert not re.search("--|''|``|,,|[?!]`", latex(value))


def test_the_table_has_every_system_measure_and_its_marks(example_results):
    text = render_latex([example_results])
    header, reference, better = rows_of(text)
    assert header == ["system", "ndcg@10", "mrr@10", "query ms", "QPS", "index"]
    assert reference == ["bm25 (reference)", "0.6500", "0.6100", "2.00", "900", "80 B"]
    assert better[:3] == [
        "colbert\\_exact",
        "\\textbf{0.7072}\\rlap{$^\\dagger$}",
        "\\textbf{0.6700}",
    ]
    assert "\\begin{tabular}{lrrrrr}" in text
    assert "Not measured: bm25\\_cross\\_encoder." in text
    assert "differs from bm25" in text


def test_a_subset_is_never_shown_as_the_full_collection(example_results):
    collection = example_results.collection.model_copy(update={"sampled": True})
    text = render_latex([example_results.model_copy(update={"collection": collection})])
    assert "not comparable with published numbers" in text


def test_environments_are_closed_and_rules_are_those_of_booktabs(example_results):
    text = render_latex([example_results])
    opened = re.findall(r"\\begin\{([a-z*]+)\}", text)
    closed = re.findall(r"\\end\{([a-z*]+)\}", text)
    assert opened == closed[::-1] == ["table*", "tabular"]
    assert [text.count(f"\\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]
    assert "\\hline" not in text and "usepackage{booktabs}" in text


def test_every_table_has_a_label_of_its_own(example_results):
    named = example_results.model_copy(update={"experiment": "A_b & c"})
    text = render_latex([named, named, example_results, named])
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == ["tab:a-b-c", "tab:a-b-c-2", "tab:example", "tab:a-b-c-3"]


def test_of_a_sweep_references_and_fronts_are_shown(example_results):
    system = example_results.systems[1]
    names = ["nbits=1", "nbits=2", "nbits=4"]
    points = [system.model_copy(update={"name": name}) for name in names]
    sweep = SweepInfo(
        system="colbert",
        axes={"nbits": [1, 2, 4]},
        variants={name: {"nbits": int(name[-1])} for name in names},
        references=["bm25"],
        measure="ndcg@10",
        front_latency=["nbits=1"],
        front_bytes=["nbits=4"],
        advice=[],
    )
    update = {"systems": [example_results.systems[0], *points], "sweep": sweep}
    text = render_latex([example_results.model_copy(update=update)])
    assert [row[0] for row in rows_of(text)[1:]] == ["bm25 (reference)", "nbits=1", "nbits=4"]
    assert "Pareto front" in text


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_name_keeps_the_number_of_cells(example_results, value):
    systems = [example_results.systems[0].model_copy(update={"name": value})]
    collection = example_results.collection.model_copy(update={"name": value})
    update = {"systems": systems, "collection": collection, "reference": value}
    rows = rows_of(render_latex([example_results.model_copy(update=update)]))
    assert [len(row) for row in rows] == [6, 6]
    assert plain(rows[1][0]) == " ".join(f"{value} (reference)".split())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_it_compiles(example_results, tmp_path):
    hostile = [example_results.systems[0].model_copy(update={"name": v}) for v in HOSTILE]
    update = {"systems": hostile, "experiment": HOSTILE[0], "reference": HOSTILE[2]}
    tables = render_latex([example_results, example_results.model_copy(update=update)])
    (tmp_path / "table.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\listoftables\n"
        f"{tables}\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    for _ in range(2):  # the list of tables is read in the second pass
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
