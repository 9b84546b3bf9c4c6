"""When the kernel has really released network namespaces: it does so some time after their last process has gone.

cleanup_net (net/core/net_namespace.c) takes apart, in one batch, all namespaces that were given up by then. A namespace
of our own that is given up afterwards is in that batch or in a later one; its link on the host's side disappears in
the middle of the batch. A second one, given up only then, is in a batch that begins when the first has ended.
"""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from bench.workload import WorkloadError
from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers

_RELEASED_WITHIN_S = 60.0
_POLL_S = 0.0005


def wait_until_released(link: str) -> None:
    """Until all that was given up before has been released; ``link`` is a name that nobody else uses."""
    for _ in range(2):
        _give_up(link)
        _wait_until_gone(link)


def _give_up(link: str) -> None:
    with ThreadPoolExecutor(1) as pool:  # its thread leaves for a namespace of its own, and ends
        pool.submit(_visit, link).result()


def _visit(link: str) -> None:
    from pyroute2 import IPRoute

    host = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if syscalls.raw(numbers()["unshare"], constants.CLONE_NEWNET) < 0:
            raise WorkloadError("wait for the kernel: a network namespace cannot be made")
        with IPRoute() as ipr:
            ipr.link("add", ifname="sentinel", kind="veth", peer={"ifname": link, "net_ns_fd": host})
    finally:
        os.close(host)


def _wait_until_gone(link: str) -> None:
    deadline = time.monotonic() + _RELEASED_WITHIN_S
    while _is_there(link):
        if time.monotonic() > deadline:
            raise WorkloadError(f"wait for the kernel: link {link} is still there")
        time.sleep(_POLL_S)


def _is_there(link: str) -> bool:
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True
