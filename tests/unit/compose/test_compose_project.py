from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime.tare.compose.project import find_file, load_project, read_project
from runtime.tare.compose.service import Need, Service, read_service
from runtime.tare.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def service(**content: Any) -> Service:
    return read_service("web", {"image": "nginx", **content})


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        ({"cpus": 0.5, "mem_limit": "64m", "pids_limit": 20}, ("--cpus=0.5", "--memory=64m", "--pids-limit=20")),
        ({"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}, ("--cap-add=NET_ADMIN", "--cap-drop=ALL")),
        ({"read_only": True, "tty": False, "init": True}, ("--init", "--read-only")),
        ({"environment": {"A": 1, "B": None, "C": True}}, ("--env=A=1", "--env=B", "--env=C=true")),
        ({"environment": ["A=1=2", "B"]}, ("--env=A=1=2", "--env=B")),
        ({"labels": ["a=1", "b"]}, ("--label=a=1", "--label=b=")),
        ({"extra_hosts": ["db:10.0.0.1"]}, ("--add-host=db:10.0.0.1",)),
        ({"extra_hosts": {"db": "::1"}}, ("--add-host=db:::1",)),
        ({"ulimits": {"nproc": 10, "nofile": {"soft": 1, "hard": 2}}}, ("--ulimit=nproc=10", "--ulimit=nofile=1:2")),
        ({"ports": ["8080:80", 90]}, ("--publish=8080:80", "--publish=90")),
        ({"ports": [{"target": 80}]}, ("--publish=80/tcp",)),
        ({"ports": [{"target": 80, "published": 81, "protocol": "udp"}]}, ("--publish=81:80/udp",)),
        ({"ports": [{"target": 80, "host_ip": "127.0.0.1"}]}, ("--publish=127.0.0.1:0:80/tcp",)),
        ({"healthcheck": {"test": "true", "retries": 2}}, ("--health-cmd=true", "--health-retries=2")),
        ({"healthcheck": {"test": ["CMD", "a", "b c"]}}, ("--health-cmd=a 'b c'",)),
        ({"healthcheck": {"test": ["CMD-SHELL", "a | b"]}}, ("--health-cmd=a | b",)),
        ({"healthcheck": {"disable": True}}, ("--no-healthcheck",)),
        ({"deploy": {"resources": {"limits": {"cpus": "2", "memory": "1g"}}}}, ("--cpus=2", "--memory=1g")),
        ({"stop_grace_period": "1m30s"}, ("--stop-timeout=90",)),
        ({"x-mine": {"any": "thing"}}, ()),
    ],
)
def test_keys_are_the_flags_of_create(content: dict[str, Any], flags: tuple[str, ...]) -> None:
    assert service(**content).flags == flags


@pytest.mark.parametrize(
    ("content", "flags", "command"),
    [
        ({"command": "sh -c 'a b'"}, (), ("sh", "-c", "a b")),
        ({"command": ["a", "b"]}, (), ("a", "b")),
        ({"entrypoint": ["a", "b"], "command": "c"}, ("--entrypoint", "a"), ("b", "c")),
        ({"entrypoint": []}, ("--entrypoint", ""), ()),
    ],
)
def test_commands_are_words(content: dict[str, Any], flags: tuple[str, ...], command: tuple[str, ...]) -> None:
    found = service(**content)
    assert (found.flags, found.command) == (flags, command)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nonsense": 1}, "services.web.nonsense: is not supported"),
        ({"tty": "perhaps"}, "services.web.tty: must be true or false"),
        ({"environment": [{}]}, r"services.web.environment\[0\]: must be a text"),
        ({"command": "'"}, "services.web.command: no closing quotation"),
        ({"depends_on": {"db": {"condition": "tired"}}}, "services.web.depends_on.db.condition: 'tired' is none of"),
        ({"healthcheck": {"test": ["RUN", "x"]}}, "begins with NONE, CMD or CMD-SHELL"),
        ({"deploy": {"replicas": 2}}, "services.web.deploy.replicas: more than one"),
        ({"ports": [{"host": 1}]}, r"services.web.ports\[0\].host: is not supported"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(content: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        service(**content)


def test_a_service_needs_an_image_or_a_context() -> None:
    with pytest.raises(CommandError, match="has neither an image nor a build context"):
        read_service("web", {})
    assert read_service("web", {"build": "."}).build is not None


def services(**needs: list[str]) -> dict[str, Any]:
    return {"services": {name: {"image": "x", "depends_on": others} for name, others in needs.items()}}


def test_services_come_after_those_that_they_need() -> None:
    project = read_project(services(web=["api"], api=["db", "queue"], db=[], queue=["db"]), "p", "/x")
    assert [found.name for found in project.services] == ["db", "queue", "api", "web"]
    assert project.service("web").needs == (Need("api"),)
    assert [found.name for found in project.chosen(["queue"])] == ["db", "queue"]


def test_a_circle_and_a_stranger_are_refused() -> None:
    with pytest.raises(CommandError, match="depend on each other: a -> b -> a"):
        read_project(services(a=["b"], b=["a"]), "p", "/x")
    with pytest.raises(CommandError, match="undefined service 'c'"):
        read_project(services(a=["c"]), "p", "/x")


def test_services_with_a_profile_wait_until_they_are_named() -> None:
    document = {"services": {"a": {"image": "x"}, "b": {"image": "x", "profiles": ["debug"]}}}
    project = read_project(document, "p", "/x")
    assert [found.name for found in project.chosen([])] == ["a"]
    assert [found.name for found in project.chosen(["b"])] == ["b"]


def test_networks_and_volumes_have_the_projects_name() -> None:
    document = {
        "services": {"a": {"image": "x"}, "b": {"image": "x", "networks": ["back"]}},
        "networks": {"back": {"internal": True}, "outer": {"external": True}},
        "volumes": {"data": None, "other": {"name": "mine"}},
    }
    project = read_project(document, "", "/srv/My App")
    assert project.name == "myapp"
    assert {network.key: network.name for network in project.networks} == {
        "back": "myapp_back", "outer": "outer", "default": "myapp_default",
    }  # fmt: skip
    assert project.network("back").internal
    assert [volume.name for volume in project.volumes] == ["myapp_data", "mine"]


def test_an_undefined_network_is_refused() -> None:
    with pytest.raises(CommandError, match="undefined network 'back'"):
        read_project({"services": {"a": {"image": "x", "networks": ["back"]}}}, "p", "/x")


def test_the_file_is_found_above_and_read_with_its_variables(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: 'app:${TAG:-1}', hostname: $HOST}}")
    (tmp_path / ".env").write_text("# said\nTAG=2\nexport HOST='h'\n")
    below = tmp_path / "below"
    below.mkdir()
    path = find_file(str(below), "")
    assert path == str(tmp_path / "compose.yaml")
    assert load_project(path, "p", {}).service("a").image == "app:2"
    found = load_project(path, "p", {"TAG": "3"}).service("a")
    assert (found.image, found.flags) == ("app:3", ("--hostname=h",))


@pytest.mark.parametrize("content", ["a: [", "\x00", "- 1", "a: !!python/object:os.system {}", "&a [*a]"])
def test_what_is_no_compose_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(content)
    with pytest.raises(CommandError):
        load_project(str(path), "p", {})


def test_a_document_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    lines = ["x-a0: &a0 [x]"] + [f"x-a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 200)}]" for n in range(1, 8)]
    path.write_text("\n".join(lines))
    with pytest.raises(CommandError, match="more than 100000 values"):
        load_project(str(path), "p", {})
