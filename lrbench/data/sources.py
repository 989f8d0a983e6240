"""Sources of a data set's files: a folder of the user's, or a download that resumes and is checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import filelock

from lrbench.errors import DataError
from lrbench.storage import reason

if TYPE_CHECKING:
    import requests


Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, total, text) during work, and with (0, 0, text) for a message."""


def silent(done: int, total: int, text: str) -> None:
    """A ``Progress`` that shows nothing."""


def in_lines(say: Callable[[str], object]) -> Progress:
    """Return a ``Progress`` that says a line for each message, and one for each amount that is complete."""

    def progress(done: int, total: int, text: str) -> None:
        if not total or done == total:
            say(f"{text}: {total} done" if total else text)

    return progress


@dataclass(frozen=True)
class Sources:
    """Sources that the reader of a data set may use.

    Attributes:
        folder: the user's own folder, looked through first; None where there is none.
        downloads: where downloaded files are kept.
        allow_altered: take files of the right form whose content is not the published one.
        progress: called with the progress of the work.
    """

    folder: Path | None
    downloads: Path
    allow_altered: bool = False
    progress: Progress = silent

    def tell(self, text: str) -> None:
        """Say something that is not an amount."""
        self.progress(0, 0, text)

    def find(self, subfolders: Sequence[str], files: Sequence[Sequence[str]]) -> list[Path] | None:
        """The files of a data set, all in one place of the user's folder.

        Args:
            subfolders: where to look inside the folder, besides the folder itself.
            files: for each file the names it goes by.

        Returns:
            One path for each of ``files``, or None where no place has any of them.

        Raises:
            DataError: a place has some of the files but not all, or the folder is none.
        """
        if self.folder is None:
            return None
        if not self.folder.is_dir():
            raise DataError("is not a folder", where=str(self.folder))
        partly: tuple[Path, list[str]] | None = None
        for place in (self.folder, *(self.folder / name for name in subfolders)):
            found = [next((place / name for name in names if (place / name).is_file()), None) for names in files]
            complete = [path for path in found if path is not None]
            if len(complete) == len(files):
                return complete
            if complete and partly is None:
                partly = place, [names[0] for names, path in zip(files, found, strict=True) if path is None]
        if partly is not None:
            raise DataError(
                f"has no {', '.join(partly[1])} beside the other files of the data set",
                where=str(partly[0]),
                remedy="put it there, or name another folder with --from",
            )
        return None


@dataclass(frozen=True)
class Differences:
    """Differences of the files found from the published ones."""

    pixels: bool
    labels: bool

    def judge(self, title: str, where: str, *, allow_altered: bool) -> str:
        """Return the label of the data set in reports.

        Raises:
            DataError: it differs, and altered files were not allowed.
        """
        if not (self.pixels or self.labels):
            return title
        parts = [name for name, differ in (("pixels", self.pixels), ("labels", self.labels)) if differ]
        label = f"{title} (other {' and '.join(parts)} than published)"
        if allow_altered:
            return label
        right = "" if len(parts) == 2 else f"the {'labels' if self.pixels else 'pixels'} are right, "
        raise DataError(
            f"{right}the {' and '.join(parts)} are not the published ones",
            where=where,
            remedy=f"--allow-altered takes them, and reports then say {label!r}",
        )


TRIES_WITHOUT_PROGRESS = 3
BACKOFF_SECONDS = 0.5
TIMEOUT_SECONDS = (10, 60)
BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class RemoteFile:
    """A file to download: its name here, the addresses that have it, and whether a copy is the right one."""

    name: str
    urls: tuple[str, ...]
    intact: Callable[[Path], bool]


class _Failed(Exception):
    """One address did not give the file; the text says why in a few words."""


