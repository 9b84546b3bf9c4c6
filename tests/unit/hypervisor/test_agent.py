from __future__ import annotations

import base64
import shlex
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hypervisor.agent import Agent
from hypervisor.errors import AgentError, AgentTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


Reply = Callable[[list[str]], bytes | None]
Channel = Callable[[Reply], tuple["Agent", "Guest"]]


def answer(identity: str, status: int, stdout: bytes = b"", stderr: bytes = b"") -> bytes:
    return f"{identity} {status}\n".encode() + base64.b64encode(stdout) + b"\n" + base64.b64encode(stderr) + b"\n"


class Guest:
    """The other end of the channel: answers each line it reads with what ``reply`` makes of it."""

    def __init__(self, path: Path, reply: Reply) -> None:
        self.heard: list[str] = []
        self._reply = reply
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                self.heard.append(line.decode().strip())
                reply = self._reply(line.decode().split())
                if reply is None:
                    return
                connection.sendall(reply)

    def close(self) -> None:
        self._thread.join(timeout=5)
        self._listener.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    made: list[tuple[Agent, Guest]] = []

    def make(reply: Reply) -> tuple[Agent, Guest]:
        guest = Guest(tmp_path / "agent.sock", reply)
        made.append((Agent(tmp_path / "agent.sock"), guest))
        return made[-1]

    yield make
    for agent, guest in made:
        agent.close()
        guest.close()


def test_status_and_both_outputs_come_back_byte_for_byte(channel: Channel) -> None:
    agent, _ = channel(lambda words: answer(words[1], 3, bytes(range(256)), b"no\n"))
    result = agent.exec(["true"])
    assert (result.exit_status, result.stdout, result.stderr) == (3, bytes(range(256)), b"no\n")


def test_words_travel_quoted(channel: Channel) -> None:
    agent, guest = channel(lambda words: answer(words[1], 0))
    agent.exec(["echo", "it's", "a b\nc", "$HOME", ""], timeout_s=2.5)
    verb, identity, seconds, words = guest.heard[0].split()
    assert (verb, identity, seconds) == ("exec", "1", "3")
    assert shlex.split(base64.b64decode(words).decode()) == ["echo", "it's", "a b\nc", "$HOME", ""]


def test_a_late_answer_to_an_earlier_request_is_skipped(channel: Channel) -> None:
    agent, _ = channel(lambda words: answer("999", 1, b"old") + answer(words[1], 0, b"new"))
    assert agent.exec(["x"]).stdout == b"new"


def test_commands_from_several_threads_do_not_mix(channel: Channel) -> None:
    agent, _ = channel(lambda words: answer(words[1], 0, base64.b64decode(words[3])))
    results: dict[int, bytes] = {}

    def run(number: int) -> None:
        results[number] = agent.exec([f"command-{number}"]).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"command-{number}".encode() for number in range(8)}


def test_a_guest_that_ends_is_no_answer(channel: Channel) -> None:
    agent, _ = channel(lambda _: None)
    with pytest.raises(AgentError, match="the guest is gone"):
        agent.exec(["x"])


def test_a_command_killed_at_its_deadline_is_a_timeout(channel: Channel) -> None:
    agent, _ = channel(lambda words: answer(words[1], 137))
    with pytest.raises(AgentTimeout, match="run sleep 9 in the guest: killed after 0 s"):
        agent.exec(["sleep", "9"], timeout_s=0)
    assert agent.exec(["x"], timeout_s=60).exit_status == 137


@pytest.mark.parametrize("reply", [b"what\n\n\n", b"1 0\n!!!\n\n", b"one 0\n\n\n"])
def test_an_answer_out_of_order_is_an_error(channel: Channel, reply: bytes) -> None:
    agent, _ = channel(lambda _: reply)
    with pytest.raises(AgentError, match="agent s"):
        agent.exec(["x"])


@pytest.mark.parametrize(
    ("argv", "message"), [([], "no command"), (["a\0b"], "zero byte"), (["x" * 100_000], "more than")]
)
def test_commands_that_cannot_be_sent_are_refused(tmp_path: Path, argv: list[str], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        Agent(tmp_path / "none").exec(argv)


def test_a_missing_channel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"connect to the agent at .*none"):
        Agent(tmp_path / "none").exec(["x"])


def test_closing_twice_is_fine(channel: Channel) -> None:
    agent, _ = channel(lambda _: None)
    agent.connect()
    agent.close()
    agent.close()
