"""Fillers draw what their formulas say, and what Caffe draws has the same distribution."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from engines.torch.torch_parity import Case, InCaffe, input_net, key
from google.protobuf import text_format
from numpy.typing import NDArray

from lrbench.engines.torch.parameters import check_filler, fill
from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import TEST, FillerParameter

INPUTS, OUTPUTS = 400, 250
COUNT = INPUTS * OUTPUTS
SIGMAS = 5.0

# settings: (mean, standard deviation, lowest, highest), None where there is no bound; of shape (OUTPUTS, INPUTS)
UNIFORM = {
    'type: "uniform" min: -0.2 max: 0.6': (-0.2, 0.6),
    'type: "uniform"': (0.0, 1.0),
    'type: "xavier"': (-sqrt(3 / INPUTS), sqrt(3 / INPUTS)),
    'type: "xavier" variance_norm: FAN_OUT': (-sqrt(3 / OUTPUTS), sqrt(3 / OUTPUTS)),
    'type: "xavier" variance_norm: AVERAGE': (-sqrt(6 / (INPUTS + OUTPUTS)), sqrt(6 / (INPUTS + OUTPUTS))),
}
NORMAL = {
    'type: "gaussian"': (0.0, 1.0),
    'type: "gaussian" mean: 3 std: 0.01': (3.0, 0.01),
    'type: "msra"': (0.0, sqrt(2 / INPUTS)),
    'type: "msra" variance_norm: FAN_OUT': (0.0, sqrt(2 / OUTPUTS)),
    'type: "msra" variance_norm: AVERAGE': (0.0, sqrt(4 / (INPUTS + OUTPUTS))),
}
SPARSE = 'type: "gaussian" std: 2 sparse: 50'
UNITBALL = 'type: "positive_unitball"'


def parse(settings: str) -> FillerParameter:
    return text_format.Parse(settings, FillerParameter())


def drawn(settings: str, seed: int = 1) -> NDArray[np.float64]:
    values = fill(parse(settings), (OUTPUTS, INPUTS), torch.Generator().manual_seed(seed))
    assert values.dtype == torch.float32
    return values.double().numpy()


@pytest.fixture(scope="module")
def caffes(in_caffe: InCaffe) -> dict[str, NDArray[np.float64]]:
    """What Caffe fills a weight of this shape with."""
    layer = (
        'layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param {{ bias_term: false '
        "num_output: {} weight_filler {{ {} }} }} }}"
    )
    cases = {
        settings: Case(input_net(layer.format(OUTPUTS, settings), {"x": (1, INPUTS)}), {}, TEST, backward=False)
        for settings in (*UNIFORM, *NORMAL, SPARSE, UNITBALL)
    }
    return {name: made[key("parameter", "ip")].astype(np.float64) for name, made in in_caffe(cases).items()}


@pytest.mark.parametrize("settings", UNIFORM)
def test_uniform_fillers(settings: str, caffes: dict[str, NDArray[np.float64]]) -> None:
    low, high = UNIFORM[settings]
    for values in (drawn(settings), caffes[settings]):
        width = high - low
        assert low - 1e-6 * width <= values.min() <= low + 1e-3 * width
        assert high - 1e-3 * width <= values.max() <= high + 1e-6 * width
        assert values.mean() == pytest.approx((low + high) / 2, abs=SIGMAS * width / sqrt(12 * COUNT))
        assert values.var() == pytest.approx(width**2 / 12, rel=SIGMAS * sqrt(0.8 / COUNT))


@pytest.mark.parametrize("settings", NORMAL)
def test_normal_fillers(settings: str, caffes: dict[str, NDArray[np.float64]]) -> None:
    mean, deviation = NORMAL[settings]
    for values in (drawn(settings), caffes[settings]):
        assert values.mean() == pytest.approx(mean, abs=SIGMAS * deviation / sqrt(COUNT))
        assert values.var() == pytest.approx(deviation**2, rel=SIGMAS * sqrt(2 / COUNT))
        standard = (values - mean) / deviation
        assert (np.abs(standard) > 2).mean() == pytest.approx(0.0455, abs=SIGMAS * sqrt(0.0455 / COUNT))


def test_sparse_gaussian(caffes: dict[str, NDArray[np.float64]]) -> None:
    kept = 50 / OUTPUTS
    for values in (drawn(SPARSE), caffes[SPARSE]):
        assert (values != 0).mean() == pytest.approx(kept, abs=SIGMAS * sqrt(kept * (1 - kept) / COUNT))
        assert values[values != 0].std() == pytest.approx(2, rel=SIGMAS / sqrt(2 * kept * COUNT))


def test_positive_unitball(caffes: dict[str, NDArray[np.float64]]) -> None:
    for values in (drawn(UNITBALL), caffes[UNITBALL]):
        assert values.min() >= 0
        assert values.sum(1) == pytest.approx(1, abs=1e-4)
        assert values.mean() == pytest.approx(1 / INPUTS, rel=1e-5)
        assert values.max() <= 2.5 / INPUTS  # 1 over a sum near INPUTS / 2


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_constant_and_bilinear_are_caffes_to_the_bit(size: int, in_caffe: InCaffe) -> None:
    net = input_net(
        'layer { name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 3 '
        f'kernel_size: {size} weight_filler {{ type: "bilinear" }} '
        "bias_filler { value: 0.7 } } }",
        {"x": (1, 2, 9, 9)},
    )
    caffe = in_caffe({"fill": Case(net, {}, TEST, backward=False)})["fill"]
    generator = torch.Generator().manual_seed(1)
    weight = fill(parse('type: "bilinear"'), (3, 2, size, size), generator).numpy()
    assert weight == pytest.approx(caffe[key("parameter", "c")], abs=1e-7)
    assert np.array_equal(fill(parse("value: 0.7"), (3,), generator).numpy(), caffe[key("parameter", "c", 1)])


def test_the_fan_of_a_kernel_counts_its_window() -> None:
    shape = (64, 32, 5, 5)
    generator = torch.Generator().manual_seed(1)
    assert fill(parse('type: "xavier"'), shape, generator).max().item() == pytest.approx(sqrt(3 / 800), rel=1e-3)
    outward = fill(parse('type: "msra" variance_norm: FAN_OUT'), shape, generator)
    assert outward.std().item() == pytest.approx(sqrt(2 / 1600), rel=0.02)


def test_one_seed_gives_one_filling() -> None:
    assert np.array_equal(drawn('type: "xavier"', 3), drawn('type: "xavier"', 3))
    assert not np.array_equal(drawn('type: "xavier"', 3), drawn('type: "xavier"', 4))


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ('type: "xaver"', (3, 4), 'unknown type "xaver"; did you mean xavier'),
        ('type: "xavier" sparse: 2', (3, 4), "sparse 2 does not fit a xavier filler"),
        ('type: "gaussian" sparse: 4', (3, 4), "sparse 4 does not fit"),
        ('type: "gaussian" std: -1', (3, 4), "std -1, which is negative"),
        ('type: "uniform" min: 2', (3, 4), "min 2 above max 1"),
        ('type: "bilinear"', (3, 4, 2, 3), "no square window"),
    ],
)
def test_what_no_filler_can_do_is_refused(settings: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(NetError, match=message):
        check_filler(parse(settings), shape)
