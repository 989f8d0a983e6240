"""Layer by layer, forward and backward, the engine gives what real Caffe gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from engines.torch.torch_layer_cases import sketches
from engines.torch.torch_parity import Arrays, Case, InCaffe, distance, input_net, key, run_torch
from engines.torch.torch_sketches import draw

from lrbench.engines.torch.layers import LAYERS
from lrbench.engines.torch.net import TorchNet
from lrbench.nets.caffe_pb2 import TRAIN

CASES = {name: draw(sketch, seed) for seed, (name, sketch) in enumerate(sketches().items())}
TOLERANCE = 1e-5  # of the norm, in float32; what differs is the order of sums


@pytest.fixture(scope="module")
def caffes(in_caffe: InCaffe) -> dict[str, Arrays]:
    """What Caffe makes of every case."""
    return in_caffe(CASES)


def test_every_layer_gives_what_caffe_gives(caffes: dict[str, Arrays]) -> None:
    for name, case in CASES.items():
        compared = compare(name, run_torch(case), caffes[name])
        wanted = "blob_diff" if case.net.force_backward else "parameter_diff" if case.backward else "blob"
        assert {"blob", wanted} <= {kind for kind, _ in compared}, name


def test_results_do_not_depend_on_the_memory_layout() -> None:
    for name, case in CASES.items():
        last = run_torch(case, dtype=torch.float64)
        first = run_torch(case, channels_last=False, dtype=torch.float64)
        for array in last:
            if last[array] is not None:
                assert distance(last[array], first[array]) < 1e-12, (name, array)


def compare(name: str, ours: Arrays, caffe: Arrays) -> set[tuple[str, str]]:
    """Compare every blob, gradient and parameter of a case; returns the kinds and names of those compared."""
    case, compared = CASES[name], set()
    for array, value in caffe.items():
        kind, blob, _ = json.loads(array)
        of_inner_blob = kind == "blob_diff" and not (case.net.force_backward and key("input", blob) in case.given)
        if array not in ours or "label" in blob or of_inner_blob:
            continue
        mine = np.zeros_like(value) if ours[array] is None else ours[array]
        apart = distance(mine, value)
        assert apart < TOLERANCE, f"{name}: {kind} {blob}: {apart:.1e}\n{mine}\n{value}"
        compared.add((kind, blob))
    return compared


def test_every_parameter_is_where_caffe_has_it(caffes: dict[str, Arrays]) -> None:
    for name, case in CASES.items():
        net = TorchNet(case.net, case.phase, shapes_of(case))
        own = {(layer, index): slot.shape for layer, slots in net.slots.items() for index, slot in enumerate(slots)}
        in_caffe = {
            tuple(json.loads(array)[1:]): value.shape
            for array, value in caffes[name].items()
            if json.loads(array)[0] == "parameter"
        }
        assert own == in_caffe, name


def test_every_blob_has_the_shape_that_was_inferred(caffes: dict[str, Arrays]) -> None:
    for name, case in CASES.items():
        net = TorchNet(case.net, case.phase, shapes_of(case))
        for blob in {blob for layer in case.net.layer for blob in layer.top}:
            assert net.shapes[blob] == caffes[name][key("blob", blob)].shape, (name, blob)


def test_every_layer_type_is_held_to_caffe_and_documented(repository: Path) -> None:
    assert {layer.type for case in CASES.values() for layer in case.net.layer} - {"Input"} == set(LAYERS)
    text = (repository / "docs/how-to/train-with-pytorch.md").read_text()
    section = text.split("These layer types are supported")[1].split("Any other type")[0]
    assert re.findall(r"`(\w+)`", section) == sorted({*LAYERS, "Data"})


def shapes_of(case: Case) -> dict[str, tuple[int, ...]]:
    return {json.loads(name)[1]: value.shape for name, value in case.given.items() if json.loads(name)[0] == "input"}


@pytest.mark.parametrize("factor", [300, 1e12, 1e30])
def test_the_loss_of_a_sample_is_cut_where_caffe_cuts_it_and_its_gradient_is_not(
    in_caffe: InCaffe, factor: float
) -> None:
    case = draw(sketches()["loss"], 0)
    case.given[key("input", "x")] *= factor
    caffe, ours = in_caffe({"far": case})["far"], run_torch(case)
    assert caffe[key("blob", "loss")] == pytest.approx(ours[key("blob", "loss")], rel=1e-6)
    assert caffe[key("blob", "loss")] > 30
    assert distance(ours[key("blob_diff", "x")], caffe[key("blob_diff", "x")]) < TOLERANCE


def test_statistics_follow_their_batches_as_in_caffe(caffes: dict[str, Arrays]) -> None:
    for name in ("batch norm, fraction and eps", "batch norm and scale"):
        ours = run_torch(CASES[name])
        for index in range(3):
            array = key("parameter", "layer", index)
            assert not np.array_equal(ours[array], CASES[name].given[array]), "the statistic has not moved"
            assert distance(ours[array], caffes[name][array]) < 1e-6
    for name in ("batch norm in a test", "batch norm by stored in training"):
        assert np.array_equal(
            run_torch(CASES[name])[key("parameter", "layer", 0)], CASES[name].given[key("parameter", "layer", 0)]
        )


def test_dropout_keeps_the_share_it_should_and_the_mean() -> None:
    net = TorchNet(
        input_net(
            'layer { name: "d" type: "Dropout" bottom: "x" top: "x" dropout_param { dropout_ratio: 0.3 } }',
            {"x": (100, 100)},
        ),
        TRAIN,
        {"x": (100, 100)},
    )
    x = torch.ones(100, 100, requires_grad=True)
    top = net.forward([], {"x": x}, torch.Generator().manual_seed(3)).blobs["x"]
    kept = top != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.02)  # 4 standard deviations
    assert torch.allclose(top[kept], torch.tensor(1 / 0.7))
    (gradient,) = torch.autograd.grad(top.sum(), x)
    assert torch.equal(gradient, top.detach())
    again = net.forward([], {"x": x}, torch.Generator().manual_seed(3)).blobs["x"]
    other = net.forward([], {"x": x}, torch.Generator().manual_seed(4)).blobs["x"]
    assert torch.equal(again, top)
    assert not torch.equal(other, top)


def test_the_probabilities_of_a_loss_are_the_softmax_and_have_no_gradient() -> None:
    layers = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "l" top: "p" }'
    net = TorchNet(input_net(layers, {"x": (5, 4), "label": (5,)}), TRAIN, {"x": (5, 4), "label": (5,)})
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    label = torch.tensor([0, 3, 2, 1, 1])
    outputs = net.forward([], {"x": x, "label": label})
    probabilities = outputs.blobs["p"]
    assert torch.allclose(probabilities, torch.softmax(x, 1))
    assert not probabilities.requires_grad
    assert outputs.loss.item() == pytest.approx(-probabilities[range(5), label].log().mean().item())
