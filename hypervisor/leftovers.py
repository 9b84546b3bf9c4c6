"""Domains that a killed run left behind. Only those that carry our label are ever touched."""

from __future__ import annotations

import contextlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypervisor.binding import load_libvirt
from hypervisor.errors import DomainError
from hypervisor.xml.metadata import Metadata

if TYPE_CHECKING:
    import libvirt

    from hypervisor.connection import Connection


@dataclass(frozen=True, slots=True)
class Leftover:
    """A running domain of ours."""

    name: str
    uuid: str
    run_id: str


def leftovers(connection: Connection, run_id: str | None = None) -> tuple[Leftover, ...]:
    """The domains that carry our label; of one run, or of all with None."""
    found = (_labelled(domain) for domain in connection.handle.listAllDomains())
    return tuple(domain for domain in found if domain and run_id in {None, domain.run_id})


def destroy(connection: Connection, leftover: Leftover) -> None:
    """Pull the plug of a leftover. Idempotent: one that has gone meanwhile is fine."""
    libvirt = load_libvirt()
    try:
        with connection.reaper.sweeping():
            connection.handle.lookupByUUIDString(leftover.uuid).destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise DomainError(f"destroy domain {leftover.name}: {error}") from error
    with contextlib.suppress(OSError):
        connection.qemu_log(leftover.name).unlink()


def _labelled(domain: libvirt.virDomain) -> Leftover | None:
    libvirt = load_libvirt()
    try:
        label = Metadata.from_element(ET.fromstring(domain.XMLDesc()))  # noqa: S314 - libvirt wrote it
    except libvirt.libvirtError:
        return None  # it went off between the list and the question
    return Leftover(domain.name(), domain.UUIDString(), label.run_id) if label else None
