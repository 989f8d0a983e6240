"""``lrbench run`` with programs of the user's own, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from factories.script_folder import PLAIN, SPEC, Folder

from lrbench.policies import parse_policy

ITERATIONS, EVERY = 12, 4


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_program_is_trained_at_exactly_the_rates_of_the_policy_and_reported(folder):
    done = folder.train("-j", "2")
    assert done.returncode == 0, done.stderr
    assert "executing " in done.stderr
    assert [status["status"] for status in folder.statuses()] == ["finished", "finished"]
    expected = parse_policy("COSDECAY(k0=0.1)").rates(np.arange(ITERATIONS), ITERATIONS)
    for seed in (0, 1):
        lines = (folder.path / f"used-{seed}.txt").read_text().splitlines()
        assert [float(line.split()[1]) for line in lines] == expected.tolist()
    shown = folder.lrbench("report", "results").stdout
    assert "train.py on its own data, 12 iterations: ranked by test loss" in shown
    assert "lenet" not in shown.lower()
    again = folder.train()
    assert "2 already done, skipped" in again.stderr


def test_what_a_program_declares_stands_in_its_tables(folder):
    declared = "random.seed(run.seed); run.declare(optimizer='descent', dataset='a parabola')"
    folder.program(("random.seed(run.seed)", declared))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    (run,) = folder.runs
    assert json.loads((run / "run.json").read_text())["facts"] == {
        "optimizer": "descent",
        "dataset": "a parabola",
        "split_used": False,
    }
    shown = folder.lrbench("report", "results").stdout
    assert "program train.py: optimizer descent, data a parabola\n" in shown
    assert "program train.py takes no split: policies are chosen and judged on its test set" in shown


def test_alone_the_program_trains_at_the_same_rates_without_lrbench_running(folder):
    assert folder.train().returncode == 0
    by_lrbench = (folder.path / "used-0.txt").read_text()
    (folder.path / "used-0.txt").unlink()
    done = subprocess.run([sys.executable, "train.py"], cwd=folder.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder.path / "used-0.txt").read_text() == by_lrbench


def test_the_numbers_do_not_depend_on_the_number_of_jobs(folder):
    assert folder.train("--results", "one").returncode == 0
    assert folder.train("--results", "two", "-j", "2").returncode == 0
    one, two = (sorted((folder.path / name).glob("train/*/")) for name in ("one", "two"))
    assert [folder.evaluations(run) for run in one] == [folder.evaluations(run) for run in two]
    assert folder.evaluations(one[0]) != folder.evaluations(one[1])


def test_a_dry_run_executes_nothing_and_estimates_by_stored_runs(folder):
    folder.write("train.py", PLAIN.replace("import random", "import random\nopen('executed', 'a').write('x')"))
    done = folder.lrbench("run", "train.yaml", "--dry-run")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == "2 of 2 runs to do; their time is not known: results has no run of train.py that tells\n"
    assert not (folder.path / "executed").exists()
    assert folder.train("--set", "seeds=[0]").returncode == 0
    done = folder.lrbench("run", "train.yaml", "--dry-run")
    assert done.stderr.startswith("1 of 2 runs to do; about 0:00:00 with -j 1 (by 1 stored run: ")
    assert (folder.path / "executed").read_text() == "x"


def test_tune_searches_on_the_validation_part_and_confirms_on_the_test_part(folder):
    folder.program(("weight = 1.0", "weight = 1.0 if run.split == 'validation' else 2.0"))
    settings = ("search.rates=[0.01, 0.1]", "search.functions=[FIX]", "search.trials=2", "search.final_seeds=0")
    done = folder.lrbench("tune", "train.yaml", *(word for each in settings for word in ("--set", each)), "--program")
    assert done.returncode == 0, done.stderr
    splits = [
        json.loads(path.read_text())["workload"]["program"]["split"]
        for path in folder.path.glob("results/*/*/run.json")
    ]
    assert {"validation", "test"} == set(splits)


def test_without_consent_one_line_says_what_to_type(folder):
    done = folder.lrbench("run", "train.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: train.yaml:2: train.py would be executed, which needs your consent; look at the program, and add "
        "--program to the command"
    ]
    assert not folder.runs


def test_a_file_outside_the_folder_of_the_spec_is_executed_where_it_is_typed(folder):
    outside = folder.write("elsewhere/train.py", PLAIN)
    folder.write("specs/train.yaml", SPEC.replace("train.py", "../elsewhere/train.py"))
    done = folder.lrbench("run", "specs/train.yaml", "--program", str(outside), "--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    assert (outside.parent / "used-0.txt").exists()


def test_a_changed_program_is_another_run_and_so_is_one_whose_module_changed(folder):
    folder.program(("import random\n", "import random\nimport parts.mine\n"))
    folder.write("parts/mine.py", "x = 1\n")
    assert folder.train().returncode == 0
    assert len(folder.runs) == 2
    folder.write("parts/mine.py", "x = 2\n")
    assert folder.train().returncode == 0
    assert len(folder.runs) == 4
    description = json.loads((folder.runs[0] / "run.json").read_text())
    assert set(description["workload"]["program"]["sources"]) == {"train.py", "parts/mine.py"}


FAILURES: dict[str, tuple[tuple[str, str], str]] = {
    "an exception": (("loss = weight**2", "loss = 1 / 0"), "train.py:11: ZeroDivisionError: division by zero; see "),
    "sys.exit": (("loss = weight**2", "raise SystemExit(3)"), "train.py:11: the program exited with status 3; see "),
    "killed": (
        ("loss = weight**2", "import os; os.kill(os.getpid(), 9)"),
        "train.py was killed by SIGKILL; see ",
    ),
    "no attach": (("import random\n", "raise SystemExit\n"), "train.py ended without calling lrbench.attach; "),
    "no evaluation": (
        ("    if run.should_evaluate:", "    if False:"),
        "train.py:10: RuntimeError: no evaluation was reported at iteration 4: call run.report(...) whenever "
        "run.should_evaluate is true; see ",
    ),
    "other names": (
        ("run.report(test_loss=", "run.report(**{f'other_{t}': 1.0}, test_loss="),
        "train.py does not report the same metrics at every evaluation: other_3, other_7",
    ),
    "no objective": (
        ("test_loss=", "error="),
        "objective.metric is test_loss, which the program does not report; it reports error, train_loss; ",
    ),
    "other samples": (
        (
            "run.report(test_loss=",
            "n = 4 + t // 8; run.report(probabilities=[[0.5, 0.5]] * n, labels=[0, 1] * (n // 2) + [1] * (n % 2), "
            "test_loss=",
        ),
        "an evaluation is of 5 samples, the one before of 4, so that they cannot be compared; ",
    ),
    "other labels": (
        (
            "run.report(test_loss=",
            "run.report(probabilities=[[0.5, 0.5]] * 4, labels=[0, 1, 1, int(t < 5)], test_loss=",
        ),
        "an evaluation is of other labels than the one before, so that they cannot be compared; ",
    ),
    "losses now and then": (
        ("run.step(loss)", "run.step(loss if t % 2 else None)"),
        "train.py:13: ValueError: run.step(loss) takes the loss of every iteration, or of none; see ",
    ),
    "a changed source": (
        ("random.seed(run.seed)", "random.seed(run.seed); open('later.py', 'w').write('x = 1')\n__import__('later')"),
        "train.py:7: later.py would be executed, but no import statement names it, so that the run's id does not cover "
        "it: import it by an import statement; see ",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_names_the_users_own_line_and_touches_no_other_run(folder, name):
    (old, new), reason = FAILURES[name]
    folder.program((old, new))
    done = folder.train("--set", "seeds=[0]")
    assert done.returncode == 1
    (status,) = folder.statuses()
    assert status["status"] == "failed"
    assert status["reason"].startswith(reason)
    assert "Traceback" not in done.stderr


def test_one_seed_that_fails_leaves_the_other_alone(folder):
    folder.program(("loss = weight**2", "loss = weight**2 if run.seed else 1 / 0"))
    assert folder.train().returncode == 1
    assert sorted(status["status"] for status in folder.statuses()) == ["failed", "finished"]
    (failed,) = (run for run in folder.runs if "-s0-" in run.name)
    assert "ZeroDivisionError" in (failed / "program.log").read_text()


def test_a_loss_or_objective_that_is_not_finite_is_divergence(folder):
    folder.program(("loss = weight**2", "loss = weight**2 if t < 6 else float('inf')"))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    (status,) = folder.statuses()
    assert (status["status"], status["iteration"]) == ("diverged", 7)
    folder.program(("test_loss=weight**2", "test_loss=float('nan')"))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    assert {status["status"] for status in folder.statuses()} == {"diverged"}


def test_a_loss_that_becomes_nan_between_two_evaluations_is_divergence_and_a_loss_that_is_not_told_is_not(folder):
    folder.program(("loss = weight**2", "loss = weight**2 if t < 4 else float('nan')"))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    (status,) = folder.statuses()
    assert (status["status"], status["iteration"]) == ("diverged", 5)
    folder.program(("run.step(loss)", "run.step()"))
    assert folder.train("--set", "seeds=[0]", "--results", "untold").returncode == 0
    (untold,) = (folder.path / "untold/train").glob("*/")
    assert json.loads((untold / "status.json").read_text())["status"] == "finished"
    assert {row["train_loss"] for row in folder.evaluations(untold)} == {None}


def test_a_metric_that_is_not_the_objective_may_be_nan(folder):
    folder.program(("test_loss=", "perplexity=float('nan') if t < 8 else 3.0, test_loss="))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    (status,) = folder.statuses()
    assert status["status"] == "finished"
    assert [row["perplexity"] for row in folder.evaluations(folder.runs[0])] == [None, None, 3.0]


def test_a_target_on_a_metric_that_is_not_reported_fails_at_the_first_evaluation(folder):
    target = ("--set", "target={metric: mae, value: 3}")
    done = folder.train(*target, "--set", "seeds=[0]")
    assert done.returncode == 1
    (status,) = folder.statuses()
    reason = "target.metric is mae, which the program does not report; it reports test_loss, train_loss; "
    assert status["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("target.metric is mae", ("target={metric: mae, value: 3}", "stopping.at_target=true")),
        ("objective.metric is accuracy", ("objective={metric: accuracy}", "seeds=[7]")),
    ],
)
def test_a_metric_that_an_earlier_run_did_not_report_is_refused_before_anything_is_executed(folder, key, words):
    folder.write("executed.txt", "")
    folder.program(("import random\n", "import random\nopen('executed.txt', 'a').write('x')\n"))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    done = folder.train(*(word for each in words for word in ("--set", each)))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert f"{key}, which the program does not report; it reports test_loss, train_loss; " in line
    assert (folder.path / "executed.txt").read_text() == "x"
    assert len(folder.runs) == 1


def test_a_program_that_leaves_its_loop_early_is_stopped(folder):
    folder.program(("    loss = weight**2", "    if t == 6:\n        break\n    loss = weight**2"))
    assert folder.train("--set", "seeds=[0]").returncode == 0
    (status,) = folder.statuses()
    assert (status["status"], status["iteration"], status["reason"]) == ("stopped", 4, "left by the program")


def test_a_hang_ends_by_the_timeout(folder):
    folder.program(("loss = weight**2", "loss = weight**2\n    while t == 5: pass"))
    done = folder.train("--set", "seeds=[0]", "--set", "workload.timeout=1.5")
    assert done.returncode == 1
    (status,) = folder.statuses()
    assert status["reason"] == "train.py sent nothing for 1.5 s; raise workload.timeout"


def test_arguments_reach_the_program_and_lists_are_axes(folder):
    folder.program(("weight = 1.0", "weight = float(run.arguments['width'])"))
    done = folder.train("--set", "workload.arguments={width: [1, 2]}", "--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    one, two = (folder.evaluations(run)[0]["train_loss"] for run in folder.runs)
    assert {round(max(one, two) / min(one, two), 6)} == {4.0}
    wrong = folder.train("--set", "workload.arguments={depth: 3}", "--set", "seeds=[0]")
    assert wrong.returncode == 1
    assert "workload.arguments sets 'depth', which lrbench.attach does not name" in wrong.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("train.py", "absent.py"), "absent.py; paths are relative to the spec"),
        (("train.py, iter", "text.txt, iter"), "text.txt:1: is no Python: "),
        (("iterations: 12", "iterations: 12, batch_size: 3"), "unknown key 'workload.batch_size'"),
        (("seeds:", "solver: SGD\nseeds:"), "a program has an optimizer of its own, so that there is no solver"),
        (("seeds:", "engine: torch\nseeds:"), "engine is 'torch', but must be a mapping"),
        (("seeds:", "engine: {name: torch}\nseeds:"), "the engine torch does not train programs"),
        (("evaluate_every: 4", "evaluate_every: 40"), "workload.evaluate_every is 40, more than the 12 iterations"),
        (
            ("evaluate_every: 4", "evaluate_every: 4, arguments: {seed: 3}"),
            "workload.arguments.seed is what LRBench sets",
        ),
        (
            ("evaluate_every: 4", "evaluate_every: 4, arguments: {type: 3}"),
            "workload.arguments.type has the name of something else beside the arguments in a run's description; choose ",
        ),
        (
            ("evaluate_every: 4", "evaluate_every: 4, arguments: {lr_scale: 3}"),
            "workload.arguments.lr_scale has the name of something else beside the arguments in a run's ",
        ),
    ],
)
def test_a_wrong_spec_gets_one_line_before_anything_is_executed(folder, change, message):
    folder.write("text.txt", "this is no program\n")
    folder.write("train.yaml", SPEC.replace(*change))
    done = folder.train()
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.runs


RESUMING = (
    ("import random\n", "import json, os, random, time\n"),
    (
        "run = lrbench.attach(",
        "def save(folder): json.dump({'w': weight, 'r': random.getstate()}, open(folder + '/s.json', 'w'))\n"
        "def restore(folder):\n"
        "    global weight\n"
        "    assert weight == 1.0  # what it loads into is there\n"
        "    weight, state = json.load(open(folder + '/s.json')).values()\n"
        "    random.setstate((state[0], tuple(state[1]), state[2]))\n"
        "run = lrbench.attach(save=save, restore=restore, ",
    ),
    ("    run.step(loss)\n", "    run.step(loss)\n    time.sleep(0.1)\n"),
)


def test_a_killed_run_goes_on_from_its_last_snapshot_exactly_and_leaves_no_process(folder):
    folder.program(*RESUMING)
    assert folder.train("--set", "seeds=[0]", "--results", "whole").returncode == 0
    (whole,) = (folder.path / "whole/train").glob("*/")
    for kills in (1, 2):
        process = subprocess.Popen(
            folder.command("run", "train.yaml", "--program", "--set", "seeds=[0]"),
            cwd=folder.path,
            stderr=subprocess.DEVNULL,
        )
        snapshot = f"results/train/*/snapshots/iter_{kills * EVERY:08d}"
        folder.wait_for(snapshot)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
    done = folder.train("--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    assert "resuming at iteration" in done.stderr
    assert folder.evaluations(folder.runs[0]) == folder.evaluations(whole)


def test_a_program_that_cannot_be_restored_starts_over_and_says_so(folder):
    folder.program(("    run.step(loss)\n", "    run.step(loss)\n    import time; time.sleep(0.1)\n"))
    process = subprocess.Popen(
        folder.command("run", "train.yaml", "--program", "--set", "seeds=[0]"),
        cwd=folder.path,
        stderr=subprocess.DEVNULL,
    )
    folder.wait_for("results/train/*/evaluations.jsonl")
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = folder.train("--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    assert "it has saved nothing to resume from: starting over" in done.stderr
    assert len(folder.evaluations(folder.runs[0])) == 3


def test_the_program_sees_neither_the_terminal_nor_the_database(folder, monkeypatch):
    monkeypatch.setenv("LRBENCH_DB", "postgresql://user:secret@host/db")
    folder.program(
        (
            "import random\n",
            "import os, random, sys\nassert not sys.stdin.read()\nassert 'secret' not in str(os.environ)\n",
        )
    )
    assert folder.train("--set", "seeds=[0]").returncode == 0, folder.statuses()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_starting_a_training_inside_a_program_is_refused_in_one_line(folder):
    folder.program(("weight = 1.0", "lrbench.run('train.yaml')"))
    assert folder.train("--set", "seeds=[0]").returncode == 1
    (status,) = folder.statuses()
    assert "a program that LRBench trains cannot start trainings itself" in status["reason"]


LOOPS = {
    "for t in run": (("for t in run:\n", "for t in run:\n    assert t == done\n    done += 1\n"),),
    "a range": (("for t in run:\n", "for t in range(run.iteration, run.iterations):\n"),),
    "while": (("for t in run:\n", "t = run.iteration - 1\nwhile not run.should_stop:\n    t += 1\n"),),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_restore_finds_what_the_program_made_after_attach_however_it_loops(folder, loop):
    loaded = ("    weight, state", "    done = int(folder[-8:])\n    weight, state")
    folder.program(*RESUMING[:2], loaded, ("    global weight\n", "    global weight, done\n"), *LOOPS[loop])
    folder.write(
        "train.py", (folder.path / "train.py").read_text().replace("weight = 1.0\n", "weight, done = 1.0, 0\n")
    )
    assert folder.train("--set", "seeds=[0]").returncode == 0, folder.statuses()
    whole = folder.evaluations(folder.runs[0])
    folder.cut(folder.runs[0], 2 * EVERY)
    done = folder.train("--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    assert "resuming at iteration 8" in done.stderr
    assert folder.evaluations(folder.runs[0]) == whole


def test_a_restore_that_fails_goes_back_and_names_the_users_line(folder):
    broken = ("    assert weight == 1.0", "    assert not os.path.exists('broken'), 'broken'\n    assert weight == 1.0")
    folder.program(*RESUMING[:2], broken, *RESUMING[2:])
    assert folder.train("--set", "seeds=[0]").returncode == 0
    whole = folder.evaluations(folder.runs[0])
    folder.cut(folder.runs[0], 2 * EVERY)
    folder.write("broken", "")
    done = folder.train("--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr
    assert "the snapshot of iteration 8 cannot be restored (train.py:8: AssertionError: broken; " in done.stderr
    assert "it has saved nothing to resume from: starting over" in done.stderr
    assert folder.evaluations(folder.runs[0]) == whole


def test_other_samples_after_a_resume_than_before_it_fail_the_run(folder):
    folder.program(
        *RESUMING[:2],
        ("run.report(", "n = 4 + os.path.exists('more'); run.report(probabilities=[[0.5, 0.5]] * n, labels=[1] * n, "),
    )
    assert folder.train("--set", "seeds=[0]").returncode == 0, folder.statuses()
    folder.cut(folder.runs[0], 2 * EVERY)
    folder.write("more", "")
    assert folder.train("--set", "seeds=[0]").returncode == 1
    (status,) = folder.statuses()
    assert status["reason"].startswith("an evaluation is of 5 samples, the one before of 4, so that they cannot be")
    assert "evaluated_labels" not in folder.lrbench("report", "results").stdout


def test_a_program_that_never_asks_for_a_rate_fails(folder):
    folder.program(("run.rate * 2", "0.1"), ("    print(t, repr(run.rate), file=used, flush=True)\n", ""))
    assert folder.train("--set", "seeds=[0]").returncode == 1
    assert "the iteration was not trained at the run's learning rate" in folder.statuses()[0]["reason"]
