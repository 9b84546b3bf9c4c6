# ruff: noqa: E501, ISC004 - shell is read better whole
"""What a container finds inside, under several sets of flags: with docker and `tare` the same."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.conversations import differences, type_to_both

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

FLAGS = {
    "none": "",
    "a user": "-u nobody:11 --group-add 12 -w /srv -e A=1 -h box",
    "few rights": "--cap-drop ALL --cap-add NET_BIND_SERVICE --security-opt no-new-privileges --read-only",
    "more rights": "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined",
    "limits": "-m 256m --memory-swap 384m --cpus 0.5 --pids-limit 50 --cpu-shares 512 --oom-score-adj 321 "
              "--ulimit nofile=77:88 --ulimit core=0 --shm-size 2m",
    "mounts": "-v /usr/share:/data:ro --tmpfs /t:size=1m -v made:/made --mount type=tmpfs,dst=/tt,tmpfs-mode=700",
    "the host's": "--network host --pid host --uts host",
    "alone": "--network none --init --ipc none --sysctl kernel.msgmax=9000",
    "open paths": "--security-opt systempaths=unconfined",
    "a terminal": "-t",
}  # fmt: skip

# docker's seccomp profile of 20.10, and the kernel's view of processors and namespaces, are not asked for.
FACTS = (
    "grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status",
    "id -u; id -g; pwd; umask",
    "env | grep -v -e ^HOSTNAME= -e ^_= -e ^SHLVL= | sort",
    "[ $HOSTNAME = $(hostname) ] && hostname | sed -E 's/^[0-9a-f]{12}$/made up/'",
    "ulimit -n -c -s -l | tail -5",
    "cat /proc/self/oom_score_adj; cat /proc/1/comm",
    "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes pids/pids.max",
    "cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.cfs_period_us cpu.shares",
    "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range",
    "ls /dev | grep -v core; ls -ln /dev/null /dev/tty /dev/ptmx /dev/full | cut -c1-10",
    "ls -ld / /etc /tmp /dev /dev/shm /proc /sys | cut -c1-10",
    "for f in /proc/kcore /proc/keys /proc/timer_list; do head -c 9 $f 2>&1 | wc -c; done",
    "ls /sys/firmware /proc/scsi /proc/acpi 2>&1 | wc -l",
    "for d in bus fs irq sys sysrq-trigger; do grep -c \" /proc/$d \" /proc/self/mounts; done",
    "grep ' / ' /proc/self/mounts | cut -d' ' -f2-4 | cut -d, -f1",
    "for d in /proc /sys /dev /dev/shm /dev/pts /dev/mqueue /etc/hosts; do "
    "grep \" $d \" /proc/self/mounts | tail -1 | cut -d' ' -f2-4 | sed -E 's/(relatime|,(lower|upper|work)dir=.*|,inode64)"
    "|,(size|nr_inodes)=[0-9]{6,}k?//g'; done",
    "for d in /data /t /tt /made; do grep \" $d \" /proc/self/mounts | cut -d' ' -f2-4 | "
    "sed -E 's/(discard|errors=[a-z-]+|,inode64)//g'; stat -c '%a %u' $d; done 2>&1",
    "head -6 /etc/hosts; cat /etc/hostname | sed -E 's/^[0-9a-f]{12}$/made up/'",
    "ip -o link | cut -d: -f2 | cut -d@ -f1; ip -4 -o addr show lo | grep -c 127.0.0.1; ip -4 route | grep -c default",
    "tty; [ -t 1 ] && echo terminal",
    "ping -c1 -w5 127.0.0.1 > /dev/null && echo answers",
)  # fmt: skip
# Tried only by those that are confined: nothing that could change the host, were it allowed, is asked of the others.
TRIES = (
    "touch /x && echo written; touch /etc/x && echo written; touch /proc/sys/x; echo x > /proc/sys/kernel/domainname",
    "mount -t tmpfs x /tmp && echo mounted; unshare -n true && echo unshared; mknod /tmp/n c 1 3 && echo made",
    "chown 7 /tmp && echo owned",
)
OPEN = frozenset({"open paths", "the host's"})


@pytest.mark.parametrize("name", FLAGS)
def test_the_same_is_found_inside(pair: tuple[Engine, Engine], name: str) -> None:
    asked = FACTS if name in OPEN else FACTS + TRIES
    script = "".join(f"echo '## {number}'\n( {fact} ) 2>&1\n" for number, fact in enumerate(asked))
    theirs, ours = type_to_both(*pair, [f"e run --rm {FLAGS[name]} $I sh -c {shlex.quote(script)}"])
    found = differences(theirs, ours)
    assert not found, found
