"""How the command line speaks to registries: whom it trusts, and which mirrors it asks first.

A file of the members that dockerd's daemon.json has says what holds always; the flags add to it. How long to wait for
what is in it, too, by the names of `runtime.image.registry.settings.Patience`::

    {"insecure-registries": ["registry.example.org:5000"], "registry-mirrors": ["https://mirror.example.org"],
     "patience": {"answer_s": 30, "attempts": 3}}
"""

from __future__ import annotations

import os

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.settings import RegistrySettings
    from runtime.tare.flags import Given

_FILE, _FILE_VARIABLE = "/etc/tare/registries.json", "TARE_REGISTRIES"
_HUB = "docker.io"
_MAX_FILE_BYTES = 1 << 20

REGISTRY_FLAGS = (
    Flag("insecure-registry", "Registry that may be spoken to without TLS (HOST[:PORT])", metavar="string", many=True),
    Flag("registry-mirror", "Where to pull from first, of the Docker Hub or with HOST= of another registry",
         metavar="[HOST=]MIRROR", many=True),
)  # fmt: skip


def open_client(given: Given | None = None) -> RegistryClient:
    """A client as the file and the flags say; whoever opens it closes it."""
    from runtime.image.registry.client import RegistryClient

    if given is None:
        return RegistryClient(settings())
    return RegistryClient(settings(given.many("insecure-registry"), given.many("registry-mirror")))


def settings(insecure: Iterable[str] = (), mirrors: Iterable[str] = ()) -> RegistrySettings:
    """What the file says, and this beside it; raises `CommandError` for a file that cannot be read."""
    from runtime import VERSION
    from runtime.image.registry.settings import Patience, RegistrySettings

    path = os.environ.get(_FILE_VARIABLE) or _FILE
    document = _document(path)
    try:
        return RegistrySettings(
            insecure=frozenset((*_texts(document, "insecure-registries"), *insecure)),
            mirrors=_mirrors((*mirrors, *_texts(document, "registry-mirrors"))),
            patience=Patience(**{name: _number(value) for name, value in document.get("patience", {}).items()}),
            user_agent=f"tare/{VERSION}",
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise CommandError(f"read {path}: {error}") from error


def _texts(document: dict[str, Any], name: str) -> list[str]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{name}: expected a list of texts")
    return found


def _number(content: Any) -> Any:
    if isinstance(content, bool) or not isinstance(content, (int, float)) or content <= 0:
        raise ValueError(f"patience: expected a number greater than 0, not {content!r}")
    return content


def _mirrors(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        host, equals, mirror = text.partition("=")
        if not equals:
            host, mirror = _HUB, text
        found[host] = (*found.get(host, ()), mirror.partition("://")[2] or mirror)
    return found


def _document(path: str) -> dict[str, Any]:
    import json

    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_MAX_FILE_BYTES) or b"{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"read {path}: {(error.strerror or '').lower()}") from error
    except ValueError as error:
        raise CommandError(f"read {path}: no JSON: {error}") from error
    if not isinstance(document, dict):
        raise CommandError(f"read {path}: expected an object")
    return document
