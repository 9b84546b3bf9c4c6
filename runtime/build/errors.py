"""What a build ends with when it fails.

BuildError              one sentence
├── DockerfileError     the Dockerfile says something that makes no sense
├── ContextError        the context, or the file of what it leaves out, cannot be used
├── StepError           an instruction failed; begins with file:line and the instruction
└── CommandFailed       the program of a RUN ended with something else than 0
"""

from __future__ import annotations


class BuildError(Exception):
    """``code`` is what a command line that prints the message ends with."""

    code = 1


class ContextError(BuildError):
    """The context cannot be used."""


class DockerfileError(BuildError):
    """``line`` is where, counted from 1."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}:{line}: {problem}")
        self.line = line


class StepError(BuildError):
    """An instruction failed at ``line`` of the Dockerfile ``name``."""

    def __init__(self, name: str, line: int, keyword: str, problem: str, code: int = 1) -> None:
        super().__init__(f"{name}:{line}: {keyword}: {problem}")
        self.code = code


class CommandFailed(BuildError):
    """In Docker's words; the code is the program's."""

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"The command '{command}' returned a non-zero code: {code}")
        self.code = code
