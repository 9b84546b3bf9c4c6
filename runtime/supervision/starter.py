"""Start the supervisor's process, and wait until it serves."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import runtime
from runtime.process.sealed import sealed_copy
from runtime.supervision.errors import SupervisionError
from runtime.supervision.main import BUSY, READY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.supervision.record import Root

# -I -S: nothing of the environment and no site-packages, so that the process stays as small as its own imports.
_BOOTSTRAP = (
    "import sys; sys.path += [sys.argv.pop(-2), sys.argv.pop()]; from runtime.supervision.main import main; main()"
)
_BUSY_PAUSE_S = 0.05
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def start_supervisor(root: Root, idle_s: float, backstage: str) -> None:
    """Return when it serves, or when another is there, which perhaps is about to end; raises `SupervisionError`.

    Its executable is a sealed copy (CVE-2019-5736), its session its own; ``ps`` shows the root directory at its end.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(runtime.__file__)))
    hears, says = os.pipe2(os.O_CLOEXEC)
    try:
        arguments = [str(says), str(idle_s), backstage, root.path, home, _site_packages()]
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOTSTRAP, *arguments]
        with sealed_copy(sys.executable) as program:
            started = subprocess.Popen(
                command, executable=program, pass_fds=(says,), start_new_session=True, cwd="/", env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            os.close(says)
            says = -1
            said = _read_all(hears)
        started.wait()
    finally:
        for fd in {hears, says} - {-1}:
            os.close(fd)
    if said == BUSY:
        time.sleep(_BUSY_PAUSE_S)
    elif said != READY:
        reason = said.decode(errors="replace") or f"it ended at once (see {root.path}/supervisor.log)"
        raise SupervisionError(f"start the supervisor of {root.path}: {reason}")


def _site_packages() -> str:
    """Where what is backstage may find libraries, which are not imported before they are needed."""
    return next((path for path in sys.path if path.endswith("-packages")), "/nonexistent")


def _read_all(fd: int) -> bytes:
    said = b""
    while more := os.read(fd, 4096):
        said += more
    return said
