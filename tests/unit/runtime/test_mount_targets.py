"""Where a mount's destination leads in an image whose symlinks lead to what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.container.targets import followed_targets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    for name in ("etc", "run", "var"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc/hosts").touch()
    links = {
        "etc/resolv.conf": "../run/resolve/stub.conf", "absolute": "/not/there", "above": "../../../outside",
        "var/run": "/run", "chain": "absolute/more", "loop": "loop", "dev-shm": "run/shm",
    }  # fmt: skip
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("/etc/hosts", None),
        ("/etc/new/file", None),
        ("/var/run", None),
        ("/etc/resolv.conf", "/run/resolve/stub.conf"),
        ("/absolute", "/not/there"),
        ("/absolute/below", "/not/there/below"),
        ("/above", "/outside"),
        ("/chain", "/not/there/more"),
        ("/var/run/new", "/run/new"),
        ("/loop", None),
        ("/loop/below", None),
    ],
)
def test_symlinks_are_followed_in_the_root(rootfs: Path, destination: str, path: str | None) -> None:
    assert followed_targets(str(rootfs), [destination]) == [path]


def test_what_an_earlier_mount_hides_is_not_followed(rootfs: Path) -> None:
    assert followed_targets(str(rootfs), ["/etc", "/etc/resolv.conf"]) == [None, None]


def test_the_path_may_lead_into_an_earlier_mount(rootfs: Path) -> None:
    assert followed_targets(str(rootfs), ["/run", "/etc/resolv.conf"]) == [None, "/run/resolve/stub.conf"]
