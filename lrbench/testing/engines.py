"""Conformance suites for engines, and for those that train Caffe's nets in processes of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lrbench.data import Prepared, load, prepare
from lrbench.engines.base import Engine, NetJob, Session
from lrbench.errors import EngineFailed
from lrbench.nets import NetParameter, find_net, read_net
from lrbench.nets.caffe_pb2 import TRAIN
from lrbench.policies import parse_policy
from lrbench.runner import Observer, Training
from lrbench.runs.description import RunDescription
from lrbench.runs.directory import RunDirectory
from lrbench.runs.status import Status
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import EngineSettings
from lrbench.stopping import StoppingRules

MakeJob = Callable[..., NetJob]
END_SECONDS = 60
"""Time within which the processes of a session that is closed have to end."""
SOLVERS: tuple[Mapping[str, Any], ...] = (
    {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    {"type": "Nesterov", "momentum": 0.9, "regularization_type": "L1", "weight_decay": 0.0001},
    {"type": "AdaGrad"},
    {"type": "RMSProp", "rms_decay": 0.98},
    {"type": "AdaDelta", "momentum": 0.95, "delta": 1e-6},
    {"type": "Adam", "momentum": 0.9, "clip_gradients": 1.0},
    {"type": "SGD", "momentum": 0.9, "iter_size": 2},
)


def thin_lenet() -> NetParameter:
    """Return LeNet with a fifth of its channels and a tenth of its hidden units."""
    net = read_net(find_net("lenet", Path()))
    thinned = [layer for layer in net.layer if layer.type in ("Convolution", "InnerProduct")][:-1]
    for layer, outputs in zip(thinned, (4, 10, 50), strict=True):
        sized = layer.convolution_param if layer.type == "Convolution" else layer.inner_product_param
        sized.num_output = outputs
    return net


def make_job(folder: Path, data: Prepared, solver: Mapping[str, Any], **changes: Any) -> NetJob:
    """Make a job of a thin LeNet, 60 iterations at batch 32, in a folder that does not exist yet.

    Args:
        changes: other values of the job's attributes; ``policy`` is a text.
    """
    (folder / "snapshots").mkdir(parents=True)
    settings: dict[str, Any] = {
        "net": thin_lenet(),
        "net_where": "net",
        "data": data,
        "batch_size": 32,
        "test_batch_size": 100,
        "iterations": 60,
        "test_interval": 20,
        "display_interval": 1,
        "seed": 0,
        "solver": SolverSettings(**solver),
        "engine": EngineSettings(),
        "folder": folder,
    }
    policy = parse_policy(changes.pop("policy", "FIX(k0=0.01)"))
    return NetJob(**(settings | {"policy": policy} | changes))


def stretch(session: Session, job: NetJob, start: int, end: int) -> tuple[float, float, bytes]:
    """Train from one iteration to another and evaluate: everything an evaluation is made of, as exact numbers."""
    train_loss = session.train(job.policy.rates(np.arange(start, end), job.iterations)).train_loss
    outputs = session.evaluate()
    return train_loss, outputs.loss, outputs.probabilities.tobytes()


def trained(engine: Engine, job: NetJob, pause_at: int | None = None, observer: Observer | None = None) -> Status:
    """Run a job to its end, or to an iteration, and return its status."""
    return Training(
        engine,
        job,
        RunDirectory(job.folder),
        StoppingRules(),
        observer or Observer(),
        threading.Event(),
        lambda evaluations: "enough" if evaluations[-1].iteration == pause_at else None,
    ).run()


def measured(job: NetJob) -> list[dict[str, Any]]:
    """Read a run's evaluations, without the clocks."""
    clocks = {"train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"}
    return [
        {name: value for name, value in evaluation.as_dict().items() if name not in clocks}
        for evaluation in RunDirectory(job.folder).evaluations()
    ]


