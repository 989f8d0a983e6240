"""Makes entries of the policy database, and the workload that recommendations from them are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lrbench.tuning.database.entry import Entry, StoredWorkload
from lrbench.tuning.database.measured import MeasuredRun, NewBest
from lrbench.tuning.recommending.similarity import WorkloadQuery

WORKLOAD = StoredWorkload(
    net_name="lenet",
    net_sha256="a" * 64,
    dataset_name="mnist",
    dataset_label="MNIST",
    dataset_sha256="b" * 64,
    evaluated_on="test",
    batch_size=100,
    iterations=2000,
    test_interval=500,
    solver={"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    engine_name="caffe",
    engine_driver="stepping",
    engine_device="cpu",
    engine_precision="float32",
)

ASKED = WorkloadQuery(
    net_name="lenet",
    net_sha256="a" * 64,
    dataset_name="mnist",
    dataset_label="MNIST",
    dataset_sha256="b" * 64,
    batch_size=100,
    iterations=2000,
    test_interval=500,
    epoch=600.0,
    solver={"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    lr_scale=1.0,
    engine="caffe",
    rates=None,
)


def run(seed: int = 0, accuracies: Sequence[float] = (0.9, 0.95, 0.96, 0.97), **others: Any) -> MeasuredRun:
    """A run with an evaluation every 500 iterations, 10 s each, whose accuracies rise."""
    curve = tuple(NewBest(500 * at, accuracy, 10.0 * at) for at, accuracy in enumerate(accuracies, start=1))
    best = accuracies[-1] if accuracies else None
    usual = MeasuredRun(
        run_id=f"run-s{seed}",
        seed=seed,
        status="finished",
        reason=None,
        iteration=500 * len(accuracies),
        metrics={
            "best_accuracy": best,
            "final_accuracy": best,
            "train_seconds": 10.0 * len(accuracies),
            "cpu_seconds": 12.5,
            "test_loss": 0.1 + seed / 3,
            "train_loss": None,
        },
        curve=curve,
        experiment="exp",
        run_at="2026-01-01T00:00:00+00:00",
        added_at="2026-01-02T00:00:00+00:00",
        lrbench_version="0.1.0",
        engine_version="1.0.0",
        cpu="A Processor",
        gpu=None,
        cores=2,
        threads=1,
    )
    return replace(usual, **others)


def diverged(seed: int = 0) -> MeasuredRun:
    """A run that diverged before its first evaluation."""
    return run(seed, (), status="diverged", reason="the training loss is not finite at iteration 17", iteration=18)


def entry(policy: str = "FIX(k0=0.01)", runs: Sequence[MeasuredRun] = (run(0), run(1)), **workload: Any) -> Entry:
    """An entry of that policy on MNIST, or on what else is given."""
    return Entry(replace(WORKLOAD, **workload), policy, policy.partition("(")[0], 1.0, tuple(runs))


PROGRAM = StoredWorkload(
    net_name="train.py:training",
    net_sha256="a" * 64,
    dataset_name="its own data",
    dataset_label="its own data",
    dataset_sha256="b" * 64,
    evaluated_on="test",
    batch_size=None,
    iterations=2000,
    test_interval=500,
    solver={"type": "program", "width": 64},
    engine_name="program",
    engine_driver="stepping",
    engine_device="cpu",
    engine_precision="float32",
)

ASKED_PROGRAM = replace(
    ASKED,
    net_name="train.py:training",
    dataset_name="its own data",
    dataset_label="its own data",
    batch_size=None,
    epoch=None,
    solver={"type": "program", "width": 64},
    engine="program",
)


def program_run(seed: int = 0, losses: Sequence[float] = (2.0, 1.0, 0.5), **others: Any) -> MeasuredRun:
    """A run of a program with an evaluation every 500 iterations, 10 s each, whose losses fall."""
    bests = tuple(NewBest(500 * at, loss, 10.0 * at) for at, loss in enumerate(losses, start=1))
    values = dict.fromkeys(("test_loss", "best_test_loss"), losses[-1])
    judged = {"objective": {"metric": "test_loss", "at": "final"}, "facts": {"split_used": True, "optimizer": "AdamW"}}
    return run(seed, (), **{"curve": (), "iteration": 2000, "metrics": values, "bests": bests, **judged, **others})


def program_entry(
    policy: str = "FIX(k0=0.01)", runs: Sequence[MeasuredRun] = (program_run(),), **workload: Any
) -> Entry:
    """An entry of that policy with a program."""
    return Entry(replace(PROGRAM, **workload), policy, policy.partition("(")[0], 1.0, tuple(runs))
