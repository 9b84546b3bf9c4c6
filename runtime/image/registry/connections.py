"""Connections to registries: pooled, over TLS where it must be, through proxies, and never waited for endlessly."""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from runtime.image.digest import CHUNK_BYTES
from runtime.image.registry.errors import NotSecure, RegistryError, TooSlow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.registry.settings import RegistrySettings


class Connections:
    """One pool for each kind of connection that the hosts need; for use by several threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def of(self, url: str) -> urllib3.PoolManager:
        """The pool for a URL's host."""
        parts = urlsplit(url)
        # Only hosts that have certificates of their own need a pool of their own.
        host = parts.netloc if parts.scheme == "https" and self._directories(parts.netloc) else ""
        proxy = self._proxy(parts.scheme, parts.hostname or "")
        with self._lock:
            pool = self._pools.get((host, proxy))
            if pool is None:
                pool = self._pools[host, proxy] = self._make(host, proxy)
        return pool

    def close(self) -> None:
        """End all idle connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _make(self, host: str, proxy: str) -> urllib3.PoolManager:
        settings = self._settings
        options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=settings.patience.connect_s, read=settings.patience.answer_s),
            "retries": False,
            "maxsize": settings.parallel_transfers * 2,
            "blocksize": CHUNK_BYTES,
            "ssl_context": self._context(host),
        }
        pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        pool.pool_classes_by_scheme = _pool_classes(settings.patience.answer_s)
        return pool

    def _context(self, host: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        with _certificate_errors(host):
            for path in self._settings.ca_files:
                context.load_verify_locations(path)
            for directory in self._directories(host):
                _load_directory(context, directory)
        return context

    def _directories(self, host: str) -> list[Path]:
        """The directories of certificates for the host (containers-certs.d(5))."""
        found = [path.expanduser() / host for path in self._settings.certificate_directories] if host else []
        return [path for path in found if path.is_dir()]

    def _proxy(self, scheme: str, host: str) -> str:
        if not self._settings.use_proxies or urllib.request.proxy_bypass(host):
            return ""
        proxy = urllib.request.getproxies().get(scheme, "")
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"


@contextmanager
def _certificate_errors(host: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ssl.SSLError) as error:
        raise NotSecure(f"load certificates{' for ' + host if host else ''}: {error}") from error


def _load_directory(context: ssl.SSLContext, directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        if path.suffix == ".crt":
            context.load_verify_locations(path)
        elif path.suffix == ".cert":
            context.load_cert_chain(path, path.with_suffix(".key"))


class _Patient:
    """A connection whose answers' heads have to be there in time: bytes that trickle reset every other clock."""

    answer_s: ClassVar[float]
    sock: Any
    host: str

    def connect(self) -> None:
        """Connect; what is sent then may take as long as an answer may: urllib3 would give it no longer than this."""
        super().connect()  # type: ignore[misc]
        self.sock.settimeout(self.answer_s)

    def getresponse(self) -> Any:
        """The head of the answer; raises `TooSlow`."""
        expired = threading.Event()
        sock = self.sock

        def expire() -> None:
            expired.set()
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.answer_s, expire)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()  # type: ignore[misc]
        except Exception as error:
            if expired.is_set() and not isinstance(error, RegistryError):
                raise TooSlow(f"{self.host}: no answer within {self.answer_s} s") from error
            raise
        finally:
            timer.cancel()
        if expired.is_set():  # http.client takes headers that are cut off for all headers
            response.close()
            raise TooSlow(f"{self.host}: no answer within {self.answer_s} s")
        return response


def _pool_classes(answer_s: float) -> dict[str, type[HTTPConnectionPool]]:
    plain = type("PatientConnection", (_Patient, HTTPConnection), {"answer_s": answer_s})
    secure = type("PatientSecureConnection", (_Patient, HTTPSConnection), {"answer_s": answer_s})
    return {
        "http": type("PatientPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("PatientSecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