def augmented(net: NetParameter) -> NetParameter:
    """Give LeNet what only memory keeps: random crop and mirror, and two Dropout layers."""
    for layer in net.layer:
        if layer.type == "Data":
            layer.transform_param.crop_size = 24
            layer.transform_param.mirror = layer.include[0].phase == TRAIN
    for after, ratio in (("ip1", 0.5), ("pool2", 0.2)):
        place = next(index for index, layer in enumerate(net.layer) if layer.name == after)
        blob = net.layer[place].top[0]
        drop = NetParameter().layer.add(name=f"drop_{after}", type="Dropout", bottom=[blob], top=[blob])
        drop.dropout_param.dropout_ratio = ratio
        net.layer.insert(place + 1, drop)
    return net


class EngineConformance:
    """Sessions are exact, repeatable, and honest about failure. A subclass gives the fixture ``engine``."""

    solvers: Sequence[Mapping[str, Any]] = ({"type": "SGD"},)
    """Solvers that the engine is tried with; all tests but one use the first."""

    @pytest.fixture
    def data(self, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
        return prepare("digits", tmp_path_factory.getbasetemp() / "conformance", None)  # prepared once, then found

    @pytest.fixture
    def make_job(self, tmp_path: Path, data: Prepared) -> MakeJob:
        def make(name: str = "run", **changes: Any) -> NetJob:
            return make_job(tmp_path / name, data, changes.pop("solver", self.solvers[0]), **changes)

        return make

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "solver" in metafunc.fixturenames:
            names = ["-".join(map(str, solver.values())) for solver in self.solvers]
            metafunc.parametrize("solver", self.solvers, ids=names)

    def test_a_restored_session_gives_bit_for_bit_what_the_uninterrupted_one_gives(
        self, engine: Engine, make_job: MakeJob, solver: Mapping[str, Any]
    ) -> None:
        policy = "TRI(k0=0.0001, k1=0.01, l=15)" if solver["type"] != "AdaDelta" else "TRI(k0=0.1, k1=1, l=15)"
        first, *expected = resumed(engine, *(make_job(name, policy=policy, solver=solver) for name in "ab"))
        assert expected[1][0] < first[0]

    def test_a_run_branched_from_another_is_bit_for_bit_the_same_policy_from_scratch(
        self, engine: Engine, make_job: MakeJob
    ) -> None:
        first, later = "COSDECAY(k0=0.02, k1=0.001, l=60)", "TRI(k0=0.001, k1=0.03, l=11)"
        both = f"COMPOSE(policies=[{first}, {later}], boundaries=[20])"
        parent, child, scratch = (
            make_job("parent", policy=first),
            make_job("child", policy=both),
            make_job("scratch", policy=both),
        )
        assert trained(engine, parent, pause_at=20) == Status("pending", 20, "enough")
        directory = RunDirectory(child.folder)
        description = RunDescription(
            run_id="child", experiment="", policy=both, function="COMPOSE", lr_scale=1.0, seed=0, solver={}, workload={}
        )
        assert directory.branch(RunDirectory(parent.folder), 20, description)
        assert trained(engine, parent) == trained(engine, child) == trained(engine, scratch) == Status("finished", 60)
        assert measured(child) == measured(scratch)
        assert measured(child)[1:] != measured(parent)[1:]
        assert measured(child)[0]["accuracy_top1"] == measured(parent)[0]["accuracy_top1"]

    def test_a_snapshot_with_a_flipped_bit_gives_way_to_the_one_before(self, engine: Engine, make_job: MakeJob) -> None:
        whole, cut = make_job("whole"), make_job("cut")
        assert trained(engine, whole) == Status("finished", 60)
        assert trained(engine, cut, pause_at=40) == Status("pending", 40, "enough")
        largest = max(RunDirectory(cut.folder).snapshot(40).iterdir(), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 0x40
        largest.write_bytes(content)
        told: list[str] = []
        assert trained(engine, cut, observer=Observer(restarted=told.append)) == Status("finished", 60)
        assert len(told) == 1
        assert f"the checksum of {largest.name} is not the one that was written" in told[0]
        assert measured(cut) == measured(whole)

    def test_the_seed_decides_and_nothing_else(self, engine: Engine, make_job: MakeJob) -> None:
        found = []
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            job = make_job(name, seed=seed)
            session = engine.open(job)
            found.append(stretch(session, job, 0, 20))
            session.close()
        assert found[0] == found[1]
        assert found[0] != found[2]

    def test_a_rate_of_zero_changes_nothing_and_a_diverging_net_stops_at_once(
        self, engine: Engine, make_job: MakeJob
    ) -> None:
        session = engine.open(make_job())
        before = session.evaluate()
        assert session.train(np.zeros(3)).iterations == 3
        assert session.evaluate().loss == before.loss
        result = session.train(np.full(50, 1e6))
        session.close()
        assert not result.finite
        assert 0 < result.iterations < 10

    def test_the_samples_of_an_evaluation_are_the_test_set_that_the_engine_is_handed(
        self, engine: Engine, make_job: MakeJob
    ) -> None:
        job = make_job()
        session = engine.open(job)
        labels = session.evaluate().labels
        session.close()
        assert sorted(labels) == sorted(load(job.data, "test").labels[: job.data.test_count])

    def test_usage_is_measured(self, engine: Engine, make_job: MakeJob) -> None:
        session = engine.open(make_job())
        session.train(np.full(2, 0.01))
        usage = session.usage()
        session.close()
        assert usage.cpu_seconds > 0
        assert usage.peak_memory_bytes > 0

    def test_time_gives_seconds(self, engine: Engine, make_job: MakeJob) -> None:
        timing = engine.time(make_job())
        assert timing.iteration_seconds > 0
        assert timing.evaluation_seconds > 0


def resumed(engine: Engine, one: NetJob, two: NetJob) -> list[tuple[float, float, bytes]]:
    """Train three stretches, and check the last two against those of a session restored from a snapshot."""
    session = engine.open(one)
    first = stretch(session, one, 0, 20)
    session.save(one.folder / "snapshots/iter_00000020")
    expected = [stretch(session, one, 20, 40), stretch(session, one, 40, 60)]
    session.close()
    session = engine.open(two)
    session.restore(one.folder / "snapshots/iter_00000020", evaluations=1)
    assert [stretch(session, two, 20, 40), stretch(session, two, 40, 60)] == expected
    session.close()
    return [first, *expected]


class ProcessEngineConformance(EngineConformance):
    """``EngineConformance`` for an engine that trains Caffe's nets with its solvers, in processes of its own."""

    solvers = SOLVERS
    lanes = 1
    """Number of runs that share a session of the fixture's engine."""

    def test_random_crop_mirror_and_dropout_resume_exactly_too(self, engine: Engine, make_job: MakeJob) -> None:
        net = augmented(thin_lenet())
        assert len(set(resumed(engine, *(make_job(name, net=net) for name in "ab")))) == 3

    def test_the_training_loss_is_the_main_loss_whatever_its_weight(self, engine: Engine, make_job: MakeJob) -> None:
        net = thin_lenet()
        next(layer for layer in net.layer if layer.type == "SoftmaxWithLoss").loss_weight.append(2)
        session = engine.open(make_job(net=net))
        result = session.train(np.zeros(40))
        assert abs(result.train_loss - session.evaluate().loss) < 0.1, "the same weights, all but the same loss"
        session.close()

    def test_an_aborted_session_fails_and_names_the_signal(self, engine: Engine, make_job: MakeJob) -> None:
        session = engine.open(make_job())
        session.abort()
        with pytest.raises(EngineFailed, match="SIGKILL"):
            session.train(np.full(5, 0.01))
        session.close()

    def test_its_processes_are_named_while_they_live(self, engine: Engine, make_job: MakeJob) -> None:
        session = engine.open(make_job())
        session.train(np.full(2, 0.01))
        assert session.usage().peak_memory_bytes > 50_000_000
        (number,) = session.processes()
        process = psutil.Process(number)
        assert process.memory_info().rss > 50_000_000
        assert session.shared == self.lanes
        session.close()
        deadline = time.monotonic() + END_SECONDS
        while process.is_running() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not process.is_running()
        assert session.processes() == []
