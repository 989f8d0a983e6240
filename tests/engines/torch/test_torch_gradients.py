"""Gradients that are taken in a faster way are torch's own, and are taken so only where that pays."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lrbench.engines.torch.conv_geometry import Window
from lrbench.engines.torch.layer import in_rows
from lrbench.engines.torch.layers_convolution import WORTH_IT, Convolve, work_in_vain
from lrbench.engines.torch.net import TorchNet
from lrbench.nets import find_net, read_net
from lrbench.nets.caffe_pb2 import TRAIN

WINDOWS = [
    Window((5, 5)),
    Window((3, 3), pad=(1, 1)),
    Window((3, 2), pad=(2, 0), stride=(1, 3)),
    Window((1, 1)),
    Window((4, 4), pad=(3, 3), stride=(2, 2)),
    Window((9, 7)),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_has_torchs_values_and_gradients(window, layout, bias):
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 9, 7, dtype=torch.float64), torch.randn(4, 5, *window.kernel, dtype=torch.float64)
    given = [tensor.contiguous(memory_format=layout).requires_grad_() for tensor in (x, weight)]
    given += [torch.randn(4, dtype=torch.float64, requires_grad=True)] if bias else []
    ours = Convolve.apply(*given[:2], given[2] if bias else None, window)
    plain = functional.conv2d(given[0], given[1], given[2] if bias else None, stride=window.stride, padding=window.pad)
    assert torch.equal(ours, plain)
    toward = torch.randn_like(plain)
    for mine, torchs in zip(*(torch.autograd.grad(top, given, toward) for top in (ours, plain)), strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-12, atol=1e-12)


def test_only_what_is_asked_for_is_made():
    x, weight = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 5, 5, requires_grad=True)
    top = Convolve.apply(x, weight, torch.randn(4), Window((5, 5)))
    assert torch.autograd.grad(top.sum(), weight)[0].shape == weight.shape
    fixed = Convolve.apply(x.requires_grad_(), weight.detach(), None, Window((5, 5)))
    assert torch.autograd.grad(fixed.sum(), x)[0].shape == x.shape


@pytest.mark.parametrize(
    ("net", "image", "faster"),
    [("lenet", (1, 28, 28), {"conv2"}), ("cnn3", (3, 32, 32), set()), ("resnet20", (3, 32, 32), set())],
)
def test_it_is_done_where_most_of_the_work_would_be_in_vain(net, image, faster, repository):
    trained = TorchNet(read_net(find_net(net, repository)), TRAIN, {"data": (2, *image), "label": (2,)})
    parameters = [tensor.requires_grad_() for tensor in trained.initial(torch.Generator().manual_seed(0))]
    blobs = trained.forward(parameters, {"data": torch.rand(2, *image), "label": torch.zeros(2)}).blobs
    functions = {name: blob.grad_fn.name() for name, blob in blobs.items() if blob.grad_fn is not None}
    assert {name for name, function in functions.items() if function == "ConvolveBackward"} == faster


def test_work_in_vain_counts_blocks_of_channels_and_pixels_at_the_border():
    assert work_in_vain((100, 20, 12, 12), (100, 50, 8, 8), Window((5, 5))) == pytest.approx(32 / 20 * 144 / 64)
    assert work_in_vain((9, 32, 16, 16), (9, 64, 16, 16), Window((5, 5), pad=(2, 2))) == 1
    assert work_in_vain((9, 32, 16, 16), (9, 64, 8, 8), Window((3, 3), pad=(1, 1), stride=(2, 2))) == 1
    assert work_in_vain((9, 1, 8, 8), (9, 64, 8, 8), Window((3, 3), pad=(1, 1))) == 16 > WORTH_IT


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_rows_are_in_caffes_order_and_their_gradient_in_the_images(layout):
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout).requires_grad_()
    rows = in_rows(x, (2, 60))
    assert torch.equal(rows, x.reshape(2, 60))
    toward = torch.randn(2, 60)
    (gradient,) = torch.autograd.grad(rows, x, toward)
    assert torch.equal(gradient, toward.view(2, 3, 4, 5))
    assert gradient.is_contiguous(memory_format=layout)
