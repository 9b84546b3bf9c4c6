"""Start, stop and everything between: asked of the supervisor, which has the containers that run."""

from __future__ import annotations

import os

from runtime.engine.directories import locked
from runtime.engine.errors import AlreadyRunning, Conflict, EngineError, NoSuchContainer, NotRunning, start_failure
from runtime.engine.records import TAKEN_ON, write_file
from runtime.engine.states import UNKNOWN_EXIT, read_life, read_state
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.options import HealthOptions
    from runtime.supervision.entries import LogEntry
    from runtime.supervision.health import HealthCheck
    from runtime.supervision.terms import Terms


def start(engine: Engine, container: Container) -> Container:
    """Start it; what it has become."""
    state = read_state(engine.home, container.id)
    if state.status == "paused":
        raise AlreadyRunning("cannot start a paused container, try unpause instead")
    if state.status == "running":
        return container
    from runtime.supervision.errors import SupervisionError, WrongPhase

    try:
        take_on(engine, container)
        engine.supervisor.start(container.id)
    except WrongPhase as error:
        if not read_state(engine.home, container.id).is_running:  # somebody else has started it
            raise Conflict(str(error)) from error
    except SupervisionError as error:
        raise start_failure(_reason(str(error), container.id)) from error
    return engine.containers.find(container.id)


def _reason(message: str, container_id: str) -> str:
    """Without what the supervisor says before it."""
    return message.removeprefix(f"start container {container_id!r}: ")


def take_on(engine: Engine, container: Container) -> None:
    """Have the supervisor know it, on terms as they are now."""
    try:
        with locked(container.directory):
            if read_life(engine.home, container.id) is None:
                engine.supervisor.create(terms_of(container))
                # From now on a container without a record of the supervisor's is one whose removal was not finished.
                write_file(f"{container.directory}/{TAKEN_ON}", "")
    except FileNotFoundError as error:
        raise NoSuchContainer(container.id) from error


def change_terms(engine: Engine, container: Container) -> None:
    """Have the supervisor restart it as it is to be restarted now; one that it does not know is taken on so later."""
    if read_life(engine.home, container.id) is not None:
        with translated(container):
            engine.supervisor.amend(terms_of(container))


def terms_of(container: Container) -> Terms:
    """What the supervisor is to know of it."""
    from runtime.supervision.restart import RestartPolicy
    from runtime.supervision.terms import LogLimits, Terms

    config, default = container.config, LogLimits()
    return Terms(
        id=container.id,
        bundle=container.directory,
        restart=RestartPolicy.parse(config.restart),
        health=_health(config.health),
        log=LogLimits(config.log_max_bytes or default.max_bytes, config.log_max_files or default.max_files),
        stdin=config.stdin_open,
        stop_signal=config.stop_signal or "SIGTERM",
        stop_timeout_s=10.0 if config.stop_timeout_s is None else config.stop_timeout_s,
        terminal=config.tty,
        auto_remove=config.auto_remove,
    )


def _health(options: HealthOptions | None) -> HealthCheck | None:
    """None where there is nothing to test; raises `SpecError` for a test of no known kind."""
    from runtime.engine.inspection import health_document
    from runtime.spec.reader import Reader
    from runtime.supervision.health import parse_health

    return None if options is None else parse_health(Reader(health_document(options), "health"))


def stop(engine: Engine, container: Container, timeout_s: float | None, signal: str | None) -> None:
    """Nothing happens to one that does not run."""
    if read_state(engine.home, container.id).is_active:
        with translated(container):
            engine.supervisor.stop(container.id, timeout_s=timeout_s, signal=signal)


def restart(engine: Engine, container: Container, timeout_s: float | None) -> None:
    """By hand: what was stopped starts, too."""
    from runtime.engine.creation import tell

    stop(engine, container, timeout_s, None)
    start(engine, container)
    tell(engine, container, "restart")


def kill(engine: Engine, container: Container, signal: str) -> None:
    """In Docker's words if it does not run."""
    if not read_state(engine.home, container.id).is_running:
        raise NotRunning(container.id)
    with translated(container):
        engine.supervisor.kill(container.id, signal)


def pause(engine: Engine, container: Container) -> None:
    """All of its processes at once."""
    state = read_state(engine.home, container.id)
    if state.status == "paused":
        raise Conflict(f"Container {container.id} is already paused")
    if state.status != "running":
        raise NotRunning(container.id)
    with translated(container):
        engine.supervisor.pause(container.id)


def unpause(engine: Engine, container: Container) -> None:
    """And they go on."""
    if read_state(engine.home, container.id).status != "paused":
        raise Conflict(f"Container {container.id} is not paused")
    with translated(container):
        engine.supervisor.unpause(container.id)


def wait(engine: Engine, container: Container) -> int:
    """At once for one that never ran; of one that is gone since it ended, the supervisor knows for a while how."""
    here, taken_on = os.path.exists(container.directory), os.path.exists(f"{container.directory}/{TAKEN_ON}")
    if here and not taken_on and read_life(engine.home, container.id) is None:
        return 0
    with translated(container):
        code = engine.supervisor.wait(container.id).life.exit.code
    return UNKNOWN_EXIT if code is None else code


@contextmanager
def translated(container: Container) -> Iterator[None]:
    """The supervisor's errors in our words: it may have ended, or been removed, between a look and the request."""
    from runtime.container.errors import ContainerError
    from runtime.supervision.errors import SupervisionError, Unknown, WrongPhase

    try:
        yield
    except WrongPhase as error:
        raise NotRunning(container.id) from error
    except Unknown as error:
        raise NoSuchContainer(container.id) from error
    except (SupervisionError, ContainerError) as error:
        raise EngineError(str(error)) from error


def logs(
    engine: Engine, container: Container, tail: int | None, since_ns: int | None, *, follow: bool
) -> Iterator[LogEntry]:
    """From the files; only to follow needs somebody who writes them."""
    from runtime.supervision import logs as reading
    from runtime.supervision.record import Root

    if read_life(engine.home, container.id) is None:
        return iter(())
    place = Root(engine.home.supervision).place(container.id)
    if follow:
        return engine.supervisor.follow(container.id, tail=tail, since_ns=since_ns)
    return reading.read_logs(place, tail=tail, since_ns=since_ns)
