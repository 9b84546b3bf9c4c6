"""``update``: change the limits of a container that has not stopped."""

from __future__ import annotations

from runtime.container.errors import WrongStatus
from runtime.container.state import Status
from runtime.spec.resources import parse_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.container.store import Container

# Engines fill in what they do not mean with a zero, which as a limit would make no sense.
_ZERO_IS_UNSET = frozenset({"limit", "reservation", "swap", "kernel", "kernelTCP", "shares", "quota", "period", "burst",
                            "realtimeRuntime", "realtimePeriod", "weight", "leafWeight"})  # fmt: skip


def update(container: Container, resources: dict[str, Any]) -> None:
    """``resources`` as decoded from JSON; raises `SpecError` for what makes no sense, and changes nothing then."""
    wanted = parse_resources(_without_zeros(resources))
    with container.locked():
        state = container.state()
        status = container.status(state)
        if status is Status.STOPPED:
            raise WrongStatus(f"update container {container.id!r}: container not running")
        state.group.update(wanted)


def _without_zeros(resources: Any) -> Any:
    if not isinstance(resources, dict):
        return resources
    return {
        part: {name: given for name, given in content.items() if given != 0 or name not in _ZERO_IS_UNSET}
        if isinstance(content, dict) and part != "unified" else content
        for part, content in resources.items()
    }  # fmt: skip
