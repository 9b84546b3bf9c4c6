from __future__ import annotations

import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from hypervisor.guest.cpio import archive, directory, regular, symlink

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = (directory("bin"), regular("bin/hello", b"#!\n", 0o755), symlink("bin/hi", "hello"), regular("empty", b""))


def test_an_archive_is_unpacked_by_another_implementation(tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    done = subprocess.run(
        [busybox, "cpio", "-i"], input=archive(ENTRIES), cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bin/hello").read_bytes() == b"#!\n"
    assert stat.S_IMODE((tmp_path / "bin/hello").stat().st_mode) == 0o755
    assert (tmp_path / "bin/hi").readlink().name == "hello"
    assert (tmp_path / "empty").read_bytes() == b""


def test_archives_are_aligned_so_that_they_can_be_appended() -> None:
    assert len(archive(ENTRIES)) % 4 == 0
    assert len(archive([regular("odd", b"12345")])) % 4 == 0


def test_the_same_entries_give_the_same_bytes() -> None:
    assert archive(ENTRIES) == archive(ENTRIES)


def test_headers_are_those_of_the_newc_format() -> None:
    header = archive([regular("/a", b"xy", 0o600)])[:110]
    fields = [int(header[start : start + 8], 16) for start in range(6, 110, 8)]
    assert header[:6] == b"070701"
    assert fields == [1, stat.S_IFREG | 0o600, 0, 0, 1, 0, 2, 0, 0, 0, 0, 2, 0]
