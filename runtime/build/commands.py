"""RUN: what is run, as whom, with what network; and the words for the history."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.build.errors import BuildError, CommandFailed
from runtime.build.running import Identity, Run, run
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.build.instructions import Instruction
    from runtime.build.network import BuildNetwork
    from runtime.build.state import State
    from runtime.build.workspace import Room, Workspace

_SCRIPT = "/dev/.run-script"
_LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_HOST_FILES = ("/etc/hosts", "/etc/resolv.conf")
_LIMIT_BYTES = 1 << 20


def arguments_of(instruction: Instruction, state: State) -> tuple[str, ...]:
    """The command: a list as it is, anything else by the shell, here-documents included."""
    if instruction.exec_form:
        return instruction.words
    text = instruction.words[0]
    heredocs = instruction.line.heredocs
    if len(heredocs) == 1 and text.startswith("<<") and not text.split("<<", 1)[1].strip().split()[1:]:
        return (*state.shell, heredocs[0].content)
    for heredoc in heredocs:
        text += f"\n{heredoc.content}{heredoc.name}"
    return (*state.shell, text)


def created_by(arguments: tuple[str, ...], counted: Mapping[str, str]) -> str:
    """The words for the history: build arguments come first, because they make it another command."""
    prefix = (f"|{len(counted)}", *(f"{name}={counted[name]}" for name in sorted(counted))) if counted else ()
    return " ".join((*prefix, *arguments))


class Given(Value):
    """What a command has besides the image: build arguments as variables, and entries of config.json."""

    variables: Mapping[str, str]
    mounts: tuple[dict[str, Any], ...] = ()


class Commands:
    """The RUNs of one build."""

    def __init__(self, workspace: Workspace, network: BuildNetwork, mode: str, output: int) -> None:
        self._workspace = workspace
        self._network = network
        self._mode = mode
        self._output = output

    def begin(self, instruction: Instruction) -> None:
        """It is going to be run: what takes its time can begin."""
        if self._mode_of(instruction) == "default":
            self._network.begin()

    def run(self, instruction: Instruction, state: State, room: Room, given: Given) -> None:
        """Run it in the mounted layers; raises `CommandFailed`, and `BuildError` if it cannot be run."""
        arguments = arguments_of(instruction, state)
        network, files = self._surroundings(self._mode_of(instruction), room.container_id)
        script = self._script(arguments, state, room)
        command = Run(
            container_id=room.container_id,
            args=(_SCRIPT,) if script else arguments,
            env=(*(state.config.get("Env") or ()), *(f"{name}={content}" for name, content in given.variables.items())),
            cwd=state.working_dir,
            identity=identity_of(str(state.config.get("User") or ""), room.merged),
            network=network,
            files=(*self._written(room, files), *script),
            mounts=given.mounts,
        )
        code = run(command, room, self._workspace.runtime, self._output)
        if code:
            raise CommandFailed(" ".join(arguments), code)

    def _mode_of(self, instruction: Instruction) -> str:
        mode = instruction.flag("network") or self._mode
        if mode not in {"default", "bridge", "none", "host"}:
            raise BuildError(f"unsupported network mode {mode!r}: default, none or host")
        return "default" if mode == "bridge" else mode

    def _surroundings(self, mode: str, container_id: str) -> tuple[str | None, dict[str, str]]:
        name = container_id[:12]
        files = {"/etc/hostname": f"{name}\n"}
        if mode == "host":
            return None, files | {path: _text(path) for path in _HOST_FILES}
        if mode == "none":
            return "", files | {"/etc/hosts": _LOCALHOST, "/etc/resolv.conf": ""}
        attached = self._network.attached()
        files |= {"/etc/hosts": attached.hosts, "/etc/resolv.conf": attached.resolv_conf}
        return attached.namespace, files

    def _written(self, room: Room, files: dict[str, str]) -> tuple[tuple[str, str], ...]:
        written: list[tuple[str, str]] = []
        for target, text in files.items():
            path = f"{room.directory}/{os.path.basename(target)}"
            with open(path, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
            written.append((target, path))
        return tuple(written)

    def _script(self, arguments: tuple[str, ...], state: State, room: Room) -> tuple[tuple[str, str], ...]:
        """A here-document that says itself what interprets it is a program of its own."""
        if len(arguments) != len(state.shell) + 1 or not arguments[-1].startswith("#!"):
            return ()
        path = f"{room.directory}/script"
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(arguments[-1])
        return ((_SCRIPT, path),)


def identity_of(user: str, root: str) -> Identity:
    """Whom ``USER`` names in the mounted root; raises `BuildError`."""
    from runtime.image.errors import ImageError
    from runtime.image.user import resolve_user

    try:
        found = resolve_user(user, (Path(root),))
        return Identity(found.uid, found.gid, found.groups, _home(found.uid, root))
    except ImageError as error:
        raise BuildError(str(error)) from error


def _home(uid: int, root: str) -> str:
    from runtime.image.union import read_file

    rows = (line.split(":") for line in (read_file((Path(root),), "/etc/passwd", _LIMIT_BYTES) or b"").decode(
        errors="replace").splitlines())  # fmt: skip
    return next((row[5] for row in rows if len(row) == 7 and row[2] == str(uid) and row[5]), "/")


def owner_of(text: str, root: str) -> tuple[int, int]:
    """What ``--chown`` names in the mounted root: a group that is not named is called like the user."""
    user, colon, group = text.partition(":")
    found = identity_of(f"{user}:{group if colon and group else user}", root)
    return found.uid, found.gid


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
