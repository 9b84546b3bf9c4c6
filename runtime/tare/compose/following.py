"""What several containers write, as it comes, each line after the name of its container."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from runtime.engine.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.engine.container import Container


def show_logs(root: str, containers: Sequence[Container], *, tail: int | None, follow: bool, prefix: bool) -> None:
    """Until all are over, or interrupted. Each is read by a thread with an engine of its own."""
    width = max((len(container.name) for container in containers), default=0)
    mutex = threading.Lock()

    def show(container: Container) -> None:
        before = f"{container.name:<{width}} | ".encode() if prefix else b""
        with Engine(root) as engine:
            for entry in engine.containers.logs(container, tail, None, follow=follow):
                with mutex:
                    _write(entry.content, before)

    threads = [threading.Thread(target=show, args=(container,), daemon=True) for container in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write(content: bytes, before: bytes) -> None:
    for line in content.splitlines(keepends=True):
        sys.stdout.buffer.write(before + line + (b"" if line.endswith(b"\n") else b"\n"))
    sys.stdout.buffer.flush()
