"""Kernel parameters (config-linux.md, "Sysctl")."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_namespaces import mapped

if TYPE_CHECKING:
    from tests.support.bundle import Bundle


@pytest.mark.parametrize(
    ("key", "value", "file"),
    [
        ("net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "1", "net/ipv4/ip_forward"),
        ("net.core.somaxconn", "256", "net/core/somaxconn"),
        ("net.ipv4.conf.lo.forwarding", "1", "net/ipv4/conf/lo/forwarding"),
        ("net.ipv4.ping_group_range", "0 1000", "net/ipv4/ping_group_range"),
        ("kernel.shmmax", "1048576", "kernel/shmmax"),
        ("kernel.msgmax", "4096", "kernel/msgmax"),
        ("kernel.sem", "32000 1024000000 500 32000", "kernel/sem"),
        ("fs.mqueue.msg_max", "20", "fs/mqueue/msg_max"),
        ("kernel.domainname", "example.test", "kernel/domainname"),
    ],
)
def test_a_parameter_is_the_containers_alone(box: Bundle, key: str, value: str, file: str) -> None:
    host = Path("/proc/sys", file).read_text().split() if Path("/proc/sys", file).exists() else None
    box.linux["sysctl"] = {key: value}
    assert box.says(f"cat /proc/sys/{file}").split() == value.split()
    assert (Path("/proc/sys", file).read_text().split() if host is not None else None) == host


def test_parameters_are_set_though_proc_sys_is_read_only(box: Bundle) -> None:
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    said = box.says(
        "cat /proc/sys/net/ipv4/ip_forward; echo 0 2>/dev/null > /proc/sys/net/ipv4/ip_forward || echo refused"
    )
    assert said.split()[:2] == ["1", "refused"]


def test_parameters_can_be_set_for_mapped_users(box: Bundle) -> None:
    mapped(box)
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    assert box.says("cat /proc/sys/net/ipv4/ip_forward") == "1"


@pytest.mark.parametrize(
    "key", ["vm.swappiness", "kernel.panic", "kernel.core_pattern", "fs.file-max", "no.such.parameter"]
)
def test_a_parameter_of_the_host_is_an_error(box: Bundle, key: str) -> None:
    box.linux["sysctl"] = {key: "1"}
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


@pytest.mark.parametrize("key", ["net.ipv4.no_such_parameter", "net.ipv4.conf.eth99.forwarding"])
def test_a_parameter_that_does_not_exist_is_an_error(box: Bundle, key: str) -> None:
    box.linux["sysctl"] = {key: "1"}
    assert box.run("true").returncode != 0
    assert box.status(box.ids[-1]) == "gone"


def test_a_value_that_the_kernel_refuses_is_an_error(box: Bundle) -> None:
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "nonsense"}
    assert box.run("true").returncode != 0
    assert box.status(box.ids[-1]) == "gone"


@pytest.mark.parametrize(("key", "kind"), [("net.ipv4.ip_forward", "network"), ("kernel.shmmax", "ipc")])
def test_a_parameter_of_a_namespace_that_is_the_hosts_is_an_error(box: Bundle, key: str, kind: str) -> None:
    box.without_namespace(kind)
    host = Path("/proc/sys", key.replace(".", "/")).read_text()
    box.linux["sysctl"] = {key: "1"}
    assert box.try_create()[1] != 0
    assert Path("/proc/sys", key.replace(".", "/")).read_text() == host


@pytest.mark.parametrize(
    "key", ["net/../kernel/panic", "net.ipv4/../../kernel/panic", "net//ipv4/ip_forward/../../../vm/swappiness"]
)
def test_a_parameter_leads_nowhere_else(box: Bundle, key: str) -> None:
    before = {file: Path("/proc/sys", file).read_text() for file in ("kernel/panic", "vm/swappiness")}
    box.linux["sysctl"] = {key: "1"}
    assert box.run("true").returncode != 0
    assert {file: Path("/proc/sys", file).read_text() for file in before} == before
