"""docs/reference/python.md: what other programs may import, from the source and its docstrings; nothing is imported."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Set
from pathlib import Path

from griffe import Alias, Attribute, Class, Function, Module, Object, load

from reference import NOTE
from reference.docstrings import markdown

ROOT = Path(__file__).resolve().parents[2]
INTERFACE = {
    "lrbench": "What `import lrbench` gives.",
    "lrbench.torch": "Policies as schedulers of PyTorch.",
    "lrbench.keras": "Policies as schedules of Keras.",
    "lrbench.optax": "Policies as schedules of optax.",
    "lrbench.policies": "Reading policies, and adding LR functions.",
    "lrbench.engines.base": "What an engine is made of; see [Write an engine](../how-to/write-an-engine.md).",
    "lrbench.data": "What a data set is made of; see [Use your own data set](../how-to/use-your-own-data-set.md).",
    "lrbench.errors": "Every error that a user can cause; each is an `LRBenchError`, whose text is one line.",
}
"""The modules whose names stay, with what each is for."""

INTRODUCTION = f"""\
# Python

{NOTE.format("the docstrings of lrbench")}

The modules that other programs may import. What is not here may change with any version.
"""


def page() -> str:
    """The whole page."""
    package = load("lrbench", search_paths=[ROOT], resolve_aliases=True)
    assert isinstance(package, Module)
    modules = [package if name == "lrbench" else package[name.partition(".")[2]] for name in INTERFACE]
    known = {member.name for module in modules for member in _public(module)}
    sections = (_module(module, INTERFACE[module.path], known) for module in modules)
    return "\n".join([INTRODUCTION, *sections])


def _module(module: Module, purpose: str, known: Set[str]) -> str:
    members = [_member(member, f"{module.path}.{member.name}", known) for member in _public(module)]
    return "\n".join([f"## {module.path}\n", f"{purpose}\n", *members])


def _public(module: Module) -> Iterator[Object | Alias]:
    """What the module's ``__all__`` names; without one, what it defines under a public name."""
    for name, member in module.members.items():
        listed = name in module.exports if module.exports is not None else not (name.startswith("_") or member.is_alias)
        if listed and (member.is_class or member.is_function) and member.docstring:
            yield member


def _member(member: Object | Alias, path: str, known: Set[str]) -> str:
    target = member.final_target if isinstance(member, Alias) else member
    lines = [f"### {path}\n", f"```python\n{_signature(target, known)}\n```\n", _text(target)]
    if isinstance(target, Class):
        lines += [
            _method(method)
            for method in (*_of_bases(target, known), *target.members.values())
            if isinstance(method, Object) and _is_documented(method)
        ]
    return "\n".join(lines)


def _of_bases(described: Class, known: Set[str]) -> Iterator[Object | Alias]:
    """Yield the members that a class inherits from bases that are not on the page themselves."""
    for member in described.inherited_members.values():
        base = member.final_target.parent
        if base is not None and base.name not in known:
            yield member.final_target


def _is_documented(method: Object) -> bool:
    return not method.name.startswith("_") and bool(method.docstring)


def _text(described: Object) -> str:
    assert described.docstring is not None
    return markdown(described.docstring.value)


def _method(method: Object) -> str:
    """A method, or an attribute with a docstring of its own, as an item of a list."""
    return f"- `{_signature(method)}`\n\n{textwrap.indent(_text(method), '  ')}"


def _signature(described: Object, known: Set[str] = frozenset()) -> str:
    if isinstance(described, Function):
        return described.signature()
    if isinstance(described, Class):
        made = next((member for member in _of_bases(described, known) if member.name == "__init__"), None)
        made = described.members.get("__init__") or made
        bases = ", ".join(map(str, described.bases))
        return (
            f"class {made.signature(return_type=False, name=described.name)}"
            if isinstance(made, Function)
            else (f"class {described.name}({bases})")
        )
    assert isinstance(described, Attribute)
    return f"{described.name}: {described.annotation}"
