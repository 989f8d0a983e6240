"""Caffe solvers: read as the policy, and written as the solver, with the rates that real Caffe uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lrbench.engines.caffe.run_folder import NOT_NATIVE, POLICY_IS
from lrbench.errors import LRBenchError, UsageError
from lrbench.exporting import export_notes, export_policy
from lrbench.importing import Given, import_policy
from lrbench.policies import parse_policy

ITERATIONS = 60
SOLVERS = {
    'base_lr: 0.01 lr_policy: "fixed"': "FIX(k0=0.01)",
    'base_lr: 0.01 lr_policy: "step" gamma: 0.1 stepsize: 20': "STEP(k0=0.01, gamma=0.1, l=20)",
    'base_lr: 0.01 lr_policy: "exp" gamma: 0.9': "EXP(k0=0.01, gamma=0.9)",
    'base_lr: 0.01 lr_policy: "inv" gamma: 0.0001 power: 0.75': "INV(k0=0.01, gamma=0.0001, p=0.75)",
    'base_lr: 0.01 lr_policy: "multistep" gamma: 0.5 stepvalue: 20 stepvalue: 45': "NSTEP(k0=0.01, gamma=0.5, l=[20, 45])",
    'base_lr: 0.01 lr_policy: "poly" power: 1.2 max_iter: 60': "POLY(k0=0.01, p=1.2, l=60)",
    'base_lr: 0.01 lr_policy: "sigmoid" gamma: 0.1 stepsize: 30': "SIG(k0=0.01, gamma=0.1, l=30)",
}
EXPORTED = (
    "LINEAR(k0=0.1)",
    "SCALE(factor=0.5, policy=POLYDECAY(k0=0.1, p=2))",
    "STEP(k0=0.1, gamma=0.5, l=7.5)",
    "COMPOSE(policies=[FIX(k0=0.1), FIX(k0=0.01), FIX(k0=0.001)], boundaries=[7, 30])",
    "COMPOSE(policies=[FIX(k0=0.1), FIX(k0=0.1)], boundaries=[7])",
    "NSTEP(k0=0.1, gamma=0.5, l=[3.5, 9])",
)
DUMMY_NET = """
net_param { layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 1 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "data" top: "loss" } }
snapshot_after_train: false solver_mode: CPU
"""


@pytest.mark.parametrize("text", SOLVERS)
def test_every_lr_policy_of_caffe_is_read(text: str, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f"# mine\nnet: 'net.prototxt'\nmomentum: 0.9\n{text}\n")
    assert import_policy(str(solver), Given()).policy.text == SOLVERS[text]


@pytest.mark.caffe
def test_real_caffe_uses_the_rates_of_what_is_read_and_of_what_is_written(
    tmp_path: Path, caffe_python: Callable[[str], str]
) -> None:
    policies = {
        **{text: parse_policy(policy) for text, policy in SOLVERS.items()},
        **{export_policy(parse_policy(text), "caffe", ITERATIONS): parse_policy(text) for text in EXPORTED},
    }
    for number, text in enumerate(policies):
        (tmp_path / f"{number}.prototxt").write_text(text + DUMMY_NET)
    script = f"""
import json, os
os.environ["GLOG_minloglevel"] = "2"
import caffe
rows = []
for number in range({len(policies)}):
    solver = caffe.get_solver({str(tmp_path)!r} + "/%d.prototxt" % number)
    row = []
    for _ in range({ITERATIONS}):
        row.append(solver.lr)  # of the iteration that comes
        solver.step(1)
    rows.append(row)
print(json.dumps(rows))
"""
    rows = json.loads(caffe_python(script).splitlines()[-1])
    for policy, row in zip(policies.values(), rows, strict=True):
        want = policy.rates(np.arange(ITERATIONS), ITERATIONS)
        np.testing.assert_allclose(row, want, rtol=1e-5, atol=1e-7 * want.max(), err_msg=str(policy))


@pytest.mark.caffe
def test_the_drift_that_an_export_notes_is_that_of_real_caffe(
    tmp_path: Path, caffe_python: Callable[[str], str]
) -> None:
    policy = parse_policy("EXP(k0=0.01, gamma=0.9994)")
    exported = export_policy(policy, "caffe", 2500)
    (note,) = export_notes(policy, "caffe", 2500)
    assert note == "Caffe holds gamma in float32: at t = 2499 its rate lies 0.0049 % above the policy's"
    assert f"# {policy}\n# {note}\nbase_lr: 0.01\n" in exported
    solver = tmp_path / "solver.prototxt"
    solver.write_text(exported + DUMMY_NET)
    script = f"""
