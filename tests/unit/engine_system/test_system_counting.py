"""Sizes, shares and columns are computed as Docker and du compute them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtime.engine.container import Container
from runtime.engine.descent import Descent, walk
from runtime.engine.errors import EngineError
from runtime.engine.filters import matches_labels
from runtime.engine.sizes import tree_bytes
from runtime.engine.stats import Sample, compare
from runtime.engine.top import parse

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.engine.engine import Engine


def test_files_count_once_and_links_and_directories_not(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(bytes(100))
    (tmp_path / "a/b/other").write_bytes(bytes(10))
    os.link(tmp_path / "a/file", tmp_path / "a/b/again")
    (tmp_path / "a/way-out").symlink_to("/usr")
    assert tree_bytes(str(tmp_path)) == 110 + len("/usr")
    assert tree_bytes(str(tmp_path / "absent")) == 0


def test_a_tree_deeper_than_any_path_and_any_recursion_is_counted(tmp_path: Path) -> None:
    depth = 3000
    with Descent(str(tmp_path)) as place:
        for _ in range(depth):
            os.mkdir("d" * 20, dir_fd=place.fd)
            place.enter("d" * 20)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=place.fd))
        assert place.depth == depth
    assert sum(1 for _ in walk(str(tmp_path))) == depth + 1
    from runtime.engine.directories import remove_tree

    remove_tree(str(tmp_path), "d" * 20)  # pytest's own removal is a recursion


def test_a_directory_that_is_moved_away_does_not_lead_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "one/two").mkdir(parents=True)
    outside.mkdir()
    with Descent(str(inside)) as place:
        place.enter("one")
        place.enter("two")
        (inside / "one/two").rename(outside / "two")
        with pytest.raises(OSError, match="moved while it was read"):
            place.leave()


def test_links_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with Descent(str(tmp_path)) as place, pytest.raises(NotADirectoryError):
        place.enter("link")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((), True), (("a",), True), (("a=1",), True), (("a=2",), False), (("a", "b"), False), (("!b",), True),
        (("!a",), False), (("!a=2",), True), (("!a=1",), False), (("a=",), False),
    ],
)  # fmt: skip
def test_labels(wanted: tuple[str, ...], expected: bool) -> None:
    assert matches_labels({"a": "1"}, wanted) is expected


def test_the_share_of_the_processors_is_of_one(engine: Engine) -> None:
    container = Container(engine.home, {"id": "c" * 64, "name": "one"})
    before = Sample(0, cpu_ns=100, host_cpu_ns=1000, online_cpus=2)
    now = Sample(1, cpu_ns=300, host_cpu_ns=2000, online_cpus=2, memory_bytes=25, memory_limit_bytes=100)
    line = compare(container, before, now)
    assert (line.cpu_percent, line.memory_percent, line.name) == (40.0, 25.0, "one")
    assert compare(container, None, now).cpu_percent == 0
    assert compare(container, now, before).cpu_percent == 0


_PS = """\
UID          PID    PPID CMD
root          17       1 sh -c  sleep 1; true
root         170       1 other
root          18      17 sleep   1
"""


def test_lines_of_the_containers_processes_alone() -> None:
    table = parse(_PS, {17, 18})
    assert table.titles == ("UID", "PID", "PPID", "CMD")
    assert table.processes == (("root", "17", "1", "sh -c  sleep 1; true"), ("root", "18", "17", "sleep   1"))


@pytest.mark.parametrize("output", ["", "COMMAND\nsh\n"])
def test_without_a_column_of_pids_there_is_nothing_to_tell_them_by(output: str) -> None:
    with pytest.raises(EngineError, match="Couldn't find PID field"):
        parse(output, {17})
