"""Rules of papers that bear on a workload, each with its source: few, and only what the source says.

Where a rule makes a policy and the largest rate that trains is known, that policy is made for the run; it is a
beginning, not a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lrbench.errors import PolicyError
from lrbench.policies import parse_policy
from lrbench.tuning.database import StoredWorkload
from lrbench.tuning.recommending.asked import Asked
from lrbench.tuning.recommending.avoiding import RateLimit
from lrbench.tuning.recommending.likeness import SHARED_RATES

SMITH = "Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186, sections 3.2 and 3.3"
DEFAZIO = "Defazio et al., Optimal Linear Decay Learning Rate Schedules and Further Refinements, arXiv:2310.07831"
GOYAL = "Goyal et al., Accurate, Large Minibatch SGD, arXiv:1706.02677"
KINGMA = "Kingma and Ba, Adam: A Method for Stochastic Optimization, arXiv:1412.6980"
ZEILER = "Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701"
WU_LIU = "Wu and Liu, Selecting and Composing Learning Rate Policies for Deep Neural Networks, arXiv:2210.12936"

SHORTEST, LONGEST = 2, 10
"""Epochs of half a cycle."""
ENOUGH_CYCLES = 4
"""Three train the net most of the way, four or more do better."""
DIGITS = 3


@dataclass(frozen=True)
class Rule:
    """What a paper says, for this workload.

    Attributes:
        policy: what follows from it here, not measured; None where that takes a measurement first.
    """

    text: str
    source: str
    policy: str | None = None


@dataclass(frozen=True)
class _Peak:
    """The largest rate to use, and how it is known."""

    rate: float
    words: str


def rules(asked: Asked, limit: RateLimit | None, like: Sequence[StoredWorkload]) -> Iterator[Rule]:
    """Those that bear on the workload.

    Args:
        limit: the largest rate that trained, where that is known.
        like: the like workloads whose policies are on the shortlist.
    """
    peak = _peak(asked, limit)
    if peak is None:
        yield Rule(
            "find the bounds of the rates by a range test, in which the rate rises while the net trains: lrbench range",
            SMITH,
        )
    yield _cyclic(asked, peak)
    yield _linear(asked, peak)
    yield from _batch(asked, like)
    yield from _default(asked)
    yield Rule(
        "good policies can also be composed of the same or different LR functions, stage by stage: lrbench compose",
        WU_LIU,
    )


def _peak(asked: Asked, limit: RateLimit | None) -> _Peak | None:
    if asked.rates is not None:
        return _Peak(rounded_down(asked.rates[1]), "the largest of the spec's search.rates")
    return None if limit is None else _Peak(rounded_down(limit.trained), "the largest rate that trained")


def _cyclic(asked: Asked, peak: _Peak | None) -> Rule:
    """Source: section 3.2 for the length and the number of cycles, 3.3 for the least rate."""
    text = "cyclic rates: half a cycle (l of TRI) of 2 to 10 epochs, and a least rate of a third or a quarter of the "
    text += "largest; end the run with a cycle"
    if asked.epoch is None:
        return Rule(text, SMITH)
    text += f"; an epoch has {asked.epoch:.0f} iterations here"
    half = _half_cycle(asked.iterations, asked.epoch)
    if half is None:
        return Rule(f"{text}, and the run has {asked.iterations / asked.epoch:.1f} epochs, too few for a cycle", SMITH)
    if peak is None:
        return Rule(text, SMITH)
    low = rounded_down(peak.rate / 4)
    return Rule(
        f"{text}; with {peak.words}", SMITH, _possible(f"TRI(k0={low!r}, k1={peak.rate!r}, l={round(half)})", asked)
    )


def _half_cycle(iterations: int, epoch: float) -> float | None:
    """Of four cycles, more where they would be too long, fewer where too short; None where not even one fits."""
    most = max(ENOUGH_CYCLES, math.ceil(iterations / (2 * LONGEST * epoch)))
    halves = (iterations / (2 * cycles) for cycles in (most, *range(ENOUGH_CYCLES - 1, 0, -1)))
    return next((half for half in halves if half >= SHORTEST * epoch), None)


def _linear(asked: Asked, peak: _Peak | None) -> Rule:
    text = "a linear decay to 0 at the end of the run was best on the whole over ten deep-learning problems, language "
    text += "models and logistic regression, ahead of the cosine and the other usual schedules"
    if peak is None:
        return Rule(text, DEFAZIO)
    return Rule(f"{text}; from {peak.words}", DEFAZIO, _possible(f"LINEAR(k0={peak.rate!r})", asked))


def _batch(asked: Asked, like: Sequence[StoredWorkload]) -> Iterator[Rule]:
    """For SGD alone: the paper is of no other solver."""
    others = sorted({workload.batch_size for workload in like} - {asked.batch_size})
    if asked.solver_type in SHARED_RATES and others:
        factors = ", ".join(f"{asked.batch_size / other:.3g} for those of batch {other}" for other in others)
        yield Rule(
            f"another batch size: when the batch is multiplied by k, multiply the rates by k (times {factors}), "
            "and where that makes them large, warm up over the first 5 epochs",
            GOYAL,
        )


def _default(asked: Asked) -> Iterator[Rule]:
    if asked.solver_type == "Adam":
        yield Rule(
            "a good default rate of Adam is 0.001, with momentum 0.9, momentum2 0.999 and delta 1e-8",
            KINGMA,
            _possible("FIX(k0=0.001)", asked),
        )
    if asked.solver_type == "AdaDelta":
        yield Rule(
            "AdaDelta finds its own step sizes, which a rate of 1 leaves as they are; the paper has momentum "
            "(its decay constant) 0.95 and delta 1e-6",
            ZEILER,
            _possible("FIX(k0=1)", asked),
        )


def _possible(text: str, asked: Asked) -> str | None:
    try:
        policy = parse_policy(text)
        policy.check(asked.iterations)
    except PolicyError:
        return None
    return policy.text


def rounded_down(rate: float) -> float:
    """To a few digits, and not above what is known to train."""
    step = 10.0 ** (math.floor(math.log10(rate)) - DIGITS + 1)
    return float(f"{math.floor(rate / step + 1e-9) * step:.{DIGITS}g}")
