"""The policy of each PyTorch scheduler, with its rate at every call of its step()."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

from lrbench.errors import PolicyError, UsageError
from lrbench.importing.description import Described
from lrbench.importing.imported import Given, Imported
from lrbench.importing.sequential import cycle_steps, parts_with_bases
from lrbench.policies import Policy, policy_from_mapping
from lrbench.policies.plateau_detection import MODES

Arguments = Mapping[str, Any]
Made = tuple[dict[str, Any], list[str]]
"""A policy as a mapping, and notes."""


def scheduler_policy(scheduler: Described, given: Given) -> Imported:
    """The policy with the rates of a scheduler, and what was assumed.

    Raises:
        UsageError: what the scheduler does cannot be said by a policy, or something that it needs was not given.
        PolicyError: its values make no policy.
    """
    try:
        mapping, notes = _made(scheduler, given)
    except (ZeroDivisionError, OverflowError) as error:
        raise UsageError(f"its values make no rates ({error})", where=scheduler.name) from None
    how = "an iteration; --steps-per-epoch says otherwise"
    if given.steps_per_epoch > 1:
        how = f"in {given.steps_per_epoch} iterations"
    assumed = [] if scheduler.name == "ReduceLROnPlateau" else [f"assumed: one step() of the scheduler {how}"]
    return Imported(policy_from_mapping(mapping), tuple(dict.fromkeys([*assumed, *notes])))


def _made(scheduler: Described, given: Given) -> Made:
    if given.steps_per_epoch > 1 and scheduler.name not in STEPPED_EACH_EPOCH:
        raise UsageError(
            "stepped once an epoch it makes a staircase that no LR function is",
            where=scheduler.name,
            remedy="leave --steps-per-epoch out, and give its lengths in iterations",
        )
    try:
        return _FORMS[scheduler.name](scheduler.arguments, given)
    except UsageError as error:
        raise error if error.where else error.at(scheduler.name) from None


def _multistep(a: Arguments, given: Given) -> Made:
    rate, gamma = given.base_rate, a["gamma"]
    steps = Counter(_iterations(milestone, given) for milestone in a["milestones"])
    if not steps:
        return {"function": "FIX", "k0": rate}, []
    boundaries = sorted(steps)
    if max(steps.values()) == 1:
        return {"function": "NSTEP", "k0": rate, "gamma": gamma, "l": boundaries}, []
    powers = accumulate((steps[boundary] for boundary in boundaries), initial=0)  # a doubled milestone steps twice
    stages = [{"function": "FIX", "k0": _product(rate, gamma**power)} for power in powers]
    return {"function": "COMPOSE", "policies": stages, "boundaries": boundaries}, []


def _constant(a: Arguments, given: Given) -> Made:
    rate = given.base_rate
    if not (0 < a["factor"] <= 1 and a["total_iters"] >= 1):
        raise UsageError(
            f"factor is {a['factor']} and total_iters {a['total_iters']}",
            remedy="set factor above 0 and to at most 1, total_iters to at least 1",
        )
    stages = [{"function": "FIX", "k0": _product(rate, a["factor"])}, {"function": "FIX", "k0": rate}]
    return {"function": "COMPOSE", "policies": stages, "boundaries": [_iterations(a["total_iters"], given)]}, []


def _linear(a: Arguments, given: Given) -> Made:
    rate = given.base_rate
    if not (0 < a["start_factor"] <= 1 and 0 <= a["end_factor"] <= 1):
        raise UsageError(
            f"start_factor is {a['start_factor']} and end_factor {a['end_factor']}",
            remedy="set start_factor above 0, end_factor to at least 0, both to at most 1",
        )
    ends = {"k0": _product(rate, a["start_factor"]), "k1": _product(rate, a["end_factor"])}
    return {"function": "LINEAR", **ends, "l": a["total_iters"]}, []


def _exponential(a: Arguments, given: Given) -> Made:
    fields = {"k0": given.base_rate, "gamma": a["gamma"]}
    if given.steps_per_epoch > 1:
        return {"function": "STEP", **fields, "l": given.steps_per_epoch}, []
    return {"function": "EXP", **fields}, []


def _cosine(a: Arguments, given: Given) -> Made:
    rate, length = given.base_rate, a["T_max"]
    if given.iterations is not None and given.iterations <= length + 1:
        return {"function": "COSDECAY", "k0": rate, "k1": a["eta_min"], "l": length}, []
    note = f"the rate rises again after T_max = {length}, as PyTorch's does; --iterations {length} makes a COSDECAY"
    function = "COS" if rate >= a["eta_min"] else "COS_LOW"
    return {"function": function, "k0": a["eta_min"], "k1": rate, "l": 2 * length}, [note]


def _restarts(a: Arguments, given: Given) -> Made:
    rate = given.base_rate
    if rate < a["eta_min"]:
        raise UsageError(
            f"eta_min is {a['eta_min']}, above the rate, {rate}: SGDR starts each cycle high", remedy="lower eta_min"
        )
    return {"function": "SGDR", "k0": rate, "k1": a["eta_min"], "l": a["T_0"], "mult": a["T_mult"]}, []


def _cyclic(a: Arguments, given: Given) -> Made:
    functions = {"triangular": "TRI", "triangular2": "TRI2", "exp_range": "TRIEXP"}
    if a["step_size_down"] not in (None, a["step_size_up"]):
        raise UsageError(
            "its way up and its way down differ in length; those of TRI do not", remedy="give step_size_up alone"
        )
    if a["scale_fn"] is not None or a["mode"] not in functions:
        raise UsageError(
            f"it scales its cycles by a function of its own, or mode={a['mode']!r}",
            remedy=f"set mode to {', '.join(functions)}",
        )
    if a["max_lr"] < a["base_lr"]:
        raise UsageError("max_lr is below base_lr", remedy="exchange them")
    fields = {"k0": a["base_lr"], "k1": a["max_lr"], "l": a["step_size_up"]}
    gamma = {"gamma": a["gamma"]} if a["mode"] == "exp_range" else {}
    momentum = {"k0": a["max_momentum"], "k1": a["base_momentum"], "l": a["step_size_up"]}
    same = {"function": "TRI_HIGH", **momentum} if a["mode"] == "triangular" else None
    return {"function": functions[a["mode"]], **fields, **gamma}, _momentum(a, same)


def _onecycle(a: Arguments, given: Given) -> Made:
    steps = cycle_steps(a)
    length = given.iterations if steps is None else steps
    if a["three_phase"]:
        raise UsageError(
            "three_phase=True falls in two ways, ONECYCLE in one", remedy="compose it of ONECYCLE and LINEAR by hand"
        )
    peak = a["max_lr"]
    start = peak / a["div_factor"]
    fields = {"k0": start, "k1": peak, "k2": start / a["final_div_factor"]}
    notes = ["its l is the run's iterations, as total_steps is not given"] if length is None else []
    if steps is not None and given.iterations is not None and given.iterations > steps:
        notes.append(f"after its {steps} steps PyTorch's OneCycleLR raises an error; the policy stays at its last rate")
    shape = {"rise": a["pct_start"], "anneal": a["anneal_strategy"], **({} if length is None else {"l": length})}
    high = a["max_momentum"]
    momentum = {"function": "ONECYCLE", "k0": high, "k1": a["base_momentum"], "k2": high, **shape}
    return {"function": "ONECYCLE", **fields, **shape}, [*notes, *_momentum(a, momentum)]


def _momentum(a: Arguments, policy: Mapping[str, Any] | None) -> list[str]:
    """Return a note where the scheduler cycles the momentum, with the policy of a spec that does so, if any."""
    if not a["cycle_momentum"]:
        return []
    note = "the momentum, which PyTorch cycles unless cycle_momentum=False, is not part of the policy"
    try:
        return [note if policy is None else f"{note}; in a spec it is solver.momentum: {Policy.of(policy)}"]
    except PolicyError:
        return [note]


def _plateau(a: Arguments, given: Given) -> Made:
    if isinstance(a["min_lr"], list):
        raise UsageError("min_lr is a list, one for each parameter group", remedy="give one number")
    if a["mode"] not in ("min", "max"):
        raise UsageError(f"mode is {a['mode']!r}", remedy="set mode to min or max")
    monitor = given.monitor or ("accuracy" if a["mode"] == "max" else "train_loss")
    if MODES.get(monitor, a["mode"]) != a["mode"]:
        raise UsageError(
            f"mode is {a['mode']!r}, which does not go with {monitor}",
            remedy="set mode=max for the accuracy, mode=min for a loss",
        )
    same = {name: a[name] for name in ("factor", "threshold", "threshold_mode", "cooldown")}
    fields = {"k0": given.base_rate, "patience": a["patience"] + 1, "min_rate": a["min_lr"]}
    notes = [] if given.monitor else [f"assumed: it is shown the {monitor}; --monitor says otherwise"]
    if a["eps"]:
        notes.append(f"PyTorch leaves out reductions of less than eps = {a['eps']}; the policy does not")
    mode = {} if monitor in MODES else {"mode": a["mode"]}
    return {"function": "PLATEAU", **fields, **same, "monitor": monitor, **mode}, notes


def _sequential(a: Arguments, given: Given) -> Made:
    parts, boundaries = a["schedulers"], [_iterations(count, given) for count in a["milestones"]]
    if not all(isinstance(part, Described) for part in parts) or len(parts) != len(boundaries) + 1:
        raise UsageError(
            "it needs a list of schedulers and a milestone fewer than those",
            remedy="as SequentialLR(schedulers=[LinearLR(), StepLR(30)], milestones=[5])",
        )
    starts, ends = [0, *boundaries], [*boundaries, None]
    based = parts_with_bases(parts, boundaries, given.rate)
    stages = [
        _made(part, replace(given.of_stage(start, end), rate=base))
        for (part, base), start, end in zip(based, starts, ends, strict=True)
    ]
    if len(stages) == 1:
        return stages[0]
    notes = [note for _, own in stages for note in own]
    return {"function": "COMPOSE", "policies": [stage for stage, _ in stages], "boundaries": boundaries}, notes


def _chained(a: Arguments, given: Given) -> Made:
    parts = a["schedulers"]
    if not parts or not all(isinstance(part, Described) for part in parts):
        raise UsageError("it needs a list of schedulers", remedy="as ChainedScheduler([LinearLR(), StepLR(30)])")
    for part in parts:
        if part.name not in MULTIPLYING:
            raise UsageError(
                f"it holds a {part.name}, which does not multiply the rate that the others leave",
                remedy=f"those that do are {', '.join(MULTIPLYING)}",
            )
    made = [_made(part, given if number == 0 else replace(given, rate=1.0)) for number, part in enumerate(parts)]
    for part, (policy, _) in zip(parts, made, strict=True):
        if part.name == "CosineAnnealingLR" and (policy["function"] != "COSDECAY" or policy["k1"] != 0):
            raise UsageError(
                "its CosineAnnealingLR multiplies the rate only with eta_min 0 and up to T_max",
                remedy="give eta_min=0, and --iterations of at most T_max",
            )
    notes = [note for _, own in made for note in own]
    return (
        made[0][0] if len(made) == 1 else {"function": "PRODUCT", "policies": [policy for policy, _ in made]}
    ), notes


def _product(rate: float, factor: float) -> float:
    """A rate times a factor to 15 digits, which a decimal keeps: 0.1 * 0.1 is 0.01, not 0.010000000000000002."""
    return float(f"{rate * factor:.15g}")


def _iterations(count: Any, given: Given) -> Any:
    """A count of step() calls, which is whole, in iterations."""
    return int(count) * given.steps_per_epoch


STAIRCASES = ("StepLR", "MultiStepLR", "ConstantLR", "ExponentialLR")
"""The schedulers that stay at their rate between two epochs as a policy can, too."""

STEPPED_EACH_EPOCH = {*STAIRCASES, "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"}
MULTIPLYING = (*STAIRCASES, "LinearLR", "PolynomialLR", "CosineAnnealingLR")
"""The schedulers that multiply the rate at each step by a factor of their own, whatever it is."""

_FORMS: dict[str, Callable[[Arguments, Given], Made]] = {
    "StepLR": lambda a, given: (
        {"function": "STEP", "k0": given.base_rate, "gamma": a["gamma"], "l": _iterations(a["step_size"], given)},
        [],
    ),
    "MultiStepLR": _multistep,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "ExponentialLR": _exponential,
    "PolynomialLR": lambda a, given: (
        {"function": "POLYDECAY", "k0": given.base_rate, "k1": 0, "p": a["power"], "l": a["total_iters"]},
        [],
    ),
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _restarts,
    "CyclicLR": _cyclic,
    "OneCycleLR": _onecycle,
    "ReduceLROnPlateau": _plateau,
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
}
