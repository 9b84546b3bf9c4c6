"""What the supervisor asks the engine to do around a container's life; it knows nothing of the engine but these names.

The supervisor makes one of it at its beginning and calls it in children that it forks: what is imported here is
imported once, and a start pays for none of it.
"""

from __future__ import annotations

import os

from runtime.cgroups.hierarchy import CgroupError
from runtime.engine.attachments import Attachments
from runtime.engine.container import Container
from runtime.engine.engine import Engine
from runtime.engine.errors import EngineError
from runtime.engine.home import Home
from runtime.engine.options import CreateOptions
from runtime.engine.profiles import default_profile
from runtime.engine.removal import finish
from runtime.engine.rights import capabilities_of
from runtime.engine.stage import set_up, take_down
from runtime.image.errors import ImageError
from runtime.linux.processes import start_time_of
from runtime.linux.program import Failure
from runtime.network.errors import NetworkError
from runtime.spec.reader import SpecError
from runtime.supervision.errors import SupervisionError
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Backstage:
    """Of the supervisor with this root directory; nothing that it holds is shared by two processes."""

    def __init__(self, root: str) -> None:
        self._home = Home.of_supervision(root)
        self._engine = Engine(self._home.root)
        self._attachments = Attachments(self._engine)
        _preload()

    def prepare(self, container_id: str) -> None:
        """Before each launch: its root, its network and its bundle. Raises `SupervisionError`, and leaves nothing."""
        with _said("prepare"):
            container = self._container(container_id)
            try:
                set_up(container, self._attachments, self._engine.volumes)
            except BaseException:
                self.ended(container_id)
                raise

    def running(self, container_id: str, pid: int) -> None:
        """It has a process: what is held for it is held by that now. One that has ended already has nothing."""
        with _said("adopt"):
            try:
                self._attachments.running(container_id, pid)
            except NetworkError:
                if start_time_of(pid) is not None:
                    raise

    def ended(self, container_id: str) -> None:
        """Its last process has gone. Idempotent."""
        with _said("end"):
            take_down(self._home, container_id, self._attachments, self._engine.volumes)

    def removed(self, container_id: str) -> None:
        """The supervisor has forgotten it; one that was to remove itself goes. Idempotent."""
        with _said("remove"):
            container = Container.read(self._home, container_id)
            self._attachments.removed(container_id)
            with_volumes = container is not None and container.config.auto_remove
            finish(self._home, self._engine.volumes, container_id, anonymous=with_volumes)
            if container is not None:
                self._tell(container, "destroy", {})

    def rest(self) -> None:
        """Networks that were left up for the next container go."""
        with _said("rest"):
            self._attachments.rest()

    def tell(self, container_id: str, action: str, attributes: dict[str, str]) -> None:
        """Something has happened to it."""
        with _said("tell"):
            container = Container.read(self._home, container_id)
            if container is not None:
                self._tell(container, action, attributes)

    def _tell(self, container: Container, action: str, attributes: dict[str, str]) -> None:
        from runtime.engine.creation import tell

        tell(self._engine, container, action, **attributes)

    def _container(self, container_id: str) -> Container:
        container = Container.read(self._home, container_id)
        if container is None:
            raise SupervisionError(f"{self._home.container(container_id)} is not there any more")
        return container


def _preload() -> None:
    """What is heavy and what every start needs, for the children to come; nearly all of it is pyroute2's."""
    import runtime.engine.descent
    import runtime.engine.events
    import runtime.engine.populate
    import runtime.engine.ports
    import runtime.engine.volumes
    import runtime.image.union
    import runtime.image.user
    import runtime.network.files
    import runtime.network.modes
    import runtime.network.networks  # noqa: F401

    default_profile(capabilities_of(CreateOptions("")))


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Every error in the one kind that the supervisor knows, its words as they are."""
    try:
        yield
    except SupervisionError:
        raise
    except (EngineError, ImageError, NetworkError, CgroupError, SpecError, Failure) as error:
        raise SupervisionError(str(error)) from error
    except OSError as error:
        reason = ": ".join(str(part) for part in (error.filename, os.strerror(error.errno or 0).lower()) if part)
        raise SupervisionError(f"{what}: {reason}") from error
