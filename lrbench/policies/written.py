"""A policy as it is written: an LR function, the values of its parameters, and their forms as text and YAML."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lrbench.policies.function import Function
from lrbench.policies.values import RatePolicy, Value, value_mapping, value_text


class WrittenPolicy(RatePolicy):
    """Function and values of a policy: immutable, hashable, equal to another one with the same canonical text."""

    __slots__ = ("_closed_loop", "_function", "_text", "_values")

    _closed_loop: bool
    _function: Function
    _text: str
    _values: Mapping[str, Value]

    def __init__(self, function: Function, values: Mapping[str, Value]) -> None:
        ordered = {row.name: values[row.name] for row in function.parameters if row.name in values}
        object.__setattr__(self, "_function", function)
        object.__setattr__(self, "_values", MappingProxyType(ordered))
        arguments = ", ".join(f"{name}={value_text(value)}" for name, value in self._written())
        object.__setattr__(self, "_text", f"{function.name}({arguments})")
        reacts = function.rates is None or any(policy.closed_loop for policy in policies_in(ordered))
        object.__setattr__(self, "_closed_loop", reacts)

    @property
    def name(self) -> str:
        """The LR function's name, such as ``SINEXP``."""
        return self._function.name

    @property
    def function(self) -> Function:
        """The LR function."""
        return self._function

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values by name, read-only, with defaults; an ``l`` that the run's iterations stand for is absent."""
        return self._values

    @property
    def text(self) -> str:
        """The canonical text, which parses back to the same policy."""
        return self._text

    @property
    def mapping(self) -> dict[str, Any]:
        """The YAML form: ``{"function": "TRI", "k0": 0.01, ...}``, nested policies as nested mappings."""
        return {"function": self.name, **{name: value_mapping(value) for name, value in self._written()}}

    def _written(self) -> list[tuple[str, Value]]:
        """The parameters in the order of the canonical text, those left out of it excepted."""
        values = self._values
        return [
            (row.name, values[row.name])
            for row in self._function.parameters
            if row.name in values and (not row.unwritten_default or values[row.name] != row.default)
        ]

    @property
    def closed_loop(self) -> bool:
        """Whether the rates depend on a run's evaluations, its own or those of a policy in it."""
        return self._closed_loop

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a policy does not change: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a policy does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, WrittenPolicy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Policy {self._text}>"


def policies_in(values: Mapping[str, Value]) -> list[RatePolicy]:
    """The policies among the values, and in lists among them."""
    items = [item for value in values.values() for item in (value if isinstance(value, tuple) else (value,))]
    return [item for item in items if isinstance(item, RatePolicy)]
