"""How the command line speaks to registries: whom it trusts, and which mirrors it asks first.

A file of the members that dockerd's daemon.json has says what holds always; the flags add to it::

    {"insecure-registries": ["registry.example.org:5000"], "registry-mirrors": ["https://mirror.example.org"]}
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
    from runtime.image.registry.settings import RegistrySettings

    document = _document(os.environ.get(_FILE_VARIABLE) or _FILE)
    return RegistrySettings(
        insecure=frozenset((*document.get("insecure-registries", ()), *insecure)),
        mirrors=_mirrors((*mirrors, *document.get("registry-mirrors", ()))),
        user_agent=f"tare/{VERSION}",
    )


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
    lists = {name: document.get(name, []) for name in ("insecure-registries", "registry-mirrors")} if isinstance(
        document, dict) else {"": None}  # fmt: skip
    for name, items in lists.items():
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise CommandError(f"read {path}: {name or 'it'} is no list of texts")
    return lists
