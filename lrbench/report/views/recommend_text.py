"""Texts of a recommendation: the workload, policies and rates to avoid, and the commands to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.report.formats import target_text, with_unit
from lrbench.report.labels import workload_label
from lrbench.report.next_commands import one_solver
from lrbench.report.views.database import workload_title
from lrbench.tuning.database.entry import StoredWorkload
from lrbench.tuning.recommending.recommend import Recommendation
from lrbench.tuning.recommending.similarity import WorkloadQuery

SHOWN = 5


@dataclass(frozen=True)
class Commands:
    """The command that was typed, as the base of the next ones.

    Attributes:
        spec: the spec's path.
        experiment: the spec's name.
        overrides: those that go with the spec.
        solvers: the solvers of the spec, each with its parameters.
        database_option: ``--db`` with its value, or nothing; None where no command may name the database.
    """

    spec: str
    experiment: str
    overrides: tuple[str, ...] = ()
    solvers: tuple[Mapping[str, Any], ...] = ()
    database_option: tuple[str, ...] | None = ()

    def line(self, name: str, asked: WorkloadQuery, *further: str) -> str:
        """A command line for the spec with the solver that was asked about."""
        changes = [*self.overrides, *one_solver(self.experiment, asked_solver(asked), self.solvers)]
        sets = [part for change in changes for part in ("--set", change)]
        database = self.database_option or () if name == "verify" else ()
        consent = ["--program"] if asked.is_program else []
        return shlex.join(["lrbench", name, self.spec, *consent, *sets, *further, *database])

    def database(self, name: str, *further: str) -> str:
        """A command line of ``lrbench db``."""
        return shlex.join(["lrbench", "db", name, *further, *(self.database_option or ())])


def asked_solver(asked: WorkloadQuery) -> dict[str, Any]:
    """The parameters of the solver that was asked about, its factor of the rates among them unless that is 1."""
    return dict(asked.solver) | ({"lr_scale": asked.lr_scale} if asked.lr_scale != 1 else {})


def asked_title(asked: WorkloadQuery) -> str:
    """Name the workload: ``lenet on MNIST, batch 100, 10,000 iterations, SGD``; of a program with its arguments."""
    name = workload_label(asked.net_name, asked.dataset_label, asked.batch_size, asked.iterations)
    return with_solver(name, asked)


def with_solver(name: str, workload: WorkloadQuery | StoredWorkload) -> str:
    """Return the name of a workload with its solver; of a program with its arguments."""
    if not workload.is_program:
        return f"{name}, {workload.solver_type}"
    return ", ".join([name, *(f"{key}={value}" for key, value in workload.solver.items() if key != "type")])


def rescaling_sentence(measured: int, wanted: int) -> str:
    """Explain how the policies of a run of another length were rescaled."""
    return (
        f"rescaled, not measured: each rate at the same part of the run, {measured:,} iterations made {wanted:,}; "
        f"lengths times {wanted / measured:.3g}, decay for each iteration to match, rates unchanged"
    )


def avoid_sentences(found: Recommendation) -> Iterator[str]:
    """Yield what to avoid and why, with the evidence; the first SHOWN of the policies."""
    limit, where = found.limit, f" (on a like workload: {found.limit_on})" if found.limit_on else ""
    if limit is not None and limit.failed_by is not None and limit.failed is not None:
        yield (
            f"rates above {limit.trained:.3g}: the largest that trained, with {limit.trained_by.policy} "
            f"[{limit.trained_by.id[:8]}], while {limit.failed:g} did not, with {limit.failed_by.policy} "
            f"[{limit.failed_by.id[:8]}]{where}"
        )
    elif limit is not None:
        yield (
            f"rates far above {limit.trained:.3g} without a test: no larger one was tried than that of "
            f"{limit.trained_by.policy} [{limit.trained_by.id[:8]}], which trained{where}"
        )
    target = "" if found.target is None else target_text(found.target)
    for each in found.avoid[:SHOWN]:
        of = f"{each.count} of {len(each.entry.samples)} seeds" if len(each.entry.samples) > 1 else "its one seed"
        workload = each.entry.workload
        there = "" if each.measured_here else f" on {with_solver(workload_title(workload), workload)}"
        if workload.engine_name != found.query.engine:
            there += f" ({workload.engine_name}, not {found.query.engine})"
        if each.why == "diverged":
            yield f"{each.policy}: diverged with {of}{there} [{each.entry.id[:8]}]"
        else:
            metric = found.objective.best_metric
            best = each.entry.spread(metric.name).mean
            known = "" if best is None else f", {metric.title} {with_unit(best, metric.unit)}"
            samples = len(each.entry.samples)
            missed = f"none of {samples} seeds reached" if samples > 1 else "its one seed did not reach"
            yield f"{each.policy}: {missed} {target}{known}{there} [{each.entry.id[:8]}]"
    if len(found.avoid) > SHOWN:
        yield f"{len(found.avoid) - SHOWN} more that diverged or missed the target: see --format json"


def next_commands(found: Recommendation, commands: Commands) -> list[tuple[str, str]]:
    """Return the next commands with their purposes: test the first of the shortlist, show its evidence, or measure.

    Where no command may name the database, those that use it are left out.
    """
    first = next(iter([*found.here, *(each for like in found.like for each in like.candidates)]), None)
    asked, lines, named = found.query, list[tuple[str, str]](), commands.database_option is not None
    # Another target than an accuracy is in the spec.
    target = ["--target", f"{found.target:g}"] if isinstance(found.target, int | float) else []
    if first is not None and named:
        lines.append((commands.database("show", first.entry.id[:8]), "all runs of that entry"))
    if first is not None and named and found.target is not None and not (found.here and first is found.here[0]):
        lines.append((commands.line("verify", asked, "--policy", first.policy, *target), "test it"))
    if not found.here:
        lines.append((commands.line("tune", asked), "measure: search for a policy"))
        if named:
            lines.append((commands.database("add", "results"), "then its results count"))
    return lines
