"""Mutated inputs of every kind are accepted or refused in one line; the same inputs each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fuzz.fuzzing import LEAST_ACCEPTED, Outcome, feed
from fuzz.targets import TARGETS, Target

from lrbench.errors import EngineFailed, UsageError

INPUTS = 30
SECONDS = 60


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutated_inputs_are_accepted_or_refused_in_one_line(target: Target, tmp_path: Path) -> None:
    outcome, rng = Outcome(), random.Random(target.name)
    for _ in range(INPUTS):
        feed(target, tmp_path, rng, outcome, SECONDS)
    assert not outcome.findings
    assert outcome.share >= LEAST_ACCEPTED


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_mutated_is_valid(target: Target, tmp_path: Path) -> None:
    for seed in target.seeds():
        target.read(seed, tmp_path)


FAILURES: dict[str, Callable[[], object]] = {
    "IndexError": lambda: [][1],
    "TooSlow": lambda: [None for _ in iter(int, 1)],
    "MemoryError": lambda: bytes(1 << 40),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_a_slow_input_and_a_large_one_are_found(kind: str, tmp_path: Path) -> None:
    outcome = Outcome()
    target = Target(kind, lambda: ("x",), lambda rng, text: text, lambda given, folder: FAILURES[kind]())
    feed(target, tmp_path, random.Random(), outcome, seconds=1)
    assert [found.split()[0] for found in outcome.findings] == [kind]
    assert (outcome.inputs, outcome.accepted) == (1, 0)


def test_a_refusal_of_more_than_a_line_is_found(tmp_path: Path) -> None:
    outcome = Outcome()

    def refuse(given: str, _folder: Path) -> None:
        raise {"usage": UsageError("is bad"), "failed": EngineFailed("died")}[given]

    for given in ("usage", "failed"):
        feed(
            Target("refused", partial(tuple, [given]), lambda rng, text: text, refuse),
            tmp_path,
            random.Random(),
            outcome,
            seconds=1,
        )
    assert list(outcome.findings) == ["not one line"]
    assert outcome.findings["not one line"] == ("failed", "exit code 1: died")
