"""A first spec for a user's own program, from what a short run of it shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lrbench.errors import PolicyError, plain
from lrbench.metrics.objective import known_goal
from lrbench.policies import Policy, parse_policy
from lrbench.spec.program import RESERVED
from lrbench.spec.starter_spec import (
    EPOCHS,
    FEWEST_ITERATIONS,
    ITERATIONS,
    quoted,
    rounded,
    spec_name,
    suggested_interval,
    with_aligned_comments,
)

USUAL_RATE = 0.001
"""Learning rate of AdamW, for a program that does not tell its own."""
TRIALS = 20


@dataclass(frozen=True)
class ProgramFacts:
    """Properties of a program that a few of its iterations show.

    Attributes:
        metrics: names of the metrics that it reports; with the outputs for each sample ``accuracy`` is among them.
        arguments: its arguments with their defaults, as far as a spec can hold them.
        policy, iterations, evaluate_every: what a script uses that runs by itself; None where it does not say.
        epoch_iterations: iterations in an epoch; None where that is not known.
        own_rate: initial rate of its own optimizer; None where that is not known.
        iteration_seconds: time of the second iteration; ``evaluation_seconds`` that of an evaluation.
        not_resumable: why a run that is cut off starts over; None where it resumes.
    """

    metrics: tuple[str, ...]
    arguments: Mapping[str, Any]
    policy: str | None
    iterations: int | None
    evaluate_every: int | None
    epoch_iterations: int | None
    own_rate: float | None
    iteration_seconds: float
    evaluation_seconds: float
    not_resumable: str | None

    @property
    def objective(self) -> str:
        """Metric to judge policies by: the accuracy, else the test loss, else the first whose goal is known."""
        for name in ("accuracy", "test_loss", *filter(known_goal, self.metrics)):
            if name in self.metrics:
                return name
        return self.metrics[0]

    def length(self) -> int:
        """Iterations of a run: the program's own number, else ten epochs, else a usual one."""
        if self.iterations is not None and self.iterations >= 1:
            return self.iterations
        if self.epoch_iterations is None:
            return ITERATIONS
        return max(FEWEST_ITERATIONS, rounded(EPOCHS * self.epoch_iterations))


_TEMPLATE = """\
# Written by `lrbench init` after two iterations and one evaluation. All keys: docs/reference/spec.md of LRBench.
# Speed: {speed} iterations a second, {evaluation:.2g} s an evaluation; a run would take about {duration}.
# A run that is cut off {resumes}.
name: {name}  # also of the folder under results/

workload:
  program: {program}
{function}{arguments}  iterations: {iterations}  # updates of the optimizer per run{length}
  evaluate_every: {evaluate_every}  # iterations between two evaluations

# The program reports {metrics}.
objective:
  metric: {objective}
{goal}  at: final  # or best

seeds: 3  # every policy is trained with 0, 1 and 2, to show the spread

policies:
{policies}
search:  # for `lrbench tune`
  rates: [{low:g}, {high:g}]
  trials: {trials}
  baselines: ["{baseline}"]
"""


def program_starter_text(facts: ProgramFacts, name: str, program: str, function: str | None) -> str:
    """Return the spec as YAML, with comments.

    Args:
        name: name of the experiment; characters that a name cannot contain become ``_``.
        program: path of the program, from the spec's folder.
    """
    iterations = facts.length()
    every = min(facts.evaluate_every or suggested_interval(iterations), iterations)
    evaluations = -(-iterations // every)
    seconds = iterations * facts.iteration_seconds + evaluations * facts.evaluation_seconds
    speed = 1 / max(facts.iteration_seconds, 1e-9)
    rate, policies = _rate(facts, iterations), dict(_policies(facts, iterations))
    goal = known_goal(facts.objective)
    text = _TEMPLATE.format(
        speed=f"{speed:.0f}" if speed >= 100 else f"{speed:.3g}",
        evaluation=facts.evaluation_seconds,
        duration=timedelta(seconds=math.ceil(seconds)),
        resumes=plain(f"starts over: {facts.not_resumable}") if facts.not_resumable else "resumes",
        name=spec_name(name),
        program=quoted(program),
        function="" if function is None else f"  function: {function}\n",
        arguments=_arguments(facts.arguments),
        iterations=iterations,
        length="" if facts.iterations == iterations else ", which the program does not say",
        evaluate_every=every,
        metrics=plain(", ".join(facts.metrics)),
        objective=facts.objective,
        goal=f"  goal: {goal}\n"
        if goal
        else "  # goal: maximize  # or minimize, which the metric's name does not tell\n",
        policies="".join(f"  - {policy}{comment}\n" for policy, comment in policies.items()),
        low=rate / 10,
        high=rate * 10,
        trials=TRIALS,
        baseline=next(iter(policies)),
    )
    return with_aligned_comments(text)


def _arguments(arguments: Mapping[str, Any]) -> str:
    arguments = {name: value for name, value in arguments.items() if name not in RESERVED}
    if not arguments:
        return ""
    values = "".join(f"    {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in arguments.items())
    return f"  arguments:  # a list in place of a value trains with each\n{values}"


def _rate(facts: ProgramFacts, iterations: int) -> float:
    """The program's own rate: the highest of its policy, else that of its optimizer, else a usual one."""
    policy = _own_policy(facts, iterations)
    highest = 0.0 if policy is None or policy.closed_loop else float(max(policy.schedule(iterations)))
    return highest or facts.own_rate or USUAL_RATE


def _own_policy(facts: ProgramFacts, iterations: int) -> Policy | None:
    return None if facts.policy is None else _fitting(facts.policy, iterations)


def _fitting(text: str, iterations: int) -> Policy | None:
    try:
        policy = parse_policy(text)
        policy.check(iterations)
    except PolicyError:
        return None
    return policy


def _policies(facts: ProgramFacts, iterations: int) -> Iterator[tuple[str, str]]:
    """Yield the policies to begin with, each once and with its comment, the program's own first."""
    rate, own = _rate(facts, iterations), _own_policy(facts, iterations)
    origin = "the program's own rate" if own or facts.own_rate else "the program does not say a rate of its own"
    usual = [
        (f"FIX(k0={rate:g})", "" if own else f"  # {origin}"),
        (f"COSDECAY(k0={rate:g})", ""),
        (f"COSDECAY(k0={3 * rate:g})", ""),
        (f"STEP(k0={rate:g}, gamma=0.5, l={max(1, iterations // 3)})", ""),
        (f"WARMUP(policy=COSDECAY(k0={3 * rate:g}), l={max(1, iterations // 10)})", ""),
    ]
    known = {own}
    if own is not None:
        yield str(facts.policy), "  # the program's own"
    for text, comment in usual:
        policy = _fitting(text, iterations)
        if policy not in {None, *known}:
            known.add(policy)
            yield text, comment
