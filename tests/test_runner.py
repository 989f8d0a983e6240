"""The training loop: rates, evaluations, resuming, stopping, failing."""

from __future__ import annotations

import dataclasses
import errno
import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import job, prepared
from factories.measured import measured

from lrbench.api.environment import site
from lrbench.engines.base import NetJob, SessionLost, TestOutputs
from lrbench.errors import EngineFailed, Interrupted
from lrbench.executors.plan import this_machine
from lrbench.nets.caffe_pb2 import LossParameter
from lrbench.policies import parse_policy
from lrbench.runner import Observer, Training
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.spec.snapshots import SnapshotSettings
from lrbench.stopping import StoppingRules
from lrbench.storage import atomic_write

MakeTraining = Callable[..., Training]


@pytest.fixture
def make(tmp_path: Path) -> MakeTraining:
    """Makes a training of 25 iterations, evaluated every 10."""

    def training(
        engine: FakeEngine,
        name: str = "run",
        *,
        policy: str = "TRI(k0=0.001, k1=0.05, l=7)",
        rules: StoppingRules | None = None,
        observer: Observer | None = None,
        test_interval: int = 10,
    ) -> Training:
        folder = tmp_path / name
        made = job(folder, policy, data=prepared(tmp_path), iterations=25, test_interval=test_interval)
        folder.mkdir(exist_ok=True)
        return Training(
            engine, made, RunDirectory(folder), rules or StoppingRules(), observer or Observer(), threading.Event()
        )

    return training


def results(training: Training) -> list[Evaluation]:
    return training.directory.evaluations()


def test_every_iteration_gets_the_policys_own_rate_and_the_last_evaluation_is_at_the_end(make):
    engine = FakeEngine()
    training = make(engine)
    assert training.run() == Status("finished", 25)
    assert engine.rates["run"] == parse_policy("TRI(k0=0.001, k1=0.05, l=7)").rates(np.arange(25), 25).tolist()
    rows = results(training)
    assert [row.iteration for row in rows] == [10, 20, 25]
    assert [row.train_seconds for row in rows] == [0.5, 1.0, 1.5]
    assert [row.evaluation_seconds for row in rows] == [0.25, 0.5, 0.75]
    assert rows[-1].learning_rate == engine.rates["run"][-1]
    assert engine.closed == engine.opened == 1


@pytest.mark.parametrize(
    ("visible", "place"), [("4, GPU-5d21", "node1 GPU GPU-5d21"), ("4,6,7", "node1 GPU 6"), ("", "node1 GPU 1")]
)
def test_while_a_run_trains_its_status_names_the_gpu_as_the_machine_does(make, monkeypatch, visible, place):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    seen = []
    training = make(FakeEngine(), observer=Observer(evaluated=lambda _: seen.append(training.directory.status())))
    settings = training.job.engine.model_copy(update={"device": "gpu", "device_ids": [0, 1]})
    training.job = dataclasses.replace(training.job, engine=settings, device_id=1)
    training.machine = this_machine(site().visible_gpus) | {"host": "node1"}
    assert training.run().place == ""
    assert {status.place for status in seen} == {place}


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_resumed_run_gives_the_evaluations_of_an_uninterrupted_one(make, fails_at):
    whole = make(FakeEngine(), "whole")
    whole.run()
    calls = iter(range(1, 100))

    def fail(session: FakeSession) -> None:
        if next(calls) == fails_at:
            raise EngineFailed("the machine went away")

    engine = FakeEngine(fail)
    cut = make(engine, "cut")
    assert cut.run() == Status("failed", (fails_at - 1) * 10, "the machine went away")
    told: list[int] = []
    again = make(engine, "cut", observer=Observer(resumed=told.append))
    assert again.run().status == "finished"
    assert measured(again.directory.path) == measured(whole.directory.path)
    assert results(again)[-1].train_seconds == results(whole)[-1].train_seconds
    assert told == ([(fails_at - 1) * 10] if fails_at > 1 else [])
    assert engine.restored == ([((fails_at - 1) * 10, fails_at - 1)] if fails_at > 1 else [])


