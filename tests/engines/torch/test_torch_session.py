"""The PyTorch engine as the runner uses it: exact resuming, divergence, refusals, any solver."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lrbench.engines.base import NetJob, Session
from lrbench.engines.torch.engine import TorchEngine
from lrbench.errors import EngineFailed, EngineUnavailable, NetError, SpecError
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import EngineSettings
from lrbench.testing import ProcessEngineConformance, thin_lenet
from lrbench.testing.engines import SOLVERS

pytestmark = pytest.mark.usefixtures("warm_torch")


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine()


class TestTorch(ProcessEngineConformance):
    """The PyTorch engine; its fixture is the one above."""

    test_its_processes_are_named_while_they_live = pytest.mark.cold(
        ProcessEngineConformance.test_its_processes_are_named_while_they_live
    )


@pytest.mark.engines
class TestTorchLane(ProcessEngineConformance):
    """The same of a lane whose neighbours train other runs of the workload in stretches of other lengths.

    Two solvers are enough here: test_torch_lanes holds lanes of each to the same run alone, bit for bit.
    """

    lanes = 3
    test_its_processes_are_named_while_they_live = TestTorch.test_its_processes_are_named_while_they_live
    solvers = (SOLVERS[0], SOLVERS[5])

    @pytest.fixture
    def engine(self, tmp_path) -> Crowded:
        return Crowded(tmp_path / "neighbours")


class Crowded(TorchEngine):
    """Each session has two neighbours, each on a thread of its own, until it closes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._count = folder, 0

    def open(self, job: NetJob) -> Session:
        job = replace(job, lanes=3)
        session = super().open(job)
        settled, over = threading.Barrier(3, timeout=500), threading.Event()
        threads = [threading.Thread(target=self._neighbour, args=(job, seed, settled, over)) for seed in (11, 12)]
        for thread in threads:
            thread.start()
        settled.wait()
        assert session.shared == 3
        leave = session.close

        def close() -> None:
            over.set()
            leave()
            for thread in threads:
                thread.join(500)
                assert not thread.is_alive()

        session.close = close  # type: ignore[method-assign]
        return session

    def _neighbour(self, job: NetJob, seed: int, settled: threading.Barrier, over: threading.Event) -> None:
        self._count += 1
        folder = self._folder / f"{self._count}-{seed}"
        (folder / "snapshots").mkdir(parents=True)
        session = TorchEngine.open(self, replace(job, folder=folder, seed=seed, solver=SolverSettings(momentum=0.5)))
        settled.wait()
        with suppress(EngineFailed):  # where the test ends the worker
            while not over.is_set():
                session.train(np.full(seed - 4, 1e-4))
        session.close()


def test_the_weights_of_a_snapshot_open_in_caffe(engine, make_job, caffe_python):
    job = make_job()
    session = engine.open(job)
    session.train(np.full(5, 0.01))
    outputs = session.evaluate()
    session.save(job.folder / "weights")
    session.close()
    told = caffe_python(
        "import os, sys; os.environ['GLOG_minloglevel'] = '2'\n"
        "import caffe, numpy as np\n"
        f"net = caffe.Net({str(job.folder / 'net.prototxt')!r}, caffe.TEST)\n"
        f"net.copy_from({str(job.folder / 'weights/net.caffemodel')!r})\n"
        "net.forward()\nprint(' '.join(repr(float(v)) for v in net.blobs['probabilities'].data.ravel()[:50]))\n"
    )
    np.testing.assert_allclose(np.array(told.split(), dtype=float), outputs.probabilities.ravel()[:50], atol=1e-6)


def test_what_it_cannot_do_is_refused_before_anything_is_written(engine, make_job, repository):
    with pytest.raises(SpecError, match="no driver 'native'"):
        engine.check(make_job("a", driver="native"))
    with pytest.raises(EngineUnavailable, match="PyTorch sees"):
        engine.check(make_job("b", engine=EngineSettings(name="torch", device="gpu"), device_id=99))
    net = thin_lenet()
    next(layer for layer in net.layer if layer.type == "ReLU").type = "SPP"
    with pytest.raises(NetError, match=r'layer "relu1".*SPP'):
        engine.check(make_job("c", net=net))
