"""Debian's docker-registry on a free port of loopback: an open one, or with passwords, TLS or tokens."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.image.registry.settings import Patience, RegistrySettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Quick to give up: what is tested is that it does, not how long it waits.
IMPATIENT = Patience(
    connect_s=5, answer_s=5, minimum_bytes_per_s=1024, rate_window_s=1, attempts=3, backoff_s=0.01, longest_wait_s=0.1
)
QUICK = RegistrySettings(certificate_directories=(), auth_files=(), use_proxies=False, patience=IMPATIENT)


@dataclass(frozen=True)
class Registry:
    """A registry that runs, and where it keeps things."""

    host: str
    directory: Path

    @property
    def blobs(self) -> list[Path]:
        """Its blobs, as files."""
        return sorted(self.directory.glob("docker/registry/v2/blobs/sha256/*/*/data"))


def free_port() -> int:
    """A port of loopback that nobody has; somebody might take it before it is used."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def docker_registry(
    directory: Path, auth: dict[str, Any] | None = None, tls: dict[str, str] | None = None
) -> Iterator[Registry]:
    """The distribution's registry; ``auth`` and ``tls`` are what its configuration says of them."""
    program = shutil.which("docker-registry")
    assert program is not None, "docker-registry is not installed: ./run pytest does it"
    directory.mkdir(parents=True)
    port = free_port()
    data = directory / "data"
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", **({"tls": tls} if tls else {})},
        **({"auth": auth} if auth else {}),
    }
    path = directory / "config.yml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    with (directory / "log").open("w") as log:
        process = subprocess.Popen((program, "serve", str(path)), stdout=log, stderr=log)
    try:
        _wait_for(port, process, directory / "log")
        yield Registry(f"127.0.0.1:{port}", data)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, f"docker-registry has ended: {log.read_text()[-2000:]}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"docker-registry does not listen: {log.read_text()[-2000:]}"
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and a certificate of it for 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path


def make_authority(directory: Path) -> Authority:
    """Made by openssl, for this test only."""
    directory.mkdir()
    ca, ca_key, key, request, certificate = (
        directory / name for name in ("ca.crt", "ca.key", "server.key", "server.csr", "server.crt")
    )
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=test authority", "-keyout", ca_key, "-out", ca)
    _openssl("req", *new_key, "-subj", "/CN=test registry", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile",
             extensions, "-out", certificate)  # fmt: skip
    return Authority(ca, certificate, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(("openssl", *map(str, arguments)), check=True, capture_output=True)
