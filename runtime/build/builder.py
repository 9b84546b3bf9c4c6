"""Build an image: ``build(root, BuildOptions(context, tags=("web:1",)))``.

Stages that the target does not need are left out. Each instruction is a small transaction: its layer is in the store,
and then remembered in the cache; the image gets its names when all of it is there. So whoever is killed leaves a store
that is whole, and what had been made is found again.
"""

from __future__ import annotations

import os

from runtime.build.arguments import Arguments
from runtime.build.bases import Bases, short
from runtime.build.cache import Cache
from runtime.build.commands import Commands
from runtime.build.context import open_context
from runtime.build.errors import BuildError, CommandFailed, DockerfileError, StepError
from runtime.build.instructions import Instruction, parse_dockerfile, parse_instruction
from runtime.build.layers import Layers
from runtime.build.lines import Line, read_source
from runtime.build.network import BuildNetwork
from runtime.build.progress import Progress
from runtime.build.publishing import publish
from runtime.build.runmounts import RunMounts
from runtime.build.stages import find_stage, needed_stages, target_stage
from runtime.build.state import State, host_platform
from runtime.build.steps import Steps
from runtime.build.transfers import Transfers
from runtime.build.workspace import Workspace
from runtime.unwinding import ExitStack
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.build.context import Context
    from runtime.build.instructions import Dockerfile, Stage
    from runtime.build.options import BuildOptions, Built

_SCRATCH = "scratch"


class Shared(Value):
    """What all stages of a build have in common."""

    options: BuildOptions
    dockerfile: Dockerfile
    progress: Progress
    workspace: Workspace
    cache: Cache
    layers: Layers
    commands: Commands
    transfers: Transfers
    mounts: RunMounts


class Ground(Value):
    """Where a build takes place."""

    root: str
    progress: Progress
    workspace: Workspace
    network: BuildNetwork


class Finished(Value):
    """A stage that is done: its state, and the image's digest if nothing was added to it."""

    state: State
    unchanged: str = ""


def build(root: str, options: BuildOptions) -> Built:
    """Build it in the store of the engine's root directory; raises `BuildError`, whose message names the place."""
    root = os.path.abspath(root)
    with ExitStack() as held:
        progress = held.enter_context(Progress(options.output, quiet=options.quiet))
        workspace = held.enter_context(Workspace(root))
        network = held.enter_context(BuildNetwork(root, workspace.id))
        context = open_context(options.context, options.file, workspace.scratch())
        try:
            return _Build(options, context, Ground(root, progress, workspace, network)).run()
        except BuildError as error:
            if isinstance(error.__cause__, CommandFailed):
                progress.show_commands(options.complaints)
            raise


