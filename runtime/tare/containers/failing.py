"""The exit codes of ``run`` and what is like it: 125 if the engine failed, 126 and 127 if the command did."""

from __future__ import annotations

from runtime.tare.errors import ENGINE_FAILED, CommandError
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def failing(code: int = ENGINE_FAILED) -> Iterator[None]:
    """Whatever fails inside ends the command with the code, unless the failure knows a better one."""
    try:
        yield
    except (CommandError, BrokenPipeError):
        raise
    except Exception as error:
        import os

        if os.environ.get("TARE_DEBUG"):
            raise
        from runtime.tare.reports import sentence

        raise CommandError(sentence(error), getattr(error, "exit_code", code)) from error
