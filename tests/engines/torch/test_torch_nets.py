"""Whole nets: from the same weights over the same batch the engine gives what real Caffe gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from engines.torch.torch_parity import Arrays, Case, InCaffe, distance, key, replace_data, run_torch

from lrbench.engines.torch.net import TorchNet
from lrbench.engines.torch.weights import read_caffemodel, write_caffemodel
from lrbench.nets import read_net
from lrbench.nets.caffe_pb2 import TEST, TRAIN

BATCH = 10
SEED = 20
IMAGES = {
    "lenet": (BATCH, 1, 28, 28),
    "cnn3": (BATCH, 3, 32, 32),
    "resnet20": (BATCH, 3, 32, 32),
    "resnet20 without a kink": (BATCH, 3, 32, 32),
}
# Among the two million values that ResNet-20's ReLUs see are always some so near 0 that rounding decides on which
# side they are, and each such decision changes gradients by up to 1e-2 of their norm, in Caffe as here (where
# float64 tells, either may be the wrong one). With TanH for ReLU rounding stays rounding.
GRADIENT_TOLERANCE = {name: 3e-2 if name == "resnet20" else 1e-4 for name in IMAGES}


class Pair:
    """One net's first iteration, and a test with what that left, in Caffe and here.

    Attributes:
        caffe: what Caffe made in training, and ``tested`` in a test with the weights that training left.
        weights: the caffemodel that Caffe wrote before training; ``left`` after, when statistics have moved.
    """

    def __init__(self, name: str, repository: Path, folder: Path, in_caffe: InCaffe) -> None:
        self.name = name
        self.net = read_net(repository / "prototxt" / f"{name.split()[0]}.prototxt")
        for layer in self.net.layer:
            if layer.type == "ReLU" and "without a kink" in name:
                layer.type = "TanH"
        self.shapes = {"data": IMAGES[name], "label": (BATCH,)}
        random = np.random.default_rng(SEED)
        pixels = random.normal(scale=0.3 if name == "lenet" else 60, size=IMAGES[name])
        labels = random.integers(0, 10, BATCH)
        self.given = {key("input", "data"): pixels.astype(np.float32), key("input", "label"): labels.astype(np.float32)}
        self.weights, self.left = folder / f"{name}.caffemodel", folder / f"{name}_left.caffemodel"
        self.ours = folder / f"{name}_ours.caffemodel"
        train = Case(
            replace_data(self.net, TRAIN, self.shapes),
            self.given,
            TRAIN,
            save_before=self.weights,
            save_after=self.left,
        )
        test = Case(replace_data(self.net, TEST, self.shapes), self.given, TEST, backward=False, weights=self.left)
        made = in_caffe({"train": train, "test": test})
        self.train, self.test, self.caffe, self.tested = train, test, made["train"], made["test"]
        self.made = run_torch(Case(train.net, {**self.given, **self.read(self.weights)}, TRAIN))

    def read(self, path: Path) -> Arrays:
        """Weights as this package reads them, by :func:`key`."""
        net = TorchNet(self.train.net, TRAIN, self.shapes)
        parameters = net.initial(torch.Generator().manual_seed(1))
        read_caffemodel(path, net, parameters)
        return {
            key("parameter", spec.layer, spec.index): tensor.numpy()
            for spec, tensor in zip(net.parameters, parameters, strict=True)
        }


@pytest.fixture(scope="module", params=IMAGES)
def pair(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory, in_caffe: InCaffe
) -> Pair:
    """Each net in turn."""
    return Pair(request.param, repository, tmp_path_factory.mktemp("pair"), in_caffe)


def test_the_first_loss_is_caffes(pair: Pair) -> None:
    assert pair.made[key("loss", "")] == pytest.approx(float(pair.caffe[key("blob", "loss")]), rel=1e-6)


def test_every_blob_is_caffes(pair: Pair) -> None:
    for array, value in pair.made.items():
        if json.loads(array)[0] == "blob":
            assert distance(value, pair.caffe[array]) < 1e-5, array


def test_the_gradient_of_every_parameter_is_caffes(pair: Pair) -> None:
    compared = [array for array in pair.made if json.loads(array)[0] == "parameter_diff"]
    assert len(compared) == sum(spec.learnable for spec in TorchNet(pair.net, TRAIN, pair.shapes).parameters)
    for array in compared:
        assert np.linalg.norm(pair.caffe[array]) > 0
        assert distance(pair.made[array], pair.caffe[array]) < GRADIENT_TOLERANCE[pair.name], array


def test_statistics_after_one_batch_are_caffes(pair: Pair) -> None:
    left = pair.read(pair.left)
    assert left
    for array, value in left.items():
        assert distance(pair.made[array], value) < 1e-5, array


def test_probabilities_in_a_test_are_caffes(pair: Pair) -> None:
    made = run_torch(Case(pair.test.net, {**pair.given, **pair.read(pair.left)}, TEST, backward=False))
    assert np.abs(made[key("blob", "probabilities")] - pair.tested[key("blob", "probabilities")]).max() < 1e-5
    for blob in ("accuracy_top1", "accuracy_top5"):
        assert made[key("blob", blob)] == pytest.approx(float(pair.tested[key("blob", blob)]))
    assert made[key("loss", "")] == pytest.approx(float(pair.tested[key("blob", "loss")]), rel=1e-5)


def test_weights_written_here_open_in_caffe(pair: Pair, in_caffe: InCaffe) -> None:
    net = TorchNet(pair.net, TRAIN, pair.shapes)  # with its Data layers, as a session has it
    parameters = net.initial(torch.Generator().manual_seed(7))
    inputs = {name: torch.from_numpy(pair.given[key("input", name)]) for name in net.inputs}
    net.forward(parameters, inputs)  # so that statistics are not 0
    write_caffemodel(pair.ours, net, parameters)
    case = Case(pair.test.net, pair.given, TEST, backward=False, weights=pair.ours)
    caffe = in_caffe({"ours": case})["ours"]
    test = TorchNet(pair.net, TEST, pair.shapes)
    with torch.no_grad():
        ours = test.forward(parameters, inputs).blobs["probabilities"]
    assert np.abs(ours.numpy() - caffe[key("blob", "probabilities")]).max() < 1e-5
    for spec, tensor in zip(net.parameters, parameters, strict=True):
        assert np.array_equal(caffe[key("parameter", spec.layer, spec.index)], tensor.numpy())


def test_both_phases_have_the_same_parameters(pair: Pair) -> None:
    assert TorchNet(pair.net, TRAIN, pair.shapes).parameters == TorchNet(pair.net, TEST, pair.shapes).parameters


def test_runs_share_one_net(pair: Pair) -> None:
    net = TorchNet(pair.net, TRAIN, pair.shapes)
    inputs = {name: torch.from_numpy(pair.given[key("input", name)]) for name in net.inputs}

    def run(seed: int) -> tuple[float, list[torch.Tensor]]:
        parameters = net.initial(torch.Generator().manual_seed(seed))
        return net.forward(parameters, inputs).loss.item(), parameters

    alone = run(1)
    run(2)
    again = run(1)
    assert alone[0] == again[0] != run(2)[0]
    assert all(torch.equal(one, other) for one, other in zip(alone[1], again[1], strict=True))


def test_mixed_precision_comes_near(pair: Pair) -> None:
    net = TorchNet(pair.net, TRAIN, pair.shapes)
    inputs = {name: torch.from_numpy(pair.given[key("input", name)]) for name in net.inputs}
    parameters = [
        tensor.requires_grad_(spec.learnable)
        for spec, tensor in zip(net.parameters, net.initial(torch.Generator().manual_seed(1)), strict=True)
    ]
    with torch.autocast("cpu", torch.bfloat16):
        loss = net.forward(parameters, inputs).loss
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(net.forward(parameters, inputs).loss.item(), rel=0.03)
    gradients = torch.autograd.grad(loss, [tensor for tensor in parameters if tensor.requires_grad])
    assert all(gradient.isfinite().all() for gradient in gradients)
