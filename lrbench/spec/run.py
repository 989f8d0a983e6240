"""A run: what one row of an experiment's plan trains with."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.errors import PolicyError
from lrbench.policies import Policy, parse_policy
from lrbench.spec.model import SolverSettings

RATES = 2
"""The way in which lengths that are not whole are counted. The first way, 1, was late at 3 % of their multiples."""

# What a length that is not whole looks like in a canonical text; parsing every text of a large report takes long.
_FRACTION = re.compile(r"\b(?:l|mult)=\d*(?:\.|e-)")


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


def rates_of(description: Mapping[str, Any]) -> int | None:
    """Which way of counting a run had, from its run.json: RATES, or 1 for a run made before there was another.

    None where it makes no difference, as all lengths that its policy counts are whole.
    """
    if not _counts_fractions(str(description.get("policy"))):
        return None
    return RATES if description.get("rates") == RATES else 1


@functools.lru_cache(maxsize=4096)
def _counts_fractions(text: str) -> bool:
    try:
        return bool(_FRACTION.search(text)) and parse_policy(text).counts_fractions
    except PolicyError:
        return False
