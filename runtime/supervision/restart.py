"""When a container that has ended is started again: Docker's policies, as a function of what happened.

The differences from Docker, all deliberate:

- An exit status that is *unknown*, because the container ended while no supervisor watched, counts as a failure for
  ``on-failure``: whoever asked for that wants the container to go on unless it is known to have succeeded.
- ``always`` and ``unless-stopped`` do the same. They differ when Docker's daemon begins, and with ``always`` starts
  even what was stopped by hand. Our supervisor comes and goes with the commands, so its beginning must mean nothing.
"""

from __future__ import annotations

from runtime.spec.reader import SpecError, show
from runtime.values import Value

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 60.0
STEADY_AFTER_S = 10.0
"""A container that ran this long has come up: the next delay is the first again."""

_PLAIN = frozenset({"no", "always", "unless-stopped"})
_MOST_DIGITS = 9


class RestartPolicy(Value):
    """``name`` is no, on-failure, always or unless-stopped; ``maximum`` restarts of on-failure, 0 for any number."""

    name: str = "no"
    maximum: int = 0

    @classmethod
    def parse(cls, text: str, path: str = "restart") -> RestartPolicy:
        """``no``, ``on-failure[:N]``, ``always`` or ``unless-stopped``; raises `SpecError`."""
        if text in _PLAIN:
            return cls(text)
        name, colon, digits = text.partition(":")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS
        if name != "on-failure" or not (is_number if colon else not digits):
            raise SpecError(path, f"{show(text)} is none of no, on-failure[:N], always and unless-stopped")
        return cls(name, int(digits or 0))

    def __str__(self) -> str:
        return f"{self.name}:{self.maximum}" if self.maximum else self.name


class Run(Value):
    """How a container ended: ``exit_code`` None is unknown.

    ``restarts`` are those since somebody last started it, ``delay_s`` was waited before this run, 0 if that was the
    first. ``stopped`` says that somebody asked for the end.
    """

    exit_code: int | None
    ran_s: float
    restarts: int = 0
    delay_s: float = 0.0
    stopped: bool = False


def next_restart(policy: RestartPolicy, run: Run) -> float | None:
    """Seconds until it is to be started again; None if it is not."""
    if run.stopped or not _wanted(policy, run):
        return None
    if run.ran_s >= STEADY_AFTER_S or run.delay_s == 0:
        return FIRST_DELAY_S
    return min(2 * run.delay_s, LONGEST_DELAY_S)


def _wanted(policy: RestartPolicy, run: Run) -> bool:
    if policy.name == "on-failure":
        return run.exit_code != 0 and not (policy.maximum and run.restarts >= policy.maximum)
    return policy.name in {"always", "unless-stopped"}
