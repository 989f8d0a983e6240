"""Caffe's layer types that this engine runs, each with the function that builds it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lrbench.engines.torch.layer import Build
from lrbench.engines.torch.layers_batch_norm import batch_norm
from lrbench.engines.torch.layers_joining import concat, eltwise, silence, slice_, split
from lrbench.engines.torch.layers_linear import convolution, deconvolution, inner_product
from lrbench.engines.torch.layers_loss import accuracy, softmax, softmax_with_loss
from lrbench.engines.torch.layers_neuron import dropout, power, prelu, relu, sigmoid, tanh
from lrbench.engines.torch.layers_normalizing import lrn, scale
from lrbench.engines.torch.layers_pooling import pooling
from lrbench.engines.torch.layers_shaping import crop, flatten, reshape, tile

LAYERS: Mapping[str, Build] = MappingProxyType({
    "Accuracy": accuracy,
    "BatchNorm": batch_norm,
    "Concat": concat,
    "Convolution": convolution,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Dropout": dropout,
    "Eltwise": eltwise,
    "Flatten": flatten,
    "InnerProduct": inner_product,
    "LRN": lrn,
    "PReLU": prelu,
    "Pooling": pooling,
    "Power": power,
    "ReLU": relu,
    "Reshape": reshape,
    "Scale": scale,
    "Sigmoid": sigmoid,
    "Silence": silence,
    "Slice": slice_,
    "Softmax": softmax,
    "SoftmaxWithLoss": softmax_with_loss,
    "Split": split,
    "TanH": tanh,
    "Tile": tile,
})
"""Data and Input layers are not among them: what they make comes from outside."""
