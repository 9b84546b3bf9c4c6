"""``login`` and ``logout``."""

from __future__ import annotations

import os
import sys

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.registries.client import REGISTRY_FLAGS, settings
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_HUB, _HUB_SHOWN = "docker.io", "https://index.docker.io/v1/"


def perform_login(session: Session, given: Given) -> None:
    """Ask the registry whether it takes us, and keep the credentials only if it does."""
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.credentials import Credentials
    from runtime.image.registry.errors import AccessDenied, AuthenticationFailed
    from runtime.image.registry.keychain import docker_config, keep

    host = _host(given)
    credentials = Credentials(*_asked(session, given, host))
    with RegistryClient(settings(given.many("insecure-registry")), lambda _: credentials) as client:
        try:
            client.greet(host)
        except (AuthenticationFailed, AccessDenied) as error:
            raise CommandError(f"{error}: unauthorized: incorrect username or password") from error
    path = docker_config(os.environ)
    if not keep(path, host, credentials):
        session.complain(
            f"WARNING! Your password will be stored unencrypted in {path}; "
            "configure a credential helper to remove this warning"
        )
    session.say("Login Succeeded")


def _host(given: Given) -> str:
    """The registry's name, however it was written."""
    text = given.arguments[0] if given.arguments else ""
    host = (text.partition("://")[2] or text).partition("/")[0]
    return _HUB if host in {"", _HUB, "index.docker.io", "registry-1.docker.io"} else host


def _asked(session: Session, given: Given, host: str) -> tuple[str, str]:
    """User and password: of the flags, else of whoever is at the terminal."""
    user, password = given.text("username"), given.text("password")
    if given.switch("password-stdin"):
        if password:
            raise CommandError("--password and --password-stdin are mutually exclusive")
        if not user:
            raise CommandError("Must provide --username with --password-stdin")
        # One line's end is the shell's; docker takes it off, too.
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif password:
        session.complain("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    if not user or not password:
        user, password = _prompted(session, host, user, password)
    if not user or not password:
        raise CommandError("username and password required")
    return user, password


def _prompted(session: Session, host: str, user: str, password: str) -> tuple[str, str]:
    """What is missing."""
    import getpass

    if not sys.stdin.isatty():
        raise CommandError("Cannot perform an interactive login from a non TTY device")
    session.say(f"Login to {_HUB_SHOWN if host == _HUB else host}")
    session.flush()
    return user or input("Username: ").strip(), password or getpass.getpass("Password: ")


def perform_logout(session: Session, given: Given) -> None:
    """Forget the credentials."""
    from runtime.image.registry.keychain import docker_config, forget

    host = _host(given)
    shown = _HUB_SHOWN if host == _HUB else host
    if forget(docker_config(os.environ), host):
        session.say(f"Removing login credentials for {shown}")
    else:
        session.say(f"Not logged in to {shown}")


LOGIN = Verb(
    "login [OPTIONS] [SERVER]",
    "Authenticate to a registry",
    perform_login,
    (
        Flag("username", "Username", short="u", metavar="string"),
        Flag("password", "Password", short="p", metavar="string"),
        Flag("password-stdin", "Take the password from stdin"),
        REGISTRY_FLAGS[0],
    ),
    most=1,
)
LOGOUT = Verb("logout [SERVER]", "Log out from a registry", perform_logout, most=1)
