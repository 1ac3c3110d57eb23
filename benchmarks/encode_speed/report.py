"""`report.md` of `experiment=encode_speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.compare.tables import points
from colbench.report.encodings import gemm_share
from colbench.report.rows import number, three_digits

from benchmarks.encode_speed.record import (
    CollectionResult,
    Effect,
    EncodeSpeed,
    FormResult,
    Speed,
    VariantSpeed,
)
from colbench.files import atomic_write
from colbench.measures.latency import BUSY
from colbench.report.charts.draw import picture
from colbench.report.gfm import code, table, text

_WIDTH, _ROW = 300, 26
_YARDSTICK = "sentence-transformers fp32"


def write_picture(results: EncodeSpeed, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    told = (
        f"documents encoded a second; beside a bar the difference in {results.measure} to the "
        "first variant, in points"
    )
    svg, png = picture(speeds(results), "Encoding speed", told)
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(svg)
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(png)


def speeds(results: EncodeSpeed) -> Any:
    """Return the Altair chart: a column a collection, a block a form."""
    import altair

    columns = []
    for found in results.collections:
        blocks = [_block(form) for form in found.forms]
        columns.append(altair.vconcat(*blocks).properties(title=found.collection.name))
    return altair.hconcat(*columns)


def _block(found: FormResult) -> Any:
    import altair

    rows = [_row(_YARDSTICK, found.speed.yardstick.docs_per_second, "")]
    for one in found.speed.variants:
        if one.speed is not None:
            test = found.effects[one.name].test
            label = f"{points(test.difference)} points" if test else ""
            rows.append(_row(one.name, one.speed.docs_per_second, label))
    data: Any = altair.InlineData(values=rows)
    # A quarter more than the longest bar leaves room for what stands beside it.
    most = 1.25 * max(row["speed"] for row in rows)
    base = altair.Chart(data).encode(
        x=altair.X("speed:Q", title="documents/s").scale(domain=[0, most]),
        y=altair.Y("variant:N", title=None, sort=None).axis(labelLimit=260),
    )
    bars = base.mark_bar().encode(color=altair.Color("peer:N", title=None, legend=None))
    labels = base.mark_text(align="left", dx=4).encode(text="label:N")
    title = f"{found.speed.encoder}, {found.speed.form}"
    layered: Any = altair.layer(bars, labels)
    return layered.properties(width=_WIDTH, height=_ROW * len(rows), title=title)


def _row(variant: str, speed: float, label: str) -> dict[str, Any]:
    peer = "peer" if variant == _YARDSTICK else "own"
    return {"variant": variant, "speed": speed, "label": label, "peer": peer}


_PICTURE = "speed"
_FORMS = {"pooled": "one vector a text", "tokens": "one vector a token"}


def write_encode_speed_report(results: EncodeSpeed, folder: Path) -> None:
    """Write `report.md` and the picture as SVG and PNG."""
    write_picture(results, folder / _PICTURE)
    with atomic_write(folder / "report.md") as stream:
        stream.write(render_encode_speed(results, picture=f"{_PICTURE}.svg"))


def render_encode_speed(results: EncodeSpeed, picture: str | None) -> str:
    """Return the report as GitHub-flavoured Markdown, with the picture where it is named."""
    parts = [
        "# Encoding speed",
        _caption(results),
        f"![encoding speed and effectiveness]({picture})" if picture else "",
        *(part for found in results.collections for part in _collection(found, results)),
        f"Made by {code(results.command)}, {results.created}, commit "
        f"{code(results.environment.git_commit or 'unknown')}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _caption(results: EncodeSpeed) -> str:
    e = results.environment
    batches = sorted({form.speed.batch_size for one in results.collections for form in one.forms})
    return (
        f"{text(e.cpu)}, {e.threads} threads, {text(e.accelerator or 'no GPU')}. docs/s: median of "
        "rounds in which each way of encoding takes its turn on the same documents, tokenisation "
        "included; in parentheses the slowest and the fastest round. × ST: times as fast as "
        f"sentence-transformers' own {code('encode_document')} in fp32 (version "
        f"{text(e.packages.get('sentence-transformers', 'unknown'))}, batches of "
        f"{', '.join(map(str, batches))}), × first: as the first "
        "variant; medians of the ratios of each round. GFLOP/s: of the forward passes, padding not "
        "counted; of GEMM peak: as a share of a large matrix product in the same precision. query "
        "p50: encoding one query. "
        f"{text(results.measure)} is over the whole collection, points is its difference to the "
        f"first variant (× 100), p of the paired {results.test} test (Holm over the variants; † "
        f"p ≤ {results.alpha:g})."
    )


def _collection(found: CollectionResult, results: EncodeSpeed) -> list[str]:
    parts = [
        f"## {text(found.collection.name)}",
        f"{found.collection.docs:,} documents, {found.collection.queries:,} queries.",
    ]
    for form in found.forms:
        parts += _form(form, results.measure)
    return parts


def _form(found: FormResult, measure: str) -> list[str]:
    speed = found.speed
    timed = (
        f"{speed.documents:,} documents of {speed.tokens:,} tokens (at most {speed.limit:,} each), "
        f"{speed.queries:,} queries, {speed.trials} rounds. {code(found.system)} searches."
    )
    busy = ""
    if speed.other_cpu_share > BUSY:
        busy = (
            f"Other processes used {speed.other_cpu_share:.0%} of the cores while this was timed: "
            "its times are not to be trusted."
        )
    lines = [_yardstick(found)]
    lines += [_variant(one, found.effects.get(one.name)) for one in speed.variants]
    titles = [
        *("backend", "precision", "docs/s", "× ST", "× first", "query p50 ms", "GFLOP/s"),
        *("of GEMM peak", measure, "points", "p (Holm)", "cosine to fp32"),
    ]
    told = [f"- {sentence}" for sentence in [*_missing(found), *_best(found)]]
    return [
        f"### {text(speed.encoder)}, {_FORMS[speed.form]}",
        timed,
        busy,
        table(titles, lines, left=2),
        "\n".join(told),
    ]


def _yardstick(found: FormResult) -> list[str]:
    speed, given = found.speed.yardstick, found.speed
    first = next((one.to_yardstick for one in given.variants[:1] if one.to_yardstick), None)
    return [
        f"sentence-transformers, batches of {given.batch_size}",
        "fp32",
        _rounds(speed),
        "1.00",
        "" if first is None else f"{1 / first:.2f}",
        three_digits(speed.query_p50_ms),
        number(speed.gflops),
        *[""] * 5,
    ]


def _variant(one: VariantSpeed, effect: Effect | None) -> list[str]:
    told = [one.backend, one.precision]
    if one.speed is None or effect is None:
        return [*told, "not measured", *[""] * 9]
    return [
        *told,
        _rounds(one.speed),
        _times(one.to_yardstick),
        _times(one.to_first),
        three_digits(one.speed.query_p50_ms),
        number(one.speed.gflops),
        gemm_share(one.speed.gflops, one.gemm_gflops).text,
        *_effect(effect),
        "" if effect.cosine is None else f"{effect.cosine:.4f}",
    ]


def _effect(effect: Effect) -> list[str]:
    value, test = f"{effect.value:.4f}", effect.test
    if test is None:
        return [value, "", ""]
    mark = "†" if test.significant else ""
    p_value = "" if test.p_holm is None else f"{test.p_holm:.3g}{mark}"
    return [value, points(test.difference), p_value]


def _rounds(speed: Speed) -> str:
    low, high = min(speed.rounds), max(speed.rounds)
    return f"{number(speed.docs_per_second)} ({number(low)} to {number(high)})"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _missing(found: FormResult) -> list[str]:
    """Say what was not measured, and why."""
    return [
        f"{text(one.name)} was not measured: {text(one.reason)}"
        for one in found.speed.variants
        if one.reason is not None
    ]


def _best(found: FormResult) -> list[str]:
    """Say which variant is fastest, by how much, and what it costs."""
    ran = [one for one in found.speed.variants if one.to_yardstick is not None]
    if not ran:
        return []
    best = max(ran, key=lambda one: one.to_yardstick or 0)
    told = f"{text(best.name)} is {best.to_yardstick:.2f} times as fast as sentence-transformers"
    test = found.effects[best.name].test
    if test is not None:
        told += f", at {points(test.difference)} points of effectiveness"
    return [told + "."]
