"""``lrbench plot`` as it is typed: files, streams, exit codes, and the same bytes each time."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from factories import fake_runs
from matplotlib.image import imread

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)"
HOSTILE = '$\\frac{1}{$ <b>&"学\x1b[31m'


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.9 + seed / 100], seed=seed)
        fake_runs.write_run(tmp_path / "results", TRI, [0.1, 0.95 + seed / 100], seed=seed)
        fake_runs.write_run(tmp_path / "results", HOSTILE, [0.1, 0.5], seed=seed, run_id=f"hostile-{seed}")
    return tmp_path / "results"


@pytest.fixture
def plot(lrbench):
    """Runs the command; returns exit code, standard output and standard error."""
    return partial(lrbench, "plot")


def test_the_file_is_written_and_the_caption_printed(plot, results, tmp_path):
    code, out, err = plot("results", "-o", "accuracy.png")
    assert (code, err) == (0, "wrote accuracy.png\n")
    assert out.startswith("lenet on MNIST, batch 100, 2,000 iterations: top-1 accuracy over the whole run, and zoomed ")
    assert len(out.splitlines()) == 1
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "inches"),
    [([], 3.3), (["--columns", "2"], 7.0), (["--width", "5.5"], 5.5), (["--columns", "2", "--width", "4"], 4.0)],
)
def test_a_figure_is_as_wide_as_it_is_to_be(plot, results, tmp_path, arguments, inches):
    assert plot("results", "-o", "x.png", "--what", "rates", "--top", "1", *arguments)[0] == 0
    (width,) = struct.unpack(">I", (tmp_path / "x.png").read_bytes()[16:20])
    assert width == round(300 * inches)


def test_grey_has_no_colours(plot, results, tmp_path):
    whats = ["--what", "accuracy", "--what", "rate-against-accuracy", "--top", "2"]
    for style, colourless in (("grey", True), ("colour", False)):
        assert plot("results", "-o", "x.png", "--style", style, *whats)[0] == 0
        pixels = imread(tmp_path / "x.png")[:, :, :3]
        assert (np.ptp(pixels, axis=2).max() < 0.02) == colourless


DRAW = """
import sys
from lrbench.cli.main import main
for suffix in ("png", "svg", "pdf"):
    sys.argv = ["lrbench", "plot", "results", "--what", "accuracy", "--what", "rates", "-o", f"{sys.argv[-1]}.{suffix}"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0
    sys.argv[-1] = sys.argv[-1].partition(".")[0]
"""


def test_the_same_results_give_the_same_bytes_without_dates_and_with_fonts_in_them(results, tmp_path):
    digests = []
    for name, seed in (("one", "1"), ("two", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", DRAW, name], check=True, env=environment, capture_output=True)
        digests.append(
            [
                hashlib.sha256((tmp_path / f"{name}.{suffix}").read_bytes()).hexdigest()
                for suffix in ("png", "svg", "pdf")
            ]
        )
    assert digests[0] == digests[1]
    svg, pdf = (tmp_path / "one.svg").read_text(), (tmp_path / "one.pdf").read_bytes()
    assert "dc:date" not in svg
    assert "<script" not in svg
    assert b"CreationDate" not in pdf
    assert b"/FontFile2" in pdf  # TrueType
    assert b"/Type3" not in pdf


def test_policies_and_how_many(plot, results):
    assert "2 of 3 policies" in plot("results", "-o", "x.svg", "--top", "2", "--what", "rates")[1]
    code, out, _ = plot("results", "-o", "x.svg", "--policies", "TRI", "--what", "rates")
    assert code == 0
    assert "1 of 3 policies" in out


def test_the_target_is_part_of_the_figure(plot, results):
    assert "target accuracy, 93 %" in plot("results", "-o", "x.svg", "--target", "0.93", "--top", "1")[1]


def test_of_several_workloads_one_is_chosen(plot, results):
    fake_runs.write_run(results, FIX, workload={**fake_runs.WORKLOAD, "net": {"name": "cnn3", "sha256": "d"}}, seed=5)
    code, out, err = plot("results", "-o", "x.svg")
    assert (code, out) == (2, "")
    assert err.startswith("error: a figure shows one workload, but there are 2: cnn3 on MNIST, batch 100, 2,000 ")
    assert len(err.splitlines()) == 1
    code, out, _ = plot("results", "-o", "x.svg", "--workload", "cnn3", "--what", "rates")
    assert code == 0
    assert out.startswith("cnn3 on MNIST")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "-o", "x.png"], "error: nowhere: no such file or folder; give a results folder or a Caffe log"),
        (["empty", "-o", "x.png"], "error: empty: there is no run in this folder, so there is nothing to report; give"),
        (["results", "-o", "x.gif"], 'error: x.gif: the suffix is ".gif"; use .png, .svg, .pdf'),
        (["results", "-o", "no/x.png"], "error: no/x.png: there is no folder no; create it"),
        (["results", "-o", "empty.png"], "error: empty.png: is not a regular file; give -o"),
        (["results", "-o", "x.png", "--policies", "TRE"], "error: --policies is 'TRE', which no run here has; did"),
        (
            ["results", "-o", "x.png", "--target", "98"],
            "error: --target is 98, but an accuracy is above 0 and at most 1",
        ),
        (["results", "-o", "x.png", "--sort", "acuracy"], "error: unknown metric 'acuracy'; did you mean "),
        (["results", "-o", "x.png", "--what", "speed"], "error: Invalid value for '--what': 'speed' is not one of"),
        (
            ["results", "-o", "x.png", "--top", "99"],
            "error: Invalid value for '--top': 99 is not in the range 1<=x<=30",
        ),
        (
            ["results", "-o", "x.png", "--width", "nan"],
            "error: --width is nan, but a figure is 2 to 30 inches wide; give",
        ),
        (
            ["results", "-o", "x.png", "--width", "330"],
            "error: --width is 330, but a figure is 2 to 30 inches wide; give",
        ),
        (["results"], "error: Missing option '-o'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(plot, results, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.png").mkdir()
    code, out, err = plot(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "x.png").exists()


def test_the_help_loads_nothing_heavy():
    script = (
        "import sys; sys.argv = ['lrbench', 'plot', '--help']\n"
        "from lrbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'matplotlib', 'numpy', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
