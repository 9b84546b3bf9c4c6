"""Start and stop the resolver of each network that is up.

The sockets are bound here, to the gateway's addresses and to the gate itself (SO_BINDTODEVICE), so that no other
network reaches them, and so that a port that is taken is an error of whoever brings the network up. Questions that come
before the process has started wait in them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network.errors import NetworkError
from runtime.network.owners import start_time_ticks

if TYPE_CHECKING:
    from runtime.network.network import Network
    from runtime.network.subnets import IPAddress

_PORT = 53
_BACKLOG = 16
_GONE_WITHIN_S = 5.0
_PROGRAM = "import sys; sys.path.insert(0, {root!r}); from runtime.network.resolver import main; main(sys.argv[1:])"
_ROOT = str(Path(__file__).resolve().parents[2])


class Resolvers:
    """``DIRECTORY/ID`` says which process is a network's resolver."""

    def __init__(self, directory: Path, resolv_conf: Path) -> None:
        self.directory = directory
        self.resolv_conf = resolv_conf

    def start(self, network: Network, store: Path) -> None:
        """Start it unless it runs; raises `NetworkError`. Idempotent."""
        if self.pid(network) is not None:
            return
        with ExitStack() as stack:
            datagrams, streams = [], []
            for subnet in network.subnets:
                datagrams.append(stack.enter_context(_bound(network.gate, subnet.gateway, socket.SOCK_DGRAM)))
                streams.append(stack.enter_context(_bound(network.gate, subnet.gateway, socket.SOCK_STREAM)))
            directory = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, directory)
            sockets = ([one.fileno() for one in datagrams], [one.fileno() for one in streams])
            pid = _spawn(network, *sockets, directory, self.resolv_conf)
        self._record(network, pid)

    def stop(self, network: Network) -> None:
        """Kill it and wait until it has gone. Idempotent."""
        pid = self.pid(network)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + _GONE_WITHIN_S
            while start_time_ticks(pid) is not None and time.monotonic() < deadline:
                time.sleep(0.001)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        (self.directory / network.id).unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def pid(self, network: Network) -> int | None:
        """The process that is the network's resolver; None if there is none."""
        try:
            document = json.loads((self.directory / network.id).read_bytes())
            pid, started = int(document["pid"]), int(document["startTime"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if start_time_ticks(pid) == started else None

    def _record(self, network: Network, pid: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        document = {"pid": pid, "startTime": start_time_ticks(pid)}
        (self.directory / network.id).write_text(json.dumps(document), encoding="utf-8")


def _bound(gate: str, address: IPAddress, kind: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, gate.encode() + b"\0")
        made.bind((str(address), _PORT))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise NetworkError(f"serve names on {address} port {_PORT}: {os.strerror(error.errno or 0).lower()}") from error
    return made


def _spawn(network: Network, datagrams: list[int], streams: list[int], directory: int, resolv_conf: Path) -> int:
    """A process of its own session with these descriptors, and no others."""
    inherited = [*datagrams, *streams, directory]
    argv = [
        sys.executable, "-I", "-S", "-c", _PROGRAM.format(root=_ROOT), network.label,
        *(",".join(map(str, numbers)) for numbers in (datagrams, streams, [directory])),
        network.name,
        ",".join(str(subnet.network) for subnet in network.subnets),
        *(() if network.internal else (str(resolv_conf),)),
    ]  # fmt: skip
    null = ((os.POSIX_SPAWN_OPEN, place, "/dev/null", os.O_RDWR, 0) for place in (0, 1, 2))
    inheritable = True
    for descriptor in inherited:
        os.set_inheritable(descriptor, inheritable)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return os.posix_spawn(sys.executable, argv, environment, file_actions=tuple(null), setsid=True, setsigmask=())
