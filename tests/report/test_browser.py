"""The page in a real browser: no errors, no requests, and everything on it works."""

import shutil

import pytest

from colbench.report.html.page import render_html
from colbench.report.systems import comparison
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


def many(results, count, name="a_system_of_some_length"):
    """Return results with so many systems that were measured."""
    first, second, *_ = results.systems
    more = [second.model_copy(update={"name": f"{name}_{n}"}) for n in range(count - 2)]
    return results.model_copy(update={"systems": [first, second, *more]})


HEADS = "region => [...region.querySelectorAll('thead th')].map(th => th.firstChild.textContent)"


@pytest.mark.parametrize("systems", [6, 12])
@pytest.mark.parametrize("width", [320, 800, 1280])
def test_what_does_not_fit_stands_in_a_further_table(opened, full_results, width, systems):
    results = many(full_results, systems)
    page = opened(results, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.locator(".scroll").first
    wide = region.evaluate("""region => [...region.querySelectorAll("table")].map(
        table => table.getBoundingClientRect().right - region.getBoundingClientRect().right)""")
    assert max(wide) < 1
    hidden = "parts => parts.map(part => part.scrollWidth - part.clientWidth)"
    if width > 320:  # nothing is cut by a border, be it the arrow of the last head
        assert max(page.locator(".part").evaluate_all(hidden), default=0) <= 0
    heads = region.evaluate(HEADS)
    titles = [column.title for column in comparison(results).columns]
    assert [head for head in heads if head != "system"] != [] and set(heads) == set(titles)
    assert [heads.count(title) for title in titles[1:]] == [1] * (len(titles) - 1)
    assert heads.count("system") == region.locator("table").count() == len(wide)
    assert (len(wide) > 1) == (width < 1280)
    if width >= 768:  # what matters most comes first
        first = region.locator("table").first.locator("thead th").all_inner_texts()
        assert {"ndcg@10", "query ms", "index"} <= {text.strip() for text in first}


def test_the_tables_of_a_sweep_fit_when_they_are_unfolded(opened, sweep_results):
    page = opened(sweep_results, viewport={"width": 600, "height": 800})
    page.get_by_text("All variants").click()
    region = page.locator("details .scroll").first
    region.locator(".part").first.wait_for()
    wide = region.evaluate("""region => [...region.querySelectorAll("table")].map(
        table => table.getBoundingClientRect().right - region.getBoundingClientRect().right)""")
    assert len(wide) > 1 and max(wide) < 1


def test_sorting_by_a_column_orders_the_other_tables_as_well(opened, full_results):
    page = opened(many(full_results, 6), viewport={"width": 800, "height": 800})
    region = page.locator(".scroll").first
    parts = region.locator("table").count()
    assert parts > 1
    last = region.locator("table").last
    last.locator("thead button").last.click()
    orders = [
        region.locator("table").nth(n).locator("tbody th").all_inner_texts() for n in range(parts)
    ]
    assert all(order == orders[0] for order in orders)
    assert page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')")
    page.set_viewport_size({"width": 1600, "height": 800})
    region.locator("table").nth(1).wait_for(state="detached")
    assert column(page, 1) == orders[0]


def test_a_head_explains_itself_to_pointer_and_keyboard(opened, full_results):
    page = opened(full_results)
    head = page.locator("table.data").first.locator("thead th", has_text="query ms").first
    tip = head.get_by_role("tooltip", include_hidden=True)
    assert not tip.is_visible()
    head.hover()
    assert tip.is_visible() and "encoding and search together" in tip.inner_text()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    button = head.get_by_role("button")
    assert button.get_attribute("aria-describedby") == tip.get_attribute("id")
    button.focus()
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_without_scripts_a_head_explains_itself_as_well(opened, full_results):
    page = opened(full_results, java_script_enabled=False)
    head = page.locator("table.data").first.locator("thead th", has_text="query ms").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if head.get_by_role("tooltip").is_visible():
            return
    pytest.fail("the tip of the head cannot be reached by keyboard")


def test_the_axes_of_a_plot_can_be_chosen_and_the_front_is_found_anew(opened, full_results):
    """Slow to encode and quick to search, or the other way round."""
    bm25, exact, *rest = full_results.systems
    quick = dict.fromkeys(("p50", "p95", "p99", "mean"), 0.1)
    search = exact.latency_ms.search.model_copy(update=quick)
    encode = exact.latency_ms.encode.model_copy(update={"p50": 50.0})
    times = {"search": search, "encode": encode, "encode_ms": [50.0] * 3, "search_ms": [0.1] * 3}
    exact = exact.model_copy(
        update={
            "latency_ms": exact.latency_ms.model_copy(update=times),
            "effectiveness": {"ndcg@10": 0.7072, "mrr@10": 0.2},
        }
    )
    page = opened(full_results.model_copy(update={"systems": [bm25, exact, *rest]}))
    figure = page.locator("figure", has=page.locator('[data-chart="pareto_latency"]'))
    across, up = figure.locator("[data-axis=across]"), figure.locator("[data-axis=up]")
    wanted = ["query ms", "query p95", "search ms", "index, bytes", "peak RAM, bytes", "build s"]
    assert set(wanted) <= {text.replace(", ms", "") for text in across.inner_text().split("\n")}

    def on_front():
        marks = figure.locator(".mark-symbol.role-mark path")
        accent = page.evaluate("getComputedStyle(document.body).getPropertyValue('--accent')")
        return [mark.get_attribute("fill") == accent.strip() for mark in marks.all()]

    assert on_front() == [True, True]  # 2 ms and .65, 50 ms and .71
    across.select_option(label="search ms")
    figure.locator("svg", has_text="search ms (log scale)").wait_for()
    assert on_front() == [False, True]  # 1 ms and .65 against 0.1 ms and .71
    up.select_option("mrr@10")
    figure.locator("svg", has_text="mrr@10").wait_for()
    assert on_front() == [True, True]
    assert "colbert_exact" in figure.locator("svg.marks").text_content()


def test_a_plot_names_the_systems_that_it_cannot_show(opened, full_results):
    bm25, exact, *rest = full_results.systems
    systems = [
        bm25.model_copy(update={"model_bytes": 0}),
        exact.model_copy(update={"model_bytes": 90_000_000}),
        *rest,
    ]
    page = opened(full_results.model_copy(update={"systems": systems}))
    figure = page.locator("figure", has=page.locator('[data-chart="pareto_bytes"]'))
    figure.locator("[data-axis=across]").select_option(label="model, bytes")
    left = figure.locator(".left-out")
    left.get_by_text("bm25").wait_for()
    assert "colbert_exact" not in left.inner_text()
    assert figure.locator(".mark-symbol.role-mark path").count() == 1


def test_the_axes_of_a_sweep_can_be_chosen(opened, sweep_results):
    page = opened(sweep_results)
    figure = page.locator("figure", has=page.locator('[data-chart="pareto_latency"]'))
    figure.locator("[data-axis=across]").select_option(label="index, bytes")
    figure.locator("svg", has_text="index, bytes (log scale)").wait_for()
    assert "nbits" in figure.locator("svg.marks").text_content()


def with_ranks(results):
    """Return results that hold the rank of each relevant document."""
    relevant = [{"d1": 2}, {"d3": 1, "d4": 1}, {"d9": 1}]
    ranks = {"bm25": [[2], [1, 0], [0]], "colbert_exact": [[1], [1, 7], [3]]}
    queries = [
        query.model_copy(update={"relevant_docs": docs})
        for query, docs in zip(results.queries, relevant, strict=True)
    ]
    systems = [
        system.model_copy(update={"relevant_ranks": ranks.get(system.name)})
        for system in results.systems
    ]
    return results.model_copy(update={"queries": queries, "systems": systems})


def test_the_rank_of_each_relevant_document_is_shown(opened, full_results):
    page = opened(with_ranks(full_results))
    page.locator(".query-line").nth(1).click()
    table = page.locator(".ranks table")
    rows = [row.locator("th, td").all_inner_texts() for row in table.locator("tr").all()]
    assert rows == [
        ["relevant document", "grade", "rank in A", "rank in B"],
        ["d3", "1", "1", "1"],
        ["d4", "1", "7", "not found"],
    ]


def test_a_link_leads_to_a_query_and_two_systems(opened, full_results):
    page = opened(with_ranks(full_results))
    page.locator('[data-control="measure"]').select_option("mrr@10")
    page.locator('[data-control="first"]').select_option("bm25")
    page.locator('[data-control="second"]').select_option("colbert_exact")
    page.locator(".query-line", has_text="what moves the sea").click()
    address = page.locator("a.permalink").evaluate("node => node.href")
    assert page.url == address
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("article.query h3").inner_text() == "what moves the sea"
    chosen = [
        page.locator(f'[data-control="{name}"] option:checked').inner_text()
        for name in ("first", "second", "measure")
    ]
    assert chosen == ["bm25", "colbert_exact", "mrr@10"]
    page.locator(".query-line", has_text="how is bread made").click()
    page.evaluate("hash => { location.hash = hash; }", address.partition("#")[2])
    page.locator("article.query h3", has_text="what moves the sea").wait_for()
    page.goto("about:blank")
    page.goto(f"{address.partition('#')[0]}#query=nowhere&a=bm25&b=colbert_exact")
    assert page.locator(".missing").is_visible()


def test_print_has_the_tables_and_plots_in_light_colours(opened, full_results):
    page = opened(full_results, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    chart = page.locator(".chart").first
    turned = chart.locator("svg.marks").evaluate("node => getComputedStyle(node).filter")
    assert turned.startswith("invert") == (chart.get_attribute("data-scheme") == "dark")
    assert not any(one.is_visible() for one in page.locator(".controls").all())
    assert page.locator("table.data").first.is_visible()


def test_without_scripts_the_tables_are_complete(opened, full_results):
    page = opened(full_results, java_script_enabled=False)
    assert column(page, 1) == ["bm25 reference", "colbert_exact"]
    assert page.locator("noscript").is_visible()
    assert not any(one.is_visible() for one in page.locator(".controls").all())
    assert page.get_by_role("button").count() == 0


def test_a_sweep_and_old_results_load_as_well(opened, sweep_results, example_results):
    page = opened(sweep_results)
    assert "nbits" in page.locator('[data-chart="pareto_latency"]').text_content()
    page = opened(example_results)
    assert "Run the experiment again" in page.locator("main").inner_text()
