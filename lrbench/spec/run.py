"""A run: what one row of an experiment's plan trains with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lrbench.policies import Policy
from lrbench.policies.counting import RATES
from lrbench.spec.model import SolverSettings


@dataclass(frozen=True)
class Run:
    """One policy, scale, solver and seed on the experiment's workload.

    Attributes:
        written: the policy as the spec has it.
        lr_scale: the robustness factor on its rates, beside the solver's own ``lr_scale``; 1 for the policy itself.
    """

    written: Policy
    lr_scale: float
    solver: SolverSettings
    seed: int

    @property
    def function(self) -> str:
        """The name of the LR function, whatever it is scaled by."""
        return self.written.name

    @property
    def policy(self) -> Policy:
        """The policy as this solver uses it, with the solver's ``lr_scale``: what results call the policy."""
        return self.written.scaled(self.solver.lr_scale)

    @property
    def effective_policy(self) -> Policy:
        """The policy whose rates are used, with both factors."""
        return self.policy.scaled(self.lr_scale)

    @property
    def label(self) -> str:
        """A short name that distinguishes the run from others."""
        scale = f" x{self.lr_scale:g}" if self.lr_scale != 1 else ""
        return f"{self.policy.text}{scale} {self.solver.type} seed {self.seed}"

    @property
    def rates(self) -> dict[str, int]:
        """``{"rates": 2}`` where the policy counts a length that is not whole: 2 is the count of today, 1 the first."""
        return {"rates": RATES} if self.effective_policy.counts_fractions else {}

    def identity(self) -> dict[str, Any]:
        """What, of all that decides its outcome, differs between the runs of an experiment."""
        solver = {key: value for key, value in self.solver.resolved().items() if key != "lr_scale"}
        return {"policy": self.effective_policy.text, "solver": solver, "seed": self.seed, **self.rates}