def test_an_engine_that_evaluates_other_samples_than_those_of_its_data_set_fails(make):
    training = make(FakeEngine(samples=99))
    assert training.run().status == "failed"
    assert training.directory.status().reason == (
        "an evaluation is of 99 samples, but digits has 100 to evaluate on: the engine ignores the data that it is handed; "
        "an engine evaluates the whole test set of job.data"
    )
    assert results(training) == []


CLOSED_LOOP = "PLATEAU(k0=0.01, factor=0.5, patience=1, threshold=0.9, threshold_mode=abs)"
"""No evaluation after the first is better by 0.9: the rate is halved after each."""


def test_a_closed_loop_policy_reacts_to_each_evaluation(make):
    engine = FakeEngine()
    training = make(engine, policy=f"SCALE(factor=2, policy={CLOSED_LOOP})", test_interval=5)
    assert training.run() == Status("finished", 25)
    assert engine.rates["run"] == [0.02] * 10 + [0.01] * 5 + [0.005] * 5 + [0.0025] * 5
    assert [row.learning_rate for row in results(training)] == [0.02, 0.02, 0.01, 0.005, 0.0025]


@pytest.mark.parametrize(
    "policy",
    [
        CLOSED_LOOP,
        f"WARMUP(policy={CLOSED_LOOP}, l=3)",
        f"SWITCH(policies=[TRI(k0=0.001, k1=0.05, l=7), {CLOSED_LOOP}], patience=1, threshold=0.9, threshold_mode=abs)",
    ],
)
@pytest.mark.parametrize("fails_at", [2, 3, 4, 5])
def test_a_closed_loop_policy_resumes_as_if_nothing_had_been(make, policy, fails_at):
    engine = FakeEngine()
    whole = make(engine, "whole", policy=policy, test_interval=5)
    whole.run()
    calls = iter(range(1, 100))
    make(
        FakeEngine(lambda session: _raise() if next(calls) == fails_at else None), "cut", policy=policy, test_interval=5
    ).run()
    after = FakeEngine()
    again = make(after, "cut", policy=policy, test_interval=5)
    assert again.run().status == "finished"
    assert measured(again.directory.path) == measured(whole.directory.path)
    assert after.rates["cut"] == engine.rates["whole"][5 * (fails_at - 1) :]


def test_a_closed_loop_policy_that_goes_back_to_an_older_snapshot_forgets_what_came_after(make):
    whole = make(FakeEngine(), "whole", policy=CLOSED_LOOP, test_interval=5)
    whole.run()
    cut = make(FakeEngine(), "cut", policy=CLOSED_LOOP, test_interval=5)
    cut.run()
    cut.directory.write_status(Status("running", 25))
    (cut.directory.snapshot(25) / "state.json").write_text('{"cut short')
    engine = FakeEngine()
    again = make(engine, "cut", policy=CLOSED_LOOP, test_interval=5)
    assert again.run().status == "finished"
    assert engine.restored == [(20, 4)]
    assert engine.rates["cut"] == [0.00125] * 5
    assert measured(again.directory.path) == measured(whole.directory.path)


def test_an_evaluation_without_its_snapshot_and_a_torn_line_are_done_again(make):
    training = make(FakeEngine(), "run")
    training.run()
    expected = measured(training.directory.path)
    training.directory.write_status(Status("running", 20))
    for iteration, path in training.directory.snapshots():
        if iteration == 25:
            shutil.rmtree(path)
    with (training.directory.path / "evaluations.jsonl").open("ab") as file:
        file.write(b'{"iteration": 30, "learn')
    again = make(FakeEngine(), "run")
    again.run()
    assert measured(again.directory.path) == expected
    assert (training.directory.path / "evaluations.jsonl").read_bytes().count(b"\n") == 3


