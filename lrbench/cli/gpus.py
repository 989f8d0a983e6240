"""``lrbench run --gpus``: a process for each GPU, each with an equal share of the runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import click

from lrbench.cli.output import how_to_resume, tell
from lrbench.errors import Interrupted, UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def _check(context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return the numbers of GPUs, or ``all``; None without the option."""
    if text is None or context.resilient_parsing:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if text != "all" and (not all(map(str.isdecimal, names)) or len(set(names)) < len(names)):
        raise click.BadParameter(f"{text!r} is neither all nor different numbers of GPUs, such as 0,1")
    return names


gpus_option = click.option(
    "--gpus",
    callback=_check,
    metavar="all|N,...",
    help="Train on these GPUs: a process on each, with an equal share of the runs; -j counts for each process.",
)


def chosen_gpus(given: Sequence[str]) -> tuple[str, ...]:
    """Return the GPUs of the option as CUDA_VISIBLE_DEVICES names them, which limits them where it is set.

    Raises:
        UsageError: there is no such GPU.
    """
    visible = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    if tuple(given) == ("all",):
        found = visible or [str(number) for number in range(count_gpus())]
        if not found:
            raise UsageError("no GPU is found on this machine", where="--gpus", remedy="see lrbench doctor")
        return tuple(found)
    if visible and int(max(given, key=int)) >= len(visible):
        remedy = f"give numbers from 0 to {len(visible) - 1}"
        raise UsageError(f"{VISIBLE} is {','.join(visible)}", where=f"--gpus {','.join(given)}", remedy=remedy)
    return tuple(visible[int(name)] for name in given) if visible else tuple(given)


def count_gpus() -> int:
    """Return the number of GPUs that the NVIDIA driver offers; 0 without a driver."""
    from lrbench.engines.caffe.gpu import find_driver

    driver = find_driver()
    return 0 if driver is None else len(driver.gpus)


def run_on_gpus(arguments: Sequence[str], gpus: Sequence[str], shard: tuple[int, int]) -> int:
    """Run ``lrbench`` with these arguments for each GPU, which is GPU 0 of its process; return the worst exit code.

    Args:
        arguments: of ``lrbench``, without a share.
        gpus: names of GPUs, as CUDA_VISIBLE_DEVICES takes them.
        shard: share of the runs that the processes share in turn.

    Raises:
        Interrupted: Ctrl-C; the processes were ended as by Ctrl-C.
    """
    index, count = shard
    processes = []
    for number, gpu in enumerate(gpus):
        share = f"{index + number * count}/{count * len(gpus)}"
        on_gpu = ("--set", "engine.device=gpu", "--set", "engine.device_ids=[0]", "--shard", share)
        process = subprocess.Popen(
            [sys.executable, "-m", "lrbench", *arguments, *on_gpu],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, VISIBLE: gpu},
            start_new_session=True,  # Ctrl-C reaches them once, by this process
        )
        processes.append(process)
    readers = [
        threading.Thread(target=_forward, args=(process.stderr, f"GPU {gpu}: "), daemon=True)
        for process, gpu in zip(processes, gpus, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        codes = [process.wait() for process in processes]
    except KeyboardInterrupt:
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
        raise Interrupted("interrupted; completed work is kept", remedy=how_to_resume(sys.argv[1:])) from None
    finally:
        for reader in readers:
            reader.join(timeout=10)
    return max(code if code >= 0 else 1 for code in codes)


def _forward(stream: IO[str] | None, prefix: str) -> None:
    for line in stream or ():
        tell(prefix + line.rstrip())
