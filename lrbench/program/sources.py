"""The source files that a program has loaded, with their hashes, so that LRBench can hold them against the run's id."""

from __future__ import annotations

import hashlib
import os
import sys


class LoadedSources:
    """Finds the modules under a folder that the process has imported.

    Args:
        folder: the program's folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.realpath(folder) + os.sep
        self._found: dict[str, str] = {}
        others = [sys.prefix, sys.base_prefix, os.path.join(os.path.dirname(__file__), os.pardir)]
        installed = [os.path.realpath(other) + os.sep for other in others]
        self._installed = tuple(
            other for other in installed if other.startswith(self._folder) and other != self._folder
        )

    def is_in_folder(self, path: str) -> bool:
        """Whether a path is in the folder, and not of Python, of LRBench or of an installed package there."""
        path = os.path.realpath(path)
        inside = path == self._folder[:-1] or path.startswith(self._folder)
        return inside and "site-packages" not in path and not path.startswith(self._installed)

    def name_of(self, path: str) -> str | None:
        """Return the path of a source file relative to the folder, None if it is not the program's."""
        if not path.endswith(".py") or not self.is_in_folder(path):
            return None
        return os.path.realpath(path)[len(self._folder) :].replace(os.sep, "/")

    def add(self, name: str, digest: str) -> None:
        """Note a file that is executed."""
        self._found.setdefault(name, digest)

    def current(self) -> dict[str, str]:
        """SHA-256 of each file when it was first seen, by path relative to the folder."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or not os.path.isabs(path):  # some modules have a made-up file
                continue
            name = self.name_of(path)
            if name is not None and name not in self._found:
                self._found[name] = sha256_of(path)
        return self._found


def sha256_of(path: str) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
