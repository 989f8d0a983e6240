"""Saving of figures as PNG, SVG or PDF, with the same bytes each time, and their display in notebooks.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lrbench.drawing.theme import SCREEN_DPI
from lrbench.errors import ResultsError, UsageError
from lrbench.storage import atomic_write, reason

SUFFIXES = (".png", ".svg", ".pdf")
NOTEBOOK_DPI = 80
_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # labels come from files: a dollar sign in one is no formula
    "pdf.fonttype": 42,  # TrueType, as publishers ask for; matplotlib's default, Type 3, is refused by some
    "svg.hashsalt": "lrbench",
}
# No date, and no version of what drew it, so that the same results give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextlib.contextmanager
def drawing(settings: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Context in which figures are made: labels are not parsed as formulas, missing glyphs give no warning.

    Args:
        settings: further settings of matplotlib.
    """
    with matplotlib.rc_context({**_SETTINGS, **(settings or {})}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def check_suffix(path: Path) -> None:
    """Raise UsageError for a kind of file that cannot be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f'the suffix is "{path.suffix}"', where=str(path), remedy=f"use {', '.join(SUFFIXES)}")


def save_figure(figure: Figure, path: Path, remedy: str, dots_per_inch: int = SCREEN_DPI) -> None:
    """Write a figure in the format of the path's suffix, one of SUFFIXES.

    Args:
        remedy: remedy in the error.
        dots_per_inch: resolution of a PNG.

    Raises:
        ResultsError: the file cannot be written; an older one is unchanged.
    """
    content = _drawn(figure, path.suffix.lower()[1:], dots_per_inch)
    try:
        atomic_write(path, content)
    except OSError as error:
        raise ResultsError(f"cannot be written: {reason(error)}", where=str(path), remedy=remedy) from error


def save_figures(
    folder: Path,
    groups: Sequence[tuple[str, Mapping[str, Callable[[], Figure]]]],
    settings: Mapping[Any, Any] | None = None,
) -> list[Path]:
    """Write the figures of one or more groups, such as workloads, as PNG files; returns their paths.

    Args:
        folder: made if need be.
        groups: label and figures by name of each group; of several groups, file names begin with the label.
        settings: further settings of matplotlib.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    written = []
    for number, (label, figures) in enumerate(groups, start=1):
        slug = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-").lower()[:60]
        for name, draw in figures.items():
            path = folder / f"{f'{number}-{slug}-' if len(groups) > 1 else ''}{name}.png"
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)  # where it cannot be made, writing the file says so
            with drawing(settings):
                save_figure(draw(), path, "change --plots")
            written.append(path)
    return written


def _drawn(figure: Figure, form: str, dots_per_inch: int) -> bytes:
    content = io.BytesIO()
    with drawing():
        figure.savefig(content, format=form, dpi=dots_per_inch, metadata=_METADATA[form])
    return content.getvalue()


class Picture:
    """A figure that shows itself in a notebook.

    Attributes:
        figure: figure of matplotlib, which can be changed.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a PNG, SVG or PDF, by the path's suffix.

        Raises:
            UsageError: another suffix, or a path that cannot be written.
        """
        check_suffix(Path(path))
        save_figure(self.figure, Path(path), "choose another path")

    def _repr_png_(self) -> bytes:
        return _drawn(self.figure, "png", NOTEBOOK_DPI)
