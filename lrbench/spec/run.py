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
        policy: the policy as this solver uses it (its ``lr_scale`` included).
        function: the name of the LR function, whatever it is scaled by.
        lr_scale: the robustness factor on top; 1 for the policy itself.
    """

    policy: Policy
    function: str
    lr_scale: float
    solver: SolverSettings
    seed: int

    @property
    def effective_policy(self) -> Policy:
        """The policy whose rates are used."""
        return self.policy.scaled(self.lr_scale)

    @property
    def label(self) -> str:
        """How a person tells it from the other runs."""
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
