"""Reaps the QEMUs that libvirt orphans.

Libvirt starts QEMU as a daemon, whose parent is then the nearest subreaper, and ``destroy`` waits until the process has
gone from the table. Where PID 1 reaps slowly (containers, sandboxes) that takes seconds; as subreaper
(PR_SET_CHILD_SUBREAPER, prctl(2)) we do it at once. We only ever wait for pids we were told of or recognize as
QEMU: every other child belongs to somebody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_LIBC = ctypes.CDLL(None, use_errno=True)
_QEMU_COMM = "qemu-system-"


class Reaper:
    """Makes this process a subreaper while it is open; `watch` a pid and it leaves no zombie."""

    def __init__(self) -> None:
        self._was_subreaper = _subreaper()
        _set_subreaper(on=True)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="qemu-reaper", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def watch(self, pid: int) -> None:
        """Reap ``pid`` when it ends; harmless if it is not our child or has ended."""
        with contextlib.suppress(ProcessLookupError), self._lock:
            if self._open:
                self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, data=pid)
                os.write(self._wake_write, b"w")

    def sweep(self) -> None:
        """Reap QEMUs that ended before anybody learnt their pid: those that failed to start."""
        for pid in _zombie_qemus():
            _reap(pid)

    def close(self) -> None:
        """Stop watching, and be the subreaper no longer if we were none before. Idempotent."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            os.write(self._wake_write, b"q")
        self._thread.join()
        self.sweep()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        os.close(self._wake_write)
        _set_subreaper(on=self._was_subreaper)

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._drain()
                else:
                    self._selector.unregister(key.fd)
                    os.close(key.fd)
                    _reap(key.data)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)


def _reap(pid: int) -> None:
    # Not our child (a system daemon's), or reaped by somebody else: both are fine.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _zombie_qemus() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # proc(5): pid (comm) state ppid …; comm is cut to 15 characters.
            comm, _, rest = path.read_text().partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            if comm.startswith(_QEMU_COMM) and state == "Z" and int(parent) == os.getpid():
                found.append(int(path.parent.name))
    return found


def _subreaper() -> bool:
    value = ctypes.c_int()
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value))
    return bool(value.value)


def _set_subreaper(*, on: bool) -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(on))


def _prctl(option: int, argument: object) -> None:
    if _LIBC.prctl(option, argument, 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl {option}: {os.strerror(errno)}")