def test_a_driver_that_cannot_resume_starts_over_and_says_so(make):
    calls = iter(range(100))
    engine = FakeEngine(lambda session: _raise() if next(calls) == 2 else None, resumable=False)
    make(engine, "run").run()
    told: list[str] = []
    again = make(engine, "run", observer=Observer(restarted=told.append))
    assert again.run().status == "finished"
    assert [row.iteration for row in results(again)] == [10, 20, 25]
    assert told
    assert engine.restored == []


def _raise() -> None:
    raise EngineFailed("no")


def test_divergence_is_an_outcome_and_leaves_no_accuracy_behind(make):
    training = make(FakeEngine(diverges_above=0.04), policy="LINEAR(k0=0.001, k1=0.05)")
    status = training.run()
    assert status.status == "diverged"
    assert status.done
    rows = results(training)
    assert [row.iteration for row in rows] == [10, 20, status.iteration]
    assert math.isnan(rows[-1].accuracy)
    assert math.isnan(rows[-1].metrics["test_loss"])
    assert b"NaN" not in (training.directory.path / "evaluations.jsonl").read_bytes()
    assert "0.04" in (status.reason or "")


class _NaNOnGPU(FakeEngine):
    """Its loss is finite all along, as that of Caffe on a GPU, while the net's outputs are NaN from iteration 20 on."""

    def __init__(self, probabilities: float) -> None:
        super().__init__()
        self.probabilities = probabilities

    def open(self, job: NetJob) -> FakeSession:
        return _NaNSession(job, self)


class _NaNSession(FakeSession):
    engine: _NaNOnGPU

    def evaluate(self) -> TestOutputs:
        outputs = super().evaluate()
        if self.iteration < 20:
            return outputs
        broken = np.full_like(outputs.probabilities, self.engine.probabilities)
        broken[np.arange(100), outputs.labels] = self.engine.probabilities + 0.1  # all correct, unless they are NaN
        return TestOutputs(broken, outputs.labels, 87.33654475, outputs.seconds)


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        (math.nan, "the net's outputs are not finite at iteration 20"),
        (0.45, "the test loss of 87.3365 and the accuracy of 100 % stand for NaN at iteration 20"),
    ],
)
def test_a_finite_loss_that_stands_for_nan_is_divergence(make, probabilities, reason):
    training = make(_NaNOnGPU(probabilities))
    assert training.run() == Status("diverged", 20, reason)
    rows = results(training)
    assert [row.iteration for row in rows] == [10, 20]
    for name in ("accuracy_top1", "accuracy_top5", "test_loss", "train_loss", "average_confidence"):
        assert math.isnan(rows[-1].metrics[name]), name
    assert rows[0].metrics["test_loss"] < 1


def test_a_sum_over_the_batch_may_be_as_large_as_it_is(make):
    training = make(_NaNOnGPU(0.45))
    loss = training.job.net.layer.add(name="loss", type="SoftmaxWithLoss")
    loss.loss_param.normalization = LossParameter.NONE
    assert training.run().status == "finished"


@pytest.mark.parametrize(
    ("rules", "iterations", "reason"),
    [
        (StoppingRules(target_accuracy=0.2), 10, "target"),
        (StoppingRules(patience=1), 20, "no better"),
        (StoppingRules(max_train_seconds=0.5), 10, "0.5 s"),
    ],
)
def test_stopping_rules_end_a_run_with_their_reason(make, rules, iterations, reason):
    policy = "NSTEP(k0=0.03, gamma=1e-9, l=[10])" if rules.patience else "FIX(k0=0.03)"
    status = make(FakeEngine(), policy=policy, rules=rules).run()
    assert (status.status, status.iteration) == ("stopped", iterations)
    assert reason in (status.reason or "")


