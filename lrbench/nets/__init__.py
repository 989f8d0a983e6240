"""Nets and solvers in Caffe's format: read, checked, bound to a data set and written.

Nothing here edits prototxt as a string: a file is parsed into Caffe's messages (:mod:`lrbench.nets.caffe_pb2`) and
written from them by protobuf's own text format. Of a solver, fields that Caffe's own message lacks are not parsed.
"""

from lrbench.nets.binding import BatchSizes, DataBinding, bind_net, net_sha256
from lrbench.nets.caffe_pb2 import NetParameter, SolverParameter
from lrbench.nets.checking import NetParts, check_net, has_mean_losses, is_mean_loss, normalization
from lrbench.nets.graph import layers_in, random_layers
from lrbench.nets.refusals import check_images, refuse_stochastic_pooling
from lrbench.nets.solver import Solver, read_solver
from lrbench.nets.text import builtin_nets, find_net, read_net, write_message, write_text

__all__ = [
    "BatchSizes",
    "DataBinding",
    "NetParameter",
    "NetParts",
    "Solver",
    "SolverParameter",
    "bind_net",
    "builtin_nets",
    "check_images",
    "check_net",
    "find_net",
    "has_mean_losses",
    "is_mean_loss",
    "layers_in",
    "net_sha256",
    "normalization",
    "random_layers",
    "read_net",
    "read_solver",
    "refuse_stochastic_pooling",
    "write_message",
    "write_text",
]
