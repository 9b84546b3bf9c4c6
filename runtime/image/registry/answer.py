"""What a server answers: status, headers, and a body that is bounded in size and in time."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import urllib3

from runtime.image.digest import CHUNK_BYTES
from runtime.image.registry.challenge import parse_challenges
from runtime.image.registry.errors import (
    AccessDenied,
    AuthenticationFailed,
    NotInRegistry,
    RegistryError,
    RegistryFailed,
    RequestRefused,
    Throttled,
    TooSlow,
    UnexpectedAnswer,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.image.registry.challenge import Challenge
    from runtime.image.registry.settings import Patience

_MAX_ERROR_BYTES = 1 << 16
# What urllib3, http.client and ssl raise when a body ends too early or not at all.
TRANSFER_ERRORS = (urllib3.exceptions.HTTPError, OSError)
_TIMEOUTS = (urllib3.exceptions.TimeoutError, TimeoutError)
_ERRORS: dict[int, type[RegistryError]] = {
    401: AuthenticationFailed,
    403: AccessDenied,
    404: NotInRegistry,
    408: RegistryFailed,
    429: Throttled,
}


class Answer:
    """One answer to the request that ``what`` describes. Whoever has one reads it to its end, or closes it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, what: str, patience: Patience) -> None:
        self._response = response
        self._patience = patience
        self.url = url
        self.what = what
        self.status = response.status

    def header(self, name: str) -> str:
        """The value of a header; empty if there is none."""
        return self._response.headers.get(name, "")

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        """What the server wants to be shown."""
        headers = self._response.headers.getlist("WWW-Authenticate")
        return tuple(challenge for header in headers for challenge in parse_challenges(header))

    def chunks(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
        """The body as it arrives; raises `Unreachable` if it breaks off, `TooSlow` if it trickles."""
        rate = _Rate(self._patience)
        with self._errors():
            # As much as has come, and no waiting for more: else a trickle could not be told from a stream.
            while data := self._response.read1(CHUNK_BYTES, decode_content=False):
                if not rate.enough(len(data)):
                    raise TooSlow(f"{self.what}: fewer than {rate.promised} bytes in {self._patience.rate_window_s} s")
                if stopped():
                    self.close()
                    return
                yield data

    def read(self, limit_bytes: int) -> bytes:
        """The whole body; raises `UnexpectedAnswer` as soon as it has more than ``limit_bytes``."""
        parts: list[bytes] = []
        size = 0
        try:
            for data in self.chunks():
                size += len(data)
                if size > limit_bytes:
                    raise UnexpectedAnswer(f"{self.what}: more than {limit_bytes} bytes, no document is that large")
                parts.append(data)
        finally:
            self.close()
        return b"".join(parts)

    def discard(self) -> None:
        """Read a short body so that its connection can be used again; close a long one."""
        try:
            self.read(_MAX_ERROR_BYTES)
        except RegistryError:
            self.close()

    def close(self) -> None:
        """Give the connection back if the body has been read, else end it. Idempotent."""
        if self._response.closed or getattr(self._response, "length_remaining", None) == 0:
            self._response.release_conn()
        else:
            self._response.close()

    def error(self) -> RegistryError:
        """What a status of failure means, with the registry's own words. The body is read."""
        kind = _ERRORS.get(self.status) or (RegistryFailed if self.status >= 500 else RequestRefused)
        if self.status < 400:
            kind = UnexpectedAnswer
        return kind(
            f"{self.what}: {self._reason()}",
            _HINTS.get(kind, ""),
            status=self.status,
            retry_after_s=self._retry_after_s(),
        )

    def _reason(self) -> str:
        try:
            said = _registry_words(json.loads(self.read(_MAX_ERROR_BYTES)))
        except (RegistryError, ValueError, RecursionError):
            said = ""
        status = f"status {self.status}"
        return f"{said} ({status})" if said else status

    def _retry_after_s(self) -> float:
        """Seconds only: a date depends on a clock that may be wrong, and the back-off serves as well."""
        text = self.header("Retry-After")
        return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with transfer_errors(self.what):
            try:
                yield
            except BaseException:
                self._response.close()
                raise


class _Rate:
    """Whether a body comes fast enough: measured anew in each window of time."""

    def __init__(self, patience: Patience) -> None:
        self._window_s = patience.rate_window_s
        self.promised = int(patience.minimum_bytes_per_s * patience.rate_window_s)
        self._until = time.monotonic() + self._window_s
        self._got = 0

    def enough(self, size: int) -> bool:
        self._got += size
        now = time.monotonic()
        if now < self._until:
            return True
        enough = self._got >= self.promised
        self._until, self._got = now + self._window_s, 0
        return enough


_HINTS: dict[type[RegistryError], str] = {
    AuthenticationFailed: "log in to the registry, or check the file of credentials",
    AccessDenied: "the registry knows the user, but the user may not do this",
    NotInRegistry: "check the name and the tag; some registries say this of what one may not see, too",
    Throttled: "wait, or log in: most registries allow more to users they know",
}


@contextmanager
def transfer_errors(what: str) -> Iterator[None]:
    """Turn what breaks a transfer into `Unreachable`, and what delays it into `TooSlow`."""
    try:
        yield
    except _TIMEOUTS as error:
        raise TooSlow(f"{what}: no answer in time: {error}") from error
    except TRANSFER_ERRORS as error:
        raise Unreachable(f"{what}: the connection broke: {error}") from error


def _registry_words(document: Any) -> str:
    """The errors of the specification's form: ``{"errors": [{"code": …, "message": …}]}``."""
    errors = document.get("errors") if isinstance(document, dict) else None
    words: list[str] = []
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            parts = [str(error[key]) for key in ("code", "message") if isinstance(error.get(key), str)]
            words.append(": ".join(parts))
    text = "; ".join(filter(None, words))
    # It goes to a terminal: nothing but what can be printed.
    return "".join(character if character.isprintable() else "?" for character in text)[:300]
