"""Finished runs trained on: the proposals, the results before, and the ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lrbench.report.build import Report
from lrbench.report.document import Block, Document, Heading, Items, Paragraph
from lrbench.report.formats import mean_and_deviation
from lrbench.report.views.ranking import ranking_document
from lrbench.report.views.ranking_data import ranking_data


def extend_document(before: Report, after: Report, proposals: Mapping[str, str]) -> Document:
    """The document of extensions.

    Args:
        before: the runs that were extended; ``after`` the runs that extend them.
        proposals: what each policy of ``after`` does, by its text.
    """
    ranking = ranking_document(after)
    blocks: list[Block] = [
        Heading("how to go on"),
        Items([f"{what}: {policy}" for policy, what in proposals.items()]),
        *(Paragraph(sentence) for sentence in _before(before)),
        *ranking.blocks,
    ]
    return Document(
        blocks,
        lambda: {"proposals": dict(proposals), "before": ranking_data(before), "after": ranking_data(after)},
        ranking.records,
    )


def _before(report: Report) -> Iterator[str]:
    for workload in report.workloads:
        metric = workload.metric
        for row in workload.policies:
            value = mean_and_deviation(row.summaries[metric.name], metric.unit)
            iterations = max(run.iteration for run in row.runs)
            yield f"before: {row.policy} at iteration {iterations:,}: {metric.title} {value}"
