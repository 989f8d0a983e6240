"""A figure as a notebook shows it, and as a file. Imports matplotlib, so only its user imports it."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from lrbench.errors import UsageError

SUFFIXES = (".png", ".svg", ".pdf")
DOTS_PER_INCH = 150


def check_suffix(path: Path) -> None:
    """Raise UsageError for a kind of file that cannot be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f'the suffix is "{path.suffix}"', where=str(path), remedy=f"use {', '.join(SUFFIXES)}")


class Picture:
    """A figure that shows itself in a notebook.

    Attributes:
        figure: matplotlib's, to be changed at will.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def save(self, path: str | os.PathLike[str], remedy: str = "choose another path") -> None:
        """Write a PNG, SVG or PDF, by the path's suffix.

        Args:
            remedy: what an error says to do where it cannot be written.

        Raises:
            UsageError: another suffix, or a path that cannot be written.
        """
        place = Path(path)
        check_suffix(place)
        try:
            place.write_bytes(self._drawn(place.suffix.lower()[1:], DOTS_PER_INCH))
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"cannot be written ({reason})", where=str(place), remedy=remedy) from None

    def _repr_png_(self) -> bytes:
        return self._drawn("png", 80)

    def _drawn(self, form: str, dots_per_inch: int) -> bytes:
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")  # in labels, which come from files
            self.figure.savefig(content, format=form, dpi=dots_per_inch)
        return content.getvalue()
