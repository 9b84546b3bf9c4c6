"""A machine of an image, from request to removal, on the embedded driver."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.connection import find_qemu_user
from hypervisor.domain import Domain, DomainState
from hypervisor.errors import AgentTimeout, DomainError, GuestPanicked, HostLacks, NameTaken
from hypervisor.guest.build import GuestRoot, build_guest
from hypervisor.leftovers import leftovers
from tests.support.machines import MEMORY_BYTES, ask, until_off

if TYPE_CHECKING:
    from hypervisor.guest.kernel import Kernel
    from tests.support.machines import Machines

pytestmark = [pytest.mark.vm, pytest.mark.root]


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def host_paths(domain: Domain) -> list[Path]:
    """Everything that a running domain has on the host beside its process."""
    assert domain.spec.link is not None
    groups = Path("/sys/fs/cgroup").glob(f"**/*{domain.name}*")
    return [domain.spec.directory, Path("/sys/class/net", domain.spec.link.tap), *groups]


def test_the_images_process_answers_and_sees_the_union_of_the_layers(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    assert ask(domain) == (200, b"hello")
    assert ask(domain, "secret.html")[0] == 404
    assert ask(domain, "old/page.html")[0] == 404
    assert b"tare: process started" in domain.console()
    assert domain.exit_status() is None
    domain.check()


def test_commands_run_as_the_images_user_with_its_environment(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    ask(domain)

    def output(*argv: str) -> str:
        result = domain.exec(argv)
        assert result.exit_status == 0, result
        return result.stdout.decode()

    assert output("busybox", "id", "-u") == "1234\n"
    assert output("busybox", "id", "-G") == "65534\n"
    assert output("busybox", "pwd") == "/srv/www\n"
    assert output("busybox", "hostname") == f"{domain.name}\n"
    assert output("busybox", "env") == "GREETING=it's a test\nPATH=/bin\n"
    assert output("/bin/busybox", "printf", "%s|", "a b", "it's", "$HOME", "line\nend") == "a b|it's|$HOME|line\nend|"
    assert "/dev/vda" not in output("busybox", "mount")


def test_commands_end_with_their_own_status(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    ask(domain)
    failed = domain.exec(["busybox", "sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (failed.exit_status, failed.stdout, failed.stderr) == (3, b"out\n", b"err\n")
    assert domain.exec(["no-such-program"]).exit_status == 127
    assert domain.exec(["/etc"]).exit_status == 126
    killed = domain.exec(["busybox", "sh", "-c", "kill -TERM $$"])
    assert (killed.exit_status, killed.stderr) == (128 + 15, b"")
    binary = domain.exec(["busybox", "dd", "if=/dev/urandom", "bs=1024", "count=300", "status=none"])
    assert len(binary.stdout) == 300 * 1024
    with pytest.raises(AgentTimeout, match="killed after 1 s"):
        domain.exec(["busybox", "sleep", "60"], timeout_s=1)
    assert domain.exec(["busybox", "true"]).exit_status == 0


def test_the_images_own_programs_run_not_the_guests(machines: Machines) -> None:
    """The image has no `sh` in its PATH, while our initramfs has one under that name."""
    domain = machines.domain()
    domain.start()
    ask(domain)
    assert domain.exec(["sh", "-c", "true"]).exit_status == 127


def test_what_a_machine_costs_is_seen_in_every_way(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    ask(domain)
    for _ in range(100):
        stats = domain.stats()
        if stats.guest_used_bytes is not None:
            break
        domain.exec(["busybox", "sleep", "0.2"])
    assert stats.pss_bytes is not None
    assert stats.rss_bytes is not None
    assert stats.guest_used_bytes is not None
    assert 0 < stats.pss_bytes <= stats.rss_bytes
    assert 0 < stats.guest_used_bytes < stats.configured_bytes == MEMORY_BYTES
    assert stats.cgroup_bytes is not None
    assert stats.cgroup_bytes > 32 << 20
    assert stats.processes == 1


def test_qemu_is_not_root(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    assert domain.pid is not None
    status = Path(f"/proc/{domain.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert set(uids) == {str(find_qemu_user().uid)}


def test_shared_files_keep_their_owner(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    ask(domain)
    domain.remove()
    for path in (machines.guest.kernel, machines.guest.initrd, machines.guest.disk):
        assert path is not None
        assert path.stat().st_uid == 0


def test_a_polite_stop_ends_the_process_first(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    ask(domain)
    domain.stop()
    assert domain.state is DomainState.STOPPED
    assert domain.exit_status() == 128 + 15
    domain.stop()


def test_a_process_that_will_not_end_loses_its_machine(
    machines: Machines, data_root: Path, kernel: Kernel, layers: tuple[Path, ...]
) -> None:
    argv = ("/bin/busybox", "sh", "-c", "trap '' TERM; while :; do busybox sleep 1; done")
    guest = build_guest(data_root, kernel, GuestRoot(f"sha256:{'a' * 64}", layers, argv, ("PATH=/bin",)))
    domain = machines.domain(initrd=guest.initrd)
    domain.start()
    while b"process started" not in domain.console():
        assert domain.state is DomainState.RUNNING, domain.console()
    assert domain.exec(["busybox", "true"]).exit_status == 0
    domain.stop(timeout_s=1)
    assert domain.state is DomainState.STOPPED
    assert domain.exit_status() is None


def test_a_machine_that_is_not_up_yet_is_stopped_all_the_same(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    states = [domain.state]
    domain.stop()
    assert [*states, domain.state] == [DomainState.RUNNING, DomainState.STOPPED]
    assert domain.exit_status() is None


def test_after_removal_nothing_of_it_is_left(machines: Machines) -> None:
    domain = machines.domain()
    domain.start()
    pid = domain.pid
    assert pid is not None
    assert all(path.exists() for path in host_paths(domain))
    domain.remove()
    assert domain.state is DomainState.REMOVED
    assert not exists(pid)
    assert not any(path.exists() for path in host_paths(domain))
    assert not machines.connection.qemu_log(domain.name).exists()
    domain.remove()
    domain.stop()
    with pytest.raises(DomainError, match="it is removed"):
        domain.start()


def test_the_exit_of_the_images_process_powers_the_machine_off(
    machines: Machines, data_root: Path, kernel: Kernel, layers: tuple[Path, ...]
) -> None:
    argv = ("/bin/busybox", "sh", "-c", "echo from the process; exit 7")
    guest = build_guest(data_root, kernel, GuestRoot(f"sha256:{'a' * 64}", layers, argv))
    domain = machines.domain(initrd=guest.initrd)
    domain.start()
    until_off(domain)
    assert domain.state is DomainState.STOPPED
    assert domain.exit_status() == 7
    assert b"from the process" in domain.console()
    with pytest.raises(DomainError, match="it is stopped"):
        domain.exec(["busybox", "true"])


def test_a_program_that_the_image_lacks_is_127(
    machines: Machines, data_root: Path, kernel: Kernel, layers: tuple[Path, ...]
) -> None:
    guest = build_guest(data_root, kernel, GuestRoot(f"sha256:{'a' * 64}", layers, ("missing",)))
    domain = machines.domain(initrd=guest.initrd)
    domain.start()
    until_off(domain)
    assert domain.exit_status() == 127
    assert b"missing: not found in " in domain.console()


def test_a_guest_whose_disk_is_no_disk_says_so(machines: Machines, data_root: Path) -> None:
    disk = data_root / "zeros"
    disk.write_bytes(bytes(1 << 20))
    disk.chmod(0o644)
    domain = machines.domain(disk=disk)
    domain.start()
    until_off(domain)
    with pytest.raises(DomainError, match="init failed: mount the root disk"):
        domain.check()


def test_a_guest_that_panics_says_why(machines: Machines, data_root: Path) -> None:
    """An initramfs without init: the kernel looks for a root file system and finds none."""
    initrd = data_root / "empty.cpio"
    initrd.write_bytes(bytes(512))
    initrd.chmod(0o644)
    domain = machines.domain(initrd=initrd)
    domain.start()
    until_off(domain)
    with pytest.raises(GuestPanicked, match="guest panicked: VFS"):
        domain.check()


def test_two_machines_start_at_once_from_two_threads(machines: Machines) -> None:
    domains = [machines.domain(2), machines.domain(3, vcpus=2)]
    threads = [threading.Thread(target=domain.start) for domain in domains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ask(domain) for domain in domains] == [(200, b"hello")] * 2
    assert domains[1].exec(["busybox", "nproc"]).stdout == b"2\n"
    found = {leftover.name for leftover in leftovers(machines.connection, "test")}
    assert found == {domain.name for domain in domains}
    assert leftovers(machines.connection, "another run") == ()


def test_a_name_is_taken_only_once(machines: Machines, run_directory: Path) -> None:
    first = machines.domain(2)
    second = machines.domain(3, name=first.name, directory=run_directory / "elsewhere")
    first.start()
    with pytest.raises(NameTaken, match=f"start domain {first.name}"):
        second.start()
    assert second.state is DomainState.CREATED
    assert not second.spec.directory.exists()
    third = machines.domain(4, directory=first.spec.directory)
    with pytest.raises(NameTaken, match="exists already"):
        third.start()
    machines.made.remove(third)
    assert first.state is DomainState.RUNNING


def test_a_missing_bridge_refuses_the_start(machines: Machines) -> None:
    link = machines.domain(2).spec.link
    assert link is not None
    domain = machines.domain(2, link=replace(link, bridge="tarenone"))
    with pytest.raises(DomainError, match="tarenone"):
        domain.start()
    assert not domain.spec.directory.exists()


def test_a_kernel_that_qemu_may_not_read_is_a_matter_of_permission(machines: Machines, tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinux"
    os.link(os.path.realpath(machines.guest.initrd), kernel)
    with pytest.raises(HostLacks, match="Permission denied") as caught:
        machines.domain(kernel=kernel).start()
    assert "o+x" in caught.value.hint
