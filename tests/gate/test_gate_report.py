"""A gate in the terminal, in Markdown, as JUnit XML and as annotations."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from comparable import VALUES
from gated import (
    HOSTILE,
    REGRESSED,
    RULES,
    change,
    cost,
    gated_results,
    guard,
    judged,
    report,
    settings,
    verdict,
    worst,
)
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from colbench.errors import StorageError
from colbench.gate.ci_output import annotation_lines, print_annotations, render_junit
from colbench.gate.findings import headline
from colbench.gate.report import LIMIT, gate_document, render_gate, write_step_summary
from colbench.printing import visible
from colbench.report.terminal import print_document

IMPROVED = report(verdicts=[verdict(said="improved")])
UNJUDGED = report("unjudged", unjudged=["colbert: skipped in the candidate: no weights"])


def terminal(found, width=200):
    console = Console(file=io.StringIO(), width=width)
    print_document(gate_document(found), console, brief=True)
    return console.file.getvalue()


def html(found, **options):
    """Raw HTML stays raw: a tag that a text smuggles in would be seen."""
    return MarkdownIt("commonmark").enable("table").render(render_gate(found, **options))


def cells(page, heading):
    """The rows of the first table below a heading of the second level."""
    part = page.partition(f"<h2>{heading}</h2>")[2].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in lines]


def cases(found):
    """Suite and case → the tag of the outcome, or None, and its message."""
    root = ElementTree.fromstring(render_junit(found).encode())
    return {
        (suite.get("name"), case.get("name")): next(
            ((e.tag, e.get("message")) for e in case if e.tag != "system-out"), None
        )
        for suite in root
        for case in suite
    }


@pytest.mark.parametrize(
    ("found", "word"), [(REGRESSED, "Regression"), (IMPROVED, "Pass"), (UNJUDGED, "Cannot be")]
)
def test_the_verdict_stands_first(found, word):
    assert terminal(found).startswith(word)
    paragraphs = re.findall(r"<p>(.*?)</p>", html(found))
    assert paragraphs[0].startswith(f"<strong>{word}") and paragraphs[0].endswith(".</strong>")


def test_the_verdict_names_what_failed_and_counts_the_rest():
    told = headline(REGRESSED)
    assert "colbert, ndcg@10: regressed, 0.7000 → 0.6769 (-2.31 points, Holm p 0.012)" in told
    assert "the manual: d1 not retrieved" in told and "10.0 MB → 15.0 MB (+50%" in told
    many = report("regression", verdicts=[verdict(f"s{n}") for n in range(9)], unjudged=["x"])
    assert "and 6 more; 1 not judged" in headline(many)
    assert "no weights" in headline(UNJUDGED)
    assert headline(IMPROVED) == "Pass: no regression in 1 system (ndcg@10); 1 improved."


def test_a_measure_is_shown_with_its_means_points_limits_and_verdict():
    header, row, *_ = cells(html(REGRESSED), "Effectiveness")
    assert header[2:5] == ["verdict", "why", "baseline"]
    assert header[5:9] == ["candidate", "points", "interval", "p (Holm)"]
    assert row == [
        "<code>colbert</code>",
        "ndcg@10",
        "regressed",
        "the reason it is regressed",
        "0.7000",
        "0.6769",
        "-2.31",
        "-3.31 to -1.31",
        "0.012",
        "40 / 12",
    ]
    assert "-3.31 to -1.31" in terminal(REGRESSED)


def test_a_measure_judged_by_identity_has_neither_limits_nor_p():
    row = cells(html(REGRESSED), "Effectiveness")[-1]
    assert row[0] == "<code>bm25</code>" and row[7:9] == ["", ""]


def test_latencies_are_multiples_of_the_calibration_and_sizes_are_sizes():
    index, encode, search = cells(html(REGRESSED), "Costs")[1:]
    assert index[1:] == ["index", "regressed", "", "10.0 MB", "15.0 MB", "+50%", "+0%"]
    assert encode[4:] == ["10.0 × GEMM", "12.3 × GEMM", "+23.4%", "+50%"]
    assert search[2:4] == ["inconclusive", "too busy"] and search[5:7] == ["0.800 × scan", ""]


def test_sizes_that_differ_never_look_equal():
    grown = cost(said="regressed", candidate=10_000_001.0, ratio=1.0000001)
    row = cells(html(report("regression", costs=[grown])), "Costs")[1]
    assert row[3:6] == ["10,000,000 B", "10,000,001 B", "+1e-05%"]


def test_guards_reasons_worst_queries_and_changes_are_shown():
    page, shown = html(REGRESSED), terminal(REGRESSED)
    assert cells(page, "Guards")[2][1:] == [
        "critical query",
        "failed",
        "the manual: d1 not retrieved",
    ]
    query = cells(page, "Queries that lost most")[1]
    assert query == ["<code>q1</code>", "a text", "1.0000", "0.2500", "-75.00", "", "d7 (0)"]
    assert cells(page, "Configuration")[1] == ["<code>dataset.size</code>", "small", "full"]
    assert cells(page, "Environment")[1][1:] == ["2.6", "2.7"]
    assert cells(page, "Systems")[1] == ["<code>index.nbits</code>", "4", "2"]
    for told in ("d1 not retrieved", "a text", "dataset.size", "2.7", "index.nbits", "uncommitted"):
        assert told in shown
    assert "no weights" in html(UNJUDGED).partition("<h2>Not judged</h2>")[2]


def test_a_setting_that_the_configuration_tells_is_not_told_twice():
    told = [change("system.colbert.index.nbits", 4, 2)]
    found = REGRESSED.model_copy(update={"config": told})
    assert "<h2>Systems</h2>" not in html(found) and "index.nbits" in html(found)


def test_both_sides_say_where_they_come_from():
    page = html(REGRESSED).partition("<h2>Origin</h2>")[2]
    assert "<code>base.json</code>" in page and "<code>out/new</code>" in page
    assert "commit 0123456789ab," in page and "first baseline" in page
    assert "<code>colbench run for the baseline</code>" in page
    assert "accepted 2026-01-02" in terminal(REGRESSED)


def test_the_rules_stand_in_one_line():
    line = next(line for line in terminal(REGRESSED).splitlines() if line.startswith("rules: "))
    assert "ndcg@10 0.5, mrr@10 1" in line and "at most 3 or 2%" in line
    loose = RULES.model_copy(
        update={"lost_queries": None, "systems": ["a", "b"], "inconclusive": "fail", "exact": []}
    )
    shown = terminal(report(rules=loose))
    assert "systems: a, b" in shown and "not guarded" in shown and "inconclusive: fail" in shown


def test_a_new_baseline_is_asked_for_only_where_one_may_be_due():
    command = "colbench baseline accept out/new --output base.json"
    assert command in terminal(IMPROVED) and f"<code>{command}</code>" in html(IMPROVED)
    assert command in terminal(REGRESSED) and "--reason" in terminal(REGRESSED)
    assert "baseline accept" not in terminal(report(verdicts=[verdict(said="unchanged")]))


def test_the_command_quotes_paths_and_overwrites_no_results():
    found = report(verdicts=[verdict(said="improved")], path="a folder/new")
    plain = found.baseline.model_copy(update={"accepted": None, "path": "results/old"})
    found = found.model_copy(update={"baseline": plain})
    assert "accept 'a folder/new' --output baseline.json" in terminal(found)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_shows_every_number(width):
    shown = terminal(REGRESSED, width)
    for number in ("0.6769", "-2.31", "0.012", "15.0 MB", "-75.00"):
        assert number in shown


def test_long_lists_of_changes_are_collapsed_and_the_rest_of_the_page_is_not():
    many = report(config=[change(f"key{n}") for n in range(30)])
    page = render_gate(many)
    assert "<details><summary>Configuration: 30 differ</summary>\n\n| key" in page
    assert page.index("</details>") < page.index("## Origin")
    assert "<details>" not in render_gate(REGRESSED)


def test_long_tables_are_cut_and_say_so():
    many = report(guards=[guard(finding=f"told {n}.") for n in range(1000)])
    page = html(many)
    assert len(cells(page, "Guards")) == 201 and "told 199." in page
    assert "800 more are left out here" in page


@pytest.mark.parametrize("limit", [8000, 40_000, LIMIT])
def test_a_page_is_never_larger_than_its_limit(limit):
    long = "<é|" * 300
    huge = report(
        "regression",
        verdicts=[verdict(f"{n}{long}", reason=long) for n in range(150)],
        guards=[guard(finding=long) for _ in range(150)],
        unjudged=[long] * 150,
        notes=[long] * 150,
        systems=[settings(f"s{n}", **{f"k{m}": (long, m) for m in range(20)}) for n in range(90)],
    )
    page = render_gate(huge, limit)
    assert len(page.encode()) <= limit
    assert "**Regression" in page and "left out" in page
    assert page.count("<details>") == page.count("</details>")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markdown_shows_text_as_it_is(hostile):
    """Rendered, the text is what it was and adds neither markup nor a cell."""
    plain = found_with("plain")
    tags = re.findall(r"</?\w+", html(plain))
    page = html(found_with(hostile))
    assert re.findall(r"</?\w+", page) == tags
    assert not re.search("[\x00\x07\x1b\ud800\uffff]", page)


def found_with(text):
    """A report in which `text` stands wherever others choose it."""
    return report(
        "regression",
        path=text,
        verdicts=[verdict(text, reason=text)],
        guards=[guard("must_find", text, passed=False, finding=text)],
        unjudged=[text],
        notes=[text],
        worst=[worst(text, text, text)],
        config=[change(text, text, text)],
        systems=[settings(text, **{text: (text, 1)})],
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_terminal_gets_no_control_characters(hostile):
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", terminal(found_with(hostile)))


def test_junit_has_a_suite_a_system_and_a_case_a_verdict():
    found = cases(REGRESSED)
    tags = {key: outcome and outcome[0] for key, outcome in found.items()}
    assert tags == {
        ("colbert", "ndcg@10"): "failure",
        ("colbert", "mrr@10"): "skipped",
        ("bm25", "ndcg@10"): None,
        ("bm25", "mrr@10"): None,
        ("colbert", "lost queries"): None,
        ("colbert", "critical query"): "failure",
        ("colbert", "index"): "failure",
        ("colbert", "encode latency"): None,
        ("colbert", "search latency"): "skipped",
    }
    assert "0.7000 → 0.6769" in found["colbert", "ndcg@10"][1]
    assert found["colbert", "critical query"][1] == "the manual: d1 not retrieved"


def test_junit_counts_what_it_holds_and_gives_the_numbers_of_what_passed():
    root = ElementTree.fromstring(render_junit(REGRESSED).encode())
    counts = {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "9", "failures": "3", "errors": "0", "skipped": "2"}
    (passed,) = root.findall("testsuite[@name='bm25']/testcase[@name='ndcg@10']")
    assert "0.7000 → 0.7231" in passed.findtext("system-out")


def test_what_was_not_judged_is_an_error_in_junit():
    assert cases(UNJUDGED) == {
        ("not judged", "not judged 1"): ("error", "colbert: skipped in the candidate: no weights")
    }


def test_inconclusive_fails_where_the_rules_say_so():
    strict = RULES.model_copy(update={"inconclusive": "fail"})
    found = report("regression", rules=strict, verdicts=[verdict(said="inconclusive")])
    assert cases(found)["colbert", "ndcg@10"][0] == "failure"
    assert "inconclusive" in headline(found)
    assert annotation_lines(found)[0].startswith("::error ")


@given(st.text())
def test_junit_is_valid_whatever_text_it_holds(text):
    shown = cases(found_with(text))
    assert len(shown) >= 3


@pytest.mark.parametrize("hostile", HOSTILE)
def test_junit_keeps_text(hostile):
    message = cases(report("unjudged", unjudged=[hostile]))["not judged", "not judged 1"][1]
    kept = visible(" ".join(hostile.split()))
    assert message == kept


def test_annotations_are_errors_warnings_and_notices():
    lines = annotation_lines(REGRESSED)
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == ["::error"] * 3 + ["::warning", "::notice"]
    assert "colbert, ndcg@10: regressed" in lines[0] and "bm25, ndcg@10: improved" in lines[-1]
    assert "not judged: colbert: skipped" in annotation_lines(UNJUDGED)[0]


def test_annotations_are_one_line_each_and_escape_percent():
    found = report("unjudged", unjudged=["50%\r\n::error::injected"])
    assert annotation_lines(found) == [
        "::error title=colbench gate::not judged: 50%25 ::error::injected"
    ]


def test_no_more_annotations_than_github_shows():
    many = report("regression", verdicts=[verdict(f"s{n}") for n in range(30)])
    lines = annotation_lines(many)
    assert len(lines) == 10 and "21 more" in lines[-1]


@pytest.mark.parametrize(("value", "printed"), [("true", True), ("", False), (None, False)])
def test_annotations_are_printed_on_github_alone(value, printed, monkeypatch, capsys):
    if value is None:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    else:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
    print_annotations(REGRESSED)
    assert bool(capsys.readouterr().out) is printed


def test_the_summary_of_a_step_is_appended_to(tmp_path, monkeypatch):
    file = tmp_path / "summary.md"
    file.write_text("written before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert write_step_summary(REGRESSED) == file
    write_step_summary(IMPROVED)
    written = file.read_text(encoding="utf-8")
    assert written.startswith("written before\n\n# Retrieval quality\n\n**Regression")
    assert written.count("# Retrieval quality") == 2 and "**Pass" in written


def test_what_stands_in_the_summary_already_counts(tmp_path, monkeypatch):
    file = tmp_path / "summary.md"
    file.write_text("x" * (LIMIT - 3000), encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    write_step_summary(report(guards=[guard(finding="y" * 300)] * 100))
    assert file.stat().st_size <= LIMIT + 1
    assert "left out" in file.read_text(encoding="utf-8")


def test_no_summary_where_no_step_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in (None, ""):
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        if value is not None:
            monkeypatch.setenv("GITHUB_STEP_SUMMARY", value)
        assert write_step_summary(REGRESSED) is None
    assert not list(tmp_path.iterdir())


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    with pytest.raises(StorageError, match=r"summary of the step.*No such file"):
        write_step_summary(REGRESSED)


def test_what_the_gate_finds_is_shown(example_results):
    """From real results, so that neither rules nor verdicts outgrow what is shown."""
    before = gated_results(example_results, VALUES)
    values = {**VALUES, "bm25": {**VALUES["bm25"], "ndcg@10": [0.0, 0.0, 0.0, 0.0]}}
    found = judged(before, gated_results(example_results, values, config={"k": 2}))
    page, shown = html(found), terminal(found)
    rows = {(row[0], row[1]): row for row in cells(page, "Effectiveness")[1:]}
    assert rows["<code>bm25</code>", "ndcg@10"][4:7] == ["0.3750", "0.0000", "-37.50"]
    for query in ("text of q1", "text of q2", "text of q3"):
        assert query in shown and query in page
    assert len(cells(page, "Costs")) == len(found.costs) + 1
    told = [found.verdicts, found.guards, found.costs, found.unjudged]
    assert len(cases(found)) == sum(map(len, told))


def test_another_collection_cannot_be_judged(example_results):
    before = gated_results(example_results, VALUES)
    other = before.collection.model_copy(update={"fingerprint": "0" * 64})
    found = judged(before, before.model_copy(update={"collection": other}))
    assert terminal(found).startswith("Cannot be judged: another collection")
    assert [outcome[0] for outcome in cases(found).values()] == ["error"]


def test_untrained_tokens_are_named_in_every_table():
    costs = [cost(system="colbert_exact")]
    guards = [guard(system="colbert_exact")]
    found = report(verdicts=[verdict(system="colbert_exact")], guards=guards, costs=costs)
    assert "untrained" not in terminal(found)
    named = found.model_copy(update={"untrained": ["colbert_exact"]})
    assert terminal(named).count("colbert_exact (untrained tokens)") == 3
