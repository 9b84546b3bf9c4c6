"""Reaps the QEMUs that libvirt orphans.

Libvirt starts QEMU as a daemon, whose parent is then the nearest subreaper, and ``destroy`` waits until the process has
gone from the table. Where PID 1 reaps slowly (containers, sandboxes) that takes seconds; as subreaper
(PR_SET_CHILD_SUBREAPER, prctl(2)) we do it at once. We only ever wait for pids we were told of: every other child
belongs to somebody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_LIBC = ctypes.CDLL(None, use_errno=True)
_LOOK_S = 0.05


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
        self._expected: list[Callable[[], int | None]] = []
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
    def expecting(self, find_pid: Callable[[], int | None]) -> Iterator[None]:
        """Look for a pid until the block ends, and watch it: libvirt names a QEMU only after it has started well.

        One that dies before that would be a zombie that libvirt waits for (40 s).
        """
        with self._lock:
            self._expected.append(find_pid)
            self._wake()
        try:
            yield
        finally:
            with self._lock:
                self._expected.remove(find_pid)
        pid = find_pid()
        if pid is not None:
            self.watch(pid)

    def close(self) -> None:
        """Stop watching, and be the subreaper no longer if we were none before. Idempotent."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._wake()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        os.close(self._wake_write)
        _set_subreaper(on=self._was_subreaper)

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select(_LOOK_S if self._expected else None):
                if key.data is None:
                    self._drain()
                else:
                    self._ended(key)
            self._look()

    def _ended(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fd)
        os.close(key.fd)
        with self._lock:
            self._watched.discard(key.data)
        # Not our child (a system daemon's), or reaped by somebody else: both are fine.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(key.data, os.WNOHANG)

    def _look(self) -> None:
        with self._lock:
            for find_pid in self._expected:
                pid = find_pid()
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        self._register(pid)

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
