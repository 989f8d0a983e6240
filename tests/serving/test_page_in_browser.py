"""The page in a real browser: it draws, sorts, filters, follows runs, and fits a phone and the dark."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from factories import fake_runs

from lrbench.drawing.scales import log_ticks
from lrbench.metrics.registry import METRICS
from lrbench.report.build import build_report
from lrbench.report.figures.data import zoom
from lrbench.report.figures.panels import Rates
from lrbench.report.load import load
from lrbench.report.page.document import page_document
from lrbench.report.page.html import page_html
from lrbench.serving.live_page import LivePage
from lrbench.serving.server import PageServer

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = pytest.mark.xdist_group("browser")

FIX, TRI, SIN = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "SIN(k0=0.01, k1=0.06, l=2000)"
HOSTILE = "</script><img src=x onerror=document.title='owned'><b>"


@pytest.fixture(scope="module")
def chromium():
    """One headless Chromium for all tests of this file."""
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium: apt install chromium chromium-driver")
    options = Options()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


class Page:
    """The page as a reader has it."""

    def __init__(self, browser: WebDriver, results: Path) -> None:
        self.browser, self.results = browser, results

    def script(self, text: str, *arguments: object) -> Any:
        return self.browser.execute_script(f"return {text}", *arguments)

    def policies(self) -> list[str]:
        texts: list[str] = self.script(
            "[...document.querySelectorAll('#policy-table tbody th')].map((cell) => cell.textContent)"
        )
        return texts

    def click(self, css: str) -> None:
        self.browser.find_element("css selector", css).click()

    def screen(self, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        self.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def wait(self, condition: str, seconds: float = 100.0) -> None:
        end = time.monotonic() + seconds
        while not self.script(condition):
            assert time.monotonic() < end, f"not within {seconds} s: {condition}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of made-up results with two solvers, a range test, a damaged run, a hostile name and a run under way."""
    results = tmp_path_factory.mktemp("browsed") / "results"
    for seed in (0, 1):
        for policy, end in ((TRI, 0.97), (SIN, 0.965), (FIX, 0.9)):
            fake_runs.write_run(results, policy, [0.1, 0.8, end + seed / 1000], seed=seed, target_accuracy=0.85)
            fake_runs.write_run(
                results,
                policy,
                [0.1, 0.7, end - 0.01 - seed / 500],
                seed=seed,
                target_accuracy=0.85,
                solver={**fake_runs.SOLVER, "type": "Adam"},
            )
    fake_runs.write_run(results, HOSTILE, [0.1, 0.3, None], status="diverged", reason=HOSTILE, target_accuracy=0.85)
    for rate in (0.001, 0.01, 0.1):
        fake_runs.write_run(
            results,
            f"FIX(k0={rate})",
            [0.1, 0.5],
            experiment="exp-range",
            workload={**fake_runs.WORKLOAD, "iterations": 500},
        )
    (fake_runs.write_run(results, "FIX(k0=9)") / "run.json").write_text("{")
    page = LivePage(lambda: _read(results), [results])
    with PageServer("127.0.0.1", 0, page) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running, results
        running.shutdown()
        thread.join()


def _read(results):
    loaded = load([results])
    return build_report(loaded.runs, METRICS["best_accuracy"], [results], loaded.problems)


@pytest.fixture
def page(chromium, server):
    """The page, opened anew on an ordinary screen."""
    running, results = server
    opened = Page(chromium, results)
    opened.screen()
    chromium.get(running.url)
    opened.wait("document.querySelectorAll('#curves svg').length > 1")
    return opened


def test_it_draws_without_an_error_and_answers_first(page):
    assert page.errors() == []
    used = page.script("document.getElementById('use').textContent")
    assert used.startswith(f"{TRI}, SGD: best accuracy 97.05 ± 0.07 % (mean")
    assert page.script("document.getElementById('cost').textContent").startswith("A run takes 2,000 iterations")
    assert page.script("document.querySelectorAll('#legend li').length") == 5
    assert "run.json is not JSON" in page.script("document.getElementById('problems').innerText")
    assert page.script("document.querySelectorAll('.heat td.best').length") == 2
    assert "Best fixed rate" in page.script("document.getElementById('range').innerText")


def test_hostile_names_are_shown_and_not_run(page):
    assert page.script("document.title").startswith("LRBench: lenet on MNIST")
    assert page.script("document.querySelectorAll('img').length") == 0
    assert HOSTILE in page.policies()


def test_every_chart_says_in_words_what_it_shows(page):
    assert page.script(
        "[...document.querySelectorAll('.chart')].every((one) => one.getAttribute('role') === 'img' && "
        "one.getAttribute('aria-label').length > 20)"
    )
    page.click("#curves details summary")
    page.wait("document.querySelectorAll('#curves details table tbody tr').length === 5")


