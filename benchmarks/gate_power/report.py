"""`report.md` of `experiment=gate_power`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colbench.compare.tables import points

from benchmarks.gate_power.record import CollectionPower, EqualPower, GatePower, VariantResult
from colbench.files import atomic_write
from colbench.report.charts.draw import picture
from colbench.report.gfm import code, table, text

_WIDTH, _ROW = 260, 18
_KINDS = {"degradation": "worse", "noise": "as good", "exchanged": "as good, exchanged"}
_RULES = {"tests": "gate's tests", "tolerance": "fixed tolerance"}


def write_picture(results: GatePower, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    told = f"share of {results.trials:,} gates that raise an alarm; runs that are worse should"
    svg, png = picture(alarms(results), "Is the gate right?", told)
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(svg)
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(png)


def alarms(results: GatePower) -> Any:
    """Return the Altair chart: a column a collection, a block a kind of run."""
    import altair

    columns = []
    for found in results.collections:
        blocks = []
        for kind, told in _KINDS.items():
            points = [
                {
                    "run": variant.about,
                    "queries": f"{detection.queries}",
                    "share": getattr(detection, rule),
                    "rule": shown,
                }
                for variant in found.variants
                if variant.kind == kind
                for detection in variant.detections
                for rule, shown in _RULES.items()
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
                .properties(width=_WIDTH, height=_ROW * max(rows, 1), title=told)
            )
            blocks.append(chart)
        columns.append(altair.vconcat(*blocks).properties(title=found.collection.name))
    return altair.hconcat(*columns)


def _sizes(results: GatePower) -> list[int]:
    every = {d.queries for c in results.collections for v in c.variants for d in v.detections}
    return sorted(every)


_PICTURE = "power"


def write_gate_power_report(results: GatePower, folder: Path) -> None:
    """Write `report.md` and the picture as SVG and PNG."""
    write_picture(results, folder / _PICTURE)
    with atomic_write(folder / "report.md") as stream:
        stream.write(render_gate_power(results, picture=f"{_PICTURE}.svg"))


def render_gate_power(results: GatePower, picture: str | None) -> str:
    """Return the report as GitHub-flavoured Markdown, with the picture where it is named."""
    parts = [
        "# Is the gate right?",
        _caption(results),
        f"![share of gates that raise an alarm]({picture})" if picture else "",
        *(part for found in results.collections for part in _collection(found, results)),
        f"Made by {code(results.command)}, {results.created}, commit "
        f"{code(results.environment.git_commit or 'unknown')}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _collection(found: CollectionPower, results: GatePower) -> list[str]:
    measure = next(iter(results.rules["measures"]))
    of = {
        kind: [variant for variant in found.variants if variant.kind == kind]
        for kind in ("noise", "degradation", "exchanged")
    }
    return [
        f"## {text(found.collection.name)}",
        f"{found.collection.docs:,} documents, {found.collection.queries:,} queries.",
        "### Power: runs that are worse",
        _variants(of["degradation"], measure),
        "### False alarms: runs that are as good",
        _variants(of["noise"], measure),
        "### False alarms: as different, and as good",
        "Each degraded run and the plain one, exchanged for a random half of the queries: rankings "
        "differ as much as above, and neither side is better.",
        _variants(of["exchanged"], measure, differences=False),
        "### At equal power",
        "Each way to judge, and the fixed tolerance that detects as many of the degradations as it "
        "does: means over the runs above.",
        _equal(found.equal_power),
    ]


def _variants(variants: Sequence[VariantResult], measure: str, *, differences: bool = True) -> str:
    sizes = [detection.queries for detection in variants[0].detections] if variants else []
    titles = ["run"]
    if differences:
        titles += [f"{measure}, points", "all queries: verdict", "queries lost"]
    titles += [f"{what}, {size}" for size in sizes for what in ("tests", "gate", "fixed")]
    if not differences:
        titles = [title for title in titles if not title.startswith("gate, ")]
    lines = []
    for variant in variants:
        line = [text(variant.about)]
        if differences:
            line += [_points(variant, measure), _verdict(variant), _lost(variant)]
        for found in variant.detections:
            shares = [found.tests, found.gate, found.tolerance]
            line += [f"{share:.1%}" for share in (shares if differences else shares[::2])]
        lines.append(line)
    return table(titles, lines)


def _points(variant: VariantResult, measure: str) -> str:
    return ", ".join(
        f"{text(system)} {points(found[measure])}" for system, found in variant.differences.items()
    )


def _verdict(variant: VariantResult) -> str:
    """Return the worst verdict of all systems and measures."""
    every = {verdict for found in variant.verdicts.values() for verdict in found.values()}
    order = ("regressed", "inconclusive", "improved", "unchanged")
    return next((verdict for verdict in order if verdict in every), "")


def _lost(variant: VariantResult) -> str:
    return ", ".join(map(str, variant.lost.values()))


def _equal(rows: Sequence[EqualPower]) -> str:
    lines = [
        [
            f"{row.queries}",
            row.rule,
            *map(_share, (row.power, row.noise, row.exchanged)),
            "" if row.equal_tolerance is None else f"{100 * row.equal_tolerance:.2f}",
            *map(_share, (row.equal_noise, row.equal_exchanged)),
        ]
        for row in rows
    ]
    titles = ["queries", "judged by", "power", "false alarms: noise", "exchanged"]
    titles += ["tolerance of equal power, points", "its false alarms: noise", "its exchanged"]
    return table(titles, lines, left=2)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
