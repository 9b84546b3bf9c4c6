"""Tables, sizes and ages, as docker prints them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from runtime.tare.errors import CommandError
from runtime.tare.output.ages import ago, human_duration, seconds_of
from runtime.tare.output.listing import Sheet, lines_of
from runtime.tare.output.sizes import human_size, memory_size, parse_memory
from runtime.tare.output.table import aligned, ellipsised

SHEET = Sheet("{{.ID}}\t{{.Name}}\t{{.Size}}", {"ID": "VOLUME ID", "Name": "NAME", "Size": "SIZE"})
ROWS: list[dict[str, Any]] = [
    {"ID": "1", "Name": "a", "Size": "1B", "Label": lambda name: name.upper()},
    {"ID": "123456789012345", "Name": "b", "Size": lambda: "2B", "Label": lambda _: ""},
]


@pytest.mark.parametrize("template", ["", "table", "table {{.ID}}\\t{{.Name}}\\t{{.Size}}"])
def test_a_table_has_columns_three_apart_and_ten_wide(template: str) -> None:
    assert lines_of(SHEET, ROWS, template) == [
        "VOLUME ID         NAME      SIZE",
        "1                 a         1B",
        "123456789012345   b         2B",
    ]


def test_a_table_without_rows_has_its_headings() -> None:
    assert lines_of(SHEET, []) == ["VOLUME ID   NAME      SIZE"]


def test_headings_are_words_whatever_is_made_of_the_fields() -> None:
    template = 'table {{upper .Name}}\t{{json .ID}}\t{{.Label "com.my-label"}}'
    assert [line.split() for line in lines_of(SHEET, ROWS[:1], template)] == [
        ["NAME", "VOLUME", "ID", "my", "label"],
        ["A", '"1"', "COM.MY-LABEL"],
    ]


def test_a_template_is_a_line_each() -> None:
    assert lines_of(SHEET, ROWS, r"{{.Name}}\t{{.Size}}") == ["a\t1B", "b\t2B"]


@pytest.mark.parametrize("template", ["json", "{{json .}}", "{{ json . }}"])
def test_json_is_a_document_each_without_what_takes_arguments(template: str) -> None:
    assert lines_of(SHEET, ROWS[1:], template) == ['{"ID":"123456789012345","Name":"b","Size":"2B"}']


def test_a_template_that_makes_no_sense_is_refused_without_rows_too() -> None:
    with pytest.raises(CommandError, match="unclosed action") as refused:
        lines_of(SHEET, [], "{{.ID")
    assert refused.value.code == 64


def test_a_line_without_cells_begins_a_table_anew() -> None:
    assert aligned(["a\tb", "long enough to count\tb", "no cells", "a\tb"]) == [
        "a                      b",
        "long enough to count   b",
        "no cells",
        "a         b",
    ]


def test_ellipsis() -> None:
    assert ellipsised("abcdef", 6) == "abcdef"
    assert ellipsised("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (1_240_000, "1.24MB"), (77_826_441, "77.8MB")]
)
def test_human_sizes_are_powers_of_1000(size: int, text: str) -> None:
    assert human_size(size) == text


def test_memory_is_powers_of_1024() -> None:
    assert memory_size(1_238_368) == "1.181MiB"
    assert memory_size(8 << 30) == "8GiB"


@pytest.mark.parametrize(
    ("text", "size"),
    [("32", 32), ("32b", 32), ("4k", 4096), ("1.5g", 3 << 29), ("512MB", 512 << 20), ("2 GiB", 2 << 30)],
)
def test_memory_is_read(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1kbb", "1.2.3", "m"])
def test_memory_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"),
        (120, "2 minutes"), (3599, "59 minutes"), (3600, "About an hour"), (7200, "2 hours"), (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"), (14 * 86400, "2 weeks"), (60 * 86400, "2 months"), (800 * 86400, "2 years"),
    ],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
    assert ago(1000, 1000 + seconds) == f"{text} ago"


@pytest.mark.parametrize(
    "moment", ["1970-01-01T00:00:00Z", "2000-02-29T12:34:56.25Z", "2100-03-01T00:00:00.123456789Z"]
)
def test_moments_are_read_as_datetime_does(moment: str) -> None:
    seconds, _, fraction = moment.rstrip("Z").partition(".")
    expected = dt.datetime.fromisoformat(f"{seconds}+00:00").timestamp() + float(f"0.{fraction or 0}")
    assert seconds_of(moment) == pytest.approx(expected, abs=1e-6)
