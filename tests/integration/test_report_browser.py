"""The report in a real browser: drawn, quiet, without a network, on every kind of screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.page import write_report
from tests.support.chromium import Page, browser
from tests.support.synthetic import TRUTHS, Scenario, write_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

UNDRAWN = "[...document.querySelectorAll('.plot')].filter(plot => !plot.querySelector('.main-svg')).length"
MARKS = "[...document.querySelectorAll('.plot')].map(plot => plot.querySelectorAll('.points path').length)"
# Texts of a plot that stand outside of the area that it is drawn on.
CLIPPED = """[...document.querySelectorAll('.plot')].flatMap(plot => {
  const area = plot.querySelector('.main-svg').getBoundingClientRect();
  return [...plot.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width > 0 && (box.left < area.left - 1 || box.right > area.right + 1);
  }).map(text => text.textContent);
})"""
# Names of categories, numbers and ticks that lie on each other.
OVERLAPS = """[...document.querySelectorAll('.plot')].flatMap(plot => {
  const boxes = [...plot.querySelectorAll('text')].filter(text => text.textContent.trim())
    .map(text => ({ text: text.textContent, box: text.getBoundingClientRect() })).filter(one => one.box.width > 0);
  return boxes.flatMap((one, at) => boxes.slice(at + 1).filter(other =>
    one.box.left < other.box.right - 1 && other.box.left < one.box.right - 1 &&
    one.box.top < other.box.bottom - 2 && other.box.top < one.box.bottom - 2)
    .map(other => `${one.text} | ${other.text}`));
})"""
INK = "getComputedStyle(document.querySelector('.xtick text')).fill"


# Measurements as a busy host gives them: wide intervals, slopes that may be nothing.
NOISY = Scenario(truths={driver: replace(truth, noise=12 * truth.noise) for driver, truth in TRUTHS.items()}, seed=3)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("report") / "run", Scenario()))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_it_is_drawn_without_a_word_or_a_request(page: Page, report: Path, width: int, scheme: str) -> None:
    page.open(report, width, scheme)
    assert page.trouble == []
    assert set(page.requests) == {report.as_uri()}
    assert page.evaluate(UNDRAWN) == 0
    marks = page.evaluate(MARKS)
    assert len(marks) == 8
    assert all(count > 0 for count in marks)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_wide_intervals_leave_the_numbers_readable(page: Page, tmp_path: Path, width: int) -> None:
    page.open(write_report(write_run(tmp_path / "run", NOISY)), width)
    assert page.trouble == []
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(OVERLAPS) == []


def test_plots_follow_the_colour_scheme(page: Page, report: Path) -> None:
    page.open(report, 1280, "light")
    light = page.evaluate(INK)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.evaluate("new Promise(done => setTimeout(done, 500))")
    assert page.evaluate(INK) != light


def test_a_hostile_run_directory_runs_no_script(page: Page, tmp_path: Path) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    path = write_report(write_run(tmp_path / "run", Scenario(counts={"container": 4, "vm": 2}, image=attack)))
    page.open(path)
    assert page.trouble == []
    assert "owned" not in page.evaluate("document.title")
    assert page.evaluate("document.querySelectorAll('img, main script:not([type])').length") == 0


@pytest.mark.parametrize("counts", [{}, {"container": 1}, {"vm": 3}], ids=["nothing", "one container", "three VMs"])
def test_sparse_runs_are_drawn_too(page: Page, tmp_path: Path, counts: dict[str, int]) -> None:
    path = write_report(write_run(tmp_path / "run", Scenario(counts=counts)))
    page.open(path, 390)
    assert page.trouble == []
    assert page.evaluate(UNDRAWN) == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
