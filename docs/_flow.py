"""Draw `images/flow.svg`, the way of the data through colbench: `python docs/_flow.py`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

TARGET = Path(__file__).with_name("images") / "flow.svg"
SIZE = (980, 672)
INK, FAINT, CORE, FEATURE = "#1f2933", "#7b8794", "#e8f0fe", "#e6f4ea"


class Box(NamedTuple):
    """A folder of the package: its name, what it does in a few words, and where it is drawn."""

    name: str
    about: str
    x: int
    y: int
    fill: str = CORE
    width: int = 150

    def draw(self) -> str:
        """Return the box as SVG, 56 units high."""
        middle = self.x + self.width // 2
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="56" rx="6" '
            f'fill="{self.fill}" stroke="{INK}"/>'
            f'<text x="{middle}" y="{self.y + 24}" text-anchor="middle" font-weight="bold" '
            f'font-size="15">{self.name}</text>'
            f'<text x="{middle}" y="{self.y + 43}" text-anchor="middle" font-size="12" '
            f'fill="{INK}">{self.about}</text>'
        )


def arrow(points: list[tuple[int, int]], label: str = "", at: tuple[int, int] = (0, 0)) -> str:
    """Return an arrow along `points`, with a label at `at`."""
    path = " ".join(f"{x},{y}" for x, y in points)
    line = f'<polyline points="{path}" fill="none" stroke="{INK}" marker-end="url(#tip)"/>'
    if not label:
        return line
    x, y = at
    return line + f'<text x="{x}" y="{y}" font-size="12" text-anchor="middle">{label}</text>'


def frame(title: str, x: int, y: int, width: int, height: int, margin: int = 12) -> str:
    """Return a dashed frame around what shares a process or a kind."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="none" '
        f'stroke="{FAINT}" stroke-dasharray="5 4"/>'
        f'<text x="{x + margin}" y="{y + 20}" font-size="12" fill="{FAINT}">{title}</text>'
    )


FRAMES = [
    frame("conductor: one process", 16, 16, 948, 112),
    frame("workers: one process per encoder, then one per system", 16, 166, 948, 112),
    frame("conductor again, when every worker has ended", 16, 316, 948, 112, 560),
    frame("features: each a folder of its own, on top of the core", 16, 466, 948, 190),
]
BOXES = [
    Box("cli", "command line", 28, 50, width=94),
    Box("api", "from Python", 132, 50, width=94),
    Box("config", "checked settings", 260, 50),
    Box("experiment", "conducts the run", 500, 50),
    Box("collection", "documents, qrels", 780, 50),
    Box("encoder", "texts to vectors", 780, 200),
    Box("index", "vectors on disk", 540, 200),
    Box("retriever", "one per system", 290, 200),
    Box("run", "rankings, TREC files", 40, 200),
    Box("measures", "effectiveness, tests", 36, 350),
    Box("results", "results.json, typed", 350, 350),
    Box("report", "tables, charts, page", 680, 350),
    *(
        Box(name, about, 32 + 154 * (place % 6), 505 + 74 * (place // 6), FEATURE, 146)
        for place, (name, about) in enumerate(
            {
                "sweep": "a grid of runs",
                "reproduce": "published figures",
                "compare": "two results",
                "gate": "pass or fail",
                "explain": "tokens of a score",
                "train": "a checkpoint",
                "token_vectors": "folders of vectors",
                "mteb": "its models, files",
                "application": "texts, metadata",
                "serve": "over HTTP",
                "vespa": "an export",
                "integrations": "LangChain and others",
            }.items()
        )
    ),
]
ARROWS = [
    arrow([(226, 78), (260, 78)], "settings", (243, 44)),
    arrow([(410, 78), (500, 78)], "RunSettings", (455, 70)),
    arrow([(650, 78), (780, 78)], "loads, checks", (715, 70)),
    arrow([(855, 106), (855, 200)], "snapshot", (822, 152)),
    arrow([(780, 228), (690, 228)], "vectors", (735, 220)),
    arrow([(540, 228), (440, 228)], "searched", (490, 220)),
    arrow([(290, 228), (190, 228)], "hits", (240, 220)),
    arrow([(111, 256), (111, 350)], "TREC run", (144, 302)),
    arrow([(365, 256), (365, 350)], "latency, memory, size", (433, 302)),
    arrow([(186, 378), (350, 378)], "values per query", (268, 370)),
    arrow([(500, 378), (680, 378)], "results.json", (590, 370)),
    arrow([(425, 406), (425, 466)], "results.json", (466, 450)),
]


def drawing() -> str:
    """Return the picture as SVG."""
    width, height = SIZE
    body = "\n".join([*FRAMES, *ARROWS, *(box.draw() for box in BOXES)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, sans-serif" fill="{INK}">\n'
        "<title>How data flows through colbench</title>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>'
        f'\n<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    TARGET.write_text(drawing(), encoding="utf-8")
