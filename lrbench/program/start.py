"""Start a program under LRBench; run as a script, with the Python of the user's choice.

Usage: start.py READING WRITING PROGRAM [FUNCTION]
    READING, WRITING: descriptors of the channel. Without FUNCTION the file PROGRAM runs as a script.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    """Run the program; return its exit code."""
    reading, writing, program, *function = sys.argv[1:]
    folder = os.path.dirname(program)
    sys.path[0] = folder
    sys.path.insert(1, os.path.join(HERE, "path"))
    from lrbench.program.channel import connect
    from lrbench.program.process import watch_sources

    channel = connect(int(reading), int(writing))
    try:
        with open(program, "rb") as file:
            source = file.read()
        watch_sources(folder, {os.path.basename(program): hashlib.sha256(source).hexdigest()})
        sys.argv = [program]
        _run(program, source) if not function else _drive(channel, program, function[0])
    except SystemExit as error:
        code = error.code
        if code not in (None, 0):
            said = f"the program exited: {code}" if isinstance(code, str) else f"the program exited with status {code}"
            channel.send({"event": "failed", "reason": said, "where": _place(error, folder)})
            sys.stderr.write(f"{said}\n")
        return code if isinstance(code, int) else int(code is not None)
    except BaseException as error:  # noqa: BLE001 - LRBench is told why the run failed, whatever it is
        traceback.print_exc()
        channel.send({"event": "failed", "reason": _reason(error), "where": _place(error, folder)})
        return 1
    return 0


def _run(program: str, source: bytes) -> None:
    """Execute the file as ``python PROGRAM`` would."""
    import types

    module = types.ModuleType("__main__")
    module.__file__ = program
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    exec(compile(source, program, "exec"), module.__dict__)


def _drive(channel: Any, program: str, function: str) -> None:
    """Import the file, call its function, and train what that gives."""
    from lrbench.program.driven import drive

    drive(channel, program, function)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return "out of GPU memory"
    return f"{kind}: {lines[0]}".rstrip(": ")[:1000]


def _place(error: BaseException, folder: str) -> str:
    """Return file:line of the innermost frame in a file of the program's folder, empty where there is none."""
    frames: list[dict[str, Any]] = []
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name.startswith(folder + os.sep) and "site-packages" not in name:
            frames.append({"file": os.path.relpath(name, folder), "line": step.tb_lineno})
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(folder + os.sep):
        return f"{os.path.relpath(error.filename, folder)}:{error.lineno}"
    return f"{frames[-1]['file']}:{frames[-1]['line']}" if frames else ""


if __name__ == "__main__":
    sys.exit(main())
