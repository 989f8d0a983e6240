"""``lrbench recommend`` as it is typed, on databases of made-up measurements."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from factories.fake_entries import WORKLOAD, diverged, entry, run

from lrbench.nets import find_net, net_sha256, read_net
from lrbench.tuning.database.database import open_database

FIX, TRI, HOT = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)", "FIX(k0=0.2)"
SPEC = """\
workload: {net: lenet, dataset: mnist, batch_size: 100, iterations: 2000, test_interval: 500}
solver: {type: SGD, momentum: 0.9, weight_decay: 0.0005}
"""
SOLVER = {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005, "regularization_type": "L2", "iter_size": 1}


@pytest.fixture
def lrbench(lrbench, monkeypatch, tmp_path):
    """Runs ``lrbench recommend`` in a folder with a spec and an empty database, without prepared data and engines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_DB", raising=False)
    monkeypatch.delenv("LRBENCH_CAFFE", raising=False)
    monkeypatch.setattr("lrbench.tuning.database.database.shipped_entries", lambda: [])
    monkeypatch.setenv("COLUMNS", "110")
    (tmp_path / "spec.yaml").write_text(SPEC)
    return partial(lrbench, "recommend")


def measured(*entries):
    """A database in the current folder, of entries on LeNet of this version, given as policy, runs and workload."""
    net = net_sha256(read_net(find_net("lenet", Path())))
    with open_database("db.sqlite") as database:
        database.add(
            [
                entry(policy, runs, **{"net_sha256": net, "solver": SOLVER, **workload})
                for policy, runs, workload in entries
            ]
        )
    return {
        each[0]: entry(each[0], each[1], **{"net_sha256": net, "solver": SOLVER, **each[2]}).id[:8] for each in entries
    }


def test_the_shortlist_with_its_evidence_and_what_to_avoid(lrbench):
    ids = measured(
        (FIX, [run(0), run(1)], {}), (TRI, [run(0, [0.9, 0.97, 0.98])], {}), (HOT, [diverged(0), diverged(1)], {})
    )
    code, out, err = lrbench("spec.yaml", "--target", "0.95", "--db", "db.sqlite")
    assert (code, err) == (0, "")
    fix, tri, hot = ids[FIX], ids[TRI], ids[HOT]
    assert (
        out.partition("\n2. rules")[0]
        == f"""\
lenet on mnist, batch 100, 2,000 iterations, SGD: which policy?

note: the data set mnist is not prepared here, so that measurements are found by its name alone

1. measured on this workload: the best 2 of 3 policies, ranked by iterations to 95 %

  #  policy             iterations         final  seeds     vs. best      iterations    seconds in  entry
                           to 95 %    accuracy %                              in all           all
---  ---------------  ------------  ------------  --------  ----------  ------------  ------------  --------
  1  TRI(k0=0.01,            1,000         98.00  one seed  best               1,500          30.0  {tri}
     k1=0.06, l=200)
  2  FIX(k0=0.01)        1,000 ± 0  97.00 ± 0.00  2         one seed           4,000          80.0  {fix}

{tri}: one seed, 0, runs of exp, caffe 1.0.0, run on 2026-01-01 by LRBench 0.1.0, evaluated every 500
    iterations, measured here
{fix}: seeds 0, 1, runs of exp, caffe 1.0.0, run on 2026-01-01 by LRBench 0.1.0, evaluated every 500
    iterations, measured here

avoid:
- rates above 0.06: the largest that trained, with TRI(k0=0.01, k1=0.06, l=200) [{tri}], while 0.2 did not,
  with FIX(k0=0.2) [{hot}]
- FIX(k0=0.2): diverged with 2 of 2 seeds [{hot}]
"""
    )
    assert out.splitlines()[-1] == f"next: lrbench db show {tri} --db db.sqlite   # all runs of that entry"


def test_what_to_avoid_names_another_engine_and_the_solver_of_a_like_workload(lrbench):
    measured(
        (TRI, [run(0), run(1)], {}),
        (HOT, [diverged(0), diverged(1)], {"engine_name": "torch"}),
        ("FIX(k0=0.3)", [diverged(0), run(1)], {"solver": {**SOLVER, "type": "Nesterov"}}),
    )
    _, out, _ = lrbench("spec.yaml", "--db", "db.sqlite")
    text = " ".join(out.split())
    assert f"- {HOT}: diverged with 2 of 2 seeds (torch, not caffe) [" in text
    assert (
        "- FIX(k0=0.3): diverged with 1 of 2 seeds on lenet on MNIST, batch 100, 2,000 iterations, Nesterov [" in text
    )


def test_commands_that_would_need_a_secret_are_left_out(lrbench):
    measured((TRI, [run(0), run(1)], {"iterations": 1000, "batch_size": 50}))
    asked = ["spec.yaml", "--target", "0.95"]
    _, out, _ = lrbench(*asked, "--db", "sqlite://u:SECRET@h/db.sqlite")
    assert [line.split()[2] for line in out.splitlines() if line.startswith("next:")] == ["tune"]
    assert "SECRET" not in out
    _, out, _ = lrbench(*asked, "--db", "sqlite:///db.sqlite")
    lines = [line.partition("   #")[0] for line in out.splitlines() if line.startswith("next:")]
    assert [line.split()[2] for line in lines] == ["db", "verify", "tune", "db"]
    assert [line.endswith("--db sqlite:///db.sqlite") for line in lines] == [True, True, False, True]


