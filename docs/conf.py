"""The documentation as a site, by Sphinx and MyST: `make docs` builds it to `site/`.

The pages are plain Markdown that reads on GitHub as well. What only a site needs is added here: the
navigation, and links out of `docs/`, which on a site have to lead to the repository.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

REPOSITORY = "https://github.com/colbench/colbench"
ROOT = Path(__file__).resolve().parents[1]
NAVIGATION = {
    "Use it": [
        "start",
        "python",
        "collections",
        "vectors",
        "systems",
        "outside",
        "engines",
        "rag",
        "encoding",
        "numbers",
    ],
    "Ask more of it": ["sweeps", "reproducing", "compare", "explain", "gate", "training", "mteb"],
    "In an application": ["application", "serve", "langchain", "llama-index", "haystack", "vespa"],
    "Know it": ["colbert-index", "internals", "security", "glossary"],
}

project = "colbench"
author = project_copyright = "The colbench authors"
extensions = ["myst_parser"]
exclude_patterns = ["_*.py"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "colbench"
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_sphinx = False
html_copy_source = False

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")


def complete(app: Sphinx, page: str, source: list[str]) -> None:
    """Add what only a site needs to the text of a page."""
    source[0] = _OUTSIDE.sub(lambda match: _to_repository(page, match), source[0])
    if page == app.config.root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"
            for title, pages in NAVIGATION.items()
        )


def _to_repository(page: str, match: re.Match[str]) -> str:
    """Return a link out of `docs/` as one to the repository; one to nothing is a warning."""
    text, link, anchor = match.groups()
    path = os.path.normpath(Path("docs", page).parent / link)
    if not (ROOT / path).exists():
        logging.getLogger(__name__).warning("link to %s, which does not exist", link, location=page)
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"[{text}]({REPOSITORY}/{kind}/main/{path}{anchor or ''})"


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("source-read", complete)
