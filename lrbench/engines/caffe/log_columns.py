"""Displays and test passes of a training log, kept as columns: a log may have millions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", int, float)


def _part(column: array[Number], kept: NDArray[np.bool_]) -> array[Number]:
    """A new column of the kept entries."""
    return array(column.typecode, np.asarray(column)[kept].tobytes())


@dataclass(frozen=True)
class Display:
    """Training as displayed: ``loss`` is that of this iteration, or Caffe's average over the last few of them.

    ``rate`` is the learning rate of its update, None at the end of a training, where there is no update any more.
    ``seconds`` count from the log's first line, without the time between sessions.
    """

    iteration: int
    loss: float
    rate: float | None
    seconds: float


class Displays:
    """The displays of a log, in its order.

    The columns are views. Nothing can be added while one is held.
    """

    def __init__(self) -> None:
        self._iterations = array("q")
        self._losses, self._rates, self._seconds = array("d"), array("d"), array("d")
        self._rated = array("b")  # a rate may be displayed as NaN

    def __len__(self) -> int:
        return len(self._iterations)

    def __getitem__(self, index: int) -> Display:
        rate = self._rates[index] if self._rated[index] else None
        return Display(self._iterations[index], self._losses[index], rate, self._seconds[index])

    def __iter__(self) -> Iterator[Display]:
        return map(self.__getitem__, range(len(self)))

    @property
    def iterations(self) -> NDArray[np.int64]:
        return np.asarray(self._iterations)

    @property
    def losses(self) -> NDArray[np.float64]:
        return np.asarray(self._losses)

    @property
    def rates(self) -> NDArray[np.float64]:
        """The rates, NaN where there is none."""
        return np.asarray(self._rates)

    @property
    def rated(self) -> NDArray[np.bool_]:
        """A mask of the displays that have a rate."""
        return np.asarray(self._rated).view(np.bool_)

    @property
    def seconds(self) -> NDArray[np.float64]:
        return np.asarray(self._seconds)

    def append(self, iteration: int, loss: float, rate: float | None, seconds: float) -> None:
        """Add a display."""
        self._iterations.append(iteration)
        self._losses.append(loss)
        self._rates.append(np.nan if rate is None else rate)
        self._rated.append(rate is not None)
        self._seconds.append(seconds)

    def rate_last(self, iteration: int, rate: float) -> bool:
        """Give the last display its rate, if it is of that iteration and has none yet; whether it is."""
        if not self._iterations or self._iterations[-1] != iteration or self._rated[-1]:
            return False
        self._rates[-1], self._rated[-1] = rate, True
        return True

    def forget(self, origin: int) -> None:
        """Drop the displays from that iteration on."""
        kept = self.iterations < origin
        self._iterations = _part(self._iterations, kept)
        self._losses = _part(self._losses, kept)
        self._rates = _part(self._rates, kept)
        self._rated = _part(self._rated, kept)
        self._seconds = _part(self._seconds, kept)


@dataclass(frozen=True)
class Test:
    """A pass over a test set: the mean of each scalar output; ``started`` and ``ended`` are seconds as in ``Display``.

    ``net`` is the number of the test net. An output with more than one value, such as softmax probabilities, is
    left out: Caffe prints its mean over the batches for each sample's place in the batch, which says nothing.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    iteration: int
    net: int
    started: float
    ended: float
    outputs: dict[str, float]


class Output(NamedTuple):
    """A named output of some passes: the indexes of those that have it, rising, and its values."""

    passes: NDArray[np.int32]
    values: NDArray[np.float64]


