"""Precision and determinism in a spec: what is refused, and what makes another run."""

from __future__ import annotations

import pytest


def test_by_default_the_precision_is_caffes_and_runs_repeat_themselves(spec):
    engine = spec.read().settings.engine
    assert (engine.precision, engine.deterministic, engine.numerics) == ("float32", True, {})


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (
            "{name: caffe, precision: bf16}",
            "engine.precision is 'bf16', which Caffe does not support; remove it, or set engine.name to torch",
        ),
        (
            "{precision: tf32}",
            "engine.precision is 'tf32', which Caffe does not support; remove it, or set engine.name to torch",
        ),
        (
            "{name: caffe, deterministic: false}",
            "engine.deterministic is false, which Caffe does not support; remove it, or set engine.name to torch",
        ),
        (
            "{name: torch, precision: tf32}",
            "engine.precision is 'tf32', which requires a GPU; set engine.device to gpu, or engine.precision to bf16",
        ),
        (
            "{name: torch, precision: fp16}",
            "engine.precision is 'fp16', but must be 'float32', 'tf32' or 'bf16'; did you mean bf16?",
        ),
        (
            "{name: torch, deterministic: 0}",
            "engine.deterministic is 0, but must be true or false; for example deterministic: false",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(spec, engine, message):
    refused = spec.changed("engine: {name: caffe}", f"engine: {engine}").refusal()
    where, found = refused.split(": ", 1)
    assert where.startswith("trial.yaml:")
    assert found == message


@pytest.mark.parametrize(
    "engine",
    [
        "{name: torch, device: gpu, precision: tf32}",
        "{name: torch, precision: bf16}",
        "{name: other, precision: bf16}",
        "{name: caffe, precision: float32, deterministic: true}",
    ],
)
def test_what_fits_is_taken(spec, engine):
    spec.changed("engine: {name: caffe}", f"engine: {engine}").read()
