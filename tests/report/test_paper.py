"""Figures for papers: what is drawn, that no text is cut or covers data, and that nothing needs colour."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from factories import fake_runs
from factories.made_up_reports import report_of, run_row
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lrbench.drawing.save import drawing
from lrbench.drawing.theme import MOST_POLICIES, PAPER_DPI, PAPER_SETTINGS, print_look
from lrbench.errors import UsageError
from lrbench.metrics.registry import metric_named
from lrbench.report.figures.paper import draw_paper
from lrbench.report.figures.paper_layout import COLUMN_INCHES, WHATS, Paper
from lrbench.report.figures.paper_text import caption, value_text
from lrbench.report.selection import chosen_policies, chosen_workload

BEST = metric_named("best_accuracy")
FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)"
NESTED = (
    "WARMUP(policy=COMPOSE(policies=[TRI(k0=0.00123, k1=0.0654, l=2000), SINEXP(k0=0.001, k1=0.05, gamma=0.99, "
    "l=75)], boundaries=[1000], count=stage), l=30, k0=0, count=stage)"
)


def table_of(count, policy="FIX(k0={})", **values):
    """A workload of so many policies with three seeds each."""
    runs = [
        run_row(policy.format(place + 1), [0.1, 0.6, 0.9 - place / 100 + seed / 200], seed=seed, **values)
        for place in range(count)
        for seed in range(3)
    ]
    return report_of(runs).workloads[0]


def drawn(table, paper, dpi=100):
    """The figure with everything in its place, and what measures its texts; no pixel is filled."""
    with drawing(PAPER_SETTINGS):
        figure = draw_paper(table, BEST, table.policies, paper)
        figure.set_dpi(dpi)
        figure.canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure, figure.canvas.get_renderer()


@pytest.mark.parametrize("style", ["grey", "colour"])
def test_without_colour_every_line_has_a_look_of_its_own(style):
    looks = [print_look(style, place) for place in range(MOST_POLICIES)]
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks}) == MOST_POLICIES


def test_grey_is_grey_and_neighbours_differ_in_lightness():
    from matplotlib.colors import to_rgb

    shades = [to_rgb(print_look("grey", place)["color"]) for place in range(MOST_POLICIES)]
    assert all(len(set(shade)) == 1 for shade in shades)
    assert all(abs(one[0] - other[0]) > 0.15 for one, other in itertools.pairwise(shades))


@pytest.mark.parametrize(
    ("columns", "count", "policy", "dpi"),
    [
        (1, 6, NESTED.replace("30", "{}"), PAPER_DPI),
        (2, 6, NESTED.replace("30", "{}"), 100),
        (1, 30, "FIX(k0={})", PAPER_DPI),
    ],
)
def test_the_legend_is_whole_and_covers_no_panel(columns, count, policy, dpi):
    figure, renderer = drawn(table_of(count, policy), Paper(("confidence",), COLUMN_INCHES[columns]), dpi)
    (legend,) = figure.legends
    box = legend.get_window_extent(renderer)
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.x1
    for axes in figure.axes:
        assert axes.get_tightbbox(renderer).y0 >= box.y1 - dpi / 100
        assert axes.bbox.height > 0.8 * figure.dpi


@pytest.mark.parametrize(
    ("columns", "policy"),
    [
        (1, NESTED.replace("30", "{}")),
        (2, NESTED.replace("30", "{}")),
        (1, TRI.replace("200", "{}00")),
        (1, "WARMUP(policy=COSDECAY(k0=0.03, k1=0), l={}0, k0=0, count=stage)"),
    ],
)
def test_titles_of_policies_are_whole_and_keep_apart(columns, policy):
    figure, renderer = drawn(table_of(6, policy), Paper(("rate-against-accuracy",), COLUMN_INCHES[columns]))
    boxes = [axes._left_title.get_window_extent(renderer) for axes in figure.axes if axes.get_title("left")]
    assert len(boxes) == 6
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 + 1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("what", WHATS)
def test_runs_with_next_to_nothing_to_draw(what):
    runs = [run_row(FIX, [], status="running"), run_row(TRI, [None], status="diverged"), run_row("x$y^", [0.5])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(report_of(runs).workloads[0], Paper((what,)))


def test_panels_stand_in_the_order_in_which_they_were_asked_for_and_are_lettered():
    figure, _ = drawn(table_of(2), Paper(("loss", "rates", "accuracy")))
    titles = [axes.get_title("left") for axes in figure.axes]
    assert [title[:3] for title in titles] == ["(a)", "(b)", "(c)", "2. ", "(d)", "(e)"]
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "training loss",
        "test loss",
        "learning rate",
        "",
        "top-1 accuracy",
        "top-1 accuracy, zoomed in",
    ]


@pytest.mark.parametrize(("columns", "count", "rows"), [(1, 3, [2, 1]), (2, 4, [4]), (2, 5, [3, 2]), (2, 9, [3, 3, 3])])
def test_rows_of_policies_are_as_full_as_each_other_and_as_wide_as_the_figure(columns, count, rows):
    figure, _ = drawn(table_of(count), Paper(("rates", "loss"), COLUMN_INCHES[columns]))
    boxes = [axes.get_position() for axes in figure.axes[:count]]
    assert [len(list(row)) for _, row in itertools.groupby(round(box.y0, 3) for box in boxes)] == rows
    losses = figure.axes[count + columns - 1].get_position()
    assert max(box.x1 for box in boxes) == pytest.approx(losses.x1, abs=0.01)


def test_accuracy_stands_before_the_rates_on_an_axis_of_its_own():
    table = report_of([run_row(TRI, [0.1, 0.8, 0.9])]).workloads[0]
    figure, _ = drawn(table, Paper(("rate-against-accuracy",)))
    accuracy, rate = figure.axes
    assert accuracy.get_zorder() > rate.get_zorder()
    assert accuracy.lines[0].get_ydata().tolist() == [0.1, 0.8, 0.9]
    assert rate.lines[0].get_ydata().max() == pytest.approx(0.06)
    assert (accuracy.get_ylabel(), rate.get_ylabel()) == ("top-1 accuracy", "learning rate")
    assert "90.00 (n=1)" in accuracy.get_title("left")


def test_the_bands_are_those_of_the_seeds():
    figure, _ = drawn(table_of(5), Paper(("accuracy",)))
    bands = [band.get_datalim(figure.axes[0].transData) for band in figure.axes[0].collections]
    assert len(bands) == 3  # of the first three; more would hide each other
    assert (bands[0].y1, bands[2].y1) == pytest.approx((0.91, 0.89))


def test_the_near_panel_shows_where_the_better_half_ends():
    figure, _ = drawn(table_of(9), Paper(("accuracy",)))
    low, high = figure.axes[1].get_ylim()
    assert low < 0.865 < 0.905 < high
    assert low > 0.7


def test_a_diverged_seed_has_a_cross_where_it_ended():
    runs = [run_row(FIX, [0.1, 0.5, None], status="diverged"), run_row(TRI, [0.1, 0.7, 0.8])]
    figure, _ = drawn(report_of(runs).workloads[0], Paper(("accuracy",)))
    crosses = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert crosses == [[[500, 0.5]]]


def test_the_text_of_a_policy_is_what_the_table_says():
    table = report_of(
        [run_row(FIX, [0.1, 0.9 + seed / 100], seed=seed, target=0.85) for seed in range(2)]
        + [run_row(TRI, [0.1, 0.8, None], status="diverged", target=0.85)]
    ).workloads[0]
    assert [value_text(table, row, BEST) for row in table.policies] == [
        "90.50 ± 0.71 (n=2); best; 85 % at 500",
        "80.00 (n=1); 1 of 1 diverged; 85 % not reached",
    ]


def test_the_caption_says_what_is_shown_and_how_sure_it_is():
    table = table_of(5)
    text = caption(table, table.policies[:4], ("accuracy", "rates"), BEST)
    assert text == (
        "lenet on MNIST, batch 100, 2,000 iterations: top-1 accuracy over the whole run, and zoomed in on the best; "
        "learning rates. 4 of 5 policies, ranked by best accuracy. Lines: mean over the seeds (3 per policy); bands: lowest to "
        "highest seed, of the first 3. p: Tukey's test of all pairs over the seeds, against the best policy."
    )
    one = report_of([run_row(FIX, [0.9]), run_row(TRI, [0.8])]).workloads[0]
    assert caption(one, one.policies, ("loss",), BEST).endswith("One seed each, so the noise between seeds is unknown.")


def test_policies_are_chosen_by_text_or_function_in_the_order_of_their_ranks():
    table = report_of([run_row(FIX, [0.9]), run_row(TRI, [0.8]), run_row("FIX(k0=1)", [0.7])]).workloads[0]

    def chosen(*wanted, most=30):
        return [row.policy for row in chosen_policies(table, wanted, most)]

    assert chosen() == [FIX, TRI, "FIX(k0=1)"]
    assert chosen(most=2) == [FIX, TRI]
    assert chosen("FIX") == chosen("fix") == [FIX, "FIX(k0=1)"]
    assert chosen("FIX", most=1) == [FIX]
    assert chosen("TRI(l=200, k1=6e-2, k0=0.010)", "FIX(k0=1)") == [TRI, "FIX(k0=1)"]
    with pytest.raises(UsageError, match=r"--policies is 'TRO', which no run here has; did you mean TRI\?"):
        chosen("TRO")
    with pytest.raises(UsageError, match="which no run here has; there are policies of FIX, TRI"):
        chosen("weights")


def test_one_of_several_workloads_is_chosen_by_a_part_of_its_name():
    named = {name: {**fake_runs.WORKLOAD, "net": {"name": name, "sha256": name}} for name in ("lenet", "lenet5")}
    report = report_of([run_row(FIX, [0.9], workload=workload) for workload in named.values()])
    assert chosen_workload(report, "LeNet5 on").label.startswith("lenet5 on MNIST")
    exact = "lenet on MNIST, batch 100, 2,000 iterations"
    assert chosen_workload(report, exact).label == exact
    with pytest.raises(UsageError, match=r"there are 2: lenet on .*; lenet5 on .*; choose with --workload TEXT"):
        chosen_workload(report, None)
    with pytest.raises(UsageError, match="there are 2"):
        chosen_workload(report, "lenet")
    with pytest.raises(UsageError, match="--workload is 'vgg', but there is lenet on MNIST, "):
        chosen_workload(report, "vgg")


def test_an_accuracy_to_reach_is_a_line():
    figure, _ = drawn(report_of([run_row(FIX, [0.1, 0.9], target=0.85)]).workloads[0], Paper(("accuracy",)))
    assert any(np.allclose(line.get_ydata(), 0.85) for line in figure.axes[0].lines)
