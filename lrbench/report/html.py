"""Tables as HTML, for a notebook: what stands in a terminal, without colours and scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from lrbench.report.recommendation import Commands, recommendation_sections
from lrbench.report.style import Style
from lrbench.report.untrusted import plain
from lrbench.tuning.recommending import Recommendation


class _Markup(str):
    """Text that is HTML already; all other text is escaped."""

    __slots__ = ()


@dataclass(frozen=True)
class _HtmlStyle(Style):
    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[str] = ()) -> str:
        return _Markup(tabulate(rows, head, "html", disable_numparse=True, colalign=self.alignment(head, left)))


_STYLE = _HtmlStyle("html", plain, None, "{}")


def recommendation_html(found: Sequence[Recommendation], commands: Commands) -> str:
    """What ``lrbench recommend`` shows."""
    return _document(part for each in found for part in recommendation_sections(each, commands, _STYLE))


def _document(sections: Iterable[str]) -> str:
    return "\n".join(section if isinstance(section, _Markup) else _paragraph(section) for section in sections)


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(html.escape(line) for line in text.splitlines())}</p>"
