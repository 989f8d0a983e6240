"""The source files that a program has loaded, with their hashes, so that LRBench can hold them against the run's id."""

from __future__ import annotations

import hashlib
import os
import sys


class LoadedSources:
    """Finds the modules under a folder that the process has imported.

    Args:
        folder: the program's folder.
        found: files that are known already, with their hashes, by path relative to the folder.
    """

    def __init__(self, folder: str, found: dict[str, str]) -> None:
        self._folder = os.path.realpath(folder) + os.sep
        self._found = found
        others = [sys.prefix, sys.base_prefix, os.path.join(os.path.dirname(__file__), os.pardir)]
        installed = [os.path.realpath(other) + os.sep for other in others]
        self._installed = tuple(
            other for other in installed if other.startswith(self._folder) and other != self._folder
        )

    def current(self) -> dict[str, str]:
        """SHA-256 of each file when it was first seen, by path relative to the folder."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or not os.path.isabs(path):  # some modules have a made-up file
                continue
            path = os.path.realpath(path)
            if path.startswith(self._installed):  # Python or LRBench, where the folder is one around them
                continue
            if path.startswith(self._folder) and path.endswith(".py") and "site-packages" not in path:
                name = path[len(self._folder) :].replace(os.sep, "/")
                if name not in self._found:
                    self._found[name] = sha256_of(path)
        return self._found


def sha256_of(path: str) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
