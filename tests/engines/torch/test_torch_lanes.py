"""Lanes in one process: whatever happens to the others, each is bit for bit the run that it is alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engines.torch.torch_rarer_layer_cases import VARIED

from lrbench.engines.base import NetJob
from lrbench.engines.bound_net import bind
from lrbench.engines.torch import lockstep
from lrbench.engines.torch.lane import Lane
from lrbench.engines.torch.lockstep import LossTrace, Rounds
from lrbench.engines.torch.session_inputs import Model, SessionInputs
from lrbench.nets import NetParameter, read_net
from lrbench.policies import parse_policy
from lrbench.spec.model import SolverSettings
from lrbench.testing import thin_lenet
from lrbench.testing.engines import augmented

STEPS = 16
BATCH_NORM = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { crop_size: 20 mirror: true scale: 0.00390625 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 20 scale: 0.00390625 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" dropout_param { dropout_ratio: 0.3 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
RUNS: list[tuple[dict[str, Any], int, str]] = [
    ({"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005}, 0, "FIX(k0=0.01)"),
    ({"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005}, 0, "TRI(k0=0.001, k1=0.02, l=10)"),
    ({"type": "SGD", "momentum": 0.9, "iter_size": 2}, 1, "FIX(k0=0.01)"),
    ({"type": "Adam", "momentum": 0.9, "clip_gradients": 1.0}, 2, "SIN(k0=0.0001, k1=0.002, l=20)"),
    ({"type": "RMSProp", "rms_decay": 0.98}, 3, "EXP(k0=0.001, gamma=0.98)"),
]


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """As in the worker."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def share(job: NetJob) -> SessionInputs:
    bound = bind(job)
    model = Model.of(bound.net, job.data, (job.batch_size, job.test_batch_size))
    return SessionInputs.read(model, job.data, bound.train_loss, torch.device("cpu"))


@pytest.fixture
def small(make_job, tmp_path: Path) -> SessionInputs:
    """A net with all that a run keeps for itself: random crops and mirroring, BatchNorm's statistics, Dropout."""
    (tmp_path / "small.prototxt").write_text(BATCH_NORM)
    return share(make_job(net=read_net(tmp_path / "small.prototxt"), batch_size=8))


@pytest.fixture
def varied(make_job, tmp_path: Path) -> SessionInputs:
    """A net of the layers that few nets have, with several losses."""
    (tmp_path / "varied.prototxt").write_text(VARIED)
    return share(make_job(net=read_net(tmp_path / "varied.prototxt"), batch_size=8))


@pytest.fixture
def lenet(make_job, repository: Path) -> SessionInputs:
    net: NetParameter = augmented(thin_lenet())
    return share(make_job(net=net, batch_size=8))


def lanes(shared: SessionInputs, runs: Sequence[tuple[dict[str, Any], int, str]] = RUNS) -> list[Lane]:
    return [Lane.open(shared, SolverSettings(**solver), seed) for solver, seed, _ in runs]


def rates(start: int, end: int, runs: Sequence[tuple[dict[str, Any], int, str]] = RUNS) -> np.ndarray:
    return np.stack([parse_policy(policy).rates(np.arange(start, end), STEPS) for _, _, policy in runs])


def everything(lane: Lane, traces: Sequence[LossTrace]) -> list[bytes]:
    """All that a run is made of after some stretches, as bytes."""
    blobs = {name: name for name in ("probabilities", "label", "loss")}
    tested = lane.evaluate(2, blobs)
    tensors = [tensor.detach().numpy().tobytes() for tensor in (*lane.parameters, *lane.state)]
    return [
        np.concatenate([trace.losses for trace in traces]).tobytes(),
        tested.probabilities.tobytes(),
        tested.labels.tobytes(),
        np.float64(tested.loss).tobytes(),
        lane.generator.get_state().numpy().tobytes(),
        *tensors,
    ]


def alone(shared: SessionInputs, run: tuple[dict[str, Any], int, str], end: int = STEPS) -> list[bytes]:
    (lane,) = lanes(shared, [run])
    return everything(lane, Rounds([lane]).train(rates(0, end, [run])))


@pytest.mark.parametrize("net", ["small", "lenet", "varied"])
def test_lanes_of_any_policy_seed_and_solver_are_runs_alone(net, request):
    shared = request.getfixturevalue(net)
    together = lanes(shared)
    rounds = Rounds(together)
    first, second = rounds.train(rates(0, 10)), rounds.train(rates(10, STEPS))
    found = [everything(*both) for both in zip(together, zip(first, second, strict=True), strict=True)]
    assert found == [alone(shared, run) for run in RUNS]
    assert len({one[0] for one in found}) == len(RUNS)


