"""Recommended policies: the shortlist, what to avoid, the rules, and what to type next."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from lrbench.metrics.objective import AnyTarget
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary, rank_key
from lrbench.report.document import Block, Column, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import (
    counted,
    heading,
    mean_and_deviation,
    number,
    seeds,
    target_text,
    unit_text,
    verdict,
)
from lrbench.report.labels import workload_label
from lrbench.report.next_commands import one_solver
from lrbench.report.significance import comparison_notes
from lrbench.report.views.database import entry_statuses, workload_title
from lrbench.report.views.provenance import cost_cells, entry_notes, origin_lines, origin_text
from lrbench.report.views.ranking_data import target_data
from lrbench.statistics.all_pairs import AllPairs, all_pairs
from lrbench.statistics.verdicts import Comparison, compare
from lrbench.tuning.database import Entry, StoredWorkload
from lrbench.tuning.recommending import Avoidance, LikeWorkload, Recommendation, RecommendedPolicy, WorkloadQuery

SCHEMA = 1
SHOWN = 5
_COST = (Column("iterations in all"), Column("seconds in all"))
_ENTRY = Column("entry", "text")


@dataclass(frozen=True)
class Commands:
    """The command that was typed, as the base of the next ones.

    Attributes:
        spec: the spec's path.
        experiment: the spec's name.
        overrides: those that go with the spec.
        solvers: the solvers of the spec, each with its parameters.
        database_option: ``--db`` with its value, or nothing; None where no command may name the database.
    """

    spec: str
    experiment: str
    overrides: tuple[str, ...] = ()
    solvers: tuple[Mapping[str, Any], ...] = ()
    database_option: tuple[str, ...] | None = ()

    def line(self, name: str, asked: WorkloadQuery, *further: str) -> str:
        """A command line for the spec with the solver that was asked about."""
        changes = [*self.overrides, *one_solver(self.experiment, asked_solver(asked), self.solvers)]
        sets = [part for change in changes for part in ("--set", change)]
        database = self.database_option or () if name == "verify" else ()
        consent = ["--program"] if asked.is_program else []
        return shlex.join(["lrbench", name, self.spec, *consent, *sets, *further, *database])

    def database(self, name: str, *further: str) -> str:
        """A command line of ``lrbench db``."""
        return shlex.join(["lrbench", "db", name, *further, *(self.database_option or ())])


def asked_solver(asked: WorkloadQuery) -> dict[str, Any]:
    """The parameters of the solver that was asked about, its factor of the rates among them unless that is 1."""
    return dict(asked.solver) | ({"lr_scale": asked.lr_scale} if asked.lr_scale != 1 else {})


def recommendation_document(found: Sequence[Recommendation], commands: Commands) -> Document:
    """The document of recommendations, one for each solver."""
    blocks = [block for each in found for block in _blocks(each, commands)]
    return Document(blocks, partial(_data, found, commands), partial(_records, found))


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


def asked_title(asked: WorkloadQuery) -> str:
    """Name the workload: ``lenet on MNIST, batch 100, 10,000 iterations, SGD``; of a program with its arguments."""
    name = workload_label(asked.net_name, asked.dataset_label, asked.batch_size, asked.iterations)
    return _with_solver(name, asked)


def _with_solver(name: str, workload: WorkloadQuery | StoredWorkload) -> str:
    if not workload.is_program:
        return f"{name}, {workload.solver_type}"
    return ", ".join([name, *(f"{key}={value}" for key, value in workload.solver.items() if key != "type")])


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
    entries = [candidate.entry for candidate in found.here]
    comparisons, tests = compared(entries, found.metric)
    columns = [
        Column("#"),
        Column("policy", "policy"),
        *_value_columns(found.target, found.metric),
        Column("vs. best", "text"),
        *_COST,
        _ENTRY,
    ]
    rows = [
        [
            str(place),
            each.policy,
            *_values(each.entry, found.target, found.metric),
            verdict(comparison),
            *cost_cells(each.entry),
            each.entry.id[:8],
        ]
        for place, (each, comparison) in enumerate(zip(shown, comparisons, strict=False), start=1)
    ]
    lead = f"1. measured on this workload: {most}, ranked by {by}"
    yield Table(
        columns,
        rows,
        (),
        f"{asked_title(found.query)}: measured",
        lead,
        (
            *(comparison_notes(tests, found.metric.unit) if tests else ()),
            *entry_notes([candidate.entry for candidate in shown]),
        ),
    )
    yield Items(list(origin_lines([candidate.entry for candidate in shown], found.query.engine)))


def compared(entries: Sequence[Entry], metric: Metric) -> tuple[list[Comparison], AllPairs | None]:
    """Compare the entries by the metric, also where they are ranked by the time to a target; with the tests of them."""
    means = [entry.spread(metric.name) for entry in entries]
    order = sorted(range(len(means)), key=lambda index: rank_key(means[index], 0, metric))
    ordered = [means[index] for index in order]
    by_index = dict(zip(order, compare(ordered), strict=True))
    return [by_index[index] for index in range(len(entries))], all_pairs(ordered)


def _value_columns(target: AnyTarget | None, metric: Metric) -> list[Column]:
    columns = [Column(heading(metric)), Column("seeds", "text")]
    return columns if target is None else [Column(f"iterations to {target_text(target)}"), *columns]


def _values(entry: Entry, target: AnyTarget | None, metric: Metric) -> list[str]:
    cells = [mean_and_deviation(entry.spread(metric.name), metric.unit), seed_text(entry)]
    return cells if target is None else [mean_and_deviation(entry.times_to(target), "iterations"), *cells]


def seed_text(entry: Entry) -> str:
    """Return the number of seeds, such as ``3``, ``one seed`` or ``3 (1 stopped)``."""
    statuses = entry_statuses(entry)
    text = seeds(Summary(None, None, sum(statuses.values()), equal_seeds=entry.equal_seeds), statuses)
    return text.replace("1", "one seed", 1) if len(entry.samples) == 1 else text


def _like(like: LikeWorkload, section: int, place: int, found: Recommendation) -> Iterator[Block]:
    target = found.target if like.by_target else None
    title = _with_solver(workload_title(like.workload), like.workload)
    by = f"{found.metric.title} there" if target is None else f"iterations to {target_text(target)} there"
    lead = (
        f"{section}. measured on a like workload, {title}: the best {len(like.candidates)} of "
        f"{counted(like.policies, 'policy', 'policies')} by {by}. How alike: {'; '.join(like.similarity.reasons)}"
    )
    rescaled = any(candidate.rescaled for candidate in like.candidates)
    measured = [Column("measured policy", "policy")] if rescaled else []
    columns = [
        Column("#"),
        Column("policy", "policy"),
        *measured,
        *_value_columns(target, found.metric),
        *_COST,
        _ENTRY,
    ]
    rows = [
        [
            str(number_),
            each.policy,
            *([each.measured if each.rescaled else "the same"] if rescaled else []),
            *_values(each.entry, target, found.metric),
            *cost_cells(each.entry),
            each.entry.id[:8],
        ]
        for number_, each in enumerate(like.candidates, start=place + 1)
    ]
    notes = (
        *([rescaling_sentence(like.workload.iterations, found.query.iterations)] if rescaled else []),
        *entry_notes([candidate.entry for candidate in like.candidates]),
    )
    yield Table(columns, rows, (), f"{asked_title(found.query)}: like workload {section}", lead, notes)
    yield Items(list(origin_lines([candidate.entry for candidate in like.candidates], found.query.engine)))


def rescaling_sentence(measured: int, wanted: int) -> str:
    """Explain how the policies of a run of another length were rescaled."""
    return (
        f"rescaled, not measured: each rate at the same part of the run, {measured:,} iterations made {wanted:,}; "
        f"lengths times {wanted / measured:.3g}, decay for each iteration to match, rates unchanged"
    )


def avoid_sentences(found: Recommendation) -> Iterator[str]:
    """Yield what to avoid and why, with the evidence; the first SHOWN of the policies."""
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
            metric = found.objective.best_metric
            best = each.entry.spread(metric.name).mean
            known = "" if best is None else f", {_with_value(metric, best)}"
            yield f"{each.policy}: {_missed(found.target, len(each.entry.samples))}{known} [{each.entry.id[:8]}]"
    if len(found.avoid) > SHOWN:
        yield f"{len(found.avoid) - SHOWN} more that diverged or missed the target: see --format json"


def _with_value(metric: Metric, value: float) -> str:
    """A metric with its value, such as ``best accuracy 98.00 %``."""
    return f"{metric.title} {number(value, metric.unit)}{unit_text(metric.unit)}"


def _missed(target: AnyTarget | None, samples: int) -> str:
    with_ = f"none of {samples} seeds" if samples > 1 else "its one seed did not"
    reached = "" if target is None else target_text(target)
    return f"{with_} reached {reached}" if samples > 1 else f"{with_} reach {reached}"


def next_commands(found: Recommendation, commands: Commands) -> list[tuple[str, str]]:
    """Return the next commands with their purposes: test the first of the shortlist, show its evidence, or measure.

    Where no command may name the database, those that use it are left out.
    """
    first = next(iter([*found.here, *(each for like in found.like for each in like.candidates)]), None)
    asked, lines, named = found.query, list[tuple[str, str]](), commands.database_option is not None
    # Another target than an accuracy is in the spec.
    target = ["--target", f"{found.target:g}"] if isinstance(found.target, int | float) else []
    if first is not None and named:
        lines.append((commands.database("show", first.entry.id[:8]), "all runs of that entry"))
    if first is not None and named and found.target is not None and not (found.here and first is found.here[0]):
        lines.append((commands.line("verify", asked, "--policy", first.policy, *target), "test it"))
    if not found.here:
        lines.append((commands.line("tune", asked), "measure: search for a policy"))
        if named:
            lines.append((commands.database("add", "results"), "then its results count"))
    return lines


def _data(found: Sequence[Recommendation], commands: Commands) -> dict[str, Any]:
    """``recommendations``, one for each solver, with ``shortlist`` (the best first), ``avoid``, ``rules``, ``next``.

    Of each policy of the shortlist ``kind`` is ``measured here`` or ``measured on a like workload``, and ``rescaled``
    says that it is not the policy that was measured. Accuracies are fractions; what is not known is null.
    """
    return {"schema": SCHEMA, "recommendations": [_recommendation(each, commands) for each in found]}


def _recommendation(found: Recommendation, commands: Commands) -> dict[str, Any]:
    limit = found.limit
    return {
        "workload": {"label": asked_title(found.query), **asdict(found.query)},
        **target_data(found.target),
        "measured_here": found.measured,
        "shortlist": _shortlist(found),
        "avoid": [_avoidance(each) for each in found.avoid],
        "avoid_sentences": list(avoid_sentences(found)),
        "largest_rate_that_trained": None
        if limit is None
        else {
            "rate": limit.trained,
            "entry": limit.trained_by.id,
            "next_rate_failed": limit.failed,
            "next_entry": None if limit.failed_by is None else limit.failed_by.id,
            "measured_on": found.limit_on,
        },
        "rules": [asdict(rule) for rule in found.rules],
        "notes": list(found.notes),
        "next": [f"{command}   # {purpose}" for command, purpose in next_commands(found, commands)],
    }


def _shortlist(found: Recommendation) -> list[dict[str, Any]]:
    shortlist = [_candidate(each, found, None) for each in found.here]
    shortlist += [_candidate(each, found, like) for like in found.like for each in like.candidates]
    return [{"place": place, **each} for place, each in enumerate(shortlist, start=1)]


def _candidate(each: RecommendedPolicy, found: Recommendation, like: LikeWorkload | None) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "kind": "measured here" if like is None else "measured on a like workload",
        "rescaled": each.rescaled,
        "measured_policy": each.measured,
        "likeness": None
        if like is None
        else {"distance": like.similarity.distance, "reasons": like.similarity.reasons},
        "evidence": _evidence(each.entry, found),
    }


def _evidence(entry: Entry, found: Recommendation) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "entry": entry.id,
        "workload": asdict(entry.workload),
        "seeds": entry.seeds,
        **{name: asdict(entry.spread(name)) for name in _shown_metrics(entry, found)},
        "diverged": sum(run.status == "diverged" for run in entry.samples),
        "cost": asdict(entry.cost),
        "origin": origin_text(entry, found.query.engine),
        "runs": [{name: getattr(run, name) for name in _RUN} for run in entry.runs],
    }
    if found.target is not None:
        steps = entry.iterations_to(found.target)
        evidence["iterations_to_target"] = [None if math.isnan(step) else step for step in steps]
        evidence["restricted_mean_iterations_to_target"] = entry.times_to(found.target).restricted_mean
        evidence["reached"] = asdict(entry.reached(found.target))
    return evidence


def _shown_metrics(entry: Entry, found: Recommendation) -> list[str]:
    accuracy = [] if entry.workload.is_program else ["best_accuracy"]
    return list(dict.fromkeys([*accuracy, found.objective.best_metric.name, found.metric.name]))


_RUN = (
    "run_id",
    "seed",
    "status",
    "reason",
    "iteration",
    "experiment",
    "run_at",
    "lrbench_version",
    "engine_version",
    "shipped",
)


def _avoidance(each: Avoidance) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "why": each.why,
        "seeds": each.count,
        "of": len(each.entry.samples),
        "measured_here": each.measured_here,
        "entry": each.entry.id,
    }


def _records(found: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """A record for each policy of the shortlists."""
    return [
        {
            "workload": asked_title(each.query),
            **{name: value for name, value in candidate.items() if name not in ("evidence", "likeness")},
            "entry": candidate["evidence"]["entry"],
        }
        for each in found
        for candidate in _shortlist(each)
    ]
