"""Errors of pydantic's validation as one line: the place, the key, the value, the rule and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lrbench.errors import SpecError, did_you_mean
from lrbench.spec.document import Document
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.yaml_loader import Key, cut, shown

# pydantic's types of errors, and the rule behind "must be"; {} are the limits that it names.
_RULES = {
    "model_type": "a mapping",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "finite_number": "finite",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:.10g}",
    "too_short": "a list of at least {min_length}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "at most 100 letters, digits and _.+- of which the first is a letter or a digit",
    "literal_error": "{expected}",
}

MOST_NAMED = 5
"""Further problems that a message names."""


def explain(
    error: ValidationError, document: Document, solvers: Sequence[Key], model: type[BaseModel] = ExperimentSettings
) -> SpecError:
    """Build the error for the first problem of a spec, unknown keys first; it names where the others are.

    Args:
        error: from reading ``ExperimentSettings``.
        solvers: where the spec has each of the written-out solvers.
        model: the model that it was read as.
    """
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first, *others = problems
    key = _key(first)
    message, remedy = _sentence(first, key, _dotted(_as_written(key, solvers)), model)
    named = list(dict.fromkeys(_named(other, document, solvers) for other in others))
    return SpecError(message, where=document.where(_as_written(key, solvers)), remedy=remedy + also_wrong(named))


def also_wrong(named: Sequence[str]) -> str:
    """The end of a message that tells one problem of several: where the others are."""
    if not named:
        return ""
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return f"; also wrong: {', '.join(named[:MOST_NAMED])}{more}"


def _key(problem: ErrorDetails) -> Key:
    key: Key = problem["loc"]
    if key[:2] == ("workload", "dataset"):
        key = key[:2] + key[3:]  # between them pydantic has the tag of the form it took
    if key[:1] == ("seeds",):
        key = key[:1] + key[2:]
    return key + problem["ctx"]["key"] if problem["type"] == "inconsistent" else key


def _named(problem: ErrorDetails, document: Document, solvers: Sequence[Key]) -> str:
    path = _as_written(_key(problem), solvers)
    missing = "missing, " if problem["type"] == "missing" else ""
    return f"{_dotted(path)} ({missing}{document.where(path)})"


def _dotted(path: Key) -> str:
    return ".".join(cut(str(part)) for part in path)


def _as_written(key: Key, solvers: Sequence[Key]) -> Key:
    """The key as the spec has it, where solvers may be written in a short form."""
    if len(key) > 1 and key[0] == "solver" and isinstance(key[1], int):
        return (*solvers[key[1]], *key[2:])
    return key


def _sentence(problem: ErrorDetails, key: Key, name: str, model: type[BaseModel]) -> tuple[str, str]:
    """Return the message and the remedy."""
    kind = problem["type"]
    if kind == "inconsistent":
        return f"{name} {problem['ctx']['problem']}", problem["ctx"]["remedy"]
    if kind == "extra_forbidden":
        return f"unknown key {shown(name)}", _right_key(str(key[-1]), _model_at(key[:-1], model), model)
    field, remedy = _field(key, model), _example(key, model)
    if kind == "missing":
        return f"the key {name!r} is missing", remedy
    rule = _RULES[kind].format(**problem.get("ctx", {})) if kind in _RULES else problem["msg"]
    if kind == "literal_error":
        remedy = did_you_mean(problem["input"], get_args(field.annotation)) or remedy
    return f"{name} is {shown(problem['input'])}, but must be {rule}", remedy


def _right_key(key: str, here: type[BaseModel], whole: type[BaseModel]) -> str:
    """Say where an unknown key belongs, or which key it may have been meant to be."""
    if key in whole.model_fields:
        return "it belongs at the top level"
    for name, field in whole.model_fields.items():
        section = _model_in(field.annotation)
        if section is not None and key in section.model_fields:
            return f"it belongs in {name}"
    return did_you_mean(key, here.model_fields) or f"the keys here are {', '.join(here.model_fields)}"


def _example(key: Key, whole: type[BaseModel]) -> str:
    """Return an example of the setting, or the keys of the section."""
    field = _field(key, whole)
    section = _model_in(field.annotation)
    if section is not None and not field.examples:
        return f"its keys are {', '.join(section.model_fields)}"
    examples = field.examples or [field.default]
    return f"for example {_words(key)[-1]}: {examples[0]}"


def _field(key: Key, whole: type[BaseModel]) -> FieldInfo:
    *outer, name = _words(key)
    return _model_at(tuple(outer), whole).model_fields[name]


def _model_at(key: Key, whole: type[BaseModel]) -> type[BaseModel]:
    model = whole
    for word in _words(key):
        inner = _model_in(model.model_fields[word].annotation)
        assert inner is not None  # the path of an error leads through models
        model = inner
    return model


def _words(key: Key) -> list[str]:
    return [part for part in key if isinstance(part, str)]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a type is, or is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
