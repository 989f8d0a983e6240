"""Training of several lanes in lockstep: one iteration of each lane a round, none waiting for the device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.engines.torch.lane import Batch, Lane
from lrbench.engines.torch.streams import Download, Streams, upload

GPU_CHUNK = 128
"""Rounds that a GPU is given before the host looks at the losses of those before them."""
WARM_UP = 3
"""Rounds run one kernel at a time before they are recorded, in which libraries set themselves up."""

Tell = Callable[[int, NDArray[np.float64]], None]
"""Receives how many rounds are done, and the main loss of each lane in the last of them."""


@dataclass(frozen=True)
class LossTrace:
    """Main loss of each iteration of a lane, up to the first whose objective is not finite; finite if there is none."""

    losses: NDArray[np.float64]
    finite: bool


class Rounds:
    """Rounds of training, each of one iteration of every lane.

    All that changes from round to round is read from tensors on the device by a counter that is there, too, so that a
    round is the same work each time: run as it is on a CPU, recorded once and repeated as one CUDA graph on a GPU.
    What a chunk of rounds needs is uploaded before it and the losses are downloaded behind it. On a CPU, where looking
    costs nothing, a chunk is one round, and a lane whose objective is not finite stops at once; on a GPU the next chunk
    is under way before the last one is looked at, and such a lane goes on until the stretch ends, for nothing.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(lanes)
        self._device = lanes[0].inputs.device
        self._streams = Streams(self._device, len(lanes))
        self._chunk, self._ahead = (GPU_CHUNK, 1) if self._streams.on_gpu else (1, 0)
        self._readers = _readers(lanes)
        self._feeds = {reader: _Feed(lanes[reader], self._chunk) for reader in dict.fromkeys(self._readers)}
        self._common = [reader for reader in self._feeds if self._readers.count(reader) > 1]
        self._position = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._places = torch.arange(self._chunk, device=self._device).view(-1, 1, 1)
        self._rates = torch.zeros((self._chunk, len(lanes)), dtype=torch.float64, device=self._device)
        self._losses = torch.zeros((self._chunk, len(lanes), 2), dtype=torch.float64, device=self._device)
        self._nothing = torch.full((2,), torch.nan, dtype=torch.float64, device=self._device)
        self._over: set[int] = set()
        self._warm = 0
        self._replay: Callable[[], None] | None = None

    def fits(self, lanes: Sequence[Lane]) -> bool:
        """Whether these are the lanes, and still read the same batches together."""
        return tuple(lanes) == self._lanes and _readers(lanes) == self._readers

    def train(self, rates: NDArray[np.float64], tell: Tell = lambda done, losses: None) -> list[LossTrace]:
        """Train each lane one iteration for each of its rates, of shape (lanes, rounds)."""
        self._over.clear()
        pending: deque[Download] = deque()
        found: list[NDArray[np.float64]] = []
        with self._streams.main():
            for start in range(0, rates.shape[1], self._chunk):
                if len(self._over) == len(self._lanes):
                    break
                pending.append(self._issue(rates[:, start : start + self._chunk], start))
                if len(pending) > self._ahead:
                    found.append(self._look(pending.popleft()))
                    tell(len(found) * self._chunk, found[-1][-1, :, 0])
            found += [self._look(download) for download in pending]
        traces = []
        for lane, losses in zip(self._lanes, np.concatenate(found).transpose(1, 0, 2), strict=True):
            bad = np.flatnonzero(~np.isfinite(losses[:, 1]))
            traces.append(LossTrace(losses[: bad[0] + 1, 0] if bad.size else losses[:, 0], finite=not bad.size))
            lane.iteration += len(traces[-1].losses)
        return traces

    def _issue(self, rates: NDArray[np.float64], start: int) -> Download:
        """Put a chunk of rounds on the device."""
        count = rates.shape[1]
        self._position.zero_()
        self._rates[:count].copy_(upload(rates.T, self._device))
        for reader, feed in self._feeds.items():
            feed.load(self._lanes[reader].iteration + start, count)
        for _ in range(count):
            if self._streams.on_gpu and self._replay is None and self._warm == WARM_UP:
                self._replay = self._streams.capture(self._round, [lane.generator for lane in self._lanes])
            if self._replay is not None:
                self._replay()
            else:
                self._round()
                self._warm += 1
        return Download(self._losses[:count])

    def _look(self, download: Download) -> NDArray[np.float64]:
        """The losses of a chunk; lanes whose objective is not finite are over."""
        losses = download.wait()
        if not math.isfinite(losses[:, :, 1].sum()):
            self._over.update(np.flatnonzero(~np.isfinite(losses[:, :, 1]).all(axis=0)).tolist())
        return losses

    def _round(self) -> None:
        """One iteration of each lane. What several lanes read is read before they part."""
        rates = self._rates.index_select(0, self._position)[0].unbind()
        common = {reader: self._feeds[reader].read(self._position) for reader in self._common}
        found = []
        self._streams.fork()
        for number, (lane, reader) in enumerate(zip(self._lanes, self._readers, strict=True)):
            with self._streams.of(number):
                if number in self._over and not self._streams.on_gpu:
                    found.append(self._nothing)
                else:
                    batches = common.get(reader) or self._feeds[reader].read(self._position)
                    found.append(lane.iterate(batches, rates[number]))
        self._streams.join()
        self._losses.copy_(torch.where(self._places == self._position, torch.stack(found), self._losses))
        self._position.add_(1)


class _Feed:
    """Batches of consecutive iterations, for one lane or for several that read the same."""

    def __init__(self, lane: Lane, iterations: int) -> None:
        self._batches, self._parts = lane.batches, lane.iter_size
        plan = lane.batches.plan(0, iterations * lane.iter_size)
        self._plan = plan.view(iterations, lane.iter_size, *plan.shape[1:])

    def load(self, iteration: int, count: int) -> None:
        """Make ready the batches of ``count`` iterations from ``iteration`` on."""
        plan = self._batches.plan(iteration * self._parts, count * self._parts)
        self._plan[:count].copy_(plan.view(count, *self._plan.shape[1:]))

    def read(self, position: Tensor) -> list[Batch]:
        """The batches of the iteration at that place among those made ready."""
        return [self._batches.read(plan) for plan in self._plan.index_select(0, position)[0].unbind()]


def _readers(lanes: Sequence[Lane]) -> list[int]:
    """Index, for each lane, of the first one that reads the same batches at the same time."""
    keys = [(lane.iteration, lane.iter_size, lane.seed if lane.batches.random else None) for lane in lanes]
    return [keys.index(key) for key in keys]
