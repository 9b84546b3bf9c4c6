"""Run hooks: programs of the host with the state on stdin (runtime-spec, config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.container.errors import HookFailed
from runtime.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec.config import Hook

_SHOWN = 400


def run_hooks(moment: str, hooks: tuple[Hook, ...], state: dict[str, Any]) -> None:
    """Each to its end, in order; raises `HookFailed` at the first that fails or takes longer than it may."""
    for index, hook in enumerate(hooks):
        _run(f"hooks.{moment}[{index}]: run {hook.path}", hook, jsontext.dumps(state))


def run_poststop(hooks: tuple[Hook, ...], state: dict[str, Any]) -> tuple[str, ...]:
    """All of them; what those that failed are to be warned about with (runtime.md, "Lifecycle")."""
    complaints = []
    for index, hook in enumerate(hooks):
        try:
            _run(f"hooks.poststop[{index}]: run {hook.path}", hook, jsontext.dumps(state))
        except HookFailed as error:
            complaints.append(str(error))
    return tuple(complaints)


def _run(what: str, hook: Hook, state: str) -> None:
    import subprocess

    environment = dict(entry.split("=", 1) for entry in hook.env)
    try:
        process = subprocess.Popen(
            hook.args or (hook.path,), executable=hook.path, env=environment, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise HookFailed(f"{what}: {str(getattr(error, 'strerror', None) or error).lower()}") from error
    try:
        stdout, stderr = process.communicate(state.encode(), hook.timeout)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signals.SIGKILL)  # with whatever it has started
        process.wait()
        raise HookFailed(f"{what}: not done after {hook.timeout} s") from error
    code = process.returncode
    if code:
        said = " ".join((stderr or stdout).decode(errors="replace").split())[-_SHOWN:]
        ended = f"exit status {code}" if code > 0 else f"killed by signal {-code}"
        raise HookFailed(f"{what}: {ended}{': ' + said if said else ''}")
