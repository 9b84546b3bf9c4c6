"""Styles, typesetting and dot plots."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import pytest
from markupsafe import Markup

from reports.axes import TIMES_MS, around
from reports.dots import Dot, dot_plot
from reports.figure import log_axis, plain
from reports.style import style
from reports.typesetting import tied

DRIVERS = ("container", "vm", "process", "anything else")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palettes() -> list[dict[str, str]]:
    """The colours of the page: light, dark, print."""
    css = files("reports").joinpath("page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


@pytest.mark.parametrize(("one", "other"), list(combinations(DRIVERS, 2)))
def test_no_two_treatments_depend_on_colour_alone(one: str, other: str) -> None:
    assert style(one).symbol != style(other).symbol
    assert style(one).dash != style(other).dash


@pytest.mark.parametrize("driver", ["container", "vm", "process"])
def test_marks_stand_out_from_every_ground(driver: str) -> None:
    assert len(palettes()) == 3
    for palette in palettes():
        assert contrast(style(driver).colour, palette["card"]) >= 3


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "paper"),
        ("quiet", "paper"),
        ("quiet", "card"),
        ("link", "paper"),
        ("good", "good-soft"),
        ("bad", "bad-soft"),
        ("open", "open-soft"),
        ("quiet", "soft"),
    ],
)
def test_text_is_readable_on_its_ground(text: str, ground: str) -> None:
    for palette in palettes():
        assert contrast(palette[text], palette[ground]) >= 4.5


def test_numbers_are_tied_to_their_units_and_intervals() -> None:
    assert tied("11.4 ms [11.0, 11.8], n = 200").replace("\N{NO-BREAK SPACE}", "_") == "11.4_ms [11.0,_11.8], n_=_200"  # type: ignore[attr-defined]
    assert tied("a VM's box") == "a VM\N{RIGHT SINGLE QUOTATION MARK}s box"


@pytest.mark.parametrize("value", ["always [madvise] never", "5 containers", 7, None])
def test_other_things_stay_as_they_are(value: object) -> None:
    assert tied(value) == value


def test_markup_is_not_typeset() -> None:
    assert tied(Markup("if (a = 5 ms)")) == "if (a = 5 ms)"


def test_labels_are_safe_for_plotly() -> None:
    assert plain("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"


def test_an_axis_names_only_what_lies_on_it() -> None:
    axis = log_axis(0.5, 200.0, "time", TIMES_MS)
    assert axis["ticktext"] == ["1 ms", "10 ms", "100 ms"]


def test_a_range_holds_what_it_is_made_around() -> None:
    low, high = around([0.0, 3.0, 40.0])
    assert 0 < low < 3
    assert high > 40
    assert around([]) == (0.1, 10.0)


def test_dots_of_one_row_do_not_lie_on_each_other() -> None:
    dots = [Dot(row, driver, 5.0, 4.0, 6.0, "5") for row in ("a", "b") for driver in ("container", "vm")]
    spec, height = dot_plot(dots, ("container", "vm"), "size", TIMES_MS)
    marks = [trace for trace in spec["data"] if trace["mode"] == "markers"]
    places = {place for trace in marks for place in trace["y"]}
    low, high = spec["layout"]["yaxis"]["range"]
    assert len(places) == 4
    assert all(low < place < high for place in places)
    assert height > high - low
    assert [note["text"] for note in spec["layout"]["annotations"]] == ["<b>a</b>", "<b>b</b>"]


def test_a_dot_without_interval_has_no_whisker() -> None:
    dots = [Dot("a", "vm", 5.0, None, None, "5"), Dot("b", "vm", 5.0, 4.0, 7.0, "5")]
    spec, _ = dot_plot(dots, ("vm",), "size", TIMES_MS)
    assert spec["data"][0]["error_x"]["array"] == [None, 2.0]
    assert spec["data"][0]["error_x"]["arrayminus"] == [None, 1.0]
