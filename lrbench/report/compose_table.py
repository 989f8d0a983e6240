"""A policy composed stage by stage, on one screen: the stages, the policy, its confirmation, and the cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lrbench.report.confirmed import confirmation_table, confirmed_json
from lrbench.report.formats import NOTHING, number
from lrbench.report.style import Style
from lrbench.report.tune_table import confirmation_cost, judged_on
from lrbench.tuning.composing import ComposeResult
from lrbench.tuning.composing.judging import Judged
from lrbench.tuning.composing.result import StageResult


def compose_text(result: ComposeResult, heading: str, target: float | None, style: Style) -> str:
    """All of it; each paragraph stands alone.

    Args:
        heading: the workload's name.
        target: the accuracy of which the confirmation says how soon it was reached.
    """
    return "\n\n".join(_sections(result, heading, target, style)) + "\n"


def _sections(result: ComposeResult, heading: str, target: float | None, style: Style) -> Iterator[str]:
    yield style.title.format(style.clean(f"{heading}: a policy composed in {len(result.stages)} stages"))
    yield style.paragraph(judged_on(result.evaluated_on, result.data))
    yield _stages(result, style)
    yield style.paragraph(compared_text(result))
    yield f"{'the composite policy' if result.composite else 'going on with one policy was best all the time'}:"
    yield style.clean(result.policy.text)
    yield style.paragraph(
        "confirmed by full runs from scratch, trained on the whole training set and judged on the "
        "test set, over seeds that the search did not use:"
    )
    yield confirmation_table(result.confirmed, target, style)
    yield style.paragraph(f"best single policy: {style.clean(result.single_from)}")
    yield style.paragraph(cost_text(result))


def _stages(result: ComposeResult, style: Style) -> str:
    head = [
        "stage",
        "iterations",
        "tried",
        "chosen policy",
        "drawn",
        f"{result.evaluated_on} accuracy %",
        "loss",
        "best of the others %",
    ]
    return style.table(head, [_cells(stage, style) for stage in result.stages], left=("drawn",))


def _cells(stage: StageResult, style: Style) -> list[str]:
    best = stage.best
    diverged = f" ({stage.diverged} diverged)" if stage.diverged else ""
    others = [one.accuracy for one in stage.ranked if one.run != best.run and one.accuracy is not None]
    compared = f" at {stage.judged_at:,}" if stage.judged_at != stage.end else ""
    return [
        str(stage.number),
        f"{stage.start:,} to {stage.end:,}",
        f"{len(stage.ranked)}{diverged}",
        style.clean(best.candidate.draw.policy.text),
        best.candidate.draw.how,
        _accuracy(best.accuracy),
        NOTHING if best.loss is None else number(best.loss, "loss"),
        _accuracy(max(others, default=None)) + (compared if others else ""),
    ]


def _accuracy(value: float | None) -> str:
    return NOTHING if value is None else number(value, "fraction")


def compared_text(result: ComposeResult) -> str:
    """By what candidates were compared, and what counts as equal."""
    error = 100 * result.judge.noise(result.stages[-1].best.accuracy or 0.0)
    images = f"{result.judge.images:,} {result.evaluated_on} images"
    text = (
        f"compared by accuracy on {images} where a stage's candidates were trained alike; those within one "
        f"standard error of the highest (sqrt(a(1-a)/n), {error:.2f} points in the end) are equal, and the lower "
        "loss decides"
    )
    if result.judge.target is None:
        return text
    return f"the sooner at {100 * result.judge.target:g} % the better; those not there yet are {text}"


def cost_text(result: ComposeResult) -> str:
    """What the search and the confirmation took."""
    cost = result.cost
    text = (
        f"cost of the search: {cost.runs} runs, {cost.iterations:,} training iterations (what a run took over from "
        f"its parent counted once) = {cost.full_runs:.1f} full runs, {cost.seconds:,.0f} s added up over the runs"
    )
    return f"{text}; {confirmation_cost(result.confirmed)}"


def compose_json(result: ComposeResult, heading: str, target: float | None) -> dict[str, Any]:
    """The same with every candidate; what is not known is null."""
    return {
        "workload": heading,
        "policy": result.policy.text,
        "composite": result.composite,
        "chosen_on": result.evaluated_on,
        "data": result.data,
        "images": result.judge.images,
        "chosen_by": "accuracy" if result.judge.target is None else "iterations_to_target",
        "target_accuracy": target,
        "stages": [_stage_json(stage) for stage in result.stages],
        "cost": asdict(result.cost),
        "best_single": {"policy": result.best_single.text, "from": result.single_from},
        "confirmed": confirmed_json(result.confirmed),
    }


def _stage_json(stage: StageResult) -> dict[str, Any]:
    return {
        "number": stage.number,
        "start": stage.start,
        "compared_at": stage.judged_at,
        "end": stage.end,
        "chosen": [_judged_json(one) for one in stage.chosen],
        "tried": [_judged_json(one) for one in stage.ranked],
    }


def _judged_json(judged: Judged) -> dict[str, Any]:
    draw = judged.candidate.draw
    return {
        "policy": judged.candidate.path.policy.text,
        "stage_policy": draw.policy.text,
        "function": draw.label,
        "drawn": draw.how,
        "accuracy": judged.accuracy,
        "loss": judged.loss,
        "iterations_to_target": judged.reached,
        "run": judged.run,
    }
