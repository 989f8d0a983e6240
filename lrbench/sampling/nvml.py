"""What NVIDIA's management library says of the processes on this machine's GPUs.

It comes with the driver; its Python side is the extra ``gpu``. Where either is absent, where the library does not
answer, and where it does not list a process, as in a container with process numbers of its own, nothing is known.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any


class Nvml:
    """The GPUs as NVML sees them; none where it is not there."""

    def __init__(self) -> None:
        self._devices: list[Any] = []
        self._seen: dict[int, int] = {}  # by device, the time of the last utilisation sample, in microseconds
        try:
            import pynvml
        except ImportError:
            return
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError:
            return

    def look(self, pids: Set[int]) -> tuple[float | None, int | None]:
        """Percent of a GPU's time at work for these processes since the last look, and the bytes they hold, of all.

        None for what is not known.
        """
        shares = [share for index in range(len(self._devices)) if (share := self._share(index, pids)) is not None]
        held = [bytes_ for device in self._devices for bytes_ in self._held(device, pids)]
        return (sum(shares) if shares else None), (sum(held) if held else None)

    def _held(self, device: Any, pids: Set[int]) -> list[int]:
        try:
            found = self._nvml.nvmlDeviceGetComputeRunningProcesses(device)
        except self._nvml.NVMLError:
            return []
        return [process.usedGpuMemory for process in found if process.pid in pids and process.usedGpuMemory is not None]

    def _share(self, index: int, pids: Set[int]) -> float | None:
        """The mean of the samples of each process, summed over them."""
        try:
            found = self._nvml.nvmlDeviceGetProcessUtilization(self._devices[index], self._seen.get(index, 0))
        except self._nvml.NVMLError:  # also where there is no sample since
            return None
        self._seen[index] = max((sample.timeStamp for sample in found), default=self._seen.get(index, 0))
        by_process: dict[int, list[int]] = {}
        for sample in found:
            if sample.pid in pids:
                by_process.setdefault(sample.pid, []).append(sample.smUtil)
        return sum(sum(shares) / len(shares) for shares in by_process.values()) if by_process else None
