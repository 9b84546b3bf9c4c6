"""Intel RDT by a directory in place of resctrl: what is written where, and what goes (config-linux.md, "IntelRdt")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import unwinding
from runtime.container.resctrl import enter_class, leave_class, resctrl_of
from runtime.spec.config import parse_config
from runtime.spec.rdt import parse_rdt
from runtime.spec.reader import SpecError

if TYPE_CHECKING:
    from pathlib import Path

PID = 4711
MOUNTED = "30 23 0:25 / /sys rw - sysfs sysfs rw\n99 30 0:77 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n"


def enter(top: Path, **wanted: Any) -> unwinding.ExitStack:
    undo = unwinding.ExitStack()
    try:
        enter_class(undo, str(top), "box", parse_rdt(wanted), PID)
    except SpecError:
        undo.close()
        raise
    return undo


def leave(top: Path, **wanted: Any) -> None:
    # The kernel takes the files of a directory with it; here somebody has to.
    for file in [path for path in top.rglob("*") if path.is_file() and path.parent != top]:
        file.unlink()
    leave_class(str(top), "box", parse_rdt(wanted))


def named(top: Path, schemata: str = "") -> Path:
    """A class that is there before."""
    (top / "named/mon_groups").mkdir(parents=True)
    (top / "named/schemata").write_text(schemata)
    return top / "named"


def tasks(directory: Path) -> str:
    return (directory / "tasks").read_text()


def test_the_process_is_put_into_its_class(tmp_path: Path) -> None:
    enter(tmp_path, l3CacheSchema="L3:0=f")
    assert tasks(tmp_path / "box") == str(PID)


def test_it_is_where_it_is_mounted() -> None:
    assert resctrl_of(MOUNTED) == "/sys/fs/resctrl"


def test_without_a_mount_there_is_no_class() -> None:
    with pytest.raises(SpecError, match=r"^linux\.intelRdt: no resctrl filesystem is mounted on this host$"):
        resctrl_of("30 23 0:25 / /sys rw - sysfs sysfs rw\n")


def test_without_a_wish_nothing_is_parsed() -> None:
    config = parse_config({"ociVersion": "1.3.0", "root": {"path": "r"}, "linux": {}})
    assert config.linux.intel_rdt is None


def test_the_root_is_the_class_of_everybody(tmp_path: Path) -> None:
    (tmp_path / "schemata").write_text("L3:0=f\n")
    enter(tmp_path, closID="/")
    assert tasks(tmp_path) == str(PID)


@pytest.mark.parametrize(
    "wanted",
    [
        {"memBwSchema": "L3:0=f"},
        {"memBwSchema": "MB:0=20\nMB:1=30"},
        {"l3CacheSchema": "L3:0=f\n"},
        {"schemata": ["L3:0=f", "L2:0=f\nMB:0=1"]},
    ],
)
def test_a_line_is_one_line_of_its_kind(wanted: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"^linux\.intelRdt\.(memBwSchema|l3CacheSchema|schemata\[1\]): "):
        parse_rdt(wanted)


@pytest.mark.parametrize("name", ["a/b", "..", "."])
def test_a_class_is_one_name(name: str) -> None:
    with pytest.raises(SpecError, match=r"^linux\.intelRdt\.closID: "):
        parse_rdt({"closID": name})


def test_lines_are_written_in_their_order(tmp_path: Path) -> None:
    enter(tmp_path, schemata=["L2:0=f", "L3:1=1"], memBwSchema="MB:0=20", l3CacheSchema="L3:0=7f0")
    written = (tmp_path / "box/schemata").read_text().split()
    assert written == ["L3:0=7f0", "MB:0=20", "L2:0=f", "L3:1=1"]


def test_a_class_without_lines_is_not_written_to(tmp_path: Path) -> None:
    enter(tmp_path)
    assert not (tmp_path / "box/schemata").exists()


def test_without_a_name_the_class_has_the_containers_id(tmp_path: Path) -> None:
    enter(tmp_path)
    assert tasks(tmp_path / "box") == str(PID)


def test_a_class_that_is_described_is_made(tmp_path: Path) -> None:
    enter(tmp_path, closID="new", schemata=["L3:0=f"])
    assert (tmp_path / "new/schemata").read_text() == "L3:0=f\n"


def test_a_class_that_is_there_must_be_the_same(tmp_path: Path) -> None:
    named(tmp_path, "    MB:0=100;1=100\n    L3:0=00f0;1=001f\n")
    enter(tmp_path, closID="named", l3CacheSchema="L3:0=f0")
    with pytest.raises(SpecError, match=r"closID: .*another share of L3$"):
        enter(tmp_path, closID="named", l3CacheSchema="L3:0=ff")
    with pytest.raises(SpecError, match=r"closID: .*another share of L2$"):
        enter(tmp_path, closID="named", schemata=["L2:0=f"])


def test_a_class_without_lines_must_be_there(tmp_path: Path) -> None:
    named(tmp_path)
    enter(tmp_path, closID="named")
    with pytest.raises(SpecError, match=r'closID: there is no class of service "none", and none is described$'):
        enter(tmp_path, closID="none")


def test_its_own_class_goes_with_the_container(tmp_path: Path) -> None:
    enter(tmp_path, l3CacheSchema="L3:0=f")
    leave(tmp_path, l3CacheSchema="L3:0=f")
    assert not (tmp_path / "box").exists()


def test_a_named_class_stays(tmp_path: Path) -> None:
    enter(tmp_path, closID="new", schemata=["L3:0=f"])
    leave(tmp_path, closID="new", schemata=["L3:0=f"])
    assert (tmp_path / "new").exists()


def test_a_monitoring_group_is_the_containers(tmp_path: Path) -> None:
    group = named(tmp_path) / "mon_groups/box"
    enter(tmp_path, closID="named", enableMonitoring=True)
    assert tasks(group) == str(PID)
    leave(tmp_path, closID="named", enableMonitoring=True)
    assert not group.exists()


def test_a_monitoring_group_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (named(tmp_path) / "mon_groups").rmdir()
    with pytest.raises(SpecError, match=r"^linux\.intelRdt: .*mon_groups/box: no such file or directory$"):
        enter(tmp_path, closID="named", enableMonitoring=True)
