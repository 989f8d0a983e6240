"""``lrbench export`` and ``lrbench import``: exact output, exit code, one line for each error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]

COSINE = '''"""The learning rates of a run of 100 iterations, written by LRBench 0.1.0.

optax.sgd(learning_rate), or any other optimizer of optax, takes the function as it is.
"""

import math

import jax.numpy as jnp


def learning_rate(t):
    """COSDECAY(k0=0.1, k1=0)"""
    return 0.1 * jnp.sin(math.pi / 2 * jnp.maximum(100 - t, 0) / 100) ** 2
'''


def test_export_prints_the_snippet_or_writes_it(lrbench: Command, tmp_path: Path) -> None:
    arguments = ("export", "COSDECAY(k0=0.1)", "--to", "optax", "--iterations", "100")
    assert lrbench(*arguments) == (0, COSINE, "")
    code, out, _ = lrbench(*arguments, "-o", str(tmp_path / "rates.py"))
    assert (code, out, (tmp_path / "rates.py").read_text()) == (0, "", COSINE)


def test_what_import_prints_can_be_piped_into_export(lrbench: Command) -> None:
    code, policy, notes = lrbench("import", "MultiStepLR(opt, [3, 8])", "--rate", "0.1", "--steps-per-epoch", "10")
    assert (code, policy) == (0, "NSTEP(k0=0.1, gamma=0.1, l=[30, 80])\n")
    assert notes == "note: assumed: one step() of the scheduler in 10 iterations\n"
    solver = '# NSTEP(k0=0.1, gamma=0.1, l=[30, 80])\nbase_lr: 0.1\nlr_policy: "multistep"\ngamma: 0.1\n'
    code, out, _ = lrbench("export", "-", "--to", "caffe", given=policy)
    assert (code, out) == (0, f"{solver}stepvalue: 30\nstepvalue: 80\n")


def test_import_shows_the_settings_of_a_solver_beside_its_policy(lrbench: Command, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text('base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 type: "Nesterov" solver_data_type: FLOAT')
    assert lrbench("import", str(solver)) == (
        0,
        "FIX(k0=0.1)\n",
        "note: not read, as these fields do not set the rates: solver_data_type\n"
        "note: for a spec, solver: {type: Nesterov, momentum: 0.9}\n",
    )


def test_csv_is_data_alone(lrbench: Command) -> None:
    assert lrbench("export", "LINEAR(k0=0.5)", "--to", "csv", "--iterations", "2") == (
        0,
        "iteration,learning_rate\n0,0.5\n1,0.25\n",
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "FIX(k0=x)", "--to", "torch"), "error: FIX: k0 is x, but must be a finite number"),
        (("export", "POLY(k0=1, p=1)", "--to", "torch"), "error: POLY: its rates depend on how many iterations"),
        (("export", " ", "--to", "torch"), "error: the text of the policy is empty; write NAME(key=value, ...)"),
        (("export", "FIX(k0=1)"), "error: Missing option '--to'"),
        (("export", "FIX(k0=1)", "--to", "torch", "-o", "/nowhere/x.py"), "error: /nowhere/x.py: there is no folder"),
        (("import", "StepLR(30)"), "error: StepLR: it changes the optimizer's lr, which it does not say"),
        (("import", "StepLR(30)", "--rate", "nan"), "error: --rate: is nan, but must be a finite number of at least 0"),
        (("import", "."), "error: .: is a folder, and no description of a scheduler; give a solver.prototxt"),
        (("import", "none.prototxt"), "error: none.prototxt: no such file, and no description of a scheduler"),
        (("import", "LinearLR(start_factor=2)", "--rate", "-1"), "error: --rate: is -1.0, but must be"),
    ],
)
def test_errors_are_one_line(lrbench: Command, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = lrbench(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(message)


def test_export_says_on_standard_error_what_it_notes(lrbench: Command) -> None:
    code, out, err = lrbench("export", "EXP(k0=0.01, gamma=0.9994)", "--to", "caffe", "--iterations", "70000")
    note = "Caffe holds gamma in float32: at t = 69999 its rate lies 0.14 % above the policy's\n"
    assert (code, err) == (0, f"note: {note}")
    assert out.startswith(f"# EXP(k0=0.01, gamma=0.9994)\n# {note}base_lr: 0.01\n")


@pytest.mark.parametrize(
    "command",
    [
        "export FIX(k0=1) --to torch",
        "export FIX(k0=1) --to csv",
        "export PLATEAU(k0=1) --to keras",
        "import ExponentialLR(0.9) --rate 1",
        "import ReduceLROnPlateau() --rate 1",
        "policies eval FIX(k0=1) --at 5",
        "policies plot FIX(k0=1) -o rates.png",
    ],
)
def test_a_run_is_no_longer_than_a_spec_allows(lrbench: Command, command: str) -> None:
    code, out, err = lrbench(*command.split(), "--iterations", "9" * 20)
    assert (code, out) == (2, "")
    assert err.endswith(
        "a run has at most 100,000,000 iterations, but iterations is 99999999999999999999; give fewer iterations\n"
    )


def test_parity_is_no_longer_either(lrbench: Command) -> None:
    code, _, err = lrbench("parity", "spec.yaml", "--iterations", "9" * 20)
    assert code == 2
    assert "'--iterations': 99999999999999999999 is not in the range 2<=x<=100000000" in err
