"""What a container's processes may do: users, capabilities, seccomp, no new privileges, limits, sysctls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

CAP_CHOWN, CAP_NET_ADMIN, CAP_SYS_ADMIN = 0, 12, 21
DOCKER_KNOWS = (1 << 38) - 1  # up to CAP_AUDIT_READ


def status(engine: Engine, field: str, *options: str) -> str:
    """One line of the status of a container's process."""
    return engine.shell(f"grep ^{field}: /proc/self/status", *options).split()[1]


def has(capabilities: str, number: int) -> bool:
    return bool(int(capabilities, 16) >> number & 1)


@pytest.mark.parametrize(
    ("user", "ids"), [("nobody", "65534 65534"), ("7", "7 0"), ("7:8", "7 8"), ("nobody:root", "65534 0"), ("0", "0 0")]
)
def test_user(engine: Engine, user: str, ids: str) -> None:
    assert engine.shell("echo $(id -u) $(id -g)", "--user", user) == ids


def test_a_user_that_does_not_exist(engine: Engine) -> None:
    assert "nosuchuser" in engine.run("true", options=("--user", "nosuchuser"), code=None).stderr


def test_a_user_has_no_capabilities_in_effect(engine: Engine) -> None:
    assert int(status(engine, "CapEff", "--user", "7"), 16) == 0


def test_group_add(engine: Engine) -> None:
    assert {"11", "12"} <= set(engine.shell("id -G", "--group-add", "11", "--group-add", "12").split())


def test_default_capabilities(engine: Engine) -> None:
    found = status(engine, "CapEff")
    assert has(found, CAP_CHOWN)
    assert not has(found, CAP_SYS_ADMIN)
    assert status(engine, "CapBnd") == found


def test_cap_add(engine: Engine) -> None:
    assert has(status(engine, "CapEff", "--cap-add", "NET_ADMIN"), CAP_NET_ADMIN)
    engine.shell("ip link add type bridge", "--cap-add", "NET_ADMIN")
    assert "not permitted" in engine.run("ip", "link", "add", "type", "bridge", code=2).stderr


def test_cap_drop(engine: Engine) -> None:
    engine.shell("chown 1 /tmp")
    assert "not permitted" in engine.run("chown", "1", "/tmp", options=("--cap-drop", "CHOWN"), code=1).stderr


def test_cap_drop_all(engine: Engine) -> None:
    assert int(status(engine, "CapBnd", "--cap-drop", "ALL"), 16) == 0


def test_privileged_gives_what_the_host_has(engine: Engine) -> None:
    """Where root itself lacks a capability, it cannot be given: that is said, or the others are given."""
    done = engine.run("grep", "CapEff", "/proc/self/status", options=("--privileged",), code=None)
    bounding = engine.host.sandbox.output("grep", "CapBnd", "/proc/self/status").split()[1]
    if done.code == 0:
        given = int(done.text.split()[1], 16)
        # docker 20.10 does not know the newest ones.
        assert given == int(bounding, 16) & (given | DOCKER_KNOWS)
        assert has(done.text.split()[1], CAP_SYS_ADMIN)
    else:
        assert "not permitted" in done.stderr


def test_seccomp_by_default(engine: Engine) -> None:
    assert status(engine, "Seccomp") == "2"


def test_seccomp_unconfined(engine: Engine) -> None:
    assert status(engine, "Seccomp", "--security-opt", "seccomp=unconfined") == "0"


def profile(path: Path, action: str, **more: int) -> str:
    """A profile that lets everything pass but the making of directories."""
    rule = {"names": ["mkdir", "mkdirat"], "action": action, "args": [], **more}
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    return f"seccomp={path}"


def test_seccomp_of_a_file(engine: Engine, tmp_path: Path) -> None:
    option = profile(tmp_path / "profile.json", "SCMP_ACT_ERRNO")
    done = engine.run("mkdir", "/tmp/a", options=("--security-opt", option), code=1)
    assert "Operation not permitted" in done.stderr
    engine.run("touch", "/tmp/a", options=("--security-opt", option))


def test_seccomp_with_an_errno(engine: Engine, tmp_path: Path) -> None:
    option = profile(tmp_path / "profile.json", "SCMP_ACT_ERRNO", errnoRet=28)
    assert "No space left" in engine.run("mkdir", "/tmp/a", options=("--security-opt", option), code=1).stderr


def test_seccomp_that_kills(engine: Engine, tmp_path: Path) -> None:
    option = profile(tmp_path / "profile.json", "SCMP_ACT_KILL_PROCESS")
    script = "mkdir /tmp/a; echo $?"
    assert engine.shell(script, "--security-opt", option) == str(128 + 31)


def test_no_new_privileges(engine: Engine) -> None:
    assert status(engine, "NoNewPrivs") == "0"
    assert status(engine, "NoNewPrivs", "--security-opt", "no-new-privileges") == "1"


def test_a_set_user_id_program_gains_nothing(engine: Engine) -> None:
    """busybox's passwd asks for the rights of its owner, and says if it has not got them."""
    use = "su -s /bin/sh nobody -c '/tmp/passwd -x 2>&1'; true"
    script = f"cp /bin/busybox /tmp/passwd; chmod 4755 /tmp/passwd; {use}"
    assert "must be suid" not in engine.shell(script)
    assert "must be suid" in engine.shell(script, "--security-opt", "no-new-privileges")


def test_ulimit(engine: Engine) -> None:
    # podman would otherwise ask for as many processes as no one may who lacks CAP_SYS_RESOURCE.
    options = ("--ulimit", "nofile=77:88", "--ulimit", "core=0", "--ulimit", "nproc=1000:1000")
    assert engine.shell("ulimit -n; ulimit -Hn; ulimit -c", *options).split() == ["77", "88", "0"]


def test_sysctl(engine: Engine) -> None:
    options = ("--sysctl", "net.ipv4.ip_default_ttl=77", "--sysctl", "kernel.msgmax=9000")
    script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax"
    assert engine.shell(script, *options).split() == ["77", "9000"]


def test_a_sysctl_of_the_host_is_refused(engine: Engine) -> None:
    assert engine.run("true", options=("--sysctl", "kernel.panic=9"), code=None).code in {125, 126, 127}


def test_oom_score_adj(engine: Engine) -> None:
    assert engine.shell("cat /proc/self/oom_score_adj", "--oom-score-adj", "321") == "321"
