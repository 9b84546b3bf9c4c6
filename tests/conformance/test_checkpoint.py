"""``checkpoint`` and ``restore``: by CRIU where it works, otherwise a clear error and an unharmed container."""

from __future__ import annotations

import functools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import Bundle, wait_until

if TYPE_CHECKING:
    from pathlib import Path


@functools.cache
def criu_works() -> bool:
    try:
        return subprocess.run(("criu", "check"), check=False, capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


def counting(box: Bundle) -> str:
    box.config["mounts"] = [entry for entry in box.config["mounts"] if not entry["destination"].startswith("/sys")]
    name = box.started("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.05; done")
    wait_until((box.rootfs / "count").exists)
    return name


def test_without_criu_a_checkpoint_is_a_clear_error(box: Bundle, ground: Path) -> None:
    name = counting(box)
    (ground / "bin").mkdir()
    environment = {**os.environ, "PATH": str(ground / "bin")}
    done = box.call("checkpoint", "--image-path", str(ground / "image"), name, env=environment)
    assert done.returncode != 0
    assert "criu" in done.stderr.lower()
    assert box.status(name) == "running"


def test_without_criu_a_restore_is_a_clear_error(box: Bundle, ground: Path) -> None:
    (ground / "bin").mkdir()
    (ground / "image").mkdir()
    box.write()
    name = box.new_id()
    environment = {**os.environ, "PATH": str(ground / "bin")}
    done = box.call(
        "restore", "--image-path", str(ground / "image"), "--bundle", str(box.directory), name, env=environment
    )
    assert done.returncode != 0
    assert "criu" in done.stderr.lower()
    assert box.status(name) == "gone"


def test_a_container_that_does_not_run_has_no_checkpoint(box: Bundle, ground: Path) -> None:
    name = box.started("true")
    box.wait_for(name, "stopped")
    assert box.call("checkpoint", "--image-path", str(ground / "image"), name).returncode != 0


def test_a_checkpoint_is_restored_or_fails_without_harm(box: Bundle, ground: Path) -> None:
    """Where CRIU works the container goes on from where it was; where it does not, it goes on as if nothing was."""
    name = counting(box)
    image = str(ground / "image")
    done = box.call("checkpoint", "--image-path", image, "--work-path", str(ground / "work"), name, timeout_s=120)
    if done.returncode != 0:
        assert not criu_works() or "criu" in done.stderr.lower()
        assert box.status(name) == "running"
        return
    assert box.status(name) in {"gone", "stopped"}
    before = int((box.rootfs / "count").read_text() or 0)
    box.call("delete", "--force", name)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ("--image-path", image, "--work-path", str(ground / "work"), "--detach", "--bundle", str(box.directory))
    assert box.call("restore", *options, name, timeout_s=120, **quiet).returncode == 0
    assert box.status(name) == "running"
    wait_until(lambda: int((box.rootfs / "count").read_text() or 0) > before)


@pytest.mark.parametrize("command", ["checkpoint", "restore"])
def test_an_id_is_wanted(box: Bundle, command: str) -> None:
    box.write()
    assert box.call(command, cwd=box.directory).returncode != 0
