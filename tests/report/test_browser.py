"""The page in a real browser: no errors, no requests, and everything on it works."""

import shutil

import pytest

from colbench.report.html.page import render_html
from colbench.results.schema import DocumentInfo, QueryInfo

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)><b>'\"&amp;"


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(names)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens a page; whatever goes wrong on it fails the test."""
    wrong, contexts = [], []

    def open_page(*runs, **options):
        file = tmp_path / f"report{len(contexts)}.html"
        file.write_text(render_html(runs), encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
        page.on(
            "request",
            lambda r: (
                r.url.startswith("data:")
                or r.url == file.as_uri()
                or wrong.append(f"request: {r.url}")
            ),
        )
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            charts = page.locator(".chart")
            for place in range(charts.count()):
                charts.nth(place).locator("svg.marks").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def column(page, place):
    table = page.locator("table.data").first
    return table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()


def click_head(page, title):
    page.locator("table.data").first.get_by_role("button", name=title, exact=True).click()


def test_the_plots_are_drawn_with_their_marks(opened, full_results):
    page = opened(full_results)
    for name in ("pareto_latency", "pareto_bytes", "latency", "losses"):
        plot = page.locator(f'[data-chart="{name}"] svg.marks')
        box = plot.bounding_box()
        assert box["width"] > 300 and box["height"] > 50
        assert plot.locator("[class*=role-mark] path").count() >= 2
        assert "colbert_exact" in plot.text_content()


def test_hovering_over_a_point_tells_its_numbers(opened, full_results):
    page = opened(full_results)
    points = page.locator('[data-chart="pareto_latency"] .mark-symbol.role-mark path')
    points.nth(1).hover()
    told = page.locator("#vg-tooltip-element")
    told.wait_for()
    assert "colbert_exact" in told.inner_text() and "0.7072" in told.inner_text()


def test_a_click_on_a_head_sorts(opened, full_results):
    page = opened(full_results)
    head = page.locator("table.data").first.locator("thead th").nth(1)
    assert head.get_attribute("aria-sort") is None
    click_head(page, "ndcg@10")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 1) == ["colbert_exact", "bm25 reference"]
    click_head(page, "ndcg@10")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 1) == ["bm25 reference", "colbert_exact"]
    click_head(page, "search ms")
    assert head.get_attribute("aria-sort") is None
    assert column(page, 1) == ["bm25 reference", "colbert_exact"]


def test_numbers_sort_as_numbers_and_nothing_comes_last(opened, sweep_results):
    systems = [
        s.model_copy(update={"throughput_qps": None if s.name == "bm25" else 9.5 * 10**place})
        for place, s in enumerate(sweep_results.systems)
    ]
    page = opened(sweep_results.model_copy(update={"systems": systems}))
    sweep = sweep_results.sweep
    front = {*sweep.front_latency, *sweep.front_bytes}
    names = [s.name for s in systems[1:] if s.name in front]
    assert len(names) == 4
    click_head(page, "QPS")
    assert column(page, 1) == [*reversed(names), "bm25 reference"]
    click_head(page, "QPS")
    assert column(page, 1) == [*names, "bm25 reference"]


def test_two_systems_are_held_against_each_other_query_by_query(opened, full_results):
    page = opened(full_results)
    lines = page.locator(".query-line")
    assert lines.locator(".by").all_inner_texts() == ["+70.0", "0.0", "-52.8"]
    summary = page.locator(".summary").inner_text()
    assert "A, colbert_exact, is better on 1 query, B, bm25, on 1; 1 are equal" in summary
    shown = page.locator("article.query")
    assert "which animal sleeps" in shown.inner_text()
    assert "1 relevant document" in shown.inner_text()
    first, second = shown.locator(".pair section").all()
    assert first.locator("strong").all_inner_texts() == ["Cats", "Dogs"]
    assert second.locator("strong").all_inner_texts() == ["Dogs", "Cats"]
    assert first.locator("li.relevant .tag").all_inner_texts() == ["relevant, grade 2"]
    assert "rank 2 in the other list" in first.inner_text()
    lines.nth(2).click()
    assert lines.nth(2).get_attribute("aria-pressed") == "true"
    assert "what moves the sea" in shown.inner_text()
    assert "not in results.json" in shown.inner_text()


def test_the_choice_of_systems_order_and_words_changes_the_list(opened, full_results):
    page = opened(full_results)
    by = page.locator(".query-line .by")
    page.locator('[data-control="order"]').select_option("second")
    assert by.all_inner_texts() == ["-52.8", "0.0", "+70.0"]
    page.locator('[data-control="order"]').select_option("collection")
    assert by.all_inner_texts() == ["+70.0", "0.0", "-52.8"]
    page.locator('[data-control="second"]').select_option("colbert_exact")
    assert by.all_inner_texts() == ["0.0"] * 3
    page.locator('[data-control="find"]').fill("BREAD made")
    assert page.locator(".query-line .words").all_inner_texts() == ["how is bread made"]
    page.locator('[data-control="find"]').fill("no such words")
    assert "No query has these words" in page.locator(".query-list").inner_text()


def test_runs_can_be_hidden(opened, full_results):
    page = opened(full_results, full_results.model_copy(update={"experiment": "later"}))
    rows = page.locator("table.data").first.locator("tbody tr:visible")
    assert rows.count() == 4
    page.get_by_role("checkbox", name="later").uncheck()
    assert rows.count() == 2
    assert "later" not in rows.first.inner_text()


def test_hostile_text_is_shown_letter_by_letter(opened, full_results):
    systems = [s.model_copy(update={"name": f"{s.name} {HOSTILE}"}) for s in full_results.systems]
    queries = [
        QueryInfo(id=HOSTILE + q.id, text=HOSTILE, relevant=1, judged=q.judged)
        for q in full_results.queries
    ]
    documents = [
        DocumentInfo(id=HOSTILE + d.id, title=HOSTILE, text=HOSTILE) for d in full_results.documents
    ]
    changes = {
        "systems": systems,
        "reference": systems[0].name,
        "queries": queries,
        "documents": documents,
        "experiment": HOSTILE,
        "notes": [HOSTILE],
    }
    page = opened(full_results.model_copy(update=changes))
    assert page.locator("h1").inner_text() == HOSTILE
    assert column(page, 1)[1] == f"colbert_exact {HOSTILE}"
    assert page.locator(".query-line .words").first.inner_text() == HOSTILE
    assert page.locator(".documents strong").first.inner_text() == HOSTILE
    assert page.locator(".documents .text").first.inner_text() == HOSTILE
    shown = page.locator('[data-chart="pareto_latency"] svg.marks').text_content()
    assert f"colbert_exact {HOSTILE}" in shown
    page.locator('[data-chart="pareto_latency"] .mark-symbol.role-mark path').first.hover()
    told = page.locator("#vg-tooltip-element")
    told.wait_for()
    assert HOSTILE in told.inner_text()
    assert page.locator("body img, body b").count() == 0


def test_the_colours_follow_the_scheme(opened, full_results):
    page = opened(full_results, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    letters = "document.querySelector('.chart .role-axis-title text').getAttribute('fill')"
    dark = page.evaluate(ground), page.evaluate(letters)
    page.emulate_media(color_scheme="light")
    page.locator('.chart .role-axis-title text[fill="#1d2329"]').first.wait_for()
    light = page.evaluate(ground), page.evaluate(letters)
    assert light == ("rgb(255, 255, 255)", "#1d2329")
    assert dark == ("rgb(20, 24, 29)", "#e4e8ec")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_scrolls_tables_but_never_the_page(opened, full_results, sweep_results, width):
    for results in (full_results, sweep_results):
        page = opened(results, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        scroll = page.locator(".scroll").first
        assert scroll.evaluate("node => node.scrollWidth > node.clientWidth")
        before = scroll.locator("tbody th").first.bounding_box()["x"]
        scroll.evaluate("node => { node.scrollLeft = 200; }")
        assert scroll.locator("tbody th").first.bounding_box()["x"] == before


def test_print_has_the_tables_and_plots_in_light_colours(opened, full_results):
    page = opened(full_results, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    chart = page.locator(".chart").first
    turned = chart.locator("svg.marks").evaluate("node => getComputedStyle(node).filter")
    assert turned.startswith("invert") == (chart.get_attribute("data-scheme") == "dark")
    assert not page.locator(".controls").is_visible()
    assert page.locator("table.data").first.is_visible()


def test_without_scripts_the_tables_are_complete(opened, full_results):
    page = opened(full_results, java_script_enabled=False)
    assert column(page, 1) == ["bm25 reference", "colbert_exact"]
    assert page.locator("noscript").is_visible()
    assert not page.locator(".controls").is_visible()
    assert page.get_by_role("button").count() == 0


def test_a_sweep_and_old_results_load_as_well(opened, sweep_results, example_results):
    page = opened(sweep_results)
    assert "nbits" in page.locator('[data-chart="pareto_latency"]').text_content()
    page = opened(example_results)
    assert "Run the experiment again" in page.locator("main").inner_text()
