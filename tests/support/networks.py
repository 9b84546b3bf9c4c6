"""A host of the test's own: a network namespace with an uplink to an "outside", and networks kept below one directory.

Links, addresses, rules and settings of the network are the namespace's own, so tests that run at once never meet, and
nothing of the real host is touched but mounts below the test's directory.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers
from runtime.network.catalog import Wish
from runtime.network.networks import Networks
from runtime.network.planning import Attach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.network.leases import Lease

HOST, OUTSIDE = "203.0.113.1", "203.0.113.2"
HOST6, OUTSIDE6 = "2001:db8::1", "2001:db8::2"
_serial = count()


def run(*argv: str, check: bool = True) -> str:
    """The output of a command in the test's host."""
    return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=30).stdout


def eventually(fact: Callable[[], object], patience_s: float = 10.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + patience_s
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def own_host() -> Iterator[None]:
    """The calling thread in a network namespace of its own, and back again."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert syscalls.raw(numbers()["unshare"], constants.CLONE_NEWNET) == 0
        run("ip", "link", "set", "lo", "up")
        yield
    finally:
        syscalls.setns(before, constants.CLONE_NEWNET)
        os.close(before)


@dataclass(slots=True)
class Container:
    """A network namespace in place of a container."""

    id: str
    path: Path
    stack: ExitStack

    def run(self, *argv: str, check: bool = True) -> str:
        """The output of a command inside."""
        return run("nsenter", f"--net={self.path}", *argv, check=check)

    def succeeds(self, *argv: str) -> bool:
        """Whether a command inside ends well."""
        command = ("nsenter", f"--net={self.path}", *argv)
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0

    def pings(self, address: str) -> bool:
        """Whether an answer comes back to one of two questions: on a busy machine the first may be lost."""
        return self.succeeds("busybox", "ping", "-c", "2", "-W", "1", address)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """A process inside, until the test ends."""
        command = ("nsenter", f"--net={self.path}", *argv)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.stack.callback(stop, process)
        return process

    def serve(self, port: int, text: str) -> None:
        """A tcp server that says the text, and who has asked; ready when this returns."""
        self.start("python3", "-c", _SERVER, str(port), text)
        assert eventually(lambda: f":{port} " in self.run("ss", "-Hltn"))

    def serve_udp(self, port: int, text: str) -> None:
        """A udp server that answers everybody with the text."""
        self.start("python3", "-c", _UDP_SERVER, str(port), text)
        assert eventually(lambda: f":{port} " in self.run("ss", "-Hlun"))

    def fetch(self, address: str, port: int) -> str | None:
        """What a server says; None if it cannot be reached."""
        return fetch(address, port, ("nsenter", f"--net={self.path}"))


_SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
while True:
    peer, address = server.accept()
    peer.sendall((sys.argv[2] + " " + address[0] + "\\n").encode())
    peer.close()
"""
_UDP_SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(100)
    server.sendto(sys.argv[2].encode(), address)
"""
_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as peer:
    print(peer.makefile().read(), end="")
"""
_UDP_CLIENT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as peer:
    peer.settimeout(2)
    peer.connect((sys.argv[1], int(sys.argv[2])))
    peer.send(b"?")
    print(peer.recv(100).decode(), end="")
"""


def fetch(address: str, port: int, prefix: tuple[str, ...] = (), *, udp: bool = False) -> str | None:
    """What a server says to the host; None if it cannot be reached."""
    command = (*prefix, "python3", "-c", _UDP_CLIENT if udp else _CLIENT, address, str(port))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None


def stop(process: subprocess.Popen[Any]) -> None:
    """Kill it and wait."""
    process.kill()
    process.wait()


@dataclass(slots=True)
class Host:
    """Networks in a host of the test's own, and the containers in them."""

    directory: Path
    networks: Networks
    stack: ExitStack
    containers: dict[str, Container] = field(default_factory=dict)

    def create(self, name: str, *subnets: str, **changes: Any) -> str:
        """A network; its name."""
        return self.networks.catalog.create(Wish(name, subnets, **changes)).name

    def container(self, network: str | None, **changes: Any) -> tuple[Container, Lease]:
        """A container that is in the network."""
        name = changes.pop("id", None) or f"c{next(_serial)}"
        container = Container(name, self.networks.create_namespace(name), self.stack)
        self.containers[name] = container
        return container, self.networks.attach(Attach(network, name, container.path, **changes))

    def outside(self) -> Container:
        """Somebody beyond the host's uplink, who knows no way to our networks."""
        path = self.directory / "outside"
        path.touch()
        run("unshare", f"--net={path}", "ip", "link", "set", "lo", "up")
        self.stack.callback(run, "umount", str(path))
        inside = Container("outside", path, self.stack)
        run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", str(path))
        for command in (("addr", "add", f"{HOST}/24", "dev", "uplink"), ("link", "set", "uplink", "up"),
                        ("addr", "add", f"{HOST6}/64", "dev", "uplink", "nodad")):  # fmt: skip
            run("ip", *command)
        for command in (("addr", "add", f"{OUTSIDE}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                        ("addr", "add", f"{OUTSIDE6}/64", "dev", "eth0", "nodad")):  # fmt: skip
            inside.run("ip", *command)
        return inside

    def facts(self) -> dict[str, str]:
        """What must be after the last container as it was before the first."""
        settings = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
        return {
            "links": str([(link["ifname"], link.get("ifalias")) for link in json.loads(run("ip", "-j", "link"))]),
            "rules": run("nft", "list", "ruleset"),
            "neighbours": run("ip", "neigh", "show", "nud", "permanent"),
            "mounts": "".join(line for line in _mounts() if f"{self.directory}/tare-networks" in line),
            "run": "".join(sorted(str(path) for path in (self.directory / "tare-networks").rglob("*"))),
            **{name: Path(name).read_text() for name in settings},
        }


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@contextmanager
def make_host(directory: Path) -> Iterator[Host]:
    """A host; its containers and its networks' traces end with it, and it is an error if some do not."""
    with own_host(), ExitStack() as stack:
        # Not below the test's directory, which the resolver may not enter once it is nobody.
        resolv_conf = Path(stack.enter_context(tempfile.NamedTemporaryFile(prefix="tare-resolv-")).name)
        resolv_conf.chmod(0o644)
        networks = Networks(directory / "networks", directory / "tare-networks", resolv_conf=resolv_conf)
        stack.callback(networks.close)
        host = Host(directory, networks, ExitStack())
        stack.callback(host.stack.close)
        before = host.facts()
        try:
            yield host
        finally:
            for name in host.containers:
                networks.release(name)
            left = networks.reconcile()
        host.stack.close()
        run("ip", "link", "del", "uplink", check=False)
        assert eventually(lambda: host.facts() == before), (before, host.facts())
        assert [line for line in left if not line.startswith("link ")] == []  # links go in the background
