"""What a domain is, and the XML that says so."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypervisor.errors import DomainError
from hypervisor.xml.balloon import Balloon
from hypervisor.xml.boot import DirectBoot
from hypervisor.xml.channel import Channel
from hypervisor.xml.controller import Controller
from hypervisor.xml.cpu import Cpu
from hypervisor.xml.disk import Disk
from hypervisor.xml.domain import Device, DomainXml
from hypervisor.xml.features import Features
from hypervisor.xml.interface import Interface
from hypervisor.xml.metadata import Metadata
from hypervisor.xml.rng import Rng
from hypervisor.xml.seclabel import SecLabel
from hypervisor.xml.serial import Serial

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface
    from pathlib import Path

# Debian's kernel does not come up in less (measured: 96 MiB boots, 64 MiB does not).
MINIMUM_MEMORY_BYTES = 96 << 20
# Measured under TCG with Debian's kernel: 16 MiB costs 0.4 s of boot, more only costs memory.
TRANSLATION_CACHE_MIB = 32
BALLOON_PERIOD_S = 2
CHANNEL_NAME = "tare.agent.0"
CONSOLE_LOG = "console.log"
AGENT_SOCKET = "agent.sock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
# ifname(7): IFNAMSIZ is 16 with the terminating zero.
_TAP = re.compile(r"tare[A-Za-z0-9_.-]{1,11}")
# unix(7): sun_path has 108 bytes with the terminating zero.
_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Link:
    """A domain's network: libvirt makes ``tap`` on ``bridge``, the guest's init sets address and route."""

    bridge: str
    tap: str
    mac: str
    address: IPv4Interface
    gateway: IPv4Address

    def __post_init__(self) -> None:
        if not _TAP.fullmatch(self.tap):
            raise DomainError(f"tap name {self.tap!r}: not `tare` and 1 to 11 more letters, digits, dots or dashes")

    def parameters(self) -> tuple[str, ...]:
        """What init reads from the kernel's command line."""
        return (
            f"tare.address={self.address.ip}",
            f"tare.netmask={self.address.netmask}",
            f"tare.gateway={self.gateway}",
        )


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """One virtual machine. ``directory`` is its own: it is made by ``start`` and deleted by ``remove``.

    A spec without ``disk`` is a probe: its init says so on the console and powers off.
    """

    name: str
    run_id: str
    directory: Path
    accelerator: str
    memory_bytes: int
    kernel: Path
    initrd: Path
    disk: Path | None = None
    link: Link | None = None
    vcpus: int = 1
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DomainError(f"domain name {self.name!r}: not 1 to 63 letters, digits, dots, dashes or underscores")
        if self.accelerator not in {"kvm", "tcg"}:
            raise DomainError(f"accelerator {self.accelerator!r}: neither kvm nor tcg")
        if self.memory_bytes < MINIMUM_MEMORY_BYTES:
            raise DomainError(
                f"memory of domain {self.name}: {self.memory_bytes >> 20} MiB is too small for a kernel",
                hint=f"give it {MINIMUM_MEMORY_BYTES >> 20} MiB or more",
            )
        if self.vcpus < 1:
            raise DomainError(f"domain {self.name}: {self.vcpus} virtual CPUs")
        if len(bytes(self.agent_socket)) > _SOCKET_PATH_BYTES:
            raise DomainError(f"socket {self.agent_socket}: longer than {_SOCKET_PATH_BYTES} bytes (unix(7))")

    @property
    def console_log(self) -> Path:
        """Where the guest's serial port goes."""
        return self.directory / CONSOLE_LOG

    @property
    def agent_socket(self) -> Path:
        """The host's end of the agent's channel."""
        return self.directory / AGENT_SOCKET

    def kernel_parameters(self) -> tuple[str, ...]:
        """The kernel's command line: silent, dead at once after a panic, and what our init needs to know."""
        # The crypto self-tests cost 0.3 s of an emulated boot; under KVM the kernel stays as it was shipped.
        tuning = ("cryptomgr.notests",) if self.accelerator == "tcg" else ()
        purpose = ("tare.probe",) if self.disk is None else (f"tare.hostname={self.name}",)
        network = self.link.parameters() if self.link else ()
        return ("console=ttyS0", "quiet", "panic=-1", *tuning, *purpose, *network)


def define(spec: DomainSpec, qemu_uid: int, qemu_gid: int) -> DomainXml:
    """The definition of ``spec``, whose QEMU runs as the given user."""
    emulated = spec.accelerator == "tcg"
    return DomainXml(
        kind="qemu" if emulated else "kvm",
        name=spec.name,
        uuid=spec.uuid,
        memory_bytes=spec.memory_bytes,
        vcpus=spec.vcpus,
        metadata=Metadata(spec.run_id),
        boot=DirectBoot("q35", str(spec.kernel), str(spec.initrd), spec.kernel_parameters()),
        features=Features(TRANSLATION_CACHE_MIB if emulated else None),
        cpu=Cpu("maximum" if emulated else "host-passthrough"),
        devices=_devices(spec),
        seclabel=SecLabel(qemu_uid, qemu_gid),
    )


def _devices(spec: DomainSpec) -> tuple[Device, ...]:
    devices: list[Device] = [Controller("usb", "none"), Serial(str(spec.console_log))]
    if spec.disk:
        devices += [Disk(str(spec.disk), "vda"), Channel(str(spec.agent_socket), CHANNEL_NAME)]
    if spec.link:
        devices.append(Interface(spec.link.bridge, spec.link.tap, spec.link.mac))
    return (*devices, Balloon(BALLOON_PERIOD_S), Rng())
