"""The page of results that change: made anew when their files have changed, at the earliest when somebody asks."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lrbench.errors import NO_MEMORY, LRBenchError
from lrbench.report.build import Report
from lrbench.report.page import page_data, page_document, page_html
from lrbench.report.page.document import Kept
from lrbench.runs.files import EVALUATIONS, RUN, STATUS
from lrbench.runs.records import find_runs

LOOK_SECONDS = 0.5
"""Between two looks at the files, however many ask."""
SHARE = 2.0
"""After a page, that many times the processor time it took passes before the next: the processor is the runs'."""
UNDER_WAY_SECONDS = 10.0
"""While runs are under way it is made that often anyway: a run that is killed changes no file."""


@dataclass(frozen=True)
class Version:
    """The page as it was made at one time; ``tag`` differs where anything but that time does.

    The page whole, and what is compressed, are made for the first reader who asks and kept for all others.
    """

    document: Mapping[str, Any]
    data: bytes
    tag: str
    _made: dict[str, bytes] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def html(self) -> bytes:
        """The page whole, for who opens it; who has it open takes the data."""
        return self._once("html", lambda: page_html(self.document, live=True))

    def compressed(self, name: Literal["html", "data"]) -> bytes:
        """The page or its data, gzipped."""
        return self._once(f"{name} gzipped", lambda: gzip.compress(getattr(self, name), compresslevel=1, mtime=0))

    def _once(self, name: str, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]


class LivePage:
    """Safe to ask from several threads.

    Args:
        read: reads the report.
        paths: what it reads, to see whether that has changed.
        notice: is told why the results cannot be read any more; the last page stays.

    Raises:
        UsageError: there is nothing to show.
    """

    def __init__(
        self, read: Callable[[], Report], paths: Sequence[Path], notice: Callable[[str], None] = lambda text: None
    ) -> None:
        self._read, self._paths, self._notice = read, paths, notice
        self._kept = Kept()
        self._lock = threading.Lock()
        self._seen = b""
        self._told = ""
        self._looked = self._made = self._took = 0.0
        self._version = self._make()

    def version(self) -> Version:
        """The page as the files are now, or were a moment ago; while it is made anew others get the last one."""
        if self._lock.acquire(blocking=False):
            try:
                now = time.monotonic()
                if now - self._looked >= LOOK_SECONDS and now - self._made >= SHARE * self._took:
                    self._looked = now
                    self._renew(now)
            finally:
                self._lock.release()
        return self._version

    def _renew(self, now: float) -> None:
        try:
            stale = self._underway and now - self._made >= UNDER_WAY_SECONDS
            if stale or fingerprint(self._paths) != self._seen:
                self._version = self._make()
            self._told = ""
        except LRBenchError as error:
            self.tell(str(error))
        except MemoryError:
            self.tell(NO_MEMORY)

    def tell(self, why: str) -> None:
        """Say why the page cannot be made or sent, once in a row."""
        if why != self._told:
            self._told = why
            self._notice(why)

    def _make(self) -> Version:
        start = time.thread_time()
        seen = fingerprint(self._paths)  # before reading: what is written meanwhile is seen at the next look
        document = page_document(self._read(), datetime.now().astimezone(), self._kept)
        tag = hashlib.sha256(page_data(document | {"made": ""})).hexdigest()[:32]
        self._seen, self._underway = seen, bool(document["underway"])
        self._made = time.monotonic()
        self._took = time.thread_time() - start
        return Version(document, page_data(document), f'"{tag}"')


def fingerprint(paths: Sequence[Path]) -> bytes:
    """Differs where a file of a run that a report reads has been written since.

    Raises:
        ResultsError: a folder is gone.
    """
    digest = hashlib.sha256()
    folders = find_runs([path for path in paths if not path.is_file()])
    for path in (*_files(folders), *(path for path in paths if path.is_file())):
        digest.update(os.fsencode(path))
        try:
            found = path.stat()
        except OSError:
            continue
        digest.update(f"{found.st_ino} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.digest()


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (folder / name for name in (RUN, STATUS, EVALUATIONS))
