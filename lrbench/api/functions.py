"""A training function that is passed in Python, in place of a spec: the file that has it, or the function itself.

The process that trains imports the file, under its own name. What no file has, such as a function of a notebook, is
pickled by value and sent there. Passing the function is the consent to execute it.
"""

from __future__ import annotations

import logging
import os
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lrbench.api import environment
from lrbench.api.contents import Contents, function_name
from lrbench.engines.site import Consent
from lrbench.errors import UsageError, plain
from lrbench.program.channel import LARGEST_MESSAGE, connected
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.program import CarriedFunction, ProgramSettings, ProgramSource, ProgramWorkload
from lrbench.spec.reading import Spec, SpecOfFunction, python_experiment
from lrbench.spec.starter_spec import spec_name, suggested_interval

LOG = logging.getLogger("lrbench")

SpecOrFunction = Spec | Callable[..., Any]
"""The path of a YAML file, what such a file holds, or a function that returns an ``lrbench.torch.Training``."""


def read_python(
    spec: SpecOrFunction, values: Mapping[str, Any], model: type[ExperimentSettings] = ExperimentSettings
) -> tuple[Experiment, Consent | None]:
    """Return the experiment that the spec, or the function with ``values``, describes, and the consent to execute it.

    Raises:
        UsageError: the spec is wrong, the function cannot be sent to another process, or this is a process that trains.
    """
    if connected() is not None:
        raise UsageError(
            "a program that LRBench trains cannot start trainings itself",
            remedy='call LRBench under: if __name__ == "__main__":',
        )
    if not callable(spec):
        return python_experiment(spec, values, model), None
    described = _spec_of(spec)
    experiment = python_experiment(described, _of_workload(values), model)
    workload, program = experiment.workload, described.folder / described.document["workload"]["program"]
    if (
        not isinstance(workload, ProgramWorkload)
        or workload.path != program
        or workload.function != function_name(spec)
    ):
        raise UsageError(
            f"the function {function_name(spec)} is the program, so that no other can be set",
            remedy="remove workload.program and workload.function",
        )
    return experiment, environment.consent(program)


def log_program(experiment: Experiment, data: object, consent: Consent | None) -> None:
    """Log which function is executed."""
    workload = experiment.workload
    if consent is not None and isinstance(workload, ProgramWorkload) and isinstance(data, ProgramSource):
        digest = data.sources[workload.path.relative_to(workload.module_folder).as_posix()]
        LOG.info("%s", plain(f"executing {workload.net_name} (SHA-256 {digest[:12]}) by {consent.python}"))


def _spec_of(function: Callable[..., Any]) -> SpecOfFunction:
    name = function_name(function)
    path = _file_of(function)
    carried = _carried(function, name) if path is None else None
    folder = Path.cwd() if path is None else path.parent
    program = {"program": name if path is None else path.name, "function": name}
    return SpecOfFunction({"name": spec_name(name), "workload": program}, folder, carried)


def _of_workload(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with those of the workload, such as ``iterations``, in their section.

    Without ``evaluate_every`` there are about twenty evaluations a run.
    """
    own = {name: value for name, value in values.items() if name in ProgramSettings.model_fields}
    others = {name: value for name, value in values.items() if name not in own}
    workload = {**own, **others.pop("workload", {})}
    iterations = workload.get("iterations")
    if isinstance(iterations, int) and iterations > 0:
        workload.setdefault("evaluate_every", suggested_interval(iterations))
    return {**others, **({"workload": workload} if workload else {})}


def _file_of(function: Callable[..., Any]) -> Path | None:
    """Return the Python file in which the function is found by its name; None where there is none."""
    if not isinstance(function, types.FunctionType) or not os.path.isfile(function.__code__.co_filename):
        return None
    module = sys.modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    is_there = getattr(module, function.__name__, None) is function
    return Path(file).resolve() if is_there and file and file.endswith(".py") and os.path.isfile(file) else None


def _carried(function: Callable[..., Any], name: str) -> CarriedFunction:
    """Pickle the function by value.

    Raises:
        UsageError: cloudpickle is not installed, or the function uses what cannot travel.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise UsageError(
            f"{name} is in no file, so that it has to be sent to the process that trains, which needs cloudpickle",
            remedy=f"type: pip install 'lrbench[notebook]', or put {name} into a file and import it",
        ) from error
    folder = Path.cwd().resolve()
    contents = Contents(function, folder)
    try:
        payload = cloudpickle.dumps(function)
    except Exception as error:  # objects raise whatever they like
        raise UsageError(
            f"{name} cannot be sent to the process that trains: {error}", remedy=f"put {name} into a file and import it"
        ) from error
    if len(payload) > LARGEST_MESSAGE:
        raise UsageError(
            f"{name} and what it uses have {len(payload):,} bytes, but at most {LARGEST_MESSAGE:,} can be sent",
            remedy=f"load the data inside of {name}",
        )
    path = tuple(os.path.abspath(entry) for entry in sys.path)
    return CarriedFunction(name, contents.sha256, frozenset(contents.modules), payload, path)
