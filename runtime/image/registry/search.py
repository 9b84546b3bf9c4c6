"""Looking for images: by the search of Docker's hub, or in the catalogue of a registry that has one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from runtime.image.document import MAX_DOCUMENT_BYTES, Document
from runtime.image.errors import InvalidDocument
from runtime.image.registry.caller import query
from runtime.image.registry.endpoint import DOCKER_HUB
from runtime.image.registry.errors import UnexpectedAnswer
from runtime.image.registry.transport import Request

if TYPE_CHECKING:
    from runtime.image.registry.client import RegistryClient

_HUB_INDEX = "index.docker.io"


@dataclass(frozen=True, slots=True)
class Found:
    """A repository that was found; a catalogue knows its name only."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False
    is_automated: bool = False


def search(client: RegistryClient, host: str, term: str, limit: int) -> tuple[Found, ...]:
    """At most so many; raises `RegistryError` and its kinds where there is neither search nor catalogue."""
    found = _searched(client, host, term, limit)
    if found is not None:
        return found
    names = (name for name in client.repositories(host) if term.lower() in name.lower())
    return tuple(Found(f"{host}/{name}") for name in islice(names, limit))


def _searched(client: RegistryClient, host: str, term: str, limit: int) -> tuple[Found, ...] | None:
    """By ``/v1/search``, which the specification does not know; None where there is none."""
    if host == DOCKER_HUB:
        root = f"https://{_HUB_INDEX}"
    else:
        endpoint = client.endpoint(host)
        root = f"{endpoint.scheme}://{endpoint.host}"
    request = Request(f"search {host}", "GET", query(f"{root}/v1/search", q=term, n=str(limit)))
    client.transport.check_plain(request.url, request.what)
    answer = client.transport.send(request)
    if answer.status != 200:
        if host == DOCKER_HUB:
            raise answer.error()
        answer.discard()
        return None
    try:
        document = Document.parse(answer.read(MAX_DOCUMENT_BYTES), request.what)
        return tuple(map(_found, document.children("results")))[:limit]
    except InvalidDocument as error:
        raise UnexpectedAnswer(str(error)) from error


def _found(result: Document) -> Found:
    return Found(
        result.text("name"),
        result.text("description", ""),
        result.number("star_count") if result.has("star_count") else 0,
        result.value.get("is_official") is True,
        result.value.get("is_automated") is True,
    )
