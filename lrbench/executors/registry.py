"""Executors by name: LRBench's own, and those of other packages (entry point group ``lrbench.executors``)."""

from __future__ import annotations

from collections.abc import Callable

from lrbench.entry_points import entry_points, load
from lrbench.errors import UsageError, did_you_mean
from lrbench.executors.base import Executor, MakeSite
from lrbench.executors.local import LocalExecutor

GROUP = "lrbench.executors"
LOCAL = "local"
SEPARATOR = "://"


def open_executor(text: str, make_site: MakeSite) -> Executor:
    """Return the executor that the user names.

    Args:
        text: NAME or NAME://ADDRESS. It is never read from a spec: whoever answers at an address may run code here.

    Raises:
        UsageError: there is none of this name, it cannot be loaded, takes no address, or nothing answers there.
    """
    name, _, address = text.partition(SEPARATOR)
    own: dict[str, Callable[[str | None, MakeSite], Executor]] = {LOCAL: _local, "ray": _ray}
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in own and name not in found:
        known = [*own, *found]
        raise UsageError(
            f"--executor is {text}, but there is no executor {name!r}",
            remedy=did_you_mean(name, known) or f"the executors are {', '.join(known)}",
        )
    make = own[name] if name in own else load(found[name], UsageError)
    executor: Executor = make(address or None, make_site)
    return executor


def _local(address: str | None, _make_site: MakeSite) -> Executor:
    if address is not None:
        raise UsageError(f"--executor is local{SEPARATOR}{address}, but local takes no address", remedy="remove it")
    return LocalExecutor()


def _ray(address: str | None, make_site: MakeSite) -> Executor:
    from lrbench.executors.ray.executor import RayExecutor

    return RayExecutor(address, make_site)
