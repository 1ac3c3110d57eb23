"""The page as text: what it holds, and that nothing of the results can become part of its code."""

import base64
import hashlib
import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.report.finding import finding
from colbench.report.groups import group
from colbench.report.html.page import (
    content_policy,
    inline_script,
    json_block,
    query_data,
    render_html,
)
from colbench.results.schema import DocumentInfo, QueryInfo

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def block(page, name):
    """Return the JSON of one data block of the page."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    return json.loads(found.group(1))


def table(page, name):
    """Return the lines of a table as the texts of their cells."""
    body = page.partition(f'aria-label="{html.escape(name)}"')[2].partition("</table>")[0]
    body = re.sub(r'<span class="tip".*?</span>', "", body)
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.S) for line in lines]
    return [[html.unescape(re.sub(r"<[^>]+>", " ", c)).split() for c in line] for line in cells]


@pytest.fixture
def page(full_results):
    return render_html([full_results])


def test_the_comparison_has_the_cells_of_the_other_reports(page):
    titles, first, second = table(page, "Comparison of the systems")
    assert titles[:4] == [["system"], ["ndcg@10"], ["mrr@10"], ["query", "ms"]]
    assert first[:3] == [["bm25", "reference"], ["0.6500"], ["0.6100"]]
    assert second[:3] == [["colbert_exact"], ["0.7072†", "+5.72"], ["0.6700", "+6.00"]]
    assert "<strong>0.7072†</strong>" in page
    assert "weights are not here" in page


def test_a_cell_carries_the_number_it_is_sorted_by(page):
    assert re.search(r'data-value="0.7072"[^>]*title="2 queries better, 1 equal, 0 worse', page)
    assert 'data-value="300000000"' in page  # shown as 300.0 MB


def test_the_finding_names_the_best_system_and_its_test(full_results):
    assert finding(full_results) == (
        "colbert_exact has the highest ndcg@10, 0.7072: +5.72 points against bm25, "
        "a significant difference (p = 0.002, Holm). "
        "Encoding and searching a query takes colbert_exact 41.1 ms, bm25 2.10 ms (median)."
    )


@pytest.mark.parametrize(
    ("best", "told"),
    [
        (
            {"bm25": 0.8},
            "bm25 has the highest ndcg@10, 0.8000, and is the reference. "
            "Encoding and searching a query takes bm25 2.10 ms (median).",
        ),
        (
            {"bm25": 0.7072},
            "bm25 and colbert_exact have the highest ndcg@10, 0.7072, "
            "and among them is the reference. "
            "Encoding and searching a query takes bm25 2.10 ms, colbert_exact 41.1 ms (median).",
        ),
    ],
)
def test_the_finding_when_the_baseline_is_best(full_results, best, told):
    systems = [
        s.model_copy(update={"effectiveness": {"ndcg@10": best[s.name], "mrr@10": 0.1}})
        if s.name in best
        else s
        for s in full_results.systems
    ]
    assert finding(full_results.model_copy(update={"systems": systems})) == told


def test_nothing_measured_still_makes_a_page(example_results):
    skipped = [s for s in example_results.systems if s.status == "skipped"]
    results = example_results.model_copy(update={"systems": skipped, "reference": None})
    page = render_html([results])
    assert "weights are not here" in page
    assert block(page, "charts") == [{}]


def test_the_queries_hold_both_systems_values_and_documents(full_results):
    data = query_data(full_results)
    assert [system["name"] for system in data["systems"]] == ["bm25", "colbert_exact"]
    assert (data["first"], data["second"]) == (1, 0)
    assert data["systems"][1]["values"]["ndcg@10"] == [0.9, 1.0, 0.2216]
    assert data["documents"][data["systems"][1]["top"][0][0]][0] == "d1"
    assert [query["judged"] for query in data["queries"]] == [{0: 2}, {2: 1}, {}]


def test_results_without_values_by_query_say_how_to_get_them(example_results):
    page = render_html([example_results])
    assert block(page, "queries") == [None]
    assert "Run the experiment again with this version of colbench" in page


def test_a_sweep_has_its_parameters_as_columns_and_no_single_queries(sweep_results):
    page = render_html([sweep_results])
    titles, reference, point, *_ = table(page, "Comparison of the systems")
    assert titles[:5] == [["system"], ["front"], ["nbits"], ["nprobe"], ["ndcg@10"]]
    assert reference[1:4] == [["tb"], [], []]
    assert point[1:4] == [["b"], ["1"], ["16"]]
    whole = page.partition("<summary>All variants</summary>")[2]
    names = [line[0] for line in table(whole, "Comparison of the systems")[1:]]
    assert names == [
        [*system.name.split(), *tag]
        for system, tag in zip(sweep_results.systems, [["reference"], *[[]] * 6], strict=True)
    ]
    assert "nbits=2, nprobe=4 is enough." in page
    assert "Query by query" not in page
    assert set(block(page, "charts")[0]) == {"pareto_latency", "pareto_bytes", "latency"}


def test_everything_the_page_needs_is_inside_it(page):
    without_scripts = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href|action|data)=\"(?!data:,)|url\(|@import", without_scripts)
    assert len(page.encode()) < 1_100_000


def test_the_policy_allows_the_scripts_of_the_page_and_no_other(page):
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1))
    assert policy.startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert hashes == allowed and len(scripts) == 5
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def hostile(results):
    systems = [
        system.model_copy(update={"name": f"{system.name} {HOSTILE}"}) for system in results.systems
    ]
    return results.model_copy(
        update={
            "experiment": f"run {HOSTILE}",
            "command": HOSTILE,
            "notes": [HOSTILE],
            "reference": f"bm25 {HOSTILE}",
            "systems": systems,
            "queries": [
                QueryInfo(id=f"{q.id}{HOSTILE}", text=HOSTILE, relevant=1, judged=q.judged)
                for q in results.queries
            ],
            "documents": [
                DocumentInfo(id=f"{d.id}{HOSTILE}", title=HOSTILE, text=HOSTILE)
                for d in results.documents
            ],
            "config": {"about": HOSTILE},
        }
    )


def test_text_of_the_results_never_becomes_code(full_results):
    page = render_html([hostile(full_results)])
    assert "<script>alert" not in page
    assert "<img" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert page.count("<script") == page.count("</script>") == 9
    assert block(page, "queries")[0]["documents"][0][1] == HOSTILE
    assert html.escape(HOSTILE, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")


@given(
    st.recursive(
        st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_data_block_reads_back_and_cannot_end_its_element(value):
    written = json_block(value)
    assert json.loads(written) == value
    assert not set("<>&") & set(written)


def test_a_script_cannot_end_its_element():
    written = inline_script("a = '</SCRIPT>';\r\nb = '<!-- <script>';")
    assert "</script" not in written.lower() and "<!--" not in written
    assert "\r" not in written
    assert content_policy([written]).count("sha256-") == 1


def test_runs_of_one_collection_are_compared_together(full_results):
    other = full_results.model_copy(
        update={
            "experiment": "later",
            "measures": ["mrr@10"],
            "documents": [full_results.documents[n] for n in (2, 0, 1)],
        }
    )
    (found,) = group([full_results, other])
    names = [system.name for system in found.results.systems if system.status == "ok"]
    assert names == [
        *("example · bm25", "example · colbert_exact"),
        *("later · bm25", "later · colbert_exact"),
    ]
    assert found.results.measures == ["mrr@10"]
    documents = [document.id for document in found.results.documents]
    assert sorted(documents) == ["d1", "d2", "d3"]
    first, later = found.results.systems[1], found.results.systems[4]
    assert [documents[n] for n in first.top[0]] == ["d1", "d2"]
    assert [documents[n] for n in later.top[0]] == ["d3", "d1"]
    page = render_html([full_results, other])
    assert page.count('class="tag">reference') == 2
    assert "† in later: differs from later · bm25" in page


def test_two_runs_of_one_name_are_told_apart(full_results):
    (found,) = group([full_results, full_results])
    assert found.names == ["example", "example (2)"]


def test_runs_of_other_collections_or_measures_stand_apart(full_results):
    collection = full_results.collection.model_copy(update={"fingerprint": "e" * 64})
    elsewhere = full_results.model_copy(update={"collection": collection})
    alone = full_results.model_copy(update={"measures": ["map"]})
    assert [len(found.runs) for found in group([full_results, elsewhere, alone])] == [1, 1, 1]


def test_a_run_with_other_queries_keeps_its_row_but_no_single_queries(full_results):
    other = full_results.model_copy(update={"queries": full_results.queries[:2]})
    (found,) = group([full_results, other])
    kept = [system.per_query is not None for system in found.results.systems]
    assert kept == [True, True, False, False, False, False]
