"""Which policies to use on a workload: measured here, measured on like ones, and what papers say; what to avoid."""

from lrbench.tuning.recommending.asked import Asked, asked_workloads
from lrbench.tuning.recommending.avoiding import Avoidance, RateLimit
from lrbench.tuning.recommending.likeness import Likeness, like_solvers, likeness
from lrbench.tuning.recommending.recommend import Candidate, LikeWorkload, Recommendation, recommend
from lrbench.tuning.recommending.rescaling import rescaled
from lrbench.tuning.recommending.rules import Rule

__all__ = [
    "Asked",
    "Avoidance",
    "Candidate",
    "LikeWorkload",
    "Likeness",
    "RateLimit",
    "Recommendation",
    "Rule",
    "asked_workloads",
    "like_solvers",
    "likeness",
    "recommend",
    "rescaled",
]
