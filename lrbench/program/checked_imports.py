"""Imports from the program's folder, of which only the sources that the user has consented to are executed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from typing import Any

from lrbench.program.sources import LoadedSources


class UnknownSource(Exception):
    """A source file is not the one that the run's id has."""


def check_source(name: str, source: bytes, expected: Mapping[str, str]) -> str:
    """Return the SHA-256 of a source.

    Raises:
        UnknownSource: it is another than expected.
    """
    digest = hashlib.sha256(source).hexdigest()
    if name not in expected:
        raise UnknownSource(
            f"{name} would be executed, but no import statement names it, so that the run's id does not cover it: "
            "import it by an import statement"
        )
    if digest != expected[name]:
        raise UnknownSource(f"the source of {name} changed since the command was typed: type it again")
    return digest


def check_imports(loaded: LoadedSources, expected: Mapping[str, str]) -> None:
    """Check every source file in the program's folder before it is executed; compiled files are not used for them."""

    class CheckedLoader(SourceFileLoader):
        def get_code(self, fullname: str) -> Any:
            path = self.get_filename(fullname)
            name = loaded.name_of(path)
            if name is None:
                return super().get_code(fullname)
            source = self.get_data(path)
            loaded.add(name, check_source(name, source, expected))
            return self.source_to_code(source, path)

    loaders = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (CheckedLoader, SOURCE_SUFFIXES))
    finder = FileFinder.path_hook(*loaders)

    def finder_in_folder(path: str) -> Any:
        if not loaded.is_in_folder(path):
            raise ImportError(f"not in the program's folder: {path}")
        return finder(path or os.getcwd())

    sys.path_hooks.insert(0, finder_in_folder)
    sys.path_importer_cache.clear()
