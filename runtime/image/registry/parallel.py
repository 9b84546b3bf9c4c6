"""Several transfers at once, of which the first failure ends all."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")
Stopped = threading.Event


def in_parallel(work: Callable[[_T, Stopped], object], items: Iterable[_T], limit: int) -> None:
    """Call ``work(item, stopped)`` for each item, ``limit`` of them at a time, and raise what the first failure raised.

    ``stopped`` is set as soon as one has failed, or the caller is interrupted: the others then end early.
    """
    stopped = Stopped()
    with ThreadPoolExecutor(limit) as executor:
        futures = [executor.submit(work, item, stopped) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            stopped.set()
            executor.shutdown(wait=True, cancel_futures=True)
            raise
        failed = [future for future in futures if future in done and future.exception()]
        if failed:
            stopped.set()
            executor.shutdown(wait=True, cancel_futures=True)
    for future in failed:
        future.result()
