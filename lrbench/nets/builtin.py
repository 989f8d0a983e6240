"""The nets that come with LRBench, and where a spec's net is found."""

from __future__ import annotations

from pathlib import Path

from lrbench.errors import NetError, did_you_mean
from lrbench.storage import shipped_folder

SUFFIX = ".prototxt"


def builtin_nets() -> list[str]:
    """The names of LRBench's own nets, sorted."""
    return sorted(path.stem for path in shipped_folder("prototxt").glob(f"*{SUFFIX}"))


def find_net(name_or_path: str, base: Path) -> Path:
    """Where a net lies.

    Args:
        name_or_path: one of :func:`builtin_nets`, or a path: what has a slash in it or ends in ``.prototxt``.
        base: the folder that a relative path starts from. Whether the file exists is left to the reader.

    Errors:
        NetError: no net of LRBench's has that name.
    """
    if "/" in name_or_path or name_or_path.endswith(SUFFIX):
        return base / name_or_path
    names = builtin_nets()
    if name_or_path in names:
        return shipped_folder("prototxt") / f"{name_or_path}{SUFFIX}"
    hint = did_you_mean(name_or_path, names) or f"LRBench's own are {', '.join(names)}."
    raise NetError(
        f'there is no net "{name_or_path}"',
        remedy=f"{hint} A file of your own is named by its path, such as ./mine{SUFFIX}",
    )
