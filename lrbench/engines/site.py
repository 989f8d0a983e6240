"""Facts about this machine, and the consent of the user, that an engine may need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Consent:
    """Consent of the user to execute a program, as typed.

    Attributes:
        program: the file that was typed; None: the file that the spec names, within the folder of the spec.
        python: the interpreter that executes it.
        home: LRBench's data folder, which has the key that snapshots are sealed with.
        environment: environment of the program's process.
        launcher: the launcher that starts the program's ranks and its options, ``torchrun`` first; empty: the program
            is one process.
        typed: the options as the user typed them, for the next command.
    """

    program: Path | None
    python: str
    home: Path
    environment: Mapping[str, str]
    launcher: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """Facts about this machine that an engine may need.

    Attributes:
        home: LRBench's data folder.
        caffe: the Python that imports caffe which the user names, if any.
        consent: the user's consent to execute a program; None: none was given.
        visible_gpus: the GPUs that CUDA_VISIBLE_DEVICES names, by number or UUID, the first of which is GPU 0 of this
            process; empty: all.
    """

    home: Path
    caffe: str | None = None
    consent: Consent | None = None
    visible_gpus: tuple[str, ...] = ()
