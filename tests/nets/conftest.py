from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf import text_format

from lrbench.nets import NetParameter

SMALL_NET = """
name: "small"
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "train" batch_size: 4 backend: LEVELDB }
}
layer {
  name: "test_data" type: "Data" top: "data" top: "label" include { phase: TEST }
  data_param { source: "test" batch_size: 2 backend: LEVELDB }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } }
}
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def parse(text: str) -> NetParameter:
    return text_format.Parse(text, NetParameter())


@pytest.fixture
def small_net() -> NetParameter:
    """A net that has what training needs, and nothing else."""
    return parse(SMALL_NET)


@pytest.fixture
def small_net_with() -> Callable[..., NetParameter]:
    """The small net after replacements, ``old=new`` as pairs, and with more layers at its end."""

    def build(*replacements: tuple[str, str], more: str = "") -> NetParameter:
        text = SMALL_NET
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        return parse(text + more)

    return build
