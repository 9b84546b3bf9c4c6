"""The page's template, and how text is set in it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bench.analysis.verdicts import Verdict, bar
from bench.analysis.wording import interval
from reports.style import style
from reports.words import label, value_cell

if TYPE_CHECKING:
    from jinja2 import Template

MARKS = {Verdict.SUPPORTED: "✓", Verdict.REFUTED: "✗", Verdict.INCONCLUSIVE: "≈", Verdict.NOT_TESTABLE: "○"}

# Between a number and its unit, within an interval, and on both sides of the sign in "n = 9".
_TIES = re.compile(r"(?<=\d) (?=(?:[KMG]iB|B|[mµ]?s|min|times)\b|%)|(?<=n) (?==)|(?<==) (?=\d)| (?=[\d.,?-]+\])")
_APOSTROPHE = re.compile(r"(?<=[A-Za-z])'(?=s?\b)")


@cache
def template(name: str) -> Template:
    """A page; everything that is put into it is escaped unless it is markup of our own making."""
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, finalize=tied, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    environment.globals.update(style=style, label=label, marks=MARKS, bar=bar, value_cell=value_cell, interval=interval)
    # The installed package's own script, inlined so that the page needs no network.
    environment.globals["plotly"] = Markup(get_plotlyjs())  # noqa: S704
    return environment.get_template(name)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def tied(value: object) -> object:
    """Text as a printer would set it: numbers tied to their units and signs, and curved apostrophes.

    What is markup already, such as plots and scripts, is left alone.
    """
    if type(value) is not str:
        return value
    return _APOSTROPHE.sub("\N{RIGHT SINGLE QUOTATION MARK}", _TIES.sub("\N{NO-BREAK SPACE}", value))
