"""What ``bench clean`` takes for ours, and that it leaves the rest alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.cleaning import our_processes
from bench.context import Roots

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEP = "import sys, time; print('up', flush=True); time.sleep(120)"


def running(*arguments: str, before: str = "") -> subprocess.Popen[bytes]:
    """A process with these words in its command line, once it is up."""
    child = subprocess.Popen([sys.executable, "-c", before + SLEEP, *arguments], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    child.stdout.close()
    return child


def is_ours(child: subprocess.Popen[bytes], roots: Roots) -> bool:
    return child.pid in dict(our_processes(roots))


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(tmp_path / "data", tmp_path / "run")


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for child in made:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (("runtime.process.launcher", "tare:20300101-000000-abcd"), True),
        (("runtime.process.launcher", "other:1"), False),
        (("tare:20300101-000000-abcd",), False),
        (("qemu-system-x86_64", "-name", "guest=somebody"), False),
        (("qemu-system-x86_64", "file=RUN/20300101/disk"), True),
        (("dockerd", "--exec-root", "RUN/20300101/docker/exec"), True),
        (("dockerd", "--exec-root", "/run/docker"), False),
        (("vim", "RUN/notes"), False),
    ],
)
def test_ours_by_the_command_line(
    words: tuple[str, ...], ours: bool, roots: Roots, children: list[subprocess.Popen[bytes]]
) -> None:
    children.append(running(*(word.replace("RUN", str(roots.run)) for word in words)))
    assert is_ours(children[0], roots) is ours


@pytest.mark.root
@pytest.mark.parametrize(("place", "ours"), [("runs/20300101/root", True), ("elsewhere/root", False)])
def test_ours_by_the_root_directory(
    place: str, ours: bool, roots: Roots, children: list[subprocess.Popen[bytes]]
) -> None:
    root = roots.data / place
    root.mkdir(parents=True)
    children.append(running(before=f"import os, time; os.chroot({str(root)!r}); "))
    assert is_ours(children[0], roots) is ours


@pytest.mark.root
@pytest.mark.parametrize(("group", "ours"), [("tare", True), ("tareless", False)])
def test_ours_by_the_control_group(
    group: str, ours: bool, roots: Roots, children: list[subprocess.Popen[bytes]]
) -> None:
    mount = Path("/sys/fs/cgroup/pids") if Path("/sys/fs/cgroup/pids").is_dir() else Path("/sys/fs/cgroup")
    directory = mount / group / f"test-{os.getpid()}"
    directory.mkdir(parents=True)
    try:
        children.append(running())
        (directory / "cgroup.procs").write_text(str(children[0].pid))
        assert is_ours(children[0], roots) is ours
    finally:
        for child in children:
            child.kill()
            child.wait()
        directory.rmdir()
        if not any(path.is_dir() for path in directory.parent.iterdir()):
            directory.parent.rmdir()


def test_never_ourselves(roots: Roots) -> None:
    program = (
        "import os, sys; from pathlib import Path; from bench.cleaning import our_processes;"
        "from bench.context import Roots;"
        "print(os.getpid() in dict(our_processes(Roots(Path('/nowhere'), Path(sys.argv[1])))))"
    )
    words = [str(roots.run), "runtime.process.launcher", "tare:1"]
    shown = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
