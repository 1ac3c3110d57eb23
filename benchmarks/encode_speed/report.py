"""`report.md` of `experiment=encode_speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.encode_speed.record import (
    CollectionResult,
    Effect,
    EncodeSpeed,
    FormResult,
    Speed,
    VariantSpeed,
)
from colbench.measures.latency import BUSY
from colbench.report.charts.draw import write_chart
from colbench.report.details import gemm_share
from colbench.report.formats import (
    fraction,
    number,
    p_value,
    percent,
    points,
    ratio,
    three_digits,
)
from colbench.report.markdown import write_markdown
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Paragraph,
    Picture,
    Section,
    Table,
    numbers,
    origin,
    texts,
)

_WIDTH, _ROW = 300, 26
_REFERENCE = "sentence-transformers fp32"


def write_picture(results: EncodeSpeed, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    subtitle = (
        f"documents encoded a second; beside a bar the difference in {results.measure} to the "
        "first variant, in points"
    )
    write_chart(speeds(results), "Encoding speed", subtitle, stem)


def speeds(results: EncodeSpeed) -> Any:
    """Return the Altair chart: a column per collection, a block per form."""
    import altair

    columns = []
    for collection in results.collections:
        blocks = [_block(form) for form in collection.forms]
        columns.append(altair.vconcat(*blocks).properties(title=collection.collection.name))
    return altair.hconcat(*columns)


def _block(form: FormResult) -> Any:
    import altair

    rows = [_row(_REFERENCE, form.speed.reference.docs_per_second, "")]
    for one in form.speed.variants:
        if one.speed is not None:
            test = form.effects[one.name].test
            label = f"{points(test.difference)} points" if test else ""
            rows.append(_row(one.name, one.speed.docs_per_second, label))
    data: Any = altair.InlineData(values=rows)
    # A quarter more than the longest bar leaves room for what stands beside it.
    most = 1.25 * max(row["speed"] for row in rows)
    base = altair.Chart(data).encode(
        x=altair.X("speed:Q", title="documents/s").scale(domain=[0, most]),
        y=altair.Y("variant:N", title=None, sort=None).axis(labelLimit=260),
    )
    bars = base.mark_bar().encode(color=altair.Color("reference:N", title=None, legend=None))
    labels = base.mark_text(align="left", dx=4).encode(text="label:N")
    title = f"{form.speed.encoder}, {form.speed.form}"
    layered: Any = altair.layer(bars, labels)
    return layered.properties(width=_WIDTH, height=_ROW * len(rows), title=title)


def _row(variant: str, speed: float, label: str) -> dict[str, Any]:
    reference = "reference" if variant == _REFERENCE else "own"
    return {"variant": variant, "speed": speed, "label": label, "reference": reference}


_PICTURE = "speed"
_FORMS = {"dense": "one vector per text", "tokens": "one vector per token"}


def write_encode_speed_report(results: EncodeSpeed, folder: Path) -> None:
    """Write `report.md` and the picture as SVG and PNG."""
    write_picture(results, folder / _PICTURE)
    write_markdown(encode_speed_document(results, f"{_PICTURE}.svg"), folder / "report.md")


def encode_speed_document(results: EncodeSpeed, picture: str | None = None) -> Document:
    """Return the report, with the picture where its file is named."""
    title = "encoding speed and effectiveness"
    lead: list[Block] = [_caption(results)]
    if picture:
        lead.append(Picture("speed", title, path=picture))
    made = origin(results.command, results.created, results.environment.git_commit)
    sections = [_collection(found, results) for found in results.collections]
    return Document("Encoding speed", lead, [*sections, Section("Origin", [made])])


def _caption(results: EncodeSpeed) -> Paragraph:
    e = results.environment
    batches = sorted({form.speed.batch_size for one in results.collections for form in one.forms})
    return Paragraph(
        (
            f"{e.cpu}, {e.threads} threads, {e.accelerator or 'no GPU'}. docs/s: median of rounds "
            "in which each way of encoding takes its turn on the same documents, tokenisation "
            "included; in parentheses the slowest and the fastest round. × ST: times as fast as "
            "sentence-transformers' own ",
            Code("encode_document"),
            " in fp32 (version "
            f"{e.packages.get('sentence-transformers', 'unknown')}, batches of "
            f"{', '.join(map(str, batches))}), × first: as the first variant; medians of the "
            "ratios of each round. GFLOP/s: of the forward passes, padding not counted; of GEMM "
            "peak: as a share of a large matrix product in the same precision. query p50: encoding "
            f"one query. {results.measure} is over the whole collection, points is its difference "
            f"to the first variant (× 100), p of the paired {results.test} test (Holm over the "
            f"variants; † p ≤ {results.alpha:g}).",
        )
    )


def _collection(part: CollectionResult, results: EncodeSpeed) -> Section:
    sizes = f"{part.collection.docs:,} documents, {part.collection.queries:,} queries."
    forms = [_form(form, results.measure) for form in part.forms]
    return Section(part.collection.name, [Paragraph(sizes), *forms])


def _form(result: FormResult, measure: str) -> Section:
    speed = result.speed
    timed = (
        f"{speed.documents:,} documents of {speed.tokens:,} tokens (at most {speed.limit:,} each), "
        f"{speed.queries:,} queries, {speed.trials} rounds. "
    )
    blocks: list[Block] = [Paragraph((timed, Code(result.system), " searches."))]
    if speed.other_cpu_share > BUSY:
        busy = (
            f"Other processes used {speed.other_cpu_share:.0%} of the cores while this was timed: "
            "its times are not to be trusted."
        )
        blocks.append(Paragraph(busy, "warning"))
    blocks.append(_table(result, measure))
    if sentences := [*_missing(result), *_best(result)]:
        blocks.append(Bullets(sentences))
    return Section(f"{speed.encoder}, {_FORMS[speed.form]}", blocks)


def _table(found: FormResult, measure: str) -> Table:
    columns = [
        *texts("backend", "precision"),
        Column(title="docs/s", direction="higher", priority=0),
        *numbers(ratio, "× ST", "× first", direction="higher", priority=0),
        *numbers(three_digits, "query p50 ms", direction="lower"),
        *numbers(number, "GFLOP/s", direction="higher"),
        *numbers(percent, "of GEMM peak", direction="higher"),
        *numbers(fraction, measure, direction="higher", priority=0),
        *numbers(points, "points", direction="higher", priority=1),
        *numbers(p_value, "p (Holm)"),
        *numbers(fraction, "cosine to fp32", direction="higher"),
    ]
    speed = found.speed
    rows = [_variant(one, found.effects.get(one.name)) for one in speed.variants]
    return Table(speed.encoder, columns, [_reference(found), *rows])


def _reference(result: FormResult) -> list[Any]:
    speed, given = result.speed.reference, result.speed
    first = next((one.to_reference for one in given.variants[:1] if one.to_reference), None)
    return [
        f"sentence-transformers, batches of {given.batch_size}",
        "fp32",
        _rounds(speed),
        *(1.0, None if first is None else 1 / first),
        *(speed.query_p50_ms, speed.gflops),
        *[None] * 5,
    ]


def _variant(one: VariantSpeed, effect: Effect | None) -> list[Any]:
    cells = [one.backend, one.precision]
    if one.speed is None or effect is None:
        return [*cells, "not measured", *[None] * 9]
    return [
        *cells,
        _rounds(one.speed),
        *(one.to_reference, one.to_first),
        *(one.speed.query_p50_ms, one.speed.gflops),
        gemm_share(one.speed.gflops, one.gemm_gflops),
        *_effect(effect),
        effect.cosine,
    ]


def _effect(effect: Effect) -> list[Any]:
    test = effect.test
    if test is None:
        return [effect.value, None, None]
    mark = "†" if test.significant and test.p_holm is not None else ""
    return [effect.value, test.difference, Cell(test.p_holm, mark=mark)]


def _rounds(speed: Speed) -> Cell:
    low, high = number(min(speed.rounds)), number(max(speed.rounds))
    return Cell(speed.docs_per_second, f"{number(speed.docs_per_second)} ({low} to {high})")


def _missing(result: FormResult) -> list[str]:
    """Say what was not measured, and why."""
    return [
        f"{one.name} was not measured: {one.reason}"
        for one in result.speed.variants
        if one.reason is not None
    ]


def _best(result: FormResult) -> list[str]:
    """Say which variant is fastest, by how much, and what it costs."""
    ran = [one for one in result.speed.variants if one.to_reference is not None]
    if not ran:
        return []
    best = max(ran, key=lambda one: one.to_reference or 0)
    sentence = f"{best.name} is {best.to_reference:.2f} times as fast as sentence-transformers"
    test = result.effects[best.name].test
    if test is not None:
        sentence += f", at {points(test.difference)} points of effectiveness"
    return [sentence + "."]
