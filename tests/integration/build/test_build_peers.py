"""Two large Dockerfiles built by docker's classic builder, buildah and us: the same files, configuration, history."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from runtime.image.importer import load_archive
from runtime.image.store import ImageStore
from runtime.image.view import View
from tests.integration.build.conftest import BASE
from tests.support import engines
from tests.support.engine import program
from tests.support.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.build.conftest import Builder
    from tests.support.engine import Engine, Host

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

_LEFT_BY_BUILDAH = ("/etc/hostname: ", "/etc/hosts: ", "/etc/resolv.conf: ", "/run: ")
# It gives the directories on the way to a destination to --chown, too; docker gives them to root.
_OTHERWISE_BY_BUILDAH = ("/home: ",)
IGNORE = "# what is not wanted\n*.log\n!keep.log\n**/secret\nskipped\n"

FIRST = r"""# escape=\
ARG BASE=localhost/base
ARG TAG=1
FROM $BASE:$TAG AS tools
RUN mkdir -p /out/deep && echo tool > /out/deep/tool && chmod 4755 /out/deep/tool && ln -s deep/tool /out/link
RUN chown 12:34 /out/deep/tool && ln /out/deep/tool /out/hard

FROM ${BASE}:${TAG}
MAINTAINER Some Body <some@body.example>
ARG VERSION=1.0
ARG UNSET
ENV APP=/srv/app VERSION=${VERSION} \
    # a comment in between
    GREETING="hello $APP"
ENV OLD style with   spaces
LABEL version="$VERSION" "quoted name"='single $VERSION'
WORKDIR $APP
WORKDIR sub/dir
COPY one.txt two.txt ./
COPY tree /srv/tree
COPY tree /srv/app/
COPY *.conf /etc/app/
COPY --chown=7:8 one.txt /srv/owned/
COPY --from=tools /out /opt/out
COPY --from=tools /out/deep/tool /usr/bin/newtool
COPY --from=0 /out/link /opt/followed
COPY . /srv/context/
ADD archive.tar.gz /srv/unpacked/
ADD one.txt /srv/added.txt
RUN echo "$VERSION $APP" > version && rm /etc/group && \
    rm -r /srv/tree/dir && mkdir /srv/tree/dir && echo n > /srv/tree/dir/new
