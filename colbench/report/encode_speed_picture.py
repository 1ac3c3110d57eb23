"""Speed of each variant as a bar beside the yardstick, with what it costs: SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.compare.tables import points
from colbench.files import atomic_write
from colbench.report.charts.draw import picture
from colbench.results.encode_speed import EncodeSpeed, FormResult

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
