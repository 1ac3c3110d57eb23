"""`report.md` of `experiment=gate_power`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gate_power.record import CollectionPower, EqualPower, GatePower, VariantResult
from colbench.report.charts.draw import write_chart
from colbench.report.formats import count, points, unsigned_points
from colbench.report.markdown import write_markdown
from colbench.report.table import (
    Block,
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

_WIDTH, _ROW = 260, 18
_KINDS = {"degradation": "worse", "noise": "as good", "exchanged": "as good, exchanged"}
_RULES = {"tests": "gate's tests", "tolerance": "fixed tolerance"}


def write_picture(results: GatePower, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    subtitle = f"share of {results.trials:,} gates that raise an alarm; runs that are worse should"
    write_chart(alarms(results), "Is the gate right?", subtitle, stem)


def alarms(results: GatePower) -> Any:
    """Return the Altair chart: a column per collection, a block per kind of run."""
    import altair

    columns = []
    for collection in results.collections:
        blocks = []
        for kind, label in _KINDS.items():
            points = [
                {
                    "run": variant.about,
                    "queries": f"{detection.queries}",
                    "share": getattr(detection, rule),
                    "rule": label,
                }
                for variant in collection.variants
                if variant.kind == kind
                for detection in variant.detections
                for rule, label in _RULES.items()
            ]
            rows = len({point["run"] for point in points})
            data: Any = altair.InlineData(values=points)
            chart = (
                altair.Chart(data)
                .mark_point(filled=True, opacity=0.8)
                .encode(
                    x=altair.X("share:Q", title="gates that raise an alarm").scale(domain=[0, 1]),
                    y=altair.Y("run:N", title=None, sort=None).axis(labelLimit=260),
                    color=altair.Color("rule:N", title=None),
                    size=altair.Size(
                        "queries:O", title="queries", sort=[str(n) for n in _sizes(results)]
                    ),
                )
                .properties(width=_WIDTH, height=_ROW * max(rows, 1), title=label)
            )
            blocks.append(chart)
        columns.append(altair.vconcat(*blocks).properties(title=collection.collection.name))
    return altair.hconcat(*columns)


def _sizes(results: GatePower) -> list[int]:
    every = {d.queries for c in results.collections for v in c.variants for d in v.detections}
    return sorted(every)


_PICTURE = "power"


def write_gate_power_report(results: GatePower, folder: Path) -> None:
    """Write `report.md` and the picture as SVG and PNG."""
    write_picture(results, folder / _PICTURE)
    write_markdown(gate_power_document(results, f"{_PICTURE}.svg"), folder / "report.md")


def gate_power_document(results: GatePower, picture: str | None = None) -> Document:
    """Return the report, with the picture where its file is named."""
    lead: list[Block] = [Paragraph(_caption(results))]
    if picture:
        lead.append(Picture("power", "share of gates that raise an alarm", path=picture))
    made = origin(results.command, results.created, results.environment.git_commit)
    sections = [_collection(found, results) for found in results.collections]
    return Document("Is the gate right?", lead, [*sections, Section("Origin", [made])])


def _caption(results: GatePower) -> str:
    rules = results.rules
    least = ", ".join(f"{name} {100 * drop:g}" for name, drop in rules["measures"].items())
    return (
        f"Each share is of {results.trials:,} sets of queries, drawn with replacement from those "
        f"of the collection. tests: at least one verdict 'regressed' among all systems and "
        f"measures of a gate (level {rules['alpha']:g}, Holm; smallest drops that matter, in "
        f"points: {least}). gate: such a verdict, or too many queries lost. fixed: a mean lower by "
        f"more than {100 * results.tolerance:g} points."
    )


def _collection(power: CollectionPower, results: GatePower) -> Section:
    measure = next(iter(results.rules["measures"]))
    of = {
        kind: [variant for variant in power.variants if variant.kind == kind]
        for kind in ("noise", "degradation", "exchanged")
    }
    sizes = f"{power.collection.docs:,} documents, {power.collection.queries:,} queries."
    exchanged = (
        "Each degraded run and the plain one, exchanged for a random half of the queries: rankings "
        "differ as much as above, and neither side is better."
    )
    equal = (
        "Each way to judge, and the fixed tolerance that detects as many of the degradations as it "
        "does: means over the runs above."
    )
    return Section(
        power.collection.name,
        [
            Paragraph(sizes),
            Section("Power: runs that are worse", [_variants(of["degradation"], measure)]),
            Section("False alarms: runs that are as good", [_variants(of["noise"], measure)]),
            Section(
                "False alarms: as different, and as good",
                [Paragraph(exchanged), _variants(of["exchanged"], measure, differences=False)],
            ),
            Section("At equal power", [Paragraph(equal), _equal(power.equal_power)]),
        ],
    )


def _share(value: float) -> str:
    return f"{value:.1%}"


def _variants(
    variants: Sequence[VariantResult], measure: str, *, differences: bool = True
) -> Table:
    sizes = [detection.queries for detection in variants[0].detections] if variants else []
    ways = ("tests", "gate", "fixed") if differences else ("tests", "fixed")
    columns = texts("run")
    if differences:
        columns += [
            *texts(f"{measure}, points", priority=0),
            *texts("all queries: verdict", priority=0),
            Column(title="queries lost", priority=0),
        ]
    columns += numbers(_share, *(f"{way}, {size}" for size in sizes for way in ways))
    rows = []
    for variant in variants:
        row: list[Any] = [variant.about]
        if differences:
            row += [_points(variant, measure), _verdict(variant), _lost(variant)]
        for rates in variant.detections:
            row += [rates.tests, rates.gate, rates.tolerance]
            if not differences:
                del row[-2]
        rows.append(row)
    return Table("Share of gates that raise an alarm", columns, rows)


def _points(variant: VariantResult, measure: str) -> str:
    return ", ".join(
        f"{system} {points(differences[measure])}"
        for system, differences in variant.differences.items()
    )


def _verdict(variant: VariantResult) -> str:
    """Return the worst verdict of all systems and measures."""
    every = {verdict for verdicts in variant.verdicts.values() for verdict in verdicts.values()}
    order = ("regressed", "inconclusive", "improved", "unchanged")
    return next((verdict for verdict in order if verdict in every), "")


def _lost(variant: VariantResult) -> str:
    return ", ".join(map(str, variant.lost.values()))


def _equal(rows: Sequence[EqualPower]) -> Table:
    columns = [
        *numbers(count, "queries", priority=0),
        *texts("judged by", priority=0),
        *numbers(_share, "power", "false alarms: noise", "exchanged", priority=0),
        *numbers(unsigned_points, "tolerance of equal power, points"),
        *numbers(_share, "its false alarms: noise", "its exchanged"),
    ]
    return Table(
        "At equal power",
        columns,
        [
            [
                *(row.queries, row.rule, row.power, row.noise, row.exchanged),
                *(row.equal_tolerance, row.equal_noise, row.equal_exchanged),
            ]
            for row in rows
        ],
    )
