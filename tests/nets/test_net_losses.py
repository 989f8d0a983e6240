"""What a softmax loss is divided by, and so whether it is a mean over the samples."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from lrbench.nets import has_mean_losses
from lrbench.nets.caffe_pb2 import NetParameter


@pytest.mark.parametrize(
    ("settings", "mean"),
    [
        ("", True),
        ("normalization: FULL", True),
        ("normalization: BATCH_SIZE", True),
        ("normalize: false", True),
        ("normalize: false normalization: NONE", False),
        ("normalization: NONE", False),
        ("ignore_label: 3", False),
    ],
)
def test_the_loss_of_a_net_with_one_label_a_sample(small_net_with, settings, mean):
    net = small_net_with(('top: "loss" }', f'top: "loss" loss_param {{ {settings} }} }}'))
    assert has_mean_losses(net) == mean


def test_other_losses_do_not_matter():
    other = 'layer { name: "pull" type: "EuclideanLoss" loss_param { normalization: NONE } }'
    assert has_mean_losses(text_format.Parse(other, NetParameter()))
