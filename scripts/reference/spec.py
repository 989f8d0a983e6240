"""docs/reference/spec.md: every key of a spec, from the models that check it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from tabulate import tabulate

from lrbench.spec.model import (
    DataFolders,
    ExperimentSettings,
    RobustnessSettings,
    SolverSettings,
    StoppingSettings,
    WorkloadSettings,
)
from lrbench.spec.objective import ObjectiveSettings, TargetSettings
from lrbench.spec.search_settings import SearchSettings
from lrbench.spec.sections import CompositionSettings, EngineSettings, RangeSettings
from lrbench.spec.seeds import AddedSeeds
from lrbench.spec.snapshots import SnapshotSettings
from reference import NOTE
from reference.docstrings import attributes

EXAMPLE = Path(__file__).with_name("example.yaml")
SECTIONS: Mapping[str, type[BaseModel]] = {
    "": ExperimentSettings,
    "workload": WorkloadSettings,
    "workload.dataset": DataFolders,
    "solver": SolverSettings,
    "engine": EngineSettings,
    "seeds": AddedSeeds,
    "objective": ObjectiveSettings,
    "target": TargetSettings,
    "stopping": StoppingSettings,
    "robustness": RobustnessSettings,
    "snapshots": SnapshotSettings,
    "range": RangeSettings,
    "search": SearchSettings,
    "composition": CompositionSettings,
}
LARGEST_SAID = 100_000_000
"""Bounds above this one are what a computer's whole numbers end at, of no interest to a person."""
FILLED_IN = {"name": "the file's name", "solver": "`SGD`"}
"""What the reader of a file puts where the models themselves want a value."""
ONE = {"integer": "a whole number", "number": "a number", "boolean": "`true` or `false`", "string": "text"}
MANY = {"integer": "whole numbers", "number": "numbers", "string": "texts"}

INTRODUCTION = f"""\
# The spec

{NOTE.format("lrbench/spec")}

One YAML file describes an experiment. Paths in it are relative to the file. `--set workload.iterations=2000 --set 'seeds=[0, 1]'`
overrides a value on the command line. An unknown key, or a value of the wrong type or out of bounds, is refused with
the file, the line and the remedy.

[configs/quickstart.yaml](../../configs/quickstart.yaml) is a small one, and others lie beside it: MNIST with LeNet,
CIFAR-10 with CNN3, ResNet-20 and ResNet-32 (each with the default schedule it is known with beside all thirteen
functions), and policies x optimizers.

What most experiments need, with the defaults:

"""


def page() -> str:
    """The whole page."""
    example = f"```yaml\n{EXAMPLE.read_text(encoding='utf-8')}```\n"
    return INTRODUCTION + example + "".join(_section(name, model) for name, model in SECTIONS.items())


def _section(name: str, model: type[BaseModel]) -> str:
    title = f"`{name}`" if name else "The file"
    summary = (model.__doc__ or "").split("\n\n")[0].strip().replace("``", "`") if name else "Top-level keys."
    table = tabulate(_rows(model), ["key", "value", "default", "meaning"], "github", disable_numparse=True)
    return f"\n## {title}\n\n{summary}\n\n{table}\n"


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    schema = model.model_json_schema()
    meanings = attributes(model)
    for name, field in model.model_fields.items():
        meaning, _, unset = meanings[name].replace("``", "`").removesuffix(".").partition("; None: ")
        default = FILLED_IN.get(name) if model is ExperimentSettings else None
        yield f"`{name}`", _kind(schema["properties"][name]), default or _default(field.get_default(), unset), meaning
    unknown = sorted(meanings.keys() - model.model_fields.keys())
    if unknown:
        raise SystemExit(f"{model.__name__} describes {', '.join(unknown)}, which it does not have")


def _default(value: Any, unset: str) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or isinstance(value, BaseModel):
        return unset or "-"
    written = yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]
    return f"`{written}`"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a JSON schema says that a value is, in words."""
    if "$ref" in schema:
        return "a mapping"
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(_kind(choice) for choice in choices if choice.get("type") != "null")
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        item = schema["items"]
        return f"a list of {MANY[item['type']]}{_bounds(item)}" if "type" in item else "a list"
    return ONE[schema["type"]] + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {schema[key]:,}" for key, word in words.items() if schema.get(key, inf) <= LARGEST_SAID)