class Tests:
    """The test passes of a log, in its order.

    The columns are views. Nothing can be added while one is held.
    """

    __test__ = False

    def __init__(self) -> None:
        self._iterations, self._nets = array("q"), array("i")
        self._started, self._ended = array("d"), array("d")
        # The outputs of all passes, those of a pass after those of the one before it; _first is where they begin.
        # Each has the number of its name, or ~number where the name came again: then it is no scalar.
        self._first, self._of_name, self._values = array("q"), array("i"), array("d")
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._own: dict[int, int] = {}  # of the last pass: where its outputs are, by the number of their name

    def __len__(self) -> int:
        return len(self._iterations)

    def __getitem__(self, index: int) -> Test:
        index = range(len(self))[index]
        own = slice(self._first[index], self._first[index + 1] if index + 1 < len(self) else None)
        outputs = {
            self._names[number]: value
            for number, value in zip(self._of_name[own], self._values[own], strict=True)
            if number >= 0
        }
        return Test(self._iterations[index], self._nets[index], self._started[index], self._ended[index], outputs)

    def __iter__(self) -> Iterator[Test]:
        return map(self.__getitem__, range(len(self)))

    @property
    def iterations(self) -> NDArray[np.int64]:
        return np.asarray(self._iterations)

    @property
    def started(self) -> NDArray[np.float64]:
        return np.asarray(self._started)

    @property
    def ended(self) -> NDArray[np.float64]:
        return np.asarray(self._ended)

    def of_net(self, net: int) -> NDArray[np.int64]:
        """Places of the passes over a test net that have outputs, by iteration; of a repeated one the last."""
        chosen = (np.asarray(self._nets) == net) & self._measured()
        places = np.flatnonzero(chosen)[::-1]
        return places[np.unique(self.iterations[places], return_index=True)[1]]

    def _measured(self) -> NDArray[np.bool_]:
        """A mask of the passes that have an output."""
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.asarray(self._of_name) >= 0)])
        first = np.asarray(self._first)
        measured: NDArray[np.bool_] = before[first + self._lengths()] > before[first]
        return measured

    def outputs(self, places: NDArray[np.int64]) -> dict[str, Output]:
        """The outputs of some passes by name, in the order in which they come first."""
        of_pass = np.full(len(self), -1, dtype=np.int32)
        of_pass[places] = np.arange(len(places))
        of_pass = np.repeat(of_pass, self._lengths())
        taken = np.flatnonzero((of_pass >= 0) & (np.asarray(self._of_name) >= 0))
        if (np.diff(places) < 0).any():
            taken = taken[np.argsort(of_pass[taken], kind="stable")]
        order = np.argsort(np.asarray(self._of_name)[taken], kind="stable")
        known, starts = np.unique(np.asarray(self._of_name)[taken[order]], return_index=True)
        in_order = np.argsort(order[starts])
        parts = np.split(taken[order], starts[1:])
        return {
            self._names[known[index]]: Output(of_pass[parts[index]], np.asarray(self._values)[parts[index]])
            for index in in_order
        }

    def _lengths(self) -> NDArray[np.int64]:
        """The number of outputs of each pass, those that are no scalars included."""
        return np.diff(np.asarray(self._first), append=len(self._values))

    def append(self, iteration: int, net: int, seconds: float) -> None:
        """Add a pass, which begins and has no output yet."""
        self._iterations.append(iteration)
        self._nets.append(net)
        self._started.append(seconds)
        self._ended.append(seconds)
        self._first.append(len(self._values))
        self._own.clear()

    def add_output(self, name: str, value: float) -> None:
        """Give the last pass an output."""
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        if number in self._own:
            self._of_name[self._own[number]] = ~number
            return
        self._own[number] = len(self._values)
        self._of_name.append(number)
        self._values.append(value)

    def end_last(self, seconds: float) -> float:
        """The last pass goes on until then at least; when it ended, as far as is known."""
        self._ended[-1] = max(self._ended[-1], seconds)
        return self._ended[-1]

    def forget(self, origin: int) -> None:
        """Drop the passes after that iteration, all where it is 0."""
        kept = (self.iterations <= origin) & (origin > 0)
        lengths, of_kept = self._lengths()[kept], np.repeat(kept, self._lengths())
        self._iterations = _part(self._iterations, kept)
        self._nets = _part(self._nets, kept)
        self._started = _part(self._started, kept)
        self._ended = _part(self._ended, kept)
        self._of_name = _part(self._of_name, of_kept)
        self._values = _part(self._values, of_kept)
        self._first = array("q", (np.cumsum(lengths) - lengths).tobytes())
        start = self._first[-1] if self._first else 0
        self._own = {max(number, ~number): start + place for place, number in enumerate(self._of_name[start:])}
