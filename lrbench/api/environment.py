"""Settings from environment variables: LRBench's data folder, the user's own, and the user's Caffe."""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from lrbench.engines.site import Consent, Site

DATABASE_FILE = "policies.sqlite"
TOKEN_BYTES = 24


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


def site(consent: Consent | None = None) -> Site:
    """LRBench's data folder, the Caffe that ``LRBENCH_CAFFE`` names, the visible GPUs, and the consent to a program."""
    from lrbench.engines.site import Site

    visible = tuple(filter(None, map(str.strip, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","))))
    return Site(home(), os.environ.get("LRBENCH_CAFFE") or None, consent, visible)


def node_site(typed: Consent | None) -> Site:
    """The site of a node of a cluster: the consent is what the user typed elsewhere, the environment is this one's.

    The program's files are in the folder of the spec, wherever that was; the Python is this node's unless typed.
    """
    if typed is None:
        return site()
    return site(consent(None, typed.python if "--python" in typed.typed else None, typed.launcher, typed.typed))


def consent(
    program: Path | None, python: str | None = None, launcher: tuple[str, ...] = (), typed: tuple[str, ...] = ()
) -> Consent:
    """The consent to execute a program, in this process's environment without what leads to a database.

    Args:
        program: the file; None: the one that the spec names, in the folder of the spec.
        python: the interpreter; None: the one that runs LRBench.
        launcher: the launcher of the program's ranks, with its options; empty: the program is one process.
        typed: the options that gave it, for the next command.
    """
    from lrbench.engines.site import Consent

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LRBENCH_", "PG"))}
    return Consent(program, python or sys.executable, home(), kept, launcher, typed)


def serve_token() -> str:
    """``LRBENCH_TOKEN``, the token that readers of ``lrbench serve --token`` need, else a random one.

    Raises:
        UsageError: it is too short, or has characters that a URL would have to escape.
    """
    named = os.environ.get("LRBENCH_TOKEN")
    if not named:
        return secrets.token_urlsafe(TOKEN_BYTES)
    if not re.fullmatch(r"[A-Za-z0-9_.~-]{16,}", named):
        message = "the token is not 16 or more letters, digits and - . _ ~"
        raise UsageError(message, where="LRBENCH_TOKEN", remedy="unset it for a random token")
    return named


def database_place() -> str:
    """``LRBENCH_DB``, the path or URL of the policy database, else a file in ``home``, whose folder is made."""
    named = os.environ.get("LRBENCH_DB")
    if named:
        return named
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / DATABASE_FILE)
