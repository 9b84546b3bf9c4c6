"""config.json of a container, as the runtime's own reader understands it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime.engine.bundle import MASKED_PATHS, Ground, environment, make_bundle
from runtime.engine.codec import encode
from runtime.engine.container import Container, MountPoint
from runtime.engine.home import Home, new_id
from runtime.engine.identity import Identity
from runtime.engine.options import CreateOptions
from runtime.spec.config import parse_config
from runtime.values import replace

if TYPE_CHECKING:
    from runtime.spec.config import Config

GROUND = Ground(Identity(), "name", network="/run/netns/x", files=(("/etc/hosts", "/c/hosts"),))


def container(*mounts: MountPoint, **options: Any) -> Container:
    config = CreateOptions("box", ("true",), entrypoint=(), env=("PATH=/bin",), **options)
    document = {"id": new_id(), "config": encode(config), "mounts": [encode(mount) for mount in mounts]}
    return Container(Home("/nothing"), document)


def parsed(one: Container, ground: Ground = GROUND) -> Config:
    """Through JSON and our own reader, which refuses what the specification does not allow."""
    return parse_config(json.loads(json.dumps(make_bundle(one, ground))))


def test_by_default_everything_is_the_container_s_own() -> None:
    config = parsed(container())
    kinds = {namespace.type: namespace.path for namespace in config.linux.namespaces}
    assert kinds == {"mount": None, "uts": None, "pid": None, "ipc": None, "network": "/run/netns/x", "cgroup": None}
    assert config.linux.masked_paths == MASKED_PATHS
    assert config.linux.seccomp is not None
    assert config.process is not None
    assert config.process.capabilities is not None
    assert config.process.capabilities.ambient == config.process.capabilities.inheritable == 0
    assert config.linux.resources.devices[0].allow is False


@pytest.mark.parametrize(
    ("options", "ground", "absent"),
    [
        ({"network": "host"}, replace(GROUND, network=None), "network"),
        ({"pid": "host"}, replace(GROUND, pid=None), "pid"),
        ({"ipc": "host"}, replace(GROUND, ipc=None, shm="/dev/shm"), "ipc"),
        ({"uts": "host"}, GROUND, "uts"),
        ({"cgroupns": "host"}, GROUND, "cgroup"),
    ],
)
def test_namespaces_of_the_host(options: dict[str, Any], ground: Ground, absent: str) -> None:
    config = parsed(container(**options), ground)
    assert absent not in {namespace.type for namespace in config.linux.namespaces}
    if absent == "network":
        assert config.linux.sysctl == ()  # they would be the host's
    if absent == "uts":
        assert config.hostname is None


def test_a_mount_of_one_s_own_replaces_a_default_and_a_file() -> None:
    own = (MountPoint("bind", "/x", "/etc/hosts"), MountPoint("tmpfs", "", "/dev/shm", data=("size=1m",)))
    mounts = parsed(container(*own)).mounts
    places = [mount.destination for mount in mounts]
    assert places.count("/etc/hosts") == places.count("/dev/shm") == 1
    assert next(mount.source for mount in mounts if mount.destination == "/etc/hosts") == "/x"


@pytest.mark.parametrize(
    ("point", "options"),
    [
        (MountPoint("bind", "/x", "/y"), ("rbind", "rprivate")),
        (MountPoint("bind", "/x", "/y", read_only=True), ("rbind", "rro", "ro", "rprivate")),
        (MountPoint("bind", "/x", "/y", read_only=True, recursive=False), ("bind", "ro", "rprivate")),
        (MountPoint("bind", "/x", "/y", propagation="rslave"), ("rbind", "rslave")),
        (MountPoint("tmpfs", "", "/y", data=("mode=700",)), ("mode=700",)),
    ],
)
def test_options_of_mounts(point: MountPoint, options: tuple[str, ...]) -> None:
    assert parsed(container(point)).mounts[-1].options == options


def test_with_an_init_the_command_is_its_child() -> None:
    config = parsed(container(init=True), replace(GROUND, init="/usr/bin/tini"))
    assert config.process is not None
    assert config.process.args == ("/sbin/docker-init", "--", "true")


def test_variables() -> None:
    options = CreateOptions("box", env=("PATH=/bin", "HOSTNAME=mine"), tty=True)
    assert environment(options, "name", "/root") == ("PATH=/bin", "HOSTNAME=mine", "TERM=xterm", "HOME=/root")
    assert "HOME=/x" in environment(replace(options, env=("HOME=/x",)), "name", "/root")


def test_a_privileged_container() -> None:
    config = parsed(container(privileged=True))
    assert config.linux.seccomp is None
    assert config.linux.masked_paths == config.linux.readonly_paths == ()
    assert [rule.allow for rule in config.linux.resources.devices] == [True]
