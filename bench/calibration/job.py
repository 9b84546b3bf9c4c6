"""What is asked of every peer: containers by name, launched one after the other or several at once, and removed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.network.addresses import InstanceAddress


@dataclass(frozen=True, slots=True)
class Job:
    """One container: its name, and its address where it is to have a network."""

    name: str
    address: InstanceAddress | None


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each launch took from the request until the process had executed, and all of them together."""

    each_ns: tuple[int, ...]
    all_ns: int


@dataclass(frozen=True, slots=True)
class Weight:
    """What one container takes of the host, for the preflight only: an estimate, rounded up."""

    pids: int = 1
    memory_bytes: int = 1 << 20


class Peer(Protocol):
    """A program that launches containers. Errors are `bench.workload.WorkloadError`."""

    name: str
    weight: Weight

    def absence(self) -> str | None:
        """Why it cannot be measured on this host; None if it can. Changes nothing."""

    def connects(self) -> bool:
        """Whether it gives containers a network: a link on a bridge, an address and a route."""

    def open(self) -> None:
        """Get ready; never timed. Idempotent."""

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """Make ahead what can be made ahead for these; never timed, but its memory counts.

        They will be launched in one call of `launch`, or in several that keep their order.
        """

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """Launch them, so many at once; they stay."""

    def remove(self, jobs: Sequence[Job]) -> None:
        """End and remove them, as fast as this program can."""

    def close(self) -> None:
        """Release what `open` took. Idempotent."""


def launch_each(
    launch: Callable[[Job, int], object],
    jobs: Sequence[Job],
    parallel: int,
    prepare: Callable[[], None] = lambda: None,
) -> Timing:
    """Call ``launch`` for each, in so many threads, with the thread's number; ``prepare`` is called once in each."""

    def work(lane: int) -> list[tuple[int, int]]:
        times = []
        for job in jobs[lane::parallel]:
            started = time.monotonic_ns()
            launch(job, lane)
            times.append((started, time.monotonic_ns()))
        return times

    with ThreadPoolExecutor(parallel, initializer=prepare) as pool:
        lanes = [pool.submit(work, lane) for lane in range(parallel)]
        times = [one for lane in lanes for one in lane.result()]
    return Timing(tuple(end - start for start, end in times), max(e for _, e in times) - min(s for s, _ in times))
