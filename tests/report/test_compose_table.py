"""What compose shows: the stages, the policy, by what it was chosen, the confirmation, and the cost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lrbench.policies import parse_policy
from lrbench.report.render import render
from lrbench.report.views.compose import compose_document
from lrbench.tuning.composing.proposals import Continuation, How, Proposal, StagedPolicy
from lrbench.tuning.composing.selection import CandidateScore, ComposeCost, ComposeResult, Ranker, StageResult
from lrbench.tuning.confirm import Confirmed, SeedOutcome

FIRST, SECOND = "TRI(k0=0.001, k1=0.05, l=30)", "EXP(k0=0.01, gamma=0.99)"
HEADING = "lenet on digits, batch 32, 100 iterations"


def judged(run: str, path: StagedPolicy, how: How, accuracy: float | None, loss: float | None = 0.5) -> CandidateScore:
    policy = path.parts[-1][1]
    draw = Proposal(policy.name, {}, policy, how)
    return CandidateScore(
        Continuation(path, draw), run, accuracy, loss, None if accuracy is None or accuracy < 0.9 else 80
    )


def confirmed(text: str, role: str, accuracies: list[float], reached: list[int | None]) -> Confirmed:
    return Confirmed(
        parse_policy(text),
        role,
        tuple(
            SeedOutcome(seed, "finished", accuracy, at, 100, 2.5, f"run-{seed}", final_accuracy=accuracy - 0.01)
            for seed, (accuracy, at) in enumerate(zip(accuracies, reached, strict=True))
        ),
        budget=100,
    )


@pytest.fixture
def result() -> ComposeResult:
    """Two stages, the second of another LR function."""
    first = StagedPolicy(((0, parse_policy(FIRST)),))
    second = first.continued(40, parse_policy(SECOND))
    stages = (
        StageResult(
            1,
            0,
            40,
            40,
            (
                best := judged("a", first, "afresh", 0.8, 0.6),
                judged("b", first, "afresh", 0.75),
                judged("c", first, "afresh", None, None),
            ),
            (best,),
        ),
        StageResult(
            2,
            40,
            60,
            100,
            (judged("d", second, "near a good one", 0.85), judged("a", first, "as it was", 0.81)),
            (judged("d", second, "near a good one", 0.95, 0.2),),
        ),
    )
    cost = ComposeCost(4, 210, 2.1, 42.0)
    return ComposeResult(
        stages,
        "validation",
        "digits, 200 training images held out",
        Ranker(400),
        cost,
        parse_policy(FIRST),
        "the best of the 3 that the first stage tried",
        (
            confirmed(second.policy.text, "composed", [0.94, 0.96], [60, 80]),
            confirmed(FIRST, "best single", [0.93, 0.93], [80, None]),
            confirmed("FIX(k0=0.01)", "baseline", [0.90, 0.91], [90, 100]),
        ),
    )


def shown(result: ComposeResult, target: float | None = 0.9) -> str:
    return render(compose_document(result, HEADING, target), "text", 160).decode()


def test_all_of_it_on_one_screen(result):
    text = shown(result)
    assert text.splitlines()[0] == f"{HEADING}: a policy composed in 2 stages"
    assert len(text.splitlines()) < 45
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"1 0 to 40 3 (1 diverged) {FIRST} afresh 80.00 0.6000 75.00" in lines
    assert f"2 40 to 100 2 {SECOND} near a good one 95.00 0.2000 81.00 at 60" in lines
    assert f"COMPOSE(policies=[{FIRST}, {SECOND}], boundaries=[40], count=stage)" in lines
    whole = " ".join(lines)
    assert "chosen on validation images, which were held out of the training set" in whole
    assert "compared by accuracy on 400 validation images" in whole
    assert "(sqrt(a(1-a)/n), 1.09 points in the end)" in whole
    assert "best single policy: the best of the 3 that the first stage tried" in whole
    assert "cost of the search: 4 runs, 210 training iterations" in whole
    assert "= 2.1 full runs, 42 s added up over the runs; of the confirmation: 6 runs, 600 iterations, 15 s" in whole


def test_the_confirmation_has_spread_seeds_iterations_to_the_target_and_the_ratio_to_the_default(result):
    lines = [" ".join(line.split()) for line in shown(result).splitlines()]
    composed = next(line for line in lines if line.startswith("composed"))
    assert "94.00 ± 1.41 95.00 2" in composed  # final, by which policies are compared, and best
    assert "70 ± 14 2/2 1.38 ± 0.18" in composed
    assert "iterations" not in " ".join(shown(result, target=None).split("over seeds")[1].split()[:30])


def test_a_seed_that_missed_the_target_shows_beside_the_iterations_and_the_ratio(result):
    lines = [" ".join(line.split()) for line in shown(result).splitlines()]
    single = next(line for line in lines if line.startswith("best single "))
    assert "80 (1/2) 1/2 1.12 (1/2)" in single
    (found,) = (
        row for row in compose_document(result, HEADING, 0.9).data()["confirmed"] if row["role"] == "best single"
    )
    assert found["iterations_to_target"] == {
        "mean": 80,
        "deviation": None,
        "n": 1,
        "equal_seeds": False,
        "runs": 2,
        "restricted_mean": (80 + 100) / 2,
    }


def test_what_was_chosen_on_the_test_set_is_marked(result):
    assert "CHOSEN ON THE TEST SET" in shown(replace(result, evaluated_on="test"))


def test_with_a_target_it_says_that_the_sooner_is_better(result):
    text = " ".join(shown(replace(result, ranker=Ranker(400, target=0.9))).split())
    assert "the sooner at 90 % the better; those not there yet are compared by accuracy" in text


def test_one_policy_all_the_way_is_said_to_be_one(result):
    single = replace(result, stages=result.stages[:1])
    assert "going on with one policy was best all the time:" in shown(single)


def test_for_programs_every_candidate_is_there(result):
    found = json.loads(render(compose_document(result, HEADING, 0.9), "json"))
    assert found["policy"] == f"COMPOSE(policies=[{FIRST}, {SECOND}], boundaries=[40], count=stage)"
    assert [one["accuracy"] for one in found["stages"][0]["tried"]] == [0.8, 0.75, None]
    assert found["stages"][1]["chosen"][0]["stage_policy"] == SECOND
    assert found["stages"][1]["compared_at"] == 60
    assert found["cost"] == {"runs": 4, "iterations": 210, "full_runs": 2.1, "seconds": 42.0}
    assert found["best_single"] == {"policy": FIRST, "from": "the best of the 3 that the first stage tried"}
    assert [row["role"] for row in found["confirmed"]] == ["composed", "best single", "baseline"]
