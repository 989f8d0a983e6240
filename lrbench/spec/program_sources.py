"""Source files of a program: which its import statements name, and what they hold; nothing of them is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from lrbench.errors import SpecError, did_you_mean
from lrbench.storage import file_sha256


def module_folder(file: Path) -> Path:
    """Return the folder that a program's modules are looked for in: its own, as for ``python FILE``.

    A file that imports from the package that it lies in, relatively or by the package's name, runs as ``python -m``
    runs it: its modules are looked for in the folder that holds the package.

    Raises:
        SpecError: it is no Python, or it imports relatively, but its folder is no package.
    """
    top = file.parent
    while (top / "__init__.py").is_file() and top != top.parent:
        top = top.parent
    package = file.relative_to(top).parts[0] if top != file.parent else None
    for node in _import_statements(_parsed(file)):
        if isinstance(node, ast.ImportFrom) and node.level:
            if package is None:
                raise SpecError(
                    f"imports relatively, but its folder {file.parent} is no package",
                    where=f"{file.name}:{node.lineno}",
                    remedy="name the module without the dot, or add an empty __init__.py to the folder",
                )
            return top
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if package is not None and any(module.split(".")[0] == package for module in modules):
            return file.parent if _is_module(file.parent / package) else top
    return file.parent


def _import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements outside of ``try``, where a failure may be meant to be caught."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.Try):
            yield from _import_statements(child)


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported_sources(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """SHA-256 of the files, and of the modules in the folder that their import statements name, by relative path.

    Raises:
        SpecError: a file is no Python, or cannot be read.
    """
    found, waiting = dict[str, str](), sorted(files)
    while waiting:
        file = waiting.pop()
        name = file.relative_to(folder).as_posix()
        if name not in found:
            found[name] = digest(file)
            waiting += _imported(file, folder)
    return found


def _imported(file: Path, folder: Path) -> Iterator[Path]:
    """Yield the files under the folder that the import statements of a file may execute."""
    tree = _parsed(file)
    package = file.parent.relative_to(folder).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            modules = [(*module, alias.name) for alias in node.names]
        else:
            continue
        for parts in modules:
            for end in range(1, len(parts) + 1):
                module_path = folder.joinpath(*parts[:end])
                yield from (
                    each for each in (module_path.with_suffix(".py"), module_path / "__init__.py") if each.is_file()
                )


def digest(path: Path) -> str:
    """SHA-256 of a program's file or of an input; raise SpecError if it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise SpecError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="correct workload.inputs"
        ) from error


def check_function(file: Path, function: str) -> None:
    """Raise SpecError if the file is Python, and nothing in it has the name of the function."""
    names = set[str]()
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    if function not in names and "*" not in names:
        remedy = did_you_mean(function, names) or "correct workload.function"
        raise SpecError(f"{file.name} has no function {function!r}", remedy=remedy)


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except SyntaxError as error:
        place = f"{file.name}:{error.lineno}"
        raise SpecError(
            f"is no Python: {error.msg}", where=place, remedy="workload.program is a Python file"
        ) from error
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise SpecError(f"cannot be read as Python: {error}", where=file.name) from error
