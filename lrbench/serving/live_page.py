"""The page of results that change: made on request, when the files have changed since the last one."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lrbench.errors import NO_MEMORY, LRBenchError
from lrbench.report.build import Report
from lrbench.report.page.document import Kept, page_document
from lrbench.report.page.html import page_data, page_html
from lrbench.runs.files import EVALUATIONS, RUN, STATUS
from lrbench.runs.records import find_runs

LOOK_SECONDS = 0.5
"""Time between two looks at the files, however many requests there are."""
SHARE = 2.0
"""Pause after making a page, as a multiple of its processor time, which the runs need."""
ACTIVE_SECONDS = 10.0
"""Longest age of a page while runs are active: a run that is killed changes no file."""


@dataclass(frozen=True)
class Version:
    """The page as of one time; ``tag`` depends on everything but that time.

    The HTML and compressed forms are made on first use and kept.
    """

    document: Mapping[str, Any]
    data: bytes
    tag: str
    _made: dict[str, bytes] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def html(self) -> bytes:
        """The whole page; an open page fetches only the data."""
        return self._once("html", lambda: page_html(self.document, live=True))

    def compressed(self, name: Literal["html", "data"]) -> bytes:
        """Return the page or its data, gzipped."""
        return self._once(f"{name} gzipped", lambda: gzip.compress(getattr(self, name), compresslevel=1, mtime=0))

    def _once(self, name: str, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]


class LivePage:
    """Makes versions of the page; thread-safe.

    Args:
        read: reads the report.
        paths: paths that ``read`` reads, which are watched for changes.
        notice: receives the reason why the results cannot be read any more; the last page stays.

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
        """Return the page of the present files; while another thread makes it, the last one."""
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
            stale = self._active and now - self._made >= ACTIVE_SECONDS
            if stale or fingerprint(self._paths) != self._seen:
                self._version = self._make()
            self._told = ""
        except LRBenchError as error:
            self.tell(str(error))
        except MemoryError:
            self.tell(NO_MEMORY)

    def tell(self, why: str) -> None:
        """Report why the page cannot be made or sent, unless the last report was the same."""
        if why != self._told:
            self._told = why
            self._notice(why)

    def _make(self) -> Version:
        start = time.thread_time()
        seen = fingerprint(self._paths)  # before reading: what is written meanwhile is seen at the next look
        document = page_document(self._read(), datetime.now().astimezone(), self._kept)
        tag = hashlib.sha256(page_data(document | {"made": ""})).hexdigest()[:32]
        self._seen, self._active = seen, bool(document["underway"])
        self._made = time.monotonic()
        self._took = time.thread_time() - start
        return Version(document, page_data(document), f'"{tag}"')


def fingerprint(paths: Sequence[Path]) -> bytes:
    """Return a digest of the sizes and times of the files that a report of the paths reads.

    Raises:
        ResultsError: a folder is gone.
    """
    digest = hashlib.sha256()
    folders = find_runs([path for path in paths if not path.is_file()])
    files = [folder / name for folder in folders for name in (RUN, STATUS, EVALUATIONS)]
    for path in (*files, *(path for path in paths if path.is_file())):
        digest.update(os.fsencode(path))
        try:
            found = path.stat()
        except OSError:
            continue
        digest.update(f"{found.st_ino} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.digest()
