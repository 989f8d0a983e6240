"""Rankings and comparisons in each format, as text."""

from __future__ import annotations

from functools import partial

from lrbench.report.build import Report
from lrbench.report.comparison.table import Comparison
from lrbench.report.render import WIDTH, render
from lrbench.report.views.comparison import comparison_document
from lrbench.report.views.ranking import ranking_document


def ranking(report: Report, width: int = WIDTH, *, form: str) -> str:
    """The ranking of a report in a format."""
    return render(ranking_document(report), form, width).decode()


terminal_report = partial(ranking, form="text")
markdown_report = partial(ranking, form="markdown")
latex_report = partial(ranking, form="latex")
html_report = partial(ranking, form="html")
json_report = partial(ranking, form="json")
csv_report = partial(ranking, form="csv")


def comparison(found: Comparison, width: int = WIDTH, *, form: str) -> str:
    """A comparison in a format."""
    return render(comparison_document(found), form, width).decode()


terminal_comparison = partial(comparison, form="text")
markdown_comparison = partial(comparison, form="markdown")
latex_comparison = partial(comparison, form="latex")
json_comparison = partial(comparison, form="json")
csv_comparison = partial(comparison, form="csv")
