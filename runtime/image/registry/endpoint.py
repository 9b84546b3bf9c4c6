"""Where a repository is: host and path of a reference, URLs of its registry, and when TLS may be done without."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from runtime.image.reference import Reference

DOCKER_HUB = "docker.io"
# The hub's registry has another name than its images; those of one component are in a namespace of its own.
_HUB_REGISTRY = "registry-1.docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", _HUB_REGISTRY})
_HUB_NAMESPACE = "library"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository ``path`` of the registry ``host`` (``name[:port]``)."""

    host: str
    path: str

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """The repository that a reference names; one without a host is of the Docker hub."""
        host, slash, path = reference.name.partition("/")
        if not slash or not is_host(host):
            host, path = DOCKER_HUB, reference.name
        if host in _HUB_NAMES:
            return cls(DOCKER_HUB, path if "/" in path else f"{_HUB_NAMESPACE}/{path}")
        return cls(host, path)

    def at(self, mirror: str) -> Repository:
        """Where a mirror (``name[:port][/prefix]``) has it."""
        host, _, prefix = mirror.partition("/")
        return Repository(host, f"{prefix.strip('/')}/{self.path}" if prefix.strip("/") else self.path)

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The root of a registry's interface: ``scheme://host``."""

    scheme: str
    host: str

    def url(self, path: str) -> str:
        """The URL of ``/v2/PATH``."""
        return f"{self.scheme}://{self.host}/v2/{path}"

    @property
    def origin(self) -> Origin:
        """Whom credentials for this endpoint may be sent to."""
        return Origin.of(f"{self.scheme}://{self.host}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454): two URLs of one origin are of one owner."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of a URL; raises `ValueError` for what is none of http or https."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url[:200]!r} is no URL of http or https")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])


def joined(url: str, location: str) -> str:
    """Where ``location`` leads from ``url``; raises `ValueError` if that is no URL of http or https."""
    found = urljoin(url, location)
    Origin.of(found)
    return found


def is_host(component: str) -> bool:
    """Whether the first component of a name is a registry's; ``library/website`` has none."""
    return "." in component or ":" in component or component == "localhost" or component != component.lower()


def registry_host(host: str) -> str:
    """The host whose interface serves the images called ``host/…``."""
    return _HUB_REGISTRY if host in _HUB_NAMES else host


def is_loopback(host: str) -> bool:
    """Whether ``name[:port]`` is this host itself, whatever resolvers say."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def may_be_plain(host: str, insecure: frozenset[str]) -> bool:
    """Whether ``name[:port]`` may be spoken to without TLS: loopback, and what the user has named."""
    return is_loopback(host) or host in insecure or (urlsplit(f"//{host}").hostname or "") in insecure
