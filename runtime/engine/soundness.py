"""Whether everything below a root is what it should be: looked at part by part, and put right where that is safe.

Others may be at work meanwhile: what was found is looked at again after a moment, and told only if it is still so.
"""

from __future__ import annotations

import time

from runtime.engine import audit_containers, audit_mounts, audit_networks, audit_volumes
from runtime.engine.errors import EngineError
from runtime.engine.findings import Finding
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.engine.engine import Engine

_AUDITS: tuple[Callable[[Engine], Iterator[Finding]], ...] = (
    audit_containers.audit,
    audit_volumes.audit,
    audit_networks.audit,
    audit_mounts.audit,
)
_AGAIN_S = 0.2


class Problem(Value):
    """One thing that is wrong, in a line; ``outcome`` says what has become of it."""

    message: str
    outcome: str = ""

    @property
    def is_repaired(self) -> bool:
        """Whether it has been put right."""
        return self.outcome == REPAIRED


class Soundness(Value):
    """What was found; how many blobs and containers were looked at."""

    problems: tuple[Problem, ...]
    blobs: int
    containers: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, or not any more."""
        return all(problem.is_repaired for problem in self.problems)


REPAIRED = "repaired"


def check(engine: Engine, *, repair: bool) -> Soundness:
    """Look at everything; with ``repair`` put right what loses nothing. Changes nothing without."""
    findings, blobs = _images(engine)
    findings += _confirmed(engine)
    problems = tuple(_told(finding, repair=repair) for finding in findings)
    return Soundness(problems, blobs, len(engine.containers.ids()))


def _images(engine: Engine) -> tuple[list[Finding], int]:
    """A damaged blob is taken away so that the next pull brings it anew; what is missing only a pull can bring."""
    from runtime.image.check import check as check_images
    from runtime.image.check import remove_damaged

    report = check_images(engine.images)
    damaged = {str(digest) for digest in report.damaged}

    def take_away() -> None:
        remove_damaged(engine.images, report)

    findings = []
    for message in report.problems:
        is_damage = any(digest in message for digest in damaged) and not message.startswith("image ")
        findings.append(Finding(message, take_away if is_damage else None, "pull the image again"))
    return findings, report.blobs


def _confirmed(engine: Engine) -> list[Finding]:
    first = _audit(engine)
    if not first:
        return []
    time.sleep(_AGAIN_S)
    known = {finding.message for finding in first}
    return [finding for finding in _audit(engine) if finding.message in known]


def _audit(engine: Engine) -> list[Finding]:
    return [finding for audit in _AUDITS for finding in audit(engine)]


def _told(finding: Finding, *, repair: bool) -> Problem:
    if not repair:
        return Problem(finding.message, "can be repaired" if finding.repair is not None else finding.hint)
    if finding.repair is None:
        return Problem(finding.message, finding.hint)
    try:
        finding.repair()
    except (EngineError, OSError) as error:
        return Problem(finding.message, f"cannot be repaired: {error}")
    return Problem(finding.message, REPAIRED)
