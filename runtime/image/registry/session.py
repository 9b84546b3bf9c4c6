"""The requests of one upload: begin, send, ask how far it is, end (distribution-spec, section Pushing blobs)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.image.registry.client import PUSH, Call, query
from runtime.image.registry.endpoint import Origin, joined
from runtime.image.registry.errors import NotSecure, RegistryError, UnexpectedAnswer

if TYPE_CHECKING:
    from runtime.image.digest import Digest
    from runtime.image.registry.answer import Answer
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.endpoint import Repository
    from runtime.image.registry.transport import Body

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")
_CONTENT = {"Content-Type": "application/octet-stream"}


class Session:
    """A registry's place for one blob that is on its way into ``repository``."""

    def __init__(self, client: RegistryClient, repository: Repository, what: str) -> None:
        self._client = client
        self._repository = repository
        self._what = what
        self._location = ""
        self.minimum_chunk_bytes = 0

    def start(self) -> None:
        """Have the registry make room; the other requests come after that."""
        self._begin(self._call(self._request("POST", "blobs/uploads/", 202)))

    def mount(self, digest: Digest, source: str) -> bool:
        """Have the registry take the blob from another of its repositories; if it will not, the session has begun."""
        path = query("blobs/uploads/", mount=str(digest), **{"from": source})
        answer = self._call(replace(self._request("POST", path, 201, 202), source=source))
        if answer.status == 201:
            return True
        self._begin(answer)
        return False

    def send_whole(self, body: Body, digest: Digest) -> None:
        """Send everything, and end the session."""
        request = self._request("PUT", query(self._location, digest=str(digest)), 201)
        self._call(replace(request, headers=_CONTENT, body=body, repeated=False))

    def send_chunk(self, body: Body, offset: int) -> None:
        """Send the bytes from ``offset`` on, which are the next."""
        headers = _CONTENT | {"Content-Range": f"{offset}-{offset + body.size_bytes - 1}"}
        request = self._request("PATCH", self._location, 202)
        self._move(self._call(replace(request, headers=headers, body=body, repeated=False)))

    def finish(self, digest: Digest) -> None:
        """End a session of chunks; the registry holds them to the digest."""
        self._call(self._request("PUT", query(self._location, digest=str(digest)), 201))

    def received_bytes(self) -> int:
        """How many bytes the registry has."""
        answer = self._call(self._request("GET", self._location, 204))
        if answer.header("Location"):
            self._move(answer)
        match = _RANGE.fullmatch(answer.header("Range"))
        # Registries say 0-0 for nothing at all; no chunk is as small as one byte.
        return int(match[1]) + 1 if match and match[1] != "0" else 0

    def cancel(self) -> None:
        """Let the registry forget it, which it would do itself in time."""
        if self._location:
            with suppress(RegistryError):
                self._call(replace(self._request("DELETE", self._location), repeated=False))
            self._location = ""

    def _begin(self, answer: Answer) -> None:
        self._move(answer)
        minimum = answer.header("OCI-Chunk-Min-Length")
        self.minimum_chunk_bytes = int(minimum) if re.fullmatch(r"\d{1,12}", minimum, re.ASCII) else 0

    def _move(self, answer: Answer) -> None:
        """Go on where the answer says: anywhere, but not without TLS if the registry has it."""
        location = answer.header("Location")
        if not location:
            raise UnexpectedAnswer(f"{self._what}: the registry does not say where to send it")
        try:
            url = joined(answer.url, location)
        except ValueError as error:
            raise UnexpectedAnswer(f"{self._what}: the registry sends us to {error}") from error
        if Origin.of(url).scheme == "http" and Origin.of(answer.url).scheme == "https":
            raise NotSecure(f"{self._what}: to be sent to {url[:200]}, without TLS")
        self._location = url

    def _call(self, call: Call) -> Answer:
        answer = self._client.call(replace(call, actions=PUSH))
        answer.discard()
        return answer

    def _request(self, method: str, path: str, *accepted: int) -> Call:
        return Call(self._repository, self._what, method, path, accepted=accepted)
