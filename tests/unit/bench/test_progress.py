"""How a run is followed: lines in a pipe, a live display in a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.cli.progress import LineProgress

if TYPE_CHECKING:
    import pytest

FOLLOW = """
from bench.cli.progress import make_progress
with make_progress(quiet={quiet}) as progress:
    progress.phase("preparing container")
    progress.treatment(0, "container", 20)
    for count in range(1, 21):
        progress.running(count, 1 if count > 10 else 0)
        progress.phase("reading memory")
    progress.phase("removing 20 instances")
    {end}
print("done")
"""


def in_terminal(program: str) -> tuple[int, str]:
    """Exit status and everything that a program shows in a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # EIO: the other end has been closed
        pass
    os.close(ours)
    return child.wait(), shown.decode()


def test_lines_say_every_tenth_and_what_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as progress:
        progress.phase("preparing container")
        progress.treatment(0, "container", 200)
        for count in range(1, 201):
            progress.running(count, 3 if count == 200 else 0)
            progress.phase("reading memory at N")
        progress.treatment(1, "vm", 2)
        progress.running(2, 0)
    lines = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    tenths = [f"block 1: container: {count} of 200" for count in range(20, 200, 20)]
    assert lines == ["preparing container", *tenths, "block 1: container: 200 of 200, 3 failed", "block 2: vm: 2 of 2"]


def test_a_terminal_shows_a_live_display_that_ends_cleanly() -> None:
    code, shown = in_terminal(FOLLOW.format(quiet=False, end="pass"))
    assert code == 0
    assert "block 1: container" in shown
    assert "20/20" in shown
    assert "\x1b[?25l" in shown, "the cursor was never hidden"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor was not shown again"
    assert shown.rstrip().endswith("done")


def test_a_live_display_gives_the_terminal_back_after_an_error() -> None:
    code, shown = in_terminal(FOLLOW.format(quiet=False, end="raise SystemExit(7)"))
    assert code == 7
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_quiet_terminal_has_lines() -> None:
    code, shown = in_terminal(FOLLOW.format(quiet=True, end="pass"))
    assert code == 0
    assert "\x1b[" not in shown
    assert "block 1: container: 20 of 20, 1 failed" in shown