def test_policies_carried_over_are_marked_with_what_was_measured(lrbench):
    measured((TRI, [run(0), run(1)], {"iterations": 1000, "batch_size": 50}))
    code, out, _ = lrbench("spec.yaml", "--db", "db.sqlite")
    assert code == 0
    assert "nothing was measured on this workload: what follows is carried over, not known" in out
    text = " ".join(out.split())
    assert (
        "1. measured on a like workload, lenet on MNIST, batch 50, 1,000 iterations, SGD: the best 1 of 1 policy "
        "by final accuracy there. How alike: same net; same data set by its name; same SGD; batch 50 for 100; 1,000 "
        "iterations for 2,000"
    ) in text
    assert "rescaled, not measured: each rate at the same part of the run, 1,000 iterations made 2,000" in text
    assert "multiply the rates by k (times 2 for those of batch 50)" in text


def test_without_any_measurement_it_says_so_and_how_to_measure(lrbench):
    code, out, err = lrbench("spec.yaml", "--target", "0.99", "--set", "workload.iterations=4000")
    assert code == 0
    assert err.startswith("created ")
    assert "nothing was measured on this workload" in out
    assert "next: lrbench tune spec.yaml --set workload.iterations=4000   # measure: search for a policy" in out
    assert "avoid:" not in out


def test_a_policy_from_elsewhere_comes_with_the_command_that_tests_it(lrbench):
    measured((TRI, [run(0)], {"iterations": 1000}))
    _, out, _ = lrbench("spec.yaml", "--target", "0.95", "--db", "db.sqlite")
    command = (
        "next: lrbench verify spec.yaml --policy 'TRI(k0=0.01, k1=0.06, l=400)' --target 0.95 --db db.sqlite"
        "   # test it"
    )
    assert command in out.splitlines()  # on one line, however long, to be copied


def test_each_solver_of_a_spec_has_its_own(lrbench, tmp_path):
    measured((FIX, [run(0)], {}))
    (tmp_path / "spec.yaml").write_text(
        SPEC.replace(
            "solver: {type: SGD, momentum: 0.9, weight_decay: 0.0005}",
            "solver:\n- {type: SGD, momentum: 0.9, weight_decay: 0.0005}\n- {type: Adam, momentum: 0.9, lr_scale: 0.1}",
        )
    )
    code, out, _ = lrbench("spec.yaml", "--db", "db.sqlite", "--format", "json")
    assert code == 0
    sgd, adam = json.loads(out)["recommendations"]
    assert [each["policy"] for each in sgd["shortlist"]] == [FIX]
    assert adam["shortlist"] == []
    assert any("lr_scale of 0.1" in note for note in adam["notes"])
    assert any('--set \'solver={"type": "Adam"' in line for line in adam["next"])


def test_json_has_every_run_and_value(lrbench):
    measured((FIX, [run(0), run(1)], {}), (HOT, [diverged(0)], {}))
    code, out, _ = lrbench("spec.yaml", "--target", "0.96", "--db", "db.sqlite", "--format", "json")
    assert code == 0
    (found,) = json.loads(out)["recommendations"]
    (first,) = found["shortlist"]
    assert (first["place"], first["policy"], first["kind"], first["rescaled"]) == (1, FIX, "measured here", False)
    evidence = first["evidence"]
    assert (evidence["seeds"], evidence["iterations_to_target"]) == ([0, 1], [1500, 1500])
    assert evidence["best_accuracy"]["mean"] == pytest.approx(0.97)
    assert [each["run_id"] for each in evidence["runs"]] == ["run-s0", "run-s1"]
    assert evidence["workload"]["engine_name"] == WORKLOAD.engine_name
    assert [(each["policy"], each["seeds"], each["of"]) for each in found["avoid"]] == [(HOT, 1, 1)]
    assert found["largest_rate_that_trained"]["rate"] == 0.01
    assert all(rule["source"] for rule in found["rules"])


def test_the_specs_own_target_counts_unless_another_is_given(lrbench, tmp_path):
    measured((FIX, [run(0)], {}))
    (tmp_path / "spec.yaml").write_text(SPEC + "target_accuracy: 0.95\n")
    for arguments, target in (([], 0.95), (["--target", "0.9"], 0.9)):
        _, out, _ = lrbench("spec.yaml", "--db", "db.sqlite", "--format", "json", *arguments)
        assert json.loads(out)["recommendations"][0]["target_accuracy"] == target


def test_output_into_a_file(lrbench, tmp_path):
    code, out, err = lrbench("spec.yaml", "--db", "db.sqlite", "-o", "found.txt")
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == "wrote found.txt"
    assert (tmp_path / "found.txt").read_text().startswith("lenet on mnist")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spec.yaml", "--target", "98"], "error: --target is 98, but an accuracy is above 0 and at most 1"),
        (["nowhere.yaml"], "error: nowhere.yaml: "),
        (
            ["spec.yaml", "--engine", "tensorflow"],
            "error: --set engine.name: unknown engine 'tensorflow'; the engines are",
        ),
        (["spec.yaml", "--db", "postgresql://user:secret@127.0.0.1:1/none"], "error: postgresql"),
        (["spec.yaml", "--db", "spec.yaml"], "error: spec.yaml: "),
        (["spec.yaml", "-o", "no/such/file"], "error: no/such/file: there is no folder no/such"),
        (["spec.yaml", "--set", "workload.dataset=mnits"], "error: "),
    ],
)
def test_bad_input_is_one_line_and_code_2(lrbench, arguments, message):
    code, out, err = lrbench(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert len(err.splitlines()) == 1
    assert "secret" not in err


def test_text_from_a_database_cannot_steer_the_terminal(lrbench):
    measured(("FIX(k0=0.01)", [run(0, experiment="exp")], {"dataset_label": "![x](y)|`"}))
    _, out, _ = lrbench("spec.yaml", "--db", "db.sqlite")
    assert all(line.isprintable() for line in out.splitlines())
