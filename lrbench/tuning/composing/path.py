"""The policy that a run has had so far, and the policies that it may go on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lrbench.policies import Policy, find_function, policy_from_mapping


@dataclass(frozen=True)
class Path:
    """Policies one after another, each from its start on to the next one's, the last to the run's end.

    Attributes:
        parts: each policy with the iteration at which it begins, where its own t is 0; the first begins at 0.
    """

    parts: tuple[tuple[int, Policy], ...]

    @property
    def policy(self) -> Policy:
        """The ordinary policy that this is: the only one, or a composition that counts each stage from its start."""
        policies = [policy for _, policy in self.parts]
        if len(policies) == 1:
            return policies[0]
        boundaries = [start for start, _ in self.parts[1:]]
        return policy_from_mapping(
            {"function": "COMPOSE", "policies": policies, "boundaries": boundaries, "count": "stage"}
        )

    def continued(self, start: int, policy: Policy) -> Path:
        """This up to iteration ``start``, and from there on the other policy."""
        return Path((*(part for part in self.parts if part[0] < start), (start, policy)))

    def check(self, iterations: int, end: int) -> None:
        """Raise PolicyError where it is impossible in a run of that length, or cannot be continued from ``end`` on."""
        self.policy.check(iterations)
        if end < iterations:
            self.continued(end, policy_from_mapping({"function": "FIX", "k0": 0})).policy.check(iterations)


def written_out(policy: Policy, iterations: int) -> Policy:
    """The same rates in a run or stage of so many iterations, with all that this length stands for written out.

    Cut short, such a policy goes on as it was, where one that says nothing would squeeze its whole course into what is
    left to it. In it, WARMUP gives its policy what follows the warm-up, and COMPOSE each its stage, unless they count
    from the run's start; anything else gives the policies in it the whole.
    """
    values: dict[str, Any] = {"function": policy.name}
    for parameter in find_function(policy.name).parameters:
        value = policy.parameters.get(parameter.name)
        if value is None:
            values[parameter.name] = iterations
        elif isinstance(value, Policy):
            values[parameter.name] = written_out(value, _after_warmup(policy, iterations))
        elif isinstance(value, tuple) and isinstance(value[0], Policy):
            lengths = _lengths(policy, len(value), iterations)
            values[parameter.name] = [written_out(one, length) for one, length in zip(value, lengths, strict=True)]
        else:
            values[parameter.name] = value
    return policy_from_mapping(values)


def _after_warmup(policy: Policy, iterations: int) -> int:
    given = policy.parameters
    return iterations - given["l"] if policy.name == "WARMUP" and given["count"] == "stage" else iterations


def _lengths(policy: Policy, count: int, iterations: int) -> list[int]:
    """The budget of each policy in a list of them."""
    if policy.name != "COMPOSE":
        return [iterations] * count
    given = policy.parameters
    counted = given["count"] if isinstance(given["count"], tuple) else (given["count"],) * count
    edges = [0, *given["boundaries"], iterations]
    return [edges[index + 1] - edges[index] if word == "stage" else iterations for index, word in enumerate(counted)]
