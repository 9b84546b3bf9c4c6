"""One stage: its instructions, one after the other, each made or found in the cache."""

from __future__ import annotations

from runtime.build.bases import short
from runtime.build.cache import cache_key
from runtime.build.commands import Given, arguments_of, created_by
from runtime.build.errors import BuildError, DockerfileError, StepError
from runtime.build.settings import SETTINGS, Setting
from runtime.build.state import now
from runtime.image.errors import ImageError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runtime.build.arguments import StageArguments
    from runtime.build.builder import Shared
    from runtime.build.instructions import Instruction
    from runtime.build.state import State
    from runtime.build.workspace import Room


class Step(Value):
    """What an instruction comes to: its words for the history, what makes its files, and ``more`` that decides it.

    ``before`` is what a command needs, and can be begun with as soon as it is known that it is to be run.
    """

    parent: str
    words: str
    action: Callable[[Room], None] | None
    more: str = ""
    before: Callable[[], None] | None = None


class Steps:
    """The instructions of one stage, and what it has come to; ``hits`` as long as all was found in the cache."""

    def __init__(self, shared: Shared, state: State, arguments: StageArguments) -> None:
        self.state = state
        self._shared = shared
        self._arguments = arguments
        self._hits = not shared.options.no_cache

    def perform(self, instruction: Instruction) -> None:
        """One of them; raises `StepError`."""
        line, name = instruction.line, self._shared.dockerfile.source.name
        try:
            self._perform(instruction)
        except (StepError, DockerfileError):
            raise
        except BuildError as error:
            raise StepError(name, line.number, instruction.keyword, str(error), error.code) from error
        except (ImageError, ValueError) as error:
            raise StepError(name, line.number, instruction.keyword, str(error)) from error
        except OSError as error:
            place = f"{error.filename}: " if isinstance(error.filename, str) else ""
            problem = f"{place}{(error.strerror or str(error)).lower()}"
            raise StepError(name, line.number, instruction.keyword, problem) from error

    def _perform(self, instruction: Instruction) -> None:
        keyword, env = instruction.keyword, self.state.env
        variables = self._arguments.visible(env) | env
        if keyword == "RUN":
            self._run(instruction)
        elif keyword in {"ADD", "COPY"}:
            self._transfer(instruction, variables)
        else:
            parent = self.state.digest
            words = self._set(instruction, variables)
            action = self._make_working_dir if keyword == "WORKDIR" else None
            self._conclude(Step(parent, self.state.comment(words), action))

    def _set(self, instruction: Instruction, variables: Mapping[str, str]) -> str:
        if instruction.keyword == "ARG":
            return self._arguments.declare(instruction, variables)
        setting = Setting(instruction, self.state, variables, self._shared.dockerfile.source.escape)
        return SETTINGS[instruction.keyword](setting)

    def _transfer(self, instruction: Instruction, variables: Mapping[str, str]) -> None:
        transfers = self._shared.transfers
        with transfers.open(instruction, variables, self.state.working_dir) as transfer:
            words = self.state.comment(transfer.words)
            self._conclude(Step(self.state.digest, words, transfer.perform, str(transfer.mode)))

    def _run(self, instruction: Instruction) -> None:
        env = self.state.env
        visible, counted = self._arguments.visible(env), self._arguments.counted(env)
        words = created_by(arguments_of(instruction, self.state), counted)
        commands = self._shared.commands

        def action(room: Room) -> None:
            self._make_volumes(room)
            self._shared.progress.say(f" ---> Running in {room.container_id[:12]}")
            with self._shared.mounts.open(instruction, room, self.state) as mounts:
                commands.run(instruction, self.state, room, Given(visible, mounts))
            self._shared.progress.say(f"Removing intermediate container {room.container_id[:12]}")

        flags = " ".join(f"{name}={content}" for name, content in instruction.flags)
        step = Step(self.state.digest, words, action, flags, before=lambda: commands.begin(instruction))
        self._conclude(step)

    def _make_volumes(self, room: Room) -> None:
        """A command finds the places of volumes, which the image has from then on; its working directory, too."""
        from runtime.build.placing import Attributes, Placer

        with Placer(room.merged) as placer:
            for path in (*(self.state.config.get("Volumes") or ()), self.state.working_dir):
                placer.make_parents(placer.resolve(path), Attributes(mode=0o755))

    def _make_working_dir(self, room: Room) -> None:
        from runtime.build.placing import Attributes, Placer

        with Placer(room.merged) as placer:
            placer.make_parents(placer.resolve(self.state.working_dir), Attributes(mode=0o755))

    def _conclude(self, step: Step) -> None:
        """Find what it makes, or make it; then it is a part of the state."""
        key = cache_key(step.parent, step.words, self.state.encode().decode(), step.more)
        record = self._shared.cache.find(key) if self._hits else None
        if record is None:
            self._hits = False
            record = self._made(step)
            self._shared.cache.store(key, record)
        else:
            self._shared.progress.say(" ---> Using cache")
        self.state.record(step.words, record["created"], record["layer"])
        self._shared.progress.say(f" ---> {short(self.state.digest)}")

    def _made(self, step: Step) -> dict[str, Any]:
        layer = None
        if step.before is not None:
            step.before()
        if step.action is not None:
            layer = self._shared.layers.make(self.state, step.action, for_a_container=step.before is not None)
        return {"created": now(), "layer": layer}