def test_lanes_that_read_the_same_batch_in_a_round_have_it_made_once(small, make_job, repository, monkeypatch):
    plain = share(make_job("plain", net=thin_lenet(), batch_size=8))
    read: list[int] = []
    whole = type(plain.batches).read

    def counted(batches, plan):
        read.append(1)
        return whole(batches, plan)

    monkeypatch.setattr(type(plain.batches), "read", counted)
    Rounds(lanes(plain)).train(rates(0, 1))
    assert len(read) == 1 + 2, "all are at the same place of the same data, but one reads two batches an iteration"
    read.clear()
    Rounds(lanes(small)).train(rates(0, 1))
    assert len(read) == 1 + 2 + 1 + 1, "crops differ between seeds, and two lanes have the same one"


def test_a_lane_that_diverges_stops_at_once_and_leaves_the_others_as_they_are(small):
    together = lanes(small)
    given = rates(0, STEPS)
    given[1] = 1e30
    traces = Rounds(together).train(given)
    assert [trace.finite for trace in traces] == [True, False, True, True, True]
    assert len(traces[1].losses) < 5
    assert together[1].iteration == len(traces[1].losses)
    for number in (0, 2, 3, 4):
        assert everything(together[number], [traces[number]]) == alone(small, RUNS[number])


def test_training_ends_when_all_lanes_have_diverged(small):
    together = lanes(small, RUNS[:2])
    traces = Rounds(together).train(np.full((2, 10_000), 1e30))
    assert all(len(trace.losses) < 5 and not trace.finite for trace in traces)


def test_a_lane_that_leaves_and_one_that_joins_leave_the_others_as_they_are(small):
    together = lanes(small)
    first = Rounds(together).train(rates(0, 10))
    gone, late = together.pop(0), lanes(small, [RUNS[0]])[0]
    given = np.concatenate([rates(10, STEPS)[1:], rates(0, STEPS - 10)[:1]])
    second = Rounds([*together, late]).train(given)
    assert everything(gone, [first[0]]) == alone(small, RUNS[0], end=10)
    assert everything(late, [second[-1]]) == alone(small, RUNS[0], end=STEPS - 10)
    for number in range(1, len(RUNS)):
        traces = [first[number], second[number - 1]]
        assert everything(together[number - 1], traces) == alone(small, RUNS[number])


def test_a_lane_goes_on_from_a_snapshot_beside_others(small, tmp_path):
    together = lanes(small)
    Rounds(together).train(rates(0, 10))
    (tmp_path / "snapshot").mkdir()
    together[3].save(tmp_path / "snapshot")
    expected = Rounds(together).train(rates(10, STEPS))[3]
    again = lanes(small)
    again[3].restore(tmp_path / "snapshot")
    given = rates(0, STEPS - 10)
    given[3] = rates(10, STEPS)[3]
    found = Rounds(again).train(given)[3]
    assert everything(again[3], [found]) == everything(together[3], [expected])


class RecordedStreams:
    """What a GPU does to the order of things, on a CPU: a round is recorded without being run, then repeated."""

    on_gpu = True
    recorded = 0

    def __init__(self, device: torch.device, count: int) -> None:
        self.generators: Sequence[torch.Generator] = ()

    @contextmanager
    def main(self) -> Iterator[None]:
        yield

    def fork(self) -> None: ...

    def join(self) -> None: ...

    def of(self, lane: int) -> AbstractContextManager[None]:
        return nullcontext()

    def capture(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        RecordedStreams.recorded += 1
        return work


def test_stretches_of_many_rounds_whose_losses_are_looked_at_later_give_the_same(small, monkeypatch):
    chunk = 12
    monkeypatch.setattr(lockstep, "GPU_CHUNK", chunk)
    end = 2 * chunk + 5
    runs = [(solver, seed, "FIX(k0=0.003)") for solver, seed, _ in RUNS[:4]]
    expected = [alone(small, run, end) for run in (runs[0], runs[2], runs[3])]
    monkeypatch.setattr(lockstep, "Streams", RecordedStreams)
    together = lanes(small, runs)
    given = rates(0, end, runs)
    given[1, chunk + 5 :] = 1e30
    told: list[int] = []
    traces = Rounds(together).train(given, lambda done, losses: told.append(done))
    assert told == [chunk, 2 * chunk]
    assert not traces[1].finite
    assert chunk + 5 < len(traces[1].losses) < chunk + 10
    found = [everything(together[number], [traces[number]]) for number in (0, 2, 3)]
    assert found == expected
    assert RecordedStreams.recorded == 1


def test_rounds_serve_again_while_lanes_and_what_they_read_together_stay_the_same(small):
    together = lanes(small)
    rounds = Rounds(together)
    assert rounds.fits(together)
    rounds.train(rates(0, 3))
    assert rounds.fits(together)
    assert not rounds.fits(together[:2])
    together[0].iteration += 1  # as a restored lane's: it reads other batches than its neighbour now
    assert not rounds.fits(together)
