"""What is shown of a training: the report, the learning curve and the names of models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from trained import train_record

from colbench.config.compose import compose_run
from colbench.report.charts.draw import specification
from colbench.report.markdown import render_markdown
from colbench.train.naming import base_label, base_of, load_overrides
from colbench.train.record import Train
from colbench.train.report import learning_curve, train_document, train_summary, write_train_report


def render_train(record, picture=None):
    return render_markdown(train_document(record, picture))


def render_train_summary(record):
    return render_markdown(train_summary(record))


def rows(markdown, first):
    """The cells of each line of the table whose first title is `first`, titles left out."""
    lines = markdown.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_the_record_survives_json():
    record = train_record()
    assert Train.model_validate_json(record.model_dump_json()) == record


def test_the_result_is_the_change_on_the_development_part_in_points():
    report = render_train(train_record(), None)
    assert (
        "ndcg@10 on the development part (100 queries, 2,000 documents): 0.6512 untrained, "
        "**0.7234** at step 200: +7.22 points."
    ) in report
    assert "the whole model, 22,713,216 of 22,762,368 parameters; vectors of 128" in report
    assert "8,903 examples in 300 steps" in report


def test_a_training_that_brought_nothing_says_so():
    record = train_record(best_step=100, best_value=0.6, start_value=0.65)
    report = render_train(record, None)
    assert "0.6500 untrained, no better at any evaluation (best 0.6000, at step 100)" in report
    assert "points." not in report


def test_the_result_is_told_against_the_checkpoint_and_not_the_student_with_a_new_projection():
    record = train_record(base_value=0.9146, start_value=0.8683, best_value=0.8955)
    report = render_train(record, None)
    told = "0.9146 untrained, **0.8955** at step 200: -1.91 points. Without training the checkpoint"
    assert told in report
    for markdown in (report, render_train_summary(record)):
        assert rows(markdown, "model") == [
            ["minilm without training", "", "**0.9146**", ""],
            ["student before training, with its new projection", "0", "0.8683", "-4.63"],
            ["trained", "200", "0.8955", "-1.91"],
        ]
    svg = str(specification(learning_curve(record)))
    assert "untrained: 0.9146" in svg and "best: 0.8955" in svg


def test_a_student_that_is_the_checkpoint_has_no_row_of_its_own():
    record = train_record(base_value=0.6512)
    assert [row[0] for row in rows(render_train(record, None), "model")] == [
        "minilm without training",
        "trained",
    ]
    assert "0.6512 untrained, **0.7234** at step 200: +7.22 points." in render_train(record, None)


def test_where_the_checkpoint_cannot_rank_or_was_not_measured_the_student_stands_for_it():
    new = rows(render_train(train_record(kind="cross_encoder"), None), "model")
    assert new[0][:3] == ["student before training, with its new classifier", "0", "0.6512"]
    old = rows(render_train(train_record(), None), "model")
    assert old[0][:3] == ["student before training", "0", "0.6512"]
    assert old[1] == ["trained", "200", "**0.7234**", "+7.22"]


def test_every_number_of_a_source_is_shown_and_added_up():
    for markdown in (render_train(train_record(), None), render_train_summary(train_record())):
        judged, own, total = rows(markdown, "source")
        counts = ["9,190", "21", "32", "43", "5", "1,001", "8,093"]
        assert judged == ["`judged`", "judged", "made/up/train", *counts]
        assert own == ["`own`", "file", "pairs.jsonl", "810", "0", "0", "0", "0", "0", "810"]
        assert total[0] == "all" and total[3] == "10,000" and total[-1] == "8,903"
    alone = train_record(sources=train_record().sources[:1])
    assert len(rows(render_train(alone, None), "source")) == 1


def test_what_is_protected_mined_and_taught_is_told():
    report = render_train(train_record(), None)
    assert "- made/up/test: 300 queries, 283 judged documents" in report
    assert "35,611 for 8,903 examples, found by `bm25`" in report
    assert "417 documents were left out" in report and "6 examples have fewer" in report
    assert "cross-encoder `owner/teacher` scored 44,514 pairs" in report and "87.6%" in report
    plain = render_train(train_record(mining=None, teacher=None), None)
    assert "none were mined" in plain and "Teacher" not in plain


def test_the_curve_has_a_row_an_evaluation_and_marks_the_best_alone():
    table = rows(render_train(train_record(), None), "step")
    assert [row[0] for row in table] == ["0", "100", "200", "300"]
    assert [row[-1] for row in table] == ["0.6512", "0.7001", "**0.7234** (best)", "0.7198"]
    assert table[0][3:5] == ["", ""] and table[2][1:5] == ["0.67", "120", "0.75", "1e-05"]


def test_a_training_that_stopped_says_so_before_anything_else():
    curve = train_record().curve[:-1]
    report = render_train(
        train_record(stopped="the loss is *not* a number", curve=curve, steps=200), None
    )
    title, line, trained = report.split("\n\n")[:3]
    assert title.startswith("# ")
    assert line == r"**Stopped before its last step: the loss is \*not\* a number**"
    assert "in 200 steps" in trained
    assert "Stopped" not in render_train(train_record(), None)


@pytest.mark.parametrize("kind", ["colbert", "bi_encoder", "cross_encoder"])
def test_the_command_that_loads_the_model_is_one_that_run_understands(kind):
    report = render_train(train_record(kind=kind), None)
    group = "cross_encoder" if kind == "cross_encoder" else "encoder"
    assert f"colbench run dataset=beir/scifact {group}=custom {group}.model=OUTPUT/model" in report
    settings = compose_run(["dataset=beir/scifact", *load_overrides(kind, "OUTPUT/model")])
    assert getattr(settings, group).model == "OUTPUT/model"


def test_names_from_outside_keep_the_tables_and_the_text_as_they_are():
    name = "a|b *c* <i>"
    source = train_record().sources[0].model_copy(update={"name": name, "collection": name})
    protected = train_record().protected[0].model_copy(update={"name": name})
    record = train_record(sources=[source], protected=[protected], base=name)
    html = MarkdownIt("commonmark").enable("table").render(render_train(record, None))
    assert "<em>" not in html and "<i>" not in html
    assert html.count("a|b *c* &lt;i&gt;") >= 5
    assert "<td>a|b *c* &lt;i&gt;</td>" in html


def test_a_resumed_training_says_how_often():
    assert "resumed" not in render_train(train_record(), None)
    assert "resumed 2 times" in render_train(train_record(resumed=2), None)


def test_report_and_pictures_are_written(tmp_path):
    write_train_report(train_record(), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.md", "learning_curve.svg", "learning_curve.png"}
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "![learning curve](learning_curve.svg)" in report
    svg = (tmp_path / "learning_curve.svg").read_text(encoding="utf-8")
    assert "best: 0.7234" in svg and "untrained: 0.6512" in svg and "training loss" in svg


def drawn(results):
    """The rows of data of each panel of the learning curve, layer by layer; and the panels."""
    chart = specification(learning_curve(results))
    panels = [
        [{"data": panel.get("data"), **layer} for layer in panel["layer"]]
        for panel in chart["vconcat"]
    ]
    return [[chart["datasets"][x["data"]["name"]] for x in panel] for panel in panels], panels


def test_both_panels_show_their_points_over_the_same_steps():
    (measure, loss), panels = drawn(train_record())
    assert {"step": 200, "value": 0.7234} in measure[2] and len(measure[2]) == 4
    assert [row["step"] for row in loss[0]] == [50, 100, 200, 300]
    domains = [
        layer["encoding"]["x"]["scale"]["domain"]
        for panel in panels
        for layer in panel
        if "scale" in layer["encoding"].get("x", {})
    ]
    assert len(domains) >= 3 and all(domain == [0, 300] for domain in domains)


def test_a_training_without_losses_has_one_panel(tmp_path):
    start = train_record().curve[:1]
    record = train_record(curve=start, best_step=0, best_value=0.6512, stopped="interrupted")
    (measure,), _ = drawn(record)
    assert measure[2] == [{"step": 0, "value": 0.6512}]
    write_train_report(record, tmp_path)
    assert (tmp_path / "learning_curve.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("minilm", "minilm"),
        ("owner/model", "owner/model"),
        ("embedded:all-MiniLM-L6-v2", "embedded:all-MiniLM-L6-v2"),
        ("/srv/data/model/", "model"),
        ("~/model", "model"),
        ("../model", "model"),
        ("out/runs/model", "model"),
    ],
)
def test_a_base_that_is_a_folder_is_shown_by_its_last_part(name, shown):
    assert base_label(name) == shown


def test_a_folder_with_the_look_of_a_hub_name_is_known_as_one(tmp_path, monkeypatch):
    (tmp_path / "out" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert base_label("out/model") == "model"


@given(st.text(max_size=40))
def test_no_name_of_a_base_is_shown_as_an_absolute_path(name):
    assert not base_label(f"/{name}").startswith("/")


def test_a_base_that_is_set_by_hand_is_shown_by_its_model():
    config = {**train_record().config, "encoder": {"model": "embedded:all-MiniLM-L6-v2"}}
    record = train_record(base="custom", config=config)
    assert render_train(record, picture=None).startswith("# Training: ColBERT from all-MiniLM")
    assert base_of(train_record(base="custom", config={"train": {}})) == "custom"


def test_the_name_of_a_start_at_nothing_stands_above_the_axis():
    def side(value):
        curve = [
            p.model_copy(update={"value": value}) if p.step == 0 else p
            for p in train_record().curve
        ]
        (measure, _), panels = drawn(train_record(curve=curve))
        (name,) = [
            layer["mark"]["dy"]
            for rows, layer in zip(measure, panels[0], strict=True)
            if layer["mark"]["type"] == "text" and rows[0]["label"].startswith("untrained")
        ]
        return name

    assert side(0.0) < 0 < side(0.69)
