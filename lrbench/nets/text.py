"""Nets and solvers as text files: protobuf's text format, which Caffe calls prototxt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from lrbench.errors import NetError, ResultsError, did_you_mean
from lrbench.nets import caffe_pb2
from lrbench.storage import atomic_write, open_regular, reason, shipped_folder

SUFFIX = ".prototxt"


def builtin_nets() -> list[str]:
    """The names of LRBench's own nets, sorted."""
    return sorted(path.stem for path in shipped_folder("prototxt").glob(f"*{SUFFIX}"))


def find_net(name_or_path: str, base: Path) -> Path:
    """Path of a net.

    Args:
        name_or_path: one of :func:`builtin_nets`, or a path: what has a slash in it or ends in ``.prototxt``.
        base: the folder that a relative path starts from. Whether the file exists is left to the reader.

    Errors:
        NetError: no net of LRBench's has that name.
    """
    if "/" in name_or_path or name_or_path.endswith(SUFFIX):
        return base / name_or_path
    names = builtin_nets()
    if name_or_path in names:
        return shipped_folder("prototxt") / f"{name_or_path}{SUFFIX}"
    hint = did_you_mean(name_or_path, names) or f"LRBench's own are {', '.join(names)}."
    raise NetError(
        f'there is no net "{name_or_path}"',
        remedy=f"{hint} A file of your own is named by its path, such as ./mine{SUFFIX}",
    )


LARGEST_FILE_BYTES = 16 * 2**20
LONGEST_REASON = 200

_GIVE_A_NET = "give a prototxt file, not the weights of a net"
_UNKNOWN_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]*)"')
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_Parsed = TypeVar("_Parsed", bound=Message)


def read_net(path: Path | str) -> caffe_pb2.NetParameter:
    """Read a net definition.

    Errors:
        NetError: the file is missing, a folder, larger than 16 MiB, not text, or does not parse (the place is then
            file:line).
    """
    path = Path(path)
    return parse_text(path, read_text(path), caffe_pb2.NetParameter())


def write_text(message: Message) -> str:
    """The message as prototxt, which reads back as the same message."""
    return text_format.MessageToString(message)


def write_message(path: Path | str, message: Message, header: str | None = None) -> None:
    """Write the message as prototxt: the whole file or, whatever happens, none of it.

    Args:
        path: the file to write or replace; its folder exists.
        message: a net, a solver or any other of Caffe's messages.
        header: comment lines for the top of the file, without their ``#``.

    Errors:
        ResultsError: the folder is missing, full or may not be written to.
    """
    path = Path(path)
    comment = "".join(f"# {line}".rstrip() + "\n" for line in (header or "").splitlines())
    try:
        atomic_write(path, (comment + write_text(message)).encode())
    except OSError as error:
        raise ResultsError(f"cannot be written ({reason(error)})", where=str(path)) from error


def merge_whole_fields(text: str, message: Message) -> bool:
    """Merge prototxt that a log repeats into a message: its fields, up to the first that is cut or cannot be read.

    Fields that the message does not know are passed over.

    Returns:
        Whether the whole text was read.
    """
    for part in _outer_fields(text):
        fields = type(message)()
        try:
            _parse_text(part, fields, allow_unknown_field=True)
        except text_format.ParseError:
            return False
        message.MergeFrom(fields)
    return True


def _outer_fields(text: str) -> Iterator[str]:
    """The text in pieces that end where all braces are closed; the last one may not be whole."""
    lines: list[str] = []
    depth = 0
    for line in text.splitlines():
        lines.append(line)
        bare = _QUOTED.sub("", line)
        depth += bare.count("{") - bare.count("}")
        if depth == 0:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _parse_text(text: str, message: Message, *, allow_unknown_field: bool = False) -> None:
    try:
        text_format.Parse(text, message, allow_unknown_field=allow_unknown_field)
    except RecursionError:
        raise text_format.ParseError("is nested too deep") from None


def parse_text(path: Path, text: str, message: _Parsed) -> _Parsed:
    """The message with what the text of a file says.

    Errors:
        NetError: it does not parse; the place is file:line.
    """
    try:
        _parse_text(text, message)
    except text_format.ParseError as error:
        raise _explain(path, text, error) from error
    if not message.IsInitialized():
        raise NetError("a clip_param needs both its min and its max", where=str(path))
    return message


def read_text(path: Path) -> str:
    """The text of a prototxt file; the errors are those of :func:`read_net`, but for those of parsing."""
    try:
        if path.is_dir():
            raise NetError("is a folder, not a prototxt file", where=str(path))
        if not path.exists():
            raise NetError("no such file", where=str(path))
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise NetError(f"cannot be read ({reason(error)})", where=str(path)) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise NetError("is larger than 16 MiB", where=str(path), remedy=_GIVE_A_NET)
    if b"\0" in content:
        raise NetError("is not a text file", where=str(path), remedy=_GIVE_A_NET)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NetError("is not a text file in UTF-8", where=str(path), remedy=_GIVE_A_NET) from error


def _explain(path: Path, text: str, error: text_format.ParseError) -> NetError:
    number = error.GetLine() or 1
    line = text.split("\n")[number - 1] if number <= text.count("\n") + 1 else ""
    reason = re.sub(r"^\d+:\d+ : ", "", str(error)).removeprefix(f"'{line}': ")
    where = f"{path}:{number}"
    unknown = _UNKNOWN_FIELD.search(reason)
    if unknown:
        return _explain_unknown_field(where, *unknown.groups())
    return NetError(reason.replace(f"{caffe_pb2.DESCRIPTOR.package}.", "")[:LONGEST_REASON], where=where)


def _explain_unknown_field(where: str, type_name: str, field: str) -> NetError:
    messages: Mapping[str, Descriptor] = caffe_pb2.DESCRIPTOR.message_types_by_name
    message = messages[type_name.rsplit(".", 1)[-1]]
    if message.name == "NetParameter" and field == "layers":
        return NetError(
            'is written in Caffe\'s old form, "layers { }"',
            where=where,
            remedy="run Caffe's upgrade_net_proto_text on it",
        )
    owners = [name for name, other in messages.items() if field in other.fields_by_name]
    owned = f"it is a field of {' and '.join(owners[:4])}" if owners else None
    remedy = did_you_mean(field, message.fields_by_name) or owned
    return NetError(f'{message.name} has no field "{field}"', where=where, remedy=remedy)