class _Build:
    def __init__(self, options: BuildOptions, context: Context, ground: Ground) -> None:
        root, progress, workspace = ground.root, ground.progress, ground.workspace
        self._options = options
        self._bases = Bases(root)
        self._dockerfile = parse_dockerfile(context.text, context.name)
        escape = self._dockerfile.source.escape
        self._arguments = Arguments(dict(options.build_args), escape)
        self._done: dict[int, Finished] = {}
        layers = Layers(self._bases, workspace)
        self._shared = Shared(
            options, self._dockerfile, progress, workspace, Cache(root), layers,
            Commands(workspace, ground.network, options.network, progress.commands),
            Transfers(context, self._directories_of, workspace.scratch, escape),
            RunMounts(root, context.directory, self._directories_of, workspace, dict(options.secrets)),
        )  # fmt: skip
        self._number = self._total = 0
        self._stage: Stage = self._dockerfile.stages[0]

    def run(self) -> Built:
        """All of it."""
        target = target_stage(self._dockerfile, self._options.target)
        self._declare()
        stages = needed_stages(self._dockerfile, target, self._image_of)
        labels = self._labels()
        steps = sum(1 + len(stage.instructions) for stage in stages)
        self._total = len(self._dockerfile.arguments) + steps + len(labels)
        for instruction in self._dockerfile.arguments:
            self._step(instruction.line.text)
        for stage in stages:
            self._done[stage.index] = self._finish(stage, labels if stage is target else ())
        if self._arguments.unused:
            names = " ".join(self._arguments.unused)
            self._shared.progress.say(f"[Warning] One or more build-args [{names}] were not consumed")
        return self._publish(self._done[target.index])

    def _publish(self, finished: Finished) -> Built:
        built = publish(self._bases, finished.state, finished.unchanged, self._options.tags)
        self._shared.progress.say(f"Successfully built {short(built.digest)}")
        for tag in built.tags:
            self._shared.progress.say(f"Successfully tagged {tag}")
        return built

    def _step(self, text: str) -> None:
        self._number += 1
        self._shared.progress.step(self._number, self._total, text)

    def _declare(self) -> None:
        for instruction in self._dockerfile.arguments:
            try:
                self._arguments.declare(instruction)
            except ValueError as error:
                raise self._error(instruction, str(error)) from error

    def _image_of(self, stage: Stage) -> str:
        try:
            return self._arguments.image(stage.image)
        except ValueError as error:
            raise self._error(stage.base, str(error)) from error

    def _error(self, instruction: Instruction, problem: str) -> StepError:
        return StepError(self._dockerfile.source.name, instruction.line.number, instruction.keyword, problem)

    def _labels(self) -> tuple[Instruction, ...]:
        """Labels of the command line are one more instruction of the target."""
        if not self._options.labels:
            return ()
        pairs = sorted(dict(self._options.labels).items())
        words = tuple(self._literal(word) for pair in pairs for word in pair)
        text = " ".join(("LABEL", *(f'"{name}"="{content}"' for name, content in pairs)))
        last = self._dockerfile.source.lines[-1].number
        return (Instruction("LABEL", Line(last, "LABEL", text[6:], text), words),)

    def _literal(self, word: str) -> str:
        return "".join(f"{self._dockerfile.source.escape}{character}" for character in word)

    def _finish(self, stage: Stage, more: tuple[Instruction, ...]) -> Finished:
        self._stage = stage
        self._step(stage.base.line.text)
        try:
            begun = self._begin(stage)
        except BuildError as error:
            raise self._error(stage.base, str(error)) from error
        state = begun.state.copy()
        triggers = self._triggers(state, stage)
        steps = Steps(self._shared, state, self._arguments.stage())
        if triggers:
            plural = "s" if len(triggers) > 1 else ""
            self._shared.progress.say(f"# Executing {len(triggers)} build trigger{plural}")
        for trigger in triggers:
            steps.perform(trigger)
        instructions = (*stage.instructions, *more)
        for instruction in instructions:
            self._step(instruction.line.text)
            steps.perform(instruction)
        changed = triggers or instructions
        return Finished(steps.state) if changed or not begun.unchanged else begun

    def _begin(self, stage: Stage) -> Finished:
        """What the stage begins with: nothing, another stage, or an image."""
        self._check_platform(stage)
        name = self._image_of(stage)
        if name == _SCRATCH:
            return Finished(State.empty())
        earlier = find_stage(self._dockerfile.stages[: stage.index], name)
        if earlier is not None:
            finished = self._done[earlier.index]
            self._shared.progress.say(f" ---> {short(finished.unchanged or finished.state.digest)}")
            return finished
        base = self._bases.find(name, pull=self._options.pull)
        self._shared.progress.say(f" ---> {short(base.digest)}")
        return Finished(base.state, base.digest)

    def _check_platform(self, stage: Stage) -> None:
        wanted = stage.base.flag("platform")
        if not wanted:
            return
        given = self._arguments.image(wanted).split("/")
        own = host_platform()
        if given[0] != own["os"] or given[1:2] not in ([], [own["architecture"]]):
            here = f"{own['os']}/{own['architecture']}"
            raise BuildError(f"platform {'/'.join(given)} is not this host's: images for {here} are built here")

    def _triggers(self, state: State, stage: Stage) -> tuple[Instruction, ...]:
        """What the image below wants done first; it is done once, not in images of this one."""
        texts = state.config.pop("OnBuild", None) or ()
        triggers: list[Instruction] = []
        for text in texts:
            try:
                source = read_source(text)
                triggers += [parse_instruction(line, source) for line in source.lines]
            except DockerfileError as error:
                raise self._error(stage.base, f"ONBUILD {text}: {error}") from error
        return tuple(triggers)

    def _directories_of(self, reference: str) -> tuple[str, ...]:
        """The layers of an earlier stage, or of an image."""
        earlier = find_stage(self._dockerfile.stages[: self._stage.index], reference)
        if earlier is not None:
            return self._shared.layers.directories(self._done[earlier.index].state)
        if reference.isdecimal() or reference == self._stage.name:
            raise BuildError(f"invalid from flag value {reference}: refers to no earlier stage")
        return self._shared.layers.directories(self._bases.find(reference).state)
