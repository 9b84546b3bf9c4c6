"""A pseudoterminal of the container's own, planned: one end becomes the process's, the other goes to whoever asked.

The slave is got from the master by descriptor (TIOCGPTPEER), never by a path that an image could have replaced
(CVE-2025-52565), and so is what is mounted on /dev/console, which must not be a link to another file.
"""

from __future__ import annotations

import os
import struct

from runtime.linux import constants as c
from runtime.linux.program import ANY_ERRNO, At, Call, Memory, ResultOf
from runtime.rootfs.attach import attach, copy_tree
from runtime.rootfs.inside import close, make_inside, open_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument

_WHAT = "process.terminal: open a terminal"
_TTY = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_NAME = b"/dev/ptmx"  # the one byte or more that a message with a descriptor needs; engines show it

# sys/socket.h: struct cmsghdr is a length, a level and a type; one descriptor follows.
_SOL_SOCKET, _SCM_RIGHTS = 1, 1
_CONTROL = struct.pack("=QiiiI", 20, _SOL_SOCKET, _SCM_RIGHTS, -1, 0)
_CONTROL_FD_AT = 16
_MSGHDR = struct.pack("=QQQQQQQ", 0, 0, 0, 1, 0, len(_CONTROL), 0)
_MSGHDR_IOV_AT, _MSGHDR_CONTROL_AT = 16, 32


def plan_terminal(
    root: Argument, console_fd: int, uid: int, size: tuple[int, int] | None, *, console: bool
) -> tuple[Call, ...]:
    """Open it in the root's devpts, send the master, and make the slave the standard streams of this session.

    ``size`` is (height, width). ``console`` mounts it on /dev/console too.
    """
    master = open_inside(f"{_WHAT} in /dev/pts", root, "/dev/pts/ptmx", flags=_TTY)
    slave = Call(_WHAT, "ioctl", (master, c.TIOCGPTPEER, _TTY))
    return (
        master,
        Call(_WHAT, "ioctl", (master, c.TIOCSPTLCK, Memory(bytes(4)))),
        slave,
        *_resize(master, size),
        *(_plan_console(root, slave) if console else ()),
        Call("own the terminal", "fchown", (slave, uid, -1), ANY_ERRNO),
        *_send(master, console_fd),
        *(Call(_WHAT, "dup3", (slave, number, 0)) for number in range(3)),
        Call(f"{_WHAT}: make it the controlling one", "ioctl", (0, c.TIOCSCTTY, 0)),
        close(master),
        close(slave),
    )


def _resize(master: Call, size: tuple[int, int] | None) -> tuple[Call, ...]:
    if size is None:
        return ()
    winsize = Memory(struct.pack("=4H", *size, 0, 0))
    return (Call("process.consoleSize: set it", "ioctl", (master, c.TIOCSWINSZ, winsize)),)


def _plan_console(root: Argument, slave: Call) -> tuple[Call, ...]:
    target = make_inside(f"{_WHAT} on /dev/console", root, "/dev/console", directory=False, strict=True)
    tree = copy_tree(f"{_WHAT} on /dev/console", slave)
    return (*target, tree, attach(f"{_WHAT} on /dev/console", tree, target[-1]), close(tree), close(target[-1]))


def _send(master: Call, console_fd: int) -> tuple[Call, ...]:
    """sendmsg(2) with the master's descriptor (unix(7), SCM_RIGHTS)."""
    control = Memory(_CONTROL)
    vector = Memory(struct.pack("=2Q", 0, len(_NAME)), ((0, _NAME),))
    message = Memory(_MSGHDR, ((_MSGHDR_IOV_AT, vector), (_MSGHDR_CONTROL_AT, control)))
    return (
        Call(_WHAT, "copy", (At(control, _CONTROL_FD_AT), ResultOf(master), 4)),
        Call("send the terminal to the console socket", "sendmsg", (console_fd, message, 0)),
    )
