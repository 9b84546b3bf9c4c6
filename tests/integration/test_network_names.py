"""Containers of one network find each other by name; strangers are not told, and nothing waits for long."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.network import dns
from runtime.network.errors import NetworkError
from runtime.network.files import hosts_text, resolv_conf_text
from runtime.network.planning import Attach
from tests.support.networks import OUTSIDE, eventually, make_host, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.networks import Container, Host

pytestmark = pytest.mark.root

# argv: server, port 53 there; questions as NAME TYPE [tcp]; prints [code, [data in hexadecimal, …]] for each.
_ASK = """
import json, socket, struct, sys
def exchange(message, server, stream):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as peer:
        peer.settimeout(10)
        peer.connect((server, 53))
        if not stream:
            peer.send(message)
            return peer.recv(65535)
        peer.sendall(struct.pack(">H", len(message)) + message)
        with peer.makefile("rb") as file:
            return file.read(struct.unpack(">H", file.read(2))[0])
def ask(server, name, kind, stream):
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\\0"
    question = labels + struct.pack(">HH", kind, 1)
    answer = exchange(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, server, stream)
    number, flags, _, count, _, _ = struct.unpack_from(">HHHHHH", answer)
    offset, found = 12 + len(question), []
    for _ in range(count):
        length = struct.unpack_from(">H", answer, offset + 10)[0]
        found.append(answer[offset + 12 : offset + 12 + length].hex())
        offset += 12 + length
    return flags & 15, sorted(found)
