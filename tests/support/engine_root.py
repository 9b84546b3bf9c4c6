"""An engine with a small image, below a directory of the test's own; nothing of it is left on the host."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.engine.engine import Engine
from runtime.engine.mountinfo import mount_points
from runtime.engine.options import CreateOptions
from runtime.image.builder import LayerRecipe, build_image, extend_image
from runtime.image.config import ImageConfig
from tests.support.containers import PATH, base_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.engine.container import Container
    from runtime.image.builder import Entry

BASE = "base:1"


@contextmanager
def make_engine(directory: Path) -> Iterator[Engine]:
    """One that is reset at the end, and it is an error if that leaves something."""
    with Engine(str(directory / "root")) as engine:
        build_image(engine.images, BASE, (base_layer(),), ImageConfig(cmd=("sh",), env=(PATH,)))
        try:
            yield engine
        finally:
            engine.system.reset()
        left = [str(path) for path in Path(engine.home.root).iterdir()]
        assert (left, mount_points(engine.home.root)) == ([], ())
        assert not Path(engine.home.networks_run).exists()


def extend(engine: Engine, reference: str, entries: Sequence[Entry], **execution: Any) -> str:
    """An image with a further layer; its name."""
    base = engine.images.resolve(BASE)
    return extend_image(engine.images, base, reference, (LayerRecipe(tuple(entries), "more"),), **execution).reference


def create(engine: Engine, *command: str, image: str = BASE, **options: Any) -> Container:
    """A container that does not run."""
    return engine.containers.create(CreateOptions(image, command or ("sleep", "1000"), **options))
