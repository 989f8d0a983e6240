"""The nets that come with LRBench, and where a spec's net is found."""

from __future__ import annotations

from pathlib import Path

from lrbench.errors import NetError, did_you_mean

SUFFIX = ".prototxt"


def builtin_nets() -> list[str]:
    """The names of LRBench's own nets, sorted."""
    return sorted(path.stem for path in _folder().glob(f"*{SUFFIX}"))


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
        return _folder() / f"{name_or_path}{SUFFIX}"
    hint = did_you_mean(name_or_path, names) or f"LRBench's own are {', '.join(names)}."
    raise NetError(
        f'there is no net "{name_or_path}"',
        remedy=f"{hint} A file of your own is named by its path, such as ./mine{SUFFIX}",
    )


def _folder() -> Path:
    """``lrbench/prototxt`` where the package is installed, ``prototxt`` beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "prototxt", package.parent / "prototxt"):
        if any(folder.glob(f"*{SUFFIX}")):
            return folder
    raise NetError("LRBench's own nets are missing from its installation", where=str(package), remedy="install it anew")
