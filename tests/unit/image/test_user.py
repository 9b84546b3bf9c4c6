"""Users of an image become the numbers of its own files, whatever those files or their links say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtime.image.errors import ImageError, LayerError
from runtime.image.union import read_file
from runtime.image.user import User, UserError, resolve_user

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = """root:x:0:0:root:/root:/bin/sh
web:x:33:44::/srv:/bin/false
broken line
odd:x:no:1::/:
poor:x:5:none::/:
123:x:77:78::/:
huge:x:4294967295:0::/:
"""
GROUP = "root:x:0:\nstaff:x:50:web,root\nbroken\nodd:x:no:web\nwww:x:51:web\n44:x:90:\n"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return make_layer(tmp_path / "bottom", {"passwd": ACCOUNTS, "group": GROUP})


def make_layer(path: Path, files: dict[str, str]) -> Path:
    (path / "etc").mkdir(parents=True)
    for name, text in files.items():
        (path / "etc" / name).write_text(text)
    return path


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, (50,))),
        ("0", User(0, 0, (50,))),
        (":7", User(0, 7)),
        (":staff", User(0, 50)),
        ("65534:65534", User(65534, 65534)),
        ("65534", User(65534, 0)),
        ("web", User(33, 44, (50, 51))),
        ("33", User(33, 44, (50, 51))),
        ("web:staff", User(33, 50)),
        ("web:7", User(33, 7)),
        ("web:", User(33, 44, (50, 51))),
        ("2147483647", User(2147483647, 0)),
        ("123", User(77, 78)),  # a name, however it looks, before a number
        ("1:44", User(1, 90)),
    ],
)
def test_names_become_the_images_numbers(layer: Path, user: str, expected: User) -> None:
    assert resolve_user(user, [layer]) == expected


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("nobody", "find user 'nobody': not in the image's /etc/passwd"),
        ("odd", "find user 'odd'"),
        ("poor", "find user 'poor'"),
        ("web:nogroup", "find group 'nogroup': not in the image's /etc/group"),
        ("-1", "find user '-1'"),
        ("1:-1", "find group '-1'"),
        ("²", "find user '²'"),
        ("٣", "find user '٣'"),
        ("2147483648", "find user 2147483648: ids end at 2147483647"),
        ("4294967295", "find user 4294967295"),  # to the kernel: stay who you are
        ("4294967296", "find user 4294967296"),  # to the kernel, cut off: root
        ("1:4294967295", "find group 4294967295"),
        ("huge", "find user 4294967295"),
    ],
)
def test_what_is_no_user_is_refused(layer: Path, user: str, words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}"):
        resolve_user(user, [layer])


def test_an_image_without_files_has_numbers_only(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert resolve_user("5:6", [tmp_path / "empty"]) == User(5, 6)
    with pytest.raises(UserError):
        resolve_user("web", [tmp_path / "empty"])


def test_the_topmost_layer_wins(layer: Path, tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {"passwd": "web:x:34:45::/:\n"})
    assert resolve_user("web", [layer, top]) == User(34, 45, (50, 51))
    assert resolve_user("web", [top, layer]) == User(33, 44, (50, 51))


@pytest.mark.parametrize("where", ["etc", "passwd", "chain"])
def test_a_link_out_of_the_image_finds_nothing_of_the_host(tmp_path: Path, where: str) -> None:
    host = make_layer(tmp_path / "host", {"passwd": "web:x:34:45::/:\n"})
    layer = tmp_path / "layer"
    layer.mkdir()
    if where == "etc":
        (layer / "etc").symlink_to(host / "etc")
    else:
        (layer / "etc").mkdir()
        (layer / "etc/up").symlink_to("../../../../../../../../../../" + str(host))
        (layer / "etc/passwd").symlink_to(host / "etc/passwd" if where == "passwd" else "up/etc/passwd")
    with pytest.raises(UserError, match="find user 'web'"):
        resolve_user("web", [layer])


TARGETS = ("/usr/lib/passwd", "../usr/lib/passwd", "../../../usr/./lib//passwd", "/link/passwd")


@pytest.mark.parametrize("target", TARGETS)
def test_links_within_the_image_are_followed_through_all_layers(tmp_path: Path, target: str) -> None:
    layer = make_layer(tmp_path / "top", {})
    (layer / "etc/passwd").symlink_to(target)
    below = tmp_path / "below"
    (below / "usr/lib").mkdir(parents=True)
    (below / "usr/lib/passwd").write_text("web:x:34:45::/:\n")
    (below / "link").symlink_to("usr/lib")
    assert resolve_user("web", [below, layer]) == User(34, 45)


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    layer = make_layer(tmp_path / "layer", {})
    (layer / "etc/passwd").symlink_to("group")
    (layer / "etc/group").symlink_to("passwd")
    assert resolve_user("1:2", [layer]) == User(1, 2)


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_not_read(layer: Path, tmp_path: Path, kind: str) -> None:
    top = make_layer(tmp_path / "top", {})
    if kind == "fifo":
        os.mkfifo(top / "etc/passwd")  # opening it would wait for ever
    else:
        (top / "etc/passwd").mkdir()
    with pytest.raises(UserError, match="find user 'web'"):
        resolve_user("web", [layer, top])


def test_a_file_where_a_directory_was_hides_it(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top/etc").write_text("")
    assert read_file([layer, tmp_path / "top"], "/etc/passwd", 1000) is None


@pytest.mark.root
@pytest.mark.parametrize("path", ["etc/passwd", "etc"])
def test_a_whiteout_hides_the_file_below(layer: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "top" / path).parent.mkdir(parents=True)
    os.mknod(tmp_path / "top" / path, 0o020000, 0)
    with pytest.raises(UserError, match="find user 'web'"):
        resolve_user("web", [layer, tmp_path / "top"])


@pytest.mark.root
@pytest.mark.parametrize("path", ["etc", "."])
def test_an_opaque_directory_hides_the_file_below(layer: Path, tmp_path: Path, path: str) -> None:
    top = make_layer(tmp_path / "top", {"group": GROUP})
    os.setxattr(top / path, "trusted.overlay.opaque", b"y")
    assert resolve_user("1:staff", [layer, top]) == User(1, 50)
    with pytest.raises(UserError, match="find user 'web'"):
        resolve_user("web", [layer, top])


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    layer = make_layer(tmp_path / "layer", {"passwd": "x" * 1001})
    with pytest.raises(LayerError, match="read /etc/passwd of the image: more than 1000 bytes"):
        read_file([layer], "/etc/passwd", 1000)
    assert read_file([layer], "/etc/passwd", 1001) == b"x" * 1001


def test_the_error_is_one_of_an_image() -> None:
    assert issubclass(UserError, ImageError)
