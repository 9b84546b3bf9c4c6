"""Embedded and system libvirt: what is opened, what is left, and what a killed process leaves to find."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.connection import Connection
from hypervisor.domain import DomainState
from hypervisor.errors import HypervisorError
from hypervisor.leftovers import leftovers

if TYPE_CHECKING:
    from hypervisor.guest.build import Guest
    from tests.support.machines import Machines

pytestmark = [pytest.mark.vm, pytest.mark.root]

# Starts a domain on its own embedded libvirt, says so, and waits to be killed.
KILLED = """\
import sys, time
from pathlib import Path
from hypervisor.connection import Connection
from hypervisor.guest.build import Guest
from tests.support.machines import Machines
run, data, kernel, initrd, disk, bridge = sys.argv[1:]
connection = Connection(Path(run), Path(data), "embedded")
machines = Machines(connection, Path(run), Guest(Path(kernel), Path(initrd), Path(disk)), bridge)
domain = machines.domain(4)
domain.start()
print(domain.pid, flush=True)
time.sleep(600)
"""
# In a mount namespace with libvirt's directories of its own: starts the daemons, runs a machine, ends them.
SYSTEM = """\
import subprocess, sys, time
from pathlib import Path
from hypervisor.connection import Connection, system_libvirtd_runs
from hypervisor.guest.build import Guest
from tests.support.machines import Machines, ask
run, data, kernel, initrd, disk, bridge = sys.argv[1:]
from hypervisor.reaper import Reaper
reaper = Reaper()
sweeping = reaper.sweeping()
sweeping.__enter__()
daemons = [subprocess.Popen([name], stderr=subprocess.DEVNULL) for name in ("virtlogd", "libvirtd")]
try:
    for _ in range(300):
        if system_libvirtd_runs():
            break
        time.sleep(0.1)
    with Connection(Path(run), Path(data)) as connection:
        machines = Machines(connection, Path(run), Guest(Path(kernel), Path(initrd), Path(disk)), bridge)
        domain = machines.domain(5)
        domain.start()
        print(connection.uri, ask(domain), domain.exec(["busybox", "id", "-u"]).stdout, domain.stats().processes)
        pid, log = domain.pid, connection.qemu_log(domain.name)
        domain.stop()
        print(domain.state, domain.exit_status())
        domain.remove()
        print(Path(f"/proc/{pid}").exists(), log.exists(), connection.handle.listAllDomains())
        left = machines.domain(6)
        left.start()
        pid = left.pid
    with Connection(Path(run), Path(data)) as connection:
        print(Path(f"/proc/{pid}").exists(), connection.handle.listAllDomains())
finally:
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait()
"""
PRIVATE = """\
for folder in /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
    [ -d $folder ] || { mkdir $folder && echo $folder >>"$MADE"; }
    mount -t tmpfs -o mode=0755 private $folder
done
# As the embedded driver's: without it, a host whose /dev/kvm QEMU's user may not open takes 15 s a start.
printf 'user = "root"\\ngroup = "root"\\n' >/etc/libvirt/qemu.conf
exec "$@"
"""


def unused_machine_groups() -> set[Path]:
    """Those that hold no domain: an unused one is what a connection must not leave behind."""
    found = (path for path in Path("/sys/fs/cgroup").glob("**/machine") if path.is_dir())
    return {path for path in found if not any(entry.is_dir() for entry in path.iterdir())}


def arguments(run: Path, data: Path, guest: Guest, bridge: str) -> list[str]:
    return [str(word) for word in (run, data, guest.kernel, guest.initrd, guest.disk, bridge)]


def test_the_embedded_driver_leaves_nothing(run_directory: Path, data_root: Path) -> None:
    groups, library = unused_machine_groups(), Path("/run/libvirt").exists()
    with Connection(run_directory, data_root, "embedded") as connection:
        assert connection.uri.startswith("qemu:///embed")
        assert connection.qemu_version.count(".") == 2
        assert connection.root.is_dir()
    connection.close()
    assert not connection.root.exists()
    assert unused_machine_groups() <= groups
    assert Path("/run/libvirt").exists() == library


def test_a_process_has_one_embedded_connection_at_a_time(connection: Connection, data_root: Path) -> None:
    with pytest.raises(HypervisorError, match="open already"):
        Connection(connection.root.parent / "another", data_root, "embedded")


def test_closing_the_connection_ends_its_machines(machines: Machines) -> None:
    groups = unused_machine_groups()
    domain = machines.domain()
    domain.start()
    pid = domain.pid
    machines.connection.close()
    assert not Path(f"/proc/{pid}").exists()
    assert domain.state is DomainState.STOPPED
    assert unused_machine_groups() <= groups
    assert not list(Path("/sys/fs/cgroup").glob(f"**/*{domain.name}*"))


def test_what_a_killed_process_left_is_found_and_ended(
    run_directory: Path, data_root: Path, guest: Guest, bridge: str
) -> None:
    """In processes of their own: this one may have opened the embedded driver at another root."""
    words = arguments(run_directory, data_root, guest, bridge)
    killed = subprocess.Popen([sys.executable, "-c", KILLED, *words], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    with killed.stdout:
        pid = int(killed.stdout.readline())
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert Path(f"/proc/{pid}").exists()
    find = (
        "import sys; from pathlib import Path; from hypervisor.connection import Connection;"
        "from hypervisor.leftovers import leftovers, destroy;"
        "c = Connection(Path(sys.argv[1]), Path(sys.argv[2]), 'embedded'); found = leftovers(c);"
        "print([domain.run_id for domain in found]); destroy(c, found[0]); destroy(c, found[0]);"
        "print(leftovers(c)); c.close()"
    )
    done = subprocess.run([sys.executable, "-c", find, *words[:2]], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['test']\n()\n", "")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"" if Path(f"/proc/{pid}").exists() else True
    assert not (run_directory / "libvirt").exists()


def test_other_peoples_domains_are_not_ours(connection: Connection, machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    assert [found.name for found in leftovers(connection)] == [domain.name]
    assert leftovers(connection, "not this run") == ()


@pytest.mark.slow
def test_a_running_system_libvirtd_is_used(
    run_directory: Path, data_root: Path, guest: Guest, bridge: str, tmp_path: Path
) -> None:
    if shutil.which("libvirtd") is None or shutil.which("virtlogd") is None:
        pytest.skip("needs libvirtd and virtlogd")
    made = tmp_path / "made"
    made.touch()
    program = [sys.executable, "-c", SYSTEM, *arguments(run_directory, data_root, guest, bridge)]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", PRIVATE, "sh", *program]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "MADE": str(made)}
        )
    finally:
        for folder in made.read_text().split():
            Path(folder).rmdir()
    assert done.stdout.splitlines() == [
        "qemu:///system (200, b'hello') b'1234\\n' 1",
        "stopped 143",
        "False False []",
        "False []",
    ], done.stderr
