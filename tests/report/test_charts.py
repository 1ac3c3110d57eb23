"""The charts: what they show, where they put names, and the files made of them."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree

import altair
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.report.charts.catalogue import CHARTS
from colbench.report.charts.draw import picture, specification, write_chart
from colbench.report.charts.frame import NARROW, WIDE, Axis
from colbench.report.charts.labels import place
from colbench.report.charts.latency import latency
from colbench.report.charts.marks import LATENCY, SIZE, marks
from colbench.report.charts.pareto import pareto
from colbench.report.charts.plane import plane
from colbench.report.charts.theme import DARK, LIGHT
from colbench.report.charts.waterfall import waterfall
from colbench.report.markdown import render_markdown
from colbench.report.run import run_document
from colbench.report.write import write_pictures, write_report

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> & \"x\" 'y' ]] ${z}"


def texts(svg):
    nodes = ElementTree.fromstring(svg).iter()
    return [node.text for node in nodes if node.tag in (f"{SVG}text", f"{SVG}tspan") and node.text]


def drawn(chart):
    return texts(picture(chart, "title", "subtitle")[0])


def tables(chart):
    """Return the inline data of a chart by one of their fields."""
    found = {}
    for rows in specification(chart)["datasets"].values():
        for row in rows:
            for field in row:
                found.setdefault(field, rows)
    return found


def test_a_picture_is_compact_and_its_words_are_untouched():
    words = 'at 0.123456 ms > "x" opacity="1"'
    data = altair.InlineData(values=[{"ms": 0.123456789, "name": words}])
    chart = (
        altair.Chart(data).mark_point().encode(x="ms:Q", y=altair.Y("name:N").axis(labelLimit=0))
    )
    svg, png = picture(chart, words, "subtitle")
    assert texts(svg).count(words) == 2
    tags = "".join(re.findall("<[^>]*>", svg))
    assert not re.search(r"\d\.\d{3}", tags) and ' opacity="1"' not in tags
    assert tags.count("font-family=") == 1 and "aria-" not in tags
    assert png.startswith(b"\x89PNG")


def named(results, **names):
    """Return the results with systems renamed."""
    systems = [
        system.model_copy(update={"name": names.get(system.name, system.name)})
        for system in results.systems
    ]
    reference = names.get(results.reference, results.reference)
    return results.model_copy(update={"systems": systems, "reference": reference})


@pytest.mark.parametrize("layout", [WIDE, NARROW])
@pytest.mark.parametrize("kind", CHARTS, ids=lambda kind: kind.name)
def test_every_chart_is_valid_vega_lite_and_names_the_systems(full_results, kind, layout):
    chart = kind.draw(full_results, layout)
    chart.to_dict(validate=True)
    assert "colbert_exact" in drawn(chart)


@pytest.mark.parametrize("layout", [WIDE, NARROW])
@pytest.mark.parametrize("kind", CHARTS[:3], ids=lambda kind: kind.name)
def test_every_chart_can_show_a_sweep(sweep_results, kind, layout):
    chart = kind.draw(sweep_results, layout)
    chart.to_dict(validate=True)
    assert "bm25" in drawn(chart)


def test_a_point_is_on_the_front_unless_another_beats_it(full_results):
    cheap, good, _ = full_results.systems
    bad = good.model_copy(update={"name": "bad", "effectiveness": {"ndcg@10": 0.5, "mrr@10": 0.5}})
    results = full_results.model_copy(update={"systems": [cheap, good, bad]})
    front = {mark.name: mark.front for mark in marks(results, LATENCY)}
    assert front == {"bm25": True, "colbert_exact": True, "bad": False}


def fronts(results, cost):
    return {mark.name: mark.front for mark in marks(results, cost)}


def test_the_front_is_of_the_whole_query_not_of_the_search(full_results):
    """Quick to search after a slow encoding is not quick."""
    lexical, dense, _ = full_results.systems
    slow = {"encode_ms": [14.6] * 3, "search_ms": [0.7] * 3}
    quick = {"encode_ms": [0.05] * 3, "search_ms": [1.4] * 3}
    systems = [
        lexical.model_copy(update={"latency_ms": lexical.latency_ms.model_copy(update=quick)}),
        dense.model_copy(
            update={
                "latency_ms": dense.latency_ms.model_copy(update=slow),
                "effectiveness": {"ndcg@10": 0.6, "mrr@10": 0.6},
            }
        ),
    ]
    results = full_results.model_copy(update={"systems": systems})
    assert fronts(results, LATENCY) == {"bm25": True, "colbert_exact": False}
    assert [mark.cost for mark in marks(results, LATENCY)] == pytest.approx([1.45, 15.3])


@pytest.mark.parametrize(
    ("size", "effect", "front"),
    [
        (3200, 0.7072, True),  # equal in both
        (3240, 0.70716, True),  # printed alike: 3.2 kB, 0.7072
        (3200, 0.70714, False),  # 0.7071
        (3260, 0.7072, False),  # 3.3 kB
    ],
)
def test_a_tie_is_not_beaten_nor_what_is_printed_as_one(full_results, size, effect, front):
    bm25, exact, _ = full_results.systems
    other = exact.model_copy(
        update={
            "name": "other",
            "effectiveness": {"ndcg@10": effect, "mrr@10": 0.1},
            "index": exact.index.model_copy(update={"bytes": size}),
        }
    )
    results = full_results.model_copy(update={"systems": [bm25, exact, other]})
    assert exact.index.bytes == 3200
    assert fronts(results, SIZE) == {"bm25": True, "colbert_exact": True, "other": front}


def test_the_plane_has_every_cost_of_which_less_is_better_and_every_measure(full_results):
    found = plane(full_results)
    across = {axis["key"]: axis["name"] for axis in found["across"]}
    assert {"query_p50_ms", "query_p95_ms", "search_p50_ms", "peak_rss_bytes"} <= across.keys()
    assert (across["query_p50_ms"], across["index_bytes"]) == ("query ms", "index, bytes")
    assert "throughput_qps" not in across
    assert [axis["key"] for axis in found["up"]] == ["ndcg@10", "mrr@10"]
    bm25, exact = found["systems"]
    assert bm25["values"]["index_bytes"] == [80, "80 B"]
    assert exact["values"]["ndcg@10"] == [0.7072, "0.7072"]


def test_the_plane_has_no_place_for_nothing(full_results):
    systems = [s.model_copy(update={"model_bytes": 0}) for s in full_results.systems]
    found = plane(full_results.model_copy(update={"systems": systems}))
    assert not any("model_bytes" in system["values"] for system in found["systems"])
    assert plane(full_results.model_copy(update={"systems": systems[:1]})) is None


def test_a_sweep_shows_the_fronts_it_was_given_and_names_their_points(sweep_results):
    found = marks(sweep_results, SIZE)
    assert [p.name for p in found if p.front] == sweep_results.sweep.front_bytes
    shown = drawn(pareto(sweep_results, SIZE, WIDE))
    assert "1, 16" in shown and "2, 16" in shown and "bm25" in shown
    assert "2, 4" not in shown
    assert "beside marks: nbits, nprobe" in shown


def test_systems_without_a_value_are_left_out(full_results):
    systems = [
        s.model_copy(update={"index": None}) if s.name == "bm25" else s
        for s in full_results.systems
    ]
    results = full_results.model_copy(update={"systems": systems})
    assert [mark.name for mark in marks(results, SIZE)] == ["colbert_exact"]
    assert pareto(results, SIZE, WIDE) is None
    assert pareto(results, LATENCY, WIDE) is not None


def test_the_fastest_system_comes_first_and_each_query_is_a_tick(full_results):
    chart = specification(latency(full_results, WIDE))
    sizes = sorted(len(rows) for rows in chart["datasets"].values())
    assert sizes == [2, 6, 6]  # systems, single queries, percentiles
    assert [row["system"] for row in tables(latency(full_results, WIDE))["to"]] == [
        *("bm25", "colbert_exact"),
    ]


def test_without_single_latencies_the_sum_of_medians_remains(example_results):
    chart = latency(example_results, WIDE)
    # Of two medians a sum can be told, of two 95th percentiles nothing.
    (first, _) = rows = tables(chart)["of"]
    assert [(row["of"], row["ms"], row["p95"]) for row in rows] == [("p50", 2.0, "not known")] * 2
    assert first["p50"] == "2.00 ms"
    sizes = sorted(len(rows) for rows in specification(chart)["datasets"].values())
    assert sizes == [0, 2, 2]


def test_the_waterfall_goes_from_the_first_value_to_the_last(full_results):
    bars = tables(waterfall(full_results, WIDE))["stage"]
    assert [bar["stage"] for bar in bars] == ["exact", "compressed", "final", "result"]
    assert [bar["text"] for bar in bars] == ["0.7200", "-2.00", "+0.72", "0.7072"]
    assert [bar["kind"] for bar in bars] == ["value", "loss", "gain", "value"]
    assert [bar["start"] for bar in bars[1:3]] == [0.72, 0.70]
    assert bars[2]["end"] == bars[3]["end"]


def test_nothing_measured_makes_no_chart(example_results):
    skipped = [s for s in example_results.systems if s.status == "skipped"]
    results = example_results.model_copy(update={"systems": skipped, "reference": None})
    assert all(kind.draw(results, WIDE) is None for kind in CHARTS)


@pytest.mark.parametrize("kind", CHARTS, ids=lambda kind: kind.name)
def test_a_hostile_name_is_shown_letter_by_letter(full_results, kind):
    chart = kind.draw(named(full_results, colbert_exact=HOSTILE), WIDE)
    assert HOSTILE in drawn(chart)


@pytest.mark.parametrize("stage", ['"] + alert(1) + ["', "a\\", "result", "<b>&'x'"])
def test_a_hostile_stage_is_shown_letter_by_letter(full_results, stage):
    system = full_results.systems[1]
    stages = [system.attribution[0], system.attribution[1].model_copy(update={"stage": stage})]
    results = full_results.model_copy(
        update={"systems": [system.model_copy(update={"attribution": stages})]}
    )
    assert stage in drawn(waterfall(results, WIDE))


def test_charts_hold_no_colour_of_their_own(full_results, sweep_results):
    for results in (full_results, sweep_results):
        for kind in CHARTS:
            chart = kind.draw(results, WIDE)
            written = json.dumps(specification(chart)) if chart is not None else ""
            for value in {*LIGHT.colours().values(), *DARK.colours().values()}:
                assert value not in written


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200)), min_size=1, max_size=8, unique=True)
)
def test_a_free_label_covers_no_other_one(found):
    width, height = 300, 200
    labels = place(["name"] * len(found), found, width, height)
    boxes = []
    for label in labels:
        wide = 4 * 0.58 * 12
        left = label.x - {"left": 0, "center": wide / 2, "right": wide}[label.align]
        boxes.append((left, label.y - 7, left + wide, label.y + 7))
    for number, (label, box) in enumerate(zip(labels, boxes, strict=True)):
        if not label.free:
            continue
        assert box[0] >= -1 and box[2] <= width + 1 and box[1] >= -1 and box[3] <= height + 1
        for other in boxes[:number]:
            across = min(box[2], other[2]) - max(box[0], other[0])
            down = min(box[3], other[3]) - max(box[1], other[1])
            assert across <= 0 or down <= 0 or across * down < 1


def test_two_names_at_one_place_stand_apart():
    first, second = place(["one", "two"], [(100, 100), (100, 100)], 300, 200)
    assert first.free and second.free
    assert (first.x, first.y) != (second.x, second.y)


@given(st.lists(st.floats(1e-4, 1e12), min_size=1, max_size=20), st.booleans())
def test_every_value_lies_on_its_axis_and_comes_back(values, log):
    axis = Axis.around(values, 400, log=log)
    for value in values:
        place_of = axis.place(value)
        assert -1e-6 <= place_of <= 400 + 1e-6
        assert math.isclose(axis.value(place_of), value, rel_tol=1e-6, abs_tol=1e-6 * max(values))
    if log:
        assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


def test_the_pictures_are_files_that_the_markdown_shows(full_results, tmp_path):
    path = write_report(full_results, tmp_path)
    markdown = path.read_text(encoding="utf-8")
    found = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    stems = ["latency", "losses", "pareto_bytes", "pareto_latency"]
    assert found == [f"{stem}.{end}" for stem in stems for end in ("png", "svg")]
    for stem in stems:
        assert f"](pictures/{stem}.svg)" in markdown
        assert (tmp_path / "pictures" / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    assert "<script" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_results_without_measurements_have_no_pictures(example_results, tmp_path):
    results = example_results.model_copy(update={"systems": example_results.systems[2:]})
    assert write_pictures(results, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert "## Effectiveness, time and size" not in render_markdown(run_document(results))


def test_a_control_character_in_a_name_does_not_end_the_process(full_results, tmp_path):
    results = named(full_results, colbert_exact="a\x07\x1b[31m\nb\x00\ufffe")
    for kind in CHARTS:
        if (chart := kind.draw(results, WIDE)) is not None:
            write_chart(chart, "a\x07title", "a\x00subtitle", tmp_path / kind.name)
            assert "\x07" not in (tmp_path / f"{kind.name}.svg").read_text(encoding="utf-8")
