"""Caffe's own learning-rate policies: written into a solver and read from one, by the form of each LR function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.policies import CaffeForm, Function, Policy, functions, installed_functions

RUN_LENGTH = "max_iter"
"""The solver's field for the run's iterations, where Caffe's ``poly`` ends."""


def _forms(rows: tuple[Function, ...]) -> Iterator[tuple[Function, CaffeForm]]:
    return ((row, row.caffe) for row in rows if row.caffe is not None and row.caffe.invertible)


NATIVE = {form.lr_policy: (function, form) for function, form in _forms(functions())}
"""The LR function of each of Caffe's policies, and its form."""
NATIVE_NAMES = tuple(function.name for function, _ in NATIVE.values())


def native_schedule(policy: Policy, iterations: int) -> SolverParameter | None:
    """The ``lr_policy`` fields of a policy that Caffe computes itself; None where it has none or would abort.

    Caffe's step lengths are integers, its poly ends at ``max_iter``, and it aborts on a negative gamma. A SCALE around
    a native policy is native too: every native formula is linear in its base rate.
    """
    factor, plain = policy.split()
    form, values = plain.function.caffe, plain.parameters
    if form is None or any(values.get(name) != value for name, value in form.only.items()):
        return None
    fields: dict[str, Any] = {field: values.get(name, iterations) for name, field in form.fields.items()}
    fields.update(form.constants)
    if fields.pop(RUN_LENGTH, iterations) != iterations or fields.get("gamma", 0) < 0:
        return None
    fields["base_lr"] *= factor
    for field, value in fields.items():
        if not isinstance(getattr(SolverParameter(), field), float):
            lengths = [_whole(length) for length in (value if isinstance(value, tuple) else [value])]
            if None in lengths:
                return None
            fields[field] = lengths if isinstance(value, tuple) else lengths[0]
    return SolverParameter(lr_policy=form.lr_policy, **fields)


def native_form(lr_policy: str) -> tuple[Function, CaffeForm] | None:
    """The LR function with the rates of Caffe's policy of that name, and its form; None where there is none."""
    if lr_policy in NATIVE or not lr_policy:
        return NATIVE.get(lr_policy)
    return next((row for row in _forms(installed_functions()) if row[1].lr_policy == lr_policy), None)


def field_value(solver: SolverParameter, field: str) -> Any:
    """A field's value, floats as the shortest decimal that float32 holds as this value: 0.01, not 0.00999999977."""
    value = getattr(solver, field)
    if isinstance(value, float):
        return float(str(np.float32(value)))
    return value if isinstance(value, int | str) else list(value)


def is_list(field: str) -> bool:
    """Whether a field of the solver holds a list, of any number of values."""
    return not isinstance(getattr(SolverParameter(), field), int | float)


def _whole(length: float) -> int | None:
    """A length that fits Caffe's positive 32-bit integers, else None."""
    return int(length) if float(length).is_integer() and 0 < length < 2**31 else None
