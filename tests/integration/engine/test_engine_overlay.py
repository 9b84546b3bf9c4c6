"""A container's root of more layers than a page has room for, at paths longer than an option may be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtime.linux.program import Failure
from runtime.rootfs.overlay import Overlay, is_mounted, mount_at_once, mount_by_layer, mount_overlay, unmount
from tests.support.containers import require_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root]

LAYERS = 125  # as many as Docker's images may have, and some to spare


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    require_root()
    top = tmp_path / ("a:b,c\\" * 12) / ("long" * 50)
    lower = [top / f"sha256-{number:064}" / "diff" for number in range(LAYERS)]
    for number, layer in enumerate(lower):
        layer.mkdir(parents=True)
        (layer / "top").write_text(str(number))
        (layer / f"of-{number}").touch()
    made = Overlay(tuple(map(str, lower)), str(top / "upper"), str(top / "work"), str(top / "merged"))
    for path in (made.upper, made.work, made.target):
        os.mkdir(path)
    try:
        yield made
    finally:
        unmount(made.target)
    assert not is_mounted(made.target)


@pytest.mark.parametrize("mount", [mount_overlay, mount_by_layer, mount_at_once])
def test_every_layer_is_there_and_the_last_is_on_top(
    overlay: Overlay, mount: Callable[[Overlay], None]
) -> None:
    descriptors = set(os.listdir("/proc/self/fd"))
    try:
        mount(overlay)
    except Failure as failure:
        if mount is not mount_by_layer or failure.errno != 22:
            raise
        pytest.skip("needs Linux 6.8")
    assert is_mounted(overlay.target)
    assert len(os.listdir(overlay.target)) == LAYERS + 1
    with open(f"{overlay.target}/top") as file:
        assert file.read() == str(LAYERS - 1)
    with open(f"{overlay.target}/top", "w") as file:
        file.write("mine")
    assert os.listdir(overlay.upper) == ["top"]
    assert os.statvfs(overlay.target).f_flag & 4  # ST_NODEV
    assert set(os.listdir("/proc/self/fd")) == descriptors


def test_what_is_not_mounted_is_unmounted_all_the_same(tmp_path: Path) -> None:
    require_root()
    for path in (tmp_path, tmp_path / "absent"):
        unmount(str(path))
        assert not is_mounted(str(path))


def test_a_layer_that_is_not_there_is_named(overlay: Overlay) -> None:
    missing = Overlay((*overlay.lower, "/nothing/here"), overlay.upper, overlay.work, overlay.target)
    with pytest.raises(Failure, match="/nothing/here"):
        mount_overlay(missing)
