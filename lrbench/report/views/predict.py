"""Predictions: policies that were not trained, ranked, with intervals, and what the laws were fitted to."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from lrbench.predicting.experiment import PredictResult
from lrbench.predicting.predictor import Prediction
from lrbench.report.document import Block, Column, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import NOTHING, counted, number

TO_TRAIN = 3


@dataclass(frozen=True)
class TrainCommand:
    """The spec and options that the command to train the best predicted policies repeats."""

    spec: str
    overrides: tuple[str, ...] = ()

    def text(self, policies: list[str]) -> str:
        """The command that trains these policies."""
        quoted = ", ".join(f'"{policy}"' for policy in policies)
        changes = [part for override in self.overrides for part in ("--set", override)]
        return shlex.join(["lrbench", "run", self.spec, *changes, "--set", f"policies=[{quoted}]"])


def predict_document(result: PredictResult, command: TrainCommand) -> Document:
    """The document of predictions."""
    return Document(list(_blocks(result, command)), partial(_data, result), lambda: list(map(_record, ordered(result))))


def ordered(result: PredictResult) -> list[Prediction]:
    """The predictions, the best rank first and the refused ones last."""
    return sorted(result.predictions, key=lambda one: (one.rank is None, one.rank or 0))


def _blocks(result: PredictResult, command: TrainCommand) -> Iterator[Block]:
    predicted = [one for one in ordered(result) if one.refused is None]
    refused = [one for one in ordered(result) if one.refused is not None]
    metric = result.loss.replace("_", " ")
    yield Heading(f"{result.name}: predicted final {metric}")
    yield _fitted(result)
    yield Paragraph(fit_text(result))
    if predicted:
        yield _table(predicted, result)
    if refused:
        yield Items(
            [f"{one.schedule.name}: {one.refused}" for one in refused], "nothing is predicted for:", bullets=True
        )
    if result.measured:
        yield Paragraph(f"already run, and not predicted: {', '.join(result.measured)}")
    if predicted:
        best = [one.schedule.name for one in predicted[:TO_TRAIN]]
        yield Paragraph("a prediction is no measurement: train the best predicted policies before choosing one")
        yield Command(command.text(best), "train the policies that rank first")


def _fitted(result: PredictResult) -> Table:
    columns = [Column("policy", "policy"), Column("iterations"), Column(f"final {result.loss.replace('_', ' ')}")]
    rows = [
        [curve.name, f"{curve.schedule.length:,}", number(curve.target, "loss")] for curve in result.predictor.curves
    ]
    caption = f"{result.name}: the fitted curves"
    return Table(columns, rows, (caption,), caption, "fitted to the curves of:")


def fit_text(result: PredictResult) -> str:
    """The fit of the law, and its consequence for the predictions."""
    fit = result.predictor
    curves = counted(len(fit.curves), "curve", "curves")
    text = (
        f"the law fits the {curves} within {fit.rms:.2%} rms, and predicts each of them from the others within "
        f"{fit.left_out:.2%} in the median"
    )
    if fit.ranks_only:
        return f"{text}; above 2 % rms its losses mean nothing, so that only ranks are given"
    return text


def _table(predicted: list[Prediction], result: PredictResult) -> Table:
    caption = f"{result.name}: predictions"
    if result.predictor.ranks_only:
        rows = [[str(one.rank), one.schedule.name] for one in predicted]
        return Table([Column("#"), Column("policy", "policy")], rows, (caption,), caption, "predicted order:")
    columns = [Column("#"), Column("policy", "policy"), Column("predicted"), Column("90 % interval"), Column("naive")]
    rows = [[str(one.rank), one.schedule.name, *_values(one)] for one in predicted]
    notes = (
        "ranked by the mean of the law and the convex bound, which orders schedules better than either; naive: a power "
        "law in iterations through the run that is not annealed, minus the mean drop of the annealed ones",
    )
    return Table(columns, rows, (caption,), caption, "predicted, for policies that were not run:", notes)


def _values(one: Prediction) -> list[str]:
    assert one.loss is not None
    assert one.half_width is not None
    interval = f"{number(one.loss - one.half_width, 'loss')} to {number(one.loss + one.half_width, 'loss')}"
    naive = NOTHING if one.naive is None else number(one.naive, "loss")
    return [number(one.loss, "loss"), interval, naive]


def _record(one: Prediction) -> dict[str, Any]:
    half = one.half_width
    low, high = (None, None) if one.loss is None or half is None else (one.loss - half, one.loss + half)
    return {
        "policy": one.schedule.name,
        "rank": one.rank,
        "predicted": one.loss,
        "low": low,
        "high": high,
        "naive": one.naive,
        "refused": one.refused,
    }


def _data(result: PredictResult) -> dict[str, Any]:
    fit = result.predictor
    return {
        "name": result.name,
        "metric": result.loss,
        "ranks_only": fit.ranks_only,
        "rms": fit.rms,
        "left_out": fit.left_out,
        "fitted": [
            {"policy": curve.name, "iterations": curve.schedule.length, "final": curve.target} for curve in fit.curves
        ],
        "laws": [
            {
                "law": law.law.name,
                "shape": dict(zip([shape.name for shape in law.law.shapes], law.values.tolist(), strict=True)),
                "coefficients": law.coefficients.tolist(),
                "rms": law.rms,
            }
            for law in fit.laws
        ],
        "predictions": list(map(_record, ordered(result))),
        "measured": list(result.measured),
    }
