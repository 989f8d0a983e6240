"""What makes two nets the same net."""

from __future__ import annotations

import hashlib

from lrbench.nets.caffe_pb2 import NetParameter

_BOUND_DATA_FIELDS = ("source", "backend", "batch_size", "prefetch")


def net_sha256(net: NetParameter) -> str:
    """The hash, in hexadecimal, of what the net computes.

    It does not see comments, white space, the net's name, nor what binding a net to a data set sets: where the
    samples and the mean lie and how many make a batch. Whether a mean is subtracted it does see. A default written
    out counts as a difference: to Caffe the presence of some fields has a meaning of its own.
    """
    bare = NetParameter()
    bare.CopyFrom(net)
    bare.ClearField("name")
    for layer in bare.layer:
        if layer.type != "Data":
            continue
        for field in _BOUND_DATA_FIELDS:
            layer.data_param.ClearField(field)
        if not layer.data_param.ListFields():
            layer.ClearField("data_param")
        if layer.transform_param.HasField("mean_file"):
            layer.transform_param.mean_file = "mean"
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