def download(file: RemoteFile, folder: Path, progress: Progress) -> Path:
    """The file in ``folder``, downloaded unless it is there already; two processes download it once.

    What has arrived is kept in ``<name>.<address>.part``, so that a later call resumes there (HTTP Range).

    Raises:
        DataError: no address gave a file that is the right one, or the folder cannot be written.
    """
    target = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f".{file.name}.lock"):
            if target.is_file():
                if file.intact(target):
                    return target
                progress(0, 0, f"{target} is damaged and is downloaded again")
            return _from_any(file, target, progress)
    except OSError as error:
        raise DataError(
            f"cannot be written: {reason(error)}",
            where=str(target),
            remedy="free some space or choose another place with LRBENCH_HOME",
        ) from error


def _from_any(file: RemoteFile, target: Path, progress: Progress) -> Path:
    reasons = []
    with _session() as session:
        for url in file.urls:
            part = target.with_name(f"{file.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
            try:
                _from_one(session, url, part, file.intact, progress)
            except _Failed as failure:
                reasons.append(f"{urlsplit(url).netloc}: {failure}")
                continue
            part.replace(target)
            for other in target.parent.glob(f"{file.name}.*.part"):
                other.unlink()
            return target
    raise DataError(
        f"could not be downloaded ({'; '.join(reasons)})",
        where=file.name,
        remedy="check the connection, or name a folder that has it with --from",
    )


def _from_one(
    session: requests.Session, url: str, part: Path, intact: Callable[[Path], bool], progress: Progress
) -> None:
    """Make ``part`` the whole file; where it went on from an older part and came out wrong, once more from nothing."""
    resumed = part.exists()
    _complete(session, url, part, progress)
    if resumed and not intact(part):
        part.unlink()
        _complete(session, url, part, progress)
    if not intact(part):
        part.unlink()
        raise _Failed("what it sends is not the published file")


def _session() -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=3, backoff_factor=BACKOFF_SECONDS, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # Some servers would otherwise unpack a stored .gz on its way, and byte ranges would count something else.
    session.headers["Accept-Encoding"] = "identity"
    return session


def _complete(session: requests.Session, url: str, part: Path, progress: Progress) -> None:
    """Fill ``part`` to its end, going on after each cut as long as it gets further than before."""
    from urllib3.exceptions import HTTPError

    furthest, left = _size(part), TRIES_WITHOUT_PROGRESS
    while left:
        try:
            if _append(session, url, part, progress):
                return
            reason = "its answer ended early"
        except HTTPError as error:
            reason = f"the connection broke ({type(error).__name__})"
        left = TRIES_WITHOUT_PROGRESS if _size(part) > furthest else left - 1
        furthest = max(furthest, _size(part))
    raise _Failed(f"{reason} after {_size(part)} bytes")


def _append(session: requests.Session, url: str, part: Path, progress: Progress) -> bool:
    """Ask for what is missing and write it behind what is there; True when the file is complete."""
    with _request(session, url, _size(part)) as response:
        start, total = _extent(response)
        if response.status_code == 416 and total == _size(part):
            return True
        if response.status_code == 416 or start not in (0, _size(part)):
            part.unlink()  # what is here is no beginning of the file that is there, so the next try asks for all of it
            return False
        text = f"downloading {urlsplit(url).path.rpartition('/')[2]} from {urlsplit(url).netloc}"
        if not total:
            progress(0, 0, text)
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                stream.write(block)
                if total:
                    progress(min(stream.tell(), total), total, text)
            return not total or stream.tell() == total


def _request(session: requests.Session, url: str, have: int) -> requests.Response:
    import requests

    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    except requests.Timeout:
        raise _Failed("no answer in time") from None
    except requests.RequestException as error:
        raise _Failed(f"no connection ({type(error).__name__})") from None
    if response.status_code not in (200, 206, 416):
        response.close()
        raise _Failed(f"HTTP {response.status_code}")
    return response


def _extent(response: requests.Response) -> tuple[int, int]:
    """(where in the file the answer begins, the file's length or 0 where that is not said).

    A server without ranges answers 200 and sends everything; one asked for what lies behind the end answers 416.
    """
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else 0
    span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    start, total = (span[1], span[2]) if span else (None, "*")
    return int(start) if start else -1, 0 if total == "*" else int(total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
