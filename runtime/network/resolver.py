"""The name server of one network, in a process of its own that has given up root and hears only its network.

It answers for the network's containers and forwards everything else to the host's name servers, so many questions at
once and so long, unless the network is internal. A name of one label that no container has is answered at once: it is
nobody's outside either, and should not be told there.

Run with the arguments LABEL UDP TCP STORE NETWORK SUBNETS [RESOLV_CONF]: numbers of open descriptors, separated by
commas; the subnets whose addresses it alone has names for; and the file that names the host's own servers.
"""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import os
import random
import secrets
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from runtime.network import dns
from runtime.network.dns import Code, Malformed, Query
from runtime.network.names import Surroundings, read_resolv_conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.network.subnets import IPAddress, IPNetwork

_NOBODY = 65534
_PR_SET_NO_NEW_PRIVS, _PR_SET_NAME = 38, 15
_TTL_S = 5
_FORWARDED_AT_ONCE = 64
_CONNECTIONS = 16
_UPSTREAM_TIMEOUT_S = 2.0
_UPSTREAMS = 2
_CONNECTION_TIMEOUT_S = 5.0
_PORT = 53


class Resolver:
    """Answers one message at a time; what it forwards, it waits for."""

    def __init__(self, names: Surroundings, subnets: Sequence[IPNetwork], resolv_conf: Path | None) -> None:
        self.names = names
        self.subnets = subnets
        self.resolv_conf = resolv_conf
        self._slots = asyncio.Semaphore(_FORWARDED_AT_ONCE)

    async def answer(self, data: bytes, asker: str, *, stream: bool) -> bytes | None:
        """The answer to a message from that address; None where there must be none."""
        try:
            query = dns.parse_query(data)
        except Malformed as error:
            return None if error.code is None else dns.refuse(data, error.code)
        if stream:
            query = _by_stream(query)
        own = self._own(query, ipaddress.ip_address(asker.partition("%")[0]))
        return own or await self._foreign(query, data, stream=stream)

    def _own(self, query: Query, asker: IPAddress) -> bytes | None:
        """The answer from the containers' names; None if the question is not about them."""
        if query.type == dns.PTR:
            return self._pointer(query, asker)
        found = (names.addresses(query.name) for names in self.names.for_asker(asker))
        addresses = next(filter(None, found), ())
        if addresses:
            wanted = [one for one in addresses if query.type in {dns.ANY, dns.A if one.version == 4 else dns.AAAA}]
            random.shuffle(wanted)  # so that containers of one name share the work
            return dns.respond(query, Code.NO_ERROR, wanted, _TTL_S)
        if "." not in query.name and query.type in {dns.A, dns.AAAA}:
            return dns.respond(query, Code.NO_SUCH_NAME)
        return None

    def _pointer(self, query: Query, asker: IPAddress) -> bytes | None:
        address = dns.address_of_pointer(query.name)
        if address is None:
            return None
        name = next(filter(None, (names.name(address) for names in self.names.for_asker(asker))), None)
        if name is not None:
            return dns.respond_pointer(query, name, _TTL_S)
        ours = any(address in subnet for subnet in self.subnets)
        return dns.respond(query, Code.NO_SUCH_NAME) if ours else None

    async def _foreign(self, query: Query, data: bytes, *, stream: bool) -> bytes:
        if self.resolv_conf is None:
            return dns.respond(query, Code.REFUSED)
        if not self._slots.locked():
            async with self._slots:
                for server in _upstreams(self.resolv_conf)[:_UPSTREAMS]:
                    with suppress(OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                        ask = _ask_stream if stream else _ask
                        return await asyncio.wait_for(ask(server, query, data), _UPSTREAM_TIMEOUT_S)
        return dns.respond(query, Code.SERVER_FAILURE)


def _by_stream(query: Query) -> Query:
    return Query(query.id, query.flags, query.name, query.type, query.question, 0xFFFF, query.extended)


def _upstreams(path: Path) -> tuple[str, ...]:
    try:
        return read_resolv_conf(path.read_text(encoding="utf-8", errors="replace"))[0]
    except OSError:
        return ()


async def _ask(server: str, query: Query, data: bytes) -> bytes:
    """Ask from a port and under a number that nobody can guess (RFC 5452)."""
    loop, number = asyncio.get_running_loop(), secrets.randbelow(1 << 16)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as upstream:
        await loop.sock_connect(upstream, (server, _PORT))
        await loop.sock_sendall(upstream, dns.renumber(data, number))
        while not dns.answers(query, number, received := await loop.sock_recv(upstream, 0xFFFF)):
            pass
    return dns.renumber(received, query.id)


async def _ask_stream(server: str, query: Query, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, _PORT)
    try:
        writer.write(struct.pack(">H", len(data)) + data)
        received = await _read_message(reader)
    finally:
        writer.close()
    if not dns.answers(query, query.id, received):
        raise ConnectionError("another question was answered")
    return received


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    return await reader.readexactly(length)


class _Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram; of those that wait for an upstream there are as many as `Resolver` lets."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.tasks: set[asyncio.Task[None]] = set()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # it is one, but its class does not say so

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self.resolver.answer(data, addr[0], stream=False)
        if answer is not None and self.transport is not None:
            self.transport.sendto(answer, addr)


class _Streams:
    """Answers one question after the other on each connection; a connection too many is closed."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is closed or says nothing for too long."""
        asker = (writer.get_extra_info("peername") or ("::", 0))[0]  # it may have gone already
        self.open += 1
        try:
            while self.open <= _CONNECTIONS:
                data = await asyncio.wait_for(_read_message(reader), _CONNECTION_TIMEOUT_S)
                answer = await self.resolver.answer(data, asker, stream=True)
                if answer is None:
                    break
                writer.write(struct.pack(">H", len(answer)) + answer)
                await asyncio.wait_for(writer.drain(), _CONNECTION_TIMEOUT_S)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # the client's own affair
        finally:
            self.open -= 1
            writer.close()


async def _serve(resolver: Resolver, datagrams: Sequence[int], streams: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    for descriptor in datagrams:
        await loop.create_datagram_endpoint(lambda: _Datagrams(resolver), sock=socket.socket(fileno=descriptor))
    for descriptor in streams:
        await asyncio.start_server(_Streams(resolver).serve, sock=socket.socket(fileno=descriptor))
    await loop.create_future()  # until it is killed


def give_up_rights() -> None:
    """Become nobody, for good."""
    os.chdir("/")
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, b"tare-resolver", 0, 0, 0)


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    datagrams, streams, store = ([int(part) for part in text.split(",")] for text in arguments[1:4])
    subnets = [ipaddress.ip_network(text) for text in arguments[5].split(",")]
    if os.geteuid() == 0:
        give_up_rights()
    resolv_conf = Path(arguments[6]) if len(arguments) > 6 else None
    resolver = Resolver(Surroundings(store[0], arguments[4]), subnets, resolv_conf)
    asyncio.run(_serve(resolver, datagrams, streams))
