"""How documents were encoded: in the report, in a comparison, and in the report of encode_speed."""

import pytest

from benchmarks.encode_speed.record import (
    CollectionResult,
    Effect,
    EncodeSpeed,
    FormResult,
    FormSpeed,
    Speed,
    VariantSpeed,
)
from benchmarks.encode_speed.report import encode_speed_document
from colbench.compare.changes import setting_changes
from colbench.report import markdown
from colbench.report.details import encoders
from colbench.report.html.page import render_html
from colbench.report.run import run_document
from colbench.results.schema import EncodingInfo, Results, Significance

INFO = EncodingInfo(
    encoder="minilm",
    form="tokens",
    backend="openvino",
    precision="int8",
    device="cpu",
    docs_per_second=123.4,
    tokens_per_second=20_000.0,
    gflops=250.0,
    gemm_gflops=1000.0,
    tokens=900,
    truncated_docs=2,
    truncated_tokens=100,
    cosine=0.99123,
)


def render_markdown(results):
    return markdown.render_markdown(run_document(results))


def with_encodings(results, *infos):
    """The same results, their first system encoded so."""
    first, *others = results.systems
    return results.model_copy(
        update={"systems": [first.model_copy(update={"encodings": list(infos)}), *others]}
    )


def test_the_environment_shows_speed_share_of_the_peak_and_what_was_cut_off(example_results):
    results = with_encodings(example_results, INFO)
    assert Results.model_validate_json(results.model_dump_json()) == results
    report = render_markdown(results)
    environment = report[report.index("## Environment") :]
    titles = "docs/s | GFLOP/s | of GEMM peak | documents cut off | tokens cut off | cosine to fp32"
    assert f"| encoder | form | backend | precision | {titles} |" in environment
    cells = "123 | 250 | 25 % | 2 (20.0 %) | 100 (10.0 %) | 0.9912"
    assert f"| `minilm` | tokens | openvino | int8 | {cells} |" in environment
    page = render_html([results])
    assert "of GEMM peak" in page and ">25 %<" in page and ">2 (20.0 %)<" in page


def test_results_without_encodings_have_no_such_table(example_results):
    assert not encoders(example_results).rows
    assert not encoders(with_encodings(example_results)).rows
    assert "of GEMM peak" not in render_markdown(example_results)
    assert "of GEMM peak" not in render_html([example_results])


def test_systems_of_one_encoder_share_a_row_and_empty_columns_are_left_out(example_results):
    dense = INFO.model_copy(update={"form": "dense", "cosine": None, "gemm_gflops": None})
    results = with_encodings(example_results, dense, dense)
    table = encoders(results)
    (row,) = table.cells()
    assert "cosine to fp32" not in [column.title for column in table.columns]
    assert row[1].plain == "dense" and row[6].plain == ""
    split = dense.model_copy(update={"chunks": 1234})
    assert encoders(with_encodings(example_results, split)).cells()[0][-1].plain == "1,234"


def test_an_arithmetic_that_changed_is_a_change_of_the_system(example_results):
    half = INFO.model_copy(update={"backend": "torch", "precision": "bf16"})
    before, after = (with_encodings(example_results, i).systems[0] for i in (INFO, half))
    changed = {change.key: (change.a, change.b) for change in setting_changes(before, after)}
    assert changed == {
        "encodings.minilm tokens.backend": ("openvino", "torch"),
        "encodings.minilm tokens.precision": ("int8", "bf16"),
    }
    assert not setting_changes(before, before)
    assert not setting_changes(example_results.systems[0], after)


def speed(docs):
    return Speed(
        docs_per_second=docs,
        rounds=[0.9 * docs, docs, 1.1 * docs],
        tokens_per_second=200 * docs,
        gflops=docs,
        query_p50_ms=3.0,
    )


@pytest.fixture
def measured(example_results):
    """Three variants on one collection: the reference, a faster one, one that cannot run."""
    test = Significance(
        difference=-0.0123, p_value=0.01, p_holm=0.02, significant=True, wins=1, ties=2, losses=9
    )
    variants = [
        VariantSpeed(
            backend="torch",
            precision="fp32",
            device="cpu",
            speed=speed(100.0),
            to_reference=1.25,
            to_first=1.0,
            gemm_gflops=200.0,
        ),
        VariantSpeed(
            backend="openvino",
            precision="int8",
            device="cpu",
            speed=speed(400.0),
            to_reference=5.0,
            to_first=4.0,
            gemm_gflops=1000.0,
        ),
        VariantSpeed(backend="torch", precision="fp16", reason="it needs a GPU"),
    ]
    form = FormSpeed(
        encoder="minilm",
        form="tokens",
        documents=512,
        tokens=100_000,
        limit=256,
        queries=100,
        trials=3,
        batch_size=32,
        other_cpu_share=0.2,
        reference=speed(80.0),
        variants=variants,
    )
    effects = {
        "torch fp32": Effect(value=0.7072),
        "openvino int8": Effect(value=0.6949, cosine=0.991, test=test),
    }
    return EncodeSpeed(
        colbench_version="0.1.0",
        command="colbench run experiment=encode_speed",
        created="2026-01-01T00:00:00+00:00",
        environment=example_results.environment,
        config={},
        measure="ndcg@10",
        test="student",
        alpha=0.05,
        collections=[
            CollectionResult(
                collection=example_results.collection,
                forms=[
                    FormResult(speed=form, commit=None, system="colbert_exact", effects=effects)
                ],
            )
        ],
    )


def test_encode_speed_is_a_table_of_speed_ratio_and_effectiveness(measured):
    assert EncodeSpeed.model_validate_json(measured.model_dump_json()) == measured
    report = markdown.render_markdown(encode_speed_document(measured, "speed.svg"))
    lines = [line for line in report.splitlines() if line.startswith("| ")]
    assert lines[2] == (
        "| sentence-transformers, batches of 32 | fp32 | 80.0 (72.0 to 88.0) | 1.00 | 0.80 | 3.00 "
        "| 80.0 |  |  |  |  |  |"
    )
    assert lines[3] == (
        "| torch | fp32 | 100 (90.0 to 110) | 1.25 | 1.00 | 3.00 | 100 | 50 % | 0.7072 |  |  |  |"
    )
    assert lines[4] == (
        "| openvino | int8 | 400 (360 to 440) | 5.00 | 4.00 | 3.00 | 400 | 40 % | 0.6949 | -1.23 "
        "| 0.02† | 0.9910 |"
    )
    assert lines[5].startswith("| torch | fp16 | not measured |")
    assert "torch fp16 was not measured: it needs a GPU" in report
    assert "openvino int8 is 5.00 times as fast as sentence-transformers, at -1.23" in report
    assert "used 20% of the cores" in report and "![" in report


def test_a_quiet_machine_is_not_warned_of(measured):
    found = measured.collections[0].forms[0]
    calm = found.speed.model_copy(update={"other_cpu_share": 0.01})
    form = found.model_copy(update={"speed": calm})
    collection = measured.collections[0].model_copy(update={"forms": [form]})
    quiet = measured.model_copy(update={"collections": [collection]})
    report = markdown.render_markdown(encode_speed_document(quiet))
    assert "not to be trusted" not in report and "![" not in report
