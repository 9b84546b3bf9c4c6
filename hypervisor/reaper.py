"""Reaps the QEMUs that libvirt orphans.

Libvirt starts QEMU as a daemon, whose parent is then the nearest subreaper, and ``destroy`` waits until the process has
gone from the table. Where PID 1 reaps slowly (containers, sandboxes) that takes seconds, and libvirt spends 40 s on
killing a zombie whose start had failed; as subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)) we do it at once.

Every other child belongs to somebody else. We wait only for pids that we were told of, and for zombies that are
QEMUs in a session of their own: those that libvirt itself waits for are in ours.
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
    from collections.abc import Iterator
    from types import TracebackType

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_LIBC = ctypes.CDLL(None, use_errno=True)
_SWEEP_EVERY_S = 0.05
_QEMU = "qemu-system-"


class Reaper:
    """Makes this process a subreaper while it is open; `watch` a pid and it leaves no zombie."""

    def __init__(self) -> None:
        self._was_subreaper = _subreaper()
        _set_subreaper(on=True)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._watched: set[int] = set()
        self._sweepers = 0
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
                self._register(pid)

    @contextlib.contextmanager
    def sweeping(self) -> Iterator[None]:
        """While libvirt starts QEMUs, whose pids nobody knows yet: reap those that end."""
        with self._lock:
            self._sweepers += 1
            self._wake()
        try:
            yield
        finally:
            with self._lock:
                self._sweepers -= 1
            sweep()

    def close(self) -> None:
        """Stop watching, and be the subreaper no longer if we were none before. Idempotent."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._wake()
        self._thread.join()
        sweep()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        os.close(self._wake_write)
        _set_subreaper(on=self._was_subreaper)

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select(_SWEEP_EVERY_S if self._sweepers else None):
                if key.data is None:
                    self._drain()
                else:
                    self._ended(key)
            if self._sweepers:
                sweep()

    def _ended(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fd)
        os.close(key.fd)
        with self._lock:
            self._watched.discard(key.data)
        _reap(key.data)

    def _register(self, pid: int) -> None:
        if pid not in self._watched:
            self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, data=pid)
            self._watched.add(pid)
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"w")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)


def sweep() -> None:
    """Reap our zombies that were QEMU daemons."""
    for pid in _children():
        if _is_ended_daemon(pid):
            _reap(pid)


def _reap(pid: int) -> None:
    # Not our child (a system daemon's), or reaped by somebody else: both are fine.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _children() -> Iterator[int]:
    """Our children, by all our threads (proc(5), /proc/PID/task/TID/children)."""
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, path.read_text().split())


def _is_ended_daemon(pid: int) -> bool:
    try:
        comm, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    state, _, _, session = rest.split()[:4]
    return state == "Z" and comm.startswith(_QEMU) and int(session) != os.getsid(0)


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
