"""Streams on which lanes run side by side on a GPU, all of a round in one CUDA graph; on a CPU they run in turn.

The parts of this module that name ``torch.cuda`` need a GPU to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST_STREAMS = 16
"""Kernels of more lanes at a time than this would only wait in the GPU's own queues."""


class Streams:
    """A main stream, and others on which lanes run side by side between ``fork`` and ``join``.

    Args:
        device: on a CPU all of it does nothing.
        lanes: how many there are; they share the streams in turn.
    """

    def __init__(self, device: torch.device, lanes: int) -> None:
        self.on_gpu = device.type == "cuda"
        count = 1 + min(lanes, MOST_STREAMS) if self.on_gpu else 0
        streams = [torch.cuda.Stream(device) for _ in range(count)]  # type: ignore[no-untyped-call]
        self._main, self._own = streams[:1], streams[1:]

    @contextmanager
    def main(self) -> Iterator[None]:
        """Context in which work is put on the main stream, behind all that was put on the device before."""
        with ExitStack() as stack:
            for stream in self._main:
                stream.wait_stream(torch.cuda.current_stream(stream.device))
                stack.enter_context(torch.cuda.stream(stream))
            yield

    def fork(self) -> None:
        """Let the lanes begin once the main stream has come here."""
        for stream in self._own:
            stream.wait_stream(self._main[0])

    def of(self, lane: int) -> AbstractContextManager[Any]:
        """Context in which work is put on the stream of that lane."""
        return torch.cuda.stream(self._own[lane % len(self._own)]) if self._own else nullcontext()

    def join(self) -> None:
        """Let the main stream go on once all lanes are done."""
        for stream in self._own:
            self._main[0].wait_stream(stream)

    def capture(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Record what ``work`` puts on the streams, running none of it; gives what repeats it as one CUDA graph.

        Each repetition reads the same tensors, and draws further numbers from the generators.
        """
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=self._main[0]):
            work()
        replay: Callable[[], None] = graph.replay
        return replay


class Download:
    """A tensor on its way to the host; what comes after it on the stream need not wait for that."""

    def __init__(self, tensor: Tensor) -> None:
        self._on_gpu = tensor.is_cuda
        if self._on_gpu:
            self._copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._copy.copy_(tensor, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()
        else:
            self._copy = tensor.clone()

    def wait(self) -> NDArray[Any]:
        """The values, once they are there."""
        if self._on_gpu:
            self._arrived.synchronize()
        found: NDArray[Any] = self._copy.numpy()
        return found


def upload(values: NDArray[Any], device: torch.device) -> Tensor:
    """The values as a tensor on the device; the host does not wait for what is under way there."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
