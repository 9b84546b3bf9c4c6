"""Command lines, read by docker's own parser and by ours: both take them, or both refuse them.

docker is given a daemon that is not there: what it takes, it fails to send.
"""

from __future__ import annotations

import shlex
import subprocess

import pytest

from runtime.tare.containers.creation import create_options
from runtime.tare.containers.execute import EXEC
from runtime.tare.containers.listing import PS
from runtime.tare.containers.logs import LOGS
from runtime.tare.containers.run import RUN
from runtime.tare.containers.update import UPDATE
from runtime.tare.errors import CommandError, UsageError

pytestmark = pytest.mark.engines

VERBS = {"run": RUN, "exec": EXEC, "ps": PS, "logs": LOGS, "update": UPDATE}
# What it says when it has understood: that nobody is there, of what system that nobody is, that it was typed by nobody.
UNDERSTOOD = ("cannot connect", "unknown server os", "the input device is not a tty")

COMMANDS = """
run
run image
run -it image sh -c ls
run -itd image
run -it=false image
run --rm=0 image
run --rm=maybe image
run --nope image
run -Z image
run -p
run -p 80 image
run -p 8080:80/udp -p 127.0.0.1::80 image
run -p [::1]:8080:80 image
run -p 8000-8002:80-82 image
run -p 8000-8003:80-82 image
run -p x:80 image
run -p 80:x image
run -p 80/nope image
run -p 300.1.1.1:80:80 image
run -p 99999:80 image
run -p target=80,published=8080 image
run -v /data image
run -v name:/data:ro image
run -v /a:/b:rslave,ro image
run --mount type=bind,src=/etc,dst=/e,readonly image
run --mount type=bind,dst=/e,nope=1 image
run --mount type=tmpfs,dst=/e,tmpfs-size=1m image
run --mount src=a image
run --mount dst=/e,readonly=maybe image
run -m 64m --memory-swap -1 image
run -m x image
run -m 1.5g image
run --cpus 1.5 image
run --cpus many image
run --ulimit nofile=10:20 image
run --ulimit nofile=20:10 image
run --ulimit nope=1 image
run --device /dev/null image
run --device /dev/null:/dev/x:rw image
run --add-host db:10.0.0.1 image
run --add-host db image
run --add-host db:nope image
run -e A=1 -e B image
run -e =x image
run -l a=b -l c image
run --restart on-failure:3 image
run --restart on-failure:x image
run --rm --restart always image
run --health-cmd true --health-interval 1m30s image
run --health-interval 1x image
run --health-interval 90 image
run --no-healthcheck --health-cmd true image
run --stop-timeout 3 image
run --stop-timeout x image
run -a stdout -a STDERR image
run -a nope image
run -d -a stdout image
run --pid host --ipc private --uts host image
run --pid nope image
run --memory-swappiness 101 image
run --dns 8.8.8.8 image
run --dns nope image
run --tmpfs /t:size=1m image
run --sysctl a=1 image
run --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=1 image
run --expose 80-82/udp image
run --expose x image
run --env-file /nonexistent image
run --cpu-shares 5 -c 6 image
run --oom-score-adj 5 --pids-limit -1 image
run --network host --network-alias a image
run --network mine --network-alias a image
run --shm-size 1g --read-only image
exec -it name sh
exec name
exec -e A=1 -w /tmp -u 0:0 name env -i
exec --nope name sh
ps
ps -aq
ps -n 3 --no-trunc -s
ps -n x
ps name
ps --filter status=exited
ps --filter nope
logs -f --tail 5 -t name
logs
logs a b
update -m 64m name
update name
update --cpus x name
""".strip().splitlines()


def taken_by_docker(words: list[str]) -> bool:
    command = ["docker", "--host", "unix:///nonexistent/docker.sock", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return any(text in done.stderr.lower() for text in UNDERSTOOD)


def taken_by_us(words: list[str]) -> bool:
    verb, *rest = words
    try:
        given = VERBS[verb].parse(f"tare {verb}", rest)
        if verb == "run":
            create_options(given)
            assert not (given.switch("detach") and given.was("attach"))
        if verb == "update":
            assert any(given.was(flag.name) for flag in UPDATE.flags)
        if verb == "ps" and given.was("filter"):
            from runtime.tare.filters import parse_filters

            parse_filters(given.many("filter"))
    except (UsageError, CommandError, AssertionError):
        return False
    return True


@pytest.mark.parametrize("command", COMMANDS)
def test_docker_takes_what_we_take(command: str) -> None:
    words = shlex.split(command)
    assert taken_by_us(words) == taken_by_docker(words)
