"""Recommendation of policies for a workload: measured on it or on similar ones, rules of papers, what to avoid."""

from lrbench.tuning.recommending.ranking import Avoidance, RateLimit
from lrbench.tuning.recommending.recommend import LikeWorkload, Recommendation, RecommendedPolicy, recommend
from lrbench.tuning.recommending.rescaling import rescaled
from lrbench.tuning.recommending.rules import Rule
from lrbench.tuning.recommending.similarity import (
    Similarity,
    WorkloadQuery,
    similar_solvers,
    similarity,
    workload_queries,
)

__all__ = [
    "Avoidance",
    "LikeWorkload",
    "RateLimit",
    "Recommendation",
    "RecommendedPolicy",
    "Rule",
    "Similarity",
    "WorkloadQuery",
    "recommend",
    "rescaled",
    "similar_solvers",
    "similarity",
    "workload_queries",
]
