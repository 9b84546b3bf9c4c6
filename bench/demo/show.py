"""One giving of the demonstrations: the host claimed, an engine of its own, and afterwards nothing left."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.context import host_lock, refuse_leftovers, run_directories
from bench.demo.ending import end_engine
from bench.demo.images import DECK, REGISTRY, ensure_images, hand_over
from bench.demo.play import play
from bench.demo.script import demonstrations
from bench.demo.stage import Names, Stage
from bench.demo.step import Differs
from bench.interrupts import Interrupts
from bench.inventory import certify, take_inventory
from bench.workload import HostCannot, WorkloadError
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.context import RunContext
    from bench.demo.step import Observation
    from bench.results import CertificateFacts
    from runtime.image.store import Image

_HUB_S = 60.0
_REGISTRY_NAME = "docker-registry"
_IMAGE_NAME = "debian:bookworm"


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told: ``say`` what is being prepared, ``show`` each step as it has gone."""

    say: Callable[[str], None]
    show: Callable[[Observation], None]


@dataclass(frozen=True, slots=True)
class Given:
    """All that was seen, and what the host held afterwards."""

    run_id: str
    observations: tuple[Observation, ...]
    certificate: CertificateFacts

    @property
    def agrees(self) -> bool:
        """Whether every step went as in the deck."""
        return all(observation.agrees for observation in self.observations)

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "schema_version": 1,
            "run_id": self.run_id,
            "agrees": self.agrees,
            "steps": [observation.document() for observation in self.observations],
            "certificate": {
                "clean": self.certificate.clean,
                "left": list(self.certificate.left),
                "foreign": list(self.certificate.foreign),
            },
        }


def give(context: RunContext, port: int, telling: Telling) -> Given:
    """Give all five. Raises `HostCannot`, `WorkloadError`, `Busy`, `LeftOver`, and `Interrupted` when all is down."""
    with ExitStack() as stack:
        stack.enter_context(host_lock(context.roots))
        refuse_leftovers(context.roots)
        check_port(port)
        before = take_inventory(context.roots)
        interrupts = stack.enter_context(Interrupts())
        try:
            with ExitStack() as inner:
                inner.enter_context(run_directories(context))
                inner.callback(end_engine, context.engine)
                inner.callback(interrupts.hold)  # on the way out nothing is broken off any more, whatever comes
                stage = _prepare(context, port, telling, inner)
                observations = play(demonstrations(stage), stage, telling.show)
        finally:
            interrupts.hold()
        certificate = certify(before, lambda: take_inventory(context.roots))
    interrupts.release()
    return Given(context.run_id, observations, certificate)


def check_port(port: int) -> None:
    """Raise `HostCannot` when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise HostCannot(f"listen at port {port}: {error.strerror}", "choose another with --port") from error


def _prepare(context: RunContext, port: int, telling: Telling, stack: ExitStack) -> Stage:
    """The images, the engine's home, and a registry to pull from, which stands in for the deck's public one."""
    data, own = ImageStore(context.roots.data), ImageStore(context.engine)
    image, _ = ensure_images(data, telling.say)
    context.engine.mkdir(mode=0o700)
    hand_over(data, REGISTRY, own, _REGISTRY_NAME)
    hub = _free_port()
    names = Names(f"localhost:{hub}/{_IMAGE_NAME}", _REGISTRY_NAME, port, len(image.manifest.layers))
    stage = Stage(context.engine, names)
    stack.callback(stage.close)
    telling.say(f"starting a registry at localhost:{hub} to pull from, in place of the deck's public one")
    _start_hub(stage, hub, data, image)
    return stage


def _start_hub(stage: Stage, port: int, store: ImageStore, image: Image) -> None:
    try:
        stage.tare("run", "-d", "--name", "hub", "-p", f"127.0.0.1:{port}:5000", stage.names.registry_image)
    except Differs as error:
        raise WorkloadError(f"start a registry to pull from: {error}") from error
    _wait_for(port)
    _fill(store, image, stage.names.image)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _HUB_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
                if connection.recv(12).endswith(b"200"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise WorkloadError("start a registry to pull from: it does not answer")
        time.sleep(0.1)


def _fill(store: ImageStore, image: Image, name: str) -> None:
    from runtime.image.compression import Compression
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.errors import RegistryError
    from runtime.image.registry.push import PushOptions, push
    from runtime.image.registry.settings import RegistrySettings

    try:
        with RegistryClient(RegistrySettings(use_proxies=False)) as client:
            push(store, client, DECK, PushOptions(destination=name, compression=Compression.GZIP))
    except RegistryError as error:
        raise WorkloadError(f"fill the registry to pull {image.reference} from: {error}") from error


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
