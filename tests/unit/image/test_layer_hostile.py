"""No archive reaches outside the layer's directory, whatever it says; errors name the layer and the entry.

These tests run as root, and must harm nobody on the day the code is wrong: what an archive aims at is always below
the test's own temporary directory, or does not exist. Never name a path of the host here.
"""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from runtime.image.digest import Digest
from runtime.image.errors import LayerError, UnsafeEntry
from runtime.image.tree import Tree, remove
from tests.unit.image.conftest import Ground, Member, make_tar

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

DIRECTORY, SYMLINK, HARD_LINK = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
UP = "../../outside"
EVIL = b"evil"

# Refused as unsafe: the last entry is the one that is named.
UNSAFE = {
    "dot-dot file": (Member(f"{UP}/secret", content=EVIL),),
    "dot-dot within": (Member(f"a/b/../../{UP}/secret", content=EVIL),),
    "dot-dot directory": (Member(f"{UP}/directory", DIRECTORY, mode=0o777),),
    "dot-dot itself": (Member("..", DIRECTORY, mode=0o777),),
    "dot-dot symbolic link": (Member(f"{UP}/link", SYMLINK, link="secret"),),
    "dot-dot fifo": (Member(f"{UP}/fifo", tarfile.FIFOTYPE),),
    "dot-dot device": (Member(f"{UP}/device", tarfile.CHRTYPE, device=(1, 3)),),
    "dot-dot whiteout": (Member(f"{UP}/.wh.secret"),),
    "dot-dot opaque": (Member(f"{UP}/directory/.wh..wh..opq"),),
    "whiteout of dot-dot": (Member(".wh..."),),
    "whiteout of dot": (Member(".wh.."),),
    "whiteout of nothing": (Member(".wh."),),
    "hard link to dot-dot": (Member("link", HARD_LINK, link=f"{UP}/secret"),),
    "hard link to the root": (Member("link", HARD_LINK, link="/"),),
    "file in the place of the root": (Member("./", content=EVIL),),
    "symbolic link in the place of the root": (Member(".", SYMLINK, link=UP),),
    "parent is a file": (Member("f", content=b"x"), Member("f/secret", content=EVIL)),
    "parent is a dangling link": (
        Member("l", SYMLINK, link="/tare-test-nowhere"),
        Member("l/secret", content=EVIL),
    ),
    "parent is a loop": (Member("l", SYMLINK, link="l"), Member("l/secret", content=EVIL)),
    "parent links outside": (Member("l", SYMLINK, link=UP), Member("l/secret", content=EVIL)),
    "parent links outside, absolutely": (
        Member("l", SYMLINK, link="{outside}"),
        Member("l/secret", content=EVIL),
    ),
    "links in a chain": (
        Member("a", SYMLINK, link=".."),
        Member("b", SYMLINK, link="a/../../outside"),
        Member("b/secret", content=EVIL),
    ),
    "directory swapped for a link": (
        Member("d/inner/", DIRECTORY, mode=0o755),
        Member("d/inner", SYMLINK, link="{outside}"),
        Member("d/inner/secret", content=EVIL),
    ),
    "whiteout through a link": (Member("l", SYMLINK, link="{outside}"), Member("l/.wh.secret")),
    "opaque through a link": (Member("l", SYMLINK, link="{outside}"), Member("l/.wh..wh..opq")),
    "device through a link": (
        Member("l", SYMLINK, link="{outside}"),
        Member("l/device", tarfile.BLKTYPE, device=(7, 0)),
    ),
}

# Refused because it cannot be done.
IMPOSSIBLE = {
    "hard link through a link": (
        Member("l", SYMLINK, link="{outside}"),
        Member("link", HARD_LINK, link="l/secret"),
    ),
    "hard link to an absolute name": (Member("link", HARD_LINK, link="{outside}/secret"),),
    "hard link to a directory": (Member("d/", DIRECTORY, mode=0o755), Member("link", HARD_LINK, link="d")),
    "hard link to nothing": (Member("link", HARD_LINK, link="nowhere"),),
    "hard link to itself": (Member("f", content=b"x"), Member("f", HARD_LINK, link="f")),
    "owner minus one": (Member("f", owner=(2**32 - 1, 0), mode=0o4755),),
    "owner out of range": (Member("f", owner=(0, 2**40)),),
    "time that is no number": (Member("f", pax={"mtime": "1e9999999"}),),
    "name too long": (Member("x" * 300, content=EVIL),),
    "unknown attribute": (Member("f", pax={"SCHILY.xattr.nonsense": "x"}),),
}

