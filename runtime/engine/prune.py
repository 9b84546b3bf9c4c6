"""What nobody needs any more, removed: one kind after the other, as `docker system prune` does."""

from __future__ import annotations

from runtime.engine.cards import forget_cards
from runtime.engine.errors import BadOption, EngineError
from runtime.engine.filters import matches_labels, prune_labels, refuse_unknown, until_ns
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.filters import Filters
    from runtime.image.removal import Use
    from runtime.image.store import Image

_COMMON = ("until", "label", "label!")


class Pruned(Value):
    """What is gone; ``images`` are lines such as ``Deleted: sha256:…``."""

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    freed_bytes: int = 0


class ImageUses:
    """What containers need of images, as `runtime.image.removal` asks it."""

    def __init__(self, engine: Engine) -> None:
        self._containers = engine.containers.list()

    def of(self, image: Image) -> Sequence[Use]:
        """The containers that were made of the image."""
        from runtime.image.removal import Use

        made = (one for one in self._containers if one.image_digest == image.digest)
        return tuple(Use(one.id, one.state.is_active) for one in made)

    def layers(self) -> Iterable[Path]:
        """The directories of layers that containers are mounted on, or would be."""
        from pathlib import Path

        return tuple(Path(layer) for one in self._containers for layer in one.layers)


def prune(engine: Engine, *, everything: bool, volumes: bool, filters: Filters) -> Pruned:
    """Containers first: what they alone have is unused then."""
    refuse_unknown(filters, _COMMON)
    if volumes and "until" in filters:
        raise BadOption('The "until" filter is not supported with "--volumes"')
    containers = prune_containers(engine, filters)
    networks = engine.networks.prune(filters)
    names, freed = engine.volumes.prune(labels=prune_labels(filters)) if volumes else ((), 0)
    images = prune_images(engine, everything=everything, filters=filters)
    return Pruned(containers.containers, networks, names, images.images,
                  containers.freed_bytes + freed + images.freed_bytes + _collect(engine))  # fmt: skip


def _collect(engine: Engine) -> int:
    """What nothing refers to any more, as layers of the builder's cache; but for the young, which somebody may need."""
    from runtime.image.collect import collect

    return collect(engine.images, ImageUses(engine).layers()).freed_bytes


def prune_containers(engine: Engine, filters: Filters) -> Pruned:
    """Those that do not run, and were made before ``until``."""
    from runtime.engine.sizes import tree_bytes
    from runtime.supervision.times import parse_ns

    refuse_unknown(filters, _COMMON)
    latest_ns, labels = until_ns(filters), prune_labels(filters)
    gone: list[str] = []
    freed = 0
    for container in engine.containers.list():
        young = latest_ns is not None and parse_ns(container.created) > latest_ns
        if container.state.is_active or young or not matches_labels(container.labels, labels):
            continue
        size = tree_bytes(container.upper)
        if _remove(engine, container):
            gone.append(container.id)
            freed += size
    return Pruned(containers=tuple(gone), freed_bytes=freed)


def prune_images(engine: Engine, *, everything: bool, filters: Filters) -> Pruned:
    """By `runtime.image.removal`; ``dangling=false`` is everything."""
    from runtime.image.removal import PruneOptions
    from runtime.image.removal import prune_images as remove

    refuse_unknown(filters, (*_COMMON, "dangling"))
    dangling = filters.get("dangling", ())
    if any(word not in {"true", "false", "1", "0"} for word in dangling):
        raise BadOption(f"invalid filter 'dangling={dangling[0]}'")
    unnamed = not everything and not any(word in {"false", "0"} for word in dangling)
    done = remove(engine.images, PruneOptions(all=not unnamed, wanted=_wanted(filters)), ImageUses(engine))
    forget_cards(engine.home)
    for line in done.lines:
        engine.events.tell("image", "untag" if str(line).startswith("Untagged") else "delete", line.what)
    return Pruned(images=tuple(map(str, done.lines)), freed_bytes=done.freed_bytes)


def _wanted(filters: Filters) -> Callable[[Image], bool]:
    latest_ns, labels = until_ns(filters), prune_labels(filters)

    def wanted(image: Image) -> bool:
        old = latest_ns is None or _made_ns(image.config.created) <= latest_ns
        return old and matches_labels(dict(image.config.labels), labels)

    return wanted


def _made_ns(text: str) -> int:
    """0 where the image does not say when it was made, or what it says makes no sense."""
    from runtime.engine.moments import parse_moment

    try:
        return parse_moment(text)
    except BadOption:
        return 0


def _remove(engine: Engine, container: Container) -> bool:
    """Whether it has gone: somebody may have started it, or removed it, meanwhile."""
    try:
        engine.containers.remove(container)
    except EngineError:
        return False
    return True
