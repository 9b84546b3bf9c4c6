"""A start that fails says in one sentence what and why, and leaves nothing: no group, directory, link or process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.process.client import LauncherError
from runtime.spec.container import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.containers import Ground

pytestmark = pytest.mark.root


def refusal(ground: Ground, *argv: str, **changes: Any) -> str:
    """What a launch of this process is refused with; afterwards nothing is left and another one works."""
    with pytest.raises(LauncherError) as caught:
        ground.run(*argv, **changes)
    children = Path(f"/proc/{ground.launcher.pid}/task/{ground.launcher.pid}/children")
    assert children.read_text() == ""
    assert ground.leftovers() == []
    assert ground.run("true").status == 0
    message = str(caught.value)
    assert "\n" not in message
    assert "Errno" not in message
    return message


@pytest.mark.parametrize(
    ("argv", "changes", "words"),
    [
        (("nothing",), {}, "execute nothing: "),
        (("/bin/nothing",), {}, "execute /bin/nothing: no such file or directory"),
        (("/etc/passwd",), {}, "execute /etc/passwd: permission denied"),
        (("/bin",), {}, "execute /bin: permission denied"),
        (("true",), {"cwd": "/etc/passwd"}, "enter /etc/passwd: not a directory"),
        (("true",), {"cwd": "/etc/passwd/below"}, "make /etc/passwd/below: not a directory"),
    ],
)
def test_a_process_that_cannot_start(
    ground: Ground, argv: tuple[str, ...], changes: dict[str, Any], words: str
) -> None:
    assert refusal(ground, *argv, **changes).startswith(words)


def test_a_layer_that_is_not_there(ground: Ground) -> None:
    spec = ground.spec(ground.process("true"))
    with pytest.raises(LauncherError, match=r"^mount overlay on .*rootfs \(nodev\): no such file or directory$"):
        ground.launcher.launch(replace(spec, rootfs=replace(spec.rootfs, lower=("/nowhere",))))
    assert ground.leftovers() == []


def test_more_layers_than_fit_one_mount(ground: Ground) -> None:
    spec = ground.spec(ground.process("true"))
    lower = tuple(map(str, ground.layers)) * 60
    with pytest.raises(LauncherError, match=r"^overlay 60 layers: their paths do not fit 4096 bytes$"):
        ground.launcher.launch(replace(spec, rootfs=replace(spec.rootfs, lower=lower)))
    assert ground.leftovers() == []


def test_a_hostname_that_is_too_long(ground: Ground) -> None:
    with pytest.raises(LauncherError, match=r"^set the hostname: invalid argument$"):
        ground.launcher.launch(ground.spec(ground.process("true"), hostname="x" * 65))
    assert ground.leftovers() == []


def test_a_control_group_that_is_taken(ground: Ground) -> None:
    with ground.running() as (spec, _):
        other = ground.spec(ground.process("true"), cgroup=spec.cgroup)
        with pytest.raises(LauncherError, match=rf"^create cgroup .*/{spec.cgroup}: file exists$"):
            ground.launcher.launch(other)
        assert ground.execute(spec.id, "true")[0] == 0
        assert not Path(other.directory).exists()


def test_a_control_group_whose_parent_is_missing(ground: Ground) -> None:
    with pytest.raises(LauncherError, match=r"^create cgroup .*/missing/x: no such file or directory$"):
        ground.launcher.launch(ground.spec(ground.process("true"), cgroup=f"{ground.group}/missing/x"))
    assert ground.leftovers() == []


def test_a_limit_that_the_kernel_refuses(ground: Ground) -> None:
    with pytest.raises(LauncherError, match=r"^write 10 to .*cpu.*: invalid argument$"):
        ground.launcher.launch(ground.spec(ground.process("true"), resources=Resources(cpus=0.0001)))
    assert ground.leftovers() == []


def test_a_directory_that_is_taken(ground: Ground) -> None:
    with ground.running() as (spec, _):
        other = ground.spec(ground.process("true"), directory=spec.directory)
        with pytest.raises(LauncherError, match=rf"^make directory {spec.directory}: file exists$"):
            ground.launcher.launch(other)
        assert Path(spec.rootfs.upper).is_dir()


def test_a_directory_whose_parent_is_missing(ground: Ground) -> None:
    other = ground.spec(ground.process("true"), directory="/nowhere/at/all")
    with pytest.raises(LauncherError, match=r"^make directory /nowhere/at/all: no such file or directory$"):
        ground.launcher.launch(other)
    assert ground.leftovers() == []


@pytest.mark.parametrize("kind", ["launch", "execute", "spawn"])
def test_a_name_that_is_taken(ground: Ground, kind: str, tmp_path: Path) -> None:
    launcher, process = ground.launcher, ground.process("true")
    with ground.running() as (spec, pid):
        again: dict[str, Callable[[], int]] = {
            "launch": lambda: launcher.launch(ground.spec(process, id=spec.id)),
            "execute": lambda: launcher.execute(spec.id, spec.id, process, 1, 2),
            "spawn": lambda: launcher.spawn(spec.id, Path("/"), process, tmp_path / "log"),
        }
        with pytest.raises(LauncherError, match=rf"^start {spec.id}: the name is taken$"):
            again[kind]()
        assert ground.cgroup(spec).pids() == (pid,)
