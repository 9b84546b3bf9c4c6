"""Credentials kept for later: in docker's config.json, or by the helper that it names (docker login)."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.image.lock import locked
from runtime.image.registry.endpoint import DOCKER_HUB
from runtime.image.registry.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.image.registry.credentials import Credentials

# docker's own key for its hub.
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_TIMEOUT_S = 30


def docker_config(environment: Mapping[str, str]) -> Path:
    """The file that docker login writes to."""
    home = environment.get("HOME", "/root")
    return Path(environment.get("DOCKER_CONFIG") or f"{home}/.docker") / "config.json"


def keep(path: Path, host: str, credentials: Credentials) -> str:
    """Keep them; the helper that has them now, or nothing if the file has. Raises `CredentialsError`."""
    with _changed(path) as document:
        key, helper = _key(host), _helper(document, host)
        auths = document.setdefault("auths", {})
        if helper:
            secret = {"ServerURL": key, "Username": credentials.username, "Secret": credentials.password}
            _run(helper, "store", json.dumps(secret))
            auths[key] = {}
        else:
            plain = f"{credentials.username}:{credentials.password}"
            auths[key] = {"auth": base64.b64encode(plain.encode()).decode()}
    return helper


def forget(path: Path, host: str) -> bool:
    """Whether there were any; raises `CredentialsError`."""
    with _changed(path) as document:
        key, helper = _key(host), _helper(document, host)
        auths = document.get("auths", {})
        known = [name for name in dict.fromkeys((key, host, f"https://{host}", f"http://{host}")) if name in auths]
        if helper:
            with suppress(CredentialsError):  # it knows none: what was wanted
                _run(helper, "erase", key)
        for name in known:
            del auths[name]
    return bool(known)


def _key(host: str) -> str:
    return _HUB_KEY if host == DOCKER_HUB else host


def _helper(document: dict[str, Any], host: str) -> str:
    helpers = document.get("credHelpers")
    found = helpers.get(_key(host)) or helpers.get(host) if isinstance(helpers, dict) else None
    return str(found or document.get("credsStore") or "")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes() or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise CredentialsError(f"read credentials {path}: {error.strerror}") from error
    except ValueError as error:
        raise CredentialsError(f"read credentials {path}: no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("auths", {}), dict):
        raise CredentialsError(f"read credentials {path}: not an object with a member auths")
    return document


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, Any]]:
    """The file's document, by one process at a time; written if it has become another one."""
    try:
        real = path.resolve()  # a link stays one: what it leads to is replaced
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(real.parent):
            document = _read(real)
            before = json.dumps(document)
            yield document
            if json.dumps(document) != before:
                _write(real, document)
    except OSError as error:
        raise CredentialsError(f"write credentials {path}: {error.strerror}") from error


def _write(path: Path, document: dict[str, Any]) -> None:
    """For nobody else's eyes, from the first byte on."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(json.dumps(document, indent="\t").encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def _run(helper: str, action: str, text: str) -> None:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            (program, action), input=text, capture_output=True, text=True, timeout=_HELPER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"run {program} {action}: {error}") from error
    if done.returncode:
        raise CredentialsError(f"run {program} {action}: {(done.stdout + done.stderr).strip()[:200]}")
