from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.errors import GuestError, HostLacks
from hypervisor.guest.initramfs import DEFAULT_PATH, Process, base_archive, process_script

if TYPE_CHECKING:
    from pathlib import Path

# What execve(2) can carry: any character but NUL.
WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)


def shell() -> list[str]:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    return [busybox, "sh", "-c"]


def words_of(script: str, variable: str) -> list[str]:
    """What the guest's shell makes of a list in the script."""
    command = f"{script}\neval \"printf '%s\\0' ${variable}\""
    done = subprocess.run([*shell(), command], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=40, deadline=None)
@given(argv=st.lists(WORDS, min_size=1, max_size=5))
def test_any_words_reach_the_process_unchanged(argv: list[str]) -> None:
    script = process_script(Process(tuple(argv), (), 0, 0, "/"))
    assert words_of(script, "argv") == argv


def test_the_environment_is_the_images_own() -> None:
    process = Process(("/x",), ("A=it's $HOME", "PATH=/bin", "B="), 1, 2, "/srv")
    assert words_of(process_script(process), "environment") == ["A=it's $HOME", "B=", "PATH=/bin"]


def test_an_image_without_path_gets_the_usual_one() -> None:
    assert Process(("/x",), (), 0, 0, "/").path() == DEFAULT_PATH


def test_user_and_directory_are_written_down() -> None:
    script = process_script(Process(("/x",), (), 65534, 7, "srv/a b"))
    assert "uid=65534\n" in script
    assert "gid=7\n" in script
    assert f"cwd={shlex.quote('/srv/a b')}\n" in script


def test_an_image_without_a_process_is_refused() -> None:
    with pytest.raises(GuestError, match="no process"):
        process_script(Process((), (), 0, 0, "/"))


def test_a_host_without_busybox_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(HostLacks) as caught:
        base_archive("6.1", (), busybox=tmp_path / "busybox")
    assert caught.value.hint == "install busybox-static"


def test_init_is_a_script_that_the_guests_shell_understands() -> None:
    archive = base_archive("6.1", ())
    start = archive.index(b"#!/bin/busybox sh")
    script = archive[start : archive.index(b"\0", start)].rstrip()
    done = subprocess.run([*shell()[:2], "-n", "/dev/stdin"], input=script, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
