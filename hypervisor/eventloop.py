"""Libvirt's event loop: one daemon thread a process, which the embedded driver needs to talk to its QEMUs.

Libvirt allows one implementation a process and can never take it back, so this is the package's only global state.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hypervisor.binding import load_libvirt

if TYPE_CHECKING:
    from collections.abc import Callable

_started = False
_lock = threading.Lock()


def ensure_event_loop() -> None:
    """Start the loop unless it runs. It must be there before a connection is opened."""
    global _started  # noqa: PLW0603 - one loop a process is libvirt's own rule
    libvirt = load_libvirt()
    with _lock:
        if _started:
            return
        # Without a handler libvirt-python prints every error to stderr before it raises it.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        turn = libvirt.virEventRunDefaultImpl
        threading.Thread(target=_run, args=(turn,), name="libvirt-events", daemon=True).start()
        _started = True


def _run(turn: Callable[[], int]) -> None:
    while True:
        turn()
