"""All of an engine together: what it is, what it takes on the disk, whether it is sound, and how it goes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.df import Usage
    from runtime.engine.engine import Engine
    from runtime.engine.filters import Filters
    from runtime.engine.prune import Pruned
    from runtime.engine.soundness import Soundness


class System:
    """Of one root."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def info(self) -> dict[str, Any]:
        """As `docker info --format json` has it."""
        from runtime.engine.information import information

        return information(self._engine)

    def df(self) -> Usage:
        """What images, containers, volumes and the builder's cache take on the disk."""
        from runtime.engine.df import usage

        return usage(self._engine)

    def prune(
        self, *, everything: bool = False, volumes: bool = False, filters: Filters | None = None
    ) -> Pruned:
        """Remove stopped containers, unused networks, dangling images and the builder's cache.

        ``everything`` takes all images that no container has, ``volumes`` anonymous volumes, too. Filters are ``until``
        and ``label``; with ``until`` there can be no volumes among it, as with Docker. Raises `BadOption`.
        """
        from runtime.engine.prune import prune

        return prune(self._engine, everything=everything, volumes=volumes, filters=filters or {})

    def prune_containers(self, filters: Filters | None = None) -> Pruned:
        """Remove those that do not run; filters are ``until`` and ``label``."""
        from runtime.engine.prune import prune_containers

        return prune_containers(self._engine, filters or {})

    def prune_images(self, *, everything: bool = False, filters: Filters | None = None) -> Pruned:
        """Remove those without a name that no container has, with ``everything`` those with one, too.

        Filters are ``until``, ``label`` and ``dangling``.
        """
        from runtime.engine.prune import prune_images

        return prune_images(self._engine, everything=everything, filters=filters or {})

    def check(self, *, repair: bool = False) -> Soundness:
        """Whether everything below the root is what it should be; with ``repair`` what can be put right safely is."""
        from runtime.engine.soundness import check

        return check(self._engine, repair=repair)

    def reset(self) -> None:
        """Stop and remove everything of this root, images included, and nothing else."""
        from runtime.engine.reset import reset

        reset(self._engine)