def test_it_sorts_by_keyboard_and_says_so(page):
    ranked = page.policies()
    head = "#policy-table th[data-column='policy']"
    page.script(f'document.querySelector("{head} button").focus()')
    page.browser.switch_to.active_element.send_keys("\ue007")
    assert page.policies() == sorted(ranked, key=str.lower)
    assert page.script(f"document.querySelector(\"{head}\").getAttribute('aria-sort')") == "ascending"
    page.wait(f'document.activeElement.closest("{head}") !== null')  # the keyboard stays where it was
    page.click(f"{head} button")
    assert page.policies() == sorted(ranked, key=str.lower, reverse=True)


def test_it_filters_policies_and_runs(page):
    page.browser.find_element("css selector", "#filters input").send_keys("sin")
    assert page.policies() == [SIN, SIN]
    page.script(
        "(() => { const one = document.querySelector('#filters select[name=solver]'); one.value = 'Adam'; "
        "one.dispatchEvent(new Event('change')); })()"
    )
    assert page.policies() == [SIN]
    assert page.script("document.querySelectorAll('#run-table tbody tr').length") == 2
    page.script(
        "(() => { const one = document.querySelector('#filters select[name=seed]'); one.value = '1'; "
        "one.dispatchEvent(new Event('change')); })()"
    )
    assert page.script("document.querySelectorAll('#run-table tbody tr').length") == 1
    page.click("#filters button[type=reset]")
    assert len(page.policies()) == 7
    page.script(
        "(() => { const one = document.querySelector('#filters select[name=status]'); one.value = 'diverged'; "
        "one.dispatchEvent(new Event('change')); })()"
    )
    assert page.policies() == [HOSTILE]


def test_the_reader_chooses_what_is_drawn(page):
    page.click("#policy-table tbody tr:nth-child(2) input")
    assert page.script("document.querySelectorAll('#legend li').length") == 4
    page.script("[...document.querySelectorAll('#shown button')][2].click()")
    assert page.script("document.querySelectorAll('#legend li').length") == 0
    page.script("[...document.querySelectorAll('#shown button')][0].click()")
    assert page.script("document.querySelectorAll('#legend li').length") == 5


def test_a_runs_spec_can_be_copied(page):
    page.click("#run-table details summary")
    page.wait("document.querySelector('#run-table pre') !== null")
    assert page.script("document.querySelector('#run-table pre').textContent").startswith("# one run; save as run.yaml")


def test_a_new_evaluation_shows_within_five_seconds_and_keeps_sort_and_filter(page):
    page.browser.find_element("css selector", "#filters input").send_keys("k0")
    page.click("#policy-table th[data-column='policy'] button")
    before = page.policies()
    run = fake_runs.write_run(page.results, "EXP(k0=0.1, gamma=0.9)", [0.1, 0.2], status="running")
    with fake_runs.held(run):
        page.wait("document.getElementById('underway').innerText.includes('EXP(k0=0.1')")
        with (run / "evaluations.jsonl").open("a") as file:
            file.write(json.dumps(fake_runs.evaluation(1000, 0.4321)) + "\n")
        page.wait("document.getElementById('underway').innerText.includes('43.21 %')")
    assert page.policies() == ["EXP(k0=0.1, gamma=0.9)", *before]
    assert page.script("document.querySelector('#filters input').value") == "k0"
    assert page.errors() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    page.screen(scheme=scheme)
    found = page.script(
        "(() => { const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]; })()"
    )
    text, ground = (_luminance(colour) for colour in found)
    assert (text > ground) == (scheme == "dark")
    assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) > 7
    assert page.errors() == []


def _luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_phone_scrolls_tables_and_never_the_page(page):
    page.screen(width=360, height=740)
    page.browser.refresh()
    page.wait("document.querySelectorAll('#policy-table tbody tr').length > 0")
    assert page.script("document.documentElement.scrollWidth") <= 360
    assert page.script("[...document.querySelectorAll('.chart')].every((one) => one.clientWidth <= 340)")


def test_all_charts_are_drawn_for_print(page):
    page.script("dispatchEvent(new Event('beforeprint'))")
    assert page.script(
        "[...document.querySelectorAll('#curves .chart, #bars .chart')].every((one) => "
        "one.querySelector('svg') !== null)"
    )
    page.script("dispatchEvent(new Event('afterprint'))")
    assert page.errors() == []


@pytest.fixture(scope="module")
def wordy(tmp_path_factory):
    """A page of policies whose texts fill three lines, and of losses within one decade."""
    results = tmp_path_factory.mktemp("wordy") / "results"
    for rate in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06):
        policy = f"WARMUP(policy=COSDECAY(k0={rate}, k1=0), l=30, k0=0, count=stage)"
        stages = f"COMPOSE(policies=[{policy}, FIX(k0={rate})], boundaries=[1000])"
        fake_runs.write_run(results, stages, [0.1, 0.8, 0.9 + rate], target_accuracy=0.85)
    path = results.parent / "wordy.html"
    path.write_bytes(page_html(page_document(_read(results), datetime.now(timezone.utc))))
    return path


