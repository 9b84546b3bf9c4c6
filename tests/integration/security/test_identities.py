"""A hostile ``passwd`` on ``exec --user``, and numbers that are no ids.

A runtime that looks names up in the image's files lets the image decide who a process is, reads a file that may be
a FIFO, endless, or a link to the host's, and may take for root whom it cannot parse: a uid of 4294967295 means *leave
it as it is* to setresuid(2), and 4294967296 is 0 after truncation. The OCI command line takes numbers; engines look
names up.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import naive_runtime, run_detached
from tests.support.bundle import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

NOT_IDS = ("nobody", "evil", "root", "-1", "0:-1", "1000:nobody", "4294967295", "1000:4294967295", "4294967296",
           "18446744073709551616", "9" * 400, "0x0", "1e0", "1_0", "٣", "1000 ", " 0", "1000\n0", "1000:1000:0", ":",
           "1000:", "+0", "")  # fmt: skip


def hostile_passwd(box: Bundle, outside: Path, kind: str) -> None:
    passwd, group = box.rootfs / "etc/passwd", box.rootfs / "etc/group"
    for file in (passwd, group):
        file.unlink()
    if kind == "names":
        passwd.write_text("nobody:x:0:0::/:/bin/sh\nevil:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n"
                          "big:x:4294967296:0::/:\n"
                           f"long:{'x' * 1_000_000}:0:0::/:/bin/sh\n" + "four\n" + ":\n\0:x:0:0::/:\n")  # fmt: skip
        group.write_text("1000:x:0:nobody\n")
    elif kind == "link":
        passwd.symlink_to(outside / "secret")
        group.symlink_to("/proc/1/environ")
    elif kind == "fifo":
        os.mkfifo(passwd)
        os.mkfifo(group)
    elif kind == "directory":
        passwd.mkdir()
        group.mkdir()
    else:
        for file in (passwd, group):
            file.touch()
            os.truncate(file, 1 << 40)


def test_the_naive_runtime_makes_root_whom_the_image_says(
    box: Bundle, outside: Path, install: Callable[[str], str], tmp_path: Path
) -> None:
    hostile_passwd(box, outside, "names")
    box.config["process"]["user"]["uid"] = "1000"
    with naive_runtime(tmp_path):
        assert "Uid:\t0\t0\t0\t0" in box.run(install("rights")).stdout


KINDS = ("names", "link", "fifo", "directory", "endless")


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_s_passwd_does_not_decide_who_a_process_is(
    box: Bundle, outside: Path, install: Callable[[str], str], kind: str
) -> None:
    hostile_passwd(box, outside, kind)
    program = install("rights")
    box.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    first = box.run(program, timeout_s=10)
    name, _ = run_detached(box, "sleep", "1000")
    further = box.call("exec", "--user", "1000:1000", name, program, timeout_s=10)
    for done in (first, further):
        if done.returncode and not is_ours():
            continue  # refused in time, which is safe
        assert "Uid:\t1000\t1000\t1000\t1000" in done.stdout, done.stderr
        assert "Gid:\t1000\t1000\t1000\t1000" in done.stdout
        assert "Groups:\t \n" in done.stdout


def test_only_numbers_in_range_are_users(box: Bundle, install: Callable[[str], str], outside: Path) -> None:
    program = install("rights")
    name, _ = run_detached(box, "sleep", "1000")
    hostile_passwd(box, outside, "names")
    assert "Uid:\t1000\t" in box.call("exec", "--user", "1000", name, program).stdout
    let_through = [user for user in NOT_IDS if box.call("exec", "--user", user, name, program).returncode == 0]
    assert let_through == []


@pytest.mark.parametrize("kind", ["uid", "gid", "additionalGids"])
@pytest.mark.parametrize("number", [-1, 4294967295, 4294967296, 1 << 64, "0", 0.5, True, None])
def test_only_numbers_in_range_are_ids_of_a_configuration(box: Bundle, kind: str, number: object) -> None:
    wanted = [number] if kind == "additionalGids" else number
    box.config["process"]["user"] = {"uid": 1000, "gid": 1000} | {kind: wanted}
    done = box.shell("id -u; id -G")
    if number is None and done.returncode == 0:
        return  # as if it were not there
    assert done.returncode != 0, done.stdout


def test_an_engine_s_look_up_of_names_stays_in_the_image(tmp_path: Path, outside: Path) -> None:
    """`runtime.image.user`, by which our own engine turns names into numbers."""
    from runtime.image.errors import ImageError
    from runtime.image.user import resolve_user

    (outside / "passwd").write_text("evil:x:0:0::/:/bin/sh\n")
    for number, target in enumerate((str(outside / "passwd"), "../" * 20 + str(outside / "passwd").lstrip("/"), None)):
        layer = tmp_path / f"layer{number}"
        (layer / "etc").mkdir(parents=True)
        if target is None:
            os.mkfifo(layer / "etc/passwd")
        else:
            (layer / "etc/passwd").symlink_to(target)
        with pytest.raises((ImageError, OSError)):
            resolve_user("evil", [layer])
        shutil.rmtree(layer)

