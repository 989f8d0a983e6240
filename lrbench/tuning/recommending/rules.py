"""Rules of papers that apply to a workload, each with its source, and no more than the source says.

Where a rule gives a policy and the largest rate that trains is known, the policy is made for the run, as a starting
point that was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lrbench.errors import PolicyError
from lrbench.policies import parse_policy
from lrbench.tuning.database.entry import StoredWorkload
from lrbench.tuning.recommending.ranking import RateLimit
from lrbench.tuning.recommending.similarity import SHARED_RATES, WorkloadQuery

SMITH = "Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186, sections 3.2 and 3.3"
DEFAZIO = "Defazio et al., Optimal Linear Decay Learning Rate Schedules and Further Refinements, arXiv:2310.07831"
GOYAL = "Goyal et al., Accurate, Large Minibatch SGD, arXiv:1706.02677"
KINGMA = "Kingma and Ba, Adam: A Method for Stochastic Optimization, arXiv:1412.6980"
ZEILER = "Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701"
WU_LIU = "Wu and Liu, Selecting and Composing Learning Rate Policies for Deep Neural Networks, arXiv:2210.12936"

SHORTEST, LONGEST = 2, 10
"""Bounds of half a cycle, in epochs."""
ENOUGH_CYCLES = 4
"""Three train the net most of the way, four or more do better."""
DIGITS = 3


@dataclass(frozen=True)
class Rule:
    """A paper's rule for a workload.

    Attributes:
        policy: the policy that follows from it, not measured; None where that takes a measurement first.
    """

    text: str
    source: str
    policy: str | None = None


@dataclass(frozen=True)
class _Peak:
    """The largest rate to use, and in words how it is known."""

    rate: float
    words: str


def rules(query: WorkloadQuery, limit: RateLimit | None, like: Sequence[StoredWorkload]) -> Iterator[Rule]:
    """Yield the rules that apply to the workload.

    Args:
        limit: the largest rate that trained, where that is known.
        like: the like workloads whose policies are on the shortlist.
    """
    peak = None
    if query.rates is not None:
        peak = _Peak(rounded_down(query.rates[1]), "the largest of the spec's search.rates")
    elif limit is not None:
        peak = _Peak(rounded_down(limit.trained), "the largest rate that trained")
    if peak is None:
        yield Rule(
            "find the bounds of the rates by a range test, in which the rate rises while the net trains: lrbench range",
            SMITH,
        )
    yield _cyclic(query, peak)
    yield _linear(query, peak)
    yield from _batch(query, like)
    yield from _default(query)
    yield Rule(
        "good policies can also be composed of the same or different LR functions, stage by stage: lrbench compose",
        WU_LIU,
    )


def _cyclic(query: WorkloadQuery, peak: _Peak | None) -> Rule:
    """Source: section 3.2 for the length and the number of cycles, 3.3 for the least rate."""
    text = "cyclic rates: half a cycle (l of TRI) of 2 to 10 epochs, and a least rate of a third or a quarter of the "
    text += "largest; end the run with a cycle"
    if query.epoch is None:
        return Rule(text, SMITH)
    text += f"; an epoch has {query.epoch:.0f} iterations here"
    # Four cycles, more where they would be too long, fewer where too short.
    most = max(ENOUGH_CYCLES, math.ceil(query.iterations / (2 * LONGEST * query.epoch)))
    halves = (query.iterations / (2 * cycles) for cycles in (most, *range(ENOUGH_CYCLES - 1, 0, -1)))
    half = next((half for half in halves if half >= SHORTEST * query.epoch), None)
    if half is None:
        return Rule(f"{text}, and the run has {query.iterations / query.epoch:.1f} epochs, too few for a cycle", SMITH)
    if peak is None:
        return Rule(text, SMITH)
    low = rounded_down(peak.rate / 4)
    return Rule(
        f"{text}; with {peak.words}", SMITH, _possible(f"TRI(k0={low!r}, k1={peak.rate!r}, l={round(half)})", query)
    )


def _linear(query: WorkloadQuery, peak: _Peak | None) -> Rule:
    text = "a linear decay to 0 at the end of the run was best on the whole over ten deep-learning problems, language "
    text += "models and logistic regression, ahead of the cosine and the other usual schedules"
    if peak is None:
        return Rule(text, DEFAZIO)
    return Rule(f"{text}; from {peak.words}", DEFAZIO, _possible(f"LINEAR(k0={peak.rate!r})", query))


def _batch(query: WorkloadQuery, like: Sequence[StoredWorkload]) -> Iterator[Rule]:
    """Yield the rule of large batches, for SGD alone: the paper covers no other solver."""
    own = query.batch_size
    others = sorted({size for workload in like if (size := workload.batch_size) is not None and size != own})
    if own is not None and query.solver_type in SHARED_RATES and others:
        factors = ", ".join(f"{own / other:.3g} for those of batch {other}" for other in others)
        yield Rule(
            f"another batch size: when the batch is multiplied by k, multiply the rates by k (times {factors}), "
            "and where that makes them large, warm up over the first 5 epochs",
            GOYAL,
        )


def _default(query: WorkloadQuery) -> Iterator[Rule]:
    if query.solver_type == "Adam":
        yield Rule(
            "a good default rate of Adam is 0.001, with momentum 0.9, momentum2 0.999 and delta 1e-8",
            KINGMA,
            _possible("FIX(k0=0.001)", query),
        )
    if query.solver_type == "AdaDelta":
        yield Rule(
            "AdaDelta finds its own step sizes, which a rate of 1 leaves as they are; the paper has momentum "
            "(its decay constant) 0.95 and delta 1e-6",
            ZEILER,
            _possible("FIX(k0=1)", query),
        )


def _possible(text: str, query: WorkloadQuery) -> str | None:
    try:
        policy = parse_policy(text)
        policy.check(query.iterations)
    except PolicyError:
        return None
    return policy.text


def rounded_down(rate: float) -> float:
    """Round a rate down to three significant digits, so that it is not above what is known to train."""
    step = 10.0 ** (math.floor(math.log10(rate)) - DIGITS + 1)
    return float(f"{math.floor(rate / step + 1e-9) * step:.{DIGITS}g}")
