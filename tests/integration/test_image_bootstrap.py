"""Base images of the distribution's packages: one real one, and how it ends when it does not end well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.image.bootstrap import BootstrapOptions, bootstrap
from runtime.image.errors import BootstrapError, ImageNotFound
from runtime.image.store import ImageStore
from tests.conftest import ROOT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.root]

MAKE = """
import sys
from pathlib import Path
from runtime.image.bootstrap import BootstrapOptions, bootstrap
from runtime.image.store import ImageStore
bootstrap(ImageStore(Path(sys.argv[1])), "base:1", BootstrapOptions(suite=sys.argv[2]), print)
"""


def host_suite() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def pretend(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An mmdebstrap that does this; the archive that it is to make is its last argument but one."""
    programs = directory / "programs"
    programs.mkdir()
    program = programs / "mmdebstrap"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def make(root: Path, deadline_s: float = 60) -> None:
    bootstrap(ImageStore(root), "base:1", BootstrapOptions(suite=host_suite(), deadline_s=deadline_s))


def left_in(root: Path) -> list[Path]:
    return list((root / "bootstrap").iterdir())


def running(mark: str) -> list[str]:
    """Processes with this in their command line, but for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if mark.encode() in words and path.parent.name != str(os.getpid()):
            found.append(path.parent.name)
    return found


@pytest.mark.slow
def test_a_base_image_of_packages(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    told: list[str] = []
    options = BootstrapOptions(suite=host_suite(), include=("hello",))
    image = bootstrap(store, "base:1", options, told.append)
    assert image.config.cmd == ("bash",)
    assert image.config.env[0].startswith("PATH=/usr/local/sbin:")
    assert "--include hello" in image.config.history[0].created_by
    assert any("apt-get update" in line for line in told)
    (tree,) = store.unpack(store.resolve("base:1"))
    assert (tree / "usr/bin/hello").exists()
    assert (tree / "usr/sbin/policy-rc.d").stat().st_mode & 0o777 == 0o755
    assert (tree / "etc/hostname").read_bytes() == (tree / "etc/resolv.conf").read_bytes() == b""
    assert not (tree / "etc/apt/apt.conf.d/99mmdebstrap").exists()
    assert not list((tree / "var/cache/apt").glob("*.bin"))
    (sources,) = (tree / "etc/apt/sources.list.d").iterdir()
    assert f"Suites: {host_suite()}" in sources.read_text()
    assert subprocess.run(("chroot", str(tree), "hello"), capture_output=True, check=True).stdout.startswith(b"Hello")
    assert left_in(tmp_path) == []


def test_without_a_way_to_the_mirror_it_says_so(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, host_suite(), under=("unshare", "--net"))
    _, errors = done.communicate(timeout=120)
    assert "BootstrapError: make a base of" in errors
    assert "the mirrors of apt cannot be reached" in errors
    assert left_in(tmp_path) == []


def in_a_process(root: Path, suite: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (*under, sys.executable, "-c", MAKE, str(root), suite),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_it_complains_about_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, monkeypatch, "echo 'E: no such package'; echo 'E: that failed'; exit 25")
    with pytest.raises(BootstrapError, match="no such package"):
        make(tmp_path)
    with pytest.raises(ImageNotFound):
        ImageStore(tmp_path).resolve("base:1")
    assert left_in(tmp_path) == []


def test_it_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"sleep 7{os.getpid()}"
    pretend(tmp_path, monkeypatch, f"(exec -a '{mark}' sleep 1000) & touch $TMPDIR/half; wait")
    with pytest.raises(BootstrapError, match="takes too long"):
        make(tmp_path, deadline_s=0.5)
    assert left_in(tmp_path) == []
    assert running(mark) == []


def test_a_killed_one_takes_its_processes_along_and_the_next_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"sleep 8{os.getpid()}"
    pretend(tmp_path, monkeypatch, f"echo begun; exec -a '{mark}' sleep 1000")
    process = in_a_process(tmp_path, host_suite())
    try:
        assert process.stdout is not None
        assert eventually(lambda: bool(running(mark)), timeout_s=60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert eventually(lambda: running(mark) == [], timeout_s=60)
    assert len(left_in(tmp_path)) == 1
    (tmp_path / "programs/mmdebstrap").write_text("#!/bin/bash\nexit 3\n")
    with pytest.raises(BootstrapError, match="ended with 3"):
        make(tmp_path)
    assert left_in(tmp_path) == []
