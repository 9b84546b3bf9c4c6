"""A container as the engine sees it at one moment: its record, read once, and how it is, looked at when asked."""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.records import read_record
from runtime.engine.states import State, read_state
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.home import Home
    from runtime.engine.options import CreateOptions, Endpoint, PublishedPort

ATTACHED = "attached.json"
"""What a container that runs has of its networks, as the backstage has written it down."""


class MountPoint(Value):
    """A mount that was decided on; ``name`` is a volume's, and ``anonymous`` one that goes with the container."""

    kind: str
    source: str
    target: str
    name: str = ""
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True
    anonymous: bool = False
    copy: bool = False
    data: tuple[str, ...] = ()


class Attached(Value):
    """What a container has in one network."""

    network: str
    network_id: str = ""
    ip: str = ""
    prefix: int = 0
    gateway: str = ""
    ip6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()


class Container:
    """What is remembered of it. Never changes: `Containers.find` again for what it has become.

    ``image`` is the reference as it was asked for, ``image_digest`` the manifest's, ``image_id`` the configuration's.
    """

    __slots__ = ("_config", "_state", "document", "home")

    def __init__(self, home: Home, document: dict[str, Any]) -> None:
        self.home = home
        self.document = document
        self._config: CreateOptions | None = None
        self._state: State | None = None

    @classmethod
    def read(cls, home: Home, container_id: str) -> Container | None:
        """None if there is none of this id; raises `Damaged`."""
        document = read_record(home, container_id)
        return None if document is None else cls(home, document)

    def __repr__(self) -> str:
        return f"Container({self.id[:12]} {self.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and self.document == other.document

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return str(self.document["id"])

    @property
    def short_id(self) -> str:
        """As tables show it."""
        return self.id[:12]

    @property
    def name(self) -> str:
        """Without a slash before it."""
        return str(self.document["name"])

    @property
    def image(self) -> str:
        """The reference, as it was asked for."""
        return str(self.document["image"])

    @property
    def image_digest(self) -> str:
        """Of the image's manifest."""
        return str(self.document["imageDigest"])

    @property
    def image_id(self) -> str:
        """The digest of the image's configuration, which Docker calls its id."""
        return str(self.document["imageId"])

    @property
    def created(self) -> str:
        """RFC 3339."""
        return str(self.document["created"])

    @property
    def directory(self) -> str:
        """Of its own, on the host."""
        return self.home.container(self.id)

    @property
    def upper(self) -> str:
        """What it has changed of the image."""
        return f"{self.directory}/upper"

    @property
    def merged(self) -> str:
        """Its root, while it runs."""
        return f"{self.directory}/merged"

    @property
    def layers(self) -> tuple[str, ...]:
        """The directories of the image's layers, the bottom one first."""
        return tuple(f"{self.home.layers}/{name}/diff" for name in self.document["layers"])

    @property
    def lowers(self) -> tuple[str, ...]:
        """What is below its upper directory: the image's layers, and the places to mount on that they lack."""
        layers = self.layers
        if not layers:
            return ()
        mountpoints = f"{layers[-1].removesuffix('/diff')}/mountpoints"
        return (*layers, mountpoints) if os.path.isdir(mountpoints) else layers

    @property
    def command(self) -> tuple[str, ...]:
        """What is executed: the entrypoint and its arguments."""
        config = self.document["config"]
        return (*config.get("entrypoint", ()), *config.get("command", ()))

    @property
    def labels(self) -> dict[str, str]:
        """The image's and its own."""
        return dict(self.document["config"].get("labels", ()))

    @property
    def config(self) -> CreateOptions:
        """What was asked for, merged with what the image says."""
        if self._config is None:
            from runtime.engine.codec import decode
            from runtime.engine.options import CreateOptions

            self._config = decode(CreateOptions, self.document["config"])
        return self._config

    @property
    def mounts(self) -> tuple[MountPoint, ...]:
        """Binds, volumes and memory filesystems."""
        from runtime.engine.codec import decode

        return tuple(decode(MountPoint, entry) for entry in self.document["mounts"])

    @property
    def networks(self) -> tuple[Endpoint, ...]:
        """The networks that it is in whenever it runs; none if its network is a mode, such as host."""
        from runtime.engine.codec import decode
        from runtime.engine.options import Endpoint

        return tuple(decode(Endpoint, entry) for entry in self.document["endpoints"])

    @property
    def state(self) -> State:
        """How it was when that was first asked."""
        if self._state is None:
            self._state = read_state(self.home, self.id)
        return self._state

    @property
    def attached(self) -> tuple[Attached, ...]:
        """What it has in its networks now; empty while it does not run."""
        from runtime.engine.codec import decode

        return tuple(decode(Attached, entry) for entry in self._attachment().get("networks", ()))

    @property
    def ports(self) -> tuple[PublishedPort, ...]:
        """The ports that are published now, with the host's numbers that were chosen."""
        from runtime.engine.codec import decode
        from runtime.engine.options import PublishedPort

        return tuple(decode(PublishedPort, entry) for entry in self._attachment().get("ports", ()))

    def _attachment(self) -> dict[str, Any]:
        if not self.state.is_running:
            return {}
        try:
            with open(f"{self.directory}/{ATTACHED}", encoding="utf-8") as file:
                attachment: dict[str, Any] = jsontext.loads(file.read())
        except (OSError, ValueError):
            return {}
        return attachment