def test_a_full_disk_fails_the_run_and_keeps_what_was_written(make, monkeypatch):
    training = make(FakeEngine())
    whole = RunDirectory.append

    def append(directory: RunDirectory, row: Evaluation) -> None:
        if row.iteration == 20:
            raise OSError(errno.ENOSPC, "No space left on device", "evaluations.jsonl")
        whole(directory, row)

    monkeypatch.setattr(RunDirectory, "append", append)
    assert training.run() == Status("failed", 10, "No space left on device: evaluations.jsonl")
    assert [row.iteration for row in results(training)] == [10]
    assert training.directory.status().status == "failed"


def test_too_little_memory_fails_the_run_in_words(make):
    def fill(session):
        raise MemoryError

    status = make(FakeEngine(fill)).run()
    assert (status.status, status.iteration) == ("failed", 0)
    assert (status.reason or "").startswith("not enough memory; ")


def test_an_interrupted_run_stays_pending(make):
    training = make(FakeEngine(lambda session: training.stop.set() or session.abort()))  # type: ignore[func-returns-value]
    with pytest.raises(Interrupted):
        training.run()
    assert training.directory.status() == Status("pending", 0, "interrupted")


def test_at_most_two_snapshots_stay(make):
    training = make(FakeEngine())
    training.run()
    assert [iteration for iteration, _ in training.directory.snapshots()] == [20, 25]


def test_a_damaged_snapshot_is_passed_over_for_the_one_before(make):
    whole = make(FakeEngine(), "whole")
    whole.run()
    cut = make(FakeEngine(), "cut")
    cut.run()
    cut.directory.write_status(Status("running", 20))
    cut.directory.keep(cut.directory.evaluations()[:2])
    newest = cut.directory.snapshots()[-1][1]
    newest.rename(cut.directory.snapshot(10))  # two are left: of 10 and of 20
    (cut.directory.snapshot(10) / "state.json").write_text("[10, 0.2]")
    (cut.directory.snapshot(10) / "SHA256SUMS").unlink()  # as a version without checksums wrote it
    (cut.directory.snapshot(20) / "state.json").write_text('{"cut short')
    told: list[str] = []
    engine = FakeEngine()
    again = make(engine, "cut", observer=Observer(restarted=told.append))
    assert again.run().status == "finished"
    assert len(told) == 1
    assert "the snapshot of iteration 20 cannot be restored" in told[0]
    assert engine.restored == [(10, 1)]
    assert engine.opened == engine.closed == 2
    assert [row.iteration for row in results(again)] == [10, 20, 25]


@pytest.mark.parametrize("damaged", ["state.json", "SHA256SUMS"])
def test_a_changed_byte_in_a_snapshot_is_never_trained_on(make, damaged):
    whole = make(FakeEngine(), "whole")
    whole.run()
    cut = make(FakeEngine(), "cut")
    cut.run()
    cut.directory.write_status(Status("running", 25))
    path = cut.directory.snapshot(25) / damaged
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])  # a digit: it can still be read
    told: list[str] = []
    engine = FakeEngine()
    again = make(engine, "cut", observer=Observer(restarted=told.append))
    assert again.run().status == "finished"
    assert engine.restored == [(20, 2)]
    assert "the snapshot of iteration 25 cannot be restored" in told[0]
    assert told[0].endswith("going back to the one before")
    assert measured(again.directory.path) == measured(whole.directory.path)


@pytest.mark.parametrize(
    ("every", "keep", "kept"),
    [
        ("evaluation", 2, [20, 25]),
        ("evaluation", 1, [25]),
        ("evaluation", "all", [5, 10, 15, 20, 25]),
        (10, "all", [10, 20, 25]),
        ([15], "all", [15, 25]),
        ("10 minutes", "all", [10, 20, 25]),
        ("1 hour", "all", [25]),
    ],
)
def test_snapshots_are_made_when_the_spec_says_and_where_the_run_ends(make, monkeypatch, every, keep, kept):
    training = make(FakeEngine(), test_interval=5)
    training.job = dataclasses.replace(training.job, snapshots=SnapshotSettings(every=every, keep=keep))
    clock = SimpleNamespace(monotonic=lambda: 300.0 * len(results(training)))  # 5 minutes an evaluation
    monkeypatch.setattr("lrbench.runner.time", clock)
    assert training.run() == Status("finished", 25)
    assert [iteration for iteration, _ in training.directory.snapshots()] == kept


