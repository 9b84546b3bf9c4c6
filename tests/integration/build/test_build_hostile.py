"""Images, archives and contexts that would have a careless builder write elsewhere, and disks that are full."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.build.errors import BuildError
from tests.integration.build.conftest import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.build.conftest import Builder

pytestmark = pytest.mark.root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host that links lead to."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "victim").write_text("safe")
    return path


@pytest.mark.parametrize(
    "copy",
    ["COPY f /link/f", "COPY f /link/", "COPY d /link", "COPY d /", "ADD a.tar /", "COPY f /file", "WORKDIR /link/new"],
)
def test_links_of_the_image_lead_nowhere_but_into_it(builder: Builder, outside: Path, copy: str) -> None:
    (builder.context / "d/link").mkdir(parents=True)
    (builder.context / "d/link/f").write_text("bad")
    builder.write(f="bad")
    with tarfile.open(builder.context / "a.tar", "w") as tar:
        tar.add(builder.context / "f", "link/f")
    relative = "../" * 30 + str(outside)
    for target in (str(outside), relative):
        builder.build(f"FROM {BASE}\nRUN ln -s {target} /link; ln -s {target}/victim /file\n{copy}\n")
        assert sorted(path.name for path in outside.iterdir()) == ["victim"]
        assert (outside / "victim").read_text() == "safe"


def test_links_of_a_context_do_not_fetch_files_of_the_host(builder: Builder, outside: Path) -> None:
    (builder.context / "away").symlink_to(outside / "victim")
    (builder.context / "up").symlink_to("../" * 30 + str(outside))
    for source in ("away", "up/victim", "../outside/victim"):
        with pytest.raises(BuildError, match="file not found in build context"):
            builder.build(f"FROM scratch\nCOPY {source} /x\n")
    built, _ = builder.build("FROM scratch\nCOPY . /all/\n")
    status = builder.stat(built, "/all/away")
    assert status is not None  # the link itself is copied, as a link


def test_links_of_an_image_do_not_fetch_files_of_the_host(builder: Builder, outside: Path) -> None:
    builder.build(f"FROM {BASE}\nRUN ln -s {outside} /away; ln -s / /root/top\n", tags=("evil",))
    with pytest.raises(BuildError, match="file not found"):
        builder.build("FROM scratch\nCOPY --from=evil /away/victim /x\n")
    with pytest.raises(BuildError, match="not found"):
        builder.build(f"FROM {BASE}\nRUN --mount=type=bind,from=evil,source=/away/victim,target=/x cat /x\n")
    built, _ = builder.build("FROM scratch\nCOPY --from=evil /root/top/etc/passwd /x\n")
    assert builder.read(built, "/x").startswith("root:")


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../../../../../../escaped")],
        [entry("l", tarfile.SYMTYPE, "/tmp"), entry("l/escaped")],
        [entry("l", tarfile.SYMTYPE, "../../../../.."), entry("l/escaped")],
        [entry("l", tarfile.LNKTYPE, "../../../../../etc/passwd")],
        [entry("l", tarfile.SYMTYPE, "/etc/passwd"), entry("h", tarfile.LNKTYPE, "l"), entry("h")],
    ],
)
def test_archives_of_add_stay_where_they_are_put(builder: Builder, entries: list[tarfile.TarInfo]) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for one in entries:
            tar.addfile(one)
    (builder.context / "a.tar").write_bytes(archive.getvalue())
    before = Path("/etc/passwd").stat()
    with suppress(BuildError):
        built, _ = builder.build(f"FROM {BASE}\nADD a.tar /x/y/\n")
        assert builder.stat(built, "/escaped") is None
        assert builder.stat(built, "/tmp/escaped") is None
    assert not Path("/escaped").exists()
    assert not Path("/tmp/escaped").exists()
    assert Path("/etc/passwd").stat() == before


def test_names_that_are_no_text(builder: Builder) -> None:
    name = os.fsencode(builder.context) + b"/a\nb\xff"
    with open(name, "w") as file:
        file.write("x")
    built, _ = builder.build(f"FROM {BASE}\nCOPY . /d/\nRUN rm /d/Dockerfile; cat /d/* > /y\n")
    assert builder.read(built, "/y") == "x"


def test_fifos_and_sockets_of_a_context_make_nobody_wait(builder: Builder) -> None:
    os.mkfifo(builder.context / "fifo")
    built, _ = builder.build("FROM scratch\nCOPY . /d/\nADD fifo /e\n")
    assert builder.stat(built, "/d/fifo") is not None


@pytest.fixture
def small_disk(builder: Builder) -> Iterator[None]:
    """The engine's root directory on a file system with a few megabytes to spare."""
    copied = builder.root.with_name("copy")
    builder.root.rename(copied)
    builder.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(builder.root)], check=True)
    try:
        subprocess.run(["cp", "-a", f"{copied}/.", str(builder.root)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(builder.root)], check=True)


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("step", ["COPY big /big", "RUN head -c 20000000 /dev/zero | tr '\\0' x > /big"])
def test_a_full_disk_is_told_of_and_leaves_a_store_that_works(builder: Builder, step: str) -> None:
    (builder.context / "big").write_bytes(b"x" * 20_000_000)
    with pytest.raises(BuildError, match=r"Dockerfile:2: (COPY|RUN): ") as caught:
        builder.build(f"FROM {BASE}\n{step}\n")
    assert "no space left on device" in f"{caught.value} {caught.value.__notes__}".lower()
    assert "Traceback" not in str(caught.value)
    built, _ = builder.build(f"FROM {BASE}\nRUN echo fits > /x\n")
    assert builder.read(built, "/x") == "fits\n"
    builder.store.verify(builder.store.resolve(built.digest))