@pytest.mark.parametrize("width", [1280, 360])
def test_labels_of_bars_stand_apart(chromium, wordy, width):
    opened = Page(chromium, wordy.parent)
    opened.screen(width)
    chromium.get(wordy.as_uri())
    opened.script("document.getElementById('bars').scrollIntoView()")
    opened.wait("document.querySelectorAll('#bars svg').length === 2")
    boxes = opened.script("""[...document.querySelectorAll('#bars figure:first-child svg text')]
        .filter((text) => text.getAttribute('text-anchor') === 'end')
        .map((text) => text.getBoundingClientRect().toJSON())""")
    assert len(boxes) == 2 * 6
    assert all(upper["bottom"] <= lower["top"] for upper, lower in itertools.pairwise(boxes))
    frame = opened.script("document.querySelector('#bars figure').getBoundingClientRect().left")
    assert min(box["left"] for box in boxes) > frame


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A page of policies that end close together, two of them level, and one with a rate that is far too high."""
    results = tmp_path_factory.mktemp("crowded") / "results"
    for policy, end in ((TRI, 0.97), (SIN, 0.97), ("FIX(k0=0.02)", 0.9695), (FIX, 0.968), ("FIX(k0=0.03)", 0.967)):
        fake_runs.write_run(results, policy, [0.1, 0.8, end], target_accuracy=0.85)
    fake_runs.write_run(results, "FIX(k0=0.6)", [0.1, None], status="diverged", target_accuracy=0.85)
    path = results.parent / "crowded.html"
    path.write_bytes(page_html(page_document(_read(results), datetime.now(timezone.utc))))
    return path


@pytest.fixture
def close(chromium, crowded):
    """That page, opened anew."""
    opened = Page(chromium, crowded.parent)
    opened.screen(1280, 3000)
    chromium.get(crowded.as_uri())
    opened.wait("document.querySelectorAll('#curves svg').length > 3")
    return opened


def test_labels_at_the_ends_of_lines_differ_and_keep_apart(close):
    labels = close.script("[...document.querySelectorAll('#legend li')].map((one) => one.textContent.split(' ')[0])")
    assert labels == ["#1a", "#1b", "#3", "#4", "#5"]
    for chart in range(close.script("document.querySelectorAll('#curves svg').length")):
        boxes = close.script(f"""[...document.querySelectorAll('#curves svg')[{chart}].querySelectorAll('text')]
            .filter((text) => text.textContent.startsWith('#')).map((text) => text.getBoundingClientRect().toJSON())
            .sort((one, other) => one.top - other.top)""")
        assert boxes
        assert all(lower["top"] - upper["top"] >= 9 for upper, lower in itertools.pairwise(boxes)), chart


def test_every_policy_is_named_where_cost_is_set_against_quality(close):
    texts = close.script("""[...document.querySelectorAll('#bars figure:last-child svg text')]
        .map((text) => text.textContent).filter((text) => text.startsWith('#'))""")
    assert set(" ".join(texts).split()) == {"#1a", "#1b", "#3", "#4", "#5"}


def test_the_page_draws_the_axes_that_the_picture_files_have(close):
    document = close.script("data")
    table = _read(close.results / "results").workloads[0]
    part = zoom(table.policies)
    assert document["workloads"][0]["zoom"] == {name: pytest.approx(value) for name, value in vars(part).items()}
    assert not close.script("kindFor(drawnRows(), curveKinds()[0]).axis").endswith("(log)")
    close.script("[...document.querySelectorAll('#shown button')][1].click()")
    assert close.script("kindFor(drawnRows(), curveKinds()[0]).axis").endswith("(log)")
    scale = Rates.of(table.policies).scale
    assert scale.logarithmic
    assert 10 ** close.script("kindFor(drawnRows(), curveKinds()[0]).scale.to(0)") == pytest.approx(scale.low, rel=1e-4)
    for low, high in ((0.001, 1), (0.02, 5), (0.9, 6), (0.21, 0.46)):
        row = {"curves": {"test_loss": {"mean": [low, high]}}}
        ticks = close.browser.execute_script("return logarithmTicks([arguments[0]], curveKinds()[4])", row)
        assert [10**tick for tick in ticks] == pytest.approx(log_ticks(low, high))
    assert close.errors() == []


def test_on_paper_the_legend_stays_whole_and_three_rows_of_charts_fit_a_page(close):
    close.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    close.script("dispatchEvent(new Event('beforeprint'))")
    try:
        style = "getComputedStyle(document.getElementById('legend'))"
        assert close.script(f"[{style}.breakInside, {style}.breakAfter]") == ["avoid", "avoid"]
        heights = close.script(
            "[...document.querySelectorAll('#curves figure')].map((one) => one.getBoundingClientRect().height)"
        )
        assert 3 * (max(heights) + 8) < 800  # of the 950 pixels of a page; the rest is for heading and legend
    finally:
        close.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        close.script("dispatchEvent(new Event('afterprint'))")
