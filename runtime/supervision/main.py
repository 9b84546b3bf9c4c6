"""What the supervisor's process does first, before it serves."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from runtime.linux import constants, syscalls
from runtime.supervision.errors import SupervisionError
from runtime.supervision.record import Root

if TYPE_CHECKING:
    from typing import NoReturn

READY, BUSY = b"ready", b"busy"
_LOG_BYTES = 1 << 20


def main() -> NoReturn:
    """Serve: ``supervisor READY_FD IDLE_S BACKSTAGE ROOT``. Says on the descriptor that it is ready, or another is."""
    ready, idle_s, backstage = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    root = Root(sys.argv[4])
    os.set_inheritable(ready, False)  # noqa: FBT003 - the standard library's own
    if os.fork():
        os._exit(0)  # whoever started us waits for this, and is rid of us; and we can never get a terminal
    lock = os.open(f"{root.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(ready, BUSY)
        os._exit(0)
    _settle_in(root)
    try:
        _serve(root, idle_s, backstage, ready)
    finally:
        os._exit(0)


def _serve(root: Root, idle_s: float, backstage: str, ready: int) -> None:
    from runtime.supervision.backstage import load_backstage
    from runtime.supervision.server import Server, complain

    try:
        server = Server(root, idle_s, load_backstage(backstage, root.path))
        # A collection in a helper would touch, and so copy, every page of what was loaded: 60 ms of a start.
        gc.collect()
        gc.freeze()
        server.adopt()
        os.write(ready, READY)
        os.close(ready)
        server.serve()
    except (SupervisionError, OSError) as error:
        complain(f"serve: {error}")
        with contextlib.suppress(OSError):
            os.write(ready, str(error).encode())


def _settle_in(root: Root) -> None:
    """A process that depends on nothing of whoever started it."""
    syscalls.prctl(constants.PR_SET_CHILD_SUBREAPER, 1)
    # A container's first process is born of us: nobody there may look into us (CVE-2016-9962).
    syscalls.prctl(constants.PR_SET_DUMPABLE, 0)
    with open("/proc/self/comm", "w", encoding="ascii") as name:
        name.write("tare-supervisor")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # those are Python's own wish
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    os.chdir("/")
    _redirect(f"{root.path}/supervisor.log")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    import runtime.supervision.helper  # noqa: F401 - notes the limit that is to go on to containers

    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _redirect(log: str) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    if os.fstat(errors).st_size > _LOG_BYTES:
        os.ftruncate(errors, 0)
    for number, fd in enumerate((null, null, errors)):
        os.dup2(fd, number)
    os.close(null)
    os.close(errors)
