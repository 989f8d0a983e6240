"""Engines by name: LRBench's own, and those of other packages (entry point group ``lrbench.engines``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lrbench.engines.base import Engine
from lrbench.engines.site import Site
from lrbench.entry_points import entry_points, load
from lrbench.errors import EngineUnavailable, SpecError, did_you_mean

GROUP = "lrbench.engines"


def check_engine_name(name: str) -> None:
    """Raise SpecError where there is no engine of this name; nothing is loaded for it."""
    known = [*_OWN, *(entry.name for entry in entry_points(group=GROUP))]
    if name not in known:
        raise SpecError(
            f"unknown engine {name!r}", remedy=did_you_mean(name, known) or f"the engines are {', '.join(known)}"
        )


def open_engine(name: str, site: Site) -> Engine:
    """The engine of this name.

    Raises:
        SpecError: there is none of this name.
        EngineUnavailable: it is absent on this machine.
    """
    if name in _OWN:
        return _OWN[name](site)
    check_engine_name(name)
    (entry, *_) = entry_points(group=GROUP, name=name)
    engine: Engine = load(entry, EngineUnavailable)(site)
    return engine


def _caffe(site: Site) -> Engine:
    from lrbench.engines.caffe.engine import CaffeEngine
    from lrbench.engines.caffe.environment import find_environment

    return CaffeEngine(
        find_environment(site.home, site.caffe),
        partial(find_environment, site.home, site.caffe, gpu=True),
        site.home / "data",
    )


def _torch(_site: Site) -> Engine:
    from lrbench.engines.torch.engine import TorchEngine

    return TorchEngine()


def _program(site: Site) -> Engine:
    from lrbench.engines.program.engine import ProgramEngine

    return ProgramEngine(site.consent)


_OWN: dict[str, Callable[[Site], Engine]] = {"caffe": _caffe, "torch": _torch, "program": _program}