server = sys.argv[1]
print(json.dumps([ask(server, *question) for question in json.loads(sys.argv[2])]))
"""
# Answers every question with 192.0.2.7, by udp and by tcp.
_UPSTREAM = """
import socket, struct, threading
def answer(data):
    end = data.index(b"\\0", 12) + 5
    record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + bytes((192, 0, 2, 7))
    return data[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + data[12:end] + record
def streams():
    server = socket.create_server(("", 53))
    while True:
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as file:
            said = answer(file.read(struct.unpack(">H", file.read(2))[0]))
            peer.sendall(struct.pack(">H", len(said)) + said)
threading.Thread(target=streams, daemon=True).start()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
while True:
    data, peer = server.recvfrom(4096)
    server.sendto(b"junk", peer)
    server.sendto(answer(data), peer)
"""
_SILENT = """
import socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
time.sleep(60)
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        made.create("web", "10.33.0.0/24", "fd33::/64")
        yield made


def ask(container: Container, *questions: tuple[object, ...], server: str = "10.33.0.1") -> list[tuple[int, list[str]]]:
    asked = json.dumps([[*question, False][:3] for question in questions])
    return [tuple(one) for one in json.loads(container.run("python3", "-c", _ASK, server, asked))]


def packed(*addresses: str) -> list[str]:
    return sorted(ip_address(address).packed.hex() for address in addresses)


def upstreams(host: Host, *servers: str) -> None:
    host.networks.presence.resolvers.resolv_conf.write_text("".join(f"nameserver {server}\n" for server in servers))


@pytest.mark.parametrize("server", ["10.33.0.1", "fd33::1"])
@pytest.mark.parametrize("stream", [False, True])
def test_containers_find_each_other_by_each_name(host: Host, server: str, stream: bool) -> None:
    one, _ = host.container("web")
    two, lease = host.container("web", id="f" * 64, names=("db", "primary.db"))
    assert lease.v4
    assert lease.v6
    names = ("db", "DB", "primary.db", two.id[:12])
    for answer in ask(one, *((name, dns.A, stream) for name in names), server=server):
        assert answer == (0, packed(lease.v4))
    assert ask(one, ("db", dns.AAAA, stream), server=server) == [(0, packed(lease.v6))]
    pointers = [(ip_address(address).reverse_pointer, dns.PTR, stream) for address in (lease.v4, lease.v6)]
    assert ask(one, *pointers, server=server) == [(0, [b"\x02db\0".hex()])] * 2


def test_a_name_is_there_with_its_container_and_no_longer(host: Host) -> None:
    one, _ = host.container("web")
    assert ask(one, ("db", dns.A)) == [(3, [])]
    first, _ = host.container("web", names=("db",))
    second, _ = host.container("web", names=("db",))
    assert ask(one, ("db", dns.A)) == [(0, packed("10.33.0.3", "10.33.0.4"))]
    host.networks.detach(first.id, keep=True)
    assert ask(one, ("db", dns.A)) == [(0, packed("10.33.0.4"))]
    host.networks.release(second.id)
    assert ask(one, ("db", dns.A), ("4.0.33.10.in-addr.arpa", dns.PTR)) == [(3, []), (3, [])]


def test_a_name_without_an_address_of_the_asked_kind_exists_nevertheless(host: Host) -> None:
    host.create("four", "10.34.0.0/24")
    one, _ = host.container("four", names=("me",))
    assert ask(one, ("me", dns.AAAA), ("me", 15), server="10.34.0.1") == [(0, []), (0, [])]


def test_another_network_is_not_told(host: Host) -> None:
    host.create("other", "10.34.0.0/24")
    host.container("web", names=("db",))
    stranger, _ = host.container("other")
    assert ask(stranger, ("db", dns.A), server="10.34.0.1") == [(3, [])]
    assert not stranger.succeeds("python3", "-c", _ASK.replace("settimeout(10)", "settimeout(1)"), "10.33.0.1",
                                 '[["db", 1, false]]')  # fmt: skip


def test_busybox_and_the_c_library_understand_the_answers(host: Host) -> None:
    one, _ = host.container("web")
    host.container("web", names=("db",))
    assert "10.33.0.3" in one.run("busybox", "nslookup", "db", "10.33.0.1")


@pytest.mark.parametrize("stream", [False, True])
def test_other_names_are_asked_of_the_hosts_servers(host: Host, stream: bool) -> None:
    outside = host.outside()
    one, _ = host.container("web")
    outside.start("python3", "-c", _UPSTREAM)
    assert eventually(lambda: ":53 " in outside.run("ss", "-Hlun"))
    upstreams(host, "203.0.113.99", OUTSIDE)  # the first is nobody
    assert ask(one, ("www.example.org", dns.A, stream)) == [(0, [bytes((192, 0, 2, 7)).hex()])]


def test_without_a_server_the_answer_is_a_failure_at_once_and_with_a_silent_one_soon(host: Host) -> None:
    outside = host.outside()
    one, _ = host.container("web")
    assert ask(one, ("www.example.org", dns.A)) == [(2, [])]
    outside.start("python3", "-c", _SILENT)
    assert eventually(lambda: ":53 " in outside.run("ss", "-Hlun"))
    upstreams(host, OUTSIDE)
    assert ask(one, ("www.example.org", dns.A)) == [(2, [])]
    host.container("web", names=("db",))
    assert ask(one, ("db", dns.A)) == [(0, packed("10.33.0.3"))]


def test_an_internal_network_asks_nobody_outside(host: Host) -> None:
    outside = host.outside()
    host.create("inside", "10.35.0.0/24", internal=True)
    one, _ = host.container("inside", names=("me",))
    outside.start("python3", "-c", _UPSTREAM)
    upstreams(host, OUTSIDE)
    answers = ask(one, ("www.example.org", dns.A), ("me", dns.A), server="10.35.0.1")
    assert answers == [(5, []), (0, packed("10.35.0.2"))]


def test_the_resolver_is_nobody_and_ends_with_the_network(host: Host) -> None:
    one, _ = host.container("web", names=("me",))
    network = host.networks.store.network("web")
    pid = host.networks.presence.resolvers.pid(network)
    assert pid is not None
    assert ask(one, ("me", dns.A)) == [(0, packed("10.33.0.2"))]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == ["65534"] * 4
    assert (status["CapEff"], status["NoNewPrivs"], status["Groups"].strip()) == ("0" * 16, "1", "")
    assert network.label in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    host.networks.release(one.id)
    assert not Path(f"/proc/{pid}").exists()


def test_a_container_of_two_networks_is_told_by_either_and_no_other_is(host: Host) -> None:
    host.create("more", "10.36.0.0/24")
    both, _ = host.container("web")
    host.networks.attach(Attach("more", both.id, both.path))
    single, _ = host.container("web")
    host.container("more", names=("db",))
    pointer = ("3.0.36.10.in-addr.arpa", dns.PTR)
    assert ask(both, ("db", dns.A), ("db", dns.A, True), pointer) == [
        (0, packed("10.36.0.3")), (0, packed("10.36.0.3")), (0, [b"\x02db\0".hex()]),
    ]  # fmt: skip
    assert ask(single, ("db", dns.A), pointer) == [(3, []), (2, [])]
    host.networks.detach(both.id, "more")
    assert ask(both, ("db", dns.A)) == [(3, [])]


def test_a_container_gets_its_files(host: Host) -> None:
    host.create("more", "10.36.0.0/24")
    one, _ = host.container("web", names=("me",))
    host.networks.attach(Attach("more", one.id, one.path))
    other, _ = host.container("web", names=("db",))
    host.networks.presence.resolvers.resolv_conf.write_text("nameserver 192.0.2.1\nsearch example.org\n")
    assert resolv_conf_text(host.networks, one.id).splitlines() == [
        "nameserver 10.36.0.1", "nameserver 10.33.0.1", "nameserver fd33::1", "search example.org", "options ndots:0",
    ]  # fmt: skip
    assert resolv_conf_text(host.networks, "nobody") == "nameserver 192.0.2.1\nsearch example.org\n"
    own = hosts_text(host.networks, one.id, "box").splitlines()[6:]
    assert own == [f"10.36.0.2\tbox {one.id}", f"10.33.0.2\tbox me {one.id}", f"fd33::2\tbox me {one.id}"]
    all_ = hosts_text(host.networks, one.id, "box", neighbours=True).splitlines()[6:]
    assert all_ == [*own, f"10.33.0.3\tdb {other.id}", f"fd33::3\tdb {other.id}"]


def test_hostile_messages_do_not_stop_it(host: Host) -> None:
    one, _ = host.container("web", names=("me",))
    script = (
        "import os, socket\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "    for n in range(2000): s.sendto(os.urandom(n % 600), ('10.33.0.1', 53))\n"
        "peers = [socket.create_connection(('10.33.0.1', 53)) for _ in range(12)]\n"
        "for peer in peers: peer.sendall(b'\\xff\\xff' + os.urandom(100))\n"
    )
    one.run("python3", "-c", script)
    assert ask(one, ("me", dns.A), ("me", dns.A, True)) == [(0, packed("10.33.0.2"))] * 2


def test_a_killed_resolver_is_started_again_by_reconciling(host: Host) -> None:
    one, _ = host.container("web", names=("me",))
    network = host.networks.store.network("web")
    pid = host.networks.presence.resolvers.pid(network)
    assert pid is not None
    run("kill", "-9", str(pid))
    assert eventually(lambda: host.networks.presence.resolvers.pid(network) is None)
    host.networks.reconcile()
    assert ask(one, ("me", dns.A)) == [(0, packed("10.33.0.2"))]


def test_a_taken_port_53_is_an_error_that_leaves_nothing(host: Host) -> None:
    before = host.facts()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("", 53))
        with pytest.raises(NetworkError, match=r"^serve names on 10\.33\.0\.1 port 53: address already in use$"):
            host.container("web", id="c")
    host.networks.release("c")
    assert host.facts() == before
