"""Caffe solvers as text files, also those of other builds of Caffe, which have fields of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.text import parse_text, read_text

_TOKEN = re.compile(
    r"""(?P<skipped>\s+|\#[^\n]*) | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | [^\s\#"'{}<>:;,]+ | .""",
    re.VERBOSE | re.DOTALL,
)
_OPENS, _CLOSES = ("{", "<"), ("}", ">")


@dataclass(frozen=True)
class Solver:
    """A solver file.

    Attributes:
        known: the numbers and words that Caffe's own SolverParameter has.
        others: the other fields by name, each as its text without the name: those that SolverParameter lacks, and nets
            and states, which are not parsed. A field that stands there twice is listed once, as its last text.
    """

    known: SolverParameter
    others: Mapping[str, str]


def is_solver(path: Path) -> bool:
    """Whether a prototxt file is a solver: it has an ``lr_policy``, as no net has.

    Errors:
        NetError: the file cannot be read as text.
    """
    return any(name == "lr_policy" for name, _ in _fields(read_text(path)))


def read_solver(path: Path) -> Solver:
    """Read a solver definition.

    A file without an ``lr_policy``, or with unbalanced braces, is parsed as Caffe's own SolverParameter.

    Errors:
        NetError: as for :func:`lrbench.nets.text.read_net`.
    """
    text = read_text(path)
    fields = list(_fields(text))
    if "lr_policy" not in {name for name, _ in fields} or fields[-1][0]:
        return Solver(parse_text(path, text, SolverParameter()), {})
    kept, others = [text[: fields[0][1]]], {}
    for (name, start), (_, end) in pairwise(fields):
        field = SolverParameter.DESCRIPTOR.fields_by_name.get(name)
        part = text[start:end]
        if field is None or field.message_type is not None:
            others[name] = part.removeprefix(name).strip().removeprefix(":").strip()
            part = re.sub(r"[^\n]", " ", part)  # so that what is left keeps its line
        kept.append(part)
    return Solver(parse_text(path, "".join(kept), SolverParameter()), others)


def _fields(text: str) -> Iterator[tuple[str, int]]:
    """The name and the start of each field that stands in no message, then the text's end, named if a brace is open."""
    depth, word = 0, None
    for token in _TOKEN.finditer(text):
        if token["skipped"]:
            continue
        if depth == 0 and word is not None and token[0] in (":", *_OPENS):
            yield word[0], word.start()
        depth += (token[0] in _OPENS) - (token[0] in _CLOSES)
        word = token if depth == 0 and token[0][0].isidentifier() else None
    yield "" if depth == 0 else "unbalanced", len(text)
