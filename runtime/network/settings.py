"""Settings of the host's kernel that networks need: set when they are missing, recorded first, put back at the end.

The record is below /run, so it goes with a reboot, as the settings do. A setting that somebody changed meanwhile is
left as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSCTL = Path("/proc/sys/net")
_IPV4_FORWARDING = "ipv4/ip_forward"
_IPV6_FORWARDING = "ipv6/conf/all/forwarding"


class Settings:
    """What was changed, in a file, and how to change more and put it back."""

    def __init__(self, record: Path) -> None:
        self.record = record

    def forward(self, versions: set[int]) -> None:
        """Let the host forward packets of these IP versions."""
        if 4 in versions:
            self.set(_IPV4_FORWARDING, "1")
        if 6 in versions and _read(_IPV6_FORWARDING) != "1":
            # A host that forwards stops listening to routers, which would cost it its own route, unless it is told 2
            # (ip-sysctl.rst, accept_ra).
            for name in _listening_to_routers():
                self.set(name, "2")
            self.set(_IPV6_FORWARDING, "1")

    def set(self, name: str, content: str) -> None:
        """Set it, and remember what it was; nothing happens if it is so already."""
        before = _read(name)
        if before == content:
            return
        recorded = self._recorded()
        recorded.setdefault(name, {"before": before})["ours"] = content
        self._write(recorded)
        _write(name, content)

    def put_back(self) -> None:
        """Undo what was set, the last first, where nobody else has changed it since. Idempotent."""
        for name, values in reversed(self._recorded().items()):
            if (_SYSCTL / name).exists() and _read(name) == values["ours"]:
                _write(name, values["before"])
        self.record.unlink(missing_ok=True)

    def _recorded(self) -> dict[str, dict[str, str]]:
        try:
            recorded: dict[str, dict[str, str]] = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return recorded

    def _write(self, recorded: dict[str, dict[str, str]]) -> None:
        self.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.record.with_suffix(".new")
        temporary.write_text(json.dumps(recorded), encoding="utf-8")
        temporary.replace(self.record)


def route_loopback(bridge: str) -> None:
    """Let what the host sends from 127.0.0.1 to a published port out to the bridge; it goes with the bridge."""
    _write(f"ipv4/conf/{bridge}/route_localnet", "1")


def without_advice(link: str) -> None:
    """Take no routes from what containers may say on this link (router advertisements, redirects)."""
    for version, names in ((4, ("accept_redirects",)), (6, ("accept_ra", "accept_redirects"))):
        for name in names if _SYSCTL.joinpath(f"ipv{version}").is_dir() else ():
            _write(f"ipv{version}/conf/{link}/{name}", "0")


def without_ipv6(bridge: str) -> None:
    """No IPv6 on the bridge, not even its noise."""
    if _SYSCTL.joinpath("ipv6").is_dir():
        _write(f"ipv6/conf/{bridge}/disable_ipv6", "1")


def _listening_to_routers() -> Iterator[str]:
    for entry in sorted(_SYSCTL.joinpath("ipv6/conf").iterdir()):
        name = f"ipv6/conf/{entry.name}/accept_ra"
        if entry.name not in {"all", "default", "lo"} and _read(name) == "1" and _read_forwarding(entry.name) == "0":
            yield name


def _read_forwarding(link: str) -> str:
    return _read(f"ipv6/conf/{link}/forwarding")


def _read(name: str) -> str:
    try:
        return _SYSCTL.joinpath(name).read_text(encoding="ascii").strip()
    except OSError as error:
        raise NetworkError(f"read setting net/{name}: {error.strerror}") from error


def _write(name: str, content: str) -> None:
    try:
        _SYSCTL.joinpath(name).write_text(content, encoding="ascii")
    except OSError as error:
        raise NetworkError(f"set net/{name} to {content}: {error.strerror}") from error
