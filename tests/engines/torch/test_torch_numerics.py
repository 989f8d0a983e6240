"""Precision and determinism: what a worker is set up for, and what training in bfloat16 keeps and loses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engines.torch.torch_layer_cases import sketches
from engines.torch.torch_parity import distance, run_torch
from engines.torch.torch_sketches import draw

from lrbench.engines.torch.engine import TorchEngine
from lrbench.engines.torch.net import TorchNet
from lrbench.nets import find_net, read_net
from lrbench.nets.caffe_pb2 import TRAIN
from lrbench.spec.sections import EngineSettings

CASES = {name: draw(sketch, seed) for seed, (name, sketch) in enumerate(sketches().items())}
BFLOAT16 = 0.03
"""Of the norm: its fractions have 7 bits, an error of up to 0.004 in each factor."""

SETTLED = """
import json, sys, torch
from lrbench.engines.torch.worker import settle
found = []
for precision, deterministic in (("float32", True), ("tf32", True), ("bf16", False), ("float32", True)):
    settle(precision, deterministic)
    found.append([torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision,
                  torch.backends.mkldnn.matmul.fp32_precision, torch.are_deterministic_algorithms_enabled(),
                  torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark])
print(json.dumps([found, "torch._dynamo" in sys.modules]))
"""


def test_a_process_is_set_up_without_a_warning_and_without_the_compiler():
    answer = subprocess.run([sys.executable, "-W", "error", "-c", SETTLED], capture_output=True, text=True, check=True)
    exact = ["ieee", "ieee", "ieee", True, False, False]
    found, compiler_loaded = json.loads(answer.stdout)
    assert found == [
        exact,
        ["tf32", "tf32", "ieee", True, False, False],
        ["ieee", "ieee", "ieee", False, False, True],
        exact,
    ]
    assert not compiler_loaded
    assert answer.stderr == ""


def test_each_layer_in_bfloat16_gives_float32s_values_but_for_rounding():
    for name, case in CASES.items():
        exact, rounded = run_torch(case), run_torch(case, precision="bf16")
        for array, value in exact.items():
            assert (value is None) == (rounded[array] is None), (name, array)
            if value is not None:
                assert distance(rounded[array], value) < BFLOAT16, (name, array)


def test_in_bfloat16_only_the_forward_pass_is_rounded(repository):
    net = TorchNet(
        read_net(find_net("resnet20", repository)), TRAIN, {"data": (4, 3, 32, 32), "label": (4,)}, precision="bf16"
    )
    parameters = net.initial(torch.Generator().manual_seed(0))
    learnt = [
        tensor.requires_grad_() for tensor, spec in zip(parameters, net.parameters, strict=True) if spec.learnable
    ]
    outputs = net.forward(parameters, {"data": torch.rand(4, 3, 32, 32), "label": torch.arange(4)})
    gradients = torch.autograd.grad(outputs.loss, learnt)
    assert torch.bfloat16 in {blob.dtype for blob in outputs.blobs.values()}
    assert outputs.loss.dtype == torch.float32
    assert {tensor.dtype for tensor in (*parameters, *gradients)} == {torch.float32}
    assert not torch.is_autocast_enabled("cpu")


@pytest.fixture
def trained(make_job, warm_torch):
    """LeNet after 200 iterations on digits: losses of the last 100, and accuracy."""
    engine = TorchEngine()

    def train(name, **numerics):
        net = read_net(find_net("lenet", Path()))
        job = make_job(name, net=net, batch_size=16, engine=EngineSettings(name="torch", **numerics))
        session = engine.open(job)
        session.train(np.full(100, 0.01))
        session.save(job.folder / "half")
        loss = session.train(np.full(100, 0.01)).train_loss
        outputs = session.evaluate()
        session.close()
        return job, loss, outputs

    return train


def accuracy(outputs):
    return np.mean(outputs.probabilities.argmax(1) == outputs.labels)


def test_lenet_trains_in_bfloat16_as_well_as_in_float32_and_resumes_to_the_bit(trained):
    job, loss, outputs = trained("bf16", precision="bf16")
    _, exact_loss, exact = trained("float32")
    assert accuracy(exact) > 0.9
    assert accuracy(outputs) == pytest.approx(accuracy(exact), abs=0.02)
    assert loss == pytest.approx(exact_loss, rel=0.1)
    assert loss != pytest.approx(exact_loss, rel=1e-5)  # else it was float32
    session = TorchEngine().open(replace(job, lanes=2))
    session.restore(job.folder / "half", 1)
    assert session.train(np.full(100, 0.01)).train_loss == loss
    assert np.array_equal(session.evaluate().probabilities, outputs.probabilities)
    session.close()


def test_on_a_cpu_a_run_that_need_not_be_deterministic_is_the_same_run(trained):
    _, loss, outputs = trained("free", deterministic=False)
    _, same_loss, same = trained("deterministic")
    assert loss == same_loss
    assert np.array_equal(outputs.probabilities, same.probabilities)


def test_runs_share_a_process_only_with_those_that_compute_alike(make_job, warm_torch):
    engine = TorchEngine()
    settings: list[dict[str, Any]] = [{}, {"precision": "bf16"}, {"deterministic": False}, {}]
    sessions = [
        engine.open(make_job(str(number), lanes=8, engine=EngineSettings(name="torch", **numerics)))
        for number, numerics in enumerate(settings)
    ]
    exact, rounded, free, again = (session.processes() for session in sessions)
    for session in sessions:
        session.close()
    assert exact == again
    assert len({*exact, *rounded, *free}) == 3
