"""The danger that is ours alone: an image full of files with our modules' and libraries' names.

A runtime in an interpreted language that imports a module, loads a library or starts an interpreter once its root is
the image's runs the image's code with its own rights. Ours runs nothing of the kind in the container: what happens
between the change of root and the program is a table of system calls. That is asked of the kernel, by strace(1): no
file is opened and no program executed in between, except what the configuration names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import naive_runtime, run_detached
from tests.support.bundle import is_ours, runtime_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

HOME = Path(__file__).parents[3]
LIBRARIES = ("libc.so.6", "libseccomp.so.2", "libnss_files.so.2", "libnss_evil.so.2", "libpthread.so.0", "libm.so.6",
             "libdl.so.2", "libexpat.so.1", "libz.so.1", "libffi.so.8", "libcrypto.so.3")  # fmt: skip
LIBRARY_PLACES = ("lib", "lib64", "lib/x86_64-linux-gnu", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/local/lib")
PROGRAMS = ("usr/bin/python3", "usr/bin/python3.11", "usr/local/bin/python3", "usr/sbin/runc", "usr/sbin/ldconfig",
            "usr/bin/env", "usr/bin/newuidmap", "usr/sbin/nft")  # fmt: skip
PAYLOAD = "open('/mark-module', 'w').close()\n"


def fill(box: Bundle, programs: Callable[[str], Path]) -> None:
    """Everything that a runtime might load, in the place where it would look for it."""
    library = programs("mark")
    for place in LIBRARY_PLACES:
        (box.rootfs / place).mkdir(parents=True, exist_ok=True)
        for name in LIBRARIES:
            shutil.copy(library, box.rootfs / place / name)
    (box.rootfs / "etc/ld.so.preload").write_text("/lib/libc.so.6\n")
    (box.rootfs / "etc/nsswitch.conf").write_text("passwd: evil\ngroup: evil\nhosts: evil\n")
    (box.rootfs / "usr/lib/locale").mkdir()
    (box.rootfs / "usr/lib/locale/locale-archive").write_bytes(b"\xde\xad" * 4096)
    for name in PROGRAMS:
        (box.rootfs / name).parent.mkdir(parents=True, exist_ok=True)
        (box.rootfs / name).write_text("#!/bin/sh\n: > /mark-program\n")
        (box.rootfs / name).chmod(0o755)
    for place in module_places():
        for name in module_names():
            file = box.rootfs / place.lstrip("/") / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(PAYLOAD)


def module_places() -> list[str]:
    """Where this interpreter and the runtime's look for modules."""
    standard = sysconfig.get_paths()["stdlib"]
    return ["/", "/root", standard, f"{standard}/lib-dynload", "/usr/lib/python3/dist-packages", str(HOME)]


def module_names() -> list[str]:
    """The standard library's, the hooks of an interpreter's start, and ours."""
    names = [f"{name}.py" for name in sys.stdlib_module_names if name != "this"]
    ours = [str(path.relative_to(HOME)) for path in (HOME / "runtime").rglob("*.py")]
    return [*names, *ours, "sitecustomize.py", "usercustomize.py", "encodings/__init__.py", "encodings/utf_8.py",
            "encodings/ascii.py", "encodings/idna.py", "ctypes/__init__.py", "json/__init__.py"]  # fmt: skip


def marks(box: Bundle) -> list[str]:
    return sorted(path.name for path in box.rootfs.glob("mark-*"))


ENVIRONMENT = ["PATH=/bin", "PYTHONPATH=/", "PYTHONHOME=/usr", "PYTHONSTARTUP=/json/__init__.py",
               "LD_PRELOAD=/lib/libc.so.6", "LD_LIBRARY_PATH=/lib", "LOCPATH=/usr/lib/locale",
               "GCONV_PATH=/lib"]  # fmt: skip


