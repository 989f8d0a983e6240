"""Caffe's place on this machine, and the commands that start its programs.

Two kinds: the trees that ``lrbench caffe install`` makes in the user's data folder, one for CPUs and one for GPUs, run
through their own loader beside whatever system this is; and any Python that imports caffe (``LRBENCH_CAFFE``).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lrbench.engines.caffe.gpu import CudaBuild, driver_folder, find_driver, meaning, misfit
from lrbench.engines.process.exit_reason import signal_name
from lrbench.errors import EngineUnavailable
from lrbench.storage import read_regular, reason

WORKER = Path(__file__).with_name("worker.py")
MANIFEST = "lrbench-caffe.json"
PROBE_SECONDS = 120
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
REPAIR_HINT = "type: lrbench caffe install --force, or let LRBENCH_CAFFE name a working Python"
MEMORY_HINT = "it had too little memory: free some, or raise the limit of this shell (ulimit -v) or batch job"
LIMITS_HINT = "try again; if it happens again, free memory, or see the limits of this shell (ulimit -a) or batch job"
_TOO_LITTLE_MEMORY = (
    "memoryerror",
    "cannot allocate memory",
    "bad_alloc",
    "out of memory",
    "failed to map segment",
    "cannot create shared object",
    "pthread_create failed",
    "memory exhausted",
)
_OWN_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE)
INSTALL_HINT = "type: lrbench caffe install"
CUDA_INSTALL_HINT = "type: lrbench caffe install --cuda"
CUDA_HINT = "see lrbench doctor and lrbench caffe install --cuda, or set engine.device to cpu"


@dataclass(frozen=True)
class CaffeEnvironment:
    """Commands that start Caffe's Python and its command-line tool.

    Attributes:
        python: the command that starts a Python which imports caffe.
        tool: the command that starts ``caffe``; None where only pycaffe is there.
        origin: the folder or executable it comes from, for messages.
        settings: arguments of ``env`` that both need, such as ``PYTHONHOME=...``.
        cuda: what is known of the CUDA build; None for a CPU build and for a Caffe that LRBench did not build.
    """

    python: tuple[str, ...]
    tool: tuple[str, ...] | None
    origin: str
    settings: tuple[str, ...] = ()
    cuda: CudaBuild | None = None

    def command(self, program: tuple[str, ...], threads: int, device: str = "cpu") -> list[str]:
        """The whole command for a child that may use ``threads`` BLAS threads and that dies with its parent.

        On the CPU it sees no GPU, so that it takes no memory there.
        """
        counts = [f"{name}={threads}" for name in THREAD_VARIABLES]
        hidden = ["CUDA_VISIBLE_DEVICES="] if device == "cpu" else []
        return ["setpriv", "--pdeathsig", "KILL", "env", *self.settings, *counts, *hidden, *program]


@dataclass(frozen=True)
class CaffeInfo:
    """Result of a probe of a Caffe environment; ``layers`` are the layer types that it knows."""

    version: str
    python_version: str
    layers: tuple[str, ...]


def packaged_root(home: Path, *, cuda: bool = False) -> Path:
    """The folder of the installed Caffe, or of its CUDA build, inside LRBench's data folder ``home``."""
    return home / ("caffe-cuda" if cuda else "caffe")


def find_environment(home: Path, external: str | None, *, gpu: bool = False) -> CaffeEnvironment:
    """The Caffe to use: the one that ``LRBENCH_CAFFE`` names, else an installed one.

    Args:
        home: LRBench's data folder.
        external: the Python that ``LRBENCH_CAFFE`` names, if any.
        gpu: prefer the CUDA build; else the CPU build is preferred. Where one alone is installed, it is taken.

    Raises:
        EngineUnavailable: there is none, or what is named is not a program that starts.
    """
    if external:
        return _external(external)
    roots = [packaged_root(home, cuda=gpu), packaged_root(home, cuda=not gpu)]
    installed = [root for root in roots if (root / MANIFEST).is_file()]
    return packaged_environment(installed[0] if installed else packaged_root(home))


def packaged_environment(root: Path) -> CaffeEnvironment:
    """The environment unpacked at ``root``.

    Raises:
        EngineUnavailable: nothing, or only a part, is there.
    """
    if not root.is_dir() or not (root / MANIFEST).is_file():
        raise EngineUnavailable("Caffe is not installed", where=str(root), remedy=INSTALL_HINT)
    cuda = _cuda_build(root)
    further = [] if cuda is None else [*cuda.libraries, *filter(None, [driver_folder()])]
    start = start_through_loader(root, further)
    return CaffeEnvironment(
        python=(*start, str(root / "usr/bin/python3.9")),
        tool=(*start, str(root / "usr/bin/caffe")),
        origin=str(root),
        settings=("-u", "PYTHONPATH", "-u", "PYTHONSTARTUP", f"PYTHONHOME={root / 'usr'}"),
        cuda=cuda,
    )


def start_through_loader(root: Path, further: Sequence[Path] = ()) -> tuple[str, ...]:
    """The beginning of a command that starts a program of the tree ``root`` with the tree's own libraries.

    Args:
        root: the unpacked packages.
        further: folders of libraries that the tree does not hold.

    Raises:
        EngineUnavailable: the tree has no loader.
    """
    loaders = sorted(root.glob("lib/*-linux-gnu/ld-2.*.so"))
    if not loaders:
        raise EngineUnavailable(
            "the Caffe installed here is broken: its loader is missing", where=str(root), remedy=REPAIR_HINT
        )
    base, user = loaders[0].parent, root / "usr/lib" / loaders[0].parent.name
    libraries = [base, user / "openblas-pthread", user, root / "usr/lib", user / "blas", user / "lapack", *further]
    return (str(loaders[0]), "--library-path", ":".join(map(str, libraries)))


