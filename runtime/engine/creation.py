"""``create``: everything of a container but its start. Its record is written last; of a failure nothing is left.

Whoever makes a container holds the lock of its directory. A directory without a record and without a lock was left by
somebody who was killed, and the next who comes by removes it (`runtime.engine.removal.sweep`).
"""

from __future__ import annotations

import os
import time

from runtime.engine.cards import are_there, card_of
from runtime.engine.checks import check
from runtime.engine.codec import encode
from runtime.engine.container import Container
from runtime.engine.directories import locked
from runtime.engine.home import new_id
from runtime.engine.merging import merge
from runtime.engine.modes import endpoints_of, resolve_modes
from runtime.engine.mounts import decide_mounts
from runtime.engine.records import VERSION, write_record
from runtime.unwinding import ExitStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.cards import Card
    from runtime.engine.engine import Engine
    from runtime.engine.options import CreateOptions

_NS = 1_000_000_000


def create(engine: Engine, options: CreateOptions) -> Container:
    """Make it; raises `NoSuchImage`, `NameInUse`, `BadOption`, `EngineError`, or `ImageError`."""
    check(options)
    home = engine.home
    card = card_of(home, options.image)
    config = resolve_modes(engine.containers, merge(options, card.config))
    home.make(home.containers)
    engine.containers.sweep()
    container_id = new_id()
    os.mkdir(home.container(container_id), 0o700)
    with ExitStack() as undo:
        undo.callback(_discard, engine, container_id)
        with locked(home.container(container_id)):
            name = engine.containers.names.take(options.name, container_id)
            undo.callback(engine.containers.names.give_back, name, container_id)
            undo.callback(engine.volumes.leave, container_id, anonymous=True)
            mounts = decide_mounts(engine, container_id, config)
            document = _document(container_id, name, options.image, card)
            document |= {
                "config": encode(config),
                "mounts": [encode(mount) for mount in mounts],
                "endpoints": [encode(endpoint) for endpoint in endpoints_of(config)],
            }
            write_record(home, document)
            # Whoever collects layers sees from now on that we have these; somebody may have begun to before.
            if not are_there(home, card):
                card_of(home, card.digest)
            undo.pop_all()
    made = Container(home, document)
    tell(engine, made, "create")
    return made


def _document(container_id: str, name: str, image: str, card: Card) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": container_id,
        "name": name,
        "image": image,
        "imageDigest": card.digest,
        "imageId": card.image_id,
        "created": present(),
        "layers": list(card.layers),
    }


def _discard(engine: Engine, container_id: str) -> None:
    from runtime.engine.removal import discard

    discard(engine.home, container_id)


def present() -> str:
    """The present moment as text: RFC 3339 with nanoseconds, as `runtime.supervision.times` has it."""
    seconds, rest = divmod(time.time_ns(), _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def tell(engine: Engine, container: Container, action: str, **attributes: str) -> None:
    """Say that something has happened to a container."""
    labels = container.labels
    named = {"image": container.image, "name": container.name}
    engine.events.tell("container", action, container.id, {**labels, **named, **attributes})
