"""Where `tare` begins: every error becomes one line on stderr, and an exit code."""

from __future__ import annotations

import os
import sys

from runtime.tare.context import complain
from runtime.tare.errors import FAILED, INTERRUPTED, CommandError, UsageError
from runtime.tare.group import dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell tells of one that wrote to a reader that has gone


def main() -> NoReturn:
    """Run one command and end with its exit code. Nothing is left to be torn down."""
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _BROKEN_PIPE
    os._exit(status)


def run(words: Sequence[str]) -> int:
    """The exit code of one command line."""
    try:
        return dispatch(words)
    except UsageError as error:
        complain(f"{error}\nSee '{error.path or 'tare'} --help'.")
        return error.code
    except CommandError as error:
        complain(str(error))
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - what is no error of ours is a bug; the traceback is for those who ask
        return _report(error)


def _report(error: Exception) -> int:
    from runtime.tare.reports import sentence

    if os.environ.get("TARE_DEBUG"):
        import traceback

        traceback.print_exc()
    complain(sentence(error))
    return FAILED
