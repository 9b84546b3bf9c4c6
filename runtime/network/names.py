"""The names of a network's containers, read from its leases; and the files that a container finds them by.

A container is known by its id, the first twelve characters of it, its names and aliases, in any case of letters. The
directory of leases is read again when it has changed, one file for each lease that is new.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.network.errors import NetworkError
from runtime.network.leases import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from runtime.network.subnets import IPAddress

LEASES = ".leases"
_SHORT_ID = 12
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.ASCII)
# A change so shortly before it was seen may be followed by another in the same tick of the clock.
_TICK_S = 0.1


def names_of(container_id: str, names: Iterable[str]) -> tuple[str, ...]:
    """Everything that a container is called and that fits a question, the best name first."""
    called = (name.lower() for name in (*names, container_id, container_id[:_SHORT_ID]))
    return tuple(dict.fromkeys(name for name in called if _NAME.fullmatch(name)))


def check_names(names: Iterable[str]) -> None:
    """Raise `NetworkError` for a name that no question could ask for."""
    for name in names:
        if not _NAME.fullmatch(name.lower()):
            raise NetworkError(f"call a container {name!r}: labels of up to 63 letters, digits, '_' and '-' only")


class Names:
    """Who is called what, of the leases in one directory (a descriptor of it)."""

    def __init__(self, directory: int) -> None:
        self.directory = directory
        self._seen_ns = -1
        self._read: dict[tuple[str, int], tuple[str, ...]] = {}
        self._addresses: dict[str, list[IPAddress]] = {}
        self._pointers: dict[IPAddress, str] = {}
        self._owners: dict[IPAddress, str] = {}

    def owner(self, address: IPAddress) -> str | None:
        """The id of the container that has the address."""
        self._refresh()
        return self._owners.get(address)

    def has(self, owner_id: str) -> bool:
        """Whether the container is attached."""
        self._refresh()
        return owner_id in self._owners.values()

    def addresses(self, name: str) -> Sequence[IPAddress]:
        """The addresses of all containers of this name, IPv4 and IPv6; none for a name that nobody has."""
        self._refresh()
        return self._addresses.get(name, ())

    def name(self, address: IPAddress) -> str | None:
        """The best name of the container that has the address."""
        self._refresh()
        return self._pointers.get(address)

    def _refresh(self) -> None:
        changed_ns = os.stat(self.directory).st_mtime_ns  # noqa: PTH116 - of a descriptor
        if changed_ns == self._seen_ns:
            return
        self._scan()
        settled = time.time_ns() - changed_ns > _TICK_S * 1e9
        self._seen_ns = changed_ns if settled else -1

    def _scan(self) -> None:
        found: dict[tuple[str, int], tuple[str, ...]] = {}
        self._addresses, self._pointers, self._owners = {}, {}, {}
        with os.scandir(self.directory) as entries:
            for entry in entries:
                place = Place.from_file_name(entry.name)
                if place is not None and place.attached:
                    key = (entry.name, entry.inode())
                    found[key] = self._read.get(key) or names_of(place.owner_id, self._names(entry.name))
                    self._add(place, found[key])
        self._read = found

    def _add(self, place: Place, names: tuple[str, ...]) -> None:
        for address in map(ipaddress.ip_address, place.addresses):
            self._pointers[address] = names[0]
            self._owners[address] = place.owner_id
            for name in names:
                self._addresses.setdefault(name, []).append(address)

    def _names(self, file_name: str) -> list[str]:
        try:
            descriptor = os.open(file_name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.directory)
        except OSError:
            return []  # it went meanwhile
        with os.fdopen(descriptor, "rb") as file:
            try:
                return [str(name) for name in json.loads(file.read())["names"]]
            except (ValueError, KeyError, TypeError):
                return []


class Surroundings:
    """What a container may ask for: the names of this network, and of the other networks that it is in."""

    def __init__(self, root: int, network: str) -> None:
        self.root = root  # a descriptor of the store
        self._all: dict[str, Names] = {}
        self.own = self._names_in(f"{network}{LEASES}")

    def for_asker(self, asker: IPAddress) -> Iterator[Names]:
        """This network's names first."""
        yield self.own
        owner_id = self.own.owner(asker)
        if owner_id is not None:
            yield from self._others(owner_id)

    def _others(self, owner_id: str) -> Iterator[Names]:
        entries = {entry for entry in os.listdir(self.root) if entry.endswith(LEASES)}  # noqa: PTH208 - a descriptor
        for gone in self._all.keys() - entries:
            if self._all[gone] is not self.own:
                os.close(self._all.pop(gone).directory)
        for entry in sorted(entries):
            with suppress(OSError):  # the network has just gone
                names = self._names_in(entry)
                if names is not self.own and names.has(owner_id):
                    yield names

    def _names_in(self, entry: str) -> Names:
        known = self._all.get(entry)
        if known is None or os.fstat(known.directory).st_nlink == 0:
            if known is not None:
                os.close(known.directory)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
            known = self._all[entry] = Names(os.open(entry, flags, dir_fd=self.root))
        return known


_LOOPBACK = (
    "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
)  # fmt: skip


def hosts_file(names: Mapping[str, Iterable[str]]) -> str:
    """The text of ``/etc/hosts`` (hosts(5)): what every host knows, as Docker has it, and these names by address."""
    lines = [*_LOOPBACK]
    lines += [f"{address}\t{' '.join(dict.fromkeys(called))}" for address, called in names.items()]
    return "".join(f"{line}\n" for line in lines)


def resolv_conf(
    nameservers: Iterable[str], search: Sequence[str] = (), options: Sequence[str] = ("ndots:0",)
) -> str:
    """The text of ``/etc/resolv.conf`` (resolv.conf(5))."""
    lines = [f"nameserver {address}" for address in nameservers]
    lines += [f"search {' '.join(search)}"] if search else []
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def read_resolv_conf(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The name servers and the search list of a ``resolv.conf``; what is no address is passed over."""
    servers: list[str] = []
    search: list[str] = []
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["nameserver"] and len(words) > 1 and _is_address(words[1]):
            servers.append(words[1])
        elif words[:1] in (["search"], ["domain"]):
            search = words[1:]
    return tuple(servers), tuple(search)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
