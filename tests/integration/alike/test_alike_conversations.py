# ruff: noqa: E501 - a line that is typed is a line here
"""Lines typed to docker and to `tare`: they end with the same code and say the same, but for what is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversations import differences, type_to_both

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

CONVERSATIONS = {
    "flags of run": r"""
        e run --rm $I echo hello
        C=c e run --rm -e A=1 -e B= -e C -e D $I env
        e run --rm -w /srv -u 7:8 $I sh -c 'pwd; id'
        e run --rm -u nobody --group-add 11 $I id
        e run --rm -h box --domainname lan $I sh -c 'hostname; hostname -f; cat /etc/hostname'
        e run --rm --entrypoint echo $I a b
        e run --rm --entrypoint '' $I echo c
        echo typed | e run --rm -i $I cat
        e run --rm $I cat < /dev/null
        e run --rm $I sh -c 'echo out; echo err >&2; exit 3'
        e run --rm --read-only --tmpfs /t:size=1m $I sh -c 'touch /t/a && ls /t; touch /x'
        e run --rm --add-host db:10.0.0.9 $I sh -c 'head -6 /etc/hosts; grep db /etc/hosts'
        e run --rm --dns 9.9.9.9 --dns-search lan --dns-option ndots:2 $I sh -c 'grep -v ^# /etc/resolv.conf | sort'
        e run --rm --network none $I cat /etc/hosts
        e run --rm -a stdout $I sh -c 'echo out; echo err >&2'
    """,
    "a life": r"""
        e create --name life -e A=1 $I sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.1; done'
        e inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}} {{json .State.Error}}' life
        e inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}} {{.RestartCount}}' life
        e ps -a --format '{{.ID}}|{{.Names}}|{{.Image}}|{{.Command}}|{{.Status}}|{{.Ports}}|{{.State}}'
        e logs life
        e start life
        e start life
        until e logs life | grep -q up; do sleep 0.1; done
        e ps --format '{{.Names}}|{{.Status}}|{{.State}}|{{.RunningFor}}|{{.Networks}}|{{.Mounts}}|{{.Labels}}'
        e pause life
        e ps --format '{{.Names}}|{{.Status}}|{{.State}}'
        e inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Paused}}' life
        e start life
        e unpause life
        e stop life
        e inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Dead}} {{.State.Pid}}' life
        e ps -a --format '{{.Names}}|{{.Status}}|{{.State}}'
        e wait life
        e stop life
        e restart life
        e inspect -f '{{.State.Status}} {{.RestartCount}}' life
        e kill -s TERM life; e wait life
        e rename life death
        e ps -a --format '{{.Names}}'
        e rm life
        e rm death
        e ps -aq
    """,
    "ps": r"""
        e run -d --name one -l kind=a -l colour=red $I sleep 1000
        e create --name two -l kind=b $I true
        e run -d --name three $I sh -c 'exit 3'
        e wait three
        e ps
        e ps -a
        e ps -a -q --no-trunc
        e ps -n 1
        e ps -l --format '{{.Names}}'
        e ps -a --filter status=exited --format '{{.Names}}'
        e ps -a --filter status=created --filter status=running --format '{{.Names}}'
        e ps -a --filter label=kind --format '{{.Names}} {{.Label "kind"}}'
        e ps -a --filter label=kind=b --format '{{.Names}}'
        e ps -a --filter exited=3 --format '{{.Names}}'
        e ps -a --filter name=t --format 'table {{.Names}}\t{{.Status}}'
        e ps -a --filter 'name=^/one$' --format '{{json .Names}}'
        e ps -a --filter since=one --format '{{.Names}}'
        e ps -a --filter before=three --format '{{.Names}}'
        e ps -a --filter ancestor=$I --format '{{.Names}}'
        e ps -a --filter network=bridge --format '{{.Names}}'
        e ps -a --filter health=none --format '{{.Names}}'
        e ps -a --filter nope=1
        e ps -a --filter status=nope
        e ps -a --format '{{.Nope}}' 2> /dev/null
        e ps -a --format '{{upper .Names}} {{len .Names}} {{if eq .State "running"}}up{{else}}down{{end}}'
        e rm -f one two three
        e container ls -a
    """,
    "logs": r"""
        e run -d --name said $I sh -c 'echo one; echo two >&2; printf three'
        e wait said
        e logs said
        e logs said 2>/dev/null
        e logs --tail 1 said
        e logs -n 0 said
        e logs -t said
        e logs -f said
        e logs --since 1h said
        e logs --until 1h said
        e rm said
    """,
    "exec": r"""
        e run -d --name busy -e FROM=container -w /etc $I sleep 1000
        e exec busy sh -c 'echo out; echo err >&2; exit 5'
        e exec -e A=1 -w /tmp -u nobody busy sh -c 'echo $A $FROM $HOME; pwd; id'
        e exec busy env
        echo typed | e exec -i busy cat
        e exec -d busy sh -c 'echo > /tmp/done; exec sleep 1234'
        until e exec busy test -e /tmp/done; do sleep 0.1; done
        e top busy -o comm,args
        e rm -f busy
    """,
    "files": r"""
        e create --name filed $I sh -c 'echo changed > /etc/passwd; rm /etc/group; mkdir -p /srv/a/b; touch /srv/a/b/c'
        e diff filed
        printf carried > in; e cp in filed:/tmp/in
        e cp filed:/tmp/in -  | tar -tv | cut -c1-10,33-
        e cp filed:/etc/group out && head -1 out
        e cp filed:/etc outdir && ls outdir | grep -v mtab
        e cp in filed:/newname && e cp filed:/newname - | tar -xO
        tar -c in | e cp - filed:/srv
        e cp nothere filed:/
        e start -a filed
        e diff filed | sort
        e export filed | tar -t | grep -E '^(srv|tmp|newname|etc)' | grep -v mtab | sort
        e commit -m message -a author -c 'CMD ["echo","committed"]' -c 'ENV X=1' -c 'EXPOSE 80' filed committed:1
        e run --rm committed:1
        e image inspect -f '{{.Comment}} {{.Author}} {{json .Config.Cmd}} {{json .Config.Env}}' committed:1
        e image inspect -f '{{json .Config.ExposedPorts}}' committed:1
        e images --format '{{.Repository}}:{{.Tag}}' committed
        e rmi committed:1 | sed 's/ID/ID/' | grep -v Deleted
        e rm filed
        rm -r in out outdir
    """,
    "volumes": r"""
        e volume create kept
        e volume create --label a=b kept
        e volume ls --filter name=kept
        e volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}}' kept
        e run --rm -v kept:/etc $I sh -c 'ls /etc | grep -v mtab; echo more > /etc/more'
        e run --rm -v kept:/data:ro $I sh -c 'cat /data/more; touch /data/x'
        e run -d --name user -v kept:/data -v /anonymous --tmpfs /t $I sleep 1000
        e inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.Driver}} {{.RW}} [{{.Propagation}}];{{end}}' user
        e inspect -f '{{json .HostConfig.Binds}} {{json .HostConfig.Tmpfs}} {{json .Config.Volumes}}' user
        e ps --format '{{.Names}} {{.LocalVolumes}}'
        e volume ls -q | wc -l
        e volume rm kept
        e rm -f -v user
        e volume ls -q
        e volume rm kept
        e volume rm kept 2> /dev/null
        e volume inspect kept 2> /dev/null
        e run --rm -v /nothere/at/all:/x $I ls -d /x; rmdir -p /nothere/at/all
        e run --rm --mount type=bind,src=/nothere,dst=/x $I ls -d /x
        e run --rm --mount type=volume,dst=/x $I sh -c 'grep -c " /x " /proc/mounts'
        e volume prune -f
    """,
    "ports": r"""
        e run -d --name open -p 127.0.0.1::80 -p 127.0.0.1::81/udp --expose 90 $I sleep 1000
        e port open
        e port open 80
        e port open 81/udp
        e port open 82
        e ps --format '{{.Names}} {{.Ports}}'
        e inspect -f '{{json .HostConfig.PortBindings}}' open
        e inspect -f '{{json .Config.ExposedPorts}}' open
        e inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}' open
        e stop -t 0 open
        e port open
        e rm open
    """,
    "what is inspected": r"""
        e create --name seen -m 64m --cpus 0.5 --pids-limit 9 --restart on-failure:3 --cap-add NET_ADMIN --cap-drop CHOWN -l a=b -e A=1 -it -u 7 -w /srv --ulimit nofile=9:10 --shm-size 1m --stop-signal INT --stop-timeout 3 --sysctl net.ipv4.ip_default_ttl=7 --security-opt no-new-privileges --log-opt max-size=1048576 --device /dev/null:/dev/zip:r --add-host a:10.0.0.1 --dns 10.0.0.2 --init --oom-score-adj 7 $I sh -c true
        e inspect -f '{{.Path}} {{json .Args}} {{.Name}} {{.Image}} {{.Config.Image}} {{.Platform}}' seen
        e inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}}' seen
        e inspect -f '{{json .HostConfig.CapAdd}} {{json .HostConfig.CapDrop}} {{json .HostConfig.Ulimits}}' seen
        e inspect -f '{{json .HostConfig.SecurityOpt}} {{json .HostConfig.LogConfig}} {{json .HostConfig.Devices}}' seen
        e inspect -f '{{.HostConfig.PidsLimit}} {{.HostConfig.ShmSize}} {{.HostConfig.Init}} {{.HostConfig.OomScoreAdj}}' seen
        e inspect -f '{{json .HostConfig.ExtraHosts}} {{json .HostConfig.Dns}} {{json .HostConfig.Sysctls}}' seen
        e inspect -f '{{.HostConfig.IpcMode}} {{json .HostConfig.PidMode}} {{.HostConfig.Privileged}}' seen
        e inspect -f '{{json .HostConfig.ReadonlyPaths}}' seen
        e inspect -f '{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.Labels}}' seen
        e inspect -f '{{.Config.Hostname}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.Tty}} {{.Config.OpenStdin}}' seen
        e inspect -f '{{.Config.StdinOnce}} {{.Config.AttachStdout}} {{.Config.StopSignal}} {{.Config.StopTimeout}}' seen
        e inspect -f '{{.Nope}}' seen 2> /dev/null | grep -v ^$
        e inspect -f '{{range .Args}}{{println .}}{{end}}{{index .Config.Labels "a"}} {{len .Args}} {{join .Args ","}}' seen
        e inspect -s -f '{{.SizeRw}}' seen
        e update -m 96m --memory-swap 96m --restart no seen
        e inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.RestartPolicy.Name}}' seen
        e rm seen
    """,
    "health and restarts": r"""
        e run -d --name well --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 $I sleep 1000
        e inspect -f '{{json .Config.Healthcheck}}' well
        until [ "$(e inspect -f '{{.State.Health.Status}}' well)" = unhealthy ]; do sleep 0.1; done
        e ps --format '{{.Names}} {{.Status}}'
        e ps -q --filter health=unhealthy | wc -l
        e exec well touch /tmp/well
        until [ "$(e inspect -f '{{.State.Health.Status}}' well)" = healthy ]; do sleep 0.1; done
        e ps --format '{{.Names}} {{.Status}}'
        e inspect -f '{{(index .State.Health.Log 0).ExitCode}} {{.State.Health.FailingStreak}}' well
        e rm -f well
        e run -d --name again --restart on-failure:2 $I sh -c 'echo tried; exit 6'
        until [ "$(e inspect -f '{{.State.Status}} {{.RestartCount}}' again)" = 'exited 2' ]; do sleep 0.1; done
        e logs again
        e inspect -f '{{.State.ExitCode}} {{.State.Restarting}}' again
        e rm again
    """,
    "cidfile, names and several at once": r"""
        e run --cidfile cid --name first -d $I sleep 1000; grep -c . cid
        e create --cidfile cid $I true
        e create --name first $I true
        e create --name -bad $I true
        e create --name second $I true
        e stop -t 0 first second nothere
        e start second nothere
        e wait second first
        e rm first second nothere
        e rm -f nothere
        rm cid
        e run -d --rm --name brief $I sleep 1000
        e kill brief nothere 2> /dev/null
        until ! e inspect brief > /dev/null; do sleep 0.1; done
        e ps -aq
    """,
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_both_say_the_same(pair: tuple[Engine, Engine], name: str) -> None:
    lines = [line.strip() for line in CONVERSATIONS[name].strip().splitlines()]
    theirs, ours = type_to_both(*pair, lines)
    found = differences(theirs, ours)
    assert not found, found
