"""One virtual machine, from definition to removal.

Different domains may be started, stopped and removed by different threads at the same time. A domain is transient:
libvirt forgets it when it is off, and it is destroyed when the connection that made it is closed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from hypervisor.agent import Agent, ExecResult
from hypervisor.binding import load_libvirt
from hypervisor.console import ConsoleFacts, last_words
from hypervisor.errors import AgentError, DomainError, GuestPanicked, HostLacks, NameTaken
from hypervisor.spec import define
from hypervisor.stats import DomainStats, cgroup_memory, guest_used, process_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    import libvirt

    from hypervisor.connection import Connection
    from hypervisor.spec import DomainSpec

_POLL_S = 0.02
# QEMU's lines in libvirt's errors carry the time and the program's name.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+Z )?qemu-system-x86_64: ")


class DomainState(StrEnum):
    """Where a domain stands, as libvirt sees it."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class Domain:
    """A machine of ``spec`` on ``connection``; nothing exists on the host before ``start``."""

    def __init__(self, connection: Connection, spec: DomainSpec) -> None:
        self.spec = spec
        self.pid: int | None = None
        self._connection = connection
        self._handle: libvirt.virDomain | None = None
        self._agent = Agent(spec.agent_socket)
        self._removed = False

    @property
    def name(self) -> str:
        """The domain's name, unique on this libvirt."""
        return self.spec.name

    @property
    def state(self) -> DomainState:
        """Observed: a machine that powered itself off, crashed or hangs paused is stopped."""
        if self._removed:
            return DomainState.REMOVED
        if self._handle is None:
            return DomainState.CREATED
        return DomainState.RUNNING if self._runs() else DomainState.STOPPED

    def start(self) -> None:
        """Define and start; returns when libvirt has accepted, long before the guest is up."""
        if self._handle is not None or self._removed:
            raise DomainError(f"start domain {self.name}: it is {self.state}")
        self._make_directory()
        with self._connection.reaper.sweeping():
            self._handle = self._create()
        self.pid = self._connection.qemu_pid(self.name)
        if self.pid is not None:
            self._connection.reaper.watch(self.pid)
        if self.spec.disk is not None:
            # So that the guest finds somebody at the other end when it comes up; it may be off again already.
            with contextlib.suppress(AgentError):
                self._agent.connect()

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run a command inside as the image's user, once the guest is up."""
        if self.state is not DomainState.RUNNING:
            raise DomainError(f"run {argv[0] if argv else 'nothing'} in domain {self.name}: it is {self.state}")
        return self._agent.exec(argv, timeout_s)

    def stats(self) -> DomainStats:
        """What the machine costs now."""
        pid = self.pid if self._runs() else None
        pss, rss = (None, None) if pid is None else process_memory(pid)
        return DomainStats(
            pss_bytes=pss,
            rss_bytes=rss,
            cgroup_bytes=None if pid is None else cgroup_memory(pid),
            configured_bytes=self.spec.memory_bytes,
            guest_used_bytes=self._guest_used(),
            processes=0 if pid is None else 1,
        )

    def console(self) -> bytes:
        """What the guest has written to its serial port so far; empty once removed."""
        try:
            return self.spec.console_log.read_bytes()
        except OSError:
            return b""

    def exit_status(self) -> int | None:
        """How the image's process ended; None while it runs or if the guest did not live to say."""
        return ConsoleFacts.parse(self.console()).exit_status

    def check(self) -> None:
        """Raise what went wrong in the guest, if anything has: a panic, or an init that gave up."""
        facts = ConsoleFacts.parse(self.console())
        if facts.panic is not None:
            raise GuestPanicked(f"domain {self.name}: guest panicked: {facts.panic}", hint=self._log_hint())
        if facts.failure is not None:
            raise DomainError(f"domain {self.name}: init failed: {facts.failure}", hint=self._log_hint())

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask init to end the process and power off; after ``timeout_s`` pull the plug, with 0 at once. Idempotent."""
        if self._handle is None:
            return
        if timeout_s > 0 and self._runs() and self._asked_to_stop():
            self._wait_off(timeout_s)
        self._destroy()
        self._agent.close()

    def remove(self) -> None:
        """Stop by force and delete the domain's files. Idempotent."""
        self.stop(timeout_s=0)
        self._agent.close()
        if not self._removed:
            shutil.rmtree(self.spec.directory, ignore_errors=True)
            with contextlib.suppress(OSError):
                self._connection.qemu_log(self.name).unlink()
        self._removed = True

    def qemu_words(self) -> str:
        """The last line that QEMU wrote to its log."""
        with contextlib.suppress(OSError):
            return last_words(self._connection.qemu_log(self.name).read_bytes())
        return ""

    def _make_directory(self) -> None:
        """Made by us, except that QEMU (not root) must be able to write its console."""
        user = self._connection.qemu_user
        try:
            self.spec.directory.mkdir(parents=True)
            self.spec.directory.chmod(0o711)
            self.spec.console_log.touch(mode=0o644)
            os.chown(self.spec.console_log, user.uid, user.gid)
        except FileExistsError:
            raise NameTaken(f"domain {self.name}: its directory {self.spec.directory} exists already") from None
        except OSError as error:
            raise HostLacks(f"make {self.spec.directory}: {error.strerror}", hint="run as root") from error

    def _create(self) -> libvirt.virDomain:
        libvirt = load_libvirt()
        user = self._connection.qemu_user
        # The embedded driver refuses it; there the domains of a killed process are found again by opening its root.
        flags = libvirt.VIR_DOMAIN_START_AUTODESTROY if self._connection.kind == "system" else 0
        self._connection.started.add(self.spec.uuid)
        xml = define(self.spec, user.uid, user.gid).to_string()
        try:
            return self._connection.handle.createXML(xml, flags)
        except libvirt.libvirtError as error:
            shutil.rmtree(self.spec.directory, ignore_errors=True)
            raise _refusal(self.name, error) from error

    def _runs(self) -> bool:
        libvirt = load_libvirt()
        if self._handle is None:
            return False
        try:
            return bool(self._handle.state()[0] == libvirt.VIR_DOMAIN_RUNNING)
        except libvirt.libvirtError:
            return False

    def _guest_used(self) -> int | None:
        libvirt = load_libvirt()
        if self._handle is None:
            return None
        try:
            return guest_used(self._handle.memoryStats())
        except libvirt.libvirtError:
            return None

    def _asked_to_stop(self) -> bool:
        # A guest that has not come as far as its agent will not hear us: there is nothing to wait for.
        if not ConsoleFacts.parse(self.console()).process_started:
            return False
        try:
            self._agent.request_stop()
        except AgentError:
            return False
        return True

    def _wait_off(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self._runs() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _destroy(self) -> None:
        libvirt = load_libvirt()
        if self._handle is None:
            return
        try:
            self._handle.destroy()
        except libvirt.libvirtError as error:
            gone = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID}
            if error.get_error_code() not in gone:
                raise DomainError(f"destroy domain {self.name}: {error}") from error

    def _log_hint(self) -> str:
        return f"see its console in {self.spec.console_log}"


def _refusal(name: str, error: libvirt.libvirtError) -> DomainError | HostLacks:
    """Which of our errors libvirt's refusal is."""
    text = _STAMP.sub("", str(error)).strip().replace("\n", " ")
    if "already exists" in text or "already active" in text:
        return NameTaken(f"start domain {name}: {text}", hint="end the other run, or clean up what it left")
    if "Permission denied" in text:
        hint = "QEMU does not run as root: every folder above kernel, disk and console must be searchable (o+x)"
        return HostLacks(f"start domain {name}: {text}", hint=hint)
    return DomainError(f"start domain {name}: {text}")
