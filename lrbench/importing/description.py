"""Descriptions of PyTorch schedulers, ``StepLR(step_size=30, gamma=0.1)``: parsed, never evaluated."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from lrbench.errors import UsageError, did_you_mean
from lrbench.policies.values import shown

LONGEST = 20_000
FORM = "write it as the call that makes it, such as StepLR(step_size=30, gamma=0.1)"
REQUIRED = object()

SIGNATURES: Mapping[str, Mapping[str, Any]] = {
    "StepLR": {"step_size": REQUIRED, "gamma": 0.1},
    "MultiStepLR": {"milestones": REQUIRED, "gamma": 0.1},
    "ConstantLR": {"factor": 1 / 3, "total_iters": 5},
    "LinearLR": {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 5},
    "ExponentialLR": {"gamma": REQUIRED},
    "PolynomialLR": {"total_iters": 5, "power": 1.0},
    "CosineAnnealingLR": {"T_max": REQUIRED, "eta_min": 0.0},
    "CosineAnnealingWarmRestarts": {"T_0": REQUIRED, "T_mult": 1, "eta_min": 0.0},
    "CyclicLR": {
        "base_lr": REQUIRED,
        "max_lr": REQUIRED,
        "step_size_up": 2000,
        "step_size_down": None,
        "mode": "triangular",
        "gamma": 1.0,
        "scale_fn": None,
        "scale_mode": "cycle",
        "cycle_momentum": True,
        "base_momentum": 0.8,
        "max_momentum": 0.9,
    },
    "OneCycleLR": {
        "max_lr": REQUIRED,
        "total_steps": None,
        "epochs": None,
        "steps_per_epoch": None,
        "pct_start": 0.3,
        "anneal_strategy": "cos",
        "cycle_momentum": True,
        "base_momentum": 0.85,
        "max_momentum": 0.95,
        "div_factor": 25.0,
        "final_div_factor": 10000.0,
        "three_phase": False,
    },
    "ReduceLROnPlateau": {
        "mode": "min",
        "factor": 0.1,
        "patience": 10,
        "threshold": 0.0001,
        "threshold_mode": "rel",
        "cooldown": 0,
        "min_lr": 0,
        "eps": 1e-08,
    },
    "SequentialLR": {"schedulers": REQUIRED, "milestones": REQUIRED},
    "ChainedScheduler": {"schedulers": REQUIRED},
}
"""The arguments of each scheduler after the optimizer, in order, with their defaults: those of torch.optim."""
_WHOLE = {"step_size", "total_iters", "T_0", "T_mult", "total_steps", "epochs", "steps_per_epoch"}
"""The arguments that count steps and are whole: PyTorch compares them with the step or takes the remainder by them."""

UNREADABLE = {
    "LambdaLR": "holds a function of yours",
    "MultiplicativeLR": "holds a function of yours",
}
_IGNORED = {"optimizer", "last_epoch", "verbose"}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Described:
    """A scheduler's class, and all of its arguments, those that were not given by their defaults."""

    name: str
    arguments: Mapping[str, Any]


def read_description(text: str) -> Described:
    """The scheduler that a text describes, which may name a module and an optimizer.

    Raises:
        UsageError: text that is no call of a known scheduler with arguments written out.
    """
    if len(text) > LONGEST:
        raise UsageError(f"a description of {len(text)} characters is too long", remedy=FORM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip()).body
        return _described(body[0].value if len(body) == 1 and isinstance(body[0], (ast.Assign, ast.Expr)) else None)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise UsageError(f'"{shown(text)}" cannot be read', remedy=FORM) from None


def described(name: str, given: Mapping[str, Any]) -> Described:
    """A scheduler with the arguments given, checked against its signature.

    Raises:
        UsageError: an unknown or missing argument.
    """
    signature = SIGNATURES[name]
    for argument in given:
        if argument not in signature:
            remedy = f"{did_you_mean(argument, signature)} it takes {', '.join(signature)}".strip()
            raise UsageError(f'it takes no "{argument}"', where=name, remedy=remedy)
    arguments = {**signature, **given}
    for argument, value in arguments.items():
        if value is REQUIRED:
            raise UsageError(f"{argument} is missing", where=name, remedy=f"give {argument}")
        if value != signature[argument] and not _is_taken(argument, value, signature[argument]):
            rule = ", in whole steps" if argument in _WHOLE else ""
            raise UsageError(
                f"{argument} is {shown(value)}, which PyTorch does not take",
                where=name,
                remedy=f"write {argument} as for PyTorch{rule}",
            )
    return Described(name, arguments)


def _is_taken(argument: str, value: object, default: object) -> bool:
    if isinstance(default, (bool, str)):
        return isinstance(value, type(default))
    if argument == "milestones":
        return isinstance(value, list) and all(_is_whole(milestone) for milestone in value)
    if argument in _WHOLE:
        return _is_whole(value)
    if argument == "schedulers":
        return isinstance(value, list)
    if argument in {"scale_fn", "min_lr"}:
        return isinstance(value, (int, float, list, str))  # refused, but for a number, by a message of its own
    return isinstance(value, (int, float))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _described(node: ast.expr | None) -> Described:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            signature = _signature(name)
            try:
                return described(name, _arguments(node, list(signature)))
            except UsageError as error:
                raise error if error.where else error.at(name) from None
    raise UsageError("a scheduler is one call, such as StepLR(step_size=30)", remedy=FORM)


def refuse_unreadable(name: str) -> NoReturn:
    """Raise UsageError for one of the schedulers in ``UNREADABLE``."""
    raise UsageError(
        f"it {UNREADABLE[name]}, so that no policy can be read from it",
        where=name,
        remedy="write the policy by hand: lrbench policies list",
    )


def _signature(name: str) -> Mapping[str, Any]:
    if name in SIGNATURES:
        return SIGNATURES[name]
    if name in UNREADABLE:
        refuse_unreadable(name)
    remedy = f"{did_you_mean(name, SIGNATURES)} those of torch.optim.lr_scheduler are known".strip()
    raise UsageError(f'"{name}" is no scheduler that is known', remedy=remedy)


def _arguments(node: ast.Call, names: list[str]) -> dict[str, Any]:
    """The arguments by name, without the optimizer, which comes first."""
    positional = list(node.args)
    if positional and isinstance(positional[0], (ast.Name, ast.Attribute)):
        del positional[0]
    if len(positional) > len(names):
        raise UsageError(f"it has {len(positional)} arguments, but takes {len(names)}")
    given = {name: _value(value) for name, value in zip(names, positional, strict=False)}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in given:
            raise UsageError(f"{keyword.arg or '**'} cannot be read", remedy="give each argument once")
        if keyword.arg not in _IGNORED:
            given[keyword.arg] = _value(keyword.value)
    return given


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            try:
                return _OPERATORS[type(op)](_number(left), _number(right))
            except (ZeroDivisionError, OverflowError) as error:
                raise UsageError(str(error)) from None
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Call():
            return _described(node)
    raise UsageError(
        f'"{shown(ast.unparse(node))}" is not written out',
        remedy="write numbers, words in quotes and [lists], no variables",
    )


def _number(node: ast.expr) -> int | float:
    value = _value(node)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f'"{shown(ast.unparse(node))}" is no number')
    return value