def test_a_run_that_is_paused_or_stopped_between_snapshots_has_one_there(make):
    rare = SnapshotSettings(every=[25])
    training = make(FakeEngine(), test_interval=5)
    training.job = dataclasses.replace(training.job, snapshots=rare)
    training.pause = lambda rows: "wait" if len(rows) == 2 else None
    assert training.run() == Status("pending", 10, "wait")
    assert [iteration for iteration, _ in training.directory.snapshots()] == [10]
    engine = FakeEngine()
    again = make(engine, test_interval=5, rules=StoppingRules(max_train_seconds=1.5))
    again.job = dataclasses.replace(again.job, snapshots=rare)
    assert again.run().status == "stopped"
    assert engine.restored == [(10, 2)]
    assert [iteration for iteration, _ in again.directory.snapshots()] == [10, 15]


class Killed(BaseException):
    """What no handler of errors sees."""


@pytest.mark.parametrize("step", ["lrbench.runner.write_checksums", "lrbench.runs.directory.put_in_place"])
def test_a_kill_leaves_no_snapshot_without_checksums(make, monkeypatch, step):
    whole = make(FakeEngine(), "whole")
    whole.run()
    cut = make(FakeEngine(), "cut")
    cut.pause = lambda rows: "waits" if rows[-1].iteration == 20 else None
    with cut.directory.locked():
        assert cut.run() == Status("pending", 20, "waits")

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(step, kill)
        killing.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed), cut.directory.locked():
            make(FakeEngine(), "cut").run()
    assert [row.iteration for row in results(cut)] == [10, 20, 25]
    for _, snapshot in cut.directory.snapshots():
        assert (snapshot / "SHA256SUMS").exists()
    again = make(FakeEngine(), "cut")
    with again.directory.locked():
        assert not (cut.directory.path / "snapshots/staging").exists()
        assert again.run() == Status("finished", 25)
    assert measured(again.directory.path) == measured(whole.directory.path)
    assert [iteration for iteration, _ in again.directory.snapshots()] == [20, 25]


def test_a_snapshot_with_folders_in_it_is_kept_and_checked(make, monkeypatch):
    class Nested(FakeSession):
        """An engine of another package, whose snapshots are made of folders."""

        def save(self, folder: Path) -> None:
            super().save(folder / "model")

        def restore(self, folder: Path, evaluations: int) -> None:
            super().restore(folder / "model", evaluations)

    monkeypatch.setattr("factories.fake_engine.FakeSession", Nested)
    cut = make(FakeEngine())
    assert cut.run() == Status("finished", 25)
    cut.directory.write_status(Status("running", 25))
    state = cut.directory.snapshot(25) / "model/state.json"
    state.write_text(state.read_text().replace("25", "24"))
    engine = FakeEngine()
    assert make(engine).run() == Status("finished", 25)
    assert engine.restored == [(20, 2)]


def test_snapshots_of_a_version_without_checksums_are_resumed_from(make):
    cut = make(FakeEngine())
    cut.run()
    for _, path in cut.directory.snapshots():
        (path / "SHA256SUMS").unlink()
    engine = FakeEngine()
    assert make(engine).run().status == "finished"
    assert engine.restored == [(25, 3)]


