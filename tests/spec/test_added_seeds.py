"""``seeds: {until, at_most}``: seeds that ``run`` adds as they are needed."""

from __future__ import annotations

import pytest
from factories.made_up_jobs import prepared

from lrbench.errors import SpecError

ADDED = "seeds: {until: 0.3 points, at_most: 20}"


def test_the_runs_are_those_of_the_most_seeds_and_their_ids_those_of_a_list(spec, tmp_path):
    experiment, listed = spec.changed("seeds: [0]", ADDED).read(), spec.changed("seeds: [0]", "seeds: 20").read()
    assert [run.seed for run in experiment.runs] == list(range(20))
    assert experiment.settings.seeds.half_width == pytest.approx(0.003)
    assert experiment.settings.seeds.looks == (3, 5, 8, 12, 20)
    data = prepared(tmp_path)
    ids = [[each.run_id(run, data) for run in each.runs] for each in (experiment, listed)]
    assert ids[0] == ids[1]
    assert experiment.describe(experiment.runs[0], data).as_dict()["added_seeds"] == {
        "until": pytest.approx(0.003), "looks": [3, 5, 8, 12, 20]
    }  # fmt: skip
    assert "added_seeds" not in listed.describe(listed.runs[0], data).as_dict()


def test_the_difference_of_another_metric_is_in_its_unit(spec):
    objective = spec.more("objective: {metric: test_loss}\n")
    settings = objective.changed("seeds: [0]", "seeds: {until: 0.01, at_most: 5}").read().settings
    assert settings.seeds.half_width == 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{until: 0.3, at_most: 20}", "until is 0.3, but final accuracy is compared in points, hundredths; write, such as, "
         "0.3 points"),
        ("{until: 0 points, at_most: 20}", "until is 0 points; write, such as, 0.3 points"),
        ("{until: soon, at_most: 20}", "until is 'soon', but must be a positive number, or one of points; for example until: "
         "0.3 points"),
        ("{until: -1, at_most: 20}", "until is -1, but must be a positive number, or one of points; for example until: 0.3 "
         "points"),
        ("{until: 0.3 points, at_most: 2}", "at_most is 2, but must be at least 3; for example at_most: 20"),
        ("{until: 0.3 points}", "at_most' is missing; for example at_most: 20"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_refused_in_one_line(spec, text, message):
    refusal = spec.changed("seeds: [0]", f"seeds: {text}").refusal()
    assert refusal.startswith("trial.yaml:10: ")
    assert refusal.endswith(f"seeds.{message}")


def test_points_of_a_loss_are_refused(spec):
    text = spec.more("objective: {metric: test_loss}\n").changed("seeds: [0]", ADDED)
    assert text.refusal() == (
        "trial.yaml:10: seeds.until is '0.3 points', but test loss is not a fraction; leave points out"
    )


def test_commands_that_confirm_a_policy_ask_for_a_number(spec):
    with pytest.raises(SpecError) as refused:
        _ = spec.changed("seeds: [0]", ADDED).read().confirming_seeds
    assert str(refused.value).endswith(
        ":10: seeds are added as they are needed, which only lrbench run does; set their number, such as --set seeds=5"
    )