RUN ["/bin/sh", "-c", "echo $0 > /exec-form", "arg zero"]
RUN true
USER nobody
RUN id -u > /tmp/uid; pwd > /tmp/pwd
USER root
VOLUME /data [/notjson
EXPOSE 8080 53/udp $UNSET 9000-9001
HEALTHCHECK --interval=1m30s --timeout=5s --start-period=1s --retries=3 CMD test -e /version || exit 1
STOPSIGNAL SIGTERM
SHELL ["/bin/sh", "-ec"]
RUN echo shell > /shell
ONBUILD RUN echo built
ONBUILD COPY . /later
CMD default words
ENTRYPOINT ["/bin/echo", "a \"quoted\" word"]
"""

SECOND = r"""FROM scratch AS empty
COPY tree/file /only/file
WORKDIR /made
ENV PATH=/bin
CMD ["/only/file"]

FROM localhost/base:1 AS unused
RUN false

FROM localhost/base:1
ARG http_proxy
ARG NUMBER=5
ARG NUMBER_TWO=$NUMBER$NUMBER
RUN echo $NUMBER_TWO > /numbers
ENV NUMBER=6
RUN echo $NUMBER >> /numbers; echo "${NUMBER:-x}" >> /numbers
COPY --from=empty / /copied/
COPY tree/file /link/through
COPY ["one.txt", "two.txt", "/with space/"]
COPY --chown=nobody:nogroup tree /home/nobody
COPY o?e.txt t[a-z]o.txt /globbed/
ENV A='single' B="double $NUMBER" C=back\ slash D=${UNSET:-default} E=${NUMBER:+alt}
LABEL one=1 \
      two="2 and more"
RUN mkdir /a /a/b && touch /a/b/c && chmod 0700 /a && mkfifo /a/fifo && ln -s /nowhere /a/dangling
RUN rm -rf /a/b && echo x > /a/b
HEALTHCHECK NONE
CMD []
CMD ["sh", "-c", "echo $NUMBER"]
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with sandbox() as made:
        yield engines.make_host(made, tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def driver(host: Host) -> str:
    return engines.storage_driver(host.sandbox, host.directory / "probe")


@pytest.fixture(scope="module")
def archive(base_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from runtime.image.exporter import save_docker

    path = tmp_path_factory.mktemp("archive") / "base.tar"
    store = ImageStore(base_root)
    store.tag("localhost/base:1", store.resolve(BASE))
    save_docker(store, ("localhost/base:1",), path)
    return path


@pytest.fixture(scope="module")
def docker(host: Host, driver: str, archive: Path) -> Iterator[Engine]:
    with engines.containerd(host), engines.docker(host, driver) as engine:
        engine("load", "--input", str(archive))
        yield engine


@pytest.fixture(scope="module")
def buildah(host: Host, driver: str, archive: Path) -> tuple[str, ...]:
    command = (*engines.containers_environment(host, driver), program("buildah"))
    host.call(*command, "pull", f"docker-archive:{archive}")
    return command


def make_context(directory: Path) -> None:
    """What both Dockerfiles copy of, with times, modes and links worth keeping."""
    for name, text in {"one.txt": "one\n", "two.txt": "two\n", "a.conf": "a", "b.conf": "b", "x.log": "x",
                       "keep.log": "kept", "secret": "s", ".dockerignore": IGNORE}.items():  # fmt: skip
        (directory / name).write_text(text)
    tree = directory / "tree"
    (tree / "dir/deeper").mkdir(parents=True)
    (tree / "skipped").mkdir()
    (directory / "skipped").mkdir()
    (directory / "skipped/file").write_text("no")
    (tree / "file").write_text("content\n")
    (tree / "file").chmod(0o755)
    (tree / "dir/private").write_text("p")
    (tree / "dir/private").chmod(0o600)
    (tree / "dir/secret").write_text("never")
    (tree / "dir/link").symlink_to("../file")
    (tree / "dir/away").symlink_to("/etc/passwd")
    os.link(tree / "file", tree / "dir/hard")
    (tree / "dir").chmod(0o750)
    packed = directory.parent / "packed"
    (packed / "in").mkdir(parents=True)
    (packed / "in/file").write_text("packed")
    (packed / "in/file").chmod(0o640)
    os.chown(packed / "in/file", 3, 4)
    (packed / "in/link").symlink_to("file")
    os.system(f"tar --sort=name --mtime=@1000000000 -czf {directory}/archive.tar.gz -C {packed} .")  # noqa: S605
    for number, path in enumerate(sorted(directory.rglob("*"), reverse=True)):
        os.utime(path, (1_400_000_000 + number, 1_400_000_000 + number), follow_symlinks=False)


def tree_of(store: ImageStore, reference: str) -> dict[str, tuple[Any, ...]]:
    """Every file: type and mode, owner, what is in it. Times of what was copied with its time."""
    found: dict[str, tuple[Any, ...]] = {}
    links: dict[int, str] = {}
    with View.of(store.unpack(store.resolve(reference))) as view:
        for node in view.walk(view.root):
            status, name = node.status, str(node)
            what: Any = None
            if stat.S_ISREG(status.st_mode):
                with view.open(node) as fd:
                    what = hashlib.sha256(os.read(fd, 1 << 24)).hexdigest()
            elif node.is_link:
                what = view.read_link(node)
            hard = links.setdefault(status.st_ino, name) if status.st_nlink > 1 and not node.is_directory else None
            hard = None if hard == name else hard  # the first name of several, or all that is left of them
            copied = int(status.st_mtime) if status.st_mtime < 1_500_000_000 else "now"
            times = copied if stat.S_ISREG(status.st_mode) else None
            found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, what, hard, times)
    return found


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return [f"{name}: {theirs.get(name)} | {ours.get(name)}" for name in sorted(theirs.keys() | ours.keys())
            if theirs.get(name) != ours.get(name)]  # fmt: skip


def document(store: ImageStore, reference: str) -> dict[str, Any]:
    image = store.resolve(reference)
    loaded: dict[str, Any] = json.loads(store.layout.blobs.read(image.manifest.config))
    return loaded


def execution(config: dict[str, Any]) -> dict[str, Any]:
    """What is stated, without what only docker's own store means something by."""
    stated = {key: value for key, value in config["config"].items() if value not in (None, "", [], {}, False)}
    return {key: value for key, value in stated.items() if key not in {"Image", "Hostname"}}


def history(config: dict[str, Any]) -> list[tuple[str, bool, str]]:
    """Words, emptiness and author of each step; digests of what was copied are each builder's own."""
    return [
        (re.sub(r"(file|dir|multi):[0-9a-f]{64}", r"\1:HASH", item.get("created_by", "")),
         item.get("empty_layer", False), item.get("author", ""))
        for item in config["history"]
    ]  # fmt: skip


@pytest.mark.parametrize("dockerfile", [FIRST, SECOND], ids=["first", "second"])
def test_as_dockers_classic_builder(builder: Builder, docker: Engine, dockerfile: str, tmp_path: Path) -> None:
    make_context(builder.context)
    if dockerfile is SECOND:  # it builds all stages, also those that nobody needs
        dockerfile = dockerfile.replace("RUN false", "RUN true")
    (builder.context / "Dockerfile").write_text(dockerfile)
    store = builder.store
    store.tag("localhost/base:1", store.resolve(BASE))
    arguments = ("--build-arg", "VERSION=2.0", "--label", "x=y z")
    command = ("env", "DOCKER_BUILDKIT=0", *docker.prefix, "build", "--network", "none", "-t", "theirs", *arguments)
    docker.host.call(*command, str(builder.context), timeout_s=120)
    docker("save", "--output", str(tmp_path / "theirs.tar"), "theirs")
    theirs, *_ = load_archive(store, tmp_path / "theirs.tar")
    ours, _ = builder.build(build_args=(("VERSION", "2.0"),), labels=(("x", "y z"),))
    assert differences(tree_of(store, theirs.digest), tree_of(store, ours.digest)) == []
    assert execution(document(store, ours.digest)) == execution(document(store, theirs.digest))
    assert history(document(store, ours.digest)) == history(document(store, theirs.digest))


@pytest.mark.parametrize("dockerfile", [FIRST, SECOND], ids=["first", "second"])
def test_as_buildah(builder: Builder, host: Host, buildah: tuple[str, ...], dockerfile: str, tmp_path: Path) -> None:
    make_context(builder.context)
    (builder.context / "Dockerfile").write_text(dockerfile)
    store = builder.store
    store.tag("localhost/base:1", store.resolve(BASE))
    host.call(*buildah, "build", "--network", "none", "--format", "docker", "--layers=false", "-t", "theirs",
              str(builder.context), timeout_s=120)  # fmt: skip
    host.call(*buildah, "push", "theirs", f"docker-archive:{tmp_path}/theirs.tar:theirs:1")
    theirs, *_ = load_archive(store, tmp_path / "theirs.tar")
    ours, _ = builder.build()
    found = differences(tree_of(store, theirs.digest), tree_of(store, ours.digest))
    # It leaves the places of what it has bound into the container of a RUN.
    assert [line for line in found if not line.startswith(_LEFT_BY_BUILDAH + _OTHERWISE_BY_BUILDAH)] == []
    # It does not run CMD by SHELL, keeps ranges of ports as they are written, and puts its version in.
    expected, made = (execution(document(store, built.digest)) for built in (theirs, ours))
    for config in (expected, made):
        config["Labels"].pop("io.buildah.version", None)
        for key in ("Cmd", "ExposedPorts"):
            config.pop(key, None)
    assert made == expected
