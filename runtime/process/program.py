"""Find and execute the process's program, as execvp(3) does, planned."""

from __future__ import annotations

import os

from runtime.linux import constants as c
from runtime.linux import signals
from runtime.linux.program import ANY_ERRNO, Call, Vector

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MISSING = (c.ENOENT, c.ENOTDIR, c.EACCES, c.ELOOP)
_X_OK = 1

# struct sigaction of the kernel, all zero: SIG_DFL, no flags, no restorer, an empty mask of 8 bytes.
_SIGACTION_DEFAULT = bytes(32)
_SIGSET_BYTES = 8


def candidates(name: str, env: tuple[str, ...]) -> tuple[bytes, ...]:
    """Where the program may be: along the process's own PATH, unless its name has a slash."""
    if "/" in name:
        return (os.fsencode(name),)
    path = next((entry[5:] for entry in env if entry.startswith("PATH=")), DEFAULT_PATH)
    return tuple(os.fsencode(f"{directory or '.'}/{name}") for directory in path.split(":"))


def purpose(name: str) -> str:
    """What engines look for in an error message to tell 126 from 127."""
    return f'exec: "{name}"'


def plan_lookup(args: tuple[str, ...], env: tuple[str, ...], cwd: str) -> tuple[Call, ...]:
    """Fail unless one of the candidates can be executed: so that ``create`` can tell, before anybody waits."""
    places = tuple(os.path.join(os.fsencode(cwd), place) for place in candidates(args[0], env))
    return tuple(
        Call(purpose(args[0]), "faccessat2", (c.AT_FDCWD, place, _X_OK, c.AT_EACCESS),
             _MISSING if index + 1 < len(places) else (), leave_out=len(places) - index - 1)
        for index, place in enumerate(places)
    )  # fmt: skip


def plan_execute(args: tuple[str, ...], env: tuple[str, ...]) -> tuple[Call, ...]:
    """execve(2) of the first candidate that can be; signals that Python ignores or blocks are given back before."""
    argv = Vector(tuple(map(os.fsencode, args)))
    envp = Vector(tuple(map(os.fsencode, env)))
    *others, last = candidates(args[0], env)
    what = purpose(args[0])
    return (
        *(Call(what, "execve", (place, argv, envp), ANY_ERRNO) for place in others),
        Call(what, "execve", (last, argv, envp)),
    )


def plan_signals() -> tuple[Call, ...]:
    """Give back what Python ignores, and unblock whatever the runtime's caller had blocked."""
    return (
        *(
            Call("reset signals", "rt_sigaction", (number, _SIGACTION_DEFAULT, 0, _SIGSET_BYTES))
            for number in (signals.SIGPIPE, signals.SIGXFSZ)
        ),
        Call("unblock signals", "rt_sigprocmask", (signals.SIG_SETMASK, bytes(_SIGSET_BYTES), 0, _SIGSET_BYTES)),
    )
