"""How Sphinx makes a site of the Markdown pages in this folder; scripts/docs calls it.

The navigation is what index.md links to: each of its sections is one in the side bar, with its pages in that order. So
a page that no line of index.md names is a warning, and with that an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

project = "LRBench"
html_title = "LRBench"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
pygments_style = "default"
exclude_patterns = ["_*"]


def setup(app: Sphinx) -> None:
    """Have index.md read with a table of contents."""
    app.connect("source-read", _add_contents)


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += "".join(_tables_of_contents(source[0]))


def _tables_of_contents(index: str) -> Iterator[str]:
    """A hidden table of contents for each section that lists pages."""
    for section in index.split("\n## ")[1:]:
        pages = re.findall(r"^- \[[^]]+\]\(([^)#:]+)\.md\)", section, flags=re.MULTILINE)
        if pages:
            caption = section.partition("\n")[0]
            yield "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
