"""The containers of an engine: what can be done with them, each operation in a file of its own."""

from __future__ import annotations

import os

from runtime.engine.container import Container
from runtime.engine.errors import Ambiguous, Damaged, NoSuchContainer
from runtime.engine.home import is_id, is_prefix
from runtime.engine.names import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

    from runtime.engine.attaching import Attachment
    from runtime.engine.engine import Engine
    from runtime.engine.execution import Execution
    from runtime.engine.options import CommitOptions, CreateOptions, Endpoint, ExecOptions, Limits
    from runtime.image.archives import Writable
    from runtime.image.changes import Change
    from runtime.image.config import ImageConfig
    from runtime.image.digest import Readable
    from runtime.image.store import Image
    from runtime.supervision.entries import LogEntry


class Containers:
    """Of one root. What changes a container takes it as `find` or `list` gave it, and its id decides."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._home = engine.home
        self.names = Names(engine.home)

    def create(self, options: CreateOptions) -> Container:
        """Make one, without starting it.

        Raises `NoSuchImage`, `NameInUse`, `BadOption`, `EngineError`, and the errors of images.
        """
        from runtime.engine.creation import create

        return create(self._engine, options)

    def find(self, reference: str) -> Container:
        """By id, name, or the beginning of an id that no other has; raises `NoSuchContainer` or `Ambiguous`."""
        found = self._by_id(reference) or self._by_name(reference) or self._by_prefix(reference)
        if found is None:
            raise NoSuchContainer(reference)
        return found

    def _by_id(self, reference: str) -> Container | None:
        return Container.read(self._home, reference) if is_id(reference) else None

    def _by_name(self, reference: str) -> Container | None:
        holder = self.names.holder(reference)
        found = None if holder is None else Container.read(self._home, holder)
        return found if found is not None and found.name == reference.removeprefix("/") else None

    def _by_prefix(self, reference: str) -> Container | None:
        if not is_prefix(reference):
            return None
        found = [container_id for container_id in self.ids() if container_id.startswith(reference)]
        read = [one for container_id in found if (one := Container.read(self._home, container_id)) is not None]
        if len(read) > 1:
            raise Ambiguous(reference)
        return read[0] if read else None

    def ids(self) -> tuple[str, ...]:
        """Of all, those included that are being made or removed."""
        try:
            return tuple(name for name in os.listdir(self._home.containers) if is_id(name))
        except FileNotFoundError:
            return ()

    def list(self) -> tuple[Container, ...]:
        """All, the newest first; nobody is asked but the disk. One whose record is damaged is for `system check`."""
        found = (self._read(container_id) for container_id in self.ids())
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.created, reverse=True))

    def _read(self, container_id: str) -> Container | None:
        try:
            return Container.read(self._home, container_id)
        except Damaged:
            return None

    def start(self, container: Container) -> Container:
        """Start it, unless it runs; its program has been executed when this returns. Raises `StartFailed`."""
        from runtime.engine.lifecycle import start

        return start(self._engine, container)

    def stop(self, container: Container, timeout_s: float | None = None, signal: str | None = None) -> None:
        """Ask for its end, insist after the timeout, and wait for it; it is not restarted. Idempotent."""
        from runtime.engine.lifecycle import stop

        stop(self._engine, container, timeout_s, signal)

    def restart(self, container: Container, timeout_s: float | None = None) -> None:
        """Stop it, if it runs, and start it."""
        from runtime.engine.lifecycle import restart

        restart(self._engine, container, timeout_s)

    def kill(self, container: Container, signal: str = "SIGKILL") -> None:
        """Send a signal to its first process; raises `NotRunning`."""
        from runtime.engine.lifecycle import kill

        kill(self._engine, container, signal)

    def pause(self, container: Container) -> None:
        """Freeze all its processes; raises `Conflict`."""
        from runtime.engine.lifecycle import pause

        pause(self._engine, container)

    def unpause(self, container: Container) -> None:
        """Let them go on; raises `Conflict`."""
        from runtime.engine.lifecycle import unpause

        unpause(self._engine, container)

    def wait(self, container: Container) -> int:
        """Wait until it has ended and will not be restarted; its exit code."""
        from runtime.engine.lifecycle import wait

        return wait(self._engine, container)

    def remove(self, container: Container, force: bool = False, volumes: bool = False) -> None:  # noqa: FBT001, FBT002
        """Forget it, and all that it has changed; ``force`` kills it first, ``volumes`` takes its anonymous ones along.

        Raises `Conflict` for one that runs.
        """
        from runtime.engine.removal import remove

        remove(self._engine, container, force=force, volumes=volumes)

    def rename(self, container: Container, name: str) -> Container:
        """Call it otherwise; raises `NameInUse` or `BadOption`."""
        from runtime.engine.changing import rename

        return rename(self._engine, container, name)

    def update(self, container: Container, limits: Limits) -> Container:
        """Change its limits, also while it runs, and when it is restarted."""
        from runtime.engine.changing import update

        return update(self._engine, container, limits)

    def connect(self, container: Container, endpoint: Endpoint) -> Container:
        """Remember that it is in a network whenever it runs; raises `Conflict` if it is already.

        What runs is attached by `Networks.connect`, which calls this.
        """
        from runtime.engine.changing import connect

        return connect(self._engine, container, endpoint)

    def disconnect(self, container: Container, network: str) -> Container:
        """Forget that it is in a network; raises `Conflict` if it is not."""
        from runtime.engine.changing import disconnect

        return disconnect(self._engine, container, network)

    def logs(
        self, container: Container, tail: int | None = None, since_ns: int | None = None, *, follow: bool = False
    ) -> Iterator[LogEntry]:
        """What it has written, oldest first; with ``follow`` also what it writes until it has ended."""
        from runtime.engine.lifecycle import logs

        return logs(self._engine, container, tail, since_ns, follow=follow)

    def attach(self, container: Container) -> Attachment:
        """Its streams from now on; one that is created only can be attached to before its start."""
        from runtime.engine.attaching import attach

        return attach(self._engine, container)

    def execute(self, container: Container, options: ExecOptions) -> Execution:
        """Run a further process in it, a child of ours; raises `NotRunning`, `Conflict` or `StartFailed`."""
        from runtime.engine.execution import execute

        return execute(self._engine, container, options)

    def changes(self, container: Container) -> tuple[Change, ...]:
        """What it has added, changed and deleted."""
        from runtime.engine.files import changes

        return changes(container)

    def commit(
        self,
        container: Container,
        options: CommitOptions,
        change: Callable[[ImageConfig], ImageConfig] | None = None,
    ) -> Image:
        """An image of what it has changed; ``change`` applies the options' instructions."""
        from runtime.engine.committing import commit

        return commit(self._engine, container, options, change)

    def export(self, container: Container, stream: Writable) -> None:
        """Write its root as an archive; what is mounted in it is not of it."""
        from runtime.engine.files import export

        export(container, stream)

    def copy_from(self, container: Container, path: str, stream: Writable, *, follow: bool = False) -> None:
        """Write what is at a path as an archive; raises `NoSuchPath`."""
        from runtime.engine.files import read

        read(container, path, stream, follow=follow)

    def copy_to(self, container: Container, path: str, stream: Readable, *, keep_owner: bool = True) -> None:
        """Put an archive's files into a directory of it; raises `NoSuchPath` or `Conflict`."""
        from runtime.engine.files import write

        write(container, path, stream, keep_owner=keep_owner)

    def copy_out(
        self, container: Container, source: str, destination: str, *, follow: bool = False, keep_owner: bool = False
    ) -> None:
        """Copy a path of it to a path of the host, as ``docker cp`` does."""
        from runtime.engine.files import copy_out

        copy_out(container, source, destination, follow=follow, keep_owner=keep_owner)

    def copy_in(
        self, container: Container, source: str, destination: str, *, follow: bool = False, keep_owner: bool = False
    ) -> None:
        """Copy a path of the host to a path of it, as ``docker cp`` does."""
        from runtime.engine.files import copy_in

        copy_in(container, source, destination, follow=follow, keep_owner=keep_owner)

    def inspect(self, container: Container) -> dict[str, Any]:
        """Everything that is known of it, in the form of Docker's API."""
        from runtime.engine.inspection import inspect

        return inspect(self._engine, container)

    def using(self, digest: str) -> tuple[Container, ...]:
        """Those made of an image, given by the digest of its manifest or of its configuration."""
        return tuple(one for one in self.list() if digest in {one.image_digest, one.image_id})

    def layers_in_use(self) -> tuple[str, ...]:
        """The directories of layers that containers have mounted, or will: `runtime.image.collect` is to leave them."""
        return tuple(sorted({layer for one in self.list() for layer in one.layers}))

    def sweep(self, known: Collection[str] | None = None) -> None:
        """Finish what was begun by somebody who was killed: containers half made, and half removed."""
        from runtime.engine.removal import sweep

        sweep(self._engine, self.ids() if known is None else known)
