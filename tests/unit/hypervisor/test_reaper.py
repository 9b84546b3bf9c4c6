from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from hypervisor.reaper import Reaper

# Starts a grandchild, says its pid and ends: the grandchild is then the subreaper's.
ORPHANER = (
    "import subprocess as s, sys;"
    "print(s.Popen([sys.argv[1], '60'], stdout=-3, stderr=-3, start_new_session=bool(sys.argv[2])).pid)"
)


def orphan(program: str = "sleep", *, daemon: bool = False) -> int:
    done = subprocess.run(
        [sys.executable, "-c", ORPHANER, program, "s"[: int(daemon)]], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def gone(pid: int) -> bool:
    """Whether the process has left the table within a few seconds; a zombie has not."""
    for _ in range(250):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_watched_orphan_leaves_no_zombie() -> None:
    with Reaper() as reaper:
        pid = orphan()
        reaper.watch(pid)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)


def test_an_unknown_qemu_is_swept_up_once_it_is_a_daemon(tmp_path: Path) -> None:
    program = tmp_path / "qemu-system-test"
    program.symlink_to("/bin/sleep")
    with Reaper() as reaper, reaper.sweeping():
        pid = orphan(str(program), daemon=True)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)


def test_a_qemu_that_libvirt_waits_for_itself_is_left_to_it(tmp_path: Path) -> None:
    """It is in our session; one that has the status must be the one who asked for it."""
    program = tmp_path / "qemu-system-test"
    program.symlink_to("/bin/false")
    child = subprocess.Popen([program])
    with Reaper() as reaper, reaper.sweeping():
        time.sleep(0.3)
    assert child.wait() == 1


def test_other_peoples_children_are_left_to_them() -> None:
    with Reaper() as reaper:
        child = subprocess.Popen(["sh", "-c", "exit 7"])
        pid = orphan()
        reaper.watch(pid)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        assert child.wait() == 7


def test_a_pid_that_is_gone_or_not_ours_does_no_harm() -> None:
    with Reaper() as reaper:
        reaper.watch(2**22 + 1)
        reaper.watch(1)
        reaper.watch(1)


def test_after_closing_orphans_go_where_they_went_before() -> None:
    reaper = Reaper()
    reaper.close()
    reaper.close()
    pid = orphan()
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    assert parent != os.getpid()


def test_watching_after_closing_is_ignored() -> None:
    reaper = Reaper()
    reaper.close()
    reaper.watch(os.getpid())
