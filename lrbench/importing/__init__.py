"""Policies read out of what users have: Caffe solvers, descriptions of PyTorch schedulers, saved schedulers.

A file is recognized by its content.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lrbench.errors import UsageError
from lrbench.importing.caffe_solver import solver_policy
from lrbench.importing.checkpoint import read_checkpoint
from lrbench.importing.description import read_description
from lrbench.importing.imported import Given, Imported
from lrbench.importing.torch_file import is_saved
from lrbench.importing.torch_schedulers import scheduler_policy
from lrbench.policies import Policy
from lrbench.policies.values import shown
from lrbench.storage import is_irregular

__all__ = ["Given", "Imported", "import_policy"]


def import_policy(source: str, given: Given) -> Imported:
    """The policy of a Caffe solver's file, a saved PyTorch scheduler, or a description of one.

    Raises:
        UsageError: neither a file nor a description, or what it says is not to be had as a policy.
        NetError, PolicyError: as the readers of each.
    """
    path = Path(source)
    kind = _kind(path)
    if kind != "is a file":
        if "(" not in source:
            raise UsageError(
                f"{kind}, and no description of a scheduler",
                where=shown(source),
                remedy="give a solver.prototxt, or text such as StepLR(step_size=30)",
            )
        return scheduler_policy(read_description(source), given)
    if not is_saved(path):
        if path.suffix in (".py", ".md", ".yaml", ".yml", ".json", ".csv"):
            raise UsageError(
                "is no Caffe solver and no saved scheduler",
                where=str(path),
                remedy="give a solver.prototxt, or the call that makes the scheduler, such as 'StepLR(optimizer, 30)'",
            )
        return solver_policy(path)
    found, rate = read_checkpoint(path)
    if isinstance(found, Policy):
        return Imported(found)
    return scheduler_policy(found, given if given.rate is not None else replace(given, rate=rate))


def _kind(path: Path) -> str:
    try:
        if path.is_file():
            return "is a file"
        if path.is_dir():
            return "is a folder"
        return "is not a regular file" if is_irregular(path) else "no such file"
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return "no such file"