def test_the_naive_runtime_runs_the_image_s_module(
    box: Bundle, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    fill(box, programs)
    with naive_runtime(tmp_path):
        assert box.shell("exit 3").returncode == 3
    assert "mark-module" in marks(box)


def test_the_image_s_library_leaves_a_mark_where_it_is_loaded(box: Bundle, programs: Callable[[str], Path]) -> None:
    """The witness of the others: a program of the host's, started in the image with its own libraries, loads it too."""
    fill(box, programs)
    (box.rootfs / "real").mkdir()
    listing = subprocess.run(("ldd", "/bin/true"), capture_output=True, text=True, check=True).stdout
    for word in ("/bin/true", *(word for word in listing.split() if word.startswith("/"))):
        shutil.copy(word, box.rootfs / "real")
    loader = next(f"/real/{path.name}" for path in (box.rootfs / "real").iterdir() if path.name.startswith("ld-"))
    command = ("chroot", box.rootfs, loader, "--library-path", "/real", "/real/true")
    subprocess.run(command, env={"LD_PRELOAD": "/lib/libseccomp.so.2", "PATH": os.environ["PATH"]}, check=True)
    assert "mark-library" in marks(box)


@pytest.mark.parametrize("cwd", ["/", "/root"])
def test_nothing_of_the_image_is_loaded_by_run_or_exec(
    box: Bundle, programs: Callable[[str], Path], cwd: str
) -> None:
    fill(box, programs)
    box.config["process"] |= {"cwd": cwd, "env": ENVIRONMENT}
    assert box.shell("exit 3").returncode == 3
    assert box.run("/nothing").returncode != 0
    name, status = run_detached(box, "sleep", "1000")
    assert status == 0
    assert box.call("exec", "--cwd", cwd, name, "sh", "-c", "exit 4").returncode == 4
    assert box.call("exec", name, "/nothing").returncode != 0
    assert marks(box) == []


# What takes a path, and so may be led to the image (syscalls(2)).
_TAKES_A_PATH = re.compile(
    r"^(open|openat|openat2|execve|execveat|stat|lstat|newfstatat|statx|access|faccessat2?|readlink|readlinkat|open_tree|"
    r"chdir|mmap|getdents64)\("
)
EXECUTED = re.compile(r'^execve\("/bin/true".* = 0$')
_CHANGES_ROOT = re.compile(r"^(pivot_root|chroot|setns\(.*CLONE_NEWNS)")


def trace(box: Bundle, directory: Path, *argv: str) -> list[list[str]]:
    """Of every process that changed its root, or was born in the container: the calls that take a path from then on."""
    directory.mkdir()
    command = ["strace", "-ff", "-s", "200", "-o", f"{directory}/trace", runtime_path(), "--root", str(box.state_root)]
    done = subprocess.run([*command, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = []
    for file in sorted(directory.iterdir()):
        lines = file.read_text(errors="replace").splitlines()
        changes = [number for number, line in enumerate(lines) if _CHANGES_ROOT.match(line)]
        if not changes and any(EXECUTED.match(line) for line in lines):
            changes = [-1]
        if changes:
            found.append([line for line in lines[changes[-1] + 1 :] if _TAKES_A_PATH.match(line)])
    return found


def until_program(traces: list[list[str]], times: int = 1) -> list[str]:
    """All these calls up to the one that executes the container's program, which is left out."""
    ends = [next((at for at, call in enumerate(calls) if EXECUTED.match(call)), None) for calls in traces]
    assert sum(end is not None for end in ends) == times, "the program was not seen to be executed"
    return [call for calls, end in zip(traces, ends, strict=True) for call in calls[:end]]


def interpreters_inside(directory: Path) -> list[str]:
    """Traces of processes that changed their root, or joined a container's, before they executed the sealed program."""
    found = []
    for file in directory.iterdir():
        lines = [line for line in file.read_text(errors="replace").splitlines() if _BECOMES.match(line)]
        if lines and not lines[0].startswith("execveat("):
            found.append(lines[0])
    return found


_BECOMES = re.compile(r"^(pivot_root|chroot|setns\(.*CLONE_NEW(NS|PID)|execveat)")

ALLOWED = (
    re.compile(r'^chdir\("(/|/tmp)"\)'),
    re.compile(r'^faccessat2\(AT_FDCWD, "/(s?bin|usr/s?bin)/true", X_OK'),
    re.compile(r'^execve\("/(s?bin|usr/s?bin)/true", .* = -1 ENOENT'),
    re.compile(r'^openat2?\(AT_FDCWD, "/", O_RDONLY\|O_CLOEXEC\|O_PATH\|O_DIRECTORY|^openat2?\(AT_FDCWD, "/", O_PATH'),
    re.compile(r'^openat2\(\d+, "tmp", \{flags=O_RDONLY\|O_CLOEXEC\|O_PATH|^openat2\(.*"\.?", .*O_PATH'),
)


def foreign(calls: list[str]) -> list[str]:
    return [call for call in calls if not any(pattern.match(call) for pattern in ALLOWED)]


def test_the_naive_runtime_opens_files_of_the_image_s(
    box: Bundle, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    fill(box, programs)
    box.config["process"]["args"] = ["true"]
    box.write()
    with naive_runtime(tmp_path):
        traces = trace(box, tmp_path / "trace", "run", "--bundle", str(box.directory), box.new_id())
    assert any("stringprep.py" in call for call in foreign(until_program(traces)))
    assert interpreters_inside(tmp_path / "trace")


def test_nothing_is_opened_or_executed_between_the_change_of_root_and_the_program(
    box: Bundle, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    if not is_ours():
        pytest.skip("a promise of this project's runtime only")
    fill(box, programs)
    box.config["process"] |= {"args": ["true"], "cwd": "/tmp", "env": ["PATH=/sbin:/bin"]}
    (box.rootfs / "bin/true").unlink()
    shutil.copy(box.rootfs / "bin/busybox", box.rootfs / "bin/true")
    box.write()
    traces = trace(box, tmp_path / "trace", "run", "--bundle", str(box.directory), box.new_id())
    assert foreign(until_program(traces)) == []
    assert interpreters_inside(tmp_path / "trace") == []


def test_nothing_is_opened_or_executed_between_entering_a_container_and_the_program(
    box: Bundle, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    if not is_ours():
        pytest.skip("a promise of this project's runtime only")
    fill(box, programs)
    name, _ = run_detached(box, "sleep", "1000")
    traces = trace(box, tmp_path / "trace", "exec", "--cwd", "/tmp", name, "/bin/true")
    assert foreign(until_program(traces)) == []
    assert interpreters_inside(tmp_path / "trace") == []


@pytest.mark.parametrize("moment", ["createContainer", "startContainer"])
def test_nothing_is_opened_or_executed_between_entering_a_container_and_a_hook(
    box: Bundle, tmp_path: Path, programs: Callable[[str], Path], moment: str
) -> None:
    if not is_ours():
        pytest.skip("a promise of this project's runtime only")
    fill(box, programs)
    box.config["hooks"] = {moment: [{"path": "/bin/true"}]}
    box.config["process"]["args"] = ["/bin/true"]
    box.write()
    traces = trace(box, tmp_path / "trace", "run", "--bundle", str(box.directory), box.new_id())
    assert foreign(until_program(traces, times=2)) == []
    assert interpreters_inside(tmp_path / "trace") == []
    assert marks(box) == []
