"""Builders run commands in containers: buildah with the runtime it is told, docker and podman with their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import runtime_path
from tests.support.engine import IMAGE, program
from tests.support.engines import containers_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.support.engine import Engine, Host, Outcome

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

RUNTIME = ("--runtime", runtime_path(), "--isolation", "oci")
CONTAINERFILE = f"""
FROM {IMAGE}
RUN echo built > /built && id -u > /uid
USER 7
WORKDIR /work
RUN test $(id -u) = 7 && test $(pwd) = /work
CMD ["cat", "/built", "/uid"]
"""


class Buildah:
    """The command line on one working container."""

    def __init__(self, host: Host, driver: str) -> None:
        self.host = host
        self.prefix = (*containers_environment(host, driver), program("buildah"))
        self.container = ""

    def __call__(self, *argv: str, **options: Any) -> Outcome:
        return self.host.call(*self.prefix, *argv, **options)

    def run(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        return self("run", *RUNTIME, *options, self.container, "--", *argv, **more)


@pytest.fixture
def buildah(host: Host, driver: str, podman: Engine) -> Iterator[Buildah]:
    made = Buildah(host, driver)
    assert IMAGE in podman("images", "--format", "{{.Repository}}:{{.Tag}}").stdout, "both share their storage"
    made.container = made("from", IMAGE).text
    yield made
    made("rm", made.container)


def test_run(buildah: Buildah) -> None:
    done = buildah.run("sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_exit_code(buildah: Buildah) -> None:
    buildah.run("sh", "-c", "exit 3", code=3)


def test_a_command_that_cannot_be_run(buildah: Buildah) -> None:
    assert "/bin/nothing" in buildah.run("/bin/nothing", code=None).stderr


def test_settings_of_the_process(buildah: Buildah) -> None:
    options = ("--user", "7:8", "--workingdir", "/etc", "--env", "A=1", "--hostname", "box")
    assert buildah.run("sh", "-c", "id -u; id -g; pwd; echo $A; hostname", options=options).stdout.split() == [
        "7", "8", "/etc", "1", "box",
    ]  # fmt: skip


def test_volume(buildah: Buildah, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("mounted")
    done = buildah.run("sh", "-c", "cat /mnt/in; touch /mnt/x", options=("--volume", f"{tmp_path}:/mnt:ro"), code=1)
    assert done.stdout == "mounted"
    assert "Read-only file system" in done.stderr


def test_capabilities(buildah: Buildah) -> None:
    said = buildah.run("grep", "CapEff", "/proc/self/status", options=("--cap-drop", "CAP_CHOWN")).text.split()[1]
    assert int(said, 16) & 1 == 0


def test_stdin(buildah: Buildah) -> None:
    assert buildah.run("cat", input="typed\n").stdout == "typed\n"


def test_what_ran_is_committed(buildah: Buildah, podman: Engine) -> None:
    image = "localhost/by-buildah:1"
    buildah.run("sh", "-c", "echo made > /made")
    buildah("config", "--cmd", "cat /made", buildah.container)
    buildah("commit", buildah.container, image)
    try:
        assert podman("run", "--rm", image).text == "made"
    finally:
        podman("rmi", image)


def test_build_by_buildah(buildah: Buildah, podman: Engine, tmp_path: Path) -> None:
    image = "localhost/built-by-buildah:1"
    (tmp_path / "Containerfile").write_text(CONTAINERFILE)
    buildah("build", *RUNTIME, "--tag", image, str(tmp_path))
    try:
        assert podman("run", "--rm", image).stdout == "built\n0\n"
    finally:
        podman("rmi", image)


def test_build_by_the_engine(engine: Engine, tmp_path: Path) -> None:
    image = "localhost/built:1"
    (tmp_path / "Dockerfile").write_text(CONTAINERFILE)
    engine("build", *(() if engine.is_docker else RUNTIME), "--tag", image, str(tmp_path))
    try:
        assert engine("run", "--rm", image).stdout == "built\n0\n"
    finally:
        engine("rmi", image)


def test_a_build_that_fails(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN exit 6\n")
    done = engine("build", *(() if engine.is_docker else RUNTIME), "--tag", "localhost/no:1", str(tmp_path), code=None)
    assert done.code != 0
    assert "6" in done.stdout + done.stderr
    for name in engine.names():
        engine.remove(name)
