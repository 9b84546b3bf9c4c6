"""Namespaces that are the host's or another container's, where the command line says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.engine import Container, Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

KINDS = ("pid", "mnt", "net", "ipc", "uts")


def namespace(engine: Engine, kind: str, *options: str) -> str:
    return engine.shell(f"readlink /proc/self/ns/{kind}", *options)


def of_host(engine: Engine, kind: str) -> str:
    return engine.host.sandbox.output("readlink", f"/proc/1/ns/{kind}").strip()


def of(container: Container, kind: str) -> str:
    return container.shell(f"readlink /proc/self/ns/{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_by_default_each_is_the_containers_own(engine: Engine, kind: str) -> None:
    assert namespace(engine, kind) != of_host(engine, kind)


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts"])
def test_of_the_host(engine: Engine, kind: str) -> None:
    assert namespace(engine, kind, f"--{kind}", "host") == of_host(engine, kind)


@pytest.mark.parametrize("kind", ["pid", "ipc"])
def test_of_another_container(engine: Engine, kind: str) -> None:
    with engine.container(options=("--ipc", "shareable")) as container:
        assert namespace(engine, kind, f"--{kind}", f"container:{container.name}") == of(container, kind)


def test_processes_of_another_container_are_seen(engine: Engine) -> None:
    with engine.container("sleep", "4711") as container:
        assert "sleep 4711" in engine.shell("ps", "--pid", f"container:{container.name}")


def test_shared_memory_of_another_container(engine: Engine) -> None:
    script = "echo shared > /dev/shm/file; sleep 1000"
    with engine.container("sh", "-c", script, options=("--ipc", "shareable")) as container:
        assert engine.shell("cat /dev/shm/file", "--ipc", f"container:{container.name}") == "shared"


def test_with_the_hosts_processes_only_its_own_are_killed(engine: Engine) -> None:
    argv = ("sh", "-c", "sleep 1000 & wait")
    with engine.container() as other, engine.container(*argv, options=("--pid", "host")) as container:
        engine("kill", container.name)
        assert container.wait() == 137
        assert other.status == "running"


def test_control_group_namespace(engine: Engine) -> None:
    said = engine.shell("cat /proc/self/cgroup", "--cgroupns", "private").splitlines()
    assert {line.split(":", 2)[2] for line in said} == {"/"}
