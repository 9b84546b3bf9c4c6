"""What all engines get: an image of ten layers in a registry and in an archive, a small base, and a Dockerfile."""

from __future__ import annotations

import random
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.calibration.commands import Daemon
from bench.calibration.engine import program
from bench.workloads.website import ensure_website
from runtime.image.builder import Directory, File, LayerRecipe, extend_image
from runtime.image.exporter import save_docker
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engines.sandbox import Sandbox

LAYERS = 10
SOURCE_PORT, TARGET_PORT = 5000, 5001
BIG = f"localhost:{SOURCE_PORT}/bench/big:1"
PUSHED = f"localhost:{TARGET_PORT}/bench/big:1"
BASE = "localhost/bench-base:1"
BUILT = "localhost/bench-built:1"
# Some of it can be compressed and some cannot, as with programs and their libraries.
_LINE = b"the same line over and over, as texts and zeroes of programs are\n"


@dataclass(frozen=True, slots=True)
class Places:
    """Files for the engines, below one directory."""

    directory: Path

    @property
    def archive(self) -> Path:
        """The image of ten layers, as docker save writes it."""
        return self.directory / "big.tar"

    @property
    def base(self) -> Path:
        """The small image, as docker save writes it."""
        return self.directory / "base.tar"

    @property
    def context(self) -> Path:
        """Where the Dockerfile is."""
        return self.directory / "context"


def make_images(directory: Path, size_bytes: int) -> ImageStore:
    """A store with both images; the large one is called ``big:1``, the small one as the engines will call it."""
    store = ImageStore(directory / "store")
    website = ensure_website(store)
    plain = {"entrypoint": (), "cmd": ("true",), "user": "", "exposed_ports": (), "working_dir": ""}
    base = extend_image(store, website, BASE, (), **plain)
    added = LAYERS - len(base.manifest.layers)
    extend_image(store, base, BIG, tuple(_layer(number, size_bytes // added) for number in range(added)))
    return store


def _layer(number: int, size_bytes: int) -> LayerRecipe:
    generator = random.Random(number)  # noqa: S311 - content, not a secret
    hard = generator.randbytes(size_bytes // 2)
    soft = (_LINE * (size_bytes // 2 // len(_LINE) + 1))[: size_bytes // 2]
    place = f"data/{number}"
    entries = (Directory("data"), Directory(place), File(f"{place}/hard", hard), File(f"{place}/soft", soft))
    return LayerRecipe(entries, f"layer {number}")


def write_files(places: Places, store: ImageStore) -> None:
    """The archives and the Dockerfile's directory."""
    save_docker(store, (BIG,), places.archive)
    save_docker(store, (BASE,), places.base)
    places.context.mkdir()
    for number in range(4):
        (places.context / f"file{number}").write_text(f"file {number}\n" * 1000, encoding="utf-8")
    (places.context / "Dockerfile").write_text(dockerfile(), encoding="utf-8")


def dockerfile() -> str:
    """Ten steps after the base: what is copied, what is run, what is only said."""
    steps = (
        "ENV STAGE=bench",
        "WORKDIR /work",
        *(f"COPY file{number} /work/" for number in range(4)),
        *(f"RUN cat /work/file{number} > /work/copy{number}" for number in range(3)),
        'CMD ["cat", "/work/copy0"]',
    )
    return "\n".join((f"FROM {BASE}", *steps, ""))


def fill_registry(store: ImageStore) -> None:
    """Put the large image where engines pull it from; call it inside the sandbox."""
    from runtime.image.compression import Compression
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.push import PushOptions, push
    from runtime.image.registry.settings import RegistrySettings

    with RegistryClient(RegistrySettings(use_proxies=False)) as client:
        push(store, client, BIG, PushOptions(compression=Compression.GZIP))


class Registry:
    """The distribution's docker-registry on a port of the sandbox's loopback; it can begin afresh."""

    def __init__(self, sandbox: Sandbox, directory: Path, port: int) -> None:
        self._sandbox = sandbox
        self._directory = directory
        self._port = port
        self._stack = ExitStack()

    def start(self) -> None:
        """With nothing in it."""
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        config = self._directory / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._directory}/data}}}}\n"
            f'http: {{addr: "127.0.0.1:{self._port}"}}\n',
            encoding="utf-8",
        )
        command = (program("docker-registry"), "serve", str(config))
        ready = ("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self._port}")
        log = self._directory / "log"
        daemon = self._sandbox.call(lambda: Daemon(command, ready, log))
        self._stack.callback(daemon.close)

    def close(self) -> None:
        """End it. Idempotent."""
        self._stack.close()
