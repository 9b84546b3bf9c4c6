"""Where everything is, below the engine's root directory.

    images/ layers/ downloads/ compressed/      the image store (`runtime.image.store`)
    cards/          what `create` has to know of an image, so that the store need not be asked again
    containers/ID/  container.json, config.json, upper/ work/ merged/, hostname hosts resolv.conf
    containers/names/NAME   a link to the ID: made exclusively, that is how a name is taken
    supervision/    the supervisor's own (`runtime.supervision.record`)
    volumes/        NAME/volume.json and NAME/_data/
    networks/       the networks' own (`runtime.network.store`)
    events/ build/
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.network.networks import Networks

DEFAULT_ROOT = "/var/lib/tare"
_NETWORKS_RUN = "/run/tare-networks"
_ID_DIGITS = 64
_HEXADECIMAL = frozenset("0123456789abcdef")


class Home:
    """Paths, and nothing that has to exist."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.root = os.path.abspath(root)
        self.images = f"{self.root}/images"
        self.layers = f"{self.root}/layers"
        self.cards = f"{self.root}/cards"
        self.containers = f"{self.root}/containers"
        self.names = f"{self.containers}/names"
        self.supervision = f"{self.root}/supervision"
        self.volumes = f"{self.root}/volumes"
        self.networks = f"{self.root}/networks"
        self.events = f"{self.root}/events"
        self.build = f"{self.root}/build"

    @classmethod
    def of_supervision(cls, directory: str) -> Home:
        """Of a supervisor's root directory, which is in it."""
        return cls(os.path.dirname(os.path.abspath(directory)))

    def container(self, container_id: str) -> str:
        """The directory of a container."""
        return f"{self.containers}/{container_id}"

    def supervised(self, container_id: str) -> str:
        """The directory that the supervisor keeps of it."""
        return f"{self.supervision}/containers/{container_id}"

    def volume(self, name: str) -> str:
        """The directory of a volume."""
        return f"{self.volumes}/{name}"

    @property
    def runtime(self) -> str:
        """Where the OCI runtime keeps its state of the containers that run."""
        return f"{self.supervision}/runtime"

    @property
    def networks_run(self) -> str:
        """What of the networks goes with a reboot; another root's networks are kept apart."""
        if self.root == DEFAULT_ROOT:
            return _NETWORKS_RUN
        import hashlib

        return f"{_NETWORKS_RUN}-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]}"

    def open_networks(self) -> Networks:
        """The networks of this root; whoever opens closes."""
        from pathlib import Path

        from runtime.network.networks import Networks

        return Networks(Path(self.networks), Path(self.networks_run))

    def make(self, directory: str) -> str:
        """A directory of ours, which nobody else may enter; made if it is missing."""
        if not os.path.isdir(directory):
            os.makedirs(self.root, mode=0o755, exist_ok=True)
            os.makedirs(directory, mode=0o700, exist_ok=True)
        return directory


def is_id(text: str) -> bool:
    """Whether this is a whole id."""
    return len(text) == _ID_DIGITS and _HEXADECIMAL.issuperset(text)


def is_prefix(text: str) -> bool:
    """Whether this may be how an id begins."""
    return 0 < len(text) <= _ID_DIGITS and _HEXADECIMAL.issuperset(text)


def new_id() -> str:
    """An id that nobody has."""
    return os.urandom(_ID_DIGITS // 2).hex()
