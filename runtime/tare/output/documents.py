"""What ``inspect`` prints: a list of documents, or what a template makes of each."""

from __future__ import annotations

from runtime.tare.errors import CommandError
from runtime.tare.output.functions import compact
from runtime.tare.output.template import Template
from runtime.tare.output.tokens import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from runtime.tare.context import Session

_BAD_FORMAT = 64


def inspect(session: Session, names: Iterable[str], find: Callable[[str], Any], template: str = "") -> int:
    """Print the documents that are found; the exit code. What is not found is complained of, and the others go on.

    ``find`` raises what the engine raises.
    """
    make = _maker(template)
    texts, complaints = [], []
    for name in names:
        try:
            texts.append(make(find(name)))
        except TemplateError as error:
            raise CommandError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one name's
            from runtime.tare.reports import sentence

            complaints.append(sentence(error))
    if template:
        for text in texts:
            session.say(text)
    else:
        inside = ",\n".join(texts)
        session.say(f"[\n{inside}\n]" if texts else "[]")
    for complaint in complaints:
        session.complain(complaint)
    return 1 if complaints else 0


def _maker(template: str) -> Callable[[Any], str]:
    if not template:
        return _indented
    if template == "json":
        return compact
    try:
        return Template(template).render
    except TemplateError as error:
        raise CommandError(str(error), _BAD_FORMAT) from None


def _indented(document: Any) -> str:
    """With four blanks, as docker does, and inside the list's brackets."""
    import json

    return "\n".join(f"    {line}" for line in json.dumps(document, indent=4, ensure_ascii=False).split("\n"))
