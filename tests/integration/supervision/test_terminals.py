"""Containers with a terminal: seen, typed to, resized, left and found again, also by the next supervisor."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from runtime.supervision.errors import BadRequest, WrongPhase
from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from runtime.supervision.terms import Terms
    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root


def attached(house: House, terms: Terms) -> socket.socket:
    seen = socket.socket(fileno=house.client.attach_terminal(terms.id))
    seen.settimeout(60)
    return seen


def read_until(seen: socket.socket, end: bytes) -> bytes:
    content = b""
    while end not in content:
        more = seen.recv(4096)
        assert more, content
        content += more
    return content


def read_rest(seen: socket.socket) -> bytes:
    content = b""
    while more := seen.recv(4096):
        content += more
    return content


def logged(house: House, terms: Terms) -> bytes:
    return b"".join(entry.content for entry in house.client.logs(terms.id))


def test_what_is_typed_goes_in_and_what_is_shown_is_logged(house: House) -> None:
    terms = house.shell("read line; echo got $line; tty", terminal=True, stdin=True)
    house.client.create(terms)
    with attached(house, terms) as seen:
        house.client.start(terms.id)
        seen.sendall(b"hello\n")
        shown = read_rest(seen)
    assert b"got hello\r\n/dev/pts/0\r\n" in shown
    assert house.client.wait(terms.id).life.exit.code == 0
    assert logged(house, terms) == shown


def test_a_size_that_was_asked_for_before_the_start_and_another(house: House) -> None:
    terms = house.shell("stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done",
                        terminal=True)  # fmt: skip
    house.client.create(terms)
    house.client.resize(terms.id, 31, 97)
    with attached(house, terms) as seen:
        house.client.start(terms.id)
        assert b"31 97" in read_until(seen, b"ready")
        house.client.resize(terms.id, 20, 40)
        assert b"20 40" in read_rest(seen)
    assert house.client.wait(terms.id).life.exit.code == 3


def test_it_goes_on_when_a_client_has_left_and_several_see_the_same(house: House) -> None:
    terms = house.shell("echo one; read a; echo two; read b; echo three", terminal=True, stdin=True)
    house.client.create(terms)
    with attached(house, terms) as seen:
        house.client.start(terms.id)
        read_until(seen, b"one")
    with attached(house, terms) as first, attached(house, terms) as second:
        first.sendall(b"\n")
        read_until(second, b"two")
        second.sendall(b"\n")
        assert b"three" in read_rest(first)
    assert house.client.wait(terms.id).life.exit.code == 0


def test_a_terminal_outlives_the_supervisor(house: House) -> None:
    terms = house.shell("echo one; read a; echo two $a; read b; echo three $b", terminal=True, stdin=True)
    house.client.create(terms)
    with attached(house, terms) as seen:
        house.client.start(terms.id)
        read_until(seen, b"one")
        house.kill_supervisor()
        assert read_rest(seen) == b""
    house.client.containers()
    with attached(house, terms) as seen:
        seen.sendall(b"x\n")
        read_until(seen, b"two x")
        house.kill_supervisor()
    house.client.containers()
    with attached(house, terms) as seen:
        seen.sendall(b"y\n")
        assert b"three y" in read_rest(seen)
    wait_until(lambda: not house.client.inspect(terms.id).life.phase.is_active)
    assert b"three y" in logged(house, terms)


def test_much_output_is_shown_and_logged_as_a_whole(house: House) -> None:
    terms = house.shell("seq 1 60000; sleep 0.1", terminal=True)
    house.client.create(terms)
    with attached(house, terms) as seen:
        house.client.start(terms.id)
        shown = read_rest(seen)
    house.client.wait(terms.id)
    assert shown == b"".join(b"%d\r\n" % number for number in range(1, 60001))
    assert logged(house, terms) == shown


def test_without_a_terminal_there_is_none_to_attach_to(house: House) -> None:
    terms = house.shell("sleep 60")
    house.client.create(terms)
    with pytest.raises(BadRequest):
        house.client.attach_terminal(terms.id)


def test_paused_and_going_on(house: House) -> None:
    terms = house.shell("while :; do echo x; sleep 0.05; done")
    house.client.run(terms)
    assert house.client.pause(terms.id).life.paused
    with pytest.raises(WrongPhase, match="it is paused"):
        house.client.pause(terms.id)
    before = logged(house, terms)
    assert not house.client.unpause(terms.id).life.paused
    wait_until(lambda: len(logged(house, terms)) > len(before) + 10)
    house.client.pause(terms.id)
    assert house.client.stop(terms.id, timeout_s=0.2).life.exit.code is not None


def test_one_that_is_to_be_removed_is_gone_when_it_has_ended(house: House) -> None:
    terms = house.shell("exit 7", auto_remove=True)
    house.client.run(terms)
    assert house.client.wait(terms.id).life.exit.code == 7
    assert house.client.containers() == ()
    assert house.client.wait(terms.id).life.exit.code == 7  # it is remembered for those who come late
