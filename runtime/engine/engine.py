"""The engine: containers, images, volumes, networks and events below one root directory.

    with Engine("/var/lib/tare") as engine:
        container = engine.containers.create(CreateOptions("debian:bookworm", ("true",)))
        engine.containers.start(container)
        print(engine.containers.wait(container))

Making one touches nothing. Everything durable is on disk, so that any number of processes may each have their own.
"""

from __future__ import annotations

from runtime.engine.containers import Containers
from runtime.engine.home import DEFAULT_ROOT, Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from runtime.engine.events import Events
    from runtime.engine.networks import Networks
    from runtime.engine.system import System
    from runtime.engine.volumes import Volumes
    from runtime.image.store import ImageStore
    from runtime.supervision.client import Supervisor


class Engine:
    """A context manager, for one thread. Its parts are made when they are first asked for."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.home = Home(root)
        self.containers = Containers(self)
        self._images: ImageStore | None = None
        self._supervisor: Supervisor | None = None
        self._volumes: Volumes | None = None
        self._networks: Networks | None = None
        self._events: Events | None = None
        self._system: System | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the supervisor and the networks to themselves. Idempotent."""
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None
        if self._networks is not None:
            self._networks.close()
            self._networks = None

    @property
    def supervisor(self) -> Supervisor:
        """The way to it; it is started when it is first needed."""
        if self._supervisor is None:
            from runtime.supervision.client import Supervisor

            self._supervisor = Supervisor(self.home.supervision, backstage="runtime.engine.backstage:Backstage")
        return self._supervisor

    @property
    def images(self) -> ImageStore:
        """The image store."""
        if self._images is None:
            from pathlib import Path

            from runtime.image.store import ImageStore

            self._images = ImageStore(Path(self.home.root))
        return self._images

    @property
    def volumes(self) -> Volumes:
        """Named and anonymous directories that outlive containers."""
        if self._volumes is None:
            from runtime.engine.volumes import Volumes

            self._volumes = Volumes(self)
        return self._volumes

    @property
    def networks(self) -> Networks:
        """The networks of this root."""
        if self._networks is None:
            from runtime.engine.networks import Networks

            self._networks = Networks(self)
        return self._networks

    @property
    def events(self) -> Events:
        """What has happened."""
        if self._events is None:
            from runtime.engine.events import Events

            self._events = Events(self)
        return self._events

    @property
    def system(self) -> System:
        """All of it together."""
        if self._system is None:
            from runtime.engine.system import System

            self._system = System(self)
        return self._system
