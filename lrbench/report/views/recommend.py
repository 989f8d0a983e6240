"""Recommended policies: the shortlist, what to avoid, the rules, and what to type next."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from lrbench.metrics.objective import AnyTarget
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary, rank_key
from lrbench.report.document import Block, Column, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import counted, heading, known_number, mean_and_deviation, seeds, target_text, verdict
from lrbench.report.significance import comparison_notes
from lrbench.report.views.database import entry_statuses, workload_title
from lrbench.report.views.provenance import entry_notes, origin_lines
from lrbench.report.views.recommend_data import recommendation_data, recommendation_records
from lrbench.report.views.recommend_text import (
    SHOWN,
    Commands,
    asked_title,
    avoid_sentences,
    next_commands,
    rescaling_sentence,
    with_solver,
)
from lrbench.statistics.all_pairs import AllPairs, all_pairs
from lrbench.statistics.verdicts import Comparison, compare
from lrbench.tuning.database.entry import Entry
from lrbench.tuning.recommending.recommend import LikeWorkload, Recommendation, RecommendedPolicy


def recommendation_document(found: Sequence[Recommendation], commands: Commands) -> Document:
    """The document of recommendations, one for each solver."""
    blocks = [block for each in found for block in _blocks(each, commands)]
    return Document(blocks, partial(recommendation_data, found, commands), partial(recommendation_records, found))


def _blocks(found: Recommendation, commands: Commands) -> Iterator[Block]:
    yield Heading(f"{asked_title(found.query)}: which policy?")
    yield from (Paragraph(f"note: {note}") for note in found.notes)
    yield from _here(found)
    place, sections = min(len(found.here), SHOWN), itertools.count(2 if found.here else 1)
    for like in found.like:
        yield from _like(like, next(sections), place, found)
        place += len(like.candidates)
    avoid = list(avoid_sentences(found))
    if avoid:
        yield Items(avoid, "avoid:", bullets=True)
    rules = [
        f"{rule.text}{f': {rule.policy} (not measured)' if rule.policy else ''} [{rule.source}]" for rule in found.rules
    ]
    yield Items(rules, f"{next(sections)}. rules, none of them measured here:", bullets=True)
    yield from (Command(*line) for line in next_commands(found, commands))


def _here(found: Recommendation) -> Iterator[Block]:
    if not found.measured:
        yield Paragraph("nothing was measured on this workload: what follows is carried over, not known")
        return
    if not found.here:
        return
    shown = found.here[:SHOWN]
    policies = counted(found.measured, "policy", "policies")
    most = f"the best {len(shown)} of {policies}" if found.measured > len(shown) else policies
    by = found.metric.title if found.target is None else f"iterations to {target_text(found.target)}"
    comparisons, tests = compared([candidate.entry for candidate in found.here], found.metric)
    columns = _columns(shown, 1, found.target, found.metric)
    columns.insert(-3, (Column("vs. best", "text"), map(verdict, comparisons[: len(shown)])))
    notes = tuple(comparison_notes(tests, found.metric.unit)) if tests else ()
    lead = f"1. measured on this workload: {most}, ranked by {by}"
    yield from _shortlist(found, shown, columns, "measured", lead, notes)


def compared(entries: Sequence[Entry], metric: Metric) -> tuple[list[Comparison], AllPairs | None]:
    """Compare the entries by the metric, also where they are ranked by the time to a target; with the tests of them."""
    means = [entry.spread(metric.name) for entry in entries]
    order = sorted(range(len(means)), key=lambda index: rank_key(means[index], 0, metric))
    ordered = [means[index] for index in order]
    by_index = dict(zip(order, compare(ordered), strict=True))
    return [by_index[index] for index in range(len(entries))], all_pairs(ordered)


def seed_text(entry: Entry) -> str:
    """Return the number of seeds, such as ``3``, ``one seed`` or ``3 (1 stopped)``."""
    statuses = entry_statuses(entry)
    text = seeds(Summary(None, None, sum(statuses.values()), equal_seeds=entry.equal_seeds), statuses)
    return text.replace("1", "one seed", 1) if len(entry.samples) == 1 else text


def _like(like: LikeWorkload, section: int, place: int, found: Recommendation) -> Iterator[Block]:
    target = found.target if like.by_target else None
    title = with_solver(workload_title(like.workload), like.workload)
    by = f"{found.metric.title} there" if target is None else f"iterations to {target_text(target)} there"
    lead = (
        f"{section}. measured on a like workload, {title}: the best {len(like.candidates)} of "
        f"{counted(like.policies, 'policy', 'policies')} by {by}. How alike: {'; '.join(like.similarity.reasons)}"
    )
    columns, notes = _columns(like.candidates, place + 1, target, found.metric), tuple[str, ...]()
    if any(candidate.rescaled for candidate in like.candidates):
        measured = [each.measured if each.rescaled else "the same" for each in like.candidates]
        columns.insert(2, (Column("measured policy", "policy"), measured))
        notes = (rescaling_sentence(like.workload.iterations, found.query.iterations),)
    yield from _shortlist(found, like.candidates, columns, f"like workload {section}", lead, notes)


_Values = tuple[Column, Iterable[str]]
"""A column with its cells."""


def _columns(
    candidates: Sequence[RecommendedPolicy], place: int, target: AnyTarget | None, metric: Metric
) -> list[_Values]:
    """Return the columns of candidates, numbered from ``place`` on; the last three are the cost and the entry."""
    entries = [each.entry for each in candidates]
    columns: list[_Values] = [
        (Column("#"), map(str, itertools.count(place))),
        (Column("policy", "policy"), [each.policy for each in candidates]),
    ]
    if target is not None:
        times = [mean_and_deviation(entry.times_to(target), "iterations") for entry in entries]
        columns.append((Column(f"iterations to {target_text(target)}"), times))
    return [
        *columns,
        (Column(heading(metric)), [mean_and_deviation(entry.spread(metric.name), metric.unit) for entry in entries]),
        (Column("seeds", "text"), map(seed_text, entries)),
        (Column("iterations in all"), [f"{entry.cost.iterations:,}" for entry in entries]),
        (Column("seconds in all"), [known_number(entry.cost.train_seconds, "seconds") for entry in entries]),
        (Column("entry", "text"), [entry.id[:8] for entry in entries]),
    ]


def _shortlist(
    found: Recommendation,
    candidates: Sequence[RecommendedPolicy],
    columns: Sequence[_Values],
    key: str,
    lead: str,
    notes: Sequence[str],
) -> Iterator[Block]:
    """Yield the table of candidates, and the origin of their runs."""
    entries = [each.entry for each in candidates]
    rows = list(zip(*(cells for _, cells in columns), strict=False))  # the numbers go on
    titles, notes = [title for title, _ in columns], (*notes, *entry_notes(entries))
    yield Table(titles, rows, (), f"{asked_title(found.query)}: {key}", lead, notes)
    yield Items(list(origin_lines(entries, found.query.engine)))
