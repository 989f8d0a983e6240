"""Start a program under LRBench; run as a script, with the Python of the user's choice.

Usage: start.py CHANNEL PROGRAM [FUNCTION [carried]]
    CHANNEL: as ``lrbench.program.channel.connect`` takes it. Without FUNCTION the file PROGRAM runs as a script. A
    carried function comes over the channel; there is no file PROGRAM, but its folder is where the function works.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    """Run the program; return its exit code."""
    place, program, *function = sys.argv[1:]
    folder = sys.path[0] = os.path.dirname(program)
    sys.path.insert(1, os.path.join(HERE, "path"))
    from lrbench.program.channel import connect
    from lrbench.program.checked_imports import check_imports, check_source
    from lrbench.program.process import watch_sources

    channel = connect(place)
    try:
        sys.argv = [program]
        message = channel.receive()[0]
        expected, folder = message["sources"], message["folder"]
        sys.path[0], loaded = folder, watch_sources(folder)
        name = os.path.relpath(program, folder).replace(os.sep, "/")
        check_imports(loaded, expected)
        if function[1:]:
            _drive(channel, _received(channel), function[0])
        elif function:
            _drive(channel, _imported(name, function[0]), function[0])
        else:
            with open(program, "rb") as file:
                source = file.read()
            loaded.add(name, check_source(name, source, expected))
            _run(program, source, _module_name(name))
    except SystemExit as error:
        code = error.code
        if code not in (None, 0):
            said = f"the program exited: {code}" if isinstance(code, str) else f"the program exited with status {code}"
            channel.send({"event": "failed", "reason": said, "where": _place(error, folder)})
            sys.stderr.write(f"{said}\n")
            return code if isinstance(code, int) else 1
    except BaseException as error:  # noqa: BLE001 - LRBench is told why the run failed, whatever it is
        traceback.print_exc()
        channel.send(
            {"event": "failed", "reason": _reason(error), "where": _place(error, folder) or _carried_place(error)}
        )
        return 1
    channel.leave()
    return 0


def _module_name(name: str) -> str:
    """Return the name of the module in a file, given by its path relative to the folder of modules."""
    return os.path.splitext(name)[0].replace("/", ".")


def _run(program: str, source: bytes, name: str) -> None:
    """Execute the file as ``python PROGRAM`` would, or where it lies in a package as ``python -m NAME``."""
    import importlib.util
    import types

    module = types.ModuleType("__main__")
    module.__file__ = program
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    if "." in name:
        module.__package__, module.__spec__ = name.rpartition(".")[0], importlib.util.find_spec(name)
    exec(compile(source, program, "exec"), module.__dict__)


def _imported(name: str, function: str) -> Any:
    """Import the file under its own name, and return its function."""
    import importlib

    make = getattr(importlib.import_module(_module_name(name)), function, None)
    if not callable(make):
        raise TypeError(f"{name} has no function {function!r}")
    return make


def _received(channel: Any) -> Any:
    """Receive a carried function, with the folders of the modules that it uses."""
    message, payload = channel.receive()
    sys.path += [folder for folder in message["path"] if folder not in sys.path]
    import cloudpickle

    return cloudpickle.loads(payload)


def _drive(channel: Any, make: Any, function: str) -> None:
    """Call the function, and train what that gives."""
    from lrbench.program.driven import drive

    drive(channel, make, function)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    kind = type(error).__name__
    if "pickle" in lines[0].lower() and "__main__" in lines[0]:  # by multiprocessing
        return (
            f"{lines[0][:500]}: what a notebook defines cannot be sent to workers of a loader unless they are forked: "
            'put it into a file and import it, or give the loader multiprocessing_context="fork"'
        )
    if kind == "OutOfMemoryError":
        return "out of GPU memory"
    if kind == "UnknownSource":
        return lines[0]
    return f"{kind}: {lines[0]}".rstrip(": ")[:1000]


def _place(error: BaseException, folder: str) -> str:
    """Return file:line of the innermost frame in a file of the program's folder, empty where there is none."""
    frames: list[dict[str, Any]] = []
    own = os.path.dirname(HERE) + os.sep
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name.startswith(folder + os.sep) and "site-packages" not in name and not name.startswith(own):
            frames.append({"file": os.path.relpath(name, folder), "line": step.tb_lineno})
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(folder + os.sep):
        return f"{os.path.relpath(error.filename, folder)}:{error.lineno}"
    return f"{frames[-1]['file']}:{frames[-1]['line']}" if frames else ""


def _carried_place(error: BaseException) -> str:
    """Return function and line of the innermost frame of code that is in no file, empty where there is none."""
    place, step = "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if not os.path.exists(code.co_filename) and not code.co_filename.startswith("<frozen"):
            place = f"{code.co_name}, line {step.tb_lineno}"
        step = step.tb_next
    return place


if __name__ == "__main__":
    sys.exit(main())
