"""A policy composed stage by stage: the stages, the policy, its confirmation, and the cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lrbench.metrics.objective import AnyTarget, Objective
from lrbench.report.document import Block, Code, Column, Document, Heading, Paragraph, Table
from lrbench.report.formats import counted, known_number, objective_heading, target_text, unit_text
from lrbench.report.views.answer import RunCommand, answer_blocks, answer_data, confirmed_answer
from lrbench.report.views.confirmation import (
    baseline_text,
    confirmation_cost,
    confirmation_table,
    confirmed_data,
    judged_on,
    range_cost,
    trained_on,
)
from lrbench.report.views.ranking_data import target_data
from lrbench.tuning.composing.selection import CandidateScore, ComposeResult, StageResult


def compose_document(
    result: ComposeResult, workload: str, target: AnyTarget | None, run: RunCommand | None = None
) -> Document:
    """The document of a composition.

    Args:
        workload: its name.
        target: the target of which the confirmation says how soon it was reached.
        run: makes the command that trains with a policy, where there is a spec to name.
    """
    answer = confirmed_answer(result.confirmed, result.ranker.target is not None)
    iterations = result.confirmed[0].budget
    return Document(
        [*_blocks(result, workload, target), *answer_blocks(answer, iterations, run)],
        lambda: {**_data(result, workload, target), "answer": answer_data(answer, iterations, run)},
        lambda: [
            {"stage": stage.number, "chosen": one in stage.chosen, **_candidate(one, result.ranker.objective)}
            for stage in result.stages
            for one in stage.ranked
        ],
    )


def _blocks(result: ComposeResult, workload: str, target: AnyTarget | None) -> Iterator[Block]:
    yield Heading(f"{workload}: a policy composed in {counted(len(result.stages), 'stage', 'stages')}")
    yield Paragraph(judged_on(result.evaluated_on, result.data))
    yield from map(Paragraph, result.declared)
    yield _stages(result, workload)
    yield Paragraph(compared_text(result))
    yield Paragraph(
        f"{'the composite policy' if result.composite else 'going on with one policy was best all the time'}:"
    )
    yield Code(result.policy.text)
    yield confirmation_table(
        result.confirmed,
        target,
        f"{workload}: confirmation",
        f"confirmed by full runs from scratch, {trained_on(result.data)}, over seeds that the search did not use:",
    )
    yield Paragraph(f"best single policy: {result.single_from}")
    if result.baseline_reason:
        yield Paragraph(baseline_text(result.baseline_reason))
    yield Paragraph(cost_text(result))


def _stages(result: ComposeResult, workload: str) -> Table:
    objective, losses = result.ranker.objective, has_losses(result)
    columns = [
        Column("stage"),
        Column("iterations"),
        Column("tried"),
        Column("chosen policy", "policy"),
        Column("drawn", "text"),
        Column(f"{result.evaluated_on} {objective_heading(objective)}"),
        *([Column("loss")] if losses else []),
        Column(f"best of the others{unit_text(objective.unit)}"),
    ]
    caption = f"{workload}: the stages of the composition"
    return Table(columns, [_cells(stage, objective, losses) for stage in result.stages], (caption,), caption)


def has_losses(result: ComposeResult) -> bool:
    """Whether a test loss is known beside the objective."""
    known = (one.loss for stage in result.stages for one in stage.ranked if one.loss is not None)
    return result.ranker.objective.column != "test_loss" and any(map(math.isfinite, known))


def _cells(stage: StageResult, objective: Objective, losses: bool) -> list[str]:
    best = stage.best
    diverged = f" ({stage.diverged} diverged)" if stage.diverged else ""
    others = [one.accuracy for one in stage.ranked if one.run != best.run and one.accuracy is not None]
    compared = f" at {stage.judged_at:,}" if stage.judged_at != stage.end else ""
    return [
        str(stage.number),
        f"{stage.start:,} to {stage.end:,}",
        f"{len(stage.ranked)}{diverged}",
        best.candidate.proposal.policy.text,
        best.candidate.proposal.how,
        known_number(best.accuracy, objective.unit),
        *([known_number(best.loss, "loss")] if losses else []),
        known_number(max(others, key=objective.order, default=None), objective.unit) + (compared if others else ""),
    ]


def compared_text(result: ComposeResult) -> str:
    """By what candidates were compared, and what counts as equal."""
    objective = result.ranker.objective
    error = 100 * result.ranker.noise(result.stages[-1].best.accuracy or 0.0)
    count = result.ranker.images
    data = f"its {result.evaluated_on} data" if count is None else f"{count:,} {result.evaluated_on} images"
    text = f"compared by {objective.title} on {data} where a stage's candidates were trained alike"
    if objective.is_accuracy and count is not None:
        text += (
            f"; those within one standard error of the highest (sqrt(a(1-a)/n), {error:.2f} points in the end) are "
            "equal, and the lower loss decides"
        )
    if result.ranker.target is None:
        return text
    return f"the sooner at {target_text(result.ranker.target)} the better; those not there yet are {text}"


def cost_text(result: ComposeResult) -> str:
    """Return the cost of the search and the confirmation."""
    cost = result.cost
    text = (
        f"cost of the search: {counted(cost.runs, 'run', 'runs')}, {cost.iterations:,} training iterations (what a run "
        f"took over from its parent counted once) = {cost.full_runs:.1f} full runs, "
        f"{cost.seconds:,.0f} s added up over the runs"
    )
    if result.range_cost is not None:
        text += f"; {range_cost(result.range_cost)}"
    return f"{text}; {confirmation_cost(result.confirmed)}"


def _data(result: ComposeResult, workload: str, target: AnyTarget | None) -> dict[str, Any]:
    """The composition with every candidate."""
    return {
        "workload": workload,
        "policy": result.policy.text,
        "composite": result.composite,
        "chosen_on": result.evaluated_on,
        "data": result.data,
        "notes": list(result.declared),
        "images": result.ranker.images,
        "chosen_by": result.ranker.objective.metric if result.ranker.target is None else "iterations_to_target",
        **target_data(target),
        "stages": [_stage_data(stage, result.ranker.objective) for stage in result.stages],
        "cost": asdict(result.cost),
        "range_test_cost": None if result.range_cost is None else asdict(result.range_cost),
        "baselines_are": result.baseline_reason or None,
        "best_single": {"policy": result.best_single.text, "from": result.single_from},
        "confirmed": confirmed_data(result.confirmed),
    }


def _stage_data(stage: StageResult, objective: Objective) -> dict[str, Any]:
    return {
        "number": stage.number,
        "start": stage.start,
        "compared_at": stage.judged_at,
        "end": stage.end,
        "chosen": [_candidate(one, objective) for one in stage.chosen],
        "tried": [_candidate(one, objective) for one in stage.ranked],
    }


def _candidate(judged: CandidateScore, objective: Objective) -> dict[str, Any]:
    draw = judged.candidate.proposal
    return {
        "policy": judged.candidate.path.policy.text,
        "stage_policy": draw.policy.text,
        "function": draw.label,
        "drawn": draw.how,
        objective.metric: judged.accuracy,
        "loss": judged.loss,
        "iterations_to_target": judged.reached,
        "run": judged.run,
    }
