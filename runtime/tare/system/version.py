"""``version``."""

from __future__ import annotations

import os
import sys

from runtime import VERSION
from runtime.tare.errors import CommandError
from runtime.tare.verb import FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.tare.context import Session
    from runtime.tare.flags import Given

# What of Docker's API the documents of `inspect` are like.
_API_VERSION = "1.43"
_BAD_FORMAT = 64


def perform(session: Session, given: Given) -> None:
    """Client and engine are one program; templates find both."""
    document = _document()
    template = given.text("format")
    if not template:
        session.say("\n".join((*_lines("Client: Tare Engine", document["Client"]), "",
                               *_lines("Server: Tare Engine", document["Server"]))))  # fmt: skip
        return
    session.say(rendered(template, document))


def rendered(template: str, document: dict[str, Any]) -> str:
    """By the template, or as JSON; raises `CommandError`."""
    from runtime.tare.output.functions import compact
    from runtime.tare.output.template import Template
    from runtime.tare.output.tokens import TemplateError

    if template == "json":
        return compact(document)
    try:
        return Template(template).render(document)
    except TemplateError as error:
        raise CommandError(str(error), _BAD_FORMAT) from None


def _document() -> dict[str, Any]:
    system = os.uname()
    facts = {
        "Version": VERSION,
        "ApiVersion": _API_VERSION,
        "PythonVersion": sys.version.partition(" ")[0],
        "Os": "linux",
        "Arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(system.machine, system.machine),
    }
    return {
        "Client": {**facts, "Context": "default"},
        "Server": {**facts, "KernelVersion": system.release, "MinAPIVersion": _API_VERSION},
    }


def _lines(title: str, facts: dict[str, str]) -> list[str]:
    shown = {
        "Version": "Version",
        "ApiVersion": "API version",
        "PythonVersion": "Python version",
        "KernelVersion": "Kernel version",
        "Context": "Context",
    }
    named = [(text, facts[name]) for name, text in shown.items() if name in facts]
    named.append(("OS/Arch", f"{facts['Os']}/{facts['Arch']}"))
    return [title, *(f" {f'{name}:':<19}{text}" for name, text in named)]


VERSION_VERB = Verb("version [OPTIONS]", "Show the version information", perform, (FORMAT,))
