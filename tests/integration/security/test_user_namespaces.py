"""User namespaces: a mapping that is wrong makes the container's root the host's, or gives it another's files.

What is not mapped must not become somebody (user_namespaces(7)); an id outside the mapping must not be taken; a further
process must be in the same namespace as the first, with the ids of the inside; and where the mapping was made without
privileges, setgroups(2) must be denied, or a group that denies access could be dropped (CVE-2014-8989).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.attack import naive_runtime, run_detached

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

HOST_ID, SIZE = 231072, 65536


def mapping(inside: int, outside: int, size: int) -> dict[str, int]:
    return {"containerID": inside, "hostID": outside, "size": size}


def in_user_namespace(box: Bundle, *mappings: dict[str, Any]) -> Bundle:
    """Its root is nobody on the host; the root's files are its own."""
    used = list(mappings or (mapping(0, HOST_ID, SIZE),))
    linux = box.config["linux"]
    linux["namespaces"].append({"type": "user"})
    linux |= {"uidMappings": used, "gidMappings": used}
    for path in (box.rootfs, *box.rootfs.rglob("*")):
        os.chown(path, HOST_ID, HOST_ID, follow_symlinks=False)
    for directory in (box.directory, *box.directory.parents):
        if directory.stat().st_uid == 0 and directory not in {Path("/"), Path("/tmp")}:
            directory.chmod(directory.stat().st_mode | 0o011)
    return box


def test_the_container_s_root_is_nobody_on_the_host(box: Bundle, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    (volume / "secret").write_text("kept")
    (volume / "secret").chmod(0o600)
    shared = {"destination": "/srv", "source": str(volume), "options": ["rbind"]}
    in_user_namespace(box).config["mounts"].append(shared)
    done = box.shell("id -u; touch /srv/new; cat /srv/secret; cat /proc/self/uid_map; cat /proc/self/setgroups")
    assert done.stdout.split() == ["0", "0", str(HOST_ID), str(SIZE), "allow"], done.stderr
    assert (volume / "new").stat().st_uid == HOST_ID
    with naive_runtime(tmp_path):
        assert "kept" in box.shell("cat /srv/secret").stdout


@pytest.mark.parametrize("user", ["0", "1000:1000"])
def test_a_further_process_has_the_ids_of_the_inside(
    box: Bundle, install: Callable[[str], str], user: str
) -> None:
    program = install("rights")
    name, status = run_detached(in_user_namespace(box), "sleep", "1000")
    assert status == 0
    uid = user.split(":", maxsplit=1)[0]
    done = box.call("exec", "--user", user, name, "sh", "-c", f"cat /proc/self/uid_map; {program}")
    assert done.stdout.split()[:3] == ["0", str(HOST_ID), str(SIZE)], done.stderr
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in done.stdout
    pid = box.state(name)["pid"]
    assert f"Uid:\t{HOST_ID}\t" in Path(f"/proc/{pid}/status").read_text()
    assert os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino


BAD: dict[str, list[dict[str, Any]]] = {
    "overlapping inside": [mapping(0, HOST_ID, 10), mapping(5, HOST_ID + 100, 10)],
    "overlapping outside": [mapping(0, HOST_ID, 10), mapping(10, HOST_ID + 5, 10)],
    "no root": [mapping(1, HOST_ID, 10)],
    "empty": [mapping(0, HOST_ID, 0)],
    "too large": [mapping(0, HOST_ID, 1 << 32)],
    "beyond the last id": [mapping(0, (1 << 32) - 2, 10)],
    "negative": [mapping(0, -1, 1)],
    "truncated": [mapping(0, 1 << 32, 1)],
    "text": [{"containerID": "0", "hostID": HOST_ID, "size": 1}],
    "without host": [{"containerID": 0, "size": 1}],
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_mapping_that_is_wrong_is_refused(box: Bundle, case: str) -> None:
    in_user_namespace(box, *BAD[case])
    done = box.shell("cat /proc/self/uid_map")
    assert done.returncode != 0, done.stdout


def test_a_user_namespace_without_a_mapping_is_refused(box: Bundle) -> None:
    in_user_namespace(box)
    del box.config["linux"]["uidMappings"]
    assert box.shell("true").returncode != 0


def test_a_mapping_without_a_user_namespace_makes_nobody_root(box: Bundle) -> None:
    in_user_namespace(box)
    box.config["linux"]["namespaces"] = [e for e in box.config["linux"]["namespaces"] if e["type"] != "user"]
    done = box.shell("cat /proc/self/uid_map")
    assert done.returncode != 0 or done.stdout.split() == ["0", "0", "4294967295"]


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_an_id_that_is_not_mapped_is_refused(box: Bundle, verb: str) -> None:
    in_user_namespace(box, mapping(0, HOST_ID, 10))
    if verb == "run":
        box.config["process"]["user"] = {"uid": 10, "gid": 0}
        assert box.shell("id -u").returncode != 0
    else:
        name, _ = run_detached(box, "sleep", "1000")
        assert box.call("exec", "--user", "9", name, "true").returncode == 0
        assert box.call("exec", "--user", "10", name, "true").returncode != 0


def test_rights_in_the_namespace_are_none_on_the_host(box: Bundle) -> None:
    every = ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYS_TIME", "CAP_NET_ADMIN", "CAP_SYS_BOOT"]
    in_user_namespace(box).config["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted"), every
    )
    script = "mknod /tmp/disk b 1 0 2>&1 && echo made; dmesg -n 1 2>&1 && echo set; swapoff -a 2>&1; echo end"
    lines = box.shell(script).stdout.splitlines()
    assert "made" not in lines
    assert "set" not in lines
    assert lines[-1] == "end"
