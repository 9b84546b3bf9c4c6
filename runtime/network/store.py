"""Networks and leases on disk, so that a crash loses nothing and leaves nothing unknown.

    ROOT/lock                  held (flock(2)) by whoever changes something; the kernel releases a killed holder's
    ROOT/NAME.json             a network
    ROOT/NAME.leases/PLACE     a lease (`runtime.network.leases`)

Every file appears whole or not at all: it is written beside its place and renamed. A lease is written *before* what it
describes is made, and erased *after* that is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from runtime.network.errors import NetworkError, NetworkNotFound, StoreBusy
from runtime.network.leases import Lease, Place
from runtime.network.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE_S = 30.0
_TEMPORARY = ".new-"


class Store:
    """The files below one directory. Reading needs no lock; changing does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def lock(self, patience_s: float = _PATIENCE_S) -> Iterator[None]:
        """Hold the store alone; raises `StoreBusy` when somebody else does for too long."""
        if not self.root.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o755)  # whatever the mask: resolvers read it as nobody, by a descriptor
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait_for(descriptor, self.root, patience_s)
            os.pwrite(descriptor, f"{os.getpid():<10}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def networks(self) -> tuple[Network, ...]:
        """All of them, by name."""
        files = sorted(self.root.glob("*.json")) if self.root.is_dir() else []
        return tuple(self._read_network(path) for path in files)

    def network(self, name: str) -> Network:
        """The one of this name, or of this id or the unmistakable beginning of one; raises `NetworkNotFound`."""
        path = self.root / f"{name}.json"
        if "/" not in name and path.is_file():
            return self._read_network(path)
        found = [network for network in self.networks() if name and network.id.startswith(name)]
        if len(found) != 1:
            raise NetworkNotFound(f"find network {name!r}: there is none of this name")
        return found[0]

    def write_network(self, network: Network) -> None:
        """Add it or replace it."""
        leases = self.leases_directory(network.name)
        leases.mkdir(parents=True, exist_ok=True)
        leases.chmod(0o755)
        _write(self.root / f"{network.name}.json", network.to_json(), durable=True)

    def erase_network(self, network: Network) -> None:
        """Forget it and its leases. Idempotent."""
        (self.root / f"{network.name}.json").unlink(missing_ok=True)
        directory = self.leases_directory(network.name)
        if directory.is_dir():
            for path in directory.iterdir():
                path.unlink(missing_ok=True)
            directory.rmdir()

    def leases_directory(self, name: str) -> Path:
        """Where the network's leases are."""
        return self.root / f"{name}.leases"

    def places(self, network: Network) -> tuple[Place, ...]:
        """What is taken of the network, at the price of listing one directory."""
        with suppress(FileNotFoundError):
            names = os.listdir(self.leases_directory(network.name))  # noqa: PTH208 - names are all that is wanted
            return tuple(place for name in names if (place := Place.from_file_name(name)))
        return ()

    def has_attached(self, network: Network) -> bool:
        """Whether a container is attached to the network."""
        return any(place.attached for place in self.places(network))

    def lease(self, network: Network, owner_id: str) -> Lease | None:
        """The owner's lease of this network."""
        place = next((place for place in self.places(network) if place.owner_id == owner_id), None)
        return None if place is None else self.read_lease(network, place)

    def read_lease(self, network: Network, place: Place) -> Lease | None:
        """The lease at this place; None if it has gone, or is not one of ours."""
        path = self.leases_directory(network.name) / place.file_name
        try:
            return Lease.from_json(network.name, place, json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, NetworkError):
            return None

    def leases(self, network: Network) -> tuple[Lease, ...]:
        """All of the network's."""
        return tuple(lease for place in self.places(network) if (lease := self.read_lease(network, place)))

    def write_lease(self, lease: Lease, before: Lease | None = None) -> None:
        """Add it, in place of what it was ``before``."""
        directory = self.leases_directory(lease.network)
        _write(directory / lease.place.file_name, lease.to_json(), durable=False)
        if before is not None and before.place != lease.place:
            self.erase_place(before.network, before.place)

    def erase_place(self, network_name: str, place: Place) -> None:
        """Forget the lease. Idempotent."""
        (self.leases_directory(network_name) / place.file_name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a killed writer left half-written; call it with the lock held."""
        for directory in (self.root, *self.root.glob("*.leases")):
            for path in directory.glob(f"{_TEMPORARY}*"):
                path.unlink(missing_ok=True)

    @staticmethod
    def _read_network(path: Path) -> Network:
        try:
            return Network.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, NetworkError) as error:
            raise NetworkError(f"read network {path}: {error!r}") from error


def _wait_for(descriptor: int, root: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 16, 0).decode().strip()
                raise StoreBusy(f"hold the networks in {root}: process {holder} has them") from None
            time.sleep(0.002)
        else:
            return


def _write(path: Path, document: dict[str, Any], *, durable: bool) -> None:
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, json.dumps(document).encode())
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
