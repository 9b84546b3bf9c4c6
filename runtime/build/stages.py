"""Which stages a target needs: the others are not built."""

from __future__ import annotations

from runtime.build.errors import DockerfileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.build.instructions import Dockerfile, Instruction, Stage


def find_stage(stages: Sequence[Stage], reference: str) -> Stage | None:
    """The stage of this name or number among those that come before; the last, if several could be meant."""
    wanted = reference.lower()
    by_name = next((stage for stage in reversed(stages) if stage.name and stage.name == wanted), None)
    if by_name is not None or not wanted.isdecimal():
        return by_name
    return next((stage for stage in stages if stage.index == int(wanted)), None)


def target_stage(dockerfile: Dockerfile, target: str) -> Stage:
    """What is to be built: the last stage unless another one is named; raises `DockerfileError`."""
    if not target:
        return dockerfile.stages[-1]
    stage = find_stage(dockerfile.stages, target)
    if stage is None:
        last = dockerfile.source.lines[-1].number
        raise DockerfileError(dockerfile.source.name, last, f"failed to reach build target {target} in Dockerfile")
    return stage


def needed_stages(dockerfile: Dockerfile, target: Stage, image_of: Callable[[Stage], str]) -> tuple[Stage, ...]:
    """The target and all that it is made of, in order. ``image_of`` puts variables in place."""
    wanted: set[int] = set()
    waiting = [target]
    while waiting:
        stage = waiting.pop()
        if stage.index in wanted:
            continue
        wanted.add(stage.index)
        before = dockerfile.stages[: stage.index]
        references = [image_of(stage), *(name for one in stage.instructions for name in sources_of(one))]
        waiting += [found for name in references if (found := find_stage(before, name)) is not None]
    return tuple(stage for stage in dockerfile.stages if stage.index in wanted)


def sources_of(instruction: Instruction) -> tuple[str, ...]:
    """Stages or images that an instruction takes files of."""
    if instruction.keyword == "COPY":
        return instruction.all("from")
    mounts = (mount.split(",") for mount in instruction.all("mount"))
    return tuple(word.partition("=")[2] for words in mounts for word in words if word.startswith("from="))
