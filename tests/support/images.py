"""Images for tests: of values alone, or made in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.workload import WorkloadSpec
from bench.workloads.website import ensure_website
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 128 << 20


def website_spec(data: Path, path: str = "/") -> WorkloadSpec:
    """The default workload, with its image in the store below ``data``."""
    image = ensure_website(ImageStore(data))
    return WorkloadSpec(image, memory_bytes=MEMORY, cpus=1.0, pids_limit=64, port=8080, path=path)
