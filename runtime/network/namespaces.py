"""Network namespaces: made, pinned to a path as ip-netns(8) does, entered for one deed, and removed.

A namespace is made and entered by a thread that ends afterwards, so that no thread of the program is ever left in the
wrong one. A pin is a mount, and every new mount namespace copies all mounts: with many containers it is cheaper to
attach by ``/proc/PID/ns/net`` of a container that made its own, and to pin nothing.
"""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers
from runtime.network import messages
from runtime.network.errors import NamespaceError
from runtime.network.netlink import NetlinkSocket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Result = TypeVar("_Result")
_MNT_DETACH_NOFOLLOW = constants.MNT_DETACH | 0x8  # umount(2)
_OWN = "/proc/thread-self/ns/net"


def create_namespace(path: Path) -> None:
    """Make a namespace with its loopback up, pinned at the path; raises `NamespaceError` and leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400))
    except OSError as error:
        raise NamespaceError(f"pin a network namespace at {path}: {error.strerror}") from error
    try:
        in_thread(lambda: _make(path))
    except OSError as error:
        remove_namespace(path)
        raise NamespaceError(f"make a network namespace at {path}: {error.strerror}") from error


def remove_namespace(path: Path) -> None:
    """Unpin it: it ends with its last process. Idempotent."""
    target = ctypes.create_string_buffer(os.fsencode(path))
    while syscalls.raw(numbers()["umount2"], ctypes.addressof(target), _MNT_DETACH_NOFOLLOW) == 0:
        pass  # a pin that was pinned over
    with suppress(FileNotFoundError):
        path.unlink()


def is_namespace(path: str | Path) -> bool:
    """Whether a namespace that still is one, not just a file, is at the path."""
    found, own = _device(path), _device(_OWN)
    return found is not None and found == own  # all are of one file system, nsfs


def open_namespace(path: str | Path) -> int:
    """A descriptor of the namespace at a path (a pin, or ``/proc/PID/ns/net``); raises `NamespaceError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"open network namespace {path}: {error.strerror}") from error
    return descriptor


def socket_inside(namespace: int) -> NetlinkSocket:
    """A netlink socket of that namespace, for any thread to use; raises `NamespaceError`."""

    def enter() -> NetlinkSocket:
        syscalls.setns(namespace, constants.CLONE_NEWNET)
        return NetlinkSocket()

    try:
        return in_thread(enter)
    except OSError as error:
        raise NamespaceError(f"enter a network namespace: {error.strerror}") from error


def in_thread(deed: Callable[[], _Result]) -> _Result:
    """Do it in a thread of its own that then ends, wherever the deed has taken it; raises what the deed raised."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(deed())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            errors.append(error)

    thread = threading.Thread(target=run, name="tare: namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _make(path: Path) -> None:
    _check(syscalls.raw(numbers()["unshare"], constants.CLONE_NEWNET))
    with NetlinkSocket() as inside:
        inside.send([messages.up(messages.LOOPBACK_INDEX)])
    source, target = (ctypes.create_string_buffer(text) for text in (_OWN.encode(), os.fsencode(path)))
    _check(
        syscalls.raw(numbers()["mount"], ctypes.addressof(source), ctypes.addressof(target), 0, constants.MS_BIND, 0)
    )


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def _device(path: str | Path) -> int | None:
    try:
        return os.stat(path).st_dev  # noqa: PTH116 - the link of /proc is to be followed
    except OSError:
        return None
