"""The spec of a single run, to copy: it makes that run again, with the same run id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lrbench.data.registry import data_set_names
from lrbench.errors import PolicyError
from lrbench.metrics.objective import AnyTarget, Target
from lrbench.nets.text import builtin_nets
from lrbench.policies import parse_policy
from lrbench.report.rows import RunRow
from lrbench.runs.declarations import program_name

OWN_NET = "./net.prototxt"
_WORKLOAD = ("batch_size", "test_batch_size", "iterations", "test_interval", "display_interval")
_ENGINE = ("name", "driver", "device", "precision", "deterministic")
_CAFFE_LEAVES_NO_CHOICE = frozenset({"precision", "deterministic"})


def _target(target: AnyTarget | None) -> dict[str, Any]:
    if isinstance(target, Target):
        return {"target": {"metric": target.metric.metric, "value": target.value}}
    return {} if target is None else {"target_accuracy": target}


@dataclass(frozen=True)
class SpecWriter:
    """Writes specs; what names a spec may hold is looked up once for all.

    Rates are written as they were used, so that a solver's ``lr_scale`` and a robustness factor are part of the policy.
    A net or data set of the user's own has only its name in the results: a comment says what to fill in.
    """

    nets: frozenset[str] = field(default_factory=lambda: frozenset(builtin_nets()))
    data_sets: frozenset[str] = field(default_factory=lambda: frozenset(data_set_names()))

    def text(self, run: RunRow) -> str | None:
        """The run's YAML; None where the run does not say enough, as one read from a log."""
        if program_name(run.workload) is not None:
            return _program_text(run)
        workload = self._workload(run)
        try:
            policy = parse_policy(run.policy).scaled(run.lr_scale).text
        except PolicyError:
            return None
        if workload is None or run.seed is None:
            return None
        left_out = _CAFFE_LEAVES_NO_CHOICE if run.engine.get("name") == "caffe" else frozenset()
        rules = {name: value for name, value in run.stopping.items() if value}
        spec = {
            "name": run.experiment,
            "workload": workload,
            "solver": {name: value for name, value in run.solver.items() if name != "lr_scale" and value is not None},
            "engine": {name: run.engine[name] for name in _ENGINE if name in run.engine and name not in left_out},
            "seeds": [run.seed],
            **_target(run.target),
            "policies": [policy],
            **({"stopping": rules} if rules else {}),
        }
        lines = ["# one run; save as run.yaml, then: lrbench run run.yaml"]
        if workload["net"] == OWN_NET:
            lines.append("# net: your own file; the engine was given net.prototxt in the run's folder")
        if workload["dataset"] not in self.data_sets:
            lines.append("# dataset: not a name that a spec knows; give your folders, or the set it was held out of")
        return "\n".join([*lines, _yaml(spec)])

    def _workload(self, run: RunRow) -> dict[str, Any] | None:
        parts = (run.workload.get(part) for part in ("net", "dataset"))
        net, dataset = (part.get("name") if isinstance(part, dict) else None for part in parts)
        sizes = {name: run.workload[name] for name in _WORKLOAD if run.workload.get(name) is not None}
        if (
            not isinstance(net, str)
            or not isinstance(dataset, str)
            or not {"batch_size", "iterations", "test_interval"} <= {*sizes}
        ):
            return None
        return {"net": net if net in self.nets else OWN_NET, "dataset": dataset, **sizes}


def _yaml(spec: dict[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # of hundreds of runs, many times as fast
    return str(yaml.dump(spec, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None))


def _program_text(run: RunRow) -> str | None:
    """The YAML of a run of a program, whose path the results do not have."""
    program = run.workload["program"]
    file, _, function = str(program.get("name")).partition(":")
    arguments = {name: value for name, value in run.solver.items() if name != "type"}
    sizes = {"iterations": run.workload.get("iterations"), "evaluate_every": run.workload.get("test_interval")}
    inputs = list(program.get("inputs") or {})
    try:
        policy = parse_policy(run.policy).scaled(run.lr_scale).text
    except PolicyError:
        return None
    if run.seed is None or None in sizes.values():
        return None
    workload = {
        "program": file,
        **({"function": function} if function else {}),
        **({"arguments": arguments} if arguments else {}),
        **({"inputs": inputs} if inputs else {}),
        **sizes,
    }
    rules = {name: value for name, value in run.stopping.items() if value}
    spec = {
        "name": run.experiment,
        "workload": workload,
        "seeds": [run.seed],
        **({} if run.objective is None else {"objective": run.objective.stored()}),
        **_target(run.target),
        "policies": [policy],
        **({"stopping": rules} if rules else {}),
    }
    comments = ["# one run; save as run.yaml, then: lrbench run run.yaml --program", f"# {file}: put your own path"]
    return "\n".join([*comments, _yaml(spec)])
