"""What only podman asks of a runtime: user namespaces for one container, descriptors, hooks, copies up, pods."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

FIRST_ID, IDS = 200_000, 1000
MAPPED = ("--uidmap", f"0:{FIRST_ID}:{IDS}", "--gidmap", f"0:{FIRST_ID}:{IDS}")


def test_user_namespace(podman: Engine) -> None:
    with podman.container(options=(*MAPPED, "--user", "7:8")) as container:
        status = podman.host.read(f"/proc/{container.pid}/status").splitlines()
        assert f"Uid:\t{FIRST_ID + 7}" in [line[: len(f"Uid:\t{FIRST_ID + 7}")] for line in status]
        assert container.shell("id -u; id -g; cat /proc/self/uid_map").split() == [
            "7", "8", "0", str(FIRST_ID), str(IDS),
        ]  # fmt: skip


def test_root_of_a_user_namespace(podman: Engine) -> None:
    script = "id -u; touch /made; stat -c %u /made; hostname changed && hostname; mount -t tmpfs t /tmp && echo mounted"
    options = (*MAPPED, "--cap-add", "SYS_ADMIN")
    assert podman.shell(script, *options).split() == ["0", "0", "changed", "mounted"]


def test_user_namespace_with_a_volume(podman: Engine, tmp_path: Path) -> None:
    os.chown(tmp_path, FIRST_ID, FIRST_ID)
    podman.shell("echo > /data/made", *MAPPED, "--volume", f"{tmp_path}:/data")
    assert (tmp_path / "made").stat().st_uid == FIRST_ID


def test_user_namespace_of_another_container(podman: Engine) -> None:
    with podman.container(options=MAPPED) as container:
        said = podman.shell("readlink /proc/self/ns/user", "--userns", f"container:{container.name}")
        assert said == container.shell("readlink /proc/self/ns/user")


def test_tmpfs_begins_with_what_the_image_has(podman: Engine) -> None:
    assert podman.shell("cat /etc/group; touch /etc/new", "--tmpfs", "/etc").startswith("root:x:0:")


def test_preserved_descriptors(podman: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("by descriptor")
    command = " ".join((*podman.prefix, "run", "--rm", "--preserve-fds", "1", IMAGE, "sh", "-c", "'cat <&3'"))
    assert podman.host.call("sh", "-c", f"{command} 3< {tmp_path}/in").stdout == "by descriptor"


def test_hooks_of_a_directory(podman: Engine, tmp_path: Path) -> None:
    """podman puts them into config.json; the state on their stdin says which container it is, and its pid."""
    stages = ("prestart", "createRuntime", "poststart", "poststop")
    for stage in stages:
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {tmp_path}/{stage}.said"]}
        document = {"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": [stage]}
        (tmp_path / f"{stage}.json").write_text(json.dumps(document))
    podman("--hooks-dir", str(tmp_path), "run", "--rm", IMAGE, "sleep", "0.3")
    states = {stage: json.loads((tmp_path / f"{stage}.said").read_text()) for stage in stages}
    assert len({state["id"] for state in states.values()}) == 1
    assert states["poststart"]["pid"] > 1
    assert states["poststop"]["status"] == "stopped"


def test_a_pod_shares_namespaces(podman: Engine) -> None:
    with podman.named() as first, podman.named() as second:
        podman("pod", "create", "--infra=false", "--name", "tare-test-pod")
        try:
            podman("run", "--detach", "--pod", "tare-test-pod", "--name", first, IMAGE, "sleep", "1000")
            podman("run", "--rm", "--pod", "tare-test-pod", "--name", second, IMAGE, "true")
            podman("pod", "pause", "tare-test-pod")
            assert podman("inspect", "--format", "{{.State.Status}}", first).text == "paused"
            podman("pod", "unpause", "tare-test-pod")
        finally:
            podman("pod", "rm", "--force", "--time", "0", "tare-test-pod")
        assert podman.names() == []


def test_a_root_directory_instead_of_an_image(podman: Engine, tmp_path: Path) -> None:
    with podman.container(verb="create") as container:
        podman("export", "--output", str(tmp_path / "root.tar"), container.name)
    (tmp_path / "root").mkdir()
    podman.host.call("tar", "-C", str(tmp_path / "root"), "-xf", str(tmp_path / "root.tar"))
    assert podman("run", "--rm", "--rootfs", str(tmp_path / "root"), "/bin/echo", "there").text == "there"
