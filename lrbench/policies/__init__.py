"""Learning-rate policies: a table of LR functions, their text and YAML forms, and compositions of them.

Formulas, parameters and sources of all functions: docs/policies.md, or ``lrbench policies list``.
"""

from lrbench.policies.family import Choice, Family, Shape
from lrbench.policies.formula import Formula
from lrbench.policies.function import CaffeForm, Function
from lrbench.policies.grids import expand_policies
from lrbench.policies.parameters import Dimension, Factor, Length, Number, Rate, Scalar
from lrbench.policies.policy import Policy, parse_policy, policy_from_mapping
from lrbench.policies.stages import Stage
from lrbench.policies.table import find_function, functions, installed_functions
from lrbench.policies.values import Controller

__all__ = [
    "CaffeForm",
    "Choice",
    "Controller",
    "Dimension",
    "Factor",
    "Family",
    "Formula",
    "Function",
    "Length",
    "Number",
    "Policy",
    "Rate",
    "Scalar",
    "Shape",
    "Stage",
    "expand_policies",
    "find_function",
    "functions",
    "installed_functions",
    "parse_policy",
    "policy_from_mapping",
]
