"""Devices of the host: the node can be made, as Docker's containers may, but what it names cannot be opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import naive_runtime

if TYPE_CHECKING:
    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

# Read a sector of whatever the kernel says the host's root, and the physical memory, are. Nothing is written.
READ = "mknod /tmp/{name} {kind} {major} {minor} && head -c 512 /tmp/{name} | wc -c"


def devices() -> dict[str, tuple[str, int, int]]:
    disk = Path("/").stat().st_dev
    return {"disk": ("b", os.major(disk), os.minor(disk)), "kmsg": ("c", 1, 11)}


def read(box: Bundle, name: str) -> str:
    kind, major, minor = devices()[name]
    rights = ["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYSLOG"]
    box.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), rights)
    return box.shell(READ.format(name=name, kind=kind, major=major, minor=minor)).stdout.strip()


DISK = pytest.param("disk", marks=pytest.mark.needs("a root disk that root may open"))


@pytest.mark.parametrize("name", [DISK, "kmsg"])
def test_the_naive_runtime_s_container_reads_a_device_of_the_host(box: Bundle, tmp_path: Path, name: str) -> None:
    with naive_runtime(tmp_path):
        assert int(read(box, name)) > 0


@pytest.mark.parametrize("name", sorted(devices()))
def test_a_container_cannot_open_a_device_of_the_host(box: Bundle, name: str) -> None:
    assert read(box, name) in {"", "0"}


def test_a_container_has_the_devices_of_the_specification_and_no_others(box: Bundle) -> None:
    done = box.shell("find /dev -type c -o -type b | grep -v ^/dev/pts/ | sort")
    expected = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}
    assert set(done.stdout.split()) == expected
