"""Every net of LRBench's own, bound to random images, trained for a few iterations in real Caffe."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from lrbench.nets import BatchSizes, DataBinding, NetParameter, bind_net, check_net, find_net, read_net, write_message
from lrbench.nets.caffe_pb2 import BlobProto, Datum, SolverParameter

pytestmark = pytest.mark.caffe
CaffePython = Callable[[str], str]

TRAIN_A_LITTLE = """
import json, caffe
caffe.set_mode_cpu()
solver = caffe.get_solver({solver!r})
net, test_net = solver.net, solver.test_nets[0]
test_net.share_with(net)
losses = []
for _ in range({iterations}):
    solver.step(1)
    losses.append(float(net.blobs["loss"].data))
outputs = test_net.forward()
probabilities = test_net.blobs[{probabilities!r}].data
print(json.dumps(dict(
    losses=losses,
    learnt=sum(blob.data.size for name, blobs in net.params.items() for blob in blobs
               if net.layer_dict[name].type != "BatchNorm"),
    outputs=sorted(outputs),
    sums=probabilities.sum(axis=1).tolist(),
    hits=float((probabilities.argmax(axis=1) == test_net.blobs["label"].data).mean()),
    accuracy=float(outputs["accuracy_top1"]) if "accuracy_top1" in outputs else None,
)))
"""


def write_images(folder: Path, channels: int, side: int) -> DataBinding:
    """Random images of ten classes, each class about an image of its own, and a mean file."""
    generator = np.random.default_rng(7)
    classes = generator.integers(0, 128, (10, channels, side, side))
    for split in ("train", "test"):
        with lmdb.open(str(folder / split), map_size=2**26) as database, database.begin(write=True) as transaction:
            for index in range(40):
                pixels = (classes[index % 10] + generator.integers(0, 128, classes[0].shape)).astype(np.uint8)
                datum = Datum(channels=channels, height=side, width=side, data=pixels.tobytes(), label=index % 10)
                transaction.put(b"%08d" % index, datum.SerializeToString())
    mean = BlobProto(num=1, channels=channels, height=side, width=side, data=[127.0] * classes[0].size)
    (folder / "mean").write_bytes(mean.SerializeToString())
    return DataBinding(*(str(folder / name) for name in ("train", "test", "mean")))


def train(caffe_python: CaffePython, folder: Path, net: NetParameter, iterations: int) -> dict[str, Any]:
    """Train a bound net and return what the script above prints."""
    write_message(folder / "net.prototxt", net)
    solver = SolverParameter(
        net=str(folder / "net.prototxt"),
        base_lr=0.001,
        lr_policy="fixed",
        momentum=0.9,
        max_iter=iterations,
        test_iter=[1],
        test_interval=1000,
        test_initialization=False,
        solver_mode=SolverParameter.CPU,
        random_seed=1,
    )
    write_message(folder / "solver.prototxt", solver)
    script = TRAIN_A_LITTLE.format(
        solver=str(folder / "solver.prototxt"),
        iterations=iterations,
        probabilities=check_net(net, "bound").probabilities,
    )
    result: dict[str, Any] = json.loads(caffe_python(script).splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("name", "channels", "side", "learnt"),
    [
        ("lenet", 1, 28, 431_080),
        ("cnn3", 3, 32, 89_578),
        ("resnet20", 3, 40, 269_722),
        ("resnet32", 3, 40, 464_154),
    ],
)
def test_a_net_of_lrbenchs_own_trains(
    caffe_python: CaffePython, tmp_path: Path, name: str, channels: int, side: int, learnt: int
) -> None:
    data = write_images(tmp_path, channels, side)
    bound = bind_net(read_net(find_net(name, tmp_path)), data, BatchSizes(20, 40))
    result = train(caffe_python, tmp_path, bound, iterations=4)
    assert result["learnt"] == learnt
    assert result["losses"][0] == pytest.approx(math.log(10), abs=0.3)
    assert all(math.isfinite(loss) for loss in result["losses"])
    assert len(set(result["losses"])) > 1
    assert result["outputs"] == ["accuracy_top1", "accuracy_top5", "loss"]
    assert result["sums"] == pytest.approx([1.0] * 40, rel=1e-5)
    assert result["hits"] == pytest.approx(result["accuracy"])


def test_an_own_net_gets_a_loss_blob_and_probabilities_that_caffe_serves(
    caffe_python: CaffePython, tmp_path: Path, small_net_with: Callable[..., NetParameter]
) -> None:
    """The one Data layer of both phases, the loss without a top: all that binding mends at once."""
    net = small_net_with(
        ("include { phase: TRAIN }", ""),
        ("include { phase: TEST }", 'include { stage: "never" }'),
        ("num_output: 7", "num_output: 10"),
        (' top: "loss"', ""),
        ("data_param { source", "transform_param { scale: 0.004 } data_param { source"),
    )
    data = write_images(tmp_path, channels=1, side=8)
    bound = bind_net(net, data, BatchSizes(20, 40))
    result = train(caffe_python, tmp_path, bound, iterations=4)
    assert result["losses"][0] == pytest.approx(math.log(10), abs=0.5)
    assert result["outputs"] == ["loss"]
    assert result["sums"] == pytest.approx([1.0] * 40, rel=1e-5)


DRAWN = """
import json, caffe
caffe.set_mode_cpu()
def train(first, more):
    caffe.set_random_seed(5)
    net = caffe.Net({net!r}, caffe.TRAIN)
    for _ in range(first):
        for name in {random_layers!r}:
            net.forward(start=name, end=name)
    drawn = []
    for _ in range(more):
        net.forward()
        drawn.append(net.blobs["d"].data.astype(bool).ravel().tolist())
    return drawn
print(json.dumps([train(0, 5)[3:], train(3, 2)]))
"""


def test_running_the_random_layers_alone_brings_the_generator_to_where_it_was(
    caffe_python: CaffePython, tmp_path: Path, small_net_with: Callable[..., NetParameter]
) -> None:
    net = small_net_with(
        ('bottom: "data" top: "ip"', 'bottom: "d" top: "ip"'),
        (
            'layer {\n  name: "ip"',
            'layer { name: "zero" type: "Dropout" bottom: "data" top: "z" dropout_param { dropout_ratio: 0 } }\n'
            'layer { name: "drop" type: "Dropout" bottom: "z" top: "d" }\nlayer {\n  name: "ip"',
        ),
        # A first layer without zeros, so that a zero behind it is a drop.
        ("data_param { source", "transform_param { mean_value: 999 } data_param { source"),
    )
    bound = bind_net(net, write_images(tmp_path, channels=1, side=8), BatchSizes(4, 4))
    write_message(tmp_path / "net.prototxt", bound)
    parts = check_net(bound, "bound")
    script = DRAWN.format(net=str(tmp_path / "net.prototxt"), random_layers=list(parts.random_layers))
    uninterrupted, replayed = json.loads(caffe_python(script).splitlines()[-1])
    assert replayed == uninterrupted
    assert uninterrupted[0] != uninterrupted[1]
