"""Our own containers, those that the launcher makes, have defaults at least as strict as what engines really generate.

The engines are asked, not their documentation: ``ctr oci spec`` prints containerd's configuration, from which Docker's
is made, and podman calls a runtime of ours that keeps the configuration it is called with.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.linux import capabilities
from runtime.spec.defaults import MASKED_PATHS, READONLY_PATHS
from tests.support.bundle import make_rootfs, wait_until

if TYPE_CHECKING:
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

Json = dict[str, Any]

# What Docker masks beyond containerd (moby, oci/defaults.go; docs.docker.com, "Runtime privilege").
DOCKER_MASKS = {"/proc/asound", "/proc/interrupts", "/sys/devices/virtual/powercap"}

# Neither Docker nor containerd hides these: a list of numbers, and what is not there.
ONLY_PODMAN = {"/sys/dev/block", "/sys/fs/selinux"}


def ask_containerd() -> Json:
    done = subprocess.run(("ctr", "oci", "spec"), capture_output=True, check=True)
    spec: Json = json.loads(done.stdout)
    return spec


def ask_podman(directory: Path) -> Json:
    """The configuration of a default container, kept by a runtime that refuses it."""
    make_rootfs(directory / "rootfs")
    runtime = directory / "runtime"
    runtime.write_text(
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --bundle ] && cp "$2/config.json" '
        f'"{directory}/kept.json"; shift; done\nexit 1\n'
    )
    runtime.chmod(0o755)
    command = ["podman", "--root", f"{directory}/root", "--runroot", f"{directory}/run", "--cgroup-manager", "cgroupfs",
               "--storage-driver", "vfs", "--tmpdir", f"{directory}/tmp", "--events-backend", "none",
               "--runtime", str(runtime), "run", "--rm", "--network", "none",
               "--rootfs", f"{directory}/rootfs", "true"]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (directory / "kept.json").exists(), done.stderr
    spec: Json = json.loads((directory / "kept.json").read_text())
    return spec


def has_gone(directory: str) -> bool:
    """Podman may still write there, when its command has ended."""
    shutil.rmtree(directory, ignore_errors=True)
    return not Path(directory).exists()


@pytest.fixture(params=["containerd", "podman"])
def theirs(request: pytest.FixtureRequest) -> Json:
    if request.param == "containerd":
        return ask_containerd()
    directory = tempfile.mkdtemp(prefix="tare-podman-")  # podman wants a path of 50 characters
    try:
        return ask_podman(Path(directory))
    finally:
        wait_until(lambda: has_gone(directory))


def test_all_that_engines_mask_or_protect_is_masked_or_protected_here(theirs: Json) -> None:
    masked, readonly = set(theirs["linux"]["maskedPaths"]), set(theirs["linux"]["readonlyPaths"])
    assert len(masked) > 5
    assert masked - set(MASKED_PATHS) <= ONLY_PODMAN
    assert readonly - set(READONLY_PATHS) - set(MASKED_PATHS) == set()


def test_what_docker_masks_beyond_containerd_is_masked_here() -> None:
    assert set(MASKED_PATHS) >= DOCKER_MASKS


def test_no_capability_is_kept_that_docker_does_not_keep() -> None:
    docker = set(ask_containerd()["process"]["capabilities"]["bounding"])
    assert docker >= capabilities.DEFAULT


def test_our_container_has_what_the_plan_says(ground: Ground) -> None:
    script = (
        "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; "
        "for path in " + " ".join(MASKED_PATHS) + "; do [ -d $path ] && [ \"$(ls $path)\" ] && echo seen $path; "
        "[ -f $path ] && [ -s $path ] && echo seen $path; done; "
        "for path in " + " ".join(READONLY_PATHS) + "; do [ -e $path ] && grep -q \" $path ro,\" "
        "/proc/self/mountinfo || [ ! -e $path ] || echo writable $path; done; true"
    )
    lines = ground.shell(script).lines
    rights = dict(line.split(":\t") for line in lines if ":\t" in line)
    kept = capabilities.mask(capabilities.DEFAULT)
    assert [int(rights[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")] == [kept] * 3
    assert int(rights["CapAmb"], 16) == int(rights["CapInh"], 16) == 0
    assert (rights["NoNewPrivs"], rights["Seccomp"]) == ("1", "2")
    assert [line for line in lines if ":\t" not in line] == []
