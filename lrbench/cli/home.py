"""The folders that the environment names: where LRBench keeps its data, and where the user keeps his data sets."""

from __future__ import annotations

import os
from pathlib import Path

from lrbench.errors import DataError


def home() -> Path:
    """``LRBENCH_HOME``, else the system's place for an application's data (``~/.local/share/lrbench`` on Linux)."""
    named = os.environ.get("LRBENCH_HOME")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_data_dir

    return Path(user_data_dir("lrbench"))


def data_folder() -> Path | None:
    """``LRBENCH_DATA``, a folder that data sets are looked for in before they are downloaded; None where it is unset.

    Raises:
        DataError: it names something that is not a folder.
    """
    named = os.environ.get("LRBENCH_DATA")
    if not named:
        return None
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", where="LRBENCH_DATA", remedy="correct or unset it")
    return folder
