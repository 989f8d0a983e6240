"""Caffe's layer types that this engine runs, each with the function that builds it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lrbench.engines.torch.layer import Build
from lrbench.engines.torch.layers_arithmetic import argmax, bias, eltwise, embed, inner_product, reduction, scale
from lrbench.engines.torch.layers_convolution import convolution, deconvolution, pooling
from lrbench.engines.torch.layers_loss import (
    accuracy,
    euclidean_loss,
    hinge_loss,
    sigmoid_cross_entropy_loss,
    softmax,
    softmax_with_loss,
)
from lrbench.engines.torch.layers_neuron import (
    absval,
    bnll,
    clip,
    dropout,
    elu,
    exp,
    log_,
    power,
    prelu,
    relu,
    sigmoid,
    swish,
    tanh,
    threshold,
)
from lrbench.engines.torch.layers_normalizing import batch_norm, lrn, mvn
from lrbench.engines.torch.layers_shaping import concat, crop, flatten, reshape, silence, slice_, split, tile

LAYERS: Mapping[str, Build] = MappingProxyType(
    {
        "AbsVal": absval,
        "Accuracy": accuracy,
        "ArgMax": argmax,
        "BNLL": bnll,
        "BatchNorm": batch_norm,
        "Bias": bias,
        "Clip": clip,
        "Concat": concat,
        "Convolution": convolution,
        "Crop": crop,
        "Deconvolution": deconvolution,
        "Dropout": dropout,
        "ELU": elu,
        "Eltwise": eltwise,
        "Embed": embed,
        "EuclideanLoss": euclidean_loss,
        "Exp": exp,
        "Flatten": flatten,
        "HingeLoss": hinge_loss,
        "InnerProduct": inner_product,
        "LRN": lrn,
        "Log": log_,
        "MVN": mvn,
        "PReLU": prelu,
        "Pooling": pooling,
        "Power": power,
        "ReLU": relu,
        "Reduction": reduction,
        "Reshape": reshape,
        "Scale": scale,
        "Sigmoid": sigmoid,
        "SigmoidCrossEntropyLoss": sigmoid_cross_entropy_loss,
        "Silence": silence,
        "Slice": slice_,
        "Softmax": softmax,
        "SoftmaxWithLoss": softmax_with_loss,
        "Split": split,
        "Swish": swish,
        "TanH": tanh,
        "Threshold": threshold,
        "Tile": tile,
    }
)
"""Data and Input layers are not among them: what they make comes from outside."""
