"""Learning-rate policies: a table of LR functions, their text and YAML forms, and compositions of them.

Formulas, parameters and sources of all functions: docs/policies.md, or ``lrbench policies list``.
"""

from lrbench.policies.function import Function
from lrbench.policies.grids import expand_policies
from lrbench.policies.parameters import Number
from lrbench.policies.policy import Policy, parse_policy, policy_from_mapping
from lrbench.policies.table import find_function, functions
from lrbench.policies.values import Controller

__all__ = [
    "Controller",
    "Function",
    "Number",
    "Policy",
    "expand_policies",
    "find_function",
    "functions",
    "parse_policy",
    "policy_from_mapping",
]
