"""Files between the driver and the nodes: in pieces, and only those that the other side has not."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lrbench.data import Prepared
from lrbench.runs.files import SNAPSHOTS
from lrbench.runs.usage import USAGE
from lrbench.storage import atomic_write

PIECE = 4 << 20
"""Largest number of bytes in a message."""
Changes = Mapping[str, tuple[int | None, bytes]]
"""By path: what follows in a file after a number of bytes, or with None its whole content."""
Stamps = Mapping[str, tuple[int, int]]
"""Size and time of the last change, in nanoseconds, of each file of a data set: the same on a shared disk alone."""


@dataclass(frozen=True)
class Files:
    """Files of a folder by their path in it: their sizes, and their contents where these are small."""

    sizes: Mapping[str, int]
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> Files:
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        small = sum(sizes.values()) <= PIECE
        return cls(sizes, {name: path.read_bytes() for name, path in paths.items()} if small else {})

    def write(self, folder: Path, read: Callable[[str, int, int], bytes]) -> None:
        """Write them into a new folder.

        Args:
            read: returns a piece of a file: at most so many bytes of it from a place on.
        """
        folder.mkdir(parents=True)
        for name, size in self.sizes.items():
            write_piece(folder / name, 0, self.contents.get(name, b""))
            if name in self.contents:
                continue
            for offset in range(0, size, PIECE):
                write_piece(folder / name, offset, read(name, offset, PIECE))


def pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the content of a file in pieces, each with its place."""
    with path.open("rb") as file:
        yield 0, file.read(PIECE)
        while piece := file.read(PIECE):
            yield file.tell() - len(piece), piece


def write_piece(path: Path, offset: int, content: bytes) -> None:
    """Write a piece of a file; the first one makes it."""
    if offset == 0 and not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(content)


@dataclass
class FolderChanges:
    """The content of a session's folder that was not sent yet, without snapshots, which are sent on their own."""

    folder: Path
    _sent: dict[str, int] = field(default_factory=dict)

    def of_logs(self) -> Changes:
        """Return what follows in each log, and the samples."""
        found = {path.name: self._tail(path) for path in self.folder.glob("*.log")}
        return {**{name: tail for name, tail in found.items() if tail[1]}, **self._samples()}

    def of_all(self) -> Changes:
        """Return also the other files; the session is closed."""
        others = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".log")
        whole = {path.relative_to(self.folder): path for path in others}
        kept = {name: path for name, path in whole.items() if name.parts[0] not in (SNAPSHOTS, USAGE)}
        return {**{name.as_posix(): (None, path.read_bytes()) for name, path in kept.items()}, **self.of_logs()}

    def _tail(self, path: Path) -> tuple[int, bytes]:
        start = self._sent.get(path.name, 0)
        with path.open("rb") as file:
            file.seek(start)
            tail = file.read()
        self._sent[path.name] = start + len(tail)
        return start, tail

    def _samples(self) -> Changes:
        path = self.folder / USAGE
        return {USAGE: (None, path.read_bytes())} if path.exists() else {}


def apply_changes(changes: Changes, folder: Path) -> None:
    """Bring a run's folder up to date; logs are appended to what earlier sessions wrote."""
    for name, (offset, content) in changes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if offset is None:
            atomic_write(path, content)
        else:
            with path.open("ab") as file:
                file.write(content)


def data_files(data: Prepared) -> dict[str, Path]:
    """Return the files of a data set by their names in a folder for what is received; none for one without files."""
    found = {f"{kind}/data.mdb": folder / "data.mdb" for kind, folder in (("train", data.train), ("test", data.test))}
    if data.mean is not None:
        found["mean.binaryproto"] = data.mean
    return {name: path for name, path in found.items() if path.is_file()}


def stamps_of(data: Prepared) -> Stamps:
    """Return the stamps of a data set's files."""
    return {
        name: (status.st_size, status.st_mtime_ns)
        for name, path in data_files(data).items()
        for status in [path.stat()]
    }


def received_data(data: Prepared, stamps: Stamps, home: Path) -> Prepared | None:
    """Return the data set where it is on this machine: at its own paths, or in ``home``; None where it is not."""
    if stamps_of(data) == stamps:
        return data
    kept = _at(data, _place(data, home))
    return kept if {name: size for name, (size, _) in stamps_of(kept).items()} == _sizes(stamps) else None


def take_files(received: Path, data: Prepared, stamps: Stamps, home: Path) -> Prepared:
    """Put the files of a data set in place, whole or not at all; another process may do so at the same time."""
    place = _place(data, home)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.{secrets.token_hex(8)}.partial")
    shutil.move(received, partial)
    try:
        os.rename(partial, place)
    except OSError:
        if received_data(data, stamps, home) is None:
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _at(data, place)


def _place(data: Prepared, home: Path) -> Path:
    return home / "data" / f"received-{data.sha256[:24]}"


def _at(data: Prepared, place: Path) -> Prepared:
    mean = None if data.mean is None else place / "mean.binaryproto"
    return replace(data, folder=place, train=place / "train", test=place / "test", mean=mean)


def _sizes(stamps: Stamps) -> dict[str, int]:
    return {name: size for name, (size, _) in stamps.items()}
