"""Ready, against real servers: refused then up, silent, partial, wrong, slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from bench.probe import Answer, BadAnswer, Prober, check_answer, first_answer
from bench.workload import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GOOD = b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ntare"


def says(*parts: bytes, after_s: float = 0.0) -> Handler:
    """A server that reads the request and sends the parts, with a pause before each."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            await asyncio.sleep(after_s)
            writer.write(part)
            await writer.drain()
        writer.close()

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


@contextlib.asynccontextmanager
async def served(handler: Handler, port: int = 0) -> AsyncIterator[Endpoint]:
    serving = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)

    async with await asyncio.start_server(handle, "127.0.0.1", port) as server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], "/")
    await asyncio.wait([task for task in serving if task is not None] or [asyncio.create_task(asyncio.sleep(0))])
    await asyncio.sleep(0.01)  # the transports close in the loop's next rounds


def probe(handler: Handler, timeout_s: float) -> Answer:
    async def run() -> Answer:
        async with served(handler) as endpoint:
            return await first_answer(endpoint, timeout_s)

    return asyncio.run(run())


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def test_a_complete_answer_is_timed() -> None:
    before = time.monotonic_ns()
    answer = probe(says(GOOD), 5.0)
    assert answer.answered_at_ns is not None
    assert before < answer.answered_at_ns < time.monotonic_ns()
    assert answer.attempts == 1
    assert answer.problem == ""


def test_the_request_names_path_and_host() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(GOOD)
        writer.close()

    async def run() -> None:
        async with served(note) as endpoint:
            await first_answer(Endpoint(endpoint.host, endpoint.port, "/health"), 5.0)

    asyncio.run(run())
    assert seen == [b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"]


def test_a_refused_connection_is_tried_again_until_somebody_listens() -> None:
    port = free_port()

    async def run() -> Answer:
        watching = asyncio.create_task(first_answer(Endpoint("127.0.0.1", port, "/"), 10.0))
        await asyncio.sleep(0.05)
        async with served(says(GOOD), port):
            return await watching

    answer = asyncio.run(run())
    assert answer.answered_at_ns is not None
    assert answer.attempts > 1


def test_nobody_listening_is_named() -> None:
    answer = asyncio.run(first_answer(Endpoint("127.0.0.1", free_port(), "/"), 0.1))
    assert answer.answered_at_ns is None
    assert "Connect call failed" in answer.problem


def test_a_silent_server_is_given_up_at_the_deadline() -> None:
    started = time.monotonic()
    answer = probe(silent, 0.2)
    assert answer == Answer(None, 1, "no answer in time")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\ntare", "answer cut short after 4 bytes"),
        (b"HTTP/1.0 200 OK\r\nContent-Le", "answered b'HTTP/1.0 200 OK"),
        (b"HTTP/1.0 503 Busy\r\n\r\n", "answered b'HTTP/1.0 503 Busy"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "answered b'HTTP/1.0 404"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "answered b'SSH-2.0"),
        (b"", "answered b''"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: lots\r\n\r\n", "answered a length of b'lots'"),
        (b"HTTP/1.0\r\n\r\n", "answered b'HTTP/1.0"),
    ],
)
def test_a_bad_answer_is_no_answer(sent: bytes, problem: str) -> None:
    answer = probe(says(sent), 0.1)
    assert answer.answered_at_ns is None
    assert answer.problem.startswith(problem)


@pytest.mark.parametrize("status", [b"200", b"204", b"301"])
def test_success_and_redirection_are_answers(status: bytes) -> None:
    check_answer(b"HTTP/1.1 " + status + b" x\r\n\r\n")


def test_a_wrong_answer_raises() -> None:
    with pytest.raises(BadAnswer):
        check_answer(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_a_slow_answer_counts_when_its_last_byte_is_here() -> None:
    started = time.monotonic_ns()
    answer = probe(says(GOOD[:10], GOOD[10:-1], GOOD[-1:], after_s=0.05), 5.0)
    assert answer.answered_at_ns is not None
    assert answer.answered_at_ns - started >= 150_000_000
    assert answer.attempts == 1


def test_bad_answers_are_followed_by_a_good_one() -> None:
    counter = iter(range(100))

    async def improving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GOOD if next(counter) == 3 else b"HTTP/1.0 503 Busy\r\n\r\n")
        writer.close()

    assert probe(improving, 5.0).attempts == 4


def test_a_prober_watches_many_and_gives_up_on_leaving() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        endpoint = Endpoint("127.0.0.1", holder.getsockname()[1], "/")
        with Prober() as prober:
            watches = [prober.watch(endpoint, 3600.0) for _ in range(20)]
        for watch in watches:
            with pytest.raises(CancelledError):
                watch.result(timeout=5)
