"""The giving of the demonstrations: one step after the other, each with what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.demo.step import Differs, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.demo.stage import Stage
    from bench.demo.step import Step


def play(steps: Sequence[Step], stage: Stage, tell: Callable[[Observation], None]) -> tuple[Observation, ...]:
    """Carry out all of them; one that differs does not end the others, but those that need it differ too."""
    observations = []
    for step in steps:
        observation = observe(step, stage)
        observations.append(observation)
        tell(observation)
    return tuple(observations)


def observe(step: Step, stage: Stage) -> Observation:
    """Carry one out."""
    stage.output.clear()
    try:
        seen, agrees = step.act(stage), True
    except Differs as difference:
        seen, agrees = str(difference), False
    return Observation(step, _with_facts(step.command, stage), seen, "".join(stage.output), agrees)


def _with_facts(command: str, stage: Stage) -> str:
    """The command, with the made-up name that it was given."""
    return command.replace("NAME", stage.facts.get("name", "NAME"))
