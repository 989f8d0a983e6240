"""Colours, axes and files that all figures share."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import lrbench.report.page
from lrbench.drawing.axes import end_labels, fitted, plain_axes, text_inches
from lrbench.drawing.scales import log_ticks, rate_scale
from lrbench.drawing.theme import COLOURS, MOST_POLICIES, page_theme, print_look, screen_look
from lrbench.policies import parse_policy

# What protanopes, deuteranopes and tritanopes see of linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
GROUND = {"light": "#ffffff", "dark": "#101418"}


def linear(colours):
    shades = np.array([to_rgb(colour) for colour in colours])
    return np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)


def cielab(rgb):
    x, y, z = np.cbrt(np.clip(rgb, 0, 1) @ XYZ.T / XYZ.sum(axis=1)).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", GROUND)
def test_any_two_colours_are_apart_for_every_reader(ground, vision):
    seen = cielab(linear(COLOURS[ground]) @ np.array(VISION[vision]).T)
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) >= 12


@pytest.mark.parametrize("ground", GROUND)
def test_every_colour_stands_out_from_its_ground(ground):
    *colours, back = linear([*COLOURS[ground], GROUND[ground]]) @ XYZ[1]
    assert min((max(shade, back) + 0.05) / (min(shade, back) + 0.05) for shade in colours) >= 3


def test_no_two_policies_of_a_figure_look_alike():
    screen = [screen_look(index) for index in range(MOST_POLICIES)]
    assert len({(look["color"], str(look["linestyle"])) for look in screen}) == MOST_POLICIES
    for style in ("colour", "grey"):
        paper = [print_look(style, index) for index in range(MOST_POLICIES)]
        assert len({(look["marker"], str(look["linestyle"])) for look in paper}) == MOST_POLICIES
        assert [look["linestyle"] for look in paper] == [look["linestyle"] for look in screen]
    page = page_theme()
    drawn = {(page["light"][index % 8], str(page["dashes"][index % 32])) for index in range(page["most"])}
    assert len(drawn) == page["most"] == MOST_POLICIES


def test_the_scripts_of_the_page_have_no_colours_of_their_own():
    for script in (Path(lrbench.report.page.__file__).parent / "assets").glob("*.js"):
        assert not re.findall(r"#[0-9a-fA-F]{6}\b|\brgba?\(", script.read_text()), script


@pytest.mark.parametrize(("first", "last"), [(99_400, 100_000), (0, 1_000_000), (64_123, 100_000), (0, 3)])
@pytest.mark.parametrize("inches", [1.0, 1.7, 3.0, 6.0])
def test_numbers_on_the_axis_of_iterations_keep_apart(first, last, inches):
    figure = Figure(figsize=(inches, 1.2))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.3, 0.8, 0.6))
    axes.plot([first, last], [0, 1])
    plain_axes(axes, 6)
    figure.canvas.draw()
    shown = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    low, high = axes.bbox.x0 - 1, axes.bbox.x1 + 1
    boxes = [box for box in shown if low <= (box.x0 + box.x1) / 2 <= high]
    assert boxes
    assert all(left.x1 + 2 < right.x0 for left, right in itertools.pairwise(boxes))


def test_a_rate_that_is_far_too_high_does_not_flatten_the_others():
    quickstart = ["FIX(k0=0.01)", "TRI(k0=0.001, k1=0.03, l=75)", "COSDECAY(k0=0.03)", "FIX(k0=0.1)"]
    rates = [parse_policy(text).rates(np.arange(300), 300) for text in quickstart]
    scale = rate_scale(rates)
    assert scale.logarithmic
    height = (np.log([0.01, 0.03]) - np.log(scale.low)) / np.log(scale.high / scale.low)
    assert height.min() > 0.4
    assert scale.low == pytest.approx(0.01 / 30)  # where COSDECAY, which ends at 0, leaves the axis
    assert not rate_scale(rates[:3]).logarithmic
    assert rate_scale(rates[:3]).low == 0
    assert rate_scale([np.zeros(3), np.full(2, np.nan)]).high == 1


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.001, 1, [0.001, 0.01, 0.1, 1]),
        (0.02, 5, [0.03, 0.1, 0.3, 1, 3]),
        (0.9, 6, [1, 2, 5]),
        (0.21, 0.46, [0.25, 0.3, 0.4]),
    ],
)
def test_an_axis_of_logarithms_has_three_ticks_or_more(low, high, ticks):
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_labels_at_the_ends_of_lines_keep_apart_and_in_order():
    figure = Figure(figsize=(5, 3))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_ylim(0, 1)
    end_labels(axes, [(0.5, "2a", "C0"), (0.5, "2b", "C1"), (0.51, "1", "C2"), (0.0, "4", "C3"), (2.0, "gone", "C4")])
    figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert sorted(boxes) == ["1", "2a", "2b", "4"]
    upwards = [boxes[name] for name in ("4", "2a", "2b", "1")]
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in itertools.pairwise(upwards))


def test_a_policys_text_is_broken_by_its_true_width():
    text = "WARMUP(policy=COSDECAY(k0=0.03, k1=0), l=30, k0=0, count=stage)"
    lines = fitted(f"2.  {text}", 1.2, 6, 4).split("\n")
    assert max(text_inches(line, 6) for line in lines) <= 1.2
    assert "".join(lines).replace(" ", "") == f"2.{text}".replace(" ", "")
    cut = fitted("W" * 400, 1.2, 6, 2)
    assert cut.endswith("W …")
    assert text_inches(cut.split("\n")[1], 6) <= 1.2
    assert fitted("94.40 (n=1); 93 % at 150 (1/2)", 1.2, 6, 2).split("\n")[1].endswith("(1/2)")
    assert fitted("best; 93 % at 150", text_inches("best; 93 ", 6), 6, 3).split("\n") == ["best;", "93 % at", "150"]


def test_a_picture_is_saved_like_every_other_figure(tmp_path):
    picture = parse_policy("FIX(k0=0.1)").plot(10)
    for name in ("a.pdf", "b.pdf", "a.svg", "b.svg"):
        picture.save(tmp_path / name)
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()  # a TrueType font
    for kind in ("pdf", "svg"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "a.svg", "b.pdf", "b.svg"]
