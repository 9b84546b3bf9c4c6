"""Hand a seccomp listener to whoever answers for it (runtime-spec, config-linux.md, "The Container Process State")."""

from __future__ import annotations

from runtime import jsontext
from runtime.spec.version import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.linux.seccomp import Seccomp

_PATIENCE_S = 10.0


class ListenerError(Exception):
    """Nobody could be given the listener; the container must not go on, for its calls would wait for ever."""


def send_listener(profile: Seccomp, notify_fd: int, pid: int, state: Mapping[str, Any]) -> None:
    """Send descriptor and container process state to the profile's ``listener_path``, in a connection of its own.

    ``state`` is the container's as of runtime.md, ``pid`` its process in the runtime's namespace. Does nothing if no
    call notifies. The descriptor stays open here.
    """
    if not profile.notifies:
        return
    import socket

    path = profile.listener_path or ""
    payload = process_state(profile, pid, state)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(_PATIENCE_S)
            agent.connect(path)
            # Descriptors go with the first part, however many there are.
            sent = socket.send_fds(agent, [payload], [notify_fd])
            agent.sendall(payload[sent:])
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ListenerError(f"send the seccomp listener to {path}: {reason}") from error


def process_state(profile: Seccomp, pid: int, state: Mapping[str, Any]) -> bytes:
    """The JSON that goes with the descriptor."""
    document: dict[str, Any] = {"ociVersion": NEWEST, "fds": ["seccompFd"], "pid": pid}
    if profile.listener_metadata is not None:
        document["metadata"] = profile.listener_metadata
    return jsontext.dumps(document | {"state": dict(state)}).encode()
