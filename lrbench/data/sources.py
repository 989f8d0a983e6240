"""Where a data set's files come from: a folder of the user's, or a download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lrbench.errors import DataError

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, total, text) during work, and with (0, 0, text) for a message."""


def silent(done: int, total: int, text: str) -> None:
    """A ``Progress`` that shows nothing."""


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
            found = [_first(place, names) for names in files]
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


def _first(place: Path, names: Sequence[str]) -> Path | None:
    return next((place / name for name in names if (place / name).is_file()), None)


@dataclass(frozen=True)
class Differences:
    """In what the files found differ from the published ones."""

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
