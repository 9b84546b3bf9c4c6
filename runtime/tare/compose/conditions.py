"""What a service waits for in those that it needs (Compose specification, "depends_on")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.tare.errors import CommandError

if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.engine.states import State
    from runtime.tare.compose.service import Need

STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"
CONDITIONS = (STARTED, HEALTHY, COMPLETED)


def is_met(need: Need, container: Container) -> bool:
    """Whether it is now; raises `CommandError` if it cannot be any more."""
    if need.condition == COMPLETED:
        return _has_completed(need, container.state)
    if need.condition == HEALTHY:
        return _is_healthy(need, container)
    return True


def _has_completed(need: Need, state: State) -> bool:
    if not state.is_active and state.exit_code:
        raise CommandError(f"service {need.service!r} didn't complete successfully: exit {state.exit_code}")
    return not state.is_active


def _is_healthy(need: Need, container: Container) -> bool:
    health = container.state.health
    if health is None:
        raise CommandError(f"container {container.name} of service {need.service!r} has no healthcheck configured")
    if health.status == "unhealthy" or not container.state.is_active:
        raise CommandError(f"dependency failed to start: container {container.name} is unhealthy")
    return health.status == "healthy"
