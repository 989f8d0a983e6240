"""Caffe's layer types that this engine runs, each with the function that builds it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lrbench.engines.torch import layers_arithmetic as arithmetic
from lrbench.engines.torch import layers_convolution as convolution
from lrbench.engines.torch import layers_loss as loss
from lrbench.engines.torch import layers_neuron as neuron
from lrbench.engines.torch import layers_normalizing as normalizing
from lrbench.engines.torch import layers_shaping as shaping
from lrbench.engines.torch.layer import Build

LAYERS: Mapping[str, Build] = MappingProxyType(
    {
        "AbsVal": neuron.absval,
        "Accuracy": loss.accuracy,
        "ArgMax": arithmetic.argmax,
        "BNLL": neuron.bnll,
        "BatchNorm": normalizing.batch_norm,
        "Bias": arithmetic.bias,
        "Clip": neuron.clip,
        "Concat": shaping.concat,
        "Convolution": convolution.convolution,
        "Crop": shaping.crop,
        "Deconvolution": convolution.deconvolution,
        "Dropout": neuron.dropout,
        "ELU": neuron.elu,
        "Eltwise": arithmetic.eltwise,
        "Embed": arithmetic.embed,
        "EuclideanLoss": loss.euclidean_loss,
        "Exp": neuron.exp,
        "Flatten": shaping.flatten,
        "HingeLoss": loss.hinge_loss,
        "InnerProduct": arithmetic.inner_product,
        "LRN": normalizing.lrn,
        "Log": neuron.log_,
        "MVN": normalizing.mvn,
        "PReLU": neuron.prelu,
        "Pooling": convolution.pooling,
        "Power": neuron.power,
        "ReLU": neuron.relu,
        "Reduction": arithmetic.reduction,
        "Reshape": shaping.reshape,
        "Scale": arithmetic.scale,
        "Sigmoid": neuron.sigmoid,
        "SigmoidCrossEntropyLoss": loss.sigmoid_cross_entropy_loss,
        "Silence": shaping.silence,
        "Slice": shaping.slice_,
        "Softmax": loss.softmax,
        "SoftmaxWithLoss": loss.softmax_with_loss,
        "Split": shaping.split,
        "Swish": neuron.swish,
        "TanH": neuron.tanh,
        "Threshold": neuron.threshold,
        "Tile": shaping.tile,
    }
)
"""Data and Input layers are not among them: what they make comes from outside."""