def _cuda_build(root: Path) -> CudaBuild | None:
    """Read the description of a CUDA build from a tree's manifest, with absolute folders; None for a CPU build.

    Raises:
        EngineUnavailable: the manifest is damaged.
    """
    try:
        manifest = json.loads(read_regular(root / MANIFEST))
        if "cuda" not in manifest:
            return None
        found = CudaBuild.model_validate(manifest["cuda"])
    except (OSError, ValueError, TypeError) as error:
        raise EngineUnavailable(
            f"the Caffe installed here is broken: {MANIFEST} is damaged", where=str(root), remedy=REPAIR_HINT
        ) from error
    return found.model_copy(update={"libraries": tuple(root.parent / folder for folder in found.libraries)})


def _external(name: str) -> CaffeEnvironment:
    python = shutil.which(os.path.expanduser(name))
    if python is None:
        raise EngineUnavailable(
            f"LRBENCH_CAFFE is {name!r}, which is not a program that can be run",
            remedy="let it name a Python that imports caffe",
        )
    module = _module_file(python)
    candidates = [Path(python).with_name("caffe")]
    if module is not None:
        candidates.append(module.parents[2] / "build/tools/caffe")
    found = next((str(path) for path in candidates if os.access(path, os.X_OK)), shutil.which("caffe"))
    return CaffeEnvironment(python=(python,), tool=(found,) if found else None, origin=python)


@lru_cache(maxsize=8)
def _module_file(python: str) -> Path | None:
    """The file of the caffe module that this Python would import, without importing it.

    Raises:
        EngineUnavailable: the program does not start.
    """
    code = "import importlib.util as u; s = u.find_spec('caffe'); print(s.origin if s else '')"
    answer = _answer([python, "-c", code], python)
    origin = Path(_last_line(answer.stdout))
    return origin if answer.returncode == 0 and origin.is_absolute() and len(origin.parents) > 2 else None


@lru_cache(maxsize=8)
def probe(environment: CaffeEnvironment) -> CaffeInfo:
    """Start Caffe once and ask it for its version and its layer types.

    Raises:
        EngineUnavailable: it does not start, or what starts is something else; the message holds the last line it
            printed.
    """
    answer = _run_probe(environment, "--probe", device="cpu")
    if answer.returncode != 0:
        # A signal from outside, or too little memory, is no broken Caffe.
        from_outside = answer.returncode < 0 and -answer.returncode not in _OWN_FAULTS
        remedy = LIMITS_HINT if from_outside else REPAIR_HINT
        if any(words in answer.stderr.lower() for words in _TOO_LITTLE_MEMORY):
            remedy = MEMORY_HINT
        raise EngineUnavailable(f"Caffe does not start: {_complaint(answer)}", where=environment.origin, remedy=remedy)
    line = _last_line(answer.stdout)
    try:
        found = json.loads(line)
        version, python_version, layers = str(found["version"]), str(found["python"]), tuple(map(str, found["layers"]))
    except (ValueError, KeyError, TypeError) as error:
        raise EngineUnavailable(
            f"is no Python that imports caffe: asked for its version, it printed {line[:80]!r}",
            where=environment.origin,
            remedy=REPAIR_HINT,
        ) from error
    with contextlib.suppress(OSError, ValueError, KeyError):  # a packaged Caffe's manifest knows its version
        version = str(json.loads(read_regular(Path(environment.origin) / MANIFEST))["version"])
    return CaffeInfo(version, python_version, layers)


@lru_cache(maxsize=64)
def probe_gpu(environment: CaffeEnvironment, device_id: int) -> str | None:
    """Run a tiny net on a GPU.

    Returns:
        None if it ran; else, in words, why this Caffe cannot use that GPU.
    """
    if environment.cuda is not None and (found := misfit(environment.cuda, find_driver(), device_id)) is not None:
        return found
    answer = _run_probe(environment, "--probe-gpu", str(device_id), device="gpu")
    if answer.returncode == 0:
        return None
    fatal = next((line for line in answer.stderr.splitlines() if line.startswith("F")), None)
    return meaning(_complaint(answer) if fatal is None else fatal.split("] ", 1)[-1])


def _run_probe(environment: CaffeEnvironment, *options: str, device: str) -> subprocess.CompletedProcess[str]:
    command = environment.command((*environment.python, str(WORKER), *options), threads=1, device=device)
    return _answer(command, environment.origin)


def _answer(command: list[str], origin: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineUnavailable(
            f"Caffe does not start: no answer within {PROBE_SECONDS} s", where=origin, remedy=REPAIR_HINT
        ) from error
    except OSError as error:
        raise EngineUnavailable(f"Caffe does not start: {reason(error)}", where=origin, remedy=REPAIR_HINT) from error


def _last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _complaint(answer: subprocess.CompletedProcess[str]) -> str:
    last = _last_line(answer.stderr)
    if answer.returncode < 0:
        ended = f"its process was ended by {signal_name(-answer.returncode)}"
        return f"{ended} ({last})" if last else ended
    return last or f"exit status {answer.returncode}"
