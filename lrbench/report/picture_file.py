"""Pictures as files: PNG, SVG or PDF, the same bytes each time, whoever wrote the labels.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lrbench.errors import ResultsError
from lrbench.report.formats import path_text
from lrbench.storage import atomic_write, reason

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
    """What figures are made and written in: labels do no harm, and a character that the font lacks is no warning.

    Args:
        settings: matplotlib's, beside those.
    """
    with matplotlib.rc_context({**_SETTINGS, **(settings or {})}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def write_picture(figure: Figure, path: Path, option: str, dots_per_inch: int = 130) -> None:
    """Write a figure, within ``drawing``, in the format of the path's suffix; its folder is made if need be.

    Args:
        option: what named the path on the command line.
        dots_per_inch: of a PNG.

    Raises:
        ResultsError: it cannot be written; what was there is unchanged.
    """
    kind = path.suffix.lower()[1:]
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=dots_per_inch, metadata=_METADATA[kind])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content.getvalue())
    except OSError as error:
        remedy = f"change {option}"
        raise ResultsError(f"cannot be written: {reason(error)}", where=path_text(path), remedy=remedy) from error
