"""Columns of text, as Go's tabwriter aligns them for docker: three blanks apart, at least ten wide."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST, _APART = 10, 3


def aligned(lines: Sequence[str]) -> list[str]:
    """The lines, whose cells are ended by tabs. What follows the last tab of a line is in no column."""
    rows = [line.split("\t") for line in lines]
    widths = _widths(rows)
    return [
        "".join([*(cell.ljust(width) for cell, width in zip(row[:-1], sizes, strict=True)), row[-1]])
        for row, sizes in zip(rows, widths, strict=True)
    ]


def _widths(rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """A column is a run of lines that have a cell there, so that a line without cells begins the table anew."""
    widths: list[list[int]] = [[0] * (len(row) - 1) for row in rows]
    for column in range(max((len(row) - 1 for row in rows), default=0)):
        start = 0
        while start < len(rows):
            end = start
            while end < len(rows) and len(rows[end]) - 1 > column:
                end += 1
            widest = max((len(row[column]) for row in rows[start:end]), default=0)
            for place in range(start, end):
                widths[place][column] = max(_LEAST, widest + _APART)
            start = max(end, start + 1)
    return widths


def ellipsised(text: str, length: int) -> str:
    """At most so many characters, the last one an ellipsis if some are left out."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
