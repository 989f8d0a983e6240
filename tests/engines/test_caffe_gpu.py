"""The GPU path of Caffe as far as no GPU is needed: which GPU, in which order, and none for the CPU."""

from __future__ import annotations

import json

import psutil
import pytest
from factories.fake_engine import FakeEngine
from factories.processes import children

from lrbench.engines.caffe.environment import WORKER, CaffeEnvironment
from lrbench.engines.caffe.run_folder import native_solver, stepping_solver
from lrbench.engines.caffe.worker import Worker
from lrbench.errors import EngineUnavailable
from lrbench.executors.plan import RunSlot, tasks
from lrbench.executors.setup import check_tasks
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.spec.reading import read_experiment
from lrbench.spec.sections import EngineSettings

GPU = EngineSettings(device="gpu", device_ids=[5, 3])


class FakeCaffe:
    """Notes what is asked of Caffe up to the reading of the net."""

    TEST = 1

    def __init__(self) -> None:
        self.calls: list[str] = []

    def set_device(self, number: int) -> None:
        self.calls.append(f"set_device {number}")

    def set_mode_gpu(self) -> None:
        self.calls.append("set_mode_gpu")

    def set_mode_cpu(self) -> None:
        self.calls.append("set_mode_cpu")

    def Net(self, path: str, phase: int) -> None:
        self.calls.append(f"read {path}")


@pytest.mark.parametrize(
    ("device", "calls"),
    [
        ("gpu", ["set_device 3", "set_mode_gpu", "read net"]),
        ("cpu", ["set_mode_cpu", "read net"]),
    ],
)
def test_a_worker_chooses_its_gpu_before_the_mode_so_that_no_other_gpu_is_touched(device, calls):
    caffe = FakeCaffe()
    Worker(caffe, lambda answer: None).do_open_test({"net": "net", "device": device, "device_id": 3}, b"")
    assert caffe.calls == calls


def test_the_command_of_a_gpu_job_leaves_the_users_choice_of_gpus_alone():
    environment = CaffeEnvironment(python=("python",), tool=None, origin="")
    assert "CUDA_VISIBLE_DEVICES=" in environment.command(("python",), 1, "cpu")
    command = environment.command(("python",), 1, "gpu")
    assert not any("CUDA_VISIBLE_DEVICES" in word for word in command)


@pytest.mark.caffe
@pytest.mark.parametrize("driver", ["stepping", "native"])
def test_a_process_on_the_cpu_sees_no_gpu(caffe, make_job, driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = make_job(driver=driver)
    session = caffe.open(job)
    found = children(lambda child: child.cwd() == str(job.folder))
    assert len(found) == (1 if driver == "stepping" else 2)
    assert all(_ready(child)["CUDA_VISIBLE_DEVICES"] == "" for child in found)
    session.close()


def _ready(process: psutil.Process) -> dict[str, str]:
    """The environment of a process that was started by way of ``env``, once that has run."""
    while "OMP_NUM_THREADS" not in (found := process.environ()):
        process.status()
    return found


def test_both_solvers_name_the_gpu_of_the_job(make_job):
    job = make_job(engine=GPU, device_id=3)
    for solver in (native_solver(job), stepping_solver(job, "snapshots/net")):
        assert (solver.solver_mode, solver.device_id) == (SolverParameter.GPU, 3)
    assert native_solver(make_job("cpu")).solver_mode == SolverParameter.CPU


@pytest.mark.caffe
def test_the_probes_net_trains_and_its_line_is_json(caffe_python):
    """On the CPU, as a GPU is not at hand."""
    told = caffe_python(f"""
import sys
sys.path.insert(0, {str(WORKER.parent)!r})
import worker
worker.use_gpu = lambda caffe, device_id: caffe.set_mode_cpu()
worker.main(["--probe-gpu", "2"])
""")
    found = json.loads(told)
    assert found["device_id"] == 2
    assert 0 < found["loss"] < 10
    assert found["gradient"] > 0


@pytest.fixture
def gpu_tasks(repository, digits, tmp_path):
    """Two runs of the digits on the GPUs 5 and 3."""
    experiment = read_experiment(
        repository / "configs/quickstart.yaml", ["engine.device=gpu", "engine.device_ids=[5, 3]", "seeds=[0, 1]"]
    )
    return tasks(experiment, digits, tmp_path)


def test_each_gpu_of_a_spec_is_checked_before_anything_runs(gpu_tasks, monkeypatch):
    seen = []

    def check(job):
        seen.append(job.device_id)
        if job.device_id == 3:
            raise EngineUnavailable("there is no GPU 3")

    engine = FakeEngine()
    monkeypatch.setattr(engine, "check", check)
    with pytest.raises(EngineUnavailable, match="no GPU 3"):
        check_tasks(gpu_tasks, engine, gpu_tasks[0].experiment)
    assert set(seen) == {5, 3}


def test_a_job_without_a_slot_of_its_own_is_on_the_specs_first_gpu(gpu_tasks):
    assert gpu_tasks[0].job().device_id == 5
    assert gpu_tasks[0].job(RunSlot(lanes=2)).device_id == 5
    assert gpu_tasks[0].job(RunSlot(device_id=3)).device_id == 3
