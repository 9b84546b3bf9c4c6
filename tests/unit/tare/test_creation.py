"""What the flags of `run` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.engine.options import DeviceOption, HealthOptions, MountOption, PublishedPort, Ulimit
from runtime.tare.containers.creation import create_options
from runtime.tare.containers.run import RUN
from runtime.tare.errors import CommandError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.engine.options import CreateOptions


def options(*words: str) -> CreateOptions:
    return create_options(RUN.parse("tare run", words))


def asked(*words: str) -> CreateOptions:
    return options(*words, "image")


def test_flags_end_at_the_image() -> None:
    wanted = options("-it", "--rm", "--name", "web", "debian:12", "ls", "-l", "--rm=false")
    assert (wanted.image, wanted.command) == ("debian:12", ("ls", "-l", "--rm=false"))
    assert (wanted.stdin_open, wanted.tty, wanted.auto_remove, wanted.name) == (True, True, True, "web")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", PublishedPort(80)),
        ("8080:80", PublishedPort(80, 8080)),
        ("8080:80/udp", PublishedPort(80, 8080, "udp")),
        ("127.0.0.1:8080:80", PublishedPort(80, 8080, host_ip="127.0.0.1")),
        ("127.0.0.1::80", PublishedPort(80, 0, host_ip="127.0.0.1")),
        ("[::1]:8080:80", PublishedPort(80, 8080, host_ip="::1")),
        ("8000-8002:80-82", PublishedPort(80, 8000, count=3)),
        ("80-82", PublishedPort(80, 0, count=3)),
        ("target=80,published=8080,protocol=udp", PublishedPort(80, 8080, "udp")),
    ],
)
def test_published_ports(text: str, port: PublishedPort) -> None:
    assert asked("-p", text).ports == (port,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "invalid containerPort: x"),
        ("80:x", "invalid containerPort: x"),
        ("x:80", "invalid hostPort: x"),
        ("8000-8003:80-82", "invalid ranges"),
        ("80/icmp", "invalid proto: icmp"),
        ("300.1.1.1:80:80", "invalid IP address"),
        ("99999:80", "invalid hostPort: 99999"),
        ("82-80", "invalid containerPort: 82-80"),
    ],
)
def test_ports_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked("-p", text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data", MountOption("volume", "/data")),
        ("name:/data", MountOption("volume", "/data", "name")),
        ("name:/data:ro,nocopy", MountOption("volume", "/data", "name", read_only=True, copy=False)),
        ("/host:/data", MountOption("bind", "/data", "/host", make_source=True)),
        ("/host:/data:ro,rslave", MountOption("bind", "/data", "/host", True, True, "rslave")),
    ],
)
def test_volumes(text: str, mount: MountOption) -> None:
    assert asked("-v", text).mounts == (mount,)


def test_a_relative_source_is_one_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [mount.source for mount in asked("-v", "./a:/a", "-v", "../b:/b").mounts] == [
        str(tmp_path / "a"),
        str(tmp_path.parent / "b"),
    ]


@pytest.mark.parametrize("text", ["a:b", "a:/", "/a:/b:nope", "a:/b:c:d", ":/b", "x y:/b", "name:/data:rshared"])
def test_volumes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        asked("-v", text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,source=/h,target=/c,readonly", MountOption("bind", "/c", "/h", read_only=True)),
        ("type=bind,src=/h,dst=/c,ro=false,bind-propagation=shared",
         MountOption("bind", "/c", "/h", propagation="shared")),
        ("source=v,destination=/c,volume-nocopy", MountOption("volume", "/c", "v", copy=False)),
        ("target=/c", MountOption("volume", "/c")),
        ("type=tmpfs,target=/c,tmpfs-size=1m,tmpfs-mode=1770",
         MountOption("tmpfs", "/c", size_bytes=1 << 20, mode=0o1770)),
        ('type=bind,"source=/a,b",target=/c', MountOption("bind", "/c", "/a,b")),
        ("target=/c,volume-label=a=b", MountOption("volume", "/c", labels=(("a", "b"),))),
    ],
)  # fmt: skip
def test_mounts(text: str, mount: MountOption) -> None:
    assert asked("--mount", text).mounts == (mount,)


@pytest.mark.parametrize(
    "text",
    ["type=bind,target=/c", "type=nope,target=/c", "source=v", "target=c", "target=/c,nope=1", "target=/c,tmpfs-size=1",
     "type=tmpfs,target=/c,source=v", "target", "target=/c,readonly=maybe"],
)  # fmt: skip
def test_mounts_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        asked("--mount", text)


def test_the_environment_comes_from_files_flags_and_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARE_TEST_OURS", "ours")
    monkeypatch.delenv("TARE_TEST_NONE", raising=False)
    file = tmp_path / "env"
    file.write_text("# comment\n\n  A=1 \nTARE_TEST_OURS\nB=x=y\n")
    wanted = asked("--env-file", str(file), "-e", "A=2", "-e", "TARE_TEST_NONE", "-e", "EMPTY=")
    assert wanted.env == ("A=1 ", "TARE_TEST_OURS=ours", "B=x=y", "A=2", "TARE_TEST_NONE", "EMPTY=")


@pytest.mark.parametrize("content", ["A B=1\n", "=x\n"])
def test_a_file_that_is_no_environment_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "env"
    file.write_text(content)
    with pytest.raises(CommandError, match="invalid env file"):
        asked("--env-file", str(file))
    with pytest.raises(CommandError, match="no such file"):
        asked("--env-file", str(tmp_path / "missing"))


def test_health() -> None:
    words = ("--health-cmd", "true", "--health-interval", "1m30s", "--health-retries=2", "--health-timeout", "500ms")
    assert asked(*words).health == HealthOptions(("CMD-SHELL", "true"), 90.0, 0.5, 2)
    assert asked().health is None
    assert asked("--no-healthcheck").health == HealthOptions(("NONE",))
    with pytest.raises(UsageError, match="conflicts"):
        asked("--no-healthcheck", "--health-cmd", "true")


def test_the_rest(tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.write_text("a=1\nb=2\n")
    wanted = asked(
        "--ulimit", "nofile=10:20", "--ulimit", "nofile=30", "--device", "/dev/null:/dev/n:r", "-m", "64m",
        "--memory-swap", "-1", "--cpus", "1.5", "--restart", "on-failure:3", "--add-host", "db:10.0.0.1",
        "--add-host", "gw=host-gateway", "--label-file", str(labels), "-l", "a=3", "--sysctl", "net.x=1",
        "--tmpfs", "/t:size=1m", "--entrypoint", "", "--stop-timeout", "3", "--log-opt", "max-size=1k",
        "--net", "host", "-h", "me",
    )  # fmt: skip
    assert wanted.ulimits == (Ulimit("nofile", 30, 30),)
    assert wanted.devices == (DeviceOption("/dev/null", "/dev/n", "r"),)
    assert (wanted.memory_bytes, wanted.memory_swap_bytes, wanted.cpus) == (64 << 20, -1, 1.5)
    assert wanted.restart == "on-failure:3"
    assert wanted.extra_hosts == ("db:10.0.0.1", "gw:host-gateway")
    assert wanted.labels == (("a", "3"), ("b", "2"))
    assert wanted.sysctls == (("net.x", "1"),)
    assert wanted.tmpfs == (("/t", "size=1m"),)
    assert wanted.entrypoint == ()
    assert wanted.stop_timeout_s == 3.0
    assert wanted.log_max_bytes == 1024
    assert (wanted.network, wanted.hostname) == ("host", "me")


REFUSED: list[tuple[list[str], str]] = [
    (["--rm", "--restart", "always"], "conflicting options"),
    (["--restart", "sometimes"], "unknown policy"),
    (["--restart", "always:3"], "only be used with 'on-failure'"),
    (["--restart", "on-failure:x"], "must be an integer"),
    (["--pid", "nope"], "invalid PID mode"),
    (["-w", "here"], "absolute path"),
    (["-m", "x"], "invalid size: 'x'"),
    (["--cpus", "many"], "rational number"),
    (["--ulimit", "nope=1"], "invalid ulimit type"),
    (["--ulimit", "nofile=2:1"], "less than or equal to hard limit"),
    (["--device", "/dev/null:x"], "not an absolute path"),
    (["--add-host", "db"], "bad format"),
    (["--add-host", "db:nope"], "invalid IP address"),
    (["-a", "nope"], "valid streams are"),
    (["--pull", "perhaps"], "invalid pull option"),
    (["--log-driver", "syslog"], "not supported"),
    (["--memory-swappiness", "101"], "range is 0-100"),
    (["--health-interval", "1x"], "unknown unit"),
    (["--dns", "nope"], "not an ip address"),
    (["-e", "=x"], "invalid environment variable"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(*words)
    assert message in str(refused.value)
    assert refused.value.code == 125
