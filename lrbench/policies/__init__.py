"""Learning-rate policies: a table of LR functions, their text and YAML forms, and compositions of them.

Formulas, parameters and sources of all functions: docs/policies.md, or ``lrbench policies list``.
"""

from lrbench.policies.build import expand_policies, parse_policy, policy_from_mapping
from lrbench.policies.control import Controller
from lrbench.policies.function import Function
from lrbench.policies.parameters import Number
from lrbench.policies.policy import Policy
from lrbench.policies.table import find_function, functions

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
