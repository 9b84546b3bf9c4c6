"""``mounts``: every option of the specification's table, order, places, propagation and id mappings (config.md)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_namespaces import MAPPING, mapped
from tests.support.bundle import Bundle, Json, wait_until
from tests.support.leftovers import mountinfo, mounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# By option: a word of mountinfo, whether it has to be there, and how the mount below is before.
RECURSIVE = {
    "rro": ("ro", True, "rw"), "rrw": ("ro", False, "ro"), "rnosuid": ("nosuid", True, "suid"),
    "rsuid": ("nosuid", False, "nosuid"), "rnodev": ("nodev", True, "dev"), "rdev": ("nodev", False, "nodev"),
    "rnoexec": ("noexec", True, "exec"), "rexec": ("noexec", False, "noexec"),
    "rnoatime": ("noatime", True, "relatime"), "ratime": ("noatime", False, "noatime"),
    "rnodiratime": ("nodiratime", True, "diratime"), "rdiratime": ("nodiratime", False, "nodiratime"),
    "rrelatime": ("relatime", True, "noatime"), "rnorelatime": ("noatime", False, "relatime"),
    "rstrictatime": ("relatime", False, "relatime"), "rnostrictatime": ("relatime", True, "strictatime"),
    "rnosymfollow": ("nosymfollow", True, "symfollow"), "rsymfollow": ("nosymfollow", False, "nosymfollow"),
}  # fmt: skip


class Seen:
    """A line of mountinfo (proc_pid_mountinfo(5))."""

    def __init__(self, line: str) -> None:
        words = line.split()
        dash = words.index("-")
        self.root, self.point = words[3], words[4]
        self.options = set(words[5].split(","))
        self.tags = [word.split(":")[0] for word in words[6:dash]]
        self.kind, self.source = words[dash + 1], words[dash + 2]
        self.of_filesystem = set(words[dash + 3].split(","))


def seen(box: Bundle, destination: str) -> list[Seen]:
    """The mounts at a place of a new container."""
    lines = box.says("cat /proc/self/mountinfo").splitlines()
    return [mount for mount in map(Seen, lines) if mount.point == destination]


def one(box: Bundle, destination: str = "/data") -> Seen:
    (mount,) = seen(box, destination)
    return mount


@pytest.fixture
def tree(ground: Path) -> Iterator[Path]:
    """A mount of the host with another one in it, both private: ``file``, ``sub/below``."""
    directory = ground / "tree"
    directory.mkdir()
    for place in (directory, directory / "sub"):
        place.mkdir(exist_ok=True)
        subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place), check=True)
        subprocess.run(("mount", "--make-private", place), check=True)
    (directory / "file").write_text("of the tree\n")
    (directory / "sub/below").write_text("below\n")
    yield directory
    for point in mounts(directory):
        subprocess.run(("umount", "--lazy", point), check=True)


def bind(box: Bundle, source: Path | str, *options: str, destination: str = "/data") -> None:
    box.mount(destination, *options, kind="none", source=str(source))


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ("defaults", "rw", "ro"),
        ("ro", "ro", "rw"),
        ("rw", "rw", "ro"),
        ("ro,rw", "rw", "ro"),
        ("nosuid", "nosuid", ""),
        ("nosuid,suid", "rw", "nosuid"),
        ("nodev", "nodev", ""),
        ("nodev,dev", "rw", "nodev"),
        ("noexec", "noexec", ""),
        ("noexec,exec", "rw", "noexec"),
        ("noatime", "noatime", "relatime"),
        ("noatime,atime", "relatime", "noatime"),
        ("relatime", "relatime", "noatime"),
        ("strictatime", "rw", "relatime"),
        ("strictatime,nostrictatime", "relatime", "noatime"),
        ("relatime,norelatime", "rw", "noatime"),
        ("nodiratime", "nodiratime", ""),
        ("nodiratime,diratime", "rw", "nodiratime"),
        ("iversion", "rw", ""),
        ("noiversion", "rw", ""),
        ("silent", "rw", ""),
        ("loud", "rw", ""),
    ],
)
def test_an_option_of_a_mount_is_applied(box: Bundle, options: str, present: str, absent: str) -> None:
    box.mount("/data", *options.split(","))
    mount = one(box)
    assert mount.kind == "tmpfs"
    assert present in mount.options
    assert absent not in mount.options


@pytest.mark.parametrize("options", ["nosymfollow", "nosymfollow,symfollow"])
def test_symbolic_links_are_followed_or_not(box: Bundle, options: str) -> None:
    box.mount("/data", *options.split(","))
    script = "echo text > /data/file && ln -s file /data/link && cat /data/link || echo refused"
    assert box.says(script) == ("refused" if options == "nosymfollow" else "text")


@pytest.mark.parametrize(
    ("options", "word", "there"),
    [
        ("sync", "sync", True),
        ("sync,async", "sync", False),
        ("dirsync", "dirsync", True),
        ("lazytime", "lazytime", True),
        ("lazytime,nolazytime", "lazytime", False),
        ("size=1m", "size=1024k", True),
        ("mode=700", "mode=700", True),
    ],
)
def test_an_option_of_a_filesystem_is_applied(box: Bundle, options: str, word: str, there: bool) -> None:
    box.mount("/data", *options.split(","))
    assert (word in one(box).of_filesystem) is there


def test_an_option_that_nobody_knows_is_for_the_filesystem_and_its_error_is_one(box: Bundle) -> None:
    box.mount("/data", "no-such-option=1")
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_a_kind_of_filesystem_that_does_not_exist_is_an_error(box: Bundle) -> None:
    box.mount("/data", kind="no-such-filesystem")
    assert box.try_create()[1] != 0


def test_a_remount_changes_what_is_mounted_there(box: Bundle) -> None:
    box.mount("/data", "nosuid")
    box.mount("/data", "remount", "ro", "noexec")
    assert one(box).options >= {"ro", "noexec"}


def test_a_bind_mount_shows_a_directory(box: Bundle, tree: Path) -> None:
    bind(box, tree, "bind")
    assert box.says("cat /data/file; ls /data/sub") == "of the tree"


def test_a_recursive_bind_mount_has_the_mounts_below(box: Bundle, tree: Path) -> None:
    bind(box, tree, "rbind")
    assert box.says("cat /data/sub/below") == "below"


def test_a_bind_mount_shows_a_file(box: Bundle, tree: Path) -> None:
    bind(box, tree / "file", "bind", destination="/etc/one")
    assert box.says("cat /etc/one") == "of the tree"


def test_a_bind_mount_needs_no_type(box: Bundle, tree: Path) -> None:
    box.config["mounts"].append({"destination": "/data", "source": str(tree), "options": ["bind"]})
    assert box.says("cat /data/file") == "of the tree"


@pytest.mark.parametrize("option", ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"])
def test_a_bind_mount_has_its_own_options(box: Bundle, tree: Path, option: str) -> None:
    bind(box, tree, "rbind", option)
    assert option in one(box).options
    assert option not in next(mount for mount in map(Seen, mountinfo()) if mount.point == str(tree)).options


def test_options_of_a_bind_mount_are_not_those_of_the_mounts_below(box: Bundle, tree: Path) -> None:
    bind(box, tree, "rbind", "ro")
    assert "rw" in one(box, "/data/sub").options


def test_a_source_of_a_bind_mount_is_relative_to_the_bundle(box: Bundle) -> None:
    (box.directory / "here").mkdir()
    (box.directory / "here/file").write_text("relative")
    bind(box, "here", "bind")
    assert box.says("cat /data/file") == "relative"


def test_a_source_of_a_bind_mount_must_exist(box: Bundle) -> None:
    bind(box, "/no/such/source", "bind")
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_mounts_are_made_in_the_order_of_the_file(box: Bundle, tree: Path) -> None:
    box.mount("/data")
    bind(box, tree, "bind", destination="/data/inner")
    assert box.says("cat /data/inner/file") == "of the tree"


def test_of_two_mounts_at_a_place_the_later_is_seen(box: Bundle, tree: Path) -> None:
    bind(box, tree, "bind")
    box.mount("/data")
    assert box.says("ls /data; grep -c ' /data ' /proc/self/mountinfo") == "2"


def test_a_relative_destination_starts_at_the_root(box: Bundle, tree: Path) -> None:
    bind(box, tree, "bind", destination="data/inner")
    assert box.says("cat /data/inner/file") == "of the tree"


def test_a_destination_that_does_not_exist_is_made(box: Bundle, tree: Path) -> None:
    bind(box, tree, "bind", destination="/new/deep/directory")
    bind(box, tree / "file", "bind", destination="/new/other/file")
    assert box.says("cat /new/deep/directory/file /new/other/file") == "of the tree\nof the tree"


@pytest.mark.parametrize("target", ["/", "../../../..", "/proc/1/root"])
def test_a_link_in_the_root_leads_nowhere_out_of_it(box: Bundle, ground: Path, tree: Path, target: str) -> None:
    (box.rootfs / "link").symlink_to(target)
    place = ground / "outside"
    place.mkdir()
    bind(box, tree, "bind", destination=f"/link{place}/made")
    box.try_create()
    assert list(place.iterdir()) == []


def test_a_link_in_the_root_is_followed_within_it(box: Bundle, tree: Path) -> None:
    (box.rootfs / "real").mkdir()
    (box.rootfs / "link").symlink_to("/real")
    bind(box, tree, "bind", destination="/link/made")
    assert box.says("cat /real/made/file") == "of the tree"


def test_a_tmpfs_can_have_a_copy_of_what_it_covers(box: Bundle) -> None:
    (box.rootfs / "data/deep").mkdir(parents=True)
    (box.rootfs / "data/deep/file").write_text("copied")
    (box.rootfs / "data/link").symlink_to("deep/file")
    os.chown(box.rootfs / "data/deep", 12, 34)
    box.mount("/data", "tmpcopyup")
    assert box.says("cat /data/link; stat -c ' %u:%g %t' /data/deep; echo more > /data/deep/file").split()[:2] == [
        "copied",
        "12:34",
    ]
    assert (box.rootfs / "data/deep/file").read_text() == "copied"


@pytest.mark.parametrize(
    ("option", "tags"),
    [
        ("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]), ("slave", ["master"]),
        ("rslave", ["master"]), ("unbindable", ["unbindable"]), ("runbindable", ["unbindable"]),
    ],
)  # fmt: skip
def test_a_mount_has_its_propagation(box: Bundle, tree: Path, option: str, tags: list[str]) -> None:
    subprocess.run(("mount", "--make-rshared", tree), check=True)
    bind(box, tree, "rbind", option)
    box.linux["rootfsPropagation"] = "shared" if option.endswith("shared") else "slave"
    assert one(box).tags == tags
    # Those that are not recursive say nothing of what is mounted below.
    if option.startswith("r"):
        assert one(box, "/data/sub").tags == tags


def appears(box: Bundle, tree: Path, option: str) -> bool:
    """Whether what the host mounts below the source is seen in the container."""
    subprocess.run(("mount", "--make-rshared", tree), check=True)
    (tree / "later").mkdir()
    bind(box, tree, "rbind", option)
    name = box.started()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", tree / "later"), check=True)
    return any(Seen(line).point == "/data/later" for line in mountinfo(box.pid(name)))


@pytest.mark.parametrize(("option", "expected"), [("rslave", True), ("rshared", True), ("rprivate", False)])
def test_what_the_host_mounts_later_appears_or_not(box: Bundle, tree: Path, option: str, expected: bool) -> None:
    box.linux["rootfsPropagation"] = "shared" if option == "rshared" else "slave"
    assert appears(box, tree, option) is expected


@pytest.mark.parametrize(("option", "expected"), [("rslave", False), ("rshared", True)])
def test_what_the_container_mounts_appears_on_the_host_or_not(
    box: Bundle, tree: Path, option: str, expected: bool
) -> None:
    subprocess.run(("mount", "--make-rshared", tree), check=True)
    (tree / "later").mkdir()
    bind(box, tree, "rbind", option)
    box.linux["rootfsPropagation"] = "shared" if option == "rshared" else "slave"
    for kind in ("bounding", "effective", "permitted"):
        box.process["capabilities"][kind].append("CAP_SYS_ADMIN")
    box.started("sh", "-c", "mount -t tmpfs inner /data/later && touch /mounted; sleep 1000")
    wait_until((box.rootfs / "mounted").exists)
    assert (str(tree / "later") in mounts(tree)) is expected


@pytest.mark.parametrize("option", RECURSIVE)
def test_a_recursive_option_is_applied_to_the_mounts_below(box: Bundle, tree: Path, option: str) -> None:
    word, there, before = RECURSIVE[option]
    subprocess.run(("mount", "-o", f"remount,bind,{before}", tree / "sub"), check=True)
    bind(box, tree, "rbind", option)
    for destination in ("/data", "/data/sub"):
        assert (word in one(box, destination).options) is there


def id_mapped(box: Bundle, source: Path, *options: str, **mappings: list[Json]) -> None:
    entry = {"destination": "/data", "type": "none", "source": str(source), "options": list(options), **mappings}
    box.config["mounts"].append(entry)


def test_an_id_mapped_mount_shows_other_owners(box: Bundle, tree: Path) -> None:
    mapping = [{"containerID": 0, "hostID": 5000, "size": 10}]
    id_mapped(box, tree, "rbind", "idmap", uidMappings=mapping, gidMappings=mapping)
    assert box.says("stat -c %u:%g /data/file /data/sub/below").split() == ["5000:5000", "0:0"]
    assert (tree / "file").stat().st_uid == 0


def test_an_id_mapping_can_be_recursive(box: Bundle, tree: Path) -> None:
    mapping = [{"containerID": 0, "hostID": 5000, "size": 10}]
    id_mapped(box, tree, "rbind", "ridmap", uidMappings=mapping, gidMappings=mapping)
    assert box.says("stat -c %u:%g /data/file /data/sub/below").split() == ["5000:5000", "5000:5000"]


def test_users_and_groups_of_a_mount_can_be_mapped_unlike(box: Bundle, tree: Path) -> None:
    users = [{"containerID": 0, "hostID": 5000, "size": 10}]
    groups = [{"containerID": 0, "hostID": 6000, "size": 10}]
    id_mapped(box, tree, "bind", "idmap", uidMappings=users, gidMappings=groups)
    assert box.says("stat -c %u:%g /data/file") == "5000:6000"


def test_an_id_mapped_mount_makes_a_mapped_root_the_owner(box: Bundle, tree: Path) -> None:
    mapped(box)
    (box.rootfs / "data").mkdir()
    id_mapped(box, tree, "bind", "idmap", uidMappings=MAPPING, gidMappings=MAPPING)
    assert box.says("stat -c %u:%g /data/file; echo new > /data/new; stat -c %u /data/new").split() == ["0:0", "0"]
    assert (tree / "new").stat().st_uid == 0


def test_an_id_mapping_without_mappings_is_that_of_the_user_namespace(box: Bundle, tree: Path) -> None:
    mapped(box)
    (box.rootfs / "data").mkdir()
    id_mapped(box, tree, "bind", "idmap")
    assert box.says("stat -c %u:%g /data/file") == "0:0"


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_an_id_mapping_without_any_mapping_is_an_error(box: Bundle, tree: Path, option: str) -> None:
    id_mapped(box, tree, "bind", option)
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


@pytest.mark.parametrize("only", ["uidMappings", "gidMappings"])
def test_mappings_of_users_and_groups_come_together(box: Bundle, tree: Path, only: str) -> None:
    id_mapped(box, tree, "bind", "idmap", **{only: [{"containerID": 0, "hostID": 5000, "size": 10}]})
    assert box.try_create()[1] != 0


def test_the_control_groups_can_be_mounted(box: Bundle) -> None:
    box.mount("/sys/fs/cgroup", "nosuid", "noexec", "nodev", "ro", kind="cgroup", source="cgroup")
    box.namespace("cgroup")
    said = box.says("cd /sys/fs/cgroup; ls . */cgroup.procs cgroup.procs; echo x > new; true")
    assert "cgroup.procs" in said
    assert "new" not in said


def test_the_filesystems_of_linux_are_there(box: Bundle) -> None:
    lines = [Seen(line) for line in box.says("cat /proc/self/mountinfo").splitlines()]
    kinds = {mount.point: mount.kind for mount in lines}
    assert [kinds[place] for place in ("/proc", "/sys", "/dev/pts", "/dev/shm")] == ["proc", "sysfs", "devpts", "tmpfs"]


def test_nothing_of_the_host_is_mounted_in_the_container(box: Bundle) -> None:
    points = [Seen(line).point for line in box.says("cat /proc/self/mountinfo").splitlines()]
    wanted = [entry["destination"] for entry in box.config["mounts"]]
    ours = ("/", "/dev", *wanted)
    assert [point for point in points if not point.startswith(("/proc", "/dev", "/sys")) and point not in ours] == []


def test_a_mount_of_the_container_is_not_seen_on_the_host(box: Bundle, ground: Path) -> None:
    box.mount("/data")
    box.started()
    assert mounts(ground) == []
