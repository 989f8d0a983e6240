"""Range test: the learning rates worth trying, found by a sweep and by short runs at fixed rates."""

from lrbench.tuning.range_test.plan import Plan, plan_for
from lrbench.tuning.range_test.result import RangeResult
from lrbench.tuning.range_test.running import FEW_IMAGES, range_test, sweep_tasks

__all__ = ["FEW_IMAGES", "Plan", "RangeResult", "plan_for", "range_test", "sweep_tasks"]
