"""What a container may and has by default, and what changes with the options, looked at from inside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from runtime.engine.errors import NoSuchContainer, StartFailed
from runtime.engine.options import DeviceOption, Ulimit
from runtime.linux.capabilities import DEFAULT, NAMES, bounding_set, mask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]

_DEFAULTS = r"""
echo caps $(sed -n 's/^CapEff:\s*//p' /proc/self/status)
echo bounding $(sed -n 's/^CapBnd:\s*//p' /proc/self/status)
echo ambient $(sed -n 's/^CapAmb:\s*//p' /proc/self/status)
echo seccomp $(sed -n 's/^Seccomp:\s*//p' /proc/self/status)
echo nnp $(sed -n 's/^NoNewPrivs:\s*//p' /proc/self/status)
echo pid $$
echo hostname $(hostname)
echo env $HOME $FROM_IMAGE
echo sysctl $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
echo mounted $(mount | grep -c ' on / type overlay (rw,nodev')
echo shm $(df -k /dev/shm | tail -1 | awk '{print $2}')
echo links $(ls /sys/class/net)
(echo x > /proc/sys/kernel/hostname) 2>/dev/null && echo bad proc
(echo x > /sys/x) 2>/dev/null && echo bad sys
[ -s /proc/kcore ] && echo bad kcore
mount -t tmpfs t /tmp 2>/dev/null && echo bad mount
cat /dev/vda >/dev/null 2>&1 && echo bad disk
mknod /srv/disk b 254 0 2>/dev/null && cat /srv/disk >/dev/null 2>&1 && echo bad node
echo end
"""


def test_defaults(house: House) -> None:
    said = house.shell(_DEFAULTS, hostname="inside").splitlines()
    found = {line.partition(" ")[0]: line.partition(" ")[2] for line in said}
    expected = mask(DEFAULT) & bounding_set()
    assert int(found["caps"], 16) == int(found["bounding"], 16) == expected
    assert int(found["ambient"], 16) == 0
    assert found | {"caps": "", "bounding": "", "ambient": ""} == {
        "caps": "", "bounding": "", "ambient": "", "seccomp": "2", "nnp": "0", "pid": "1", "hostname": "inside",
        "env": "/root 1", "sysctl": "0", "mounted": "1", "shm": "65536", "links": "lo", "end": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "script", "expected"),
    [
        ({"user": "kim"}, "id -u; id -g; id -G; echo $HOME", "1000 1001 1001 55 /home/kim"),
        ({"user": "1000:66"}, "id -u; id -G", "1000 66"),
        ({"user": "7:8"}, "id -u; id -g; echo $HOME", "7 8 /"),
        ({"user": "kim", "group_add": ("other", "77")}, "id -G", "1001 55 66 77"),
        ({"user": "kim"}, "sed -n 's/^CapEff:\\s*//p' /proc/self/status", "0000000000000000"),
        ({"workdir": "/not/there/yet"}, "pwd", "/not/there/yet"),
        ({"env": ("A=b c", "FROM_IMAGE")}, 'echo "$A.$FROM_IMAGE"', "b c."),
        ({"read_only": True}, "touch /srv/x 2>&1 | grep -o Read-only", "Read-only"),
        ({"read_only": True, "tmpfs": (("/run", "size=1m"),)}, "touch /run/x && df -k /run | grep -o 1024 | head -1",
         "1024"),
        ({"shm_size_bytes": 1 << 20}, "df -k /dev/shm | tail -1 | awk '{print $2}'", "1024"),
        ({"cap_drop": ("ALL",)}, "sed -n 's/^CapBnd:\\s*//p' /proc/self/status", "0000000000000000"),
        ({"security_opt": ("no-new-privileges",)}, "grep -c '^NoNewPrivs:.1' /proc/self/status", "1"),
        ({"security_opt": ("seccomp=unconfined",)}, "sed -n 's/^Seccomp:\\s*//p' /proc/self/status", "0"),
        ({"sysctls": (("kernel.shmmni", "99"),)}, "cat /proc/sys/kernel/shmmni", "99"),
        ({"ulimits": (Ulimit("nofile", 123, 456),)}, "ulimit -n; ulimit -Hn", "123 456"),
        ({"pids_limit": 20}, "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true", "20"),
        ({"devices": (DeviceOption("/dev/full", "/dev/other", "r"),)}, "ls -l /dev/other | awk '{print $5 $6}'", "1,7"),
        ({"uts": "host"}, "hostname", os.uname().nodename),
        ({"extra_hosts": ("db:10.1.2.3",)}, "grep -c '10.1.2.3.db' /etc/hosts", "1"),
        ({"dns": ("192.0.2.1",), "dns_search": ("x.test",)}, "grep -E '^(name|sea)' /etc/resolv.conf",
         "nameserver 192.0.2.1 search x.test"),
        ({"domainname": "x.test", "hostname": "a"}, "cat /proc/sys/kernel/domainname /etc/hostname", "x.test a"),
    ],
)  # fmt: skip
def test_options(house: House, options: dict[str, Any], script: str, expected: str) -> None:
    assert house.shell(script, **options).split() == expected.split()


def test_a_privileged_container_has_the_host_s_devices(house: House) -> None:
    said = house.shell("sed -n 's/^CapEff:\\s*//p' /proc/self/status; ls /dev | wc -l; ls -d /dev/kmsg",
                       privileged=True).split()  # fmt: skip
    assert int(said[0], 16) == mask(NAMES) & bounding_set()
    assert int(said[1]) > 20
    assert said[2] == "/dev/kmsg"


def test_a_profile_of_one_s_own(house: House, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    refused = '{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}'
    profile.write_text(f'{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{refused}]}}')
    done = house.run("mkdir", "/srv/x", security_opt=(f"seccomp={profile}",))
    assert done.code == 1
    assert "not permitted" in done.stderr


@pytest.mark.parametrize(("user", "words"), [("nobody-here", "unable to find user nobody-here"),
                                             ("kim:nogroup-here", "unable to find group nogroup-here")])  # fmt: skip
def test_a_user_that_the_image_does_not_have(house: House, user: str, words: str) -> None:
    container = house.create("true", user=user)
    with pytest.raises(StartFailed, match=words):
        house.engine.containers.start(container)
    house.engine.containers.remove(container)


def test_an_init_reaps(house: House) -> None:
    said = house.shell("cat /proc/1/comm; echo $$", init=True).split()
    assert said[0] in {"docker-init", "tini", "tini-static", "catatonit"}
    assert said[1] != "1"


def test_namespaces_are_shared_when_asked(house: House) -> None:
    donor = house.start("/bin/sh", "-c", "hostname; exec sleep 1000", ipc="shareable")
    mode = f"container:{donor.name}"
    assert house.shell("ps | grep -c 'sleep 1000$'", pid=mode) == "1"
    link = "readlink /proc/self/ns/"
    theirs = {kind: house.execute(donor, link + kind).stdout.strip() for kind in ("pid", "net", "ipc")}
    assert house.shell(link + "pid", pid=mode) == theirs["pid"]
    assert house.shell(link + "net", network=mode) == theirs["net"]
    assert house.shell("hostname", network=mode) == donor.id[:12]
    house.execute(donor, "echo shared >/dev/shm/x")
    assert house.shell(f"{link}ipc; cat /dev/shm/x", ipc=mode).split() == [theirs["ipc"], "shared"]
    assert house.shell(link + "net", network="host") == os.readlink("/proc/self/ns/net")
    house.engine.containers.remove(donor, force=True)


def test_private_shared_memory_is_not_joined(house: House) -> None:
    donor = house.start()
    container = house.create("true", ipc=f"container:{donor.id}")
    with pytest.raises(StartFailed, match="non-shareable IPC"):
        house.engine.containers.start(container)
    for one in (container, donor):
        house.engine.containers.remove(one, force=True)


def test_a_container_to_join_has_to_be_there_and_to_run(house: House) -> None:
    with pytest.raises(NoSuchContainer):
        house.create("true", network="container:nobody")
    donor = house.create("true")
    for options in ({"pid": f"container:{donor.id}"}, {"network": f"container:{donor.id}"}):
        container = house.create("true", **options)
        with pytest.raises(StartFailed, match="non running container"):
            house.engine.containers.start(container)
        house.engine.containers.remove(container)
    house.engine.containers.remove(donor)
