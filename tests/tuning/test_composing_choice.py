"""How compose cuts, draws, compares and ends stages; no training in any of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrbench.errors import PolicyError, SpecError
from lrbench.metrics.objective import ACCURACY, Objective, Target
from lrbench.policies import Choice, Shape, functions, parse_policy
from lrbench.policies.table import paper_functions
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.spec.sections import CompositionSettings
from lrbench.tuning.composing.proposals import Continuation, Proposal, Proposer, Stage, StagedPolicy, written_out
from lrbench.tuning.composing.selection import CandidateScore, Ranker
from lrbench.tuning.composing.stages import Plateau, check_ends, check_monitor, monitored, planned_ends, stretch_of
from lrbench.tuning.space import Part, Space, family_part
from lrbench.tuning.suggestion import between

LOSS = Objective("test_loss", "minimize")
FAMILIES = {name: family for row in functions() if row.rates is not None for name, family in row.families.items()}
SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 100, test_interval: 10}
solver: {type: SGD}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Any:
    """Reads the spec with overrides."""
    path = tmp_path / "trial.yaml"
    path.write_text(SPEC)

    def read(*overrides: str) -> Experiment:
        return read_experiment(path, overrides, TuningSettings)

    return read


def space(*names: str) -> Space:
    """The families of these LR functions, with base rates from 0.001 to 0.1."""
    return Space(tuple(family_part(name, FAMILIES[name], Shape("rate", 0.001, 0.1, log=True)) for name in names))


def everything() -> Space:
    return space(*FAMILIES)


# Cutting a policy short


@pytest.mark.parametrize("name", FAMILIES)
def test_a_policy_cut_short_by_the_next_stage_has_the_rates_it_would_have_had(name):
    part = everything().part(name)
    values = {one.name: between(one, 0.4) for one in part.dimensions}
    alone = written_out(part.make(values, 100), 100)
    assert np.array_equal(alone.rates(range(100), 100), part.make(values, 100).rates(range(100), 100))
    path = StagedPolicy(()).continued(0, alone).continued(40, written_out(part.make(values, 60), 60))
    path = path.continued(70, parse_policy("FIX(k0=0.5)"))
    rates = path.policy.rates(range(100), 100)
    assert np.array_equal(rates[:40], alone.rates(range(40), 100))
    assert np.array_equal(rates[40:70], part.make(values, 60).rates(range(30), 60))
    assert (rates[70:] == 0.5).all()


@pytest.mark.parametrize(
    "text",
    [
        "WARMUP(policy=COSDECAY(k0=0.1), l=10)",
        "WARMUP(policy=COSDECAY(k0=0.1), l=10, count=run)",
        "COMPOSE(policies=[REX(k0=0.1), COSDECAY(k0=0.1), LINEAR(k0=0.1)], boundaries=[20, 50], count=[stage, run, stage])",
        "SCALE(factor=0.5, policy=WSD(k0=0.1, warmup=5, decay=20))",
    ],
)
def test_what_the_length_stands_for_is_written_out_in_nested_policies_too(text):
    policy = parse_policy(text)
    written = written_out(policy, 100)
    assert np.array_equal(written.rates(range(100), 100), policy.rates(range(100), 100))
    cut = StagedPolicy(((0, written),)).continued(60, parse_policy("FIX(k0=1)")).policy
    assert np.array_equal(cut.rates(range(60), 100), policy.rates(range(60), 100))
    assert not np.array_equal(
        StagedPolicy(((0, policy),)).continued(60, parse_policy("FIX(k0=1)")).policy.rates(range(60), 100),
        policy.rates(range(60), 100),
    ), "without that the rates before the cut would change"


def test_a_closed_loop_policy_is_written_out_as_it_is():
    text = "SWITCH(policies=[COSDECAY(k0=0.1), FIX(k0=0.01)], patience=2)"
    assert written_out(parse_policy(text), 100) == parse_policy(text.replace("k0=0.1)", "k0=0.1, l=100)"))


def test_a_warm_up_longer_than_its_stage_is_no_candidate():
    path = StagedPolicy(()).continued(0, parse_policy("WARMUP(policy=FIX(k0=0.1), l=30)"))
    path.check(100, 40)
    path.check(20 + 80, 100)
    with pytest.raises(PolicyError, match="below the 20 iterations"):
        path.check(100, 20)


# Proposer


def texts(found: list[Continuation]) -> list[str]:
    return [one.path.policy.text for one in found]


def test_the_first_stage_tries_each_function_in_turn_and_the_same_again():
    names = [function.name for function in paper_functions()]
    stage = Stage(1, 0, 40, 100)
    found = Proposer(space(*names), stage, 0).first(26)
    assert sorted(one.proposal.label for one in found[:13]) == sorted(names)
    assert sorted(one.proposal.label for one in found[13:]) == sorted(names)
    assert len(set(texts(found))) == 26
    assert texts(Proposer(space(*names), stage, 0).first(26)) == texts(found)
    assert texts(Proposer(space(*names), stage, 1).first(26)) != texts(found)
    assert texts(Proposer(space(*names), Stage(2, 0, 40, 100), 0).first(26)) != texts(found)
    assert all(0.0005 < one.path.policy.rates(range(100), 100).max() < 0.1001 for one in found)


def further(count: int = 8, explore: float = 0.25, among: Space | None = None, parents: int = 1) -> list[Continuation]:
    among = among or everything()
    first = Proposer(among, Stage(1, 0, 40, 100), 0).first(8)[:parents]
    return Proposer(among, Stage(2, 40, 70, 100), 0).further(count, explore, first, [one.proposal for one in first])


def test_a_later_stage_goes_on_as_it_was_looks_nearby_and_explores_other_functions():
    found = further(8)
    assert [one.proposal.how for one in found] == ["as it was", *["near a good one"] * 5, *["afresh"] * 2]
    assert found[0].path == found[0].parent
    label = found[0].proposal.label
    assert {one.proposal.label for one in found[:6]} == {label}
    assert label not in {one.proposal.label for one in found[6:]}
    before = found[0].path.policy.rates(range(40), 100)
    assert all(np.array_equal(one.path.policy.rates(range(40), 100), before) for one in found)
    assert all(one.path.parts[-1][0] == 40 for one in found[1:])
    assert len(set(texts(found))) == 8


@pytest.mark.parametrize(("explore", "fresh"), [(0, 0), (0.25, 3), (0.5, 5), (1, 9)])
def test_the_share_that_explores_is_the_one_asked_for(explore, fresh):
    assert [one.proposal.how for one in further(10, explore)].count("afresh") == fresh


def test_neighbours_are_near_and_within_the_space():
    part = everything().part("SINEXP")
    values = {one.name: between(one, 0.98) for one in part.dimensions}
    good = Proposal("SINEXP", values, written_out(part.make(values, 100), 100), "afresh")
    parent = Continuation(StagedPolicy(((0, good.policy),)), good)
    found = Proposer(everything(), Stage(2, 40, 70, 100), 0).further(200, 0, [parent], [good])[1:]
    rates = np.log10([one.proposal.values["rate"] for one in found])
    assert rates.max() <= -1
    assert -2.2 < rates.min() < -1.4
    assert -1.4 < np.median(rates) < -1.1
    assert {one.proposal.values["cycles"] for one in found} <= set(range(1, 9))


def test_each_run_of_a_beam_is_continued():
    found = further(9, parents=3)
    parents = {one.parent.policy for one in found if one.parent is not None}
    assert len(parents) == 3
    assert [one.proposal.how for one in found[:3]] == ["as it was"] * 3
    assert {one.parent.policy for one in found[3:] if one.parent is not None} == parents


def test_of_a_small_space_each_policy_is_tried_once_and_then_no_more():
    rates = Choice("k0", (0.01, 0.02, 0.03))
    small = Space((Part("FIX", (rates,), lambda values, _: parse_policy(f"FIX(k0={values['k0']})")),))
    assert len(Proposer(small, Stage(1, 0, 40, 100), 0).first(8)) == 3
    # Going on with the policy of the first stage is what "as it was" is; begun anew, its text is another.
    assert sorted(one.proposal.values["k0"] for one in further(8, 0.25, small)[1:]) == [0.01, 0.02, 0.03]


def test_what_is_impossible_is_never_drawn():
    def make(values: Any, _: int) -> Any:
        return parse_policy(f"LINEAR(k0=0.1, k1=0, l={values['l']})" if values["l"] > 0 else "FIX(k0=-1)")

    half = Space((Part("LINEAR", (Choice("l", (-1, -2, 20, 30)),), make),))
    assert sorted(one.proposal.values["l"] for one in Proposer(half, Stage(1, 0, 40, 100), 0).first(4)) == [20, 30]


# Comparing


def judged(name: str, accuracy: float | None, loss: float | None = 1.0, reached: int | None = None) -> CandidateScore:
    draw = Proposal(name, {}, parse_policy("FIX(k0=1)"), "afresh")
    return CandidateScore(Continuation(StagedPolicy(()), draw), name, accuracy, loss, reached)


def order(judge: Ranker, *candidates: CandidateScore) -> str:
    return "".join(one.run for one in judge.ranked(candidates))


def test_accuracy_decides_beyond_one_standard_error_and_the_loss_within_it():
    judge = Ranker(images=400)  # of 0.8 the standard error is 0.02
    assert judge.noise(0.8) == pytest.approx(0.02)
    assert order(judge, judged("a", 0.8, 0.9), judged("b", 0.77, 0.1)) == "ab"
    assert order(judge, judged("a", 0.8, 0.9), judged("b", 0.79, 0.1)) == "ba"
    assert order(judge, judged("a", 0.8, 0.5), judged("b", 0.79, 0.5)) == "ab"
    assert order(judge, judged("a", 0.8, 0.9), judged("b", 0.79, 0.5), judged("c", 0.77, 0.1)) == "bac"


def test_the_order_does_not_depend_on_the_order_in_which_they_come():
    judge = Ranker(images=400)
    made = np.random.default_rng(0)
    candidates = [judged(str(place), float(made.uniform(0.5, 0.9)), float(made.uniform())) for place in range(9)]
    for _ in range(20):
        shuffled = [candidates[place] for place in made.permutation(9)]
        assert judge.ranked(shuffled) == judge.ranked(candidates)


def test_the_diverged_come_last_and_an_infinite_loss_behind_a_finite_one():
    judge = Ranker(images=100)
    assert order(judge, judged("a", None, None), judged("b", 0.1), judged("c", None, None)) == "bac"
    assert order(judge, judged("a", 0.9, math.inf), judged("b", 0.89, 5.0)) == "ba"
    assert judge.noise(1.0) > 0


def test_with_a_target_the_soonest_comes_first():
    judge = Ranker(images=400, target=0.8)
    assert order(judge, judged("a", 0.95), judged("b", 0.81, reached=40), judged("c", 0.9, reached=50)) == "bca"
    assert order(judge, judged("a", 0.8, 0.5, reached=40), judged("b", 0.8, 0.4, reached=40)) == "ba"


def test_a_metric_that_is_better_low_leads_with_its_lowest_value_also_where_no_test_loss_is_known():
    perplexity = Objective("perplexity", "minimize")
    judge = Ranker(images=None, target=Target(perplexity, 9.0), objective=perplexity)
    assert order(judge, judged("a", 12.0, math.inf), judged("b", 11.0, math.inf)) == "ba"
    assert order(judge, judged("a", 8.0, math.inf, reached=40), judged("b", 7.0, math.inf, reached=40)) == "ba"
    assert Ranker(images=None).noise(0.8) == 0


def row(iteration: int, accuracy: float, loss: float = 1.0) -> Evaluation:
    return Evaluation(iteration, {"accuracy_top1": accuracy, "test_loss": loss, "train_loss": loss})


def test_a_candidate_is_judged_by_its_last_evaluation():
    candidate = judged("a", 0).candidate
    rows = [row(10, 0.9, 0.3), row(20, 0.8, 0.4)]
    found = Ranker(100, target=0.85).score(candidate, "a", rows, Status("pending", 20))
    assert (found.accuracy, found.loss, found.reached) == (0.8, 0.4, 10)
    later = Ranker(100).score(candidate, "a", rows, Status("diverged", 70))
    assert (later.accuracy, later.reached) == (0.8, None)
    assert Ranker(100).score(candidate, "a", rows, Status("diverged", 20)).diverged
    assert Ranker(100).score(candidate, "a", [*rows, row(25, math.nan)], Status("diverged", 25)).diverged


# Where stages end


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], (30, 70, 100)),
        (["composition.stages=1"], (100,)),
        (["composition.stages=4"], (20, 50, 80, 100)),
        (["composition.stages=99"], tuple(range(10, 101, 10))),
        (["composition.boundaries=[10, 80]"], (10, 80, 100)),
        (["workload.test_interval=60"], (60, 100)),
        (["workload.test_interval=100"], (100,)),
    ],
)
def test_fixed_ends_are_evaluations(experiment, overrides, expected):
    read = experiment(*overrides)
    check_ends(read)
    assert planned_ends(read) == expected


def test_a_stretch_is_the_stage_unless_it_is_given_or_plateaus_end_it(experiment):
    assert stretch_of(experiment(), 30, 70) == 70
    assert stretch_of(experiment("composition.stretch=20"), 30, 70) == 50
    assert stretch_of(experiment("composition.stretch=20"), 60, 70) == 70
    assert stretch_of(experiment("composition.ends=plateau"), 30, 100) == 50


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("composition.boundaries=[10, 25]", "composition.boundaries.1 is 25, but there is an evaluation every 10"),
        ("composition.boundaries=[100]", "composition.boundaries.0 is 100, but a run has 100 iterations"),
        ("composition.stretch=4", "composition.stretch is 4, but there is an evaluation every 10 iterations only"),
        ("composition.boundaries=[20, 10]", "composition.boundaries.1 is 10, not above the 20 before it"),
        ("composition.beam=8", "composition.beam is 8, but a stage has 8 candidates"),
        ("composition.explore=1.5", "composition.explore is 1.5"),
        ("composition.stages=0", "composition.stages is 0"),
        ("composition.ends=sometimes", "composition.ends is "),
    ],
)
def test_stages_that_do_not_fit_are_one_line(experiment, override, words):
    with pytest.raises(SpecError) as error:
        check_ends(experiment(override))
    assert words in str(error.value)
    assert str(error.value).startswith("--set")


def test_boundaries_go_with_neither_plateaus_nor_another_number_of_stages(experiment):
    with pytest.raises(SpecError, match="remove one of them"):
        experiment("composition={boundaries: [10], ends: plateau}")
    with pytest.raises(SpecError, match="makes 2 stages, but stages is 5"):
        experiment("composition={boundaries: [10], stages: 5}")


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], None),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 30),
        ([0.5, 0.505, 0.509, 0.5, 0.5, 0.5], 30),
        ([0.1, 0.2, 0.2, 0.2, 0.3, 0.3], 40),
        ([0.1, 0.2, 0.3, 0.3, 0.4, 0.4], None),
    ],
)
def test_a_stage_ends_where_nothing_got_better_in_patience_evaluations(accuracies, expected):
    settings = CompositionSettings(ends="plateau", patience=2, threshold=0.01)
    rows = [row(10 * place, accuracy) for place, accuracy in enumerate(accuracies, start=1)]
    assert Plateau(settings, ACCURACY, 0, 20).found(rows) == expected


def test_a_plateau_counts_from_the_stages_start_and_not_before_candidates_were_compared():
    settings = CompositionSettings(ends="plateau", patience=2, threshold=0.01)
    rows = [row(10 * place, 0.5, 1.0) for place in range(1, 11)]
    assert Plateau(settings, LOSS, 50, 60).found(rows) == 80
    assert Plateau(settings, LOSS, 50, 90).found(rows) == 100
    assert Plateau(settings, LOSS, 80, 90).found(rows) is None


def test_the_monitored_value_is_the_objective_unless_another_metric_is_named(experiment):
    assert monitored(experiment().settings) == ACCURACY
    assert monitored(experiment("objective.metric=test_loss").settings).metric == "test_loss"
    named = monitored(experiment("composition.monitor=train_loss").settings)
    assert (named.column, named.sign) == ("train_loss", -1)
    assert monitored(experiment("composition.monitor=accuracy", "objective.metric=test_loss").settings).sign == 1


def test_a_monitored_value_that_is_never_measured_is_refused_with_its_line(experiment):
    with pytest.raises(SpecError, match=r"composition\.monitor is 'perplexity', but must be a metric of an evaluation"):
        check_monitor(experiment("composition={ends: plateau, monitor: perplexity}"))
    with pytest.raises(
        SpecError, match=r"composition\.monitor is reward, a name that does not tell whether low or high"
    ):
        check_monitor(experiment("composition={ends: plateau, monitor: reward}"))
    check_monitor(experiment("composition={monitor: reward}"))
    plateau = Plateau(CompositionSettings(ends="plateau"), Objective("reward", "maximize"), 0, 20)
    with pytest.raises(
        SpecError, match=r"composition\.monitor is reward, which is not among the metrics of an evaluat"
    ):
        plateau.check([row(10, 0.5)])
    plateau.check([])
