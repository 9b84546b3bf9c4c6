"""mmdebstrap(1), run in a directory and in namespaces of its own, and for a limited time.

It mounts and starts things in the tree that it makes. In a pid namespace all of them end with its first process, and
that ends with us, however we end; their mounts end with the mount namespace. What is left then is a directory, whose
lock nobody holds.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.errors import BootstrapError
from runtime.image.lock import locked, locked_if_idle

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PROGRAMS = ("setpriv", "unshare", "mmdebstrap", "apt-config")
_PACKAGES = {"mmdebstrap": "mmdebstrap", "apt-config": "apt"}
_OFFLINE = ("Temporary failure", "Could not resolve", "Could not connect", "Failed to fetch", "have a Release file")
# A mirror that does not answer is not waited for as long as apt would.
_APT = """Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::Retries "2";
APT::Sandbox::User "root";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
"""
# Without it a package's installation would start its daemon. mmdebstrap has one of its own, and removes it.
_POLICY = """#!/bin/sh
set -eu
mkdir -p "$1"/usr/sbin
printf '#!/bin/sh\\nexit 101\\n' > "$1"/usr/sbin/policy-rc.d
chmod 0755 "$1"/usr/sbin/policy-rc.d
"""
_FINISH = """#!/bin/sh
set -eu
mkdir -p "$1"/etc/apt/apt.conf.d "$1"/etc/apt/sources.list.d "$1"/usr/sbin
rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
cp "$0.sources" "$1"/etc/apt/sources.list.d/debian.sources
for moment in DPkg APT::Update; do
    echo "$moment::Post-Invoke { \\"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true\\"; };"
done > "$1"/etc/apt/apt.conf.d/docker-clean
chmod 0644 "$1"/etc/apt/sources.list.d/debian.sources "$1"/etc/apt/apt.conf.d/docker-clean
rm -f "$1"/etc/resolv.conf "$1"/etc/hostname
: > "$1"/etc/resolv.conf
: > "$1"/etc/hostname
while read -r keyring; do
    test -e "$1$keyring" || install -D -m 0644 "$keyring" "$1$keyring"
done < "$0.keyrings"
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What mmdebstrap is to make: ``sources`` are for it, ``image_sources`` are what the image is left with."""

    suite: str
    variant: str
    include: tuple[str, ...]
    sources: str
    image_sources: str
    keyrings: tuple[str, ...]


def missing_program() -> str | None:
    """What has to be installed first, as a sentence."""
    import shutil

    for name in _PROGRAMS:
        if shutil.which(name) is None:
            return f"{name} is not installed (apt-get install {_PACKAGES.get(name, 'util-linux')})"
    return None


@contextmanager
def workplace(place: Path) -> Iterator[Path]:
    """A new directory below ``place``, gone afterwards; what killed processes have left there goes first."""
    import shutil
    import tempfile

    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(place):
        _sweep(place)
        directory = place / tempfile.mkdtemp(dir=place).rpartition("/")[2]
        held = locked(directory)
        held.__enter__()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        held.__exit__(None, None, None)


def _sweep(place: Path) -> None:
    import shutil

    for directory in place.iterdir():
        with locked_if_idle(directory) as idle:
            if idle:
                shutil.rmtree(directory, ignore_errors=True)


def make_tree(order: Order, directory: Path, deadline_s: float, tell: Callable[[str], None]) -> Path:
    """The tree as an archive in ``directory``; raises `BootstrapError`. What it is doing is told line by line."""
    import subprocess

    archive = directory / "root.tar"
    command = (*_CONFINED, *_command(order, directory, archive))
    environment = {**os.environ, "TMPDIR": str(directory), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    lines: list[str] = []
    try:
        for line in _lines(process, time.monotonic() + deadline_s):
            lines.append(line)
            tell(line)
        code = process.wait()
    finally:
        _end(process)
    if code != 0:
        raise BootstrapError(f"make a base of {order.suite!r}: {_reason(lines, code)}")
    return archive


# All of it ends when its parent does (PR_SET_PDEATHSIG(2const)), and its first process ends all others.
_CONFINED = (
    "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL",
)  # fmt: skip


def _command(order: Order, directory: Path, archive: Path) -> tuple[str, ...]:
    finish, policy, sources = (directory / name for name in ("finish", "policy", "host.sources"))
    sources.write_text(order.sources, encoding="utf-8")
    for hook, script in ((policy, _POLICY), (finish, _FINISH)):
        hook.write_text(script, encoding="utf-8")
        hook.chmod(0o700)
    (directory / "finish.sources").write_text(order.image_sources, encoding="utf-8")
    keyrings = "".join(f"{path}\n" for path in order.keyrings)
    (directory / "finish.keyrings").write_text(keyrings, encoding="utf-8")
    apt = directory / "apt.conf"
    apt.write_text(_host_transport() + _APT, encoding="utf-8")
    include = (f"--include={','.join(order.include)}",) if order.include else ()
    return (
        "mmdebstrap", "--mode=root", "--format=tar", f"--variant={order.variant}", *include,
        "--skip=output/dev,chroot/policy-rc.d", f"--aptopt={apt}",
        f"--extract-hook={policy}", f"--customize-hook={finish}", "--", order.suite, str(archive), str(sources),
    )  # fmt: skip


def _host_transport() -> str:
    """How the host's apt reaches its mirrors: proxies, certificates; mmdebstrap reads nothing of the host's."""
    import subprocess

    done = subprocess.run(
        ("apt-config", "dump", "Acquire::http", "Acquire::https"), capture_output=True, text=True, check=False
    )
    return done.stdout


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """What it says, until all that could say something have ended."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    fd, rest = process.stdout.fileno(), b""
    while True:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise BootstrapError("make a base: mmdebstrap takes too long and was ended; is the mirror slow?")
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, and wait until the last that holds its output has gone. Idempotent."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    if process.poll() is None:
        process.kill()
        while process.stdout.read(1 << 16):
            pass
        process.wait()
    process.stdout.close()


def _reason(lines: list[str], code: int) -> str:
    """The first thing that went wrong; what follows is of its making."""
    offline = next((line for line in lines if any(words in line for words in _OFFLINE)), None)
    if offline is not None:
        return f"the mirrors of apt cannot be reached, or lack it ({offline.strip()})"
    said = next((line for line in lines if line.startswith("E:")), None)
    return said.removeprefix("E:").strip() if said else f"mmdebstrap ended with {code}"