@pytest.mark.parametrize("content", ["", "garbage", "0" * 64 + "  ../../run.json\n", "0" * 64 + "  none\n"])
def test_damaged_checksums_make_a_damaged_snapshot(make, content):
    cut = make(FakeEngine())
    cut.run()
    (cut.directory.snapshot(25) / "SHA256SUMS").write_text(content)
    engine = FakeEngine()
    assert make(engine).run().status == "finished"
    assert engine.restored == [(20, 2)]


@pytest.mark.parametrize("line", [b"garbage\n", b'{"foo": 1}\n', b'{"iteration": "x"}\n', b"[1, 2]\n", b"5\n", b"{}"])
def test_lines_that_are_no_evaluations_are_removed_when_the_run_goes_on(make, line):
    whole = make(FakeEngine(), "whole")
    whole.run()
    cut = make(FakeEngine(), "cut")
    cut.run()
    path = cut.directory.path / "evaluations.jsonl"
    first, second, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second)
    (cut.directory.path / "snapshots/iter_abc").mkdir()
    again = make(FakeEngine(), "cut")
    assert again.run().status == "finished"
    assert measured(again.directory.path) == measured(whole.directory.path)
    assert path.read_bytes().count(b"\n") == 3


def test_a_paused_run_waits_and_goes_on_as_if_it_had_not(make):
    whole = make(FakeEngine(), "whole")
    whole.run()
    training = make(FakeEngine())
    training.pause = lambda rows: "waits for the others" if rows[-1].iteration == 10 else None
    assert training.run() == Status("pending", 10, "waits for the others")
    assert not training.directory.status().done
    assert make(FakeEngine()).run() == Status("finished", 25)
    assert measured(training.directory.path) == measured(whole.directory.path)


def test_a_stopping_rule_comes_before_a_pause_and_the_last_evaluation_ends_the_run(make):
    training = make(FakeEngine(), rules=StoppingRules(max_train_seconds=0.6))
    training.pause = lambda rows: "waits" if len(rows) > 1 else None
    assert training.run().status == "stopped"
    training = make(FakeEngine(), "other")
    training.pause = lambda rows: "waits" if rows[-1].iteration == 25 else None
    assert training.run() == Status("finished", 25)


def test_a_run_whose_shared_session_is_lost_goes_on_from_its_snapshot_in_a_new_one(make):
    whole = make(FakeEngine(), "whole")
    whole.run()
    calls = iter(range(1, 100))

    def lose(session: FakeSession) -> None:
        if next(calls) in (2, 3):
            raise SessionLost("the worker has died; going on with 2 lanes instead of 4")

    engine = FakeEngine(lose)
    told: list[int] = []
    training = make(engine, "lost", observer=Observer(resumed=told.append))
    assert training.run() == Status("finished", 25)
    assert measured(training.directory.path) == measured(whole.directory.path)
    assert told == [10, 10]
    assert engine.opened == engine.closed == 3


def test_a_session_that_is_lost_when_the_user_wants_to_end_is_not_opened_again(make):
    def lose(session: FakeSession) -> None:
        training.stop.set()
        raise SessionLost("the worker has died")

    engine = FakeEngine(lose)
    training = make(engine)
    with pytest.raises(Interrupted):
        training.run()
    assert engine.opened == engine.closed == 1


def test_what_a_kill_left_between_write_and_rename_is_removed_at_the_next_start(make, monkeypatch):
    training = make(FakeEngine())
    folder = training.directory.path
    with training.directory.locked():
        training.run()
    training.directory.write_status(Status("running", 25))

    def kill(path, target):
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(Path, "replace", kill)
        killing.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        for path in (folder / "status.json", folder / "usage.jsonl", folder / "snapshots/iter_00000025/SHA256SUMS"):
            with pytest.raises(Killed):
                atomic_write(path, b"half")
    assert len(list(folder.rglob("*.partial"))) == 3
    again = make(FakeEngine())
    with again.directory.locked():
        assert list(folder.rglob("*.partial")) == []
        assert again.run().status == "finished"
