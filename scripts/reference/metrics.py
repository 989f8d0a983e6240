"""docs/reference/metrics.md: the registry of metrics, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from lrbench.metrics.registry import METRICS, Metric
from reference import NOTE

INTRODUCTION = f"""\
# Metrics

{NOTE.format("lrbench/metrics")}

The names are those of `evaluations.jsonl`, of `lrbench report --sort METRIC`, and of JSON and CSV. Fractions are shown
in percent in tables and pictures. NaN stays NaN (`null` in JSON): never 0, never averaged.

Another package adds a metric by an entry point of the group `lrbench.metrics`, which bears the metric's name and names an
`lrbench.metrics.registry.Metric` with a function of the evaluation's outputs (`of_evaluation`) or of the run's evaluations
(`of_run`). It is stored, exported and ranked by (`--sort`) like LRBench's own.

## Of an evaluation

At each evaluation, over the whole test set of N samples. K is the set of correctly classified samples, p the highest
softmax probability of each. A run shows those of its last evaluation. A test pass at iteration 0 is of the initial
weights: it is drawn in the curves, but it is no result to rank by, and no target is reached there.

The score of a class is what the softmax is taken of. Classes are ranked by scores, as Caffe's Accuracy layer ranks
them: in a net that is about to diverge, float32 probabilities of classes whose scores are more than 104 below the
highest underflow to 0, and would tie. Where an engine of another package gives probabilities alone, these rank the
classes.

**Caffe caps its loss.** It takes no logarithm of less than the smallest normal float32, 1.18e-38, so that a sample's
loss is at most -ln(1.18e-38) = 87.3365, in training and in tests; the engine torch does the same. A mean loss of tens
is therefore a lower bound of the cross-entropy: by float64 scores a test loss of 67.6 may be 814. On a GPU, Caffe's
loss of a NaN is that cap, too.
"""

OF_A_RUN = "## Of a run\n"

OF_A_POLICY = """\
## Of a policy

A policy's row is the mean ± sample standard deviation over its seeds; a value that is NaN is left out, and the count
says so, as in (n=2). "worse, p = ..." is Tukey's test of all pairs against
the best, or Welch's where spreads clearly differ; with one seed the report says that it has one seed. A policy of which some runs diverged
ranks behind those of which none did, with the count in its row. [Read the statistics](../how-to/read-the-statistics.md)
says more.

### Times to a target

A run may miss the target of `iterations_to_target` and `seconds_to_target`. Its time is then longer than the run's
budget, and no more is known of it: it is censored. A mean over the runs that reached the target alone flatters a policy
that rarely does. So `report`, `tune`, `verify`, `recommend` and `db list` rank policies

1. by the share of the counted runs that reached the target, which stands beside the mean, as in (1/2), where it is not
   all; runs that diverged count, failed ones do not (but in the finals and the confirmation of `tune` and `compose`);
2. in `report`, by the share of runs that diverged;
3. by the restricted mean `sum_i min(T_i, B_i) / n` over the n counted runs, where `T_i` is the time at which run i
   reached the target, infinite if it missed it, and `B_i` its budget. A run that missed the target counts with its
   whole budget, also where it diverged or was stopped early.

The budget is the run's iterations, or, in a log that does not say them, those that it trained. In seconds it is the
training time of those iterations: as measured where the run trained to its end, else extrapolated at the run's own mean
speed; where that is not known, the restricted mean is not known, and the policy ranks behind those of an equal share.
This is the restricted mean survival time (Royston and Parmar, "Restricted mean survival time: an alternative to the
hazard ratio for the design and analysis of randomized trials with a time-to-event outcome", BMC Medical Research
Methodology 13:152, 2013), a lower bound of the mean time. `verify` uses the budget that it asks about, `recommend` and
`db list` that of the stored workload.

| in JSON, below the metric's name | meaning |
|---|---|
| `mean`, `standard_deviation`, `n` | over the `n` runs that reached the target |
| `runs` | the number of runs, those that missed the target included |
| `restricted_mean` | as above; `null` while the runs are under way, or where a budget is not known |

CSV has the same as columns, such as `iterations_to_target_restricted_mean`. Where the policies are ranked by such a
time, a policy with a run that missed the target is not tested, and its comparison says `missed`: a test over
the runs that reached it would leave the others out. Policies that reached it with every run are tested as ever.
"""


def page() -> str:
    """The whole page."""
    of_run = [metric for metric in METRICS.values() if metric.of_evaluation is None]
    of_evaluation = [metric for metric in METRICS.values() if metric.of_evaluation is not None]
    return "\n".join([INTRODUCTION, _table(of_evaluation), OF_A_RUN, _table(of_run), OF_A_POLICY])


def _table(metrics: Iterable[Metric]) -> str:
    rows = [
        (
            f"`{metric.name}`",
            metric.title,
            metric.unit,
            "higher" if metric.higher_is_better else "lower",
            metric.definition,
        )
        for metric in metrics
    ]
    return tabulate(rows, ["name", "in tables", "unit", "better", "definition"], "github", disable_numparse=True) + "\n"
