"""Verbs that are click's commands, for those that need more of it than flags: the session is the context's ``obj``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runtime.tare.errors import INTERRUPTED, CommandError, UsageError

if TYPE_CHECKING:
    from runtime.tare.context import Session


def run_click(session: Session, command: Any, path: str, words: list[str]) -> int:
    """The exit code; click's errors are raised as ours."""
    try:
        return int(command.main(words, prog_name=path, standalone_mode=False, obj=session) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        raise UsageError(_sentence(error), path=path) from error
    except click.ClickException as error:
        raise CommandError(_sentence(error), error.exit_code) from error
    except click.Abort:
        raise CommandError("interrupted", INTERRUPTED) from None


def _sentence(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split()).removesuffix(".")
    return message[:1].lower() + message[1:]
