"""A headless Chromium that opens one page and says what it saw, driven over the DevTools protocol's pipe.

With ``--remote-debugging-pipe`` the browser reads commands from file descriptor 3 and writes answers and events to 4,
each a JSON object that ends with a zero byte. No port, no library, and the viewport and colour scheme can be chosen.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
_TROUBLE = {"Runtime.exceptionThrown", "Log.entryAdded"}


def chromium() -> str | None:
    """The path of an installed Chromium."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Page:
    """One open page; ``trouble`` collects console errors, ``requests`` every address that was asked for."""

    _write: int
    _read: int
    _session: str = ""
    _next: int = 0
    _buffer: bytes = b""
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come before it are noted."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._note(answer)

    def attach(self) -> None:
        """Open a blank page and listen to it."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def open(self, path: Path, width: int = 1280, scheme: str = "light", media: str = "") -> None:
        """Load a file in a viewport ``width`` wide and wait until its plots have settled."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)
        self.command("Page.navigate", url=path.as_uri())
        settled = (
            "document.readyState === 'complete' && [...document.querySelectorAll('.plot')]"
            ".every(plot => plot.querySelector('.main-svg'))"
        )
        deadline = time.monotonic() + 60
        while not self.evaluate(settled) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.4)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page as a picture."""
        picture = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], 60)[0]:
                raise TimeoutError("chromium said nothing for 60 s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise EOFError("chromium closed its pipe")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method", ""), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method in _TROUBLE or parameters.get("type") in {"error", "warning"}:
            self.trouble.append(json.dumps(parameters)[:500])


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A Chromium with its profile in ``profile``, gone at the end."""
    program = chromium()
    if program is None:
        raise FileNotFoundError("chromium is not installed")
    with ExitStack() as stack:
        theirs_read, ours_write = _pipe(stack)
        ours_read, theirs_write = _pipe(stack)
        pid = _spawn(
            [program, *_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            {theirs_read: 3, theirs_write: 4},
        )
        stack.callback(_end, pid)
        os.close(theirs_read)
        os.close(theirs_write)
        page = Page(ours_write, ours_read)
        page.attach()
        yield page


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """Both ends of a pipe, above the descriptors that the browser is to find them at."""
    low = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    for end in (read, write):
        stack.callback(_close, end)
    return read, write


def _spawn(argv: list[str], descriptors: dict[int, int]) -> int:
    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in descriptors.items()]
    quiet = [(os.POSIX_SPAWN_OPEN, output, os.devnull, os.O_WRONLY, 0) for output in (1, 2)]
    return os.posix_spawn(argv[0], argv, os.environ, file_actions=[*actions, *quiet])


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


def _close(descriptor: int) -> None:
    with suppress(OSError):  # the browser's ends are closed as soon as it has them
        os.close(descriptor)
