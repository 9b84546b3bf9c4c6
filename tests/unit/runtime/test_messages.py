"""What is said between a client and its launcher arrives as it was sent, whole or not at all."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from runtime.process import messages
from runtime.spec.container import ContainerSpec, Network, Process, Resources, Rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESS = Process(("a", ""), ("A=ä\udcff",), "/srv", 1, 2, (3, 4), 5, no_new_privs=False, seccomp=b"\0\1")
SPEC = ContainerSpec(
    id="c",
    hostname="h",
    directory="/d",
    cgroup="g",
    process=PROCESS,
    rootfs=Rootfs(("/a", "/b"), "/u", "/w"),
    resources=Resources(1, 0.5, 2),
    network=Network("eth0", (b"1",), (b"2", b"3")),
)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


@pytest.mark.parametrize(
    "message",
    [
        messages.Launch(SPEC),
        messages.Spawn("p", "/root", PROCESS, "/log"),
        messages.Exec("c", "c/1", PROCESS),
        messages.Signal("c", 15),
        messages.Query("c"),
        messages.Remove("c"),
        messages.Started(7),
        messages.Status(7, None),
        messages.Status(7, 137),
        messages.Done(),
        messages.Refused("no: because"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_arrives_as_it_was_sent(
    ends: tuple[socket.socket, socket.socket], message: messages.Request | messages.Reply
) -> None:
    messages.send(ends[0], message)
    received, fds = messages.receive(ends[1])
    assert received == message
    assert type(received) is type(message)
    assert fds == []


def test_descriptors_travel_along(ends: tuple[socket.socket, socket.socket]) -> None:
    out, out_write = os.pipe()
    messages.send(ends[0], messages.Exec("c", "c/1", PROCESS), (out_write, out_write))
    os.close(out_write)
    _, fds = messages.receive(ends[1])
    assert len(fds) == 2
    os.write(fds[0], b"a")
    os.write(fds[1], b"b")
    assert [os.get_inheritable(fd) for fd in fds] == [False, False]
    for fd in fds:
        os.close(fd)
    assert os.read(out, 10) == b"ab"
    os.close(out)


def test_messages_stay_apart(ends: tuple[socket.socket, socket.socket]) -> None:
    for number in range(3):
        messages.send(ends[0], messages.Started(number))
    assert [messages.receive(ends[1])[0].pid for _ in range(3)] == [0, 1, 2]


def test_the_end_is_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].close()
    with pytest.raises(EOFError):
        messages.receive(ends[1])


def test_a_message_that_is_too_long_is_not_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(messages.MessageError, match=r"^a request of \d+ bytes is longer than 131072$"):
        messages.send(ends[0], messages.Refused("x" * (1 << 17)))
    messages.send(ends[0], messages.Refused("x" * 130_000))
    assert len(messages.receive(ends[1])[0].reason) == 130_000
