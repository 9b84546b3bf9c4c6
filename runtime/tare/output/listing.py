"""Lists of things by ``--format``: a table, a template a line, or JSON a line.

A thing is a `Row`: its fields by the names that templates use for them. A field that can be called is a method, or is
not worth its while unless it is asked for::

    SHEET = Sheet("{{.ID}}\\t{{.Name}}", {"ID": "VOLUME ID", "Name": "NAME"})
    show(session, SHEET, [{"ID": "1", "Name": "a"}], given.text("format"))
"""

from __future__ import annotations

from runtime.tare.errors import CommandError
from runtime.tare.output.functions import HEADING_FUNCTIONS, compact
from runtime.tare.output.table import aligned
from runtime.tare.output.template import Template
from runtime.tare.output.tokens import TemplateError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from runtime.tare.context import Session

    Row = Mapping[str, Any]

_BAD_FORMAT = 64  # EX_USAGE, as docker's
_JSON = "{{json.}}"


class Sheet(Value):
    """What a list looks like unless it is told otherwise: the template of its table, and a heading for each field.

    ``methods`` are the fields that take an argument, which JSON has no place for.
    """

    template: str
    headings: Mapping[str, str]
    methods: tuple[str, ...] = ("Label",)


def show(session: Session, sheet: Sheet, rows: Iterable[Row], template: str = "") -> None:
    """Print them; raises `CommandError` for a template that makes no sense."""
    for line in lines_of(sheet, rows, template):
        session.say(line)


def lines_of(sheet: Sheet, rows: Iterable[Row], template: str = "") -> list[str]:
    """What `show` prints."""
    is_table = template in {"", "table"} or template.startswith("table ")
    text = template.removeprefix("table").strip() or sheet.template if is_table else template.strip()
    try:
        if text == "json" or text.replace(" ", "") == _JSON:
            return [_as_json(sheet, row) for row in rows]
        text = text.replace("\\t", "\t").replace("\\n", "\n")
        body = _understood(text)
        lines = [body.render(row) for row in rows]
        if not is_table:
            return lines
        return aligned([Template(text, HEADING_FUNCTIONS).render(_headings(sheet)), *lines])
    except TemplateError as error:
        raise CommandError(str(error)) from None


def _understood(text: str) -> Template:
    try:
        return Template(text)
    except TemplateError as error:
        raise CommandError(str(error), _BAD_FORMAT) from None


def _as_json(sheet: Sheet, row: Row) -> str:
    """All fields that have no argument, by name."""
    names = sorted(name for name in row if name not in sheet.methods)
    return compact({name: _called(row[name]) for name in names})


def _called(content: Any) -> Any:
    return content() if callable(content) else content


def _headings(sheet: Sheet) -> dict[str, Any]:
    """For a label its name's last part."""
    return dict(sheet.headings) | dict.fromkeys(sheet.methods, _label_heading)


def _label_heading(name: str) -> str:
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")
