"""Hand the descriptor of seccomp notifications to the agent that the file names (config-linux.md, "Seccomp").

The process cannot send it itself once the filter is on: it waits, and the descriptor is fetched (pidfd_getfd(2)).
"""

from __future__ import annotations

import errno
import json
import os
import time
from typing import TYPE_CHECKING

from runtime.container.errors import ContainerError
from runtime.linux.interpreter import perform
from runtime.linux.program import Call, Failure
from runtime.spec.version import NEWEST

if TYPE_CHECKING:
    from typing import Any

    from runtime.linux.seccomp import Seccomp

_APPEARS_WITHIN_S = 10.0


def hand_over(seccomp: Seccomp, pid: int, number: int, state: dict[str, Any]) -> None:
    """Fetch the descriptor ``number`` of the process, and send it with the states of process and container."""
    listener = _fetch(pid, number)
    process_state: dict[str, Any] = {"ociVersion": NEWEST, "fds": ["seccompFd"], "pid": pid, "state": state}
    if seccomp.listener_metadata is not None:
        process_state["metadata"] = seccomp.listener_metadata
    try:
        _send(seccomp.listener_path or "", listener, json.dumps(process_state).encode())
    finally:
        os.close(listener)


def _fetch(pid: int, number: int) -> int:
    """As soon as it is there; raises `ContainerError` when it never is."""
    pidfd = os.pidfd_open(pid)
    deadline = time.monotonic() + _APPEARS_WITHIN_S
    try:
        while True:
            try:
                return perform((Call("linux.seccomp: fetch the listener", "pidfd_getfd", (pidfd, number, 0)),))[0]
            except Failure as failure:
                if failure.errno != errno.EBADF or time.monotonic() > deadline:
                    raise ContainerError(str(failure)) from failure
                time.sleep(0.0005)
    finally:
        os.close(pidfd)


def _send(path: str, listener: int, message: bytes) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        try:
            agent.connect(path)
            socket.send_fds(agent, [message], [listener])
        except OSError as error:
            raise ContainerError(f"linux.seccomp.listenerPath: send to {path}: {error.strerror}") from error
