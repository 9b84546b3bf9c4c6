"""``commit``: an image of what a container has changed, which runs as the container did.

The configuration is the container's, as with Docker (moby, daemon/commit.go): its command, environment, user and
health check, on top of what the image says that no container changes.
"""

from __future__ import annotations

import os

from runtime.engine.creation import tell
from runtime.engine.errors import EngineError
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.options import CommitOptions, CreateOptions
    from runtime.image.config import ImageConfig
    from runtime.image.store import Image


def commit(
    engine: Engine,
    container: Container,
    options: CommitOptions,
    change: Callable[[ImageConfig], ImageConfig] | None = None,
) -> Image:
    """The image; ``change`` is what the instructions make of its configuration. Raises `EngineError`, `ImageError`."""
    from pathlib import Path

    from runtime.image import commit as committing

    if options.changes and change is None:
        raise EngineError("commit: nobody has said what the instructions make of the configuration")

    def configured(config: ImageConfig) -> ImageConfig:
        config = as_container(config, container.config)
        return config if change is None else change(config)

    parent = engine.images.resolve(container.image_digest)
    author = committing.Author(" ".join(container.command), options.author, options.message)
    os.makedirs(container.upper, mode=0o755, exist_ok=True)  # one that never ran has changed nothing
    with _still(engine, container, wanted=options.pause):
        image = committing.commit(
            engine.images,
            parent,
            Path(container.upper),
            tuple(map(Path, container.lowers)),
            committing.CommitOptions(options.reference or None, author, configured),
        )
    tell(engine, container, "commit", comment=options.message, imageID=image.digest, imageRef=options.reference)
    return image


def as_container(config: ImageConfig, options: CreateOptions) -> ImageConfig:
    """The image's configuration with everything that the container's options, merged with it, say otherwise."""
    from dataclasses import replace

    from runtime.engine.inspection import health_document

    extensions = dict(config.extensions)
    if options.health is not None:
        extensions["Healthcheck"] = health_document(options.health)
    return replace(
        config,
        entrypoint=options.entrypoint or (),
        cmd=options.command,
        env=options.env,
        user=options.user,
        working_dir=options.workdir,
        exposed_ports=tuple(sorted(port if "/" in port else f"{port}/tcp" for port in options.expose)),
        volumes=tuple(sorted(options.volumes)),
        labels=dict(options.labels),
        stop_signal=options.stop_signal,
        extensions=extensions,
    )


@contextmanager
def _still(engine: Engine, container: Container, *, wanted: bool) -> Iterator[None]:
    """Paused if it runs, so that its files are of one moment."""
    if not wanted or container.state.status != "running":
        yield
        return
    engine.containers.pause(container)
    try:
        yield
    finally:
        engine.containers.unpause(container)
