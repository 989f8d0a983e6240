"""The description of a run: the content of run.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lrbench.runs.files import RUN, DamagedRun, read_object

SCHEMA = 1
"""Number of run.json's layout; a version of LRBench reads those up to its own."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Branch:
    """The branching of a run from another: the id of that run, and the iteration."""

    run: str
    iteration: int


@dataclass(frozen=True, kw_only=True)
class RunDescription:
    """All that decides a run's outcome, and the program and machine that ran it.

    Attributes:
        run_id: the name of the run's folder.
        experiment: the name of the spec.
        policy: the policy's canonical text, without the robustness scale.
        function: the name of the LR function, whatever it is scaled by.
        lr_scale: the robustness factor on top of the policy; 1 for the policy itself.
        order: of the training samples: ``by seed`` or ``as stored``, as in earlier versions and for programs.
        rates: way of counting lengths that are not whole: 2 today, None at first or where all are whole.
        seed: of weights, batches and augmentation.
        solver: the solver's type and the parameters that it reads.
        workload: net and data set with their SHA-256, batch sizes, iterations, intervals.
        target_accuracy: the accuracy to reach, a fraction.
        target: metric and value to reach, where the metric is another; see ``lrbench.metrics.objective.Target``.
        objective: metric, and evaluation, that policies are judged by, as in the spec; empty in earlier versions. Its
            ``goal`` is there where LRBench does not know the metric.
        stopping: the rules for ending early.
        robustness_scales: the scales that the experiment asks for.
        added_seeds: where seeds are added until policies are told apart: ``until``, the half width of a difference that
            is known well enough, and ``looks``, the numbers of seeds at which the results are looked at; else empty.
        engine: name, version, driver, device, lanes, precision; empty before an engine is known.
        threads: BLAS threads of the run.
        created: when it was begun, in UTC.
        versions: of LRBench and Python.
        machine: host name, processor, cores, memory, system.
        branch: of a run that branches from another.
        facts: of a program, as it declares them: ``optimizer`` and the like, and ``split_used``, whether it knows the
            data to evaluate on.
    """

    run_id: str
    experiment: str
    policy: str
    function: str
    lr_scale: float
    order: str = "as stored"
    rates: int | None = None
    seed: int
    solver: Object
    workload: Object
    target_accuracy: float | None = None
    target: Object = field(default_factory=dict)
    objective: Object = field(default_factory=dict)
    stopping: Object = field(default_factory=dict)
    robustness_scales: tuple[float, ...] = ()
    added_seeds: Object = field(default_factory=dict)
    engine: Object = field(default_factory=dict)
    threads: int | None = None
    created: str | None = None
    versions: Object = field(default_factory=dict)
    machine: Object = field(default_factory=dict)
    branch: Branch | None = None
    facts: Object = field(default_factory=dict)

    @property
    def counting(self) -> int | None:
        """The way of counting the policy's cycles; see ``lrbench.policies.counting.rates_of``."""
        from lrbench.policies.counting import rates_of  # loads NumPy, which completing a command can do without

        return rates_of({"policy": self.policy, "rates": self.rates})

    @classmethod
    def parse(cls, value: Object) -> RunDescription:
        """Take the description from the content of a run.json.

        Raises:
            DamagedRun: a field is missing or of the wrong type, or the schema is newer than ``SCHEMA``.
        """
        schema = value.get("schema")
        if not isinstance(schema, int) or "policy" not in value:
            raise DamagedRun("run.json was not written by LRBench")
        if schema > SCHEMA:
            raise DamagedRun(
                f"run.json has schema {schema}, this version reads up to {SCHEMA}", remedy="install a newer LRBench"
            )
        known = {}
        for key in (known_field.name for known_field in fields(cls)):
            if value.get(key) is not None or key in _REQUIRED:
                _check(key, isinstance(value.get(key), _TYPES[key]))
                known[key] = value[key]
        known["robustness_scales"] = tuple(known.get("robustness_scales", ()))
        _check("robustness_scales", all(isinstance(scale, (int, float)) for scale in known["robustness_scales"]))
        if "branch" in known:
            run, iteration = known["branch"].get("run"), known["branch"].get("iteration")
            _check("branch", isinstance(run, str) and isinstance(iteration, int))
            known["branch"] = Branch(run, iteration)
        if added := known.get("added_seeds"):
            looks = added.get("looks")
            listed = isinstance(looks, list) and bool(looks) and all(isinstance(look, int) for look in looks)
            _check("added_seeds", listed and isinstance(added.get("until"), (int, float)))
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Content of run.json."""
        unknown = {
            name
            for name in ("rates", "target", "objective", "threads", "created", "branch", "facts", "added_seeds")
            if not getattr(self, name)
        }
        unknown |= {"order"} if self.order == "as stored" else set()
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in unknown}
        if self.branch is not None:
            values["branch"] = asdict(self.branch)
        return {"schema": SCHEMA, **values}

    def content(self) -> bytes:
        """Bytes of run.json, a line for each section."""
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in self.as_dict().items()]
        return ("{\n" + ",\n".join(lines) + "\n}").encode()


_REQUIRED = {"run_id", "experiment", "policy", "function", "lr_scale", "seed", "solver", "workload", "engine"}
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("run_id", "experiment", "policy", "function", "created", "order"), str),
    **dict.fromkeys(
        (
            *("solver", "workload", "engine", "target", "objective", "stopping", "versions", "machine", "branch"),
            *("facts", "added_seeds"),
        ),
        dict,
    ),
    **dict.fromkeys(("rates", "seed", "threads"), int),
    **dict.fromkeys(("lr_scale", "target_accuracy"), (int, float)),
    "robustness_scales": list,
}


def _check(key: str, holds: bool) -> None:
    if not holds:
        raise DamagedRun(f"run.json: {key!r} is missing or of the wrong type")


def read_description(folder: Path) -> RunDescription:
    """Read the description of the run in a folder.

    Raises:
        DamagedRun: run.json is missing, cannot be read, or describes no run.
    """
    value = read_object(folder / RUN)
    if value is None:
        raise DamagedRun("run.json is missing")
    return RunDescription.parse(value)
