"""usage.jsonl of a run: what its processes used, a line a sample, at most ``MOST_SAMPLES`` however long it trains.

===================  ===================================================================================
``seconds``          wall time since the run's training began; a resumed run continues from its last sample
``cpu_percent``      processor time since the sample before, 100 for one core in full use
``memory_bytes``     resident memory of the processes
``gpu_percent``      share of the time, since the sample before, in which they had a GPU at work
``gpu_memory_bytes`` memory that they hold on GPUs
``shared``           how many runs those processes train; the figures above are of all of them
===================  ===================================================================================

What is not known is null. A file that is full is thinned: each two samples become one, with the mean of the shares, by
time, and the higher memory; from then on samples are taken half as often.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import orjson

from lrbench.storage import atomic_write, open_regular, reason

USAGE = "usage.jsonl"
MOST_SAMPLES = 2000
INTERVAL_SECONDS = 1.0
LARGEST_FILE = 1 << 24


@dataclass(frozen=True)
class Sample:
    """One line of usage.jsonl; None is not known."""

    seconds: float
    cpu_percent: float | None = None
    memory_bytes: float | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: float | None = None
    shared: int = 1


_FIELDS = frozenset(field.name for field in fields(Sample))


class UsageLog:
    """Adds samples to a file that stays within its size.

    Args:
        resumed: whether to go on after the samples that are there; otherwise they go with the first that is added.
        interval: the least seconds from one sample to the next.
        most: how many samples the file may have.
    """

    def __init__(self, path: Path, *, resumed: bool, interval: float = INTERVAL_SECONDS, most: int = MOST_SAMPLES):
        self._path, self._most = path, most
        self._samples = read_usage(path)[0] if resumed else []
        self._on_disk = False
        spacings = [after - before for before, after, _ in _steps(self._samples)]
        self.interval = max(interval, statistics.median(spacings)) if spacings else interval

    @property
    def seconds(self) -> float:
        """Time of the last sample, 0 before there is one."""
        return self._samples[-1].seconds if self._samples else 0.0

    def append(self, sample: Sample) -> None:
        """Add a sample, which is later than those before it.

        Raises:
            OSError: it could not be written; the next call writes it, too.
        """
        self._samples.append(sample)
        if len(self._samples) >= self._most:
            self._samples = thinned(self._samples)
            self.interval *= 2
            self._on_disk = False
        # A line cut short by a full disk, or left behind by a kill, must not run into the next one.
        whole, self._on_disk = self._on_disk, False
        if whole:
            with self._path.open("ab") as file:
                file.write(_line(sample))
        else:
            atomic_write(self._path, b"".join(map(_line, self._samples)))
        self._on_disk = True


def thinned(samples: Sequence[Sample]) -> list[Sample]:
    """Merge each two samples: the mean of shares, weighted by time, and the higher memory; an odd last one stays."""
    steps = list(_steps(samples))
    pairs = zip(steps[::2], steps[1::2], strict=False)
    return [_merged(*pair) for pair in pairs] + list(samples[len(samples) - len(samples) % 2 :])


Step = tuple[float, float, Sample]


def _steps(samples: Sequence[Sample]) -> list[Step]:
    """Each sample with the time that it is of: from the one before to its own."""
    starts = [0.0, *(sample.seconds for sample in samples)]
    return [(start, sample.seconds, sample) for start, sample in zip(starts, samples, strict=False)]


def _merged(first: Step, second: Step) -> Sample:
    one, other = first[2], second[2]
    return Sample(
        seconds=other.seconds,
        cpu_percent=time_mean([(first[1] - first[0], one.cpu_percent), (second[1] - second[0], other.cpu_percent)]),
        memory_bytes=_highest(one.memory_bytes, other.memory_bytes),
        gpu_percent=time_mean([(first[1] - first[0], one.gpu_percent), (second[1] - second[0], other.gpu_percent)]),
        gpu_memory_bytes=_highest(one.gpu_memory_bytes, other.gpu_memory_bytes),
        shared=max(one.shared, other.shared),
    )


def time_mean(values: Sequence[tuple[float, float | None]]) -> float | None:
    """The mean of (seconds, value) over the time of those that are known; None where there is none."""
    known = [(seconds, value) for seconds, value in values if value is not None]
    total = math.fsum(seconds for seconds, _ in known)
    return math.fsum(seconds * value for seconds, value in known) / total if total > 0 else None


def mean_of(samples: Sequence[Sample], name: str) -> float | None:
    """The mean of a column over time; None where it is not known at any."""
    return time_mean([(end - start, getattr(sample, name)) for start, end, sample in _steps(samples)])


def highest_of(samples: Sequence[Sample], name: str) -> float | None:
    """The highest value of a column; None where it is not known at any time."""
    return _highest(*(getattr(sample, name) for sample in samples))


def _highest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)


def read_usage(path: Path) -> tuple[list[Sample], str | None]:
    """The samples up to the first line that is none, and what is wrong there, or why there are none.

    A last line that was cut short is what a kill leaves, and no problem. Never raises for what is in the file.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return [], f"{path.name} is missing"
    except OSError as error:
        return [], f"{path.name} cannot be read: {reason(error)}"
    if len(content) > LARGEST_FILE:
        return [], f"{path.name} is no file of samples"
    *lines, _ = content.split(b"\n")
    samples: list[Sample] = []
    for number, line in enumerate(lines, start=1):
        sample = _sample(line)
        if sample is None or (samples and sample.seconds <= samples[-1].seconds):
            return samples, f"{path.name}:{number} is no sample that follows the one before"
        samples.append(sample)
    return samples, None


def _sample(line: bytes) -> Sample | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    known = {name: value for name, value in found.items() if name in _FIELDS}
    amounts = all(each is None or (type(each) in (int, float) and 0 <= each < 2**63) for each in known.values())
    if known.get("seconds") is None or type(known.get("shared", 1)) is not int or not amounts:
        return None
    return Sample(**known)


def _line(sample: Sample) -> bytes:
    return orjson.dumps(asdict(sample)) + b"\n"
