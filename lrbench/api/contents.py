"""Hash of a function and of all that it uses, for the id of its runs; refusal of what cannot be sent to a process.

The hash takes in the code of the function, of the functions and classes of ``__main__`` that it refers to, its closure
and defaults, and the values of the globals that it reads. What comes from a module counts by name, and the modules of
the user's own by their source, too.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.errors import UsageError

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range, slice, np.dtype)
_OF_CODE = ["co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_argcount"]
_OF_CODE += ["co_posonlyargcount", "co_kwonlyargcount"]
_UNREAD = {"__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__", "_abc_impl"}
_UNREAD |= {"__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}


class Contents:
    """Hash of a function and of all that it uses.

    Attributes:
        modules: files of the user's own modules under ``folder`` that it uses.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        """Read the function.

        Raises:
            UsageError: it uses something that cannot travel to another process.
        """
        self.modules: set[Path] = set()
        self._folder = folder
        self._subject = function_name(function)
        self._hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []
        try:
            self._add(function, self._subject)
        except RecursionError:
            self._refuse(self._subject, "objects that are nested too deeply", inside=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of all of it."""
        return self._hash.hexdigest()

    def _say(self, *words: object) -> None:
        for word in words:
            text = word if isinstance(word, bytes) else repr(word).encode()
            self._hash.update(b"%d:" % len(text) + text)

    def _add(self, value: Any, name: str, *, inside: bool = False) -> None:
        """Take in a value.

        Args:
            name: what a message calls it, or what it is part of if ``inside``.
        """
        if isinstance(value, _ATOMS):
            self._say(type(value).__name__, value)
            return
        if id(value) in self._seen:
            self._say("again", self._seen[id(value)])
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)  # so that no later value gets its id
        why = _why_not(value)
        if why is not None:
            self._refuse(name, why, inside)
        if isinstance(value, types.ModuleType):
            self._refer(value.__name__, "")
        elif isinstance(value, type | types.FunctionType) and _is_of_module(value):
            self._refer(value.__module__, value.__qualname__)
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, types.BuiltinFunctionType) and _is_of_module(value):
            self._say("builtin", value.__qualname__)
        elif isinstance(value, type):
            self._add_class(value)
        elif not self._add_container(value, name) and not self._add_array(value, name):
            self._add_object(value, name, inside)

    def _refer(self, module: str, name: str) -> None:
        """Take in the name of something that a module has, and the source of a module of the user's own."""
        self._say("of module", module, name)
        for package in _with_packages(module):
            path = _own_file(sys.modules.get(package))
            if path is not None and path.is_relative_to(self._folder):
                self.modules.add(path)
            elif path is not None:
                self._say(hashlib.sha256(path.read_bytes()).hexdigest())

    def _add_function(self, function: types.FunctionType) -> None:
        code, name = function.__code__, function_name(function)
        self._say("function")
        self._add_code(code)
        self._add((function.__defaults__, function.__kwdefaults__), f"the defaults of {name}", inside=True)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._say(variable)
            try:
                content = cell.cell_contents
            except ValueError:  # assigned later
                continue
            self._add(content, f"{variable}, which {name} uses,")
        for variable in sorted(_globals_of(code)):
            self._say(variable)
            if variable in function.__globals__:
                self._add(function.__globals__[variable], f"{variable}, which {name} uses,")
        for attribute, value in sorted(function.__dict__.items()):
            self._say(attribute)
            self._add(value, f"{name}.{attribute}")

    def _add_code(self, code: types.CodeType) -> None:
        self._say("code", *(getattr(code, name) for name in _OF_CODE), getattr(code, "co_exceptiontable", b""))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_code(constant)
            else:
                self._add(constant, "a constant", inside=True)
        self.modules.update(_files_of(_imports_of(code), self._folder))

    def _add_class(self, value: type) -> None:
        self._say("class", value.__qualname__, len(value.__bases__))
        for part in (type(value), *value.__bases__):
            self._add(part, f"a base of {value.__name__}")
        for attribute, part in value.__dict__.items():
            if attribute not in _UNREAD and not isinstance(part, types.GetSetDescriptorType):
                self._say(attribute)
                self._add(part, f"{value.__name__}.{attribute}")

    def _add_container(self, value: Any, name: str) -> bool:
        """Take in a value of a type that has parts; return whether it is one."""
        if type(value) in (list, tuple):
            self._say(type(value).__name__, len(value))
            parts: Iterable[Any] = value
        elif type(value) in (dict, types.MappingProxyType):
            self._say("dict", len(value))
            parts = (part for item in value.items() for part in item)
        elif type(value) in (set, frozenset):
            self._say(type(value).__name__, *sorted(self._digest_of(part, name) for part in value))
            parts = ()
        elif isinstance(value, staticmethod | classmethod | types.MethodType):
            self._say(type(value).__name__)
            parts = (value.__func__, getattr(value, "__self__", None))
        elif isinstance(value, property):
            self._say("property")
            parts = (value.fget, value.fset, value.fdel)
        elif isinstance(value, types.MemberDescriptorType):
            self._say("slot", value.__name__)
            parts = ()
        else:
            return False
        for part in parts:
            self._add(part, name, inside=True)
        return True

    def _digest_of(self, value: Any, name: str) -> bytes:
        """Digest of a value by itself, for members of sets, whose order differs from process to process."""
        outer, self._hash = self._hash, hashlib.sha256()
        seen, self._seen = self._seen, {}
        try:
            self._add(value, name, inside=True)
            return self._hash.digest()
        finally:
            self._hash, self._seen = outer, seen

    def _add_array(self, value: Any, name: str) -> bool:
        """Take in an array of NumPy or a tensor of PyTorch; return whether it is one."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            self._say("tensor", str(value.dtype), tuple(value.shape), value.requires_grad)
            dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
            value = dense.contiguous().reshape(-1).view(torch.uint8).numpy()
        if not isinstance(value, np.ndarray | np.generic):
            return False
        if value.dtype.hasobject:
            self._add(value.tolist(), name, inside=True)
            return True
        self._say("array", value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
        return True

    def _add_object(self, value: Any, name: str, inside: bool) -> None:
        """Take in any other object, by what it is pickled as."""
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced: Any = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:  # noqa: BLE001 - objects that cannot travel raise whatever they like
            self._refuse(name, f"an object of the type {type(value).__name__} ({error})", inside)
        if isinstance(reduced, str):
            module = getattr(value, "__module__", None)
            if module == "__main__":
                why = "pickled by its name in __main__, which is another module there"
                self._refuse(name, f"an object of the type {type(value).__name__} ({why})", inside)
            self._say("global", module, reduced)
            return
        parts: list[Any] = [*reduced[:5], *[None] * (5 - len(reduced[:5]))]
        self._say("object")
        for part in (*parts[:3], list(parts[3] or ()), list(parts[4] or ())):
            self._add(part, name, inside=True)

    def _refuse(self, name: str, what: str, inside: bool) -> None:
        """Raise UsageError: a value cannot travel.

        Args:
            name: of the value, or of what holds it if ``inside``.
        """
        subject, verb = self._subject, "holds" if inside else "is"
        raise UsageError(
            f"{subject} cannot be sent to the process that trains: {name} {verb} {what}",
            remedy=f"make it inside of {subject}, or put {subject} into a file and import it",
        )


def function_name(function: Any) -> str:
    """Name of a function, of the one in a ``partial``, or of the type of another callable."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def _why_not(value: Any) -> str | None:
    """Name the kind of a value that another process cannot use even where it can be pickled; None for any other."""
    torch = sys.modules.get("torch")
    if isinstance(value, io.IOBase) or type(value).__name__ == "OutStream":
        return "an open file"
    if isinstance(value, types.GeneratorType | types.CoroutineType):
        return "a generator"
    if type(value).__name__ in ("lock", "RLock", "_RLock", "Lock", "Condition", "Event", "Semaphore"):
        return "a lock"
    if torch is not None and isinstance(value, torch.Tensor) and value.device.type != "cpu":
        return f"a tensor on {value.device}"
    return None


