"""Momentum of each iteration beside Caffe's solver, which has none of its own: part of the stepping worker.

    V = m_t V + update;  W = W before the update - V,

in float32, where the update is Caffe's own: learning rate times gradient, with weight decay and clipping. Works with
Python 3.5 and later, and imports nothing of LRBench.
"""

from typing import Any

import numpy as np


class Velocity:
    """V of each parameter of a net.

    Args:
        net: of pycaffe, whose solver is SGD with the momentum 0.
        momenta: the momentum of each iteration, float32.
    """

    def __init__(self, net: Any, momenta: Any) -> None:
        blobs = [blob for parameters in net.params.values() for blob in parameters]
        # Blobs of layers that share a parameter lie at the same place.
        self._blobs = list({blob.data.__array_interface__["data"][0]: blob for blob in blobs}.values())
        self._momenta = momenta
        self._values = [np.zeros_like(blob.data) for blob in self._blobs]
        self._before = []  # type: Any

    def hold(self) -> None:
        """Keep the weights as they are before an update; running means of a forward pass are among them."""
        self._before = [blob.data.copy() for blob in self._blobs]

    def apply(self, iteration: int) -> None:
        """Put the weights where the momentum of this iteration brings them, after Caffe's update."""
        for blob, before, value in zip(self._blobs, self._before, self._values):  # noqa: B905 - Python 3.5
            value *= self._momenta[iteration]
            value += blob.diff
            np.subtract(before, value, out=blob.data)

    def save(self, path: str) -> None:
        """Write V as one array."""
        np.save(path, np.concatenate([value.reshape(-1) for value in self._values]))

    def load(self, path: str) -> None:
        """Read what ``save`` wrote."""
        stored = np.load(path)
        sizes = [value.size for value in self._values]
        if stored.shape != (sum(sizes),):
            raise ValueError(f"{path} has {stored.size} values, but the net {sum(sizes)}")
        for value, part in zip(self._values, np.split(stored, np.cumsum(sizes)[:-1])):  # noqa: B905
            value[...] = part.reshape(value.shape)
