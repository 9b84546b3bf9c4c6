"""Everything of one root removed: containers killed, networks taken down, mounts detached, directories deleted.

Only what the engine puts below its root is touched, by name: the root may hold what is somebody else's.
"""

from __future__ import annotations

import os
import sys

from runtime.engine.directories import entries, read_text, remove_tree
from runtime.engine.errors import EngineError
from runtime.engine.findings import readable
from runtime.engine.home import Home
from runtime.engine.mountinfo import unmount_below
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.engine import Engine

_IMAGE_STORE = ("images", "layers", "downloads", "compressed", "cards")
_GONE_WITHIN_S = 20.0
_OURS = ("containers", "supervision", "volumes", "networks", "events", "build", *_IMAGE_STORE)


def reset(engine: Engine) -> None:
    """Remove it all; raises `EngineError` if a container cannot be ended. Idempotent."""
    _remove_containers(engine)
    _end_supervisor(engine.home)
    _remove_networks(engine)
    engine.close()
    for name in _OURS:
        path = f"{engine.home.root}/{name}"
        if os.path.isdir(path):
            unmount_below(path)
            remove_tree(engine.home.root, name)
    _remove_run(engine.home)


def _remove_containers(engine: Engine) -> None:
    for container in readable(engine):
        engine.containers.remove(container, force=True, volumes=True)
    engine.containers.sweep()
    _end_strays(engine)


def _end_strays(engine: Engine) -> None:
    """What the supervisor alone knows: a record that could not be read."""
    from runtime.supervision.errors import SupervisionError

    for container_id in entries(f"{engine.home.supervision}/containers"):
        try:
            engine.supervisor.remove(container_id, force=True)
        except SupervisionError as error:
            raise EngineError(f"remove container {container_id}: {error}") from error


def _remove_networks(engine: Engine) -> None:
    if not os.path.isdir(engine.home.networks):
        return
    from runtime.network.errors import NetworkError

    networks = engine.networks.attachments.networks
    networks.reconcile(known=())
    networks.rest()
    for network in networks.store.networks():
        with suppress(NetworkError):  # somebody else has taken it, and is to be asked
            networks.catalog.remove(network.name)


def _end_supervisor(home: Home) -> None:
    """Nobody is to write below the root any more. There is no container left that it could lose."""
    for pid in (_listener(home), _keeper(home)):
        if pid is not None:
            _kill(pid)


def _kill(pid: int) -> None:
    """And wait until it has gone."""
    import select
    import signal

    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        select.select((pidfd,), (), (), _GONE_WITHIN_S)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


def _listener(home: Home) -> int | None:
    """The process that listens at the supervisor's socket (unix(7), SO_PEERCRED)."""
    import socket

    if not os.path.exists(f"{home.supervision}/socket"):
        return None
    root_fd = os.open(home.supervision, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.connect(f"/proc/self/fd/{root_fd}/socket")
            credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int.from_bytes(credentials[:4], sys.byteorder)
    except OSError:
        return None  # nobody listens
    finally:
        os.close(root_fd)


def _keeper(home: Home) -> int | None:
    """The process that holds the FIFOs, if it is still that one (`runtime.supervision.keeper`)."""
    from runtime.linux.processes import start_time_of

    words = (read_text(f"{home.supervision}/keeper") or "").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    pid, started = map(int, words)
    return pid if start_time_of(pid) == started else None


def _remove_run(home: Home) -> None:
    """What of the networks is not below the root; with the default root it is not ours alone to remove."""
    if home.networks_run != Home().networks_run and os.path.isdir(home.networks_run):
        unmount_below(home.networks_run)
        remove_tree(os.path.dirname(home.networks_run), os.path.basename(home.networks_run))
