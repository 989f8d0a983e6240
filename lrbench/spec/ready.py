"""The ready specs that LRBench ships: in ``configs`` of a checkout, in ``lrbench/configs`` of an installation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import UsageError, did_you_mean
from lrbench.spec.document import read_document
from lrbench.storage import shipped_folder

SUFFIX = ".yaml"


@dataclass(frozen=True)
class ReadySpec:
    """Contents of a ready spec that a list of them shows.

    Attributes:
        summary: its first line, a comment.
        command: the command of ``lrbench`` that it is written for, ``run`` or ``tune``.
    """

    name: str
    path: Path
    summary: str
    command: str
    dataset: str
    engine: str


def ready_specs() -> list[ReadySpec]:
    """All ready specs, sorted by name."""
    return [_described(path) for path in sorted(shipped_folder("configs").glob(f"*{SUFFIX}"))]


def find_ready_spec(name: str) -> ReadySpec:
    """Return the ready spec of that name; raise UsageError if there is none."""
    name = name.removesuffix(SUFFIX)
    specs = {spec.name: spec for spec in ready_specs()}
    if name not in specs:
        hint = did_you_mean(name, specs) or f"the ready specs are {', '.join(specs)}"
        raise UsageError(f"there is no ready spec {name!r}", remedy=hint)
    return specs[name]


def _described(path: Path) -> ReadySpec:
    content = read_document(path).value
    return ReadySpec(
        name=path.stem,
        path=path,
        summary=path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip(),
        command="run" if "policies" in content else "tune",
        dataset=content["workload"]["dataset"],
        engine=content.get("engine", {}).get("name", "caffe"),
    )