import os
os.environ["GLOG_minloglevel"] = "2"
import caffe
solver = caffe.get_solver({str(solver)!r})
solver.step(2499)
print(solver.lr)
"""
    rate = float(caffe_python(script).splitlines()[-1])
    assert rate / policy(2499) - 1 == pytest.approx(0.49e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "iterations", "note"),
    [
        ("EXP(k0=0.01, gamma=0.9994)", 70_000, "at t = 69999 its rate lies 0.14 % above the policy's"),
        ("SCALE(factor=2, policy=EXP(k0=0.01, gamma=0.9994))", 70_000, "at t = 69999 its rate lies 0.14 % above"),
        (
            "EXP(k0=0.01, gamma=0.9994)",
            None,
            "at t = 9999 its rate lies 0.02 % above the policy's, and more in a longer",
        ),
        ("STEP(k0=0.01, gamma=0.99, l=10)", 70_000, "at t = 69999 its rate lies 0.0067 % above the policy's"),
        ("EXP(k0=0.01, gamma=0.5)", 70_000, None),
        ("INV(k0=0.01, gamma=0.0001, p=0.75)", 70_000, None),
        ("STEP(k0=0.01, gamma=0.1, l=20000)", 70_000, None),
        ("POLY(k0=0.01, p=2)", 70_000, None),
    ],
)
def test_an_export_notes_how_far_gamma_in_float32_goes(text: str, iterations: int | None, note: str | None) -> None:
    notes = export_notes(parse_policy(text), "caffe", iterations)
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]
    assert export_notes(parse_policy(text), "csv", iterations) == ()


def test_the_solver_of_a_run_is_the_policy_that_the_run_trained_with(tmp_path: Path) -> None:
    """Where Caffe has no such policy the solver itself has a constant rate, which the run changed as it went."""
    policy = "TRI(k0=0.001, k1=0.03, l=75)"
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f'# {POLICY_IS}{policy}\n# {NOT_NATIVE}\nbase_lr: 0.001 lr_policy: "fixed"\n')
    found = import_policy(str(solver), Given())
    assert found.policy.text == policy
    assert found.notes == (
        "of a run of LRBench, which set these rates; the solver's own lr_policy is not what it trained with",
    )
    solver.write_text(f'# {POLICY_IS}FIX(k0=0.001)\nbase_lr: 0.002 lr_policy: "fixed"\n')
    assert import_policy(str(solver), Given()).policy.text == "FIX(k0=0.002)"


def test_a_file_of_another_kind_is_no_solver(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("scheduler = StepLR(optimizer, 30)\n")
    with pytest.raises(UsageError, match=r"train\.py: is no Caffe solver and no saved scheduler; give a solver\.proto"):
        import_policy(str(script), Given())


FORK = """# a fork's solver
base_lr: 0.02  # the base_lr: of a comment is none
lr_policy: "step"
gamma: 0.5
stepsize: 400
max_iter: 1000
"""


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("solver_data_type: FLOAT", "solver_data_type"),
        (
            """net_param { name: "}" layer { name: "d" type: "Data" transform_param { resize_param { height: 40 } } } }
     regularization { gamma: 3 } eval_type: 'a"b'""",
            "net_param, regularization, eval_type",
        ),
        ('net_param: < layers { name: "fc" type: INNER_PRODUCT bottom: "x" top: "z" } >', "net_param"),
        ('momentum_policy: "poly" max_momentum: 0.95', "momentum_policy, max_momentum"),
    ],
)
def test_fields_that_do_not_set_the_rate_are_left_out_and_named(fields: str, names: str, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(FORK + fields)
    imported = import_policy(str(solver), Given())
    assert imported.policy.text == "STEP(k0=0.02, gamma=0.5, l=400)"
    assert imported.notes == (f"not read, as these fields do not set the rates: {names}",)


def test_a_floor_of_poly_and_a_warm_up_are_part_of_the_policy(tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text('base_lr: 0.02 min_lr: 0.0001 lr_policy: "poly" power: 2 max_iter: 1000')
    assert import_policy(str(solver), Given()).policy.text == "POLYDECAY(k0=0.02, k1=0.0001, p=2, l=1000)"
    solver.write_text(FORK + "warmup_iter: 50\nwarmup_start_lr: 0.001  # Intel's\n")
    imported = import_policy(str(solver), Given())
    # Intel's Caffe: (t base_lr + (50 - t) warmup_start_lr) / 50 while t < 50, then the policy at the run's own t.
    np.testing.assert_allclose(
        imported.policy.rates(np.array([0, 10, 49, 50, 399, 400]), 1000),
        [0.001, 0.0048, 0.01962, 0.02, 0.02, 0.01],
        rtol=1e-12,
    )
    assert imported.notes == ("warmup_iter and warmup_start_lr are a straight line to base_lr, as in Intel's Caffe",)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("rampup_interval: 5 rampup_lr: 0.1", "the rates depend on rampup_interval, rampup_lr, of another build"),
        ("stagelr: 5", "the rates depend on stagelr"),
        ("min_lr: 0.001", "the rates depend on min_lr"),
        ("larc: true larc_policy: 'clip'", "the rates depend on larc, larc_policy"),
        ("local_lr_auto: true", "the rates depend on local_lr_auto"),
        ("warmup_iter: 50", "warmup_iter and warmup_start_lr change the rates together, and one is missing; give both"),
        ("warmup_iter: 50.5 warmup_start_lr: 0", "COMPOSE: boundaries is [50.5], but must be a list of whole numbers"),
        (
            "warmup_iter: 50 warmup_start_lr: low",
            "warmup_start_lr is no number; write warmup_start_lr: 0.001 for instance",
        ),
        ("solver_data_type: {", 'has no field "solver_data_type"'),
    ],
)
def test_other_fields_that_change_the_rates_are_refused_by_name(field: str, message: str, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(FORK + field)
    with pytest.raises(LRBenchError) as caught:
        import_policy(str(solver), Given())
    assert message in str(caught.value)


def test_the_type_and_its_parameters_are_taken_for_a_spec(tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    for text, settings in (
        ("", {}),
        (
            "momentum: 0.9 weight_decay: 0.0005 clip_gradients: 35 iter_size: 2 random_seed: 4",
            {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005, "clip_gradients": 35, "iter_size": 2},
        ),
        (
            "type: 'Adam' momentum: 0.9 momentum2: 0.99 rms_decay: 0.9 clip_gradients: -1",
            {"type": "Adam", "momentum": 0.9, "momentum2": 0.99},
        ),
        (
            "solver_type: ADAGRAD delta: 1e-8 regularization_type: 'L1'",
            {"type": "AdaGrad", "delta": 1e-8, "regularization_type": "L1"},
        ),
    ):
        solver.write_text(FORK + text)
        assert import_policy(str(solver), Given()).solver == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base_lr: 0.1", "it has no lr_policy; Caffe knows fixed, step, multistep, exp, inv, poly, sigmoid"),
        ('base_lr: 0.1 lr_policy: "cosine"', 'the lr_policy "cosine" is none of Caffe\'s'),
        ('lr_policy: "fixed"', "lr_policy fixed needs base_lr, which is missing; add base_lr to the solver"),
        ('base_lr: 0.1 lr_policy: "step" gamma: 0.1', "lr_policy step needs stepsize, which is missing"),
        ('base_lr: 0.1 lr_policy: "poly" power: 1', "lr_policy poly needs max_iter, which is missing"),
        (
            'base_lr: 0.1 lr_policy: "step" gamma: 0 stepsize: 5',
            "STEP: gamma is 0.0, but must be a finite number above 0",
        ),
        ('base_lr: 0.1 lr_policy: "multistep" gamma: 1 stepvalue: 9 stepvalue: 5', "NSTEP: l is [9, 5], but must be"),
        ("base_lr: 'x'", "solver.prototxt:1: "),
        ("layer { }", 'has no field "layer"'),
    ],
)
def test_a_solver_without_a_policy_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(text)
    with pytest.raises(LRBenchError) as caught:
        import_policy(str(solver), Given())
    assert caught.value.exit_code == 2
    assert message in str(caught.value)
