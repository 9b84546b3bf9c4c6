from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hypervisor.errors import GuestError
from hypervisor.guest.user import resolve_user

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv:/bin/false\nbroken line\nodd:x:no:1::/:\n"
GROUP = "root:x:0:\nstaff:x:50:web\n"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "bottom/etc").mkdir(parents=True)
    (tmp_path / "bottom/etc/passwd").write_text(ACCOUNTS)
    (tmp_path / "bottom/etc/group").write_text(GROUP)
    return tmp_path / "bottom"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0)),
        ("65534:65534", (65534, 65534)),
        ("web", (33, 44)),
        ("33", (33, 44)),
        ("web:staff", (33, 50)),
        ("web:7", (33, 7)),
        ("4711", (4711, 0)),
    ],
)
def test_names_become_the_images_numbers(layer: Path, user: str, expected: tuple[int, int]) -> None:
    assert resolve_user(user, [layer]) == expected


@pytest.mark.parametrize("user", ["nobody", "web:nogroup"])
def test_unknown_names_are_refused(layer: Path, user: str) -> None:
    with pytest.raises(GuestError, match="is not in the image"):
        resolve_user(user, [layer])


def test_the_topmost_layer_wins(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "top/etc").mkdir(parents=True)
    (tmp_path / "top/etc/passwd").write_text("web:x:34:45::/:\n")
    assert resolve_user("web", [layer, tmp_path / "top"]) == (34, 45)


def test_a_link_out_of_the_layer_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    (tmp_path / "host").mkdir()
    (tmp_path / "host/passwd").write_text("web:x:34:45::/:\n")
    (tmp_path / "layer/etc").symlink_to(tmp_path / "host")
    with pytest.raises(GuestError, match="user web"):
        resolve_user("web", [tmp_path / "layer"])


@pytest.mark.root
def test_a_whiteout_hides_the_file_below(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "top/etc").mkdir(parents=True)
    os.mknod(tmp_path / "top/etc/passwd", 0o020000, 0)
    with pytest.raises(GuestError, match="user web"):
        resolve_user("web", [layer, tmp_path / "top"])
