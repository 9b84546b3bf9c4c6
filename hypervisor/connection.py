"""Where domains live: a running system libvirtd, or else libvirt's driver embedded in this process."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from hypervisor.accelerator import KVM_DEVICE
from hypervisor.binding import load_libvirt
from hypervisor.embedded import EmbeddedRoot, machine_groups, remove_machine_groups
from hypervisor.errors import DomainError, HostLacks
from hypervisor.eventloop import ensure_event_loop
from hypervisor.reaper import Reaper

if TYPE_CHECKING:
    from types import TracebackType

    import libvirt

Kind = Literal["system", "embedded"]

EMULATOR = "qemu-system-x86_64"
# The monolithic daemon's socket, and that of the modular one (libvirt 9's `virtqemud`).
_SYSTEM_SOCKETS = (Path("/run/libvirt/libvirt-sock"), Path("/run/libvirt/virtqemud-sock"))
# Debian and Ubuntu; Fedora and its relatives; Arch.
_QEMU_USERS = ("libvirt-qemu", "qemu", "nobody")


@dataclass(frozen=True, slots=True)
class QemuUser:
    """Whom QEMU runs as: never root."""

    name: str
    uid: int
    gid: int


class Connection:
    """An open libvirt. Leaving it stops and deletes what it started, except the caches of the data root."""

    def __init__(self, run_directory: Path, data_root: Path, kind: Kind | None = None) -> None:
        """Open; ``run_directory`` is this run's own, ``data_root`` is shared by all runs.

        ``kind`` None takes a system libvirtd if one runs. A process can have one embedded connection at a time.
        """
        self.kind: Kind = kind or ("system" if system_libvirtd_runs() else "embedded")
        self.root = run_directory / "libvirt"
        self.qemu_user = find_qemu_user()
        self._groups_before = machine_groups()
        self.started: set[str] = set()
        """The UUIDs of the domains that were started through this connection."""
        self._releases = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            self._open(opening, data_root)
            self._releases = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def libvirt_version(self) -> str:
        """The version of the driver, not of the Python binding."""
        return _dotted(self.handle.getLibVersion())

    def qemu_pid(self, name: str) -> int | None:
        """The process of a running domain, from the file that libvirt keeps."""
        base = Path("/run/libvirt") if self.kind == "system" else self.root / "run"
        return _read_pid(base / "qemu" / f"{name}.pid")

    def qemu_log(self, name: str) -> Path:
        """What QEMU itself wrote to stderr."""
        base = Path("/var/log/libvirt") if self.kind == "system" else self.root / "log"
        return base / "qemu" / f"{name}.log"

    def close(self) -> None:
        """Destroy the domains that are left, and close. Idempotent."""
        self._releases.close()

    def _open(self, releases: contextlib.ExitStack, data_root: Path) -> None:
        releases.callback(remove_machine_groups, self._groups_before)
        if self.kind == "embedded":
            root = releases.enter_context(EmbeddedRoot(self.root, data_root / "guest" / "libvirt-cache"))
            self.root, self.uri = root.path, root.uri
            self.handle = root.handle(open_libvirt)
        else:
            self.uri = "qemu:///system"
            self.handle = open_libvirt(self.uri)
            releases.callback(self.handle.close)
        self.reaper = releases.enter_context(Reaper())
        with self.reaper.sweeping():
            self._probe_capabilities()
        releases.callback(self._destroy_all)

    def _destroy_all(self) -> None:
        """For VIR_DOMAIN_START_AUTODESTROY, which the embedded driver refuses and a system daemon only does once the
        last domain object is gone.
        """
        libvirt = load_libvirt()
        for domain in self._own_domains():
            with contextlib.suppress(libvirt.libvirtError), self.reaper.sweeping():
                domain.destroy()

    def _own_domains(self) -> list[libvirt.virDomain]:
        domains = self.handle.listAllDomains()
        if self.kind == "embedded":
            return list(domains)  # all below our root, also what a killed process of this run left
        return [domain for domain in domains if domain.UUIDString() in self.started]

    def _probe_capabilities(self) -> None:
        """Let libvirt find out what QEMU can, now and not in the first timed start (1.5 to 5 s, then cached)."""
        libvirt = load_libvirt()
        try:
            self.handle.getDomainCapabilities(None, "x86_64", "q35", "qemu")
            # Asks for the version by probing a QEMU, too: even that of another architecture, if there is one.
            self.qemu_version = _dotted(self.handle.getVersion())
        except libvirt.libvirtError as error:
            if shutil.which(EMULATOR) is None:
                raise HostLacks(f"no {EMULATOR} on this host", hint="install qemu-system-x86") from error
            raise DomainError(f"ask libvirt for QEMU's capabilities: {error}") from error


def open_libvirt(uri: str) -> libvirt.virConnect:
    """Open ``uri``, with libvirt's event loop running."""
    libvirt = load_libvirt()
    ensure_event_loop()
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise HostLacks(f"open {uri}: {error}", hint=_open_hint(uri)) from error


def system_libvirtd_runs() -> bool:
    """Whether a system libvirtd (or virtqemud) answers on its socket."""
    return any(_answers(path) for path in _SYSTEM_SOCKETS)


def find_qemu_user() -> QemuUser:
    """The unprivileged user that the distribution made for QEMU."""
    for name in _QEMU_USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return QemuUser(name, user.pw_uid, _kvm_group(user))
    raise HostLacks("no user to run QEMU as", hint="install libvirt-daemon-driver-qemu, which makes one")


def _kvm_group(user: pwd.struct_passwd) -> int:
    """The group that may use /dev/kvm, whatever it is called here; else the user's own."""
    with contextlib.suppress(OSError):
        device = KVM_DEVICE.stat()
        if device.st_gid != 0 and device.st_mode & 0o060 == 0o060:
            return device.st_gid
    return user.pw_gid


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _open_hint(uri: str) -> str:
    if os.geteuid() != 0:
        return "run as root"
    if "embed" in uri:
        return "install libvirt-daemon-driver-qemu"
    return "see whether libvirtd is well: journalctl -u libvirtd"


def _dotted(version: int) -> str:
    """``7.2.22``: libvirt counts in millions and thousands."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
