"""Device nodes, and which of them may be opened (config-linux.md, "Devices" and "Allowed Device list")."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_namespaces import mapped

if TYPE_CHECKING:
    from tests.support.bundle import Bundle

DEFAULTS = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
FUSE = {"type": "c", "major": 10, "minor": 229}
DENY_ALL = {"allow": False, "access": "rwm"}


def node(box: Bundle, path: str, **more: object) -> None:
    """One more device in the configuration: that of FUSE, whose opening has no effect, unless told otherwise."""
    box.linux.setdefault("devices", []).append({"path": path, **FUSE, **more})


def allow(box: Bundle, *rules: dict[str, object]) -> None:
    box.linux["resources"]["devices"] = list(rules)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_device_is_there(box: Bundle, name: str) -> None:
    major, minor = DEFAULTS[name].split(":")
    assert box.says(f"stat -c '%F %t %T %a' /dev/{name}") == f"character special file {int(major):x} {int(minor):x} 666"


def test_the_default_devices_can_be_used(box: Bundle) -> None:
    script = "head -c 2 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c; echo x > /dev/full || echo full"
    assert box.says(f"echo x > /dev/null; {script}").split()[:3] == ["2", "2", "full"]


def test_the_default_devices_can_be_used_by_everybody(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1000}
    assert box.says("echo x > /dev/null; head -c 2 /dev/zero | wc -c") == "2"


def test_ptmx_is_that_of_the_containers_own_devpts(box: Bundle) -> None:
    assert box.says("test -c /dev/ptmx && stat -L -c '%d %t:%T' /dev/ptmx /dev/pts/ptmx | sort -u | wc -l") == "1"


@pytest.mark.parametrize(("name", "target"), [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")])
def test_links_to_the_open_files_are_there(box: Bundle, name: str, target: str) -> None:
    assert box.says(f"readlink /dev/{name}") == f"/proc/self/fd{target}"


def test_the_links_are_of_use(box: Bundle) -> None:
    done = box.shell("cat /dev/stdin > /dev/stdout; echo err > /dev/stderr; ls /dev/fd/ | head -n 1", input="in\n")
    assert (done.stdout.splitlines()[:2], done.stderr) == (["in", "0"], "err\n")


def test_there_is_no_console_without_a_terminal(box: Bundle) -> None:
    assert box.says("test -e /dev/console || echo none") == "none"


@pytest.mark.parametrize("path", ["/dev/mine", "/dev/deep/er/mine", "/opt/mine"])
def test_a_device_is_made_wherever_it_is_wanted(box: Bundle, path: str) -> None:
    node(box, path, fileMode=0o640, uid=12, gid=34)
    assert box.says(f"stat -c '%F %t %T %a %u %g' {path}") == "character special file a e5 640 12 34"


@pytest.mark.parametrize(
    ("kind", "shown"), [("c", stat.S_IFCHR), ("u", stat.S_IFCHR), ("b", stat.S_IFBLK), ("p", stat.S_IFIFO)]
)
def test_every_type_of_device_can_be_made(box: Bundle, kind: str, shown: int) -> None:
    box.linux["devices"] = [{"path": "/dev/mine", "type": kind} | ({} if kind == "p" else {"major": 7, "minor": 200})]
    mode = int(box.says("stat -c %f /dev/mine"), 16)
    assert stat.S_IFMT(mode) == shown


def test_the_mode_is_not_cut_by_the_umask(box: Bundle) -> None:
    node(box, "/dev/mine", fileMode=0o666)
    with_umask = {"preexec_fn": lambda: os.umask(0o077) and None}
    assert box.says("stat -c %a /dev/mine", **with_umask) == "666"


def test_a_file_that_is_no_such_device_is_an_error(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    (box.rootfs / "opt/mine").write_text("a file")
    node(box, "/opt/mine")
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"
    assert (box.rootfs / "opt/mine").read_text() == "a file"


def test_another_device_at_the_place_is_an_error(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    os.mknod(box.rootfs / "opt/mine", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    node(box, "/opt/mine")
    assert box.try_create()[1] != 0


def test_a_device_at_the_place_of_a_fifo_is_an_error(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    os.mknod(box.rootfs / "opt/mine", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    box.linux["devices"] = [{"path": "/opt/mine", "type": "p"}]
    assert box.try_create()[1] != 0


def test_the_same_device_at_the_place_is_none(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    os.mknod(box.rootfs / "opt/mine", stat.S_IFCHR | 0o600, os.makedev(10, 229))
    node(box, "/opt/mine")
    assert box.says("stat -c '%t %T' /opt/mine") == "a e5"


@pytest.mark.parametrize("missing", ["major", "minor", "type", "path"])
def test_a_device_without_its_numbers_is_an_error(box: Bundle, missing: str) -> None:
    device = {"path": "/dev/mine", **FUSE}
    del device[missing]
    box.linux["devices"] = [device]
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_devices_of_a_container_with_mapped_users_are_there(box: Bundle) -> None:
    mapped(box)
    node(box, "/dev/fuse")
    assert box.says("stat -c '%t %T' /dev/fuse /dev/null").split() == ["a", "e5", "1", "3"]


def can_open(box: Bundle, *, write: bool = False) -> bool:
    """Whether the device can be opened, of which there is a node."""
    box.process["user"] = {"uid": 0, "gid": 0}
    node(box, "/opt/mine", fileMode=0o666)
    redirection = "3<>/opt/mine" if write else "3</opt/mine"
    return box.says(f"(exec {redirection}) 2>/dev/null && echo yes || echo no") == "yes"


@pytest.mark.needs("a devices cgroup")
def test_what_is_denied_cannot_be_opened(box: Bundle) -> None:
    allow(box, DENY_ALL)
    assert not can_open(box)


@pytest.mark.needs("a devices cgroup")
def test_what_is_allowed_can_be_opened(box: Bundle) -> None:
    allow(box, DENY_ALL, {"allow": True, **FUSE, "access": "rwm"})
    assert can_open(box, write=True)


@pytest.mark.needs("a devices cgroup")
def test_every_number_is_meant_when_none_is_given(box: Bundle) -> None:
    allow(box, DENY_ALL, {"allow": True, "type": "c", "major": 10, "access": "rwm"})
    assert can_open(box)


@pytest.mark.needs("a devices cgroup")
@pytest.mark.parametrize(("access", "expected"), [("r", False), ("rw", True)])
def test_access_is_as_far_as_it_goes(box: Bundle, access: str, expected: bool) -> None:
    allow(box, DENY_ALL, {"allow": True, **FUSE, "access": access})
    assert can_open(box, write=True) is expected


@pytest.mark.needs("a devices cgroup")
def test_rules_are_applied_in_their_order(box: Bundle) -> None:
    fuse = {**FUSE, "access": "rwm"}
    allow(box, DENY_ALL, {"allow": True, **fuse}, {"allow": False, **fuse})
    assert not can_open(box)


@pytest.mark.needs("a devices cgroup")
def test_a_rule_for_all_replaces_those_before_it(box: Bundle) -> None:
    allow(box, {"allow": True, **FUSE, "access": "rwm"}, DENY_ALL)
    assert not can_open(box)


@pytest.mark.needs("a devices cgroup")
def test_all_may_be_allowed_but_one(box: Bundle) -> None:
    allow(box, {"allow": True, "access": "rwm"}, {"allow": False, **FUSE, "access": "rwm"})
    assert not can_open(box)


@pytest.mark.needs("a devices cgroup")
def test_the_default_devices_are_allowed_whatever_is_denied(box: Bundle) -> None:
    allow(box, DENY_ALL)
    script = (
        "for d in null zero full random urandom; do (exec 3<>/dev/$d) || echo no; done; (exec 3<>/dev/ptmx) || echo no"
    )
    assert box.says(script) == ""


@pytest.mark.needs("a devices cgroup")
def test_what_is_denied_cannot_be_made_and_opened(box: Bundle) -> None:
    for kind in ("bounding", "effective", "permitted"):
        box.process["capabilities"][kind].append("CAP_MKNOD")
    script = "mknod /tmp/disk b 254 0 2>/dev/null; (exec 3</tmp/disk) 2>/dev/null && echo yes || echo no"
    assert box.says(script) == "no"
