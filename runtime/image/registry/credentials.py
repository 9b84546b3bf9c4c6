"""Credentials for registries: from the files of podman and docker, and from helpers (containers-auth.json(5))."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.document import Document
from runtime.image.errors import InvalidDocument
from runtime.image.registry.endpoint import DOCKER_HUB
from runtime.image.registry.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.image.registry.endpoint import Repository

_MAX_FILE_BYTES = 1 << 20
_HELPER_TIMEOUT_S = 30
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What docker login writes for its hub.
_HUB_KEY = "index.docker.io"
# A helper says by this user that the secret is a token to be exchanged, not a password (docker-credential-helpers).
_IDENTITY_USER = "<token>"
_NOT_FOUND = ("credentials not found", "no credentials")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are: a user with a password, or a token of the service that gives out tokens."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"  # secrets are in no message and no log

    @property
    def basic(self) -> str:
        """The value of the header Authorization for the scheme Basic (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def usual_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where podman and docker keep credentials, in the order in which podman looks."""
    home = Path(environment.get("HOME", "/root"))
    runtime = environment.get("XDG_RUNTIME_DIR")
    files = [
        environment.get("REGISTRY_AUTH_FILE"),
        f"{runtime}/containers/auth.json" if runtime else f"/run/containers/{os.geteuid()}/auth.json",
        f"{environment.get('XDG_CONFIG_HOME') or home / '.config'}/containers/auth.json",
        f"{environment.get('DOCKER_CONFIG') or home / '.docker'}/config.json",
        f"{home}/.dockercfg",
    ]
    return tuple(Path(file) for file in files if file)


def find_credentials(repository: Repository, files: Sequence[Path]) -> Credentials | None:
    """What the first file that knows the repository, or a namespace above it, says; None if none does."""
    for path in files:
        document = _read(path)
        if document is not None:
            found = _of_helper(document, repository.host) or _of_file(document, repository)
            if found is not None:
                return found
    return None


def _read(path: Path) -> Document | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(f"read credentials {path}: {error.strerror}") from error
    try:
        document = Document.parse(content or b"{}", str(path))
    except InvalidDocument as error:
        raise CredentialsError(f"read credentials {error}") from error
    known = {"auths", "credHelpers", "credsStore"}
    # .dockercfg is the member *auths* alone.
    return document if known & document.value.keys() else Document({"auths": document.value}, str(path))


def _of_file(document: Document, repository: Repository) -> Credentials | None:
    try:
        entries = {_key(name): name for name in document.names("auths")}
        auths = document.child("auths")
        for key in _keys(repository):
            if key in entries:
                return _entry(auths.child(entries[key]))
    except InvalidDocument as error:
        raise CredentialsError(f"read credentials {error}") from error
    return None


def _key(name: str) -> str:
    """Older versions of docker write URLs, such as ``https://registry.example.org/v1/``."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        return name
    return rest.split("/", 1)[0] if scheme in {"http", "https"} else name


def _keys(repository: Repository) -> Iterator[str]:
    """From the repository itself up to its host."""
    parts = [repository.host, *repository.path.split("/")]
    for length in range(len(parts), 0, -1):
        yield "/".join(parts[:length])
    if repository.host == DOCKER_HUB:
        yield from (_HUB_KEY, f"{_HUB_KEY}/v1/")


def _entry(entry: Document) -> Credentials | None:
    token = entry.text("identitytoken", "")
    if not entry.text("auth", ""):
        found = Credentials(entry.text("username", ""), entry.text("password", ""), token)
        return found if found.username or token else None
    try:
        username, colon, password = base64.b64decode(entry.text("auth"), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise CredentialsError(f"read credentials {entry.name}: {entry.path}.auth: not base64 of user:password")
    return Credentials(username, password.rstrip("\0"), token)


def _of_helper(document: Document, host: str) -> Credentials | None:
    try:
        helper = document.mapping("credHelpers").get(host) or document.text("credsStore", "")
    except InvalidDocument as error:
        raise CredentialsError(f"read credentials {error}") from error
    if not helper:
        return None
    # docker's own key for its hub is a URL.
    return ask_helper(helper, f"https://{_HUB_KEY}/v1/" if host == DOCKER_HUB else host)


def ask_helper(name: str, server: str) -> Credentials | None:
    """What ``docker-credential-NAME get`` says of a server; None if it has nothing."""
    if not _HELPER_NAME.fullmatch(name):
        raise CredentialsError(f"run credential helper {name!r}: not a name of letters, digits, '.', '_' and '-'")
    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            (program, "get"), input=server, capture_output=True, text=True, timeout=_HELPER_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise CredentialsError(f"run {program}: not found", "install it, or take it out of the file") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"run {program} for {server}: {error}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        if any(text in said.lower() for text in _NOT_FOUND):
            return None
        raise CredentialsError(f"run {program} for {server}: exit code {done.returncode}: {said[:200]}")
    return _helper_answer(done.stdout, program)


def _helper_answer(text: str, program: str) -> Credentials:
    try:
        answer = json.loads(text)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(f"run {program}: no JSON object with Username and Secret") from None
    return Credentials(identity_token=secret) if username == _IDENTITY_USER else Credentials(username, secret)
