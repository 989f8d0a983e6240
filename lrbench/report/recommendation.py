"""A recommendation on one screen: the shortlist, what to avoid, the rules, and what to type next."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.metrics.registry import METRICS
from lrbench.report.database_listing import entry_statuses, workload_title
from lrbench.report.evidence import cost_cells, origin_lines
from lrbench.report.formats import heading, mean_and_deviation, number, seeds, verdict
from lrbench.report.labels import workload_name
from lrbench.report.next_commands import next_line, one_solver
from lrbench.report.statistics import Comparison, compare_with_best
from lrbench.report.style import Style
from lrbench.tuning.database import Entry
from lrbench.tuning.recommending import Asked, Candidate, LikeWorkload, Recommendation

SHOWN = 5
_BEST = METRICS["best_accuracy"]
_TEXTS = ("seeds", "against the best", "entry")
_COST = ("iterations in all", "seconds in all")
_TESTED = (
    "against the best: Welch's t-test of the best accuracies over the seeds, p corrected for the number of "
    "comparisons (Holm); worse means p < 0.05"
)


@dataclass(frozen=True)
class Commands:
    """What was typed, for the commands to type next.

    Attributes:
        spec: the spec's path.
        experiment: the spec's name.
        overrides: those that go with the spec.
        solvers: the solvers of the spec, each with its parameters.
        database_option: ``--db`` with its value, or nothing.
    """

    spec: str
    experiment: str
    overrides: tuple[str, ...] = ()
    solvers: tuple[Mapping[str, Any], ...] = ()
    database_option: tuple[str, ...] = ()

    def line(self, name: str, asked: Asked, *further: str) -> str:
        """A command line for the spec with the solver that was asked about."""
        changes = [*self.overrides, *one_solver(self.experiment, asked_solver(asked), self.solvers)]
        sets = [part for change in changes for part in ("--set", change)]
        database = self.database_option if name == "verify" else ()
        return shlex.join(["lrbench", name, self.spec, *sets, *further, *database])

    def database(self, name: str, *further: str) -> str:
        """A command line of ``lrbench db``."""
        return shlex.join(["lrbench", "db", name, *further, *self.database_option])


def asked_solver(asked: Asked) -> dict[str, Any]:
    """The parameters of the solver that was asked about, its factor of the rates among them unless that is 1."""
    return dict(asked.solver) | ({"lr_scale": asked.lr_scale} if asked.lr_scale != 1 else {})


def recommendation_text(found: Sequence[Recommendation], commands: Commands, style: Style) -> str:
    """A section for each solver; each paragraph stands alone."""
    return "\n\n".join(part for each in found for part in recommendation_sections(each, commands, style)) + "\n"


def recommendation_sections(found: Recommendation, commands: Commands, style: Style) -> Iterator[str]:
    """The parts from top to bottom, each to stand alone: tables, and sentences about them."""
    yield style.title.format(style.clean(f"{asked_title(found.asked)}: which policy?"))
    yield from (style.paragraph(style.clean(f"note: {note}")) for note in found.notes)
    yield from _here(found, style)
    place, sections = min(len(found.here), SHOWN), itertools.count(2 if found.here else 1)
    for like in found.like:
        yield from _like(like, next(sections), place, found, style)
        place += len(like.candidates)
    avoid = list(avoid_sentences(found))
    if avoid:
        yield style.lines(["avoid:", *(f"- {sentence}" for sentence in avoid)])
    rules = [
        f"- {rule.text}{f': {rule.policy} (not measured)' if rule.policy else ''} [{rule.source}]"
        for rule in found.rules
    ]
    yield style.lines([f"{next(sections)}. rules, none of them measured here:", *rules])
    # Not wrapped: a command is there to be copied.
    yield "\n".join(next_line(*line) for line in next_commands(found, commands))


def asked_title(asked: Asked) -> str:
    """Such as ``lenet on MNIST, batch 100, 10,000 iterations, SGD``."""
    name = workload_name(
        {
            "net_name": asked.net_name,
            "dataset_name": asked.dataset_label,
            "batch_size": asked.batch_size,
            "iterations": asked.iterations,
        }
    )
    return f"{name}, {asked.solver_type}"


def _here(found: Recommendation, style: Style) -> Iterator[str]:
    if not found.measured:
        yield style.paragraph("nothing was measured on this workload: what follows is carried over, not known")
        return
    if not found.here:
        return
    shown = found.here[:SHOWN]
    most = f"the best {len(shown)} of {found.measured}" if found.measured > len(shown) else f"{found.measured}"
    by = "best accuracy" if found.target is None else f"iterations to {100 * found.target:g} %"
    yield style.paragraph(f"1. measured on this workload: {most} {_policies(found.measured)}, ranked by {by}")
    comparisons = compared([candidate.entry for candidate in found.here])
    head = ["#", "policy", *_value_titles(found.target), "against the best", *_COST, "entry"]
    rows = [
        [
            str(place),
            style.clean(each.policy),
            *_values(each.entry, found.target),
            verdict(comparison),
            *cost_cells(each.entry),
            each.entry.id[:8],
        ]
        for place, (each, comparison) in enumerate(zip(shown, comparisons, strict=False), start=1)
    ]
    yield style.table(head, rows, left=_TEXTS)
    if any(comparison.p is not None for comparison in comparisons[:SHOWN]):
        yield style.paragraph(_TESTED)
    yield style.lines(origin_lines([candidate.entry for candidate in shown], found.asked.engine))


def compared(entries: Sequence[Entry]) -> list[Comparison]:
    """Each against the one with the highest mean of best accuracies, whatever they are ranked by."""
    means = [entry.best_accuracy for entry in entries]
    order = sorted(range(len(means)), key=lambda index: -(means[index].mean or 0.0))
    found = [Comparison("best"), *compare_with_best(means[order[0]], [means[index] for index in order[1:]])]
    by_index = dict(zip(order, found, strict=True))
    return [by_index[index] for index in range(len(entries))]


def _value_titles(target: float | None) -> list[str]:
    titles = [heading(_BEST), "seeds"]
    return titles if target is None else [f"iterations to {100 * target:g} %", *titles]


def _values(entry: Entry, target: float | None) -> list[str]:
    cells = [mean_and_deviation(entry.best_accuracy, "fraction"), seed_text(entry)]
    return cells if target is None else [mean_and_deviation(entry.times_to(target), "iterations"), *cells]


def seed_text(entry: Entry) -> str:
    """Such as ``3``, ``one seed`` or ``3 (1 stopped)``."""
    statuses = entry_statuses(entry)
    text = seeds(sum(statuses.values()), statuses)
    return text.replace("1", "one seed", 1) if len(entry.samples) == 1 else text


def _like(like: LikeWorkload, section: int, place: int, found: Recommendation, style: Style) -> Iterator[str]:
    target = found.target if like.by_target else None
    title = f"{workload_title(like.workload)}, {like.workload.solver_type}"
    by = "best accuracy there" if target is None else f"iterations to {100 * target:g} % there"
    yield style.paragraph(
        style.clean(
            f"{section}. measured on a like workload, {title}: the best {len(like.candidates)} of {like.policies} "
            f"{_policies(like.policies)} by {by}. How alike: {'; '.join(like.likeness.reasons)}"
        )
    )
    rescaled = any(candidate.rescaled for candidate in like.candidates)
    head = ["#", "policy", *(["measured policy"] if rescaled else []), *_value_titles(target), *_COST, "entry"]
    rows = [
        [
            str(number_),
            style.clean(each.policy),
            *_measured(each, style, rescaled=rescaled),
            *_values(each.entry, target),
            *cost_cells(each.entry),
            each.entry.id[:8],
        ]
        for number_, each in enumerate(like.candidates, start=place + 1)
    ]
    yield style.table(head, rows, left=_TEXTS)
    if rescaled:
        yield style.paragraph(rescaling_sentence(like.workload.iterations, found.asked.iterations))
    yield style.lines(origin_lines([candidate.entry for candidate in like.candidates], found.asked.engine))


def _measured(candidate: Candidate, style: Style, *, rescaled: bool) -> list[str]:
    if not rescaled:
        return []
    return [style.clean(candidate.measured) if candidate.rescaled else "the same"]


def rescaling_sentence(measured: int, wanted: int) -> str:
    """What was done to the lengths."""
    return (
        f"rescaled, not measured: each rate at the same part of the run, {measured:,} iterations made {wanted:,}; "
        f"lengths times {wanted / measured:.3g}, decay for each iteration to match, rates unchanged"
    )


def avoid_sentences(found: Recommendation) -> Iterator[str]:
    """What to avoid and why, each with its evidence; the first SHOWN of the policies."""
    limit, where = found.limit, f" (on a like workload: {found.limit_on})" if found.limit_on else ""
    if limit is not None and limit.failed_by is not None and limit.failed is not None:
        yield (
            f"rates above {limit.trained:.3g}: the largest that trained, with {limit.trained_by.policy} "
            f"[{limit.trained_by.id[:8]}], while {limit.failed:g} did not, with {limit.failed_by.policy} "
            f"[{limit.failed_by.id[:8]}]{where}"
        )
    elif limit is not None:
        yield (
            f"rates far above {limit.trained:.3g} without a test: no larger one was tried than that of "
            f"{limit.trained_by.policy} [{limit.trained_by.id[:8]}], which trained{where}"
        )
    for each in found.avoid[:SHOWN]:
        of = f"{each.count} of {len(each.entry.samples)} seeds" if len(each.entry.samples) > 1 else "its one seed"
        there = "" if each.measured_here else f" on {workload_title(each.entry.workload)}"
        if each.why == "diverged":
            yield f"{each.policy}: diverged with {of}{there} [{each.entry.id[:8]}]"
        else:
            best = each.entry.best_accuracy.mean
            known = "" if best is None else f", best accuracy {number(best, 'fraction')} %"
            yield f"{each.policy}: {_missed(found.target, len(each.entry.samples))}{known} [{each.entry.id[:8]}]"
    if len(found.avoid) > SHOWN:
        yield f"{len(found.avoid) - SHOWN} more that diverged or missed the target: see --format json"


def _missed(target: float | None, samples: int) -> str:
    with_ = f"none of {samples} seeds" if samples > 1 else "its one seed did not"
    reached = f"{100 * (target or 0):g} %"
    return f"{with_} reached {reached}" if samples > 1 else f"{with_} reach {reached}"


def next_commands(found: Recommendation, commands: Commands) -> list[tuple[str, str]]:
    """What to type, and why: to test the first of the shortlist, to look at its evidence, or to measure at all."""
    first = next(iter([*found.here, *(each for like in found.like for each in like.candidates)]), None)
    asked, lines = found.asked, list[tuple[str, str]]()
    target = [] if found.target is None else ["--target", f"{found.target:g}"]
    if first is not None:
        lines.append((commands.database("show", first.entry.id[:8]), "all runs of that entry"))
    if first is not None and target and not (found.here and first is found.here[0]):
        lines.append((commands.line("verify", asked, "--policy", first.policy, *target), "test it"))
    if not found.here:
        lines.append((commands.line("tune", asked), "measure: search for a policy"))
        lines.append((commands.database("add", "results"), "then its results count"))
    return lines


def _policies(count: int) -> str:
    return "policy" if count == 1 else "policies"
