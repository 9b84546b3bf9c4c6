"""``RUN --mount``: caches, other stages' files, memory and secrets, seen by the command and left out of its layer.

(docs.docker.com, "RUN --mount".) Type ssh is not known here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os

from runtime.build.errors import BuildError
from runtime.build.mounting import mount_overlay, unmount
from runtime.build.placing import Attributes, Placer
from runtime.unwinding import ExitStack, contextmanager
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runtime.build.instructions import Instruction
    from runtime.build.state import State
    from runtime.build.workspace import Room, Workspace

_KINDS = {
    "bind": frozenset({"from", "source", "src", "target", "dst", "destination", "rw", "readwrite", "ro", "readonly"}),
    "cache": frozenset({"from", "source", "src", "target", "dst", "destination", "id", "sharing", "mode", "uid", "gid",
                        "ro", "readonly", "rw", "readwrite"}),
    "tmpfs": frozenset({"target", "dst", "destination", "size"}),
    "secret": frozenset({"id", "target", "dst", "destination", "required", "mode", "uid", "gid", "env"}),
}  # fmt: skip


class Mount(Value):
    """One ``--mount``."""

    kind: str
    options: tuple[tuple[str, str], ...]

    def get(self, *names: str) -> str:
        """What is given under one of these names; empty if nothing is."""
        return next((content for name, content in self.options if name in names), "")

    def number(self, name: str, default: int, base: int = 10) -> int:
        """Raises `BuildError` for what is none."""
        text = self.get(name)
        try:
            return int(text, base) if text else default
        except ValueError:
            raise BuildError(f"--mount: {name}={text} is no number") from None


def parse_mount(text: str) -> Mount:
    """``type=cache,target=/x``; raises `BuildError`."""
    words = [word.partition("=") for word in text.split(",")]
    options = tuple((name.strip().lower(), content if equals else "true") for name, equals, content in words)
    kind = dict(options).get("type", "bind")
    if kind not in _KINDS:
        raise BuildError(f"--mount: unsupported type {kind!r}")
    unknown = [name for name, _ in options if name not in _KINDS[kind] | {"type"}]
    if unknown:
        raise BuildError(f"--mount: unexpected key {unknown[0]!r} for mount type {kind!r}")
    return Mount(kind, options)


class RunMounts:
    """Those of one build."""

    def __init__(
        self, root: str, context: str, layers_of: Callable[[str], tuple[str, ...]], workspace: Workspace,
        secrets: dict[str, str],
    ) -> None:
        self._caches = f"{root}/build/mounts"
        self._context = context
        self._layers_of = layers_of
        self._workspace = workspace
        self._secrets = secrets

    @contextmanager
    def open(self, instruction: Instruction, room: Room, state: State) -> Iterator[tuple[dict[str, Any], ...]]:
        """Entries of config.json, while the body runs; the places that were made for them are gone afterwards."""
        mounts = tuple(parse_mount(text) for text in instruction.all("mount"))
        with ExitStack() as held:
            entries = tuple(entry for mount in mounts for entry in self._entry(held, mount, state))
            for entry in entries:
                held.enter_context(_place(room.merged, entry))
            yield entries

    def _entry(self, held: ExitStack, mount: Mount, state: State) -> list[dict[str, Any]]:
        if mount.kind == "secret":
            return self._secret(mount)
        target = mount.get("target", "dst", "destination")
        if not target:
            raise BuildError("--mount: target is required")
        path = os.path.normpath(os.path.join(state.working_dir, target)).replace("//", "/")
        if mount.kind == "tmpfs":
            size = mount.get("size")
            options = ["nosuid", "nodev", *([f"size={size}"] if size else [])]
            return [{"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options}]
        source = self._cache(held, mount, path) if mount.kind == "cache" else self._bind(held, mount)
        read_only = mount.get("ro", "readonly") == "true" or (
            mount.kind == "bind" and mount.get("rw", "readwrite") != "true"
        )
        options = ["rbind", "rprivate", *(["ro"] if read_only else [])]
        return [{"destination": path, "type": "bind", "source": source, "options": options}]

    def _cache(self, held: ExitStack, mount: Mount, path: str) -> str:
        """A directory that outlives builds; ``sharing=locked`` has one build use it at a time."""
        name = hashlib.sha256(os.fsencode(mount.get("id") or path)).hexdigest()
        directory = f"{self._caches}/{name}"
        os.makedirs(self._caches, mode=0o700, exist_ok=True)
        if not os.path.isdir(directory):
            partial = f"{self._workspace.scratch()}/cache"
            os.mkdir(partial)
            os.chown(partial, mount.number("uid", 0), mount.number("gid", 0))
            os.chmod(partial, mount.number("mode", 0o755, 8))
            try:
                os.rename(partial, directory)
            except OSError:
                if not os.path.isdir(directory):
                    raise
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        held.callback(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX if mount.get("sharing") == "locked" else fcntl.LOCK_SH)
        return directory

    def _bind(self, held: ExitStack, mount: Mount) -> str:
        """Of a stage or image, or of the context; what is written to it is lost."""
        origin = mount.get("from")
        lowers = self._layers_of(origin) if origin else (os.path.abspath(self._context),)
        room = self._workspace.side_room()
        held.callback(room.close)
        mount_overlay(lowers, room.upper, room.work, room.merged)
        held.callback(unmount, room.merged)
        with Placer(room.merged) as placer:
            path = placer.resolve(mount.get("source", "src") or "/")
            if placer.status(path) is None:
                raise BuildError(f"--mount: {mount.get('source', 'src')}: not found")
        return os.path.join(room.merged, os.fsdecode(b"/".join(path))).rstrip("/")

    def _secret(self, mount: Mount) -> list[dict[str, Any]]:
        target = mount.get("target", "dst", "destination")
        name = mount.get("id") or os.path.basename(target)
        source = self._secrets.get(name)
        if source is None:
            if mount.get("required") == "true":
                raise BuildError(f"secret {name}: not found")
            return []
        path = f"{self._workspace.scratch()}/secret"
        with open(source, "rb") as given, open(path, "wb") as file:
            os.fchown(file.fileno(), mount.number("uid", 0), mount.number("gid", 0))
            os.fchmod(file.fileno(), mount.number("mode", 0o400, 8))
            file.write(given.read())
        destination = os.path.normpath(os.path.join("/run/secrets", target or name))
        return [{"destination": destination, "type": "bind", "source": path, "options": ["rbind", "rprivate", "ro"]}]


@contextmanager
def _place(root: str, entry: dict[str, Any]) -> Iterator[None]:
    """What it is mounted on, for as long as the body runs: removed again where it was made and stayed empty."""
    is_file = entry["type"] == "bind" and os.path.isfile(entry["source"])
    with Placer(root) as placer:
        path = placer.resolve(entry["destination"])
        missing = next((depth for depth in range(1, len(path) + 1) if placer.status(path[:depth]) is None), None)
        above = None if missing is None else placer.status(path[: missing - 1])
        if missing is not None:
            placer.make_parents(path[:-1], Attributes(mode=0o755))
            if is_file:
                placer.file(path, Attributes(mode=0o644), lambda _: None)
            else:
                placer.directory(path, Attributes(mode=0o755))
    yield
    if missing is not None and above is not None:
        with Placer(root) as placer:
            placer.forget(path, missing)
            placer.directory(path[: missing - 1], Attributes(above.st_uid, above.st_gid, None, above.st_mtime_ns))
