"""Domains for tests: an image of two layers that says who it is, and what starts and asks it."""

from __future__ import annotations

import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypervisor.domain import Domain, DomainState
from hypervisor.spec import DomainSpec, Link

if TYPE_CHECKING:
    from hypervisor.connection import Connection
    from hypervisor.guest.build import Guest

# Names and addresses of this test run and the processes that it starts, so that two runs do not meet.
SLOT = int(os.environ.setdefault("TARE_TEST_SLOT", str(os.getpid() % 250)))
BRIDGE = f"tarevmt{SLOT}"
MEMORY_BYTES = 128 << 20
# Generous: the host may be busy, and emulation is slow.
ANSWER_WITHIN_S = 60.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def address(number: int) -> str:
    """The address of guest NUMBER; 1 is the bridge's."""
    return f"198.19.{SLOT}.{number}"


def mac(number: int) -> str:
    """The hardware address that belongs to it."""
    return f"02:42:c6:13:{SLOT:02x}:{number:02x}"


def image_layers(root: Path) -> tuple[Path, ...]:
    """Two layers: the upper one changes a page, deletes one (a whiteout) and replaces a folder (opaque)."""
    lower, upper = root / "lower", root / "upper"
    for folder in ("bin", "etc", "srv/www/old"):
        (lower / folder).mkdir(parents=True)
    shutil.copy(Path("/bin/busybox"), lower / "bin/busybox")
    (lower / "etc/passwd").write_text("web:x:1234:1234::/srv:/bin/false\n")
    (lower / "srv/www/index.html").write_text("below")
    (lower / "srv/www/secret.html").write_text("secret")
    (lower / "srv/www/old/page.html").write_text("old")
    (upper / "srv/www/old").mkdir(parents=True)
    (upper / "srv/www/index.html").write_text("hello")
    os.mknod(upper / "srv/www/secret.html", 0o020000, 0)
    os.setxattr(upper / "srv/www/old", "trusted.overlay.opaque", b"y")
    return lower, upper


def ask(domain: Domain, page: str = "", *, within_s: float = ANSWER_WITHIN_S) -> tuple[int, bytes]:
    """Status and body of a page, once the domain answers at all."""
    assert domain.spec.link is not None
    url = f"http://{domain.spec.link.address.ip}:8080/{page}"
    deadline = time.monotonic() + within_s
    while True:
        try:
            with _DIRECT.open(url, timeout=2) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, b""
        except OSError:
            if time.monotonic() > deadline or domain.state is not DomainState.RUNNING:
                raise AssertionError(f"{url} does not answer; console: {domain.console()!r}") from None
            time.sleep(0.05)


def until_off(domain: Domain, within_s: float = ANSWER_WITHIN_S) -> None:
    """Wait for a domain that ends by itself."""
    deadline = time.monotonic() + within_s
    while domain.state is DomainState.RUNNING:
        assert time.monotonic() < deadline, f"still on: {domain.console()!r}"
        time.sleep(0.05)


@dataclass
class Machines:
    """Makes domains of one guest, and remembers them until they are removed."""

    connection: Connection
    directory: Path
    guest: Guest
    bridge: str
    made: list[Domain] = field(default_factory=list)

    def domain(self, number: int = 2, **changes: Any) -> Domain:
        """Guest NUMBER, not yet started."""
        link = Link(
            self.bridge,
            f"tarevm{SLOT}-{number}",
            mac(number),
            IPv4Interface(f"{address(number)}/24"),
            IPv4Address(address(1)),
        )
        spec = DomainSpec(
            name=f"tare-test-{os.getpid()}-{number}",
            run_id="test",
            directory=self.directory / f"vm{number}",
            accelerator="tcg",
            memory_bytes=MEMORY_BYTES,
            kernel=self.guest.kernel,
            initrd=self.guest.initrd,
            disk=self.guest.disk,
            link=link,
        )
        self.made.append(Domain(self.connection, replace(spec, **changes)))
        return self.made[-1]

    def remove_all(self) -> None:
        """Whatever state they are in."""
        for domain in self.made:
            domain.remove()
