"""How to deal with registries: whom to trust, how long to wait, how much at once. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# containers-certs.d(5), and Docker's documentation of certs.d: HOST[:PORT]/*.crt, *.cert and *.key.
CERTIFICATE_DIRECTORIES = (
    Path("~/.config/containers/certs.d"),
    Path("/etc/containers/certs.d"),
    Path("/etc/docker/certs.d"),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, and how often to try again."""

    connect_s: float = 15
    # Between two bytes, and for a whole head of an answer: a registry may hash a large blob before it answers.
    answer_s: float = 120
    # A body has to bring as many bytes in each such time; whoever trickles is let go.
    minimum_bytes_per_s: int = 1024
    rate_window_s: float = 30
    attempts: int = 6
    # Twice as long after each failure, with some chance in it, and no longer than the last.
    backoff_s: float = 0.5
    longest_wait_s: float = 60


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Everything about registries that a user may want otherwise."""

    # Hosts (``name[:port]``) that may be spoken to without TLS. Loopback may anyway.
    insecure: frozenset[str] = frozenset()
    # Further certificate authorities, for all hosts; and directories of them by host.
    ca_files: tuple[Path, ...] = ()
    certificate_directories: tuple[Path, ...] = CERTIFICATE_DIRECTORIES
    # For each host, others to pull from first: ``name[:port][/prefix]``.
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Files of credentials, first match wins; None: the usual ones.
    auth_files: tuple[Path, ...] | None = None
    # Of the environment (http_proxy, https_proxy, no_proxy) unless it is told otherwise.
    use_proxies: bool = True
    patience: Patience = field(default_factory=Patience)
    max_redirects: int = 5
    parallel_transfers: int = 4
    # Blobs larger than this are pushed in chunks of this size, so that a broken connection costs one chunk.
    chunk_bytes: int = 64 << 20
    user_agent: str = "tare"
