"""The probe guest: a real domain under KVM that has a few seconds to come up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from typing import TYPE_CHECKING

from hypervisor.accelerator import Accelerator, Boot, choose, probe_key
from hypervisor.console import PROBE_MARK, last_words
from hypervisor.domain import Domain, DomainState
from hypervisor.errors import HypervisorError
from hypervisor.guest.build import build_probe
from hypervisor.spec import MINIMUM_MEMORY_BYTES, DomainSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypervisor.connection import Connection
    from hypervisor.guest.kernel import Kernel

_POLL_S = 0.05


def choose_accelerator(connection: Connection, data_root: Path, run_directory: Path, kernel: Kernel) -> Accelerator:
    """The accelerator for domains on ``connection`` with guests of ``kernel``; remembered below ``data_root``."""

    def boot(deadline_s: float) -> Boot:
        guest = build_probe(data_root, kernel)
        name = f"tare-probe-{uuid.uuid4().hex[:8]}"
        return boot_probe(
            connection,
            DomainSpec(
                name=name,
                run_id="probe",
                directory=run_directory / name,
                accelerator="kvm",
                memory_bytes=MINIMUM_MEMORY_BYTES,
                kernel=guest.kernel,
                initrd=guest.initrd,
            ),
            deadline_s,
        )

    key = probe_key(connection.qemu_version, kernel.digest)
    return choose(key, data_root / "guest" / "accelerator.json", boot)


def boot_probe(connection: Connection, spec: DomainSpec, deadline_s: float) -> Boot:
    """Boot ``spec`` and wait for its mark. Whatever happens, nothing of it is left."""
    domain = Domain(connection, spec)
    started = time.monotonic()
    try:
        with _killed_after(connection, spec.name, deadline_s):
            domain.start()
            return _watch(domain, started, deadline_s)
    except HypervisorError as error:
        elapsed_s = time.monotonic() - started
        return Boot(passed=False, words=f"QEMU gave up after {elapsed_s:.1f} s: {str(error).partition(': ')[2]}")
    finally:
        domain.remove()


def _watch(domain: Domain, started: float, deadline_s: float) -> Boot:
    """Until the mark, the machine's end, or the deadline."""
    while True:
        running = domain.state is DomainState.RUNNING
        elapsed_s = time.monotonic() - started
        if PROBE_MARK in domain.console():
            return Boot(passed=True, words=f"a probe guest booted in {elapsed_s:.1f} s")
        if not running:
            return Boot(passed=False, words=f"it ended after {elapsed_s:.1f} s; {_words(domain)}")
        if elapsed_s >= deadline_s:
            return Boot(passed=False, words=f"no sign of life in {deadline_s:g} s; {_words(domain)}")
        time.sleep(_POLL_S)


def _words(domain: Domain) -> str:
    guest = last_words(domain.console())
    return f"the guest's last words: {guest}" if guest else f"QEMU's last words: {domain.qemu_words() or 'none'}"


@contextlib.contextmanager
def _killed_after(connection: Connection, name: str, deadline_s: float) -> Iterator[None]:
    """Libvirt itself can wait on a hanging QEMU for half a minute: kill that QEMU, and libvirt gives up."""

    def kill() -> None:
        pid = connection.qemu_pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(deadline_s + 1, kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
