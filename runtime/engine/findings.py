"""Something that is not as it should be, and what to do about it."""

from __future__ import annotations

from runtime.engine.container import Container
from runtime.engine.errors import Damaged
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.engine.engine import Engine


class Finding(Value):
    """``repair`` puts it right and loses nothing; where there is none, ``hint`` says what the user may do."""

    message: str
    repair: Callable[[], object] | None = None
    hint: str = ""


def readable(engine: Engine) -> Iterator[Container]:
    """The containers whose record can be read; of others it is told once that it cannot."""
    for container_id in engine.containers.ids():
        try:
            container = Container.read(engine.home, container_id)
        except Damaged:
            continue
        if container is not None:
            yield container
