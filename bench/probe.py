"""Ready, by the harness's own definition: the first complete HTTP answer seen from the host.

One probe for every driver, from one vantage point, on one clock. It asks again and again over new connections: a
refused one is repeated after `RETRY_S`, one that nobody accepts is given up after `CONNECT_S` (a guest without an
address yet swallows the packet, and TCP would repeat it only after a second). An answer is timed when its last byte
is here, so the resolution is at worst one `CONNECT_S`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from bench.workload import Endpoint

RETRY_S = 0.002
CONNECT_S = 0.1
SWITCH_S = 0.0002
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the probe saw; ``answered_at_ns`` is None if nothing came in time, and ``problem`` then says what did."""

    answered_at_ns: int | None
    attempts: int
    problem: str = ""


class BadAnswer(Exception):
    """Something answered, but not with a complete HTTP success."""


class Prober:
    """Watches any number of endpoints from one thread. A context manager: leaving it gives up all watches."""

    def __enter__(self) -> Self:
        # Who launches must not wait 5 ms, the default, for the interpreter while the probe reads an answer.
        self._switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prober", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        sys.setswitchinterval(self._switch_interval_s)

    def watch(self, endpoint: Endpoint, timeout_s: float) -> Future[Answer]:
        """Ask until it answers or ``timeout_s`` has passed; the future never raises for a silent endpoint."""
        return asyncio.run_coroutine_threadsafe(first_answer(endpoint, timeout_s), self._loop)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def first_answer(endpoint: Endpoint, timeout_s: float) -> Answer:
    """Ask until the first complete success, or until ``timeout_s`` has passed."""
    deadline = time.monotonic() + timeout_s
    attempts, problem = 0, ""
    while time.monotonic() < deadline:
        attempts += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await ask(endpoint)
        except TimeoutError:
            problem = problem or "no answer in time"
        except (OSError, BadAnswer) as error:
            problem = str(error)
            await asyncio.sleep(RETRY_S)
        else:
            return Answer(time.monotonic_ns(), attempts)
    return Answer(None, attempts, problem or "never asked")


async def ask(endpoint: Endpoint) -> None:
    """One request over one new connection; raises `TimeoutError`, `OSError` or `BadAnswer`."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except TimeoutError:
        raise BadAnswer("nobody accepts a connection") from None
    try:
        writer.write(f"GET {endpoint.path} HTTP/1.0\r\nHost: {endpoint.host}\r\n\r\n".encode())
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await reader.read(-1)
        except TimeoutError:
            raise BadAnswer(f"connected, but not answered within {_ANSWER_S:g} s") from None
        check_answer(answer)
    finally:
        writer.close()


def check_answer(answer: bytes) -> None:
    """Raise `BadAnswer` unless this is a whole HTTP response of a 2xx or 3xx status."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].split(b" ")
    if not separator or len(status) < 2 or not status[0].startswith(b"HTTP/1.") or status[1][:1] not in (b"2", b"3"):
        raise BadAnswer(f"answered {answer[:60]!r}")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            _check_length(len(body), line.split(b":")[1].strip())


def _check_length(received: int, promised: bytes) -> None:
    if not promised.isdigit():
        raise BadAnswer(f"answered a length of {promised[:20]!r}")
    if received < int(promised):
        raise BadAnswer(f"answer cut short after {received} bytes")
