"""The command line typed in this process: the answer of ``python -m lrbench``, without the time that its imports take."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess, check_output

import pytest

from lrbench.cli.main import main


def typed(
    *arguments: object, cwd: Path | None = None, variables: Mapping[str, str] | None = None, given: str | None = None
) -> CompletedProcess[str]:
    """Type ``lrbench`` with these arguments, in a folder, with more environment variables and with a standard input."""
    terminated = signal.getsignal(signal.SIGTERM)
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (variables or {}).items():
            patch.setenv(name, value)
        if cwd:
            patch.chdir(cwd)
        if given is not None:
            patch.setattr(sys, "stdin", io.StringIO(given))
        patch.setattr(sys, "argv", ["lrbench", *map(str, arguments)])
        patch.setattr(sys.modules["__main__"], "__package__", None, raising=False)  # no other name under `python -m`
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main()
    signal.signal(signal.SIGTERM, terminated)
    code = ended.value.code
    assert isinstance(code, int)
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return CompletedProcess(sys.argv, code, out, err)


def refusal(*arguments: object) -> str:
    """The message with which a command is refused: one line of standard error alone, and exit code 2."""
    done = typed(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").strip()


def as_bash_reads(line: str) -> list[str]:
    """The arguments that ``lrbench`` has when bash reads this line."""
    script = f"""lrbench() {{ printf '%s\\0' "$@"; }}; {line}"""
    return check_output(["bash", "-c", script], text=True).split("\0")[:-1]
