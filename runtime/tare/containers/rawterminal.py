"""Our own terminal (termios(3), ioctl_tty(2))."""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def make_raw(fd: int) -> Callable[[], None]:
    """Every key is passed on; what is returned makes it as it was. Nothing is done to what is no terminal."""
    if not os.isatty(fd):
        return _do_nothing
    import termios
    import tty

    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSANOW)  # what was typed already is not to be lost

    def restore() -> None:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)

    return restore


def _do_nothing() -> None:
    """To what is no terminal."""


def size_of(fd: int) -> tuple[int, int] | None:
    """Rows and columns; None for what is no terminal, or of no size."""
    import termios

    try:
        size = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    rows, columns = int.from_bytes(size[:2], "little"), int.from_bytes(size[2:4], "little")
    return (rows, columns) if rows and columns else None
