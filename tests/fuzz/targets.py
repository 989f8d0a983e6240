"""What is fuzzed: each target has valid inputs, a mutation, and what reads the input as a user's command would."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from factories import fake_entries, fake_runs
from fuzz import mutate
from shown import json_report, terminal_report

from lrbench.errors import PolicyError
from lrbench.exporting import TARGETS as EXPORTS
from lrbench.exporting import export_policy
from lrbench.importing import Given, import_policy
from lrbench.nets import read_net
from lrbench.policies import functions, parse_policy
from lrbench.report.load import read_report
from lrbench.spec.reading import read_experiment
from lrbench.tuning.database.lines import from_lines, to_lines

REPOSITORY = Path(__file__).resolve().parents[2]
DATA_FILES = REPOSITORY / "tests" / "data_files"
ITERATIONS = 1000


@dataclass(frozen=True)
class Target:
    """A kind of input.

    Attributes:
        name: of the kind.
        seeds: makes the valid inputs that are mutated.
        mutate: a changed copy of one of them.
        read: reads an input with a folder to write in; raises LRBenchError where it is refused, and nothing else.
    """

    name: str
    seeds: Callable[[], tuple[Any, ...]]
    mutate: Callable[[random.Random, Any], Any]
    read: Callable[[Any, Path], object]


def _policy_texts() -> tuple[str, ...]:
    nested = (
        "WARMUP(policy=POLY(k0=0.1, p=2), l=50)",
        "SCALE(factor=0.5, policy=SGDR(k0=0.1, l=100, mult=2))",
        "COMPOSE(policies=[NSTEP(k0=0.1, gamma=0.5, l=[50, 90]), FIX(k0=0.01)], boundaries=[400], count=run)",
    )
    return (*(row.example for row in functions()), *nested)


def _read_policy(text: str, _folder: Path) -> None:
    policy = parse_policy(text)
    assert parse_policy(policy.text) == policy
    for target in EXPORTS:
        try:
            written = export_policy(policy, target, ITERATIONS)
        except PolicyError:  # it is a policy all the same
            continue
        if target in ("torch", "keras", "optax"):
            compile(written, target, "exec")


def _spec_texts() -> tuple[str, ...]:
    texts = [path.read_text() for path in sorted((REPOSITORY / "configs").glob("*.yaml"))]
    return tuple(text for text in texts if "\npolicies:" in text)  # others are of searches


def _mutate_yaml(rng: random.Random, text: str) -> str:
    if rng.random() < 0.5:
        return mutate.text(rng, text)
    return yaml.safe_dump(mutate.value(rng, yaml.safe_load(text)), sort_keys=False)


def _read_spec(text: str, folder: Path) -> None:
    read_experiment(_written(folder / "spec.yaml", text))


def _net_texts() -> tuple[str, ...]:
    return tuple((REPOSITORY / "prototxt" / name).read_text() for name in ("lenet.prototxt", "cnn3.prototxt"))


def _read_net(text: str, folder: Path) -> None:
    read_net(_written(folder / "net.prototxt", text))
    spec = "workload: {net: ./net.prototxt, dataset: digits, batch_size: 32, iterations: 100, test_interval: 20}\n"
    read_experiment(_written(folder / "spec.yaml", f"{spec}policies: [FIX(k0=0.01)]\n"))


SOLVERS = (
    'net: "net.prototxt"\nbase_lr: 0.01\nlr_policy: "step"\ngamma: 0.1\nstepsize: 20\nmax_iter: 100\nmomentum: 0.9\n',
    'base_lr: 0.01\nlr_policy: "multistep"\ngamma: 0.5\nstepvalue: 20\nstepvalue: 45\nweight_decay: 0.0005\n',
    'base_lr: 0.01\nlr_policy: "poly"\npower: 1.2\nmax_iter: 60\nsolver_mode: CPU\ntype: "Adam"\n',
    '# a comment\nbase_lr: 0.01\nlr_policy: "inv"\ngamma: 0.0001\npower: 0.75\nsnapshot: 5000\nsnapshot_prefix: "a"\n',
    'base_lr: 0.01\nlr_policy: "sigmoid"\ngamma: 0.1\nstepsize: 30\ntest_interval: 10\ntest_iter: 5\n',
    'base_lr: 0.01\nlr_policy: "exp"\ngamma: 0.99\ndisplay: 10\n',
)


def _read_solver(text: str, folder: Path) -> None:
    import_policy(str(_written(folder / "solver.prototxt", text)), Given())


def _log_texts() -> tuple[str, ...]:
    return tuple(path.read_text() for path in sorted(DATA_FILES.rglob("*.log")))


def _read_log(text: str, folder: Path) -> None:
    _report(_written(folder / "x.log", text))


def _report(path: Path) -> None:
    """Report what is at the path, in the formats for people and for programs."""
    report = read_report([path], "best_accuracy", 0.5)
    assert terminal_report(report, 100)
    json.loads(json_report(report))


@cache
def _states() -> tuple[Any, ...]:
    import torch
    from torch.optim import lr_scheduler as schedulers

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)
    made = [
        schedulers.StepLR(optimizer, 30, 0.5),
        schedulers.MultiStepLR(optimizer, [30, 60], 0.1),
        schedulers.ExponentialLR(optimizer, 0.95),
        schedulers.CosineAnnealingLR(optimizer, 100, 0.001),
        schedulers.CosineAnnealingWarmRestarts(optimizer, 10, 2),
        schedulers.LinearLR(optimizer, 0.1, 1.0, 10),
        schedulers.PolynomialLR(optimizer, 100, 2.0),
        schedulers.ReduceLROnPlateau(optimizer, patience=3),
        schedulers.SequentialLR(optimizer, [schedulers.LinearLR(optimizer, 0.1), schedulers.StepLR(optimizer, 9)], [5]),
    ]
    states = [scheduler.state_dict() for scheduler in made]
    return (*states, {"epoch": 3, "model": {"w": torch.zeros(2)}, "scheduler": states[0]})


@cache
def _values_of_states() -> tuple[Any, ...]:
    import torch

    counters = (Counter({20: 1}), Counter({20: 3, 50: 1}), Counter({20: 10**6}), Counter({5: 2**63}), Counter({-1: 1}))
    return (*mutate.VALUES, *counters, torch.tensor(0.1), torch.zeros(3), torch.zeros(2, 2))


def _mutate_state(rng: random.Random, state: Any) -> Any:
    return mutate.value(rng, state, _values_of_states())


def _read_checkpoint(state: Any, folder: Path) -> None:
    import torch

    path = folder / "state.pt"
    torch.save(state, path)
    has_rate = isinstance(state, dict) and "base_lrs" in state
    import_policy(str(path), Given(None if has_rate else 0.1, ITERATIONS))


@cache
def _run_files() -> tuple[Mapping[str, str], ...]:
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            fake_runs.write_run(Path(folder), "FIX(k0=0.01)"),
            fake_runs.write_run(
                Path(folder),
                "TRI(k0=0.01, k1=0.06, l=2000)",
                (0.1, None),
                status="diverged",
                reason="the training loss is not finite",
            ),
        ]
        return tuple({path.name: path.read_text() for path in sorted(run.iterdir()) if path.is_file()} for run in runs)


def _mutate_files(rng: random.Random, files: Mapping[str, str]) -> Mapping[str, str]:
    name = rng.choice(sorted(files))
    return {**files, name: _mutate_json_lines(rng, files[name])}


def _mutate_json_lines(rng: random.Random, given: str) -> str:
    """The text, or the value of one of its lines, changed."""
    if rng.random() < 0.3:
        return mutate.text(rng, given)
    lines = given.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = json.dumps(mutate.value(rng, json.loads(lines[place])))
    return "\n".join(lines) + "\n"


def _read_run(files: Mapping[str, str], folder: Path) -> None:
    run = folder / "results" / "exp" / "run"
    run.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _written(run / name, content)
    _report(folder / "results")


def _database_lines() -> tuple[str, ...]:
    entries = [fake_entries.entry(), fake_entries.entry("TRI(k0=0.01, k1=0.06, l=2000)", [fake_entries.diverged()])]
    return (to_lines(entries).decode(),)


def _mutate_database(rng: random.Random, given: str) -> str:
    """Mostly a value of a run: what an entry is about decides its id, so that a change of it is refused."""
    if rng.random() < 0.3:
        return mutate.text(rng, given)
    lines = [json.loads(line) for line in given.splitlines()]
    entry = rng.choice(lines)
    if rng.random() < 0.8:
        entry["runs"] = mutate.value(rng, entry["runs"])
    else:
        entry.update(mutate.value(rng, entry))
    return "".join(json.dumps(line) + "\n" for line in lines)


def _read_database(text: str, _folder: Path) -> None:
    entries = from_lines(text.encode("utf-8", "surrogatepass"), "lines.jsonl")
    again = from_lines(to_lines(entries), "lines.jsonl")
    assert to_lines(again) == to_lines(entries)


def _written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


TARGETS = (
    Target("policies", _policy_texts, mutate.text, _read_policy),
    Target("specs", _spec_texts, _mutate_yaml, _read_spec),
    Target("nets", _net_texts, mutate.text, _read_net),
    Target("solvers", lambda: SOLVERS, mutate.text, _read_solver),
    Target("logs", _log_texts, mutate.text, _read_log),
    Target("checkpoints", _states, _mutate_state, _read_checkpoint),
    Target("results", _run_files, _mutate_files, _read_run),
    Target("database", _database_lines, _mutate_database, _read_database),
)
"""Every kind of input that LRBench reads from a user."""
