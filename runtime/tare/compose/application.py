"""An application on this host: what of its project is there, and how it comes up and goes down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runtime.engine.errors import EngineError, NoSuchImage
from runtime.tare.compose import creation
from runtime.tare.compose.conditions import STARTED, is_met
from runtime.tare.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.engine.container import Container
    from runtime.tare.compose.project import NamedNetwork, Project
    from runtime.tare.compose.service import Need, Service
    from runtime.tare.context import Session

_LOOK_AGAIN_S = 0.1


class Application:
    """A project, and the engine that has its containers."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._engine = session.engine
        self.project = project

    def containers(self) -> tuple[Container, ...]:
        """All of the project, services that are not in the file any more included, by name."""
        found = [one for one in self._engine.containers.list() if one.labels.get(creation.PROJECT) == self.project.name]
        return tuple(sorted(found, key=lambda one: one.name))

    def container_of(self, service: Service) -> Container | None:
        """If there is one."""
        return next((one for one in self.containers() if one.labels.get(creation.SERVICE) == service.name), None)

    def up(self, names: Sequence[str], *, build: bool, recreate: bool, start: bool) -> tuple[Container, ...]:
        """Make what is missing or not as the file says, and start it, each after what it needs."""
        chosen = self.project.chosen(names)
        self._make_surroundings()
        made = []
        for service in chosen:
            for need in service.needs if start else ():
                self._wait_for(service, need)
            container = self._create(service, build=build, recreate=recreate)
            if start and not container.state.is_running:
                container = self._engine.containers.start(container)
                self._note("Container", container.name, "Started")
            made.append(container)
        return tuple(made)

    def _note(self, kind: str, name: str, what: str) -> None:
        self._session.note(f" {kind} {name}  {what}")

    def _make_surroundings(self) -> None:
        for network in self.project.networks:
            self._make_network(network)
        volumes = {volume.name for volume in self._engine.volumes.list()}
        for volume in self.project.volumes:
            if volume.name in volumes:
                continue
            if volume.external:
                raise CommandError(f"external volume {volume.name!r} not found")
            self._engine.volumes.create(volume.name, {creation.PROJECT: self.project.name, **dict(volume.labels)})
            self._note("Volume", volume.name, "Created")

    def _make_network(self, network: NamedNetwork) -> None:
        from runtime.engine.networks import NetworkOptions

        if any(one.name == network.name for one in self._engine.networks.list()):
            return
        if network.external:
            raise CommandError(f"network {network.name} declared as external, but could not be found")
        labels = ((creation.PROJECT, self.project.name), *network.labels)
        self._engine.networks.create(NetworkOptions(
            network.name, network.subnets, network.gateways, network.ranges, network.internal, network.ipv6, labels
        ))  # fmt: skip
        self._note("Network", network.name, "Created")

    def _create(self, service: Service, *, build: bool, recreate: bool) -> Container:
        """The container that is there, if it is as the file says; else another in its place."""
        image_id = self._image_id(service, build=build)
        words = creation.words_of(self.project, service, image_id)
        before = self.container_of(service)
        if before is not None:
            if not recreate and before.labels.get(creation.CONFIG_HASH) == creation.hash_of(words):
                return before
            self._remove(before)
        from runtime.tare.containers.create import CREATE
        from runtime.tare.containers.creating import create

        container = create(self._session, CREATE.parse(f"service {service.name}", words))
        self._connect(service, container)
        self._note("Container", container.name, "Created" if before is None else "Recreated")
        return container

    def _connect(self, service: Service, container: Container) -> None:
        """To further networks; the first one it has."""
        from runtime.engine.options import Endpoint

        for one in creation.attached_networks(self.project, service)[1:]:
            endpoint = Endpoint(one.network, (service.name, *one.aliases), one.ip)
            self._engine.networks.connect(one.network, container, endpoint)

    def _image_id(self, service: Service, *, build: bool) -> str:
        """Of the image, which is built or pulled if it is missing."""
        image = creation.image_of(self.project, service)
        found = self._find_image(image)
        if service.build is not None and (build or not found):
            self._build(service, image)
        elif not found:
            from runtime.tare.images.pull import pull_image

            pull_image(self._session, image, platform="", quiet=True)
            self._note("Image", image, "Pulled")
        return self._find_image(image)

    def _find_image(self, image: str) -> str:
        from runtime.image.errors import ImageNotFound

        try:
            return self._engine.images.resolve(image).digest
        except (ImageNotFound, NoSuchImage):
            return ""

    def _build(self, service: Service, image: str) -> None:
        import os

        from runtime.tare import catalogue
        from runtime.tare.group import run_entry

        if service.build is None:
            return
        entry = catalogue.find(("build",))
        context = os.path.join(self.project.directory, service.build.context)
        words = ["--quiet", f"--tag={image}", *_from_context(service.build.flags, context), context]
        if entry is None or run_entry(self._session, entry, "tare build", words):
            raise CommandError(f"service {service.name}: its image could not be built")
        self._note("Image", image, "Built")

    def _wait_for(self, service: Service, need: Need) -> None:
        """Until the condition is met; raises `CommandError` if it cannot be any more."""
        while need.condition != STARTED:
            found = self.container_of(self.project.service(need.service))
            if found is None:
                raise CommandError(f"service {service.name}: {need.service} has no container")
            if is_met(need, found):
                return
            time.sleep(_LOOK_AGAIN_S)

    def stop(self, containers: Sequence[Container], timeout_s: float | None = None) -> None:
        """In the order that is given."""
        for container in containers:
            if container.state.is_active:
                self._engine.containers.stop(container, timeout_s)
                self._note("Container", container.name, "Stopped")

    def down(self, *, volumes: bool, timeout_s: float | None) -> None:
        """Remove all containers, those that need others first, and the networks; with ``volumes`` those, too."""
        order = {service.name: number for number, service in enumerate(self.project.services)}
        containers = sorted(
            self.containers(), key=lambda one: order.get(one.labels.get(creation.SERVICE, ""), len(order)), reverse=True
        )
        self.stop(containers, timeout_s)
        for container in containers:
            self._remove(container)
        names = {one.name for one in self._engine.networks.list()}
        for network in self.project.networks:
            if network.name in names and not network.external:
                self._engine.networks.remove(network.name)
                self._note("Network", network.name, "Removed")
        if volumes:
            self._remove_volumes()

    def _remove(self, container: Container) -> None:
        self._engine.containers.remove(container, force=True, volumes=True)
        self._note("Container", container.name, "Removed")

    def _remove_volumes(self) -> None:
        there = {volume.name for volume in self._engine.volumes.list()}
        for volume in self.project.volumes:
            if volume.name in there and not volume.external:
                try:
                    self._engine.volumes.remove(volume.name)
                except EngineError as error:  # somebody else uses it
                    self._session.complain(str(error))
                else:
                    self._note("Volume", volume.name, "Removed")


def _from_context(flags: tuple[str, ...], context: str) -> list[str]:
    """A Dockerfile is named from the context's directory on."""
    import os

    begin = "--file="
    return [f"{begin}{os.path.join(context, flag[len(begin) :])}" if flag.startswith(begin) else flag for flag in flags]
