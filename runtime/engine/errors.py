"""What can go wrong with the engine.

    EngineError              one sentence, in the words that Docker's users know
    ├── NoSuchContainer      nothing answers to the reference
    ├── NoSuchImage          no image of this name is here; it can be pulled
    ├── NoSuchNetwork
    ├── NoSuchVolume
    ├── NoSuchPath           a path that is not in the container
    ├── Ambiguous            several answer to the reference
    ├── NameInUse            somebody has the name already
    ├── Conflict             the object is not in a state in which this can be done
    │   ├── NotRunning       the container has to run for this
    │   ├── AlreadyRunning   and here it must not
    │   └── InUse            somebody uses it
    ├── BadOption            what was asked for makes no sense
    ├── Damaged              what is remembered of an object cannot be read
    └── StartFailed          the container could not be started; ``exit_code`` is what `run` ends with
        ├── CannotExecute    126: what is to be run is there, and may not be
        └── NotExecutable    127: what is to be run is not there

The engine's parts have errors of their own (`runtime.image.errors`, `runtime.network.errors`,
`runtime.supervision.errors`); the command line prints those as they are.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something could not be done; the message is one sentence."""


class NoSuchContainer(EngineError):
    """Nothing answers to the reference."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"No such container: {reference}")


class NoSuchImage(EngineError):
    """No image of this name is here."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"No such image: {reference}")
        self.reference = reference


class NoSuchNetwork(EngineError):
    """No network of this name or id."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"network {reference} not found")


class NoSuchVolume(EngineError):
    """No volume of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")


class NoSuchPath(EngineError):
    """A path that is not in the container."""

    def __init__(self, path: str, container: str) -> None:
        super().__init__(f"Could not find the file {path} in container {container}")


class Ambiguous(EngineError):
    """Several answer to the reference."""

    def __init__(self, reference: str, kind: str = "container") -> None:
        super().__init__(f"Multiple IDs found with provided prefix: {reference} ({kind})")


class NameInUse(EngineError):
    """Another container has the name."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )


class Conflict(EngineError):
    """The object is not in a state in which this can be done."""


class NotRunning(Conflict):
    """The container has to run for this."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"Container {container_id} is not running")


class AlreadyRunning(Conflict):
    """The container must not run for this."""


class InUse(Conflict):
    """Somebody uses it."""


class BadOption(EngineError):
    """What was asked for makes no sense."""


class Damaged(EngineError):
    """What is remembered of an object cannot be read."""


class StartFailed(EngineError):
    """The container could not be started; ``exit_code`` is what a command that runs it ends with."""

    exit_code = 125


class CannotExecute(StartFailed):
    """What is to be run is there, and may not be."""

    exit_code = 126


class NotExecutable(StartFailed):
    """What is to be run is not there."""

    exit_code = 127


def start_failure(message: str) -> StartFailed:
    """The kind that the runtime's words mean, as Docker's command line reads them (cli/command/container/run.go)."""
    if "executable file not found" in message or "no such file or directory" in message:
        return NotExecutable(message)
    if any(words in message for words in ("permission denied", "is a directory", "exec format error")):
        return CannotExecute(message)
    return StartFailed(message)