def _is_of_module(value: Any) -> bool:
    """Whether the other process finds it by name in a module; what ``__main__`` defines travels whole."""
    module = getattr(value, "__module__", None)
    if isinstance(value, types.BuiltinFunctionType):
        return module is not None or not _is_bound(value)
    return module != "__main__" and module in sys.modules and "<locals>" not in value.__qualname__


def _is_bound(value: types.BuiltinFunctionType) -> bool:
    return not isinstance(value.__self__, type | types.ModuleType | type(None))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code and that of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _globals_of(code: types.CodeType) -> set[str]:
    """Names of the globals that code reads."""
    return {
        step.argval for part in _codes(code) for step in dis.get_instructions(part) if step.opname in _READS_GLOBALS
    }


_READS_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME"}


def _imports_of(code: types.CodeType) -> Iterator[str]:
    """Names of the modules that code imports, and of what it imports from them, which may be modules, too."""
    module = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            module = step.argval
            yield module
        elif step.opname == "IMPORT_FROM":
            yield f"{module}.{step.argval}"


def _with_packages(module: str) -> list[str]:
    """The names of the packages that a module is in, and its own."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _files_of(modules: Iterable[str], folder: Path) -> Iterator[Path]:
    for module in modules:
        for name in _with_packages(module):
            path = folder.joinpath(*name.split("."))
            yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _own_file(module: types.ModuleType | None) -> Path | None:
    """File of a module of the user's own: not of Python, of an installed package or of LRBench."""
    name, file = getattr(module, "__name__", ""), getattr(module, "__file__", None)
    if not file or not file.endswith(".py") or name.partition(".")[0] in ("lrbench", "__main__"):
        return None
    path = Path(file).resolve()
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    library = Path(os.__file__).resolve().parent
    return None if installed or path.is_relative_to(library) or not path.is_file() else path
