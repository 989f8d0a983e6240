"""A first spec for a net and a data set, with a word on each of its settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.data import Prepared
from lrbench.errors import SpecError
from lrbench.metrics.objective import AnyTarget, Target
from lrbench.spec.document import Document
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import experiment_of
from lrbench.spec.solver_types import SolverType
from lrbench.spec.yaml_loader import load_yaml

EPOCHS = 10
FEWEST_ITERATIONS = 10
"""Fewer leave no room for a warm-up and what follows it."""
ITERATIONS = 2000
"""Where the number of training images is not known."""
EVALUATIONS = 20
TEST_BATCH = 100

# As in the LeNet examples that come with Caffe.
_PARAMETERS: dict[SolverType, Mapping[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "Nesterov": {"momentum": 0.95},
    "AdaGrad": {},
    "RMSProp": {"rms_decay": 0.98},
    "AdaDelta": {"momentum": 0.95, "delta": 1e-6},
    "Adam": {"momentum": 0.9},
}
_WEIGHT_DECAY = 0.0005
_RATE: dict[SolverType, float] = {
    "SGD": 0.01,
    "Nesterov": 0.01,
    "AdaGrad": 0.01,
    "RMSProp": 0.001,
    "AdaDelta": 1.0,
    "Adam": 0.001,
}

_TEMPLATE = """\
# Written by `lrbench init`. Every key and its default: docs/reference/spec.md of LRBench.
name: {name}  # also of the folder under results/

workload:
  net: {net}
  dataset: {dataset}
  batch_size: {batch_size}
  test_batch_size: {test_batch_size}  # the number of test images must be a multiple of it
  iterations: {iterations}  # per run
  test_interval: {test_interval}  # iterations between two evaluations on the whole test set
  display_interval: {display_interval}

solver:
  type: {solver}  # SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam
{parameters}
engine:
  name: {engine}  # caffe or torch

seeds: [0, 1, 2]  # every policy is trained with each, to show the spread
{target}

# Policies to begin with. `lrbench range` finds a useful range of rates; `lrbench policies list` lists all functions.
policies:
{own_policy}  - FIX(k0={rate:g})
  - INV(k0={rate:g}, gamma=0.0001, p=0.75)
  - STEP(k0={twice:g}, gamma=0.5, l={third})
  - TRI(k0={tenth:g}, k1={thrice:g}, l={cycle})
  - SINEXP(k0={tenth:g}, k1={five_times:g}, gamma={gamma}, l={cycle})
  - WARMUP(policy=COSDECAY(k0={thrice:g}), l={warmup})
"""
_COMMENT = re.compile(r"^([^#\"\n]*[^#\s])  (# .*)$", re.MULTILINE)  # what is in quotes may look like one
_COLUMN = 30


@dataclass(frozen=True)
class StarterSpec:
    """Contents of a first spec.

    Attributes:
        name: name of the experiment; characters that a name cannot contain become ``_``.
        net: the name of one of LRBench's nets, or a path, absolute or from the spec's folder.
        dataset: a name, or the paths of ``train``, ``test`` and, if there is one, ``mean``.
        target: an accuracy, a fraction, or the value of another metric; None: none.
        parameters: of the solver, such as its momentum; None: those that are usual for its type.
        policy: the text of a policy to begin with, before the usual ones.
        test_interval: iterations between two evaluations; None: a twentieth of a run.
    """

    name: str
    net: str
    dataset: str | Mapping[str, str]
    batch_size: int
    test_batch_size: int
    iterations: int
    solver: SolverType = "SGD"
    engine: str = "caffe"
    target: AnyTarget | None = None
    parameters: Mapping[str, Any] | None = None
    policy: str | None = None
    test_interval: int | None = None


def suggested_iterations(data: Prepared | None, batch_size: int) -> int:
    """Ten passes over the training images, as a round number; 2,000 where their number is not known."""
    if data is None:
        return ITERATIONS
    return max(FEWEST_ITERATIONS, rounded(EPOCHS * data.train_count / batch_size))


def suggested_interval(iterations: int) -> int:
    """Some twenty evaluations a run, as a round number of iterations between them."""
    return min(iterations, rounded(iterations / EVALUATIONS))


def rounded(number: float) -> int:
    """The nearest of 1, 2, 5, 10, 20, 50, ..., at least 1."""
    sizes: list[int] = [step * 10**power for power in range(9) for step in (1, 2, 5)]
    return min(sizes, key=lambda size: abs(size - number))


def starter_text(starter: StarterSpec) -> str:
    """The spec as YAML, with comments."""
    rate, iterations = _RATE[starter.solver], starter.iterations
    interval = min(starter.test_interval or suggested_interval(iterations), iterations)
    parameters = starter.parameters
    if parameters is None:
        parameters = {**_PARAMETERS[starter.solver], "weight_decay": _WEIGHT_DECAY}
    cycle, dataset = iterations // 8, starter.dataset
    if isinstance(dataset, str):
        dataset = quoted(dataset)
    else:
        dataset = "".join(f"\n    {key}: {quoted(folder)}" for key, folder in dataset.items())
    target = "# target_accuracy: 0.98        # a fraction; the time to reach it is reported"
    if isinstance(starter.target, Target):
        metric, value = starter.target.metric.metric, starter.target.value
        target = f"target: {{metric: {metric}, value: {value!r}}}  # the time to reach it is reported"
    elif starter.target is not None:
        target = f"target_accuracy: {starter.target!r}  # a fraction; the time to reach it is reported"
    text = _TEMPLATE.format(
        name=spec_name(starter.name),
        net=quoted(starter.net),
        dataset=dataset,
        batch_size=starter.batch_size,
        test_batch_size=starter.test_batch_size,
        iterations=iterations,
        test_interval=interval,
        display_interval=min(100, interval),
        solver=starter.solver,
        parameters="".join(f"  {name}: {value}\n" for name, value in parameters.items()),
        own_policy="" if starter.policy is None else f"  - {starter.policy}  # from your solver file\n",
        engine=quoted(starter.engine),
        target=target,
        rate=rate,
        twice=2 * rate,
        thrice=3 * rate,
        five_times=5 * rate,
        tenth=rate / 10,
        third=iterations // 3,
        cycle=cycle,
        warmup=iterations // 10,
        gamma=f"{0.1 ** (1 / iterations):.{max(6, len(str(iterations)) + 2)}g}",
    )
    if starter.policy is not None:
        text = text.replace(f"  - {starter.policy}\n", "")  # one of the usual ones is the same
    return with_aligned_comments(text)


def with_aligned_comments(text: str) -> str:
    """Return a spec whose comments at the end of lines begin in one column, where the lines are short."""
    return _COMMENT.sub(lambda line: f"{line[1]:<{_COLUMN}} {line[2]}", text)


def starter_experiment(text: str, path: Path) -> Experiment:
    """The experiment that the text describes when it stands at that path.

    Raises:
        UsageError: something in it does not fit.
    """
    return experiment_of(Document(str(path), *load_yaml(text, str(path))), path.resolve().parent)


def quoted(text: str) -> str:
    """The text as YAML reads it back: a plain word, or one in quotes."""
    if not text.isprintable():
        raise SpecError(f"a spec cannot contain control characters, but {text!r} does", remedy="rename it")
    try:
        plain, _ = load_yaml(text, "")
    except SpecError:
        plain = None
    return text if plain == text else json.dumps(text, ensure_ascii=False)


def spec_name(text: str) -> str:
    """Return the text as the name of an experiment: characters that a name cannot contain become ``_``."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).lstrip("_.+-")[:100]
    return quoted(name) if name else "experiment"