# Done, but inside: the layer is what its absolute names and links mean.
HARMLESS = {
    "absolute path of the host": ((Member("{outside}/secret", content=EVIL),), "{outside}/secret"),
    "link to outside, replaced by a file": (
        (Member("l", SYMLINK, link="{outside}/secret"), Member("l", content=EVIL)),
        "l",
    ),
    "link to outside, replaced by a directory": (
        (
            Member("l", SYMLINK, link="{outside}"),
            Member("l/", DIRECTORY, mode=0o755),
            Member("l/f", content=EVIL),
        ),
        "l/f",
    ),
    "link up, within the root": (
        (
            Member("outside/", DIRECTORY, mode=0o755),
            Member("l", SYMLINK, link=UP),
            Member("l/f", content=EVIL),
        ),
        "outside/f",
    ),
    "hard link to a link to outside": (
        (
            Member("l", SYMLINK, link="{outside}/secret"),
            Member("m", HARD_LINK, link="l"),
            Member("m", content=EVIL),
        ),
        "m",
    ),
}


def located(ground: Ground, members: tuple[Member, ...]) -> bytes:
    """The archive, with the real path of the directory outside filled in."""
    outside = str(ground.outside)
    return make_tar(
        *(
            Member(
                member.name.replace("{outside}", outside),
                member.kind,
                member.content,
                member.link.replace("{outside}", outside),
                member.mode,
                member.owner,
                member.mtime,
                member.device,
                member.pax,
            )
            for member in members
        )
    )


@pytest.mark.parametrize("members", UNSAFE.values(), ids=UNSAFE)
def test_unsafe_entry_is_refused(ground: Ground, members: tuple[Member, ...]) -> None:
    archive = located(ground, members)
    with pytest.raises(UnsafeEntry) as caught:
        ground.extract(archive)
    assert ground.untouched()
    assert str(caught.value).startswith(f"layer {Digest.of(archive)}: entry {members[-1].name!r}: ")


def test_magic_link_is_not_followed(ground: Ground) -> None:
    fd = os.open(ground.outside, os.O_RDONLY)
    try:
        link = Member("l", SYMLINK, link=f"/proc/{os.getpid()}/fd/{fd}")
        with pytest.raises(UnsafeEntry, match="entry 'l/secret': "):
            ground.extract(make_tar(link, Member("l/secret", content=EVIL)))
    finally:
        os.close(fd)
    assert ground.untouched()


@pytest.mark.parametrize("members", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_entry_is_refused(ground: Ground, members: tuple[Member, ...]) -> None:
    archive = located(ground, members)
    with pytest.raises(LayerError) as caught:
        ground.extract(archive)
    assert ground.untouched()
    assert str(caught.value).startswith(f"layer {Digest.of(archive)}: entry {members[-1].name!r}: ")


@pytest.mark.parametrize(("members", "where"), HARMLESS.values(), ids=HARMLESS)
def test_what_points_outside_stays_inside(ground: Ground, members: tuple[Member, ...], where: str) -> None:
    layer = ground.extract(located(ground, members))
    assert ground.untouched()
    assert (layer / where.replace("{outside}", str(ground.outside)).lstrip("/")).read_bytes() == EVIL


@pytest.mark.parametrize(
    "member",
    [
        Member("f", tarfile.GNUTYPE_SPARSE, size=512),
        Member("f", pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, content=b"1\n0\n1\n" + bytes(506)),
        Member("f", pax={"size": "-512"}),
        Member("f", size=-512),
        Member("f", tarfile.GNUTYPE_LONGNAME, size=1 << 40),
        Member("f", tarfile.XHDTYPE, size=1 << 40),
        Member("f", tarfile.XHDTYPE, size=-512),
        Member("f", b"?"),
    ],
    ids=[
        "sparse",
        "pax sparse",
        "pax negative",
        "negative",
        "long name",
        "long header",
        "negative header",
        "unknown",
    ],
)
def test_headers_that_would_mislead_the_reader(ground: Ground, member: Member) -> None:
    with pytest.raises(LayerError, match=r"^layer sha256:"):
        ground.extract(make_tar(member, Member("after", content=EVIL)))
    assert ground.untouched()


def test_a_name_with_a_zero_byte(ground: Ground) -> None:
    with pytest.raises(LayerError, match="zero byte"):
        ground.extract(make_tar(Member("f", pax={"path": "a\0b"})))


def test_a_tree_deeper_than_any_stack_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.close(fd)
        fd = inner
    os.close(fd)
    (top / "link").symlink_to(tmp_path)
    with Tree.at(tmp_path) as tree:
        remove(tree.root_fd, b"top")
        remove(tree.root_fd, b"not there")
    assert list(tmp_path.iterdir()) == []
